/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard around every libcurl and libcrypto call. Inside it the thread's default
 * OSSL_LIB_CTX is our private one, whose only provider is "default" from libcrypto itself,
 * and the thread's error queue has been set aside: the host finds it as it left it.
 * (Recursion through the host's context is the known killer of modules that use OpenSSL.)
 *
 * Entering may load the host's openssl.cnf into the host's context, where nobody did before:
 * see libctx.c. No lock of ours may be held by then.
 */
#ifndef REMOTE_LIBCTX_H
#define REMOTE_LIBCTX_H

#include <stdbool.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "errqueue.h"
#include "remote/error.h"

struct remote_guard {
    OSSL_LIB_CTX *outer;
    bool entered;
    struct remote_errqueue errors; /* the host's */
};

/*
 * Enters: REMOTE_E_USAGE when this thread is inside already (a provider or engine of the
 * host's brought us back in; one log line says so), REMOTE_E_CRYPTO when the private context
 * cannot be made. On failure nothing is held and leave() does nothing.
 */
enum remote_rc remote_guard_enter(struct remote_guard *guard, struct remote_error *err);
/* Puts context and error queue back exactly. Safe for CLEANUP(). */
void remote_guard_leave(struct remote_guard *guard);
bool remote_guard_held(void);

/*
 * Around a call to code that is not ours and may use OpenSSL itself (another PKCS#11 module): the
 * host's context is the thread's default meanwhile, and the errors that the call leaves are
 * dropped. The thread counts as inside all the while, so that whoever leads back to us is refused;
 * a fork waits for it as gate.h says.
 * Outside the guard both do nothing. They come in pairs, are not nested, and cannot fail.
 */
struct remote_guard_pause {
    OSSL_LIB_CTX *inner; /* NULL: there was no guard */
    unsigned depth;      /* in the gate */
};
void remote_guard_suspend(struct remote_guard_pause *pause);
void remote_guard_resume(struct remote_guard_pause *pause);

/* The private context; only inside the guard. Never freed. */
OSSL_LIB_CTX *remote_libctx(void);
/* Adds libcrypto's newest reason to a sentence: "...: reason"; empties the (inner) queue. */
enum remote_rc remote_crypto_fail(struct remote_error *err, const char *what);

#endif
