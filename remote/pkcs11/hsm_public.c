/* SPDX-License-Identifier: Apache-2.0 */
/* The public part of a private key object: a token may have it in four places, or nowhere. */
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "hsm.h"
#include "remote/local/der.h"
#include "remote/local/local.h"

/* ---- SubjectPublicKeyInfo (RFC 5280 4.1.2.7) from parts ---- */

#define OID_RSA "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" /* RFC 8017 A.1: rsaEncryption */
#define OID_EC "\x2a\x86\x48\xce\x3d\x02\x01"          /* RFC 5480 2.1.1: id-ecPublicKey */

static struct remote_slice literal(const char *bytes)
{
    return remote_slice(bytes, strlen(bytes));
}

/* params: a whole element. */
static enum remote_rc join_spki(struct remote_slice oid, struct remote_slice params,
                                struct remote_slice key, struct remote_buf *ret,
                                struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf algorithm = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf bits = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf content = { 0 };

    remote_der_append(&algorithm, REMOTE_DER_OID, oid);
    remote_buf_append(&algorithm, params.data, params.len);
    remote_buf_append_char(&bits, '\0'); /* no unused bits */
    remote_buf_append(&bits, key.data, key.len);
    remote_der_append(&content, REMOTE_DER_SEQUENCE, remote_buf_slice(&algorithm));
    remote_der_append(&content, REMOTE_DER_BIT_STRING, remote_buf_slice(&bits));
    remote_der_append(ret, REMOTE_DER_SEQUENCE, remote_buf_slice(&content));
    REMOTE_TRY(remote_buf_check(&algorithm, err));
    REMOTE_TRY(remote_buf_check(&bits, err));
    REMOTE_TRY(remote_buf_check(&content, err));
    return remote_buf_check(ret, err);
}

static enum remote_rc spki_of_rsa(struct hsm_session *session, CK_OBJECT_HANDLE object,
                                  struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf modulus = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf exponent = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf numbers = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf key = { 0 };
    const struct hsm_value values[] = { { CKA_MODULUS, &modulus },
                                        { CKA_PUBLIC_EXPONENT, &exponent } };

    REMOTE_TRY(hsm_attributes(session, object, values, ARRAY_SIZE(values), err));
    if (modulus.len == 0 || exponent.len == 0)
        return REMOTE_OK;
    remote_der_append_unsigned(&numbers, remote_buf_slice(&modulus));
    remote_der_append_unsigned(&numbers, remote_buf_slice(&exponent));
    remote_der_append(&key, REMOTE_DER_SEQUENCE, remote_buf_slice(&numbers));
    REMOTE_TRY(remote_buf_check(&numbers, err));
    REMOTE_TRY(remote_buf_check(&key, err));
    return join_spki(literal(OID_RSA), remote_slice("\x05\x00", 2), remote_buf_slice(&key), ret,
                     err);
}

/* CKA_EC_POINT is the DER OCTET STRING of the point (PKCS#11 3.0, 6.3.3); some give it bare. */
static struct remote_slice bare_point(struct remote_slice value)
{
    struct remote_slice rest = value, inside;

    if (remote_der_take(&rest, REMOTE_DER_OCTET_STRING, &inside) && rest.len == 0)
        return inside;
    return value;
}

static enum remote_rc spki_of_ec(struct hsm_session *session, CK_OBJECT_HANDLE object,
                                 struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf params = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf point = { 0 };
    const struct hsm_value values[] = { { CKA_EC_PARAMS, &params }, { CKA_EC_POINT, &point } };

    REMOTE_TRY(hsm_attributes(session, object, values, ARRAY_SIZE(values), err));
    if (params.len == 0 || point.len == 0)
        return REMOTE_OK;
    return join_spki(literal(OID_EC), remote_buf_slice(&params),
                     bare_point(remote_buf_slice(&point)), ret, err);
}

/* ---- the places ---- */

/* An answer that is no key of this kind is as good as none: another place may have it. */
static bool takes_spki(struct remote_key *key, struct remote_slice spki)
{
    return spki.len > 0 && remote_local_set_spki(key, spki, NULL) == REMOTE_OK;
}

static enum remote_rc from_info(struct hsm_session *session, CK_OBJECT_HANDLE object,
                                struct remote_key *key, bool *ret_found, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf spki = { 0 };

    REMOTE_TRY(hsm_attribute(session, object, CKA_PUBLIC_KEY_INFO, &spki, err));
    *ret_found = takes_spki(key, remote_buf_slice(&spki));
    return REMOTE_OK;
}

static enum remote_rc from_parts(struct hsm_session *session, CK_OBJECT_HANDLE object,
                                 CK_KEY_TYPE type, struct remote_key *key, bool *ret_found,
                                 struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf spki = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf point = { 0 };

    if (type == CKK_RSA) {
        REMOTE_TRY(spki_of_rsa(session, object, &spki, err));
    } else if (type == CKK_EC) {
        REMOTE_TRY(spki_of_ec(session, object, &spki, err));
    } else {
        REMOTE_TRY(hsm_attribute(session, object, CKA_EC_POINT, &point, err));
        *ret_found =
            point.len > 0 &&
            remote_local_set_ed25519(key, bare_point(remote_buf_slice(&point)), NULL) == REMOTE_OK;
        return REMOTE_OK;
    }
    *ret_found = takes_spki(key, remote_buf_slice(&spki));
    return REMOTE_OK;
}

static enum remote_rc from_cert(struct hsm_session *session, CK_OBJECT_HANDLE object,
                                struct remote_key *key, bool *ret_found, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    const unsigned char *at;
    unsigned char *spki = NULL;
    X509 *cert;
    int len = 0;

    REMOTE_TRY(hsm_attribute(session, object, CKA_VALUE, &der, err));
    at = der.data;
    cert = der.len > 0 ? d2i_X509(NULL, &at, (long)der.len) : NULL;
    if (cert != NULL)
        len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki);
    *ret_found = len > 0 && takes_spki(key, remote_slice(spki, (size_t)len));
    OPENSSL_free(spki);
    X509_free(cert);
    ERR_clear_error();
    return REMOTE_OK;
}

/* Objects of this class that belong to the key: by CKA_ID, or by label when it has no id. */
static enum remote_rc find_beside(struct hsm_session *session, const struct hsm_private *private,
                                  CK_OBJECT_CLASS class, struct hsm_objects *ret,
                                  struct remote_error *err)
{
    if (private->id.len > 0)
        return hsm_find_by(session, class, CKA_ID, private->id, ret, err);
    return hsm_find_by(session, class, CKA_LABEL, private->label, ret, err);
}

static enum remote_rc from_public_objects(struct hsm_session *session,
                                          const struct hsm_private *private, struct remote_key *key,
                                          bool *ret_found, struct remote_error *err)
{
    CLEANUP(hsm_objects_clear) struct hsm_objects found = { 0 };

    REMOTE_TRY(find_beside(session, private, CKO_PUBLIC_KEY, &found, err));
    for (size_t i = 0; i < found.count && !*ret_found; i++) {
        REMOTE_TRY(from_parts(session, found.list[i], private->type, key, ret_found, err));
        if (!*ret_found)
            REMOTE_TRY(from_info(session, found.list[i], key, ret_found, err));
    }
    return REMOTE_OK;
}

static enum remote_rc from_certs(struct hsm_session *session, const struct hsm_private *private,
                                 struct remote_key *key, bool *ret_found, struct remote_error *err)
{
    CLEANUP(hsm_objects_clear) struct hsm_objects found = { 0 };

    REMOTE_TRY(find_beside(session, private, CKO_CERTIFICATE, &found, err));
    for (size_t i = 0; i < found.count && !*ret_found; i++)
        REMOTE_TRY(from_cert(session, found.list[i], key, ret_found, err));
    return REMOTE_OK;
}

static enum remote_rc look_everywhere(struct hsm_session *session,
                                      const struct hsm_private *private, struct remote_key *key,
                                      bool *ret_found, struct remote_error *err)
{
    if (private->type == CKK_RSA) /* private RSA keys have both numbers, as a rule */
        REMOTE_TRY(from_parts(session, private->object, CKK_RSA, key, ret_found, err));
    if (!*ret_found)
        REMOTE_TRY(from_info(session, private->object, key, ret_found, err));
    if (!*ret_found)
        REMOTE_TRY(from_public_objects(session, private, key, ret_found, err));
    if (!*ret_found)
        REMOTE_TRY(from_certs(session, private, key, ret_found, err));
    return REMOTE_OK;
}

enum remote_rc hsm_public_read(struct hsm_session *session, const struct hsm_private *private,
                               struct remote_key *key, struct remote_error *err)
{
    static const struct {
        CK_KEY_TYPE wire;
        enum remote_key_type type;
    } types[] = {
        { CKK_RSA, REMOTE_KEY_RSA },
        { CKK_EC, REMOTE_KEY_EC },
        { CKK_EC_EDWARDS, REMOTE_KEY_ED25519 },
    };
    bool found = false;

    REMOTE_TRY(look_everywhere(session, private, key, &found, err));
    if (!found)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "key '%s': the token has no public key that is served: no "
                           "CKA_PUBLIC_KEY_INFO, public key object or certificate with its CKA_ID",
                           key->name);
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (types[i].wire == private->type && types[i].type == key->type)
            return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                       "key '%s': its public key is of another type than its CKA_KEY_TYPE",
                       key->name);
}
