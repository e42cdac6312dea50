/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a slot knows of its keys: for each name its versions, or that it is missing, and when
 * that was read. A plain data structure: the caller holds the slot's lock.
 */
#ifndef REMOTE_CACHE_H
#define REMOTE_CACHE_H

#include "key.h"

struct remote_cache_entry {
    char *name;
    struct remote_key_list keys;     /* every version, oldest first; empty: missing */
    int64_t read_ms;                 /* monotonic */
    bool reading;                    /* one caller is asking the service */
    unsigned reading_generation;     /* fork generation of that caller */
    struct remote_cache_entry *next; /* hash chain */
};

struct remote_cache {
    struct remote_cache_entry **buckets;
    size_t bucket_count, entry_count;
    int64_t listed_ms; /* when the last whole listing ended; INT64_MIN: never */
};

void remote_cache_init(struct remote_cache *cache);
void remote_cache_clear(struct remote_cache *cache); /* forgets everything */
struct remote_cache_entry *remote_cache_find(struct remote_cache *cache, const char *name);
/* Finds or makes it. NULL: out of memory. */
struct remote_cache_entry *remote_cache_obtain(struct remote_cache *cache, const char *name);
/* Takes the keys of *keys (leaving it empty) as what the name has now. */
void remote_cache_store(struct remote_cache_entry *entry, struct remote_key_list *keys,
                        int64_t now_ms);
/* Marks every name that was not read since `since_ms` as missing: a listing did not have it. */
void remote_cache_expire_unlisted(struct remote_cache *cache, int64_t since_ms, int64_t now_ms);
struct remote_key *remote_cache_find_id(struct remote_cache *cache, struct remote_slice id,
                                        int64_t *ret_read_ms);
/* Entries in name order; free() the array. NULL with *count 0 when empty or out of memory. */
struct remote_cache_entry **remote_cache_sorted(struct remote_cache *cache, size_t *ret_count);

#endif
