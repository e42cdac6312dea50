/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random nonces, which must never come twice and are no secrets. A call of libcrypto's generator
 * costs more than an AES-GCM of a data key, so each thread makes many at once.
 */
#ifndef REMOTE_NONCE_H
#define REMOTE_NONCE_H

#include "remote/buf.h"

#define REMOTE_NONCE_MAX 32 /* bytes */

/* len: at most REMOTE_NONCE_MAX. Inside the guard; any thread, and in a forked child anew. */
enum remote_rc remote_local_nonce(unsigned char *ret, size_t len, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
