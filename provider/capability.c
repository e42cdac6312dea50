/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS groups (provider-base(7), CAPABILITIES). libssl takes a group only from the provider whose
 * key management it gets for the group's algorithm, which is ours where a host prefers us: without
 * groups of ours it would have no elliptic curves any more. They are those of the default provider,
 * which makes our software keys.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/params.h>
#include <openssl/provider.h>

#include "provider.h"

#define GROUPS_MAX 64 /* of EC there are 28 */

struct groups {
    OSSL_PARAM *params[GROUPS_MAX];
    size_t count;
};

static int find_libcrypto(OSSL_PROVIDER *provider, void *arg)
{
    OSSL_PROVIDER **found = arg;

    if (strcmp(OSSL_PROVIDER_get0_name(provider), "default") == 0)
        *found = provider;
    return 1;
}

/* The other groups, X25519 and the finite fields, are of algorithms that we do not have. */
static int collect(const OSSL_PARAM params[], void *arg)
{
    const OSSL_PARAM *alg = OSSL_PARAM_locate_const(params, OSSL_CAPABILITY_TLS_GROUP_ALG);
    struct groups *groups = arg;
    const char *name = NULL;

    if (alg == NULL || OSSL_PARAM_get_utf8_string_ptr(alg, &name) != 1 || strcmp(name, "EC") != 0 ||
        groups->count == GROUPS_MAX)
        return 1;
    groups->params[groups->count] = OSSL_PARAM_dup(params);
    return groups->params[groups->count++] != NULL;
}

static enum remote_rc list(struct groups *groups, struct remote_error *err)
{
    OSSL_PROVIDER *libcrypto = NULL;

    OSSL_PROVIDER_do_all(remote_libctx(), find_libcrypto, &libcrypto);
    if (libcrypto == NULL ||
        OSSL_PROVIDER_get_capabilities(libcrypto, "TLS-GROUP", collect, groups) != 1)
        return remote_crypto_fail(err, "cannot list the groups of TLS");
    return REMOTE_OK;
}

static enum remote_rc forget(struct groups *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        OSSL_PARAM_free(groups->params[i]);
    return REMOTE_OK;
}

/* Whatever else is asked for, there is none of it; which is no failure. */
int provider_get_capabilities(void *data, const char *capability, OSSL_CALLBACK *callback,
                              void *arg)
{
    struct provider *provider = data;
    struct groups groups = { 0 };
    int ok;

    if (provider->inner || strcmp(capability, "TLS-GROUP") != 0)
        return 1;
    ok = PROVIDER_CALL(call, provider, list(&groups, &call->err));
    for (size_t i = 0; ok && i < groups.count; i++)
        ok = callback(groups.params[i], arg); /* the host's: outside the guard */
    (void)PROVIDER_CALL(call, provider, forget(&groups));
    return ok;
}
