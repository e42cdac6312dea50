/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New keys, for hosts that prefer our algorithms: TLS key shares, `openssl genpkey`. They are
 * software keys, made by libcrypto. Keys of a service are made by the CLI and by PKCS#11, which say
 * what they are to be called.
 */
#include "keymgmt.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/params.h>

struct generation {
    struct provider *provider;
    enum provider_key_type type;
    int selection;
    EVP_PKEY_CTX *ctx; /* libcrypto's own generation, in the private context */
};

/* What the host's progress callback is for has no way out of the guard: see gen(). */
static enum remote_rc begin(struct generation *generation, const OSSL_PARAM params[],
                            struct remote_error *err)
{
    bool pair = (generation->selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0;
    EVP_PKEY_CTX *ctx =
        EVP_PKEY_CTX_new_from_name(remote_libctx(), provider_key_type_oid(generation->type),
                                   PROVIDER_LIBCRYPTO);

    if (ctx == NULL || (pair ? EVP_PKEY_keygen_init(ctx) : EVP_PKEY_paramgen_init(ctx)) != 1 ||
        (params != NULL && EVP_PKEY_CTX_set_params(ctx, params) != 1)) {
        EVP_PKEY_CTX_free(ctx);
        return remote_crypto_fail(err, "cannot make such a key");
    }
    generation->ctx = ctx;
    return REMOTE_OK;
}

void *provider_keymgmt_gen_init(struct provider *provider, enum provider_key_type type,
                                int selection, const OSSL_PARAM params[])
{
    struct generation *generation = calloc(1, sizeof(*generation));

    if (generation == NULL)
        return NULL;
    generation->provider = provider;
    generation->type = type;
    generation->selection = selection;
    if (PROVIDER_CALL(call, provider, begin(generation, params, &call->err)))
        return generation;
    free(generation);
    return NULL;
}

/* The end, which owns the memory of all, moves along. libcrypto 3.0 leaks this one when it is set.
 */
static void drop_group_check(OSSL_PARAM *params)
{
    OSSL_PARAM *at = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_EC_GROUP_CHECK_TYPE);

    for (; at != NULL && at->key != NULL; at++)
        at[0] = at[1];
}

/* Of use for EC alone: the curve. The others have no parameters to take over. */
static enum remote_rc use_template(const struct generation *generation,
                                   const struct provider_key *template, struct remote_error *err)
{
    OSSL_PARAM *params = NULL;
    int ok;

    if (template->pkey == NULL || generation->type != PROVIDER_EC)
        return REMOTE_OK;
    if (EVP_PKEY_todata(template->pkey, EVP_PKEY_KEY_PARAMETERS, &params) != 1)
        return remote_crypto_fail(err, "cannot take the parameters over");
    drop_group_check(params);
    ok = EVP_PKEY_CTX_set_params(generation->ctx, params);
    OSSL_PARAM_free(params);
    return ok == 1 ? REMOTE_OK : remote_crypto_fail(err, "cannot take the parameters over");
}

int provider_keymgmt_gen_set_template(void *data, void *template)
{
    struct generation *generation = data;

    return PROVIDER_CALL(call, generation->provider,
                         use_template(generation, template, &call->err));
}

static enum remote_rc set_params(const struct generation *generation, const OSSL_PARAM params[],
                                 struct remote_error *err)
{
    if (EVP_PKEY_CTX_set_params(generation->ctx, params) != 1)
        return remote_crypto_fail(err, "cannot make such a key");
    return REMOTE_OK;
}

int provider_keymgmt_gen_set_params(void *data, const OSSL_PARAM params[])
{
    struct generation *generation = data;

    if (params == NULL || params[0].key == NULL)
        return 1;
    return PROVIDER_CALL(call, generation->provider, set_params(generation, params, &call->err));
}

static enum remote_rc generate(const struct generation *generation, struct provider_key **ret,
                               struct remote_error *err)
{
    struct provider_key *key = provider_key_empty(generation->provider, generation->type);
    bool pair = (generation->selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0;

    if (key == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    if (EVP_PKEY_generate(generation->ctx, &key->pkey) != 1) {
        provider_key_unref(key);
        return remote_crypto_fail(err, "cannot make the key");
    }
    key->is_private = key->is_public = pair;
    *ret = key;
    return REMOTE_OK;
}

/* The callback shows progress, and could be called inside the guard only. */
void *provider_keymgmt_gen(void *data, OSSL_CALLBACK *callback, void *arg)
{
    struct generation *generation = data;
    struct provider_key *key = NULL;

    (void)callback, (void)arg;
    (void)PROVIDER_CALL(call, generation->provider, generate(generation, &key, &call->err));
    return key;
}

void provider_keymgmt_gen_cleanup(void *data)
{
    struct generation *generation = data;

    if (generation == NULL)
        return;
    (void)PROVIDER_CALL(call, generation->provider,
                        (EVP_PKEY_CTX_free(generation->ctx), REMOTE_OK));
    free(generation);
}
