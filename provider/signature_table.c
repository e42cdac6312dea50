/* SPDX-License-Identifier: Apache-2.0 */
/* The signature algorithms, as libcrypto sees them. */
#include "signature.h"
#include "signature_composite.h"

static int sign_init(void *data, void *key, const OSSL_PARAM params[])
{
    return provider_signature_init(data,
                                   &(struct provider_beginning){ PROVIDER_SIGN, key, params, NULL,
                                                                 PROVIDER_KEY_TYPE_COUNT });
}

static int verify_init(void *data, void *key, const OSSL_PARAM params[])
{
    return provider_signature_init(data,
                                   &(struct provider_beginning){ PROVIDER_VERIFY, key, params, NULL,
                                                                 PROVIDER_KEY_TYPE_COUNT });
}

static int recover_init(void *data, void *key, const OSSL_PARAM params[])
{
    return provider_signature_init(data,
                                   &(struct provider_beginning){ PROVIDER_RECOVER, key, params,
                                                                 NULL, PROVIDER_KEY_TYPE_COUNT });
}

static int digest_sign_init(void *data, const char *md_name, void *key, const OSSL_PARAM params[])
{
    return provider_signature_init(data, &(struct provider_beginning){ PROVIDER_DIGEST_SIGN, key,
                                                                       params, md_name,
                                                                       PROVIDER_KEY_TYPE_COUNT });
}

static int digest_verify_init(void *data, const char *md_name, void *key, const OSSL_PARAM params[])
{
    return provider_signature_init(data, &(struct provider_beginning){ PROVIDER_DIGEST_VERIFY, key,
                                                                       params, md_name,
                                                                       PROVIDER_KEY_TYPE_COUNT });
}

/* ---- lists of parameters: libcrypto's own, which are static data of the default provider ---- */

struct lists {
    const OSSL_PARAM *(*of_ctx)(const EVP_PKEY_CTX *ctx);
    const OSSL_PARAM *(*of_algorithm)(const EVP_SIGNATURE *signature);
};
static const struct lists gettable = { EVP_PKEY_CTX_gettable_params,
                                       EVP_SIGNATURE_gettable_ctx_params };
static const struct lists settable = { EVP_PKEY_CTX_settable_params,
                                       EVP_SIGNATURE_settable_ctx_params };

/* After some inits there are fewer; libcrypto also asks before there is any. */
static enum remote_rc list(const struct provider_signature *sig, const char *name,
                           const struct lists *lists, const OSSL_PARAM **ret)
{
    EVP_SIGNATURE *signature;

    if (sig != NULL && sig->ctx != NULL) {
        *ret = lists->of_ctx(sig->ctx);
        return REMOTE_OK;
    }
    signature = EVP_SIGNATURE_fetch(remote_libctx(), name, PROVIDER_LIBCRYPTO);
    if (signature != NULL)
        *ret = lists->of_algorithm(signature);
    EVP_SIGNATURE_free(signature);
    return REMOTE_OK;
}

#define LISTS(name, algorithm)                                                                     \
    static const OSSL_PARAM *name##_gettable(void *data, void *provider)                           \
    {                                                                                              \
        const OSSL_PARAM *params = NULL;                                                           \
                                                                                                   \
        (void)PROVIDER_CALL(call, provider, list(data, algorithm, &gettable, &params));            \
        return params;                                                                             \
    }                                                                                              \
    static const OSSL_PARAM *name##_settable(void *data, void *provider)                           \
    {                                                                                              \
        const OSSL_PARAM *params = NULL;                                                           \
                                                                                                   \
        (void)PROVIDER_CALL(call, provider, list(data, algorithm, &settable, &params));            \
        return params;                                                                             \
    }
LISTS(rsa, "RSA")
LISTS(ecdsa, "ECDSA")
LISTS(ed25519, "ED25519")

/* ---- tables ---- */

/* clang-format off */
#define COMMON(name)                                                       \
    PROVIDER_SIGNATURE(NEWCTX, provider_signature_new),                    \
    PROVIDER_SIGNATURE(FREECTX, provider_signature_free),                  \
    PROVIDER_SIGNATURE(DUPCTX, provider_signature_dup),                    \
    PROVIDER_SIGNATURE(DIGEST_SIGN_INIT, digest_sign_init),                \
    PROVIDER_SIGNATURE(DIGEST_VERIFY_INIT, digest_verify_init),            \
    PROVIDER_SIGNATURE(GET_CTX_PARAMS, provider_signature_get_params),     \
    PROVIDER_SIGNATURE(GETTABLE_CTX_PARAMS, name##_gettable),              \
    PROVIDER_SIGNATURE(SET_CTX_PARAMS, provider_signature_set_params),     \
    PROVIDER_SIGNATURE(SETTABLE_CTX_PARAMS, name##_settable)
#define OF_DIGESTS                                                         \
    PROVIDER_SIGNATURE(SIGN_INIT, sign_init),                              \
    PROVIDER_SIGNATURE(SIGN, provider_signature_sign),                     \
    PROVIDER_SIGNATURE(VERIFY_INIT, verify_init),                          \
    PROVIDER_SIGNATURE(VERIFY, provider_signature_verify),                 \
    PROVIDER_SIGNATURE(DIGEST_SIGN_UPDATE, provider_signature_update),     \
    PROVIDER_SIGNATURE(DIGEST_SIGN_FINAL, provider_signature_sign_final),  \
    PROVIDER_SIGNATURE(DIGEST_VERIFY_UPDATE, provider_signature_update),   \
    PROVIDER_SIGNATURE(DIGEST_VERIFY_FINAL, provider_signature_verify_final)

static const OSSL_DISPATCH rsa_functions[] = {
    COMMON(rsa),
    OF_DIGESTS,
    PROVIDER_SIGNATURE(VERIFY_RECOVER_INIT, recover_init),
    PROVIDER_SIGNATURE(VERIFY_RECOVER, provider_signature_recover),
    { 0, NULL },
};

static const OSSL_DISPATCH ecdsa_functions[] = {
    COMMON(ecdsa),
    OF_DIGESTS,
    { 0, NULL },
};

static const OSSL_DISPATCH ed25519_functions[] = {
    COMMON(ed25519),
    PROVIDER_SIGNATURE(DIGEST_SIGN, provider_signature_sign),
    PROVIDER_SIGNATURE(DIGEST_VERIFY, provider_signature_verify),
    PROVIDER_ED25519_MESSAGES
    { 0, NULL },
};

const OSSL_ALGORITHM provider_signatures[] = {
    { PROVIDER_NAMES_RSA,     PROVIDER_PROPERTIES, rsa_functions,     "RSA signatures" },
    { "ECDSA",                PROVIDER_PROPERTIES, ecdsa_functions,   "ECDSA" },
    { PROVIDER_NAMES_ED25519, PROVIDER_PROPERTIES, ed25519_functions, "Ed25519" },
    PROVIDER_COMPOSITES
    { NULL, NULL, NULL, NULL },
};
/* clang-format on */
