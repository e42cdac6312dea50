/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSSL_provider_init() and what libcrypto asks of the provider as a whole (provider(7),
 * provider-base(7)). Everything here is answered from static data: openssl.cnf may be loading us
 * at this moment.
 */
#include "provider.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/params.h>

#include "build-config.h"

/* ---- the way into every other function ---- */

bool provider_enter(struct provider_call *call, struct provider *provider)
{
    call->provider = provider;
    call->guard.entered = false;
    memset(&call->err, 0, sizeof(call->err));
    if (!provider->inner)
        return remote_guard_enter(&call->guard, &call->err) == REMOTE_OK;
    if (remote_guard_held())
        return true;
    REMOTE_FAIL(&call->err, REMOTE_E_USAGE, "a key of the private context is used outside of it");
    return false;
}

int provider_leave(struct provider_call *call, const char *func, bool ok)
{
    remote_guard_leave(&call->guard);
    if (!ok)
        provider_raise(call->provider, func, &call->err);
    return ok;
}

enum remote_rc provider_core(struct provider *provider, struct remote_core **ret,
                             struct remote_error *err)
{
    struct remote_core *core = atomic_load(&provider->core), *none = NULL;

    if (core == NULL) {
        REMOTE_TRY(remote_core_open(provider->config, &core, err));
        if (!atomic_compare_exchange_strong(&provider->core, &none, core)) {
            remote_core_close(core); /* another thread was first; both are the same core */
            core = none;
        }
    }
    *ret = core;
    return REMOTE_OK;
}

/* ---- the provider as a whole ---- */

static const OSSL_PARAM *gettable_params(void *data)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, NULL, 0),
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, NULL, 0),
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_BUILDINFO, NULL, 0),
        OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, NULL),
        OSSL_PARAM_END,
    };

    (void)data;
    return params;
}

static int set_text(OSSL_PARAM params[], const char *name, const char *text)
{
    OSSL_PARAM *param = OSSL_PARAM_locate(params, name);

    return param == NULL || OSSL_PARAM_set_utf8_ptr(param, text);
}

static int get_params(void *data, OSSL_PARAM params[])
{
    OSSL_PARAM *status = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);

    (void)data;
    return set_text(params, OSSL_PROV_PARAM_NAME, "hsmbridge: keys in remote key services") &&
           set_text(params, OSSL_PROV_PARAM_VERSION, HSMBRIDGE_VERSION) &&
           set_text(params, OSSL_PROV_PARAM_BUILDINFO, HSMBRIDGE_VERSION) &&
           (status == NULL || OSSL_PARAM_set_int(status, 1));
}

static const OSSL_ALGORITHM *query_operation(void *data, int operation, int *ret_no_cache)
{
    (void)data;
    *ret_no_cache = 0;
    switch (operation) {
    case OSSL_OP_KEYMGMT:
        return provider_keymgmts;
    case OSSL_OP_SIGNATURE:
        return provider_signatures;
    case OSSL_OP_ASYM_CIPHER:
        return provider_asym_ciphers;
    case OSSL_OP_STORE:
        return provider_stores;
    case OSSL_OP_DECODER:
        return provider_decoders;
    case OSSL_OP_ENCODER:
        return provider_encoders;
    default:
        return NULL;
    }
}

static const OSSL_ITEM *get_reason_strings(void *data)
{
    (void)data;
    return provider_reasons;
}

/*
 * OPENSSL_cleanup() calls this while the process exits: nothing of libcrypto's may be used any
 * more, which closing the core would do. Nor is it known here whether this is an exit.
 */
static void teardown(void *data)
{
    struct provider *provider = data;

    remote_core_release(atomic_load(&provider->core));
    free(provider->config);
    free(provider);
}

/* clang-format off */
static const OSSL_DISPATCH functions[] = {
    { OSSL_FUNC_PROVIDER_TEARDOWN,           (void (*)(void))teardown },
    { OSSL_FUNC_PROVIDER_GETTABLE_PARAMS,    (void (*)(void))gettable_params },
    { OSSL_FUNC_PROVIDER_GET_PARAMS,         (void (*)(void))get_params },
    { OSSL_FUNC_PROVIDER_QUERY_OPERATION,    (void (*)(void))query_operation },
    { OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, (void (*)(void))get_reason_strings },
    { OSSL_FUNC_PROVIDER_GET_CAPABILITIES,   (void (*)(void))provider_get_capabilities },
    { 0, NULL },
};
/* clang-format on */

/* ---- how it begins ---- */

static void take_upcalls(struct provider_upcalls *up, const OSSL_DISPATCH *in)
{
    for (; in->function_id != 0; in++) {
        switch (in->function_id) {
        case OSSL_FUNC_CORE_GET_PARAMS:
            up->get_params = OSSL_FUNC_core_get_params(in);
            break;
        case OSSL_FUNC_CORE_NEW_ERROR:
            up->new_error = OSSL_FUNC_core_new_error(in);
            break;
        case OSSL_FUNC_CORE_SET_ERROR_DEBUG:
            up->set_error_debug = OSSL_FUNC_core_set_error_debug(in);
            break;
        case OSSL_FUNC_CORE_VSET_ERROR:
            up->vset_error = OSSL_FUNC_core_vset_error(in);
            break;
        case OSSL_FUNC_BIO_READ_EX:
            up->bio_read_ex = OSSL_FUNC_BIO_read_ex(in);
            break;
        case OSSL_FUNC_BIO_GETS:
            up->bio_gets = OSSL_FUNC_BIO_gets(in);
            break;
        case OSSL_FUNC_BIO_WRITE_EX:
            up->bio_write_ex = OSSL_FUNC_BIO_write_ex(in);
            break;
        default:
            break; /* there are more than we need, and later versions have others */
        }
    }
}

/* The `config` of our section in openssl.cnf, or of OSSL_PROVIDER_load_ex(). */
static bool read_config(struct provider *provider)
{
    char *config = NULL; /* libcrypto's, until the provider is unloaded */
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_ptr("config", &config, 0),
        OSSL_PARAM_END,
    };

    if (provider->up.get_params == NULL || !provider->up.get_params(provider->handle, params) ||
        config == NULL)
        return true;
    provider->config = strdup(config);
    return provider->config != NULL;
}

int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                  const OSSL_DISPATCH **ret_out, bool inner, void **ret_provider)
{
    struct provider *provider = calloc(1, sizeof(*provider));

    if (provider == NULL)
        return 0;
    provider->handle = handle;
    provider->inner = inner;
    take_upcalls(&provider->up, in);
    if (!read_config(provider)) {
        free(provider);
        return 0;
    }
    *ret_out = functions;
    *ret_provider = provider;
    return 1;
}

/* One of the four symbols that the module exports: see pkcs11/hsmbridge.map. */
__attribute__((visibility("default"))) int OSSL_provider_init(const OSSL_CORE_HANDLE *handle,
                                                              const OSSL_DISPATCH *in,
                                                              const OSSL_DISPATCH **out,
                                                              void **provctx)
{
    return provider_init(handle, in, out, false, provctx);
}
