/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A KES API key is an Ed25519 key; what goes over the wire is a certificate for it, signed by
 * itself. KES knows a client by the hash of its public key alone.
 */
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "kes.h"
#include "remote/encode.h"
#include "remote/local/libctx.h"
#include "remote/local/local.h"

#define SCHEME "kes:v1:"
#define SCHEME_LEN (sizeof(SCHEME) - 1)
#define SEED_LEN 32
#define ENCODED_LEN 44 /* base64 of a zero byte and the seed */
#define VALID_S (90L * 24 * 3600)
#define SKEW_S 3600L /* a clock that is behind ours still finds it valid */

bool kes_api_key_fits(struct remote_slice api_key)
{
    CLEANUP(remote_buf_clear) struct remote_buf bytes = { 0 };

    return api_key.len == SCHEME_LEN + ENCODED_LEN &&
           memcmp(api_key.data, SCHEME, SCHEME_LEN) == 0 &&
           remote_base64_decode(remote_slice(api_key.data + SCHEME_LEN, ENCODED_LEN), &bytes) &&
           bytes.len == 1 + SEED_LEN && bytes.data[0] == 0;
}

static EVP_PKEY *read_pkey(struct remote_slice api_key)
{
    CLEANUP(remote_buf_clear) struct remote_buf bytes = { 0 };

    if (!remote_base64_decode(remote_slice(api_key.data + SCHEME_LEN, ENCODED_LEN), &bytes))
        return NULL;
    return EVP_PKEY_new_raw_private_key_ex(remote_libctx(), "ED25519", NULL, bytes.data + 1,
                                           SEED_LEN);
}

enum remote_rc kes_identity_of(EVP_PKEY *pkey, char ret[KES_IDENTITY_LEN + 1],
                               struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf hash = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf hex = { 0 };
    unsigned char *spki = NULL;
    int len = i2d_PUBKEY(pkey, &spki);
    enum remote_rc rc =
        len > 0 ? remote_local_hash(REMOTE_HASH_SHA256, remote_slice(spki, (size_t)len), &hash, err)
                : remote_crypto_fail(err, "the public key cannot be encoded");

    OPENSSL_free(spki);
    REMOTE_TRY(rc);
    remote_hex_append(&hex, remote_buf_slice(&hash));
    REMOTE_TRY(remote_buf_check(&hex, err));
    memcpy(ret, hex.data, KES_IDENTITY_LEN + 1);
    return REMOTE_OK;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool done = extension != NULL && X509_add_ext(cert, extension, -1) == 1;

    X509_EXTENSION_free(extension);
    return done;
}

static bool set_names(X509 *cert, const char *identity)
{
    X509_NAME *name = X509_get_subject_name(cert); /* borrowed */

    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)identity,
                                      KES_IDENTITY_LEN, -1, 0) == 1 &&
           X509_set_issuer_name(cert, name) == 1;
}

static bool fill_cert(X509 *cert, EVP_PKEY *pkey, const char *identity)
{
    return X509_set_version(cert, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 && set_names(cert, identity) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -SKEW_S) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(cert), VALID_S) != NULL &&
           X509_set_pubkey(cert, pkey) == 1 &&
           /* KES passes over a CA's certificates */
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, NID_ext_key_usage, "clientAuth") &&
           X509_sign(cert, pkey, NULL) > 0; /* Ed25519 hashes for itself */
}

static enum remote_rc make_cert(EVP_PKEY *pkey, X509 **ret, struct remote_error *err)
{
    char identity[KES_IDENTITY_LEN + 1];
    X509 *cert;

    REMOTE_TRY(kes_identity_of(pkey, identity, err));
    cert = X509_new_ex(remote_libctx(), NULL);
    if (cert == NULL || !fill_cert(cert, pkey, identity)) {
        X509_free(cert);
        return remote_crypto_fail(err, "the certificate of the API key cannot be made");
    }
    *ret = cert;
    return REMOTE_OK;
}

enum remote_rc kes_identity_derive(struct remote_slice api_key, X509 **ret_cert,
                                   EVP_PKEY **ret_pkey, struct remote_error *err)
{
    EVP_PKEY *pkey;
    enum remote_rc rc;

    if (!kes_api_key_fits(api_key))
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "not an API key of KES, which begins with " SCHEME
                           " and has 51 characters");
    pkey = read_pkey(api_key);
    if (pkey == NULL)
        return remote_crypto_fail(err, "the API key cannot be used");
    rc = make_cert(pkey, ret_cert, err);
    if (rc != REMOTE_OK) {
        EVP_PKEY_free(pkey);
        return rc;
    }
    *ret_pkey = pkey;
    return REMOTE_OK;
}
