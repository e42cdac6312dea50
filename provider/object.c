/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"

#include <string.h>

#include <openssl/core_object.h>
#include <openssl/params.h>

static enum remote_rc unref(struct provider_key *key)
{
    provider_key_unref(key);
    return REMOTE_OK;
}

int provider_object_give_key(struct provider_key *key, OSSL_CALLBACK *callback, void *arg)
{
    struct provider *provider = key->provider;
    struct provider_reference reference = { .key = key };
    const char *name = provider_key_type_name(key->type);
    int type = OSSL_OBJECT_PKEY, good;
    OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, (char *)name, strlen(name)),
        OSSL_PARAM_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &reference, sizeof(reference)),
        OSSL_PARAM_END,
    };

    good = callback(params, arg);
    if (reference.key) /* nobody loaded it */
        PROVIDER_CALL(call, provider, unref(reference.key));
    return good;
}

int provider_object_give_cert(const struct remote_cert *cert, OSSL_CALLBACK *callback, void *arg)
{
    int type = OSSL_OBJECT_CERT;
    OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_octet_string(OSSL_OBJECT_PARAM_DATA, cert->der.data, cert->der.len),
        OSSL_PARAM_END,
    };

    return callback(params, arg);
}
