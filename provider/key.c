/* SPDX-License-Identifier: Apache-2.0 */
#include "key.h"

#include <stdlib.h>

#include <openssl/evp.h>

const char *provider_key_type_name(enum provider_key_type type)
{
    static const char *const names[PROVIDER_KEY_TYPE_COUNT] = {
        [PROVIDER_RSA] = "RSA",
        [PROVIDER_RSA_PSS] = "RSA-PSS",
        [PROVIDER_EC] = "EC",
        [PROVIDER_ED25519] = "ED25519",
    };

    return names[type];
}

const char *provider_key_type_oid(enum provider_key_type type)
{
    static const char *const oids[PROVIDER_KEY_TYPE_COUNT] = {
        [PROVIDER_RSA] = "1.2.840.113549.1.1.1",
        [PROVIDER_RSA_PSS] = "1.2.840.113549.1.1.10",
        [PROVIDER_EC] = "1.2.840.10045.2.1",
        [PROVIDER_ED25519] = "1.3.101.112",
    };

    return oids[type];
}

/* No service has RSA keys that are for PSS alone: remote keys are never of PROVIDER_RSA_PSS. */
static bool type_of(const struct remote_key *remote, enum provider_key_type *ret)
{
    static const struct {
        enum remote_key_type remote;
        enum provider_key_type type;
    } types[] = {
        { REMOTE_KEY_RSA, PROVIDER_RSA },
        { REMOTE_KEY_EC, PROVIDER_EC },
        { REMOTE_KEY_ED25519, PROVIDER_ED25519 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (types[i].remote == remote->type) {
            *ret = types[i].type;
            return true;
        }
    }
    return false;
}

struct provider_key *provider_key_empty(struct provider *provider, enum provider_key_type type)
{
    struct provider_key *key = calloc(1, sizeof(*key));

    if (key == NULL)
        return NULL;
    atomic_init(&key->refs, 1);
    key->provider = provider;
    key->type = type;
    return key;
}

enum remote_rc provider_key_new(struct provider *provider, struct remote_key *remote,
                                bool as_private, struct provider_key **ret,
                                struct remote_error *err)
{
    enum provider_key_type type;
    struct provider_key *key;
    EVP_PKEY *pkey;

    if (!type_of(remote, &type))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "slot '%s': key '%s' is of type %s, which OpenSSL cannot use as a key "
                           "pair",
                           remote_slot_name(remote->slot), remote->name,
                           remote_key_type_name(remote->type));
    pkey = remote_local_pkey(remote, err);
    if (pkey == NULL)
        return REMOTE_E_CRYPTO;
    key = provider_key_empty(provider, type);
    if (key == NULL || EVP_PKEY_up_ref(pkey) != 1) {
        free(key);
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    key->pkey = pkey;
    key->remote = remote_key_ref(remote);
    key->is_private = as_private;
    key->is_public = true;
    *ret = key;
    return REMOTE_OK;
}

struct provider_key *provider_key_ref(struct provider_key *key)
{
    atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
    return key;
}

void provider_key_unref(struct provider_key *key)
{
    if (key == NULL || atomic_fetch_sub(&key->refs, 1) != 1)
        return;
    EVP_PKEY_free(key->pkey);
    remote_key_unref(key->remote);
    free(key);
}
