/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys as a KES keeps them in its store (files, or Vault's K/V engine), for those who leave it or
 * move to another one. Secrets go straight into locked memory. Called inside the guard.
 */
#ifndef REMOTE_KES_STORED_H
#define REMOTE_KES_STORED_H

#include "remote/key.h"

#define KES_NAME_MAX 80
#define KES_KEY_LEN 32
#define KES_IDENTITY_LEN 64 /* hex digits */

struct kes_stored {
    enum remote_key_type type; /* AES or CHACHA20 */
    struct remote_secret cipher;
    struct remote_secret mac; /* of its HMAC; empty: an old KES stored it, without one */
    int64_t created;          /* seconds since 1970; 0: unknown */
    int32_t created_ns;
    char created_by[KES_IDENTITY_LEN + 1]; /* an identity; "": unknown */
};

extern const char kes_name_letters[]; /* that a name may have, in the order of bytes */
/* Whether a key can be called so; NUL bytes cannot be part of it. */
bool kes_name_fits(struct remote_slice name);

/*
 * Reads base64 of protobuf, or the JSON of older versions; blanks around it do not matter. ret:
 * zero before; clear it. REMOTE_E_DATA: neither, or not whole.
 */
enum remote_rc kes_stored_read(struct remote_slice text, struct kes_stored *ret,
                               struct remote_error *err) REMOTE_MUST_CHECK;
/* As a KES writes it: base64 of protobuf. REMOTE_E_USAGE: without one of the keys. */
enum remote_rc kes_stored_write(const struct kes_stored *stored, struct remote_secret *ret,
                                struct remote_error *err) REMOTE_MUST_CHECK;
void kes_stored_clear(struct kes_stored *stored);

#endif
