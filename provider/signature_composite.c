/* SPDX-License-Identifier: Apache-2.0 */
/*
 * They are what EVP_DigestSign() of the same digest does, under other names: see the header. Of
 * an RSA one the padding is PKCS#1, and no parameter can change it.
 */
#include "signature_composite.h"

#ifdef OSSL_FUNC_SIGNATURE_SIGN_MESSAGE_INIT

#include "signature.h"

#include <openssl/params.h>

static int init(void *data, enum provider_doing doing, void *key, const char *md_name,
                enum provider_key_type only)
{
    const struct provider_beginning beginning = { doing, key, NULL, md_name, only };

    return provider_signature_init(data, &beginning);
}

/* ---- parameters: the signature to verify, which comes before the message's end ---- */

static const OSSL_PARAM *settable(void *data, void *provider)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_SIGNATURE, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)data, (void)provider;
    return params;
}

static const OSSL_PARAM *gettable(void *data, void *provider)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)data, (void)provider;
    return params;
}

static int set_params(void *data, const OSSL_PARAM params[])
{
    struct provider_signature *sig = data;
    const OSSL_PARAM *param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_SIGNATURE);

    if (param == NULL || sig->doing != PROVIDER_DIGEST_VERIFY)
        return 1;
    if (param->data_type != OSSL_PARAM_OCTET_STRING)
        return 0;
    remote_buf_clear(&sig->expected);
    remote_buf_append(&sig->expected, param->data, param->data_size);
    return !sig->expected.failed;
}

static int verify_final(void *data)
{
    const struct provider_signature *sig = data;

    return provider_signature_verify_final(data, sig->expected.data, sig->expected.len);
}

/* ---- Ed25519 ---- */

int provider_composite_ed25519_sign_init(void *data, void *key, const OSSL_PARAM params[])
{
    const struct provider_beginning beginning = { PROVIDER_DIGEST_SIGN, key, params, NULL,
                                                  PROVIDER_ED25519 };

    return provider_signature_init(data, &beginning);
}

int provider_composite_ed25519_verify_init(void *data, void *key, const OSSL_PARAM params[])
{
    const struct provider_beginning beginning = { PROVIDER_DIGEST_VERIFY, key, params, NULL,
                                                  PROVIDER_ED25519 };

    return provider_signature_init(data, &beginning);
}

const char **provider_composite_ed25519_types(void)
{
    static const char *types[] = { "ED25519", NULL };

    return types;
}

/* ---- RSA and ECDSA with each digest ---- */

static const char **rsa_types(void)
{
    static const char *types[] = { "RSA", NULL };

    return types;
}

static const char **ecdsa_types(void)
{
    static const char *types[] = { "EC", NULL };

    return types;
}

/* What is set with init is the signature at most: set_params(). */
#define INIT(function, doing, name, only)                                                          \
    static int function(void *data, void *key, const OSSL_PARAM params[])                          \
    {                                                                                              \
        return init(data, doing, key, name, only) && set_params(data, params);                     \
    }
#define INITS(prefix, name, only)                                                                  \
    INIT(prefix##_sign_init, PROVIDER_SIGN, name, only)                                            \
    INIT(prefix##_verify_init, PROVIDER_VERIFY, name, only)                                        \
    INIT(prefix##_sign_message_init, PROVIDER_DIGEST_SIGN, name, only)                             \
    INIT(prefix##_verify_message_init, PROVIDER_DIGEST_VERIFY, name, only)

#define TABLE(prefix, types, ...)                                                                  \
    const OSSL_DISPATCH provider_composite_##prefix[] = {                                          \
        PROVIDER_SIGNATURE(NEWCTX, provider_signature_new),                                        \
        PROVIDER_SIGNATURE(FREECTX, provider_signature_free),                                      \
        PROVIDER_SIGNATURE(DUPCTX, provider_signature_dup),                                        \
        PROVIDER_SIGNATURE(SIGN_INIT, prefix##_sign_init),                                         \
        PROVIDER_SIGNATURE(SIGN, provider_signature_sign),                                         \
        PROVIDER_SIGNATURE(SIGN_MESSAGE_INIT, prefix##_sign_message_init),                         \
        PROVIDER_SIGNATURE(SIGN_MESSAGE_UPDATE, provider_signature_update),                        \
        PROVIDER_SIGNATURE(SIGN_MESSAGE_FINAL, provider_signature_sign_final),                     \
        PROVIDER_SIGNATURE(VERIFY_INIT, prefix##_verify_init),                                     \
        PROVIDER_SIGNATURE(VERIFY, provider_signature_verify),                                     \
        PROVIDER_SIGNATURE(VERIFY_MESSAGE_INIT, prefix##_verify_message_init),                     \
        PROVIDER_SIGNATURE(VERIFY_MESSAGE_UPDATE, provider_signature_update),                      \
        PROVIDER_SIGNATURE(VERIFY_MESSAGE_FINAL, verify_final),                                    \
        PROVIDER_SIGNATURE(QUERY_KEY_TYPES, types),                                                \
        PROVIDER_SIGNATURE(GET_CTX_PARAMS, provider_signature_get_params),                         \
        PROVIDER_SIGNATURE(GETTABLE_CTX_PARAMS, gettable),                                         \
        PROVIDER_SIGNATURE(SET_CTX_PARAMS, set_params),                                            \
        PROVIDER_SIGNATURE(SETTABLE_CTX_PARAMS, settable),                                         \
        __VA_ARGS__{ 0, NULL },                                                                    \
    };

#define RECOVER(prefix)                                                                            \
    PROVIDER_SIGNATURE(VERIFY_RECOVER_INIT, prefix##_recover_init),                                \
        PROVIDER_SIGNATURE(VERIFY_RECOVER, provider_signature_recover),

#define COMPOSITE(hash, name, rsa_names, ecdsa_names)                                              \
    INITS(rsa_##hash, name, PROVIDER_RSA)                                                          \
    INIT(rsa_##hash##_recover_init, PROVIDER_RECOVER, name, PROVIDER_RSA)                          \
    TABLE(rsa_##hash, rsa_types, RECOVER(rsa_##hash))                                              \
    INITS(ecdsa_##hash, name, PROVIDER_EC)                                                         \
    TABLE(ecdsa_##hash, ecdsa_types)

PROVIDER_FOREACH_COMPOSITE(COMPOSITE)

#endif
