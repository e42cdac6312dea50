/* SPDX-License-Identifier: Apache-2.0 */
#include "param.h"

#include <openssl/params.h>

#define NAME_MAX_BYTES 80 /* what libcrypto's own contexts keep of a digest's name */

/* A digest has many names (SHA256, SHA2-256, an OID ...): libcrypto knows them all. */
static enum remote_hash hash_of(const char *name)
{
    EVP_MD *md = EVP_MD_fetch(remote_libctx(), name, PROVIDER_LIBCRYPTO);
    enum remote_hash found = REMOTE_HASH_NONE;

    for (int hash = REMOTE_HASH_NONE + 1; md != NULL && hash < REMOTE_HASH_COUNT; hash++) {
        if (EVP_MD_is_a(md, remote_hash_name((enum remote_hash)hash))) {
            found = (enum remote_hash)hash;
            break;
        }
    }
    EVP_MD_free(md);
    return found;
}

enum remote_rc provider_param_hash(EVP_PKEY_CTX *ctx, const char *param,
                                   const struct remote_key *key, enum remote_hash *ret,
                                   struct remote_error *err)
{
    char name[NAME_MAX_BYTES] = "";
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(param, name, sizeof(name)),
        OSSL_PARAM_END,
    };
    enum remote_hash hash = REMOTE_HASH_NONE;

    if (EVP_PKEY_CTX_get_params(ctx, params) != 1)
        return remote_crypto_fail(err, "cannot read the digest's name");
    if (name[0] != '\0' && (hash = hash_of(name)) == REMOTE_HASH_NONE)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "slot '%s': key '%s': %s is no digest that key services work with; "
                           "take SHA-1, SHA-2 or SHA-3",
                           remote_slot_name(key->slot), key->name, name);
    *ret = hash;
    return REMOTE_OK;
}

enum remote_rc provider_param_int(EVP_PKEY_CTX *ctx, const char *param, int *ret,
                                  struct remote_error *err)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_int(param, ret),
        OSSL_PARAM_END,
    };

    if (EVP_PKEY_CTX_get_params(ctx, params) != 1)
        return remote_crypto_fail(err, "cannot read a parameter");
    return REMOTE_OK;
}
