/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding keys: by label (reads that key alone), by id (cache, plain names, one listing), or all
 * of them. One caller asks the service for a thing, the others wait for what it finds; what was
 * known stays good while the service cannot be asked.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "remote/net/exchange.h"
#include "slot_private.h"

/* How long "there is no such key" is believed, and how soon a miss may list again. */
#define MISS_MS 2000
/* After a refresh that failed: how long the stale entry serves before the next try. */
#define STALE_MS 10000
#define READS_IN_FLIGHT 32
/* A plain loop over pages must end, whatever a hostile server answers. */
#define NAMES_MAX 1000000

/* ---- which names and types this slot shows ---- */

static bool is_glob(const char *pattern)
{
    return strpbrk(pattern, "*?[") != NULL;
}

static bool shows_name(const struct remote_slot *slot, const char *name)
{
    const char *const *patterns = slot->policy.keys;

    if (patterns[0] == NULL)
        return true;
    for (; *patterns != NULL; patterns++)
        if (fnmatch(*patterns, name, 0) == 0)
            return true;
    return false;
}

static bool has_globs(const struct remote_slot *slot)
{
    const char *const *patterns = slot->policy.keys;

    if (patterns[0] == NULL)
        return true;
    while (*patterns != NULL && !is_glob(*patterns))
        patterns++;
    return *patterns != NULL;
}

static bool shows_type(const struct remote_slot *slot, const struct remote_key *key)
{
    return (slot->policy.key_types >> key->type & 1u) != 0;
}

/* ---- which version a name stands for ---- */

static bool has_cert(const struct remote_slot *slot, const struct remote_key *key)
{
    for (size_t i = 0; i < slot->cert_count; i++)
        if (remote_cert_matches(slot->certs[i], key))
            return true;
    return false;
}

/*
 * The newest version that a certificate carries, else the newest that may be used now, else the
 * newest enabled one, else the newest. So a renewed key breaks no server whose certificate still
 * belongs to the old one.
 * A name may stand for keys of several types, such as a cipher's and one for HMAC: each type has
 * its own.
 */
static struct remote_key *pinned_version(const struct remote_slot *slot,
                                         const struct remote_key_list *versions,
                                         enum remote_key_type type)
{
    struct remote_key *usable = NULL, *enabled = NULL, *newest = NULL;

    for (size_t i = versions->count; i-- > 0;) {
        struct remote_key *key = versions->keys[i];

        if (key->type != type)
            continue;
        if (key->enabled && has_cert(slot, key))
            return key;
        if (newest == NULL)
            newest = key;
        if (usable == NULL && remote_key_usable(key))
            usable = key;
        if (enabled == NULL && key->enabled)
            enabled = key;
    }
    if (usable != NULL)
        return usable;
    return enabled != NULL ? enabled : newest;
}

static enum remote_rc show_type(const struct remote_slot *slot,
                                const struct remote_key_list *versions, enum remote_key_type type,
                                struct remote_key_list *ret, struct remote_error *err)
{
    struct remote_key *pinned = pinned_version(slot, versions, type);

    if (pinned == NULL || !shows_type(slot, pinned))
        return REMOTE_OK;
    REMOTE_TRY(remote_key_list_add(ret, pinned, err));
    for (size_t i = versions->count; slot->policy.all_versions && i-- > 0;)
        if (versions->keys[i] != pinned && versions->keys[i]->type == type)
            REMOTE_TRY(remote_key_list_add(ret, versions->keys[i], err));
    return REMOTE_OK;
}

static enum remote_rc show_versions(const struct remote_slot *slot,
                                    const struct remote_key_list *versions,
                                    struct remote_key_list *ret, struct remote_error *err)
{
    for (int type = 0; type < REMOTE_KEY_TYPE_COUNT; type++)
        REMOTE_TRY(show_type(slot, versions, (enum remote_key_type)type, ret, err));
    return REMOTE_OK;
}

static enum remote_rc copy_list(const struct remote_key_list *from, struct remote_key_list *ret,
                                struct remote_error *err)
{
    for (size_t i = 0; i < from->count; i++)
        REMOTE_TRY(remote_key_list_add(ret, from->keys[i], err));
    return REMOTE_OK;
}

/* ---- one name ---- */

static bool is_fresh(const struct remote_slot *slot, const struct remote_cache_entry *entry,
                     int64_t now)
{
    int64_t age_max = slot->policy.cache_ms;

    if (entry->keys.count == 0 && age_max > MISS_MS)
        age_max = MISS_MS;
    return entry->read_ms != INT64_MIN && now - entry->read_ms < age_max;
}

static bool is_being_read(const struct remote_cache_entry *entry)
{
    return entry->reading && entry->reading_generation == remote_fork_generation();
}

enum remote_rc remote_lookup_read(struct remote_slot *slot, const char *name,
                                  struct remote_key_list *ret, struct remote_error *err)
{
    struct remote_call call;
    enum remote_rc rc;

    remote_call_init(&call, slot, REMOTE_OP_READ);
    call.op.name = name;
    rc = remote_exchange_one(&call, err);
    if (rc == REMOTE_OK) {
        remote_slot_add_certs(slot, call.op.certs, call.op.cert_count);
        *ret = call.op.keys;
        memset(&call.op.keys, 0, sizeof(call.op.keys));
    }
    remote_call_clear(&call);
    return rc;
}

/* A key that is gone, or of a kind that cannot be served, is as good as not there. */
static enum remote_rc read_name(struct remote_slot *slot, const char *name,
                                struct remote_key_list *ret, struct remote_error *err)
{
    enum remote_rc rc = remote_lookup_read(slot, name, ret, err);

    if (rc == REMOTE_E_UNSUPPORTED)
        remote_log(REMOTE_LOG_WARNING, "key '%s' is left out: %s", name, err->text);
    return rc == REMOTE_E_NOT_FOUND || rc == REMOTE_E_UNSUPPORTED ? REMOTE_OK : rc;
}

/* Keeps serving what is known; the next look-up does not try again at once. */
static enum remote_rc serve_stale(struct remote_slot *slot, struct remote_cache_entry *entry,
                                  enum remote_rc rc, const struct remote_error *err)
{
    if (entry->keys.count == 0)
        return rc;
    remote_log(REMOTE_LOG_WARNING, "key '%s' not refreshed, the known version serves: %s",
               entry->name, err->text);
    entry->read_ms = remote_now_ms() - slot->policy.cache_ms + STALE_MS;
    return REMOTE_OK;
}

/* Makes the entry current; the slot's lock is held, and released meanwhile. */
static enum remote_rc refresh_entry(struct remote_slot *slot, struct remote_cache_entry *entry,
                                    int64_t deadline_ms, struct remote_error *err)
{
    struct remote_key_list keys = { 0 };
    struct remote_error why = { 0 };
    enum remote_rc rc;

    while (is_being_read(entry)) {
        if (!remote_cond_wait(&slot->lookup, &slot->lock, deadline_ms))
            return REMOTE_FAIL(err, REMOTE_E_TIMEOUT, "slot '%s': reading key '%s' takes too long",
                               slot->name, entry->name);
    }
    if (is_fresh(slot, entry, remote_now_ms()))
        return REMOTE_OK;
    entry->reading = true;
    entry->reading_generation = remote_fork_generation();
    remote_lock_release(&slot->lock);
    rc = read_name(slot, entry->name, &keys, &why);
    remote_lock_acquire(&slot->lock);
    entry->reading = false;
    if (rc == REMOTE_OK)
        remote_cache_store(entry, &keys, remote_now_ms());
    else
        rc = serve_stale(slot, entry, rc, &why);
    remote_cond_broadcast(&slot->lookup);
    if (rc != REMOTE_OK && err != NULL)
        *err = why;
    return rc;
}

static enum remote_rc versions_of(struct remote_slot *slot, const char *name,
                                  struct remote_key_list *ret, struct remote_error *err)
{
    struct remote_cache_entry *entry;
    enum remote_rc rc;

    remote_lock_acquire(&slot->lock);
    entry = remote_cache_obtain(&slot->cache, name);
    rc = entry ? REMOTE_OK : REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    if (rc == REMOTE_OK)
        rc = refresh_entry(slot, entry, remote_now_ms() + slot->policy.timeout_ms, err);
    if (rc == REMOTE_OK)
        rc = copy_list(&entry->keys, ret, err);
    remote_lock_release(&slot->lock);
    return rc;
}

/* NAME@vN -> NAME and N; 0: no version named. */
static unsigned split_label(const char *label, char **ret_name)
{
    const char *at = strrchr(label, '@');
    unsigned long version = 0;
    char *tail = NULL;

    if (at != NULL && at[1] == 'v' && at[2] >= '1' && at[2] <= '9')
        version = strtoul(at + 2, &tail, 10);
    if (version == 0 || *tail != '\0' || version > UINT32_MAX) {
        *ret_name = strdup(label);
        return 0;
    }
    *ret_name = strndup(label, (size_t)(at - label));
    return (unsigned)version;
}

static enum remote_rc show_one_version(const struct remote_slot *slot,
                                       const struct remote_key_list *versions, unsigned version,
                                       struct remote_key_list *ret, struct remote_error *err)
{
    for (size_t i = 0; i < versions->count; i++)
        if (versions->keys[i]->version == version && shows_type(slot, versions->keys[i]))
            return remote_key_list_add(ret, versions->keys[i], err);
    return REMOTE_OK;
}

enum remote_rc remote_slot_find_label(struct remote_slot *slot, const char *label,
                                      struct remote_key_list *ret, struct remote_error *err)
{
    CLEANUP(remote_str_free) char *name = NULL;
    CLEANUP(remote_key_list_clear) struct remote_key_list versions = { 0 };
    unsigned version = split_label(label, &name);

    REMOTE_TRY(remote_slot_status(slot, err));
    if (name == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    if (name[0] == '\0' || !shows_name(slot, name))
        return REMOTE_OK;
    REMOTE_TRY(versions_of(slot, name, &versions, err));
    if (version > 0)
        return show_one_version(slot, &versions, version, ret, err);
    return show_versions(slot, &versions, ret, err);
}

/* ---- a whole listing ---- */

struct listing { /* names to read, and the calls that read them */
    struct remote_slot *slot;
    struct remote_names names;
    struct remote_key_list told; /* of which the listing said more, but not all */
    size_t next, done;
    int64_t deadline_ms;
    const struct remote_progress *progress;
    enum remote_rc rc; /* the first failure that ends it */
    struct remote_error err;
};

/* Takes the keys of *keys; without memory for an entry the next look-up asks again. */
static void keep(struct remote_slot *slot, const char *name, struct remote_key_list *keys)
{
    struct remote_cache_entry *entry;

    remote_lock_acquire(&slot->lock);
    entry = remote_cache_obtain(&slot->cache, name);
    if (entry != NULL)
        remote_cache_store(entry, keys, remote_now_ms());
    remote_lock_release(&slot->lock);
}

/* What a page tells of a key in full needs no read. */
static enum remote_rc take_told(struct listing *listing, struct remote_key *key)
{
    struct remote_slot *slot = listing->slot;
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };

    if (!shows_name(slot, key->name))
        return REMOTE_OK;
    if (key->id_len == 0)
        return remote_key_list_add(&listing->told, key, &listing->err);
    REMOTE_TRY(remote_key_list_add(&keys, key, &listing->err));
    keep(slot, key->name, &keys);
    return REMOTE_OK;
}

static enum remote_rc list_pages(struct listing *listing)
{
    CLEANUP(remote_str_free) char *page = NULL;
    bool more;

    do {
        struct remote_call call;
        enum remote_rc rc;

        remote_call_init(&call, listing->slot, REMOTE_OP_LIST);
        call.op.name = page;
        rc = remote_exchange_one(&call, &listing->err);
        for (size_t i = 0; rc == REMOTE_OK && i < call.op.names.count; i++)
            if (shows_name(listing->slot, call.op.names.names[i]))
                rc = remote_names_add(&listing->names, call.op.names.names[i], &listing->err);
        for (size_t i = 0; rc == REMOTE_OK && i < call.op.keys.count; i++)
            rc = take_told(listing, call.op.keys.keys[i]);
        free(page);
        page = call.op.names.next_page;
        call.op.names.next_page = NULL;
        more = page != NULL && listing->names.count < NAMES_MAX &&
               remote_now_ms() < listing->deadline_ms;
        remote_call_clear(&call);
        REMOTE_TRY(rc);
    } while (more);
    return REMOTE_OK;
}

static bool already_named(const struct listing *listing, const char *name)
{
    for (size_t i = 0; i < listing->names.count; i++)
        if (strcmp(listing->names.names[i], name) == 0)
            return true;
    for (size_t i = 0; i < listing->told.count; i++)
        if (strcmp(listing->told.keys[i]->name, name) == 0)
            return true;
    return false;
}

/* Plain names need no right to list, and go on without it. */
static enum remote_rc collect_names(struct listing *listing)
{
    struct remote_slot *slot = listing->slot;
    enum remote_rc rc = has_globs(slot) ? list_pages(listing) : REMOTE_OK;
    bool plain = false;

    for (const char *const *k = slot->policy.keys; *k != NULL; k++) {
        if (is_glob(*k) || already_named(listing, *k))
            continue;
        plain = true;
        REMOTE_TRY(remote_names_add(&listing->names, *k, &listing->err));
    }
    if (rc == REMOTE_E_RIGHTS && plain) {
        remote_log(REMOTE_LOG_WARNING, "%s; showing the plain names of 'keys' only",
                   listing->err.text);
        return REMOTE_OK;
    }
    return rc;
}

static size_t work_count(const struct listing *listing)
{
    return listing->names.count + listing->told.count;
}

static bool give_work(struct listing *listing, struct remote_call *call)
{
    size_t index = listing->next;

    if (listing->rc != REMOTE_OK || index == work_count(listing))
        return false;
    listing->next++;
    remote_call_init(call, listing->slot, REMOTE_OP_READ);
    if (index < listing->names.count) {
        call->op.name = listing->names.names[index];
    } else {
        call->op.key = listing->told.keys[index - listing->names.count];
        call->op.name = call->op.key->name;
    }
    if (call->deadline_ms > listing->deadline_ms)
        call->deadline_ms = listing->deadline_ms;
    return true;
}

void remote_lookup_store(struct remote_slot *slot, struct remote_call *call)
{
    remote_slot_add_certs(slot, call->op.certs, call->op.cert_count);
    keep(slot, call->op.name, &call->op.keys);
}

/* A key that may not be read, or that makes no sense, is left out; a service that is away ends
 * the listing. */
static void take_read(void *arg, struct remote_call *call)
{
    struct listing *listing = arg;

    if (call->rc == REMOTE_OK || call->rc == REMOTE_E_NOT_FOUND)
        remote_lookup_store(listing->slot, call);
    else if (call->rc == REMOTE_E_RIGHTS || call->rc == REMOTE_E_PROTOCOL ||
             call->rc == REMOTE_E_UNSUPPORTED)
        remote_log(REMOTE_LOG_WARNING, "key '%s' is left out: %s", call->op.name, call->err.text);
    else if (listing->rc == REMOTE_OK) {
        listing->rc = call->rc;
        listing->err = call->err;
    }
    remote_call_clear(call);
    listing->done++;
    if (listing->progress != NULL)
        listing->progress->step(listing->progress->arg, listing->done, work_count(listing));
    give_work(listing, call);
}

static enum remote_rc read_all(struct listing *listing)
{
    struct remote_call *calls = calloc(READS_IN_FLIGHT, sizeof(*calls));
    struct remote_call *pointers[READS_IN_FLIGHT];
    size_t count = 0;

    if (calls == NULL)
        return REMOTE_FAIL(&listing->err, REMOTE_E_NOMEM, "out of memory");
    while (count < READS_IN_FLIGHT && give_work(listing, &calls[count])) {
        pointers[count] = &calls[count];
        count++;
    }
    remote_exchange(pointers, count, READS_IN_FLIGHT, take_read, listing);
    free(calls);
    return listing->rc;
}

static enum remote_rc list_service(struct remote_slot *slot, const struct remote_progress *progress,
                                   struct remote_error *err)
{
    struct listing listing = { .slot = slot, .progress = progress };
    int64_t started = remote_now_ms();
    enum remote_rc rc;

    listing.deadline_ms = started + slot->policy.list_timeout_ms;
    rc = collect_names(&listing);
    if (rc == REMOTE_OK)
        rc = read_all(&listing);
    remote_names_clear(&listing.names);
    remote_key_list_clear(&listing.told);
    if (rc == REMOTE_OK) {
        remote_lock_acquire(&slot->lock);
        remote_cache_expire_unlisted(&slot->cache, started, remote_now_ms());
        slot->cache.listed_ms = remote_now_ms();
        remote_lock_release(&slot->lock);
    } else if (err != NULL) {
        *err = listing.err;
    }
    return rc;
}

/*
 * Makes the cache hold a listing that is at most max_age_ms old. The slot's lock is held, and
 * released meanwhile. One caller lists, the others wait for it.
 */
static enum remote_rc refresh_listing(struct remote_slot *slot, int64_t max_age_ms,
                                      const struct remote_progress *progress,
                                      struct remote_error *err)
{
    int64_t deadline = remote_now_ms() + slot->policy.list_timeout_ms;
    struct remote_error why = { 0 };
    enum remote_rc rc;

    while (slot->listing && slot->listing_generation == remote_fork_generation()) {
        if (!remote_cond_wait(&slot->lookup, &slot->lock, deadline))
            return REMOTE_FAIL(err, REMOTE_E_TIMEOUT,
                               "slot '%s': listing takes longer than %lld ms", slot->name,
                               (long long)slot->policy.list_timeout_ms);
    }
    if (slot->cache.listed_ms != INT64_MIN && remote_now_ms() - slot->cache.listed_ms < max_age_ms)
        return REMOTE_OK;
    slot->listing = true;
    slot->listing_generation = remote_fork_generation();
    remote_lock_release(&slot->lock);
    rc = list_service(slot, progress, &why);
    remote_lock_acquire(&slot->lock);
    slot->listing = false;
    remote_cond_broadcast(&slot->lookup);
    if (rc == REMOTE_OK)
        return REMOTE_OK;
    if (slot->cache.listed_ms != INT64_MIN) { /* an earlier listing serves on */
        remote_log(REMOTE_LOG_WARNING, "keys not listed anew, the known ones serve: %s", why.text);
        slot->cache.listed_ms = remote_now_ms() - slot->policy.cache_ms + STALE_MS;
        return REMOTE_OK;
    }
    if (err != NULL)
        *err = why;
    return rc;
}

static enum remote_rc show_all(struct remote_slot *slot, struct remote_key_list *ret,
                               struct remote_error *err)
{
    size_t count;
    struct remote_cache_entry **sorted = remote_cache_sorted(&slot->cache, &count);
    enum remote_rc rc = REMOTE_OK;

    for (size_t i = 0; rc == REMOTE_OK && i < count; i++)
        rc = show_versions(slot, &sorted[i]->keys, ret, err);
    free(sorted);
    return rc;
}

enum remote_rc remote_slot_list(struct remote_slot *slot, const struct remote_progress *progress,
                                struct remote_key_list *ret, struct remote_error *err)
{
    enum remote_rc rc;

    REMOTE_TRY(remote_slot_status(slot, err));
    remote_lock_acquire(&slot->lock);
    rc = refresh_listing(slot, slot->policy.cache_ms, progress, err);
    if (rc == REMOTE_OK)
        rc = show_all(slot, ret, err);
    remote_lock_release(&slot->lock);
    return rc;
}

/* ---- by id ---- */

/* In the cache, made current if need be; the slot's lock is held. */
static enum remote_rc find_cached_id(struct remote_slot *slot, struct remote_slice id,
                                     struct remote_key_list *ret, struct remote_error *err)
{
    int64_t read_ms = 0;
    struct remote_key *key = remote_cache_find_id(&slot->cache, id, &read_ms);
    struct remote_cache_entry *entry = key ? remote_cache_find(&slot->cache, key->name) : NULL;

    if (entry != NULL && !is_fresh(slot, entry, remote_now_ms())) {
        REMOTE_TRY(refresh_entry(slot, entry, remote_now_ms() + slot->policy.timeout_ms, err));
        key = remote_cache_find_id(&slot->cache, id, &read_ms);
    }
    if (key != NULL && shows_name(slot, key->name) && shows_type(slot, key))
        return remote_key_list_add(ret, key, err);
    return REMOTE_OK;
}

bool remote_slot_knows_id(struct remote_slot *slot, struct remote_slice id)
{
    int64_t read_ms;
    bool known;

    remote_lock_acquire(&slot->lock);
    known = remote_cache_find_id(&slot->cache, id, &read_ms) != NULL;
    remote_lock_release(&slot->lock);
    return known;
}

enum remote_rc remote_slot_find_id(struct remote_slot *slot, struct remote_slice id,
                                   struct remote_key_list *ret, struct remote_error *err)
{
    size_t before = ret->count;
    enum remote_rc rc;

    REMOTE_TRY(remote_slot_status(slot, err));
    remote_lock_acquire(&slot->lock);
    rc = find_cached_id(slot, id, ret, err);
    if (rc == REMOTE_OK && ret->count == before) { /* a miss lists once, not again for a while */
        rc = refresh_listing(slot, MISS_MS, NULL, err);
        if (rc == REMOTE_OK)
            rc = find_cached_id(slot, id, ret, err);
    }
    remote_lock_release(&slot->lock);
    return rc;
}

/* ---- what else front ends and key.c ask ---- */

void remote_lookup_siblings(struct remote_slot *slot, const struct remote_key *key,
                            struct remote_key_list *ret)
{
    struct remote_cache_entry *entry;

    remote_lock_acquire(&slot->lock);
    entry = remote_cache_find(&slot->cache, key->name);
    for (size_t i = entry ? entry->keys.count : 0; i-- > 0;) {
        struct remote_key *other = entry->keys.keys[i];

        if (other->version != key->version && other->enabled && other->type == key->type &&
            remote_key_list_add(ret, other, NULL) != REMOTE_OK)
            break;
    }
    remote_lock_release(&slot->lock);
}

static struct remote_key *known_version(const struct remote_slot *slot,
                                        const struct remote_key_list *versions, unsigned version,
                                        unsigned types)
{
    struct remote_key *found = NULL;

    for (int type = 0; type < REMOTE_KEY_TYPE_COUNT && version == 0 && found == NULL; type++)
        if ((types >> type & 1u) != 0)
            found = pinned_version(slot, versions, (enum remote_key_type)type);
    for (size_t i = 0; i < versions->count && version > 0 && found == NULL; i++)
        if (versions->keys[i]->version == version && (types >> versions->keys[i]->type & 1u) != 0)
            found = versions->keys[i];
    return found != NULL ? remote_key_ref(found) : NULL;
}

struct remote_key *remote_lookup_cached(struct remote_slot *slot, const char *name,
                                        unsigned version, unsigned types, bool stale)
{
    struct remote_cache_entry *entry;
    struct remote_key *key = NULL;

    remote_lock_acquire(&slot->lock);
    entry = remote_cache_find(&slot->cache, name);
    if (entry != NULL && shows_name(slot, name) &&
        (stale || is_fresh(slot, entry, remote_now_ms())))
        key = known_version(slot, &entry->keys, version, types & slot->policy.key_types);
    remote_lock_release(&slot->lock);
    return key;
}

void remote_lookup_forget(struct remote_slot *slot, const char *name)
{
    struct remote_cache_entry *entry;

    remote_lock_acquire(&slot->lock);
    entry = remote_cache_find(&slot->cache, name);
    if (entry != NULL) {
        remote_key_list_clear(&entry->keys);
        entry->read_ms = INT64_MIN;
    }
    remote_lock_release(&slot->lock);
}

static bool has_released(const struct remote_key_list *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->keys[i]->released)
            return true;
    return false;
}

void remote_lookup_forget_released(struct remote_slot *slot)
{
    remote_lock_acquire(&slot->lock);
    for (size_t i = 0; i < slot->cache.bucket_count; i++)
        for (struct remote_cache_entry *e = slot->cache.buckets[i]; e != NULL; e = e->next)
            if (has_released(&e->keys)) {
                remote_key_list_clear(&e->keys);
                e->read_ms = slot->cache.listed_ms = INT64_MIN;
            }
    remote_lock_release(&slot->lock);
}

void remote_slot_label(struct remote_slot *slot, const struct remote_key *key,
                       struct remote_buf *ret)
{
    struct remote_cache_entry *entry;
    const struct remote_key *pinned = NULL;
    unsigned version = key->version;

    remote_lock_acquire(&slot->lock);
    entry = remote_cache_find(&slot->cache, key->name);
    if (entry != NULL)
        pinned = pinned_version(slot, &entry->keys, key->type);
    if (pinned != NULL)
        version = pinned->version;
    remote_lock_release(&slot->lock);
    remote_buf_append_str(ret, key->name);
    if (version != key->version)
        remote_buf_printf(ret, "@v%u", key->version);
}

void remote_slot_refresh(struct remote_slot *slot)
{
    remote_lock_acquire(&slot->lock);
    slot->cache.listed_ms = INT64_MIN;
    for (size_t i = 0; i < slot->cache.bucket_count; i++)
        for (struct remote_cache_entry *e = slot->cache.buckets[i]; e != NULL; e = e->next)
            e->read_ms = INT64_MIN;
    remote_lock_release(&slot->lock);
}
