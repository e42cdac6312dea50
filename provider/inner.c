/* SPDX-License-Identifier: Apache-2.0 */
#include "inner.h"

#include <openssl/params.h>
#include <openssl/provider.h>

#include "keymgmt.h"
#include "tls_key.h"

static _Atomic(struct provider *) instance; /* lives as long as the private context: for good */

static int init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                void **provctx)
{
    if (!provider_init(handle, in, out, true, provctx))
        return 0;
    atomic_store(&instance, *provctx);
    return 1;
}

/*
 * Two threads may both do this at first: libcrypto initialises one provider of a name in a context,
 * whoever asks. What names no provider goes on being done by libcrypto's own.
 */
static enum remote_rc load(struct provider **ret, struct remote_error *err)
{
    OSSL_LIB_CTX *ctx = remote_libctx();

    if (atomic_load(&instance) == NULL &&
        (EVP_set_default_properties(ctx, "?" PROVIDER_LIBCRYPTO) != 1 ||
         OSSL_PROVIDER_add_builtin(ctx, "hsmbridge", init) != 1 ||
         OSSL_PROVIDER_load(ctx, "hsmbridge") == NULL))
        return remote_crypto_fail(err, "cannot load our algorithms into the private context");
    *ret = atomic_load(&instance);
    return REMOTE_OK;
}

/* There is no other public way from a key of a provider's to an EVP_PKEY than its import. */
static enum remote_rc wrap(struct provider_key *key, EVP_PKEY **ret, struct remote_error *err)
{
    CLEANUP(provider_free_ctx)
    EVP_PKEY_CTX *ctx =
        EVP_PKEY_CTX_new_from_name(remote_libctx(), provider_key_type_oid(key->type),
                                   PROVIDER_PROPERTIES);
    struct provider_reference reference = { key };
    OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(PROVIDER_PARAM_REFERENCE, &reference, sizeof(reference)),
        OSSL_PARAM_END,
    };
    EVP_PKEY *pkey = NULL;

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
        return remote_crypto_fail(err, "cannot use the key in the private context");
    *ret = pkey;
    return REMOTE_OK;
}

/* A pointer is kept, no more: nothing of libcrypto may run as a library is loaded. */
__attribute__((constructor)) static void offer(void)
{
    remote_tls_key_made_by(provider_inner_pkey);
}

enum remote_rc provider_inner_pkey(struct remote_key *key, EVP_PKEY **ret, struct remote_error *err)
{
    struct provider *provider = NULL;
    struct provider_key *made = NULL;
    enum remote_rc rc;

    REMOTE_TRY(load(&provider, err));
    REMOTE_TRY(provider_key_new(provider, key, true, &made, err));
    rc = wrap(made, ret, err);
    provider_key_unref(made);
    return rc;
}
