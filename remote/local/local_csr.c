/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificate requests. X509_REQ_sign() wants a private key in this process, so the parts that
 * it would fill are filled by hand: algorithm, encoded info, signature.
 */
#include "local_private.h"

#include <string.h>
#include <strings.h>

#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include "libctx.h"

#define SANS_MAX 100

/* How a key signs a request; hash NONE: Ed25519 signs the info itself. */
struct scheme {
    enum remote_key_type type;
    enum remote_hash hash;
    enum remote_alg alg;
    int nid;    /* signatureAlgorithm */
    int params; /* V_ASN1_NULL or V_ASN1_UNDEF: RFC 3279 2.2.1, RFC 5758 3.2, RFC 8410 3 */
};

/* clang-format off */
static const struct scheme schemes[] = {
    { REMOTE_KEY_RSA,     REMOTE_HASH_SHA256, REMOTE_ALG_RSA_PKCS1, NID_sha256WithRSAEncryption, V_ASN1_NULL },
    { REMOTE_KEY_RSA,     REMOTE_HASH_SHA384, REMOTE_ALG_RSA_PKCS1, NID_sha384WithRSAEncryption, V_ASN1_NULL },
    { REMOTE_KEY_RSA,     REMOTE_HASH_SHA512, REMOTE_ALG_RSA_PKCS1, NID_sha512WithRSAEncryption, V_ASN1_NULL },
    { REMOTE_KEY_EC,      REMOTE_HASH_SHA256, REMOTE_ALG_ECDSA,     NID_ecdsa_with_SHA256,       V_ASN1_UNDEF },
    { REMOTE_KEY_EC,      REMOTE_HASH_SHA384, REMOTE_ALG_ECDSA,     NID_ecdsa_with_SHA384,       V_ASN1_UNDEF },
    { REMOTE_KEY_EC,      REMOTE_HASH_SHA512, REMOTE_ALG_ECDSA,     NID_ecdsa_with_SHA512,       V_ASN1_UNDEF },
    { REMOTE_KEY_ED25519, REMOTE_HASH_NONE,   REMOTE_ALG_EDDSA,     NID_ED25519,                 V_ASN1_UNDEF },
};
/* clang-format on */

static enum remote_hash default_hash(const struct remote_key *key)
{
    if (key->type == REMOTE_KEY_ED25519)
        return REMOTE_HASH_NONE;
    if (key->type == REMOTE_KEY_EC && key->bits > 256)
        return key->bits > 384 ? REMOTE_HASH_SHA512 : REMOTE_HASH_SHA384;
    return REMOTE_HASH_SHA256;
}

static enum remote_rc find_scheme(const struct remote_key *key, enum remote_hash hash,
                                  const struct scheme **ret, struct remote_error *err)
{
    if (key->spki.len == 0)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "a certificate request needs an asymmetric key");
    if (hash == REMOTE_HASH_NONE)
        hash = default_hash(key);
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        if (schemes[i].type == key->type && schemes[i].hash == hash) {
            *ret = &schemes[i];
            return REMOTE_OK;
        }
    }
    return REMOTE_FAIL(err, REMOTE_E_PARAM,
                       "a certificate request with a key of type %s cannot use %s; %s can be used",
                       remote_key_type_name(key->type), remote_hash_name(hash),
                       key->type == REMOTE_KEY_ED25519 ? "no hash" : "SHA2-256, -384 or -512");
}

/* ---- subjectAltName ---- */

struct san_kind {
    const char *prefix;
    int type;
};

static const struct san_kind san_kinds[] = {
    { "DNS:", GEN_DNS },
    { "IP:", GEN_IPADD },
    { "email:", GEN_EMAIL },
};

/* An IA5String; nothing that a name could hide behind. */
static bool plain_ascii(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text > '~')
            return false;
    }
    return true;
}

static GENERAL_NAME *parse_san(const char *san)
{
    for (size_t i = 0; i < ARRAY_SIZE(san_kinds); i++) {
        size_t len = strlen(san_kinds[i].prefix);

        if (strncasecmp(san, san_kinds[i].prefix, len) == 0 && san[len] != '\0' &&
            plain_ascii(san + len))
            return a2i_GENERAL_NAME(NULL, NULL, NULL, san_kinds[i].type, san + len, 0);
    }
    return NULL;
}

static enum remote_rc parse_sans(const char *const *sans, GENERAL_NAMES *names,
                                 struct remote_error *err)
{
    for (size_t i = 0; sans[i] != NULL; i++) {
        GENERAL_NAME *name;

        if (i == SANS_MAX)
            return REMOTE_FAIL(err, REMOTE_E_PARAM, "more than %d alternative names", SANS_MAX);
        name = parse_san(sans[i]);
        if (name == NULL || sk_GENERAL_NAME_push(names, name) <= 0) {
            GENERAL_NAME_free(name);
            ERR_clear_error();
            return REMOTE_FAIL(err, REMOTE_E_PARAM,
                               "alternative name '%s': it should be DNS:NAME, IP:ADDRESS or "
                               "email:ADDRESS in ASCII",
                               sans[i]);
        }
    }
    return REMOTE_OK;
}

/* The extension is critical when there is no subject: RFC 5280 4.2.1.6. */
static bool add_extension(X509_REQ *req, GENERAL_NAMES *names)
{
    int critical = X509_NAME_entry_count(X509_REQ_get_subject_name(req)) == 0;
    X509_EXTENSION *extension = X509V3_EXT_i2d(NID_subject_alt_name, critical, names);
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    bool done = extension != NULL && X509v3_add_ext(&extensions, extension, -1) != NULL &&
                X509_REQ_add_extensions(req, extensions) == 1;

    X509_EXTENSION_free(extension);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return done;
}

static enum remote_rc add_sans(X509_REQ *req, const char *const *sans, struct remote_error *err)
{
    GENERAL_NAMES *names;
    enum remote_rc rc;

    if (sans == NULL || sans[0] == NULL)
        return REMOTE_OK;
    names = GENERAL_NAMES_new();
    rc = names != NULL ? parse_sans(sans, names, err)
                       : remote_crypto_fail(err, "cannot make a certificate request");
    if (rc == REMOTE_OK && !add_extension(req, names))
        rc = remote_crypto_fail(err, "cannot add alternative names");
    GENERAL_NAMES_free(names);
    return rc;
}

/* ---- the request ---- */

static void free_req(X509_REQ **req)
{
    X509_REQ_free(*req);
}

static bool set_algorithm(X509_REQ *req, const struct scheme *scheme)
{
    X509_ALGOR *algorithm = X509_ALGOR_new();
    bool done = algorithm != NULL &&
                X509_ALGOR_set0(algorithm, OBJ_nid2obj(scheme->nid), scheme->params, NULL) == 1 &&
                X509_REQ_set1_signature_algo(req, algorithm) == 1;

    X509_ALGOR_free(algorithm);
    return done;
}

static bool set_signature(X509_REQ *req, struct remote_slice sig)
{
    ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();

    if (bits == NULL || ASN1_STRING_set(bits, sig.data, (int)sig.len) != 1) {
        ASN1_BIT_STRING_free(bits);
        return false;
    }
    bits->flags = ASN1_STRING_FLAG_BITS_LEFT; /* all bits count, also trailing zeros */
    X509_REQ_set0_signature(req, bits);       /* owns it now */
    return true;
}

static enum remote_rc fill(X509_REQ *req, struct remote_key *key, const struct remote_csr *csr,
                           const struct scheme *scheme, struct remote_error *err)
{
    EVP_PKEY *pkey = remote_local_pkey(key, err);

    if (pkey == NULL)
        return REMOTE_E_CRYPTO;
    if (X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 || X509_REQ_set_pubkey(req, pkey) != 1 ||
        !set_algorithm(req, scheme))
        return remote_crypto_fail(err, "cannot make a certificate request");
    REMOTE_TRY(remote_local_subject(csr->subject, X509_REQ_get_subject_name(req), err));
    return add_sans(req, csr->sans, err);
}

/* What an i2d function gave; it is freed. */
static enum remote_rc take_der(unsigned char *der, int len, struct remote_buf *ret,
                               struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf built = { 0 };

    if (len <= 0)
        return remote_crypto_fail(err, "cannot encode a certificate request");
    remote_buf_append(&built, der, (size_t)len);
    OPENSSL_free(der);
    return remote_local_give(&built, ret, err);
}

static enum remote_rc sign_info(struct remote_slice info, const struct remote_csr *csr,
                                const struct scheme *scheme, struct remote_buf *ret_sig,
                                struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf digest = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf sig = { 0 };
    struct remote_params params = { .alg = scheme->alg, .hash = scheme->hash };

    if (scheme->hash != REMOTE_HASH_NONE) {
        REMOTE_TRY(remote_local_hash(scheme->hash, info, &digest, err));
        info = remote_buf_slice(&digest);
    }
    REMOTE_TRY(csr->sign(csr->arg, &params, info, &sig, err));
    if (scheme->alg == REMOTE_ALG_ECDSA)
        return remote_local_ecdsa_to_der(remote_buf_slice(&sig), ret_sig, err);
    return remote_local_give(&sig, ret_sig, err);
}

static enum remote_rc sign(X509_REQ *req, const struct remote_csr *csr, const struct scheme *scheme,
                           struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf info = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf sig = { 0 };
    unsigned char *der = NULL;
    int len = i2d_re_X509_REQ_tbs(req, &der);

    REMOTE_TRY(take_der(der, len, &info, err));
    REMOTE_TRY(sign_info(remote_buf_slice(&info), csr, scheme, &sig, err));
    if (!set_signature(req, remote_buf_slice(&sig)))
        return remote_crypto_fail(err, "cannot sign a certificate request");
    return REMOTE_OK;
}

enum remote_rc remote_local_csr(struct remote_key *key, const struct remote_csr *csr,
                                struct remote_buf *ret_der, struct remote_error *err)
{
    CLEANUP(free_req) X509_REQ *req = NULL;
    const struct scheme *scheme = NULL;
    unsigned char *der = NULL;
    int len;

    REMOTE_TRY(find_scheme(key, csr->hash, &scheme, err));
    req = X509_REQ_new_ex(remote_libctx(), NULL);
    if (req == NULL)
        return remote_crypto_fail(err, "cannot make a certificate request");
    REMOTE_TRY(fill(req, key, csr, scheme, err));
    REMOTE_TRY(sign(req, csr, scheme, err));
    len = i2d_X509_REQ(req, &der);
    return take_der(der, len, ret_der, err);
}
