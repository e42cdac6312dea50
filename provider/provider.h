/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One loaded instance of the OpenSSL provider, and the way into every function of it. An
 * OSSL_FUNC is a thin line around a static function that returns enum remote_rc:
 *
 *     static int key_validate(const void *data, int selection, int check)
 *     {
 *         const struct provider_key *key = data;
 *         return PROVIDER_CALL(call, key->provider, validate(call, key, selection));
 *     }
 *
 * The macro enters the guard (remote/local/libctx.h), and on the way out raises call->err on the
 * host's error stack, once and outside the guard. Whatever calls the host (core BIOs, export, load
 * and passphrase callbacks) must be done outside the guard too: such functions do their own work in
 * one PROVIDER_CALL, keep the result, and call the host behind it.
 *
 * OSSL_provider_init() and the query functions do not enter the guard, and touch neither
 * configuration nor network: the guard loads the host's openssl.cnf, which may be what is
 * loading us.
 */
#ifndef PROVIDER_PROVIDER_H
#define PROVIDER_PROVIDER_H

#include <stdbool.h>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>

#include "remote.h"

#define PROVIDER_PROPERTIES "provider=hsmbridge"

struct provider_upcalls { /* of the libcrypto that loaded us; provider-base(7) */
    OSSL_FUNC_core_get_params_fn *get_params;
    OSSL_FUNC_core_new_error_fn *new_error;
    OSSL_FUNC_core_set_error_debug_fn *set_error_debug;
    OSSL_FUNC_core_vset_error_fn *vset_error;
    OSSL_FUNC_BIO_read_ex_fn *bio_read_ex;
    OSSL_FUNC_BIO_gets_fn *bio_gets;
    OSSL_FUNC_BIO_write_ex_fn *bio_write_ex;
};

struct provider {
    const OSSL_CORE_HANDLE *handle;
    struct provider_upcalls up;
    char *config;                       /* the `config` parameter; NULL: see remote_config_path() */
    _Atomic(struct remote_core *) core; /* opened on first use, see provider_core() */
    /*
     * Loaded by ourselves into the private context, for client_key_file = pkcs11:...: called
     * inside the guard already, by libcurl's handshake, so that it must not be entered again.
     */
    bool inner;
};

/* OSSL_provider_init(), and the same for the private context. */
int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                  const OSSL_DISPATCH **ret_out, bool inner, void **ret_provider);

struct provider_call { /* one OSSL_FUNC that is under way, in one thread */
    struct provider *provider;
    struct remote_guard guard;
    struct remote_error err;
};

/* False: nothing is held, call->err says why. leave() is called in any case, and returns ok. */
bool provider_enter(struct provider_call *call, struct provider *provider);
int provider_leave(struct provider_call *call, const char *func, bool ok);

#define PROVIDER_CALL(call, instance, expression)                                                  \
    ({                                                                                             \
        struct provider_call entered_, *const call = &entered_;                                    \
        bool ok_ = provider_enter(call, (instance));                                               \
        if (ok_)                                                                                   \
            ok_ = (expression) == REMOTE_OK;                                                       \
        provider_leave(call, __func__, ok_);                                                       \
    })

/*
 * The configuration, opened when it is first needed and shared from then on (and with the PKCS#11
 * module, where it is the same file). A failure is not kept: the next call tries again.
 * Inside the guard. ret: borrowed from the provider.
 */
enum remote_rc provider_core(struct provider *provider, struct remote_core **ret,
                             struct remote_error *err) REMOTE_MUST_CHECK;

/* ---- error.c ---- */
extern const OSSL_ITEM provider_reasons[];
/* Puts err on the host's stack: its code as the reason, its sentence as the data. Outside the
 * guard (but for an inner provider). No sentence: nothing is raised. */
void provider_raise(const struct provider *provider, const char *func,
                    const struct remote_error *err);

/* ---- capability.c ---- */
int provider_get_capabilities(void *data, const char *capability, OSSL_CALLBACK *callback,
                              void *arg);

/* ---- the static tables, by operation; each ends with an entry without names ---- */
extern const OSSL_ALGORITHM provider_keymgmts[];
extern const OSSL_ALGORITHM provider_signatures[];
extern const OSSL_ALGORITHM provider_asym_ciphers[];
extern const OSSL_ALGORITHM provider_stores[];
extern const OSSL_ALGORITHM provider_decoders[];
extern const OSSL_ALGORITHM provider_encoders[];

#endif
