/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys that a service gives out: what they do is done here with their bytes, which are fetched at
 * first use, not when the key is found, and are kept with the key as a session key's are.
 */
#ifndef REMOTE_RELEASED_H
#define REMOTE_RELEASED_H

#include "key.h"
#include "remote/local/secret_key.h"

/*
 * The bytes. One request at first, none later on. ret: one reference.
 * REMOTE_E_UNSUPPORTED: not such a key. REMOTE_E_NOT_FOUND: gone, or never there.
 */
enum remote_rc remote_key_release(struct remote_key *key, struct remote_secret_key **ret,
                                  struct remote_error *err) REMOTE_MUST_CHECK;

/* For key.c, after its checks; as remote_key_encrypt() and remote_key_decrypt(). */
enum remote_rc remote_released_encrypt(struct remote_key *key, const struct remote_params *params,
                                       struct remote_slice plain, struct remote_buf *ret_out,
                                       struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc remote_released_decrypt(struct remote_key *key, const struct remote_params *params,
                                       struct remote_slice sealed, struct remote_buf *ret_plain,
                                       struct remote_error *err) REMOTE_MUST_CHECK;

#endif
