/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of the store that are at hand. One thread fetches a key, whoever else wants it meanwhile
 * waits for that. No lock is held while the store is asked.
 *
 * A key is fresh for any_ms after it was read (0: it is read for every use), unless nobody has used
 * it for unused_ms (0: that does not matter). Then it is read again; while the store cannot be
 * reached it does for offline_ms longer. KESD_CACHE_MAX keys at most are kept, those that were used
 * last. Any thread, under no lock.
 */
#ifndef KESD_KEY_CACHE_H
#define KESD_KEY_CACHE_H

#include "kept_key.h"

#define KESD_CACHE_MAX 4096 /* keys */

struct kesd_cache_source {
    /* Reads a key from the store: blocks. ret: one reference. */
    enum remote_rc (*load)(void *arg, const char *name, struct kesd_kept_key **ret,
                           struct remote_error *err);
    void *arg;
    int64_t any_ms, unused_ms, offline_ms;
};

struct kesd_key_cache;
enum remote_rc kesd_key_cache_new(const struct kesd_cache_source *source,
                                  struct kesd_key_cache **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void kesd_key_cache_free(struct kesd_key_cache *cache); /* NULL is fine */

/* ret: one reference. Fails as load() does. */
enum remote_rc kesd_key_cache_get(struct kesd_key_cache *cache, const char *name,
                                  struct kesd_kept_key **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Whether get() would not ask the store now, nor in a moment. */
bool kesd_key_cache_is_near(struct kesd_key_cache *cache, const char *name);
/* A key that was just made: counted again. What is being read under the name is out of date. */
void kesd_key_cache_put(struct kesd_key_cache *cache, const char *name, struct kesd_kept_key *key);
/* It is gone from the store; so is what is being read of it. */
void kesd_key_cache_drop(struct kesd_key_cache *cache, const char *name);
/* Forgets, and so wipes, what nobody may have any more: about once a second. */
void kesd_key_cache_tick(struct kesd_key_cache *cache);

#endif
