/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key management (provider-keymgmt(7)). Whatever is asked about a key is answered by libcrypto's
 * own key in the private context, the public half of a remote key or the whole of a software key:
 * so parameters, their names and their forms are the default provider's in every version.
 */
#include "keymgmt.h"

#include <string.h>

#include <openssl/core_names.h>

/* ---- life ---- */

static void key_free(void *data)
{
    struct provider_key *key = data;

    if (key == NULL)
        return;
    /* The last reference may go with this call, but the provider stays: libcrypto holds it. */
    (void)PROVIDER_CALL(call, key->provider, (provider_key_unref(key), REMOTE_OK));
}

/* Its maker unrefs what is left behind the reference: key.h. */
static void *load(enum provider_key_type type, const void *data, size_t size)
{
    struct provider_reference *reference = (struct provider_reference *)data;
    struct provider_key *key;

    if (reference == NULL || size != sizeof(*reference) || reference->key == NULL ||
        reference->key->type != type)
        return NULL;
    key = reference->key;
    reference->key = NULL;
    return key;
}

/* ---- what it has ---- */

static int key_has(const void *data, int selection)
{
    const struct provider_key *key = data;
    int asked = selection & (OSSL_KEYMGMT_SELECT_KEYPAIR | OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS);

    if (asked == 0)
        return 1; /* nothing that could be missing */
    return key != NULL && key->pkey != NULL &&
           ((asked & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0 || key->is_private) &&
           ((asked & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) == 0 || key->is_public);
}

/* A private half belongs to one public half: comparing that suffices, for remote keys too. */
static enum remote_rc match(const struct provider_key *a, const struct provider_key *b,
                            int selection)
{
    int same;

    if (a->pkey == NULL || b->pkey == NULL)
        return REMOTE_E_DATA;
    if ((selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0)
        same = a->is_public && b->is_public && EVP_PKEY_eq(a->pkey, b->pkey) == 1;
    else
        same = EVP_PKEY_parameters_eq(a->pkey, b->pkey) == 1;
    return same ? REMOTE_OK : REMOTE_E_DATA;
}

static int key_match(const void *data1, const void *data2, int selection)
{
    const struct provider_key *key = data1;

    return PROVIDER_CALL(call, key->provider, match(data1, data2, selection));
}

static int check(EVP_PKEY_CTX *ctx, const struct provider_key *key, int selection, int how)
{
    int pair = selection & OSSL_KEYMGMT_SELECT_KEYPAIR;

    if (key->remote == NULL && pair == OSSL_KEYMGMT_SELECT_KEYPAIR)
        return EVP_PKEY_check(ctx);
    if (key->remote == NULL && pair == OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
        return EVP_PKEY_private_check(ctx);
    if (pair == 0)
        return EVP_PKEY_param_check(ctx);
    return how == OSSL_KEYMGMT_VALIDATE_QUICK_CHECK ? EVP_PKEY_public_check_quick(ctx)
                                                    : EVP_PKEY_public_check(ctx);
}

/* Of a remote key the public half; of the private one there is nothing here to be checked. */
static enum remote_rc validate(const struct provider_key *key, int selection, int how,
                               struct remote_error *err)
{
    CLEANUP(provider_free_ctx) EVP_PKEY_CTX *ctx = NULL;

    if (key->pkey == NULL || ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) && !key->is_private))
        return REMOTE_FAIL(err, REMOTE_E_DATA, "the key has no such part");
    ctx = EVP_PKEY_CTX_new_from_pkey(remote_libctx(), key->pkey, PROVIDER_LIBCRYPTO);
    if (ctx == NULL || check(ctx, key, selection, how) != 1)
        return remote_crypto_fail(err, "the key is not valid");
    return REMOTE_OK;
}

static int key_validate(const void *data, int selection, int how)
{
    const struct provider_key *key = data;

    return PROVIDER_CALL(call, key->provider, validate(key, selection, how, &call->err));
}

/* ---- parameters ---- */

/* Without a sentence: whoever asks for a parameter that a key does not have finds out so. */
static enum remote_rc get_params(const struct provider_key *key, OSSL_PARAM params[])
{
    if (key->pkey == NULL || EVP_PKEY_get_params(key->pkey, params) != 1)
        return REMOTE_E_PARAM;
    return REMOTE_OK;
}

static int key_get_params(void *data, OSSL_PARAM params[])
{
    const struct provider_key *key = data;

    return PROVIDER_CALL(call, key->provider, get_params(key, params));
}

/* What says how the public half is to be written down, and changes nothing of the key. */
static bool is_form(const OSSL_PARAM *param)
{
    static const char *const names[] = {
        OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
        OSSL_PKEY_PARAM_EC_ENCODING,
        OSSL_PKEY_PARAM_EC_INCLUDE_PUBLIC,
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(param->key, names[i]) == 0)
            return true;
    return false;
}

/* The public half is shared with all who use the remote key: a copy takes the form. */
static enum remote_rc set_form(struct provider_key *key, const OSSL_PARAM params[],
                               struct remote_error *err)
{
    EVP_PKEY *copy;

    for (const OSSL_PARAM *param = params; param->key != NULL; param++)
        if (!is_form(param))
            return REMOTE_FAIL(err, REMOTE_E_USAGE, "key '%s' of a key service cannot be changed",
                               key->remote->name);
    copy = EVP_PKEY_dup(key->pkey);
    if (copy == NULL || EVP_PKEY_set_params(copy, (OSSL_PARAM *)params) != 1) {
        EVP_PKEY_free(copy);
        return remote_crypto_fail(err, "cannot write the key in that form");
    }
    EVP_PKEY_free(key->pkey);
    key->pkey = copy;
    return REMOTE_OK;
}

static enum remote_rc set_params(struct provider_key *key, const OSSL_PARAM params[],
                                 struct remote_error *err)
{
    if (key->remote != NULL)
        return set_form(key, params, err);
    if (key->pkey == NULL || EVP_PKEY_set_params(key->pkey, (OSSL_PARAM *)params) != 1)
        return remote_crypto_fail(err, "cannot change the key");
    if (OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY) != NULL)
        key->is_public = true; /* a TLS key share: parameters until now */
    return REMOTE_OK;
}

static int key_set_params(void *data, const OSSL_PARAM params[])
{
    struct provider_key *key = data;

    if (params == NULL || params[0].key == NULL)
        return 1;
    return PROVIDER_CALL(call, key->provider, set_params(key, params, &call->err));
}

/* ---- lists of parameters: libcrypto's own, which are static data of the default provider ---- */

typedef const OSSL_PARAM *(*list_fn)(const EVP_KEYMGMT *keymgmt);

static enum remote_rc list(enum provider_key_type type, list_fn fn, const OSSL_PARAM **ret,
                           struct remote_error *err)
{
    EVP_KEYMGMT *keymgmt =
        EVP_KEYMGMT_fetch(remote_libctx(), provider_key_type_name(type), PROVIDER_LIBCRYPTO);

    if (keymgmt == NULL)
        return remote_crypto_fail(err, "cannot list the parameters of a key");
    *ret = fn(keymgmt);
    EVP_KEYMGMT_free(keymgmt);
    return REMOTE_OK;
}

static const OSSL_PARAM *listed(struct provider *provider, enum provider_key_type type, list_fn fn)
{
    const OSSL_PARAM *params = NULL;

    (void)PROVIDER_CALL(call, provider, list(type, fn, &params, &call->err));
    return params;
}

static const OSSL_PARAM *import_list(enum provider_key_type type, int selection)
{
    CLEANUP(provider_free_ctx)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(remote_libctx(), provider_key_type_oid(type),
                                                   PROVIDER_LIBCRYPTO);

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1)
        return NULL;
    return EVP_PKEY_fromdata_settable(ctx, selection);
}

/*
 * What may be imported and exported is the same. libcrypto does not say for which provider it asks
 * (OpenSSL 3.0 has no import_types_ex()), so that the guard may be held, by an inner one, or not.
 */
static const OSSL_PARAM *types(enum provider_key_type type, int selection)
{
    CLEANUP(remote_guard_leave) struct remote_guard guard = { 0 };

    if (!remote_guard_held() && remote_guard_enter(&guard, NULL) != REMOTE_OK)
        return NULL;
    return import_list(type, selection);
}

/* ---- one table for each type ---- */

static const char *rsa_operation(int operation)
{
    (void)operation;
    return "RSA"; /* of RSA-PSS keys, too */
}

static const char *ec_operation(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "ECDSA" : operation == OSSL_OP_KEYEXCH ? "ECDH" : NULL;
}

static const char *ed25519_operation(int operation)
{
    (void)operation;
    return "ED25519";
}

/* The functions that libcrypto calls without a key, which therefore have to know the type. */
#define KEYMGMT(name, type, operation_name)                                                        \
    static void *name##_new(void *provider)                                                        \
    {                                                                                              \
        return provider_key_empty(provider, type);                                                 \
    }                                                                                              \
    static void *name##_load(const void *reference, size_t size)                                   \
    {                                                                                              \
        return load(type, reference, size);                                                        \
    }                                                                                              \
    static const OSSL_PARAM *name##_gettable(void *provider)                                       \
    {                                                                                              \
        return listed(provider, type, EVP_KEYMGMT_gettable_params);                                \
    }                                                                                              \
    static const OSSL_PARAM *name##_settable(void *provider)                                       \
    {                                                                                              \
        return listed(provider, type, EVP_KEYMGMT_settable_params);                                \
    }                                                                                              \
    static const OSSL_PARAM *name##_types(int selection)                                           \
    {                                                                                              \
        return types(type, selection);                                                             \
    }                                                                                              \
    static void *name##_gen_init(void *provider, int selection, const OSSL_PARAM params[])         \
    {                                                                                              \
        return provider_keymgmt_gen_init(provider, type, selection, params);                       \
    }                                                                                              \
    static const OSSL_PARAM *name##_gen_settable(void *genctx, void *provider)                     \
    {                                                                                              \
        (void)genctx;                                                                              \
        return listed(provider, type, EVP_KEYMGMT_gen_settable_params);                            \
    }                                                                                              \
    static const OSSL_DISPATCH name##_functions[] = {                                              \
        { OSSL_FUNC_KEYMGMT_NEW, (void (*)(void))name##_new },                                     \
        { OSSL_FUNC_KEYMGMT_FREE, (void (*)(void))key_free },                                      \
        { OSSL_FUNC_KEYMGMT_LOAD, (void (*)(void))name##_load },                                   \
        { OSSL_FUNC_KEYMGMT_HAS, (void (*)(void))key_has },                                        \
        { OSSL_FUNC_KEYMGMT_MATCH, (void (*)(void))key_match },                                    \
        { OSSL_FUNC_KEYMGMT_VALIDATE, (void (*)(void))key_validate },                              \
        { OSSL_FUNC_KEYMGMT_GET_PARAMS, (void (*)(void))key_get_params },                          \
        { OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (void (*)(void))name##_gettable },                    \
        { OSSL_FUNC_KEYMGMT_SET_PARAMS, (void (*)(void))key_set_params },                          \
        { OSSL_FUNC_KEYMGMT_SETTABLE_PARAMS, (void (*)(void))name##_settable },                    \
        { OSSL_FUNC_KEYMGMT_IMPORT, (void (*)(void))provider_keymgmt_import },                     \
        { OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (void (*)(void))name##_types },                          \
        { OSSL_FUNC_KEYMGMT_EXPORT, (void (*)(void))provider_keymgmt_export },                     \
        { OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (void (*)(void))name##_types },                          \
        { OSSL_FUNC_KEYMGMT_DUP, (void (*)(void))provider_keymgmt_dup },                           \
        { OSSL_FUNC_KEYMGMT_GEN_INIT, (void (*)(void))name##_gen_init },                           \
        { OSSL_FUNC_KEYMGMT_GEN_SET_TEMPLATE, (void (*)(void))provider_keymgmt_gen_set_template }, \
        { OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS, (void (*)(void))provider_keymgmt_gen_set_params },     \
        { OSSL_FUNC_KEYMGMT_GEN_SETTABLE_PARAMS, (void (*)(void))name##_gen_settable },            \
        { OSSL_FUNC_KEYMGMT_GEN, (void (*)(void))provider_keymgmt_gen },                           \
        { OSSL_FUNC_KEYMGMT_GEN_CLEANUP, (void (*)(void))provider_keymgmt_gen_cleanup },           \
        { OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (void (*)(void))(operation_name) },              \
        { 0, NULL },                                                                               \
    }

KEYMGMT(rsa, PROVIDER_RSA, rsa_operation);
KEYMGMT(rsa_pss, PROVIDER_RSA_PSS, rsa_operation);
KEYMGMT(ec, PROVIDER_EC, ec_operation);
KEYMGMT(ed25519, PROVIDER_ED25519, ed25519_operation);

/* clang-format off */
const OSSL_ALGORITHM provider_keymgmts[] = {
    { PROVIDER_NAMES_RSA,     PROVIDER_PROPERTIES, rsa_functions,     "RSA" },
    { PROVIDER_NAMES_RSA_PSS, PROVIDER_PROPERTIES, rsa_pss_functions, "RSA-PSS" },
    { PROVIDER_NAMES_EC,      PROVIDER_PROPERTIES, ec_functions,      "EC" },
    { PROVIDER_NAMES_ED25519, PROVIDER_PROPERTIES, ed25519_functions, "Ed25519" },
    { NULL, NULL, NULL, NULL },
};
/* clang-format on */
