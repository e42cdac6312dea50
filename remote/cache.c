/* SPDX-License-Identifier: Apache-2.0 */
#include "cache.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 64

void remote_cache_init(struct remote_cache *cache)
{
    memset(cache, 0, sizeof(*cache));
    cache->listed_ms = INT64_MIN;
}

static void entry_free(struct remote_cache_entry *entry)
{
    remote_key_list_clear(&entry->keys);
    free(entry->name);
    free(entry);
}

void remote_cache_clear(struct remote_cache *cache)
{
    for (size_t i = 0; i < cache->bucket_count; i++) {
        while (cache->buckets[i] != NULL) {
            struct remote_cache_entry *entry = cache->buckets[i];

            cache->buckets[i] = entry->next;
            entry_free(entry);
        }
    }
    free(cache->buckets);
    remote_cache_init(cache);
}

/* FNV-1a. A hostile server that makes names collide slows down its own slot. */
static size_t hash(const char *name)
{
    uint64_t h = 14695981039346656037u;

    for (; *name != '\0'; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

struct remote_cache_entry *remote_cache_find(struct remote_cache *cache, const char *name)
{
    struct remote_cache_entry *entry;

    if (cache->bucket_count == 0)
        return NULL;
    entry = cache->buckets[hash(name) & (cache->bucket_count - 1)];
    while (entry != NULL && strcmp(entry->name, name) != 0)
        entry = entry->next;
    return entry;
}

static bool grow(struct remote_cache *cache)
{
    size_t count = cache->bucket_count ? cache->bucket_count * 2 : BUCKETS_FIRST;
    struct remote_cache_entry **buckets = calloc(count, sizeof(struct remote_cache_entry *));

    if (buckets == NULL)
        return false;
    for (size_t i = 0; i < cache->bucket_count; i++) {
        while (cache->buckets[i] != NULL) {
            struct remote_cache_entry *entry = cache->buckets[i];
            size_t at = hash(entry->name) & (count - 1);

            cache->buckets[i] = entry->next;
            entry->next = buckets[at];
            buckets[at] = entry;
        }
    }
    free(cache->buckets);
    cache->buckets = buckets;
    cache->bucket_count = count;
    return true;
}

struct remote_cache_entry *remote_cache_obtain(struct remote_cache *cache, const char *name)
{
    struct remote_cache_entry *entry = remote_cache_find(cache, name);
    size_t at;

    if (entry != NULL)
        return entry;
    if (cache->entry_count >= cache->bucket_count && !grow(cache))
        return NULL;
    entry = calloc(1, sizeof(*entry));
    if (entry == NULL || (entry->name = strdup(name)) == NULL) {
        free(entry);
        return NULL;
    }
    entry->read_ms = INT64_MIN;
    at = hash(name) & (cache->bucket_count - 1);
    entry->next = cache->buckets[at];
    cache->buckets[at] = entry;
    cache->entry_count++;
    return entry;
}

void remote_cache_store(struct remote_cache_entry *entry, struct remote_key_list *keys,
                        int64_t now_ms)
{
    remote_key_list_clear(&entry->keys);
    entry->keys = *keys;
    memset(keys, 0, sizeof(*keys));
    entry->read_ms = now_ms;
}

void remote_cache_expire_unlisted(struct remote_cache *cache, int64_t since_ms, int64_t now_ms)
{
    for (size_t i = 0; i < cache->bucket_count; i++) {
        for (struct remote_cache_entry *e = cache->buckets[i]; e != NULL; e = e->next) {
            if (e->read_ms >= since_ms || e->reading)
                continue;
            remote_key_list_clear(&e->keys);
            e->read_ms = now_ms;
        }
    }
}

struct remote_key *remote_cache_find_id(struct remote_cache *cache, struct remote_slice id,
                                        int64_t *ret_read_ms)
{
    for (size_t i = 0; i < cache->bucket_count; i++) {
        for (struct remote_cache_entry *e = cache->buckets[i]; e != NULL; e = e->next) {
            for (size_t k = 0; k < e->keys.count; k++) {
                struct remote_key *key = e->keys.keys[k];

                if (remote_slice_equal(remote_slice(key->id, key->id_len), id)) {
                    *ret_read_ms = e->read_ms;
                    return key;
                }
            }
        }
    }
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct remote_cache_entry *const *left = a, *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

struct remote_cache_entry **remote_cache_sorted(struct remote_cache *cache, size_t *ret_count)
{
    struct remote_cache_entry **sorted;
    size_t count = 0;

    *ret_count = 0;
    if (cache->entry_count == 0)
        return NULL;
    sorted = calloc(cache->entry_count, sizeof(struct remote_cache_entry *));
    if (sorted == NULL)
        return NULL;
    for (size_t i = 0; i < cache->bucket_count; i++)
        for (struct remote_cache_entry *e = cache->buckets[i]; e != NULL; e = e->next)
            sorted[count++] = e;
    qsort(sorted, count, sizeof(struct remote_cache_entry *), by_name);
    *ret_count = count;
    return sorted;
}
