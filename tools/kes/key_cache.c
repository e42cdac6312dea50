/* SPDX-License-Identifier: Apache-2.0 */
#include "key_cache.h"

#include <stdlib.h>
#include <string.h>

#define SHARDS 16 /* so that threads seldom wait for one another */
#define SHARD_MAX (KESD_CACHE_MAX / SHARDS)
#define BUCKETS 64 /* of a shard */

#define RETRY_MS 1000 /* a store that is away is not asked again before, for keys at hand */
#define NEAR_MS 100   /* what is near still is when it is used, so much later at most */
#define WAIT_MS 60000 /* a thread that fetches has a deadline of its own, well before this */

struct flight { /* a fetch under way; counted by who takes part, under the shard's lock */
    unsigned refs;
    bool done;
    enum remote_rc rc;
    struct remote_error err;
    struct kesd_kept_key *key; /* counted */
};

struct entry {
    struct entry *next;
    char name[KESD_NAME_MAX + 1];
    struct kesd_kept_key *key; /* counted; NULL: not read yet */
    int64_t read_ms, used_ms;
    int64_t retry_ms;      /* offline: the store is not asked again before */
    struct flight *flight; /* NULL: none */
};

struct shard {
    struct remote_lock lock;
    struct remote_cond landed;
    struct entry *buckets[BUCKETS];
    size_t count;
};

struct kesd_key_cache {
    struct kesd_cache_source source;
    struct shard shards[SHARDS];
};

/* ---- time ---- */

/* When it has to be read again. */
static int64_t stale_at(const struct kesd_key_cache *cache, const struct entry *entry)
{
    int64_t at = entry->read_ms + cache->source.any_ms;
    int64_t unused_at = entry->used_ms + cache->source.unused_ms;

    return cache->source.unused_ms > 0 && unused_at < at ? unused_at : at;
}

static bool is_fresh(const struct kesd_key_cache *cache, const struct entry *entry, int64_t now)
{
    return entry->key != NULL && (now < stale_at(cache, entry) || now < entry->retry_ms);
}

static bool does_offline(const struct kesd_key_cache *cache, const struct entry *entry, int64_t now)
{
    return entry->key != NULL && now < stale_at(cache, entry) + cache->source.offline_ms;
}

static bool is_over(const struct kesd_key_cache *cache, const struct entry *entry, int64_t now)
{
    return entry->flight == NULL && !is_fresh(cache, entry, now) &&
           !does_offline(cache, entry, now);
}

/* ---- a shard; its lock is held ---- */

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 0x811c9dc5u; /* FNV-1a */

    while (*name != '\0')
        hash = (hash ^ (unsigned char)*name++) * 0x01000193u;
    return hash;
}

static struct shard *shard_of(struct kesd_key_cache *cache, const char *name)
{
    return &cache->shards[hash_of(name) % SHARDS];
}

/* Where the entry hangs, or where it would. */
static struct entry **place_of(struct shard *shard, const char *name)
{
    struct entry **at = &shard->buckets[hash_of(name) / SHARDS % BUCKETS];

    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

static void take_out(struct shard *shard, struct entry **at)
{
    struct entry *entry = *at;

    *at = entry->next;
    shard->count--;
    kesd_kept_key_unref(entry->key);
    free(entry);
}

/* All that are over, and with `room` wanted in a full shard the one that was used longest ago. */
static void sweep(struct kesd_key_cache *cache, struct shard *shard, bool room, int64_t now)
{
    struct entry **oldest = NULL;

    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct entry **at = &shard->buckets[i]; *at != NULL;) {
            if (is_over(cache, *at, now)) {
                take_out(shard, at);
                continue;
            }
            if ((*at)->flight == NULL && (oldest == NULL || (*at)->used_ms < (*oldest)->used_ms))
                oldest = at;
            at = &(*at)->next;
        }
    }
    if (room && shard->count >= SHARD_MAX && oldest != NULL)
        take_out(shard, oldest);
}

static struct entry *add(struct kesd_key_cache *cache, struct shard *shard, const char *name,
                         int64_t now)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    struct entry **at;

    if (entry == NULL)
        return NULL;
    if (shard->count >= SHARD_MAX)
        sweep(cache, shard, true, now);
    at = place_of(shard, name);
    strncpy(entry->name, name, KESD_NAME_MAX);
    entry->used_ms = now;
    *at = entry;
    shard->count++;
    return entry;
}

static void keep(struct entry *entry, struct kesd_kept_key *key, int64_t now)
{
    kesd_kept_key_unref(entry->key);
    entry->key = kesd_kept_key_ref(key);
    entry->read_ms = entry->used_ms = now;
    entry->retry_ms = 0;
}

/* ---- flights; the shard's lock is held ---- */

static void leave(struct flight *flight)
{
    if (--flight->refs > 0)
        return;
    kesd_kept_key_unref(flight->key);
    free(flight);
}

static enum remote_rc outcome_of(const struct flight *flight, struct kesd_kept_key **ret,
                                 struct remote_error *err)
{
    if (flight->rc == REMOTE_OK)
        *ret = kesd_kept_key_ref(flight->key);
    else if (err != NULL)
        *err = flight->err;
    return flight->rc;
}

static enum remote_rc wait_for(struct shard *shard, struct flight *flight,
                               struct kesd_kept_key **ret, struct remote_error *err)
{
    enum remote_rc rc;

    flight->refs++;
    while (!flight->done)
        (void)remote_cond_wait(&shard->landed, &shard->lock, remote_now_ms() + WAIT_MS);
    rc = outcome_of(flight, ret, err);
    leave(flight);
    return rc;
}

static bool is_away(enum remote_rc rc)
{
    return rc == REMOTE_E_UNAVAILABLE || rc == REMOTE_E_TIMEOUT || rc == REMOTE_E_BUSY;
}

/* What came of it, for the entry that it was for, unless that is another one by now. */
static void land(struct kesd_key_cache *cache, struct shard *shard, const char *name,
                 struct flight *flight)
{
    struct entry **at = place_of(shard, name), *entry = *at;
    int64_t now = remote_now_ms();

    flight->done = true;
    remote_cond_broadcast(&shard->landed);
    if (entry == NULL || entry->flight != flight)
        return;
    entry->flight = NULL;
    if (flight->rc == REMOTE_OK) {
        keep(entry, flight->key, now);
    } else if (is_away(flight->rc) && does_offline(cache, entry, now)) {
        entry->retry_ms = now + RETRY_MS;
        flight->rc = REMOTE_OK;
        flight->key = kesd_kept_key_ref(entry->key);
    } else {
        take_out(shard, at);
    }
}

/* The lock is let go meanwhile. */
static enum remote_rc fetch(struct kesd_key_cache *cache, struct shard *shard, const char *name,
                            struct flight *flight, struct kesd_kept_key **ret,
                            struct remote_error *err)
{
    enum remote_rc rc;

    remote_lock_release(&shard->lock);
    flight->rc = cache->source.load(cache->source.arg, name, &flight->key, &flight->err);
    remote_lock_acquire(&shard->lock);
    land(cache, shard, name, flight);
    rc = outcome_of(flight, ret, err);
    leave(flight);
    return rc;
}

static enum remote_rc begin_fetch(struct kesd_key_cache *cache, struct shard *shard,
                                  const char *name, struct entry *entry, struct kesd_kept_key **ret,
                                  struct remote_error *err)
{
    struct flight *flight = calloc(1, sizeof(*flight));

    if (flight != NULL && entry == NULL)
        entry = add(cache, shard, name, remote_now_ms());
    if (flight == NULL || entry == NULL) {
        free(flight);
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    flight->refs = 1;
    entry->flight = flight;
    return fetch(cache, shard, name, flight, ret, err);
}

/* ---- from outside ---- */

enum remote_rc kesd_key_cache_get(struct kesd_key_cache *cache, const char *name,
                                  struct kesd_kept_key **ret, struct remote_error *err)
{
    struct shard *shard = shard_of(cache, name);
    int64_t now = remote_now_ms();
    enum remote_rc rc = REMOTE_OK;
    struct entry *entry;

    remote_lock_acquire(&shard->lock);
    entry = *place_of(shard, name);
    if (entry != NULL && is_fresh(cache, entry, now)) {
        entry->used_ms = now;
        *ret = kesd_kept_key_ref(entry->key);
    } else if (entry != NULL && entry->flight != NULL) {
        rc = wait_for(shard, entry->flight, ret, err);
    } else {
        rc = begin_fetch(cache, shard, name, entry, ret, err);
    }
    remote_lock_release(&shard->lock);
    return rc;
}

bool kesd_key_cache_is_near(struct kesd_key_cache *cache, const char *name)
{
    struct shard *shard = shard_of(cache, name);
    const struct entry *entry;
    bool near;

    remote_lock_acquire(&shard->lock);
    entry = *place_of(shard, name);
    near = entry != NULL && is_fresh(cache, entry, remote_now_ms() + NEAR_MS);
    remote_lock_release(&shard->lock);
    return near;
}

void kesd_key_cache_put(struct kesd_key_cache *cache, const char *name, struct kesd_kept_key *key)
{
    struct shard *shard = shard_of(cache, name);
    int64_t now = remote_now_ms();
    struct entry *entry;

    remote_lock_acquire(&shard->lock);
    entry = *place_of(shard, name);
    if (entry == NULL)
        entry = add(cache, shard, name, now);
    if (entry != NULL) { /* else it is read when it is wanted */
        entry->flight = NULL;
        keep(entry, key, now);
    }
    remote_lock_release(&shard->lock);
}

void kesd_key_cache_drop(struct kesd_key_cache *cache, const char *name)
{
    struct shard *shard = shard_of(cache, name);
    struct entry **at;

    remote_lock_acquire(&shard->lock);
    at = place_of(shard, name);
    if (*at != NULL)
        take_out(shard, at);
    remote_lock_release(&shard->lock);
}

void kesd_key_cache_tick(struct kesd_key_cache *cache)
{
    int64_t now = remote_now_ms();

    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];

        remote_lock_acquire(&shard->lock);
        sweep(cache, shard, false, now);
        remote_lock_release(&shard->lock);
    }
}

enum remote_rc kesd_key_cache_new(const struct kesd_cache_source *source,
                                  struct kesd_key_cache **ret, struct remote_error *err)
{
    struct kesd_key_cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    cache->source = *source;
    for (size_t i = 0; i < SHARDS; i++) {
        remote_lock_init(&cache->shards[i].lock, REMOTE_LOCK_FRONT);
        remote_cond_init(&cache->shards[i].landed);
    }
    *ret = cache;
    return REMOTE_OK;
}

void kesd_key_cache_free(struct kesd_key_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];

        for (size_t j = 0; j < BUCKETS; j++)
            while (shard->buckets[j] != NULL)
                take_out(shard, &shard->buckets[j]);
        remote_cond_destroy(&shard->landed);
        remote_lock_destroy(&shard->lock);
    }
    free(cache);
}
