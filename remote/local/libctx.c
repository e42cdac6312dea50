/* SPDX-License-Identifier: Apache-2.0 */
#include "libctx.h"

#include <stdatomic.h>
#include <stddef.h>

#include <openssl/provider.h>

#include "remote/gate.h"
#include "remote/log.h"

static _Atomic(OSSL_LIB_CTX *) private_ctx; /* never freed: libcurl's handles may outlive us */
static _Thread_local bool inside;
static _Thread_local OSSL_LIB_CTX *outer; /* the host's, while inside */

static enum remote_rc refuse_reentry(struct remote_error *err)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;

    if (!atomic_flag_test_and_set(&said))
        remote_log(REMOTE_LOG_WARNING, "called again from within a call of our own: a provider "
                                       "or engine of this process leads back to hsmbridge");
    return REMOTE_FAIL(err, REMOTE_E_USAGE, "called again from within a call of our own");
}

/* OSSL_LIB_CTX_new() reads no configuration; "default" is compiled into libcrypto. */
static OSSL_LIB_CTX *make_ctx(void)
{
    OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();

    if (ctx != NULL && OSSL_PROVIDER_load(ctx, "default") == NULL) {
        OSSL_LIB_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

/*
 * Two threads may both make one at first, and one is thrown away: no lock, nothing for a fork.
 * What is in the thread's error queue afterwards is ours.
 */
static OSSL_LIB_CTX *first_ctx(void)
{
    OSSL_LIB_CTX *ctx = make_ctx(), *none = NULL;

    ERR_clear_error();
    if (ctx == NULL || atomic_compare_exchange_strong(&private_ctx, &none, ctx))
        return ctx;
    OSSL_LIB_CTX_free(ctx);
    return none;
}

/*
 * libcrypto loads openssl.cnf, once in a process and always into its global context, when
 * something is first fetched from the context that is the thread's default. Inside the guard
 * that would be ours: the load would run with our context as default, and a provider or engine
 * that it names and that leads back to us (or is us) would be refused as re-entry, to the
 * host's harm. So it is brought about here, before anything of ours stands. It is no more than
 * what libcurl's and libcrypto's own initialisation does; a host that wants none of it has said
 * OPENSSL_INIT_NO_LOAD_CONFIG, which we must not say in its place, as that would end its own
 * loading. A configuration that does not load is the host's business: our context is whole
 * without it. (OPENSSL_init_crypto(3), config(5))
 */
static void load_host_config(void)
{
    static atomic_bool done;

    if (atomic_load_explicit(&done, memory_order_acquire))
        return;
    (void)OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
    ERR_clear_error();
    atomic_store_explicit(&done, true, memory_order_release);
}

static enum remote_rc enter(struct remote_guard *guard, struct remote_error *err)
{
    OSSL_LIB_CTX *ctx;

    /* First the queue: all that follows may raise errors that are none of the host's. */
    if (!remote_errqueue_save(&guard->errors))
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    load_host_config();
    ctx = atomic_load_explicit(&private_ctx, memory_order_acquire);
    if (ctx == NULL)
        ctx = first_ctx();
    guard->outer = ctx != NULL ? OSSL_LIB_CTX_set0_default(ctx) : NULL;
    if (guard->outer == NULL) {
        remote_crypto_fail(err, "cannot make a private OpenSSL context");
        remote_errqueue_restore(&guard->errors);
        return REMOTE_E_CRYPTO;
    }
    guard->entered = inside = true;
    outer = guard->outer;
    return REMOTE_OK;
}

enum remote_rc remote_guard_enter(struct remote_guard *guard, struct remote_error *err)
{
    enum remote_rc rc;

    guard->entered = false;
    if (inside)
        return refuse_reentry(err);
    remote_gate_enter();
    rc = enter(guard, err);
    if (rc != REMOTE_OK)
        remote_gate_leave();
    return rc;
}

void remote_guard_leave(struct remote_guard *guard)
{
    if (guard == NULL || !guard->entered)
        return;
    guard->entered = inside = false;
    OSSL_LIB_CTX_set0_default(guard->outer);
    remote_errqueue_restore(&guard->errors); /* last, for the same reason */
    remote_gate_leave();
}

bool remote_guard_held(void)
{
    return inside;
}

void remote_guard_suspend(struct remote_guard_pause *pause)
{
    pause->inner = inside ? OSSL_LIB_CTX_set0_default(outer) : NULL;
    if (pause->inner != NULL)
        pause->depth = remote_gate_go_abroad();
}

void remote_guard_resume(struct remote_guard_pause *pause)
{
    if (pause->inner == NULL)
        return;
    remote_gate_come_home(pause->depth);
    if (ERR_peek_error() != 0)
        ERR_clear_error();
    OSSL_LIB_CTX_set0_default(pause->inner);
}

OSSL_LIB_CTX *remote_libctx(void)
{
    return atomic_load(&private_ctx);
}

enum remote_rc remote_crypto_fail(struct remote_error *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    if (reason != NULL)
        remote_error_set(err, REMOTE_E_CRYPTO, __func__, "%s: %s", what, reason);
    else
        remote_error_set(err, REMOTE_E_CRYPTO, __func__, "%s", what);
    ERR_clear_error();
    return REMOTE_E_CRYPTO;
}
