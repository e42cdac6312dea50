/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key of the store in memory. Many share a page, which is locked and stays out of core dumps;
 * what a key leaves there is wiped. Any thread.
 */
#ifndef KESD_KEPT_KEY_H
#define KESD_KEPT_KEY_H

#include <stdatomic.h>

#include "kes_stored.h"
#include "key_cipher.h"

struct kesd_key_room; /* the pages */
enum remote_rc kesd_key_room_new(struct kesd_key_room **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void kesd_key_room_free(struct kesd_key_room *room); /* no key is left; NULL is fine */

struct kesd_kept_key { /* read-only once published, counted */
    atomic_uint refs;
    struct kesd_key_room *room;
    unsigned char *bytes; /* of the cipher, and of the HMAC behind them */
    bool has_hmac;
    struct kesd_info info;
};

/* ret: one reference. */
enum remote_rc kesd_kept_key_new(struct kesd_key_room *room, const struct kes_stored *stored,
                                 struct kesd_kept_key **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
static inline struct kesd_kept_key *kesd_kept_key_ref(struct kesd_kept_key *key)
{
    atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
    return key;
}
void kesd_kept_key_unref(struct kesd_kept_key *key); /* NULL is fine */

static inline struct kesd_cipher_key kesd_kept_key_cipher(const struct kesd_kept_key *key)
{
    return (struct kesd_cipher_key){ key->info.algorithm, key->bytes };
}
static inline const unsigned char *kesd_kept_key_hmac(const struct kesd_kept_key *key)
{
    return key->bytes + KESD_KEY_LEN;
}

#endif
