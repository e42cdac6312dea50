/* SPDX-License-Identifier: Apache-2.0 */
#include "keyring.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "local_kek.h"
#include "seal.h"
#include "snapshot.h"

#define RETRY_MS 2000 /* after a failure nobody makes us ask the service sooner */

struct kms_keyring {
    struct remote_core *core;
    struct kms_keyring_options options;
    char *name;
    pthread_mutex_t lock;
    pthread_cond_t wanted, ended; /* on CLOCK_MONOTONIC */
    pthread_t thread;
    bool started, ending;
    bool wants;                    /* somebody waits for a fresher snapshot */
    unsigned rounds;               /* how many attempts have ended */
    int64_t tried_ms;              /* when the last one ended; 0: none has */
    struct kms_snapshot *snapshot; /* NULL: none yet */
    struct remote_error health;    /* of the last attempt */
    struct kms_local_keks *local_keks;
    char proved_id[KMS_KEY_ID + 1];
    int64_t proved_ms[KMS_PROOF_COUNT]; /* of that version; 0: never */
};

bool kms_keyring_is_final(enum remote_rc rc)
{
    switch (rc) {
    case REMOTE_E_NOT_FOUND:
    case REMOTE_E_FORBIDDEN_USE:
    case REMOTE_E_RIGHTS:
    case REMOTE_E_UNSUPPORTED:
    case REMOTE_E_CONFIG:
        return true;
    default:
        return false;
    }
}

/* ---- proofs; the lock is held ---- */

static void note_proof(struct kms_keyring *ring, const char *key_id, enum kms_proof what)
{
    if (strcmp(ring->proved_id, key_id) != 0) {
        memset(ring->proved_ms, 0, sizeof(ring->proved_ms));
        memcpy(ring->proved_id, key_id, sizeof(ring->proved_id));
    }
    ring->proved_ms[what] = remote_now_ms();
}

static bool proof_is_due(const struct kms_keyring *ring, const char *key_id)
{
    int64_t since = remote_now_ms() - ring->options.proof_ms;

    if (strcmp(ring->proved_id, key_id) != 0)
        return true;
    for (int i = 0; i < KMS_PROOF_COUNT; i++)
        if (ring->proved_ms[i] == 0 || ring->proved_ms[i] < since)
            return true;
    return false;
}

void kms_keyring_proved(struct kms_keyring *ring, const struct kms_version *version,
                        enum kms_proof what)
{
    pthread_mutex_lock(&ring->lock);
    if (ring->snapshot != NULL &&
        strcmp(kms_snapshot_current(ring->snapshot)->key_id, version->key_id) == 0)
        note_proof(ring, version->key_id, what);
    pthread_mutex_unlock(&ring->lock);
}

/* ---- one attempt, in the ring's thread, without the lock ---- */

static enum remote_rc login(const struct kms_keyring *ring, struct remote_slot *slot,
                            struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret file = { 0 };
    struct remote_slice pin;

    if (remote_slot_logged_in(slot))
        return REMOTE_OK;
    if (ring->options.pin_file == NULL)
        return REMOTE_FAIL(err, REMOTE_E_AUTH,
                           "slot '%s' wants a PIN; give its file with --pin-file",
                           remote_slot_name(slot));
    REMOTE_TRY(remote_file_read(ring->options.pin_file, REMOTE_FILE_SECRET, &file, err));
    pin = remote_secret_slice(&file);
    while (pin.len > 0 && (pin.data[pin.len - 1] == '\n' || pin.data[pin.len - 1] == '\r'))
        pin.len--;
    return remote_slot_login(slot, pin, err);
}

static enum remote_rc prove(struct kms_keyring *ring, const struct kms_version *version,
                            struct remote_error *err)
{
    bool due;

    pthread_mutex_lock(&ring->lock);
    due = proof_is_due(ring, version->key_id);
    pthread_mutex_unlock(&ring->lock);
    if (!due)
        return REMOTE_OK;
    REMOTE_TRY(kms_seal_prove(version, err));
    pthread_mutex_lock(&ring->lock);
    note_proof(ring, version->key_id, KMS_PROOF_ENCRYPT);
    note_proof(ring, version->key_id, KMS_PROOF_DECRYPT);
    pthread_mutex_unlock(&ring->lock);
    return REMOTE_OK;
}

static enum remote_rc attempt(struct kms_keyring *ring, struct kms_snapshot **ret,
                              struct remote_error *err)
{
    struct remote_slot *slot = kms_keyring_slot(ring);

    if (slot == NULL)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s has no slot '%s' any more",
                           remote_core_source(ring->core), ring->options.slot);
    REMOTE_TRY(remote_slot_status(slot, err));
    REMOTE_TRY(login(ring, slot, err));
    REMOTE_TRY(kms_snapshot_make(slot, &ring->options, ret, err));
    return prove(ring, kms_snapshot_current(*ret), err);
}

/* ---- taking over what it brought; the lock is held ---- */

static void log_change(const struct kms_keyring *ring, const struct kms_snapshot *fresh)
{
    const struct kms_version *version = kms_snapshot_current(fresh);

    if (ring->snapshot == NULL ||
        strcmp(kms_snapshot_current(ring->snapshot)->key_id, version->key_id) != 0)
        remote_log(REMOTE_LOG_INFO, "key '%s': version %u encrypts from now on, key_id %s",
                   ring->name, version->key->version, version->key_id);
}

/*
 * A new version that does not work yet must not become the one that Encrypt uses: the older one
 * goes on, and what others may have sealed with the new one is found.
 */
static bool keep_current(const struct kms_keyring *ring, struct kms_snapshot *fresh)
{
    const char *key_id;

    if (ring->snapshot == NULL)
        return false;
    key_id = kms_snapshot_current(ring->snapshot)->key_id;
    for (size_t i = 0; i < fresh->count; i++) {
        if (strcmp(fresh->versions[i].key_id, key_id) == 0) {
            fresh->current = i;
            fresh->versions[i].form = kms_snapshot_current(ring->snapshot)->form;
            return true;
        }
    }
    return false;
}

static struct kms_snapshot *publish(struct kms_keyring *ring, struct kms_snapshot *fresh,
                                    enum remote_rc rc, const struct remote_error *err)
{
    struct kms_snapshot *old = fresh;

    if (rc != REMOTE_OK && strcmp(ring->health.text, err->text) != 0)
        remote_log(REMOTE_LOG_WARNING, "key '%s': %s", ring->name, err->text);
    else if (rc == REMOTE_OK && ring->health.rc != REMOTE_OK)
        remote_log(REMOTE_LOG_INFO, "key '%s' works again", ring->name);
    ring->health = *err;
    ring->health.rc = rc;
    if (fresh != NULL && (rc == REMOTE_OK || keep_current(ring, fresh))) {
        log_change(ring, fresh);
        old = ring->snapshot;
        ring->snapshot = fresh;
    }
    ring->wants = false;
    ring->rounds++;
    ring->tried_ms = remote_now_ms();
    pthread_cond_broadcast(&ring->ended);
    return old;
}

static void *run(void *arg)
{
    CLEANUP(remote_guard_leave) struct remote_guard guard = { 0 };
    struct kms_keyring *ring = arg;

    if (remote_guard_enter(&guard, NULL) != REMOTE_OK)
        return NULL; /* main() has entered it before: only memory can be short */
    pthread_mutex_lock(&ring->lock);
    for (;;) {
        struct remote_error err = { 0 };
        struct kms_snapshot *fresh = NULL, *old;
        enum remote_rc rc;

        while (!ring->wants && !ring->ending)
            pthread_cond_wait(&ring->wanted, &ring->lock);
        if (ring->ending)
            break;
        pthread_mutex_unlock(&ring->lock);
        rc = attempt(ring, &fresh, &err);
        pthread_mutex_lock(&ring->lock);
        old = publish(ring, fresh, rc, &err);
        pthread_mutex_unlock(&ring->lock);
        kms_snapshot_unref(old);
        pthread_mutex_lock(&ring->lock);
    }
    pthread_mutex_unlock(&ring->lock);
    return NULL;
}

/* ---- for everybody else ---- */

static bool is_young(const struct kms_keyring *ring, int64_t max_age_ms)
{
    return ring->snapshot != NULL && remote_now_ms() - ring->snapshot->made_ms < max_age_ms;
}

/* False: the deadline passed. */
static bool wait_for_round(struct kms_keyring *ring, int64_t deadline_ms)
{
    struct timespec until = { deadline_ms / 1000, (deadline_ms % 1000) * 1000000 };
    unsigned round = ring->rounds;

    while (ring->rounds == round && !ring->ending)
        if (pthread_cond_timedwait(&ring->ended, &ring->lock, &until) != 0)
            return false;
    return true;
}

static enum remote_rc no_snapshot(const struct kms_keyring *ring, struct remote_error *err)
{
    if (ring->health.rc == REMOTE_OK)
        return REMOTE_FAIL(err, REMOTE_E_TIMEOUT, "key '%s' has not been read yet", ring->name);
    if (err != NULL)
        *err = ring->health;
    return ring->health.rc;
}

enum remote_rc kms_keyring_snapshot(struct kms_keyring *ring, int64_t max_age_ms,
                                    int64_t deadline_ms, struct kms_snapshot **ret,
                                    struct remote_error *err)
{
    enum remote_rc rc = REMOTE_OK;

    pthread_mutex_lock(&ring->lock);
    if (!is_young(ring, max_age_ms) &&
        (ring->tried_ms == 0 || remote_now_ms() - ring->tried_ms >= RETRY_MS)) {
        ring->wants = true;
        pthread_cond_signal(&ring->wanted);
    }
    if (!is_young(ring, max_age_ms) && ring->wants && deadline_ms != 0)
        (void)wait_for_round(ring, deadline_ms);
    if (ring->snapshot != NULL) {
        atomic_fetch_add(&ring->snapshot->refs, 1);
        *ret = ring->snapshot;
    } else {
        rc = no_snapshot(ring, err);
    }
    pthread_mutex_unlock(&ring->lock);
    return rc;
}

void kms_keyring_want(struct kms_keyring *ring)
{
    pthread_mutex_lock(&ring->lock);
    ring->wants = true;
    pthread_cond_signal(&ring->wanted);
    pthread_mutex_unlock(&ring->lock);
}

int64_t kms_keyring_check_ms(const struct kms_keyring *ring)
{
    return ring->options.check_ms;
}

bool kms_keyring_is_fresh(struct kms_keyring *ring)
{
    bool fresh;

    pthread_mutex_lock(&ring->lock);
    fresh = is_young(ring, ring->options.check_ms);
    pthread_mutex_unlock(&ring->lock);
    return fresh;
}

enum remote_rc kms_keyring_health(struct kms_keyring *ring, struct remote_error *ret)
{
    pthread_mutex_lock(&ring->lock);
    *ret = ring->health;
    pthread_mutex_unlock(&ring->lock);
    return ret->rc;
}

int64_t kms_keyring_made_ms(struct kms_keyring *ring)
{
    int64_t made;

    pthread_mutex_lock(&ring->lock);
    made = ring->snapshot != NULL ? ring->snapshot->made_ms : 0;
    pthread_mutex_unlock(&ring->lock);
    return made;
}

const char *kms_keyring_name(const struct kms_keyring *ring)
{
    return ring->name;
}

struct remote_slot *kms_keyring_slot(struct kms_keyring *ring)
{
    return remote_core_find_slot(ring->core, ring->options.slot);
}

/* ---- new and free ---- */

static void init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

static enum remote_rc choose_slot(struct kms_keyring *ring, struct remote_error *err)
{
    struct remote_slot *slot;

    if (ring->options.slot == NULL) {
        if (remote_core_slot_count(ring->core) != 1)
            return REMOTE_FAIL(err, REMOTE_E_USAGE, "%s configures %zu slots: name one with --slot",
                               remote_core_source(ring->core), remote_core_slot_count(ring->core));
        ring->options.slot = remote_slot_name(remote_core_slot(ring->core, 0));
    }
    slot = kms_keyring_slot(ring);
    if (slot == NULL)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "no slot '%s' in %s", ring->options.slot,
                           remote_core_source(ring->core));
    return remote_slot_status(slot, err);
}

static enum remote_rc start(struct kms_keyring *ring, struct remote_error *err)
{
    int failed;

    REMOTE_TRY(choose_slot(ring, err));
    if (asprintf(&ring->name, "%s/%s", ring->options.slot, ring->options.key) < 0) {
        ring->name = NULL;
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    failed = pthread_create(&ring->thread, NULL, run, ring);
    if (failed != 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "cannot start a thread: %s",
                           strerrordesc_np(failed));
    ring->started = true;
    return REMOTE_OK;
}

static struct kms_local_keks *open_local_keks(const struct kms_keyring_options *options,
                                              struct remote_error *err)
{
    const struct kms_local_kek_options local = { options->local_kek, options->local_kek_uses,
                                                 options->local_kek_age_ms };

    return kms_local_keks_new(&local, err);
}

struct kms_local_keks *kms_keyring_local_keks(struct kms_keyring *ring)
{
    return ring->local_keks;
}

enum remote_rc kms_keyring_new(struct remote_core *core, const struct kms_keyring_options *options,
                               struct kms_keyring **ret, struct remote_error *err)
{
    struct kms_keyring *ring = calloc(1, sizeof(*ring));
    enum remote_rc rc;

    if (ring == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    ring->core = core;
    ring->options = *options;
    pthread_mutex_init(&ring->lock, NULL);
    init_cond(&ring->wanted);
    init_cond(&ring->ended);
    ring->local_keks = open_local_keks(options, err);
    rc = ring->local_keks != NULL ? start(ring, err) : REMOTE_E_NOMEM;
    if (rc != REMOTE_OK) {
        kms_keyring_free(ring);
        return rc;
    }
    *ret = ring;
    return REMOTE_OK;
}

void kms_keyring_stop(struct kms_keyring *ring)
{
    if (ring == NULL)
        return;
    pthread_mutex_lock(&ring->lock);
    ring->ending = true;
    pthread_cond_broadcast(&ring->wanted);
    pthread_cond_broadcast(&ring->ended);
    pthread_mutex_unlock(&ring->lock);
}

void kms_keyring_free(struct kms_keyring *ring)
{
    if (ring == NULL)
        return;
    kms_keyring_stop(ring);
    if (ring->started)
        pthread_join(ring->thread, NULL);
    kms_snapshot_unref(ring->snapshot);
    kms_local_keks_free(ring->local_keks);
    pthread_cond_destroy(&ring->wanted);
    pthread_cond_destroy(&ring->ended);
    pthread_mutex_destroy(&ring->lock);
    free(ring->name);
    free(ring);
}
