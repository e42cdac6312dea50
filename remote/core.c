/* SPDX-License-Identifier: Apache-2.0 */
/* Core instances: one for each configuration path, counted by front end. */
#include <stdlib.h>
#include <string.h>

#include "core_private.h"
#include "log.h"

/* Between two looks at the configuration's files. */
#define LOOK_MS 1000

static struct remote_lock registry_lock = REMOTE_LOCK_STATIC(REMOTE_LOCK_REGISTRY);
static struct remote_core *registry;

static bool same_path(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void core_free(struct remote_core *core)
{
    size_t count = atomic_load(&core->slot_count);

    for (size_t i = 0; i < count; i++)
        remote_slot_close(atomic_load(&core->slots[i]));
    while (core->replaced != NULL) {
        struct remote_slot *slot = core->replaced;

        core->replaced = slot->next_replaced;
        remote_slot_close(slot);
    }
    while (core->loaded != NULL) {
        struct remote_loaded *loaded = core->loaded;

        core->loaded = loaded->next;
        remote_config_clear(&loaded->config);
        free(loaded);
    }
    free(core->source);
    free(core->path);
    free(core);
}

static enum remote_rc load_first(struct remote_core *core, struct remote_error *err)
{
    struct remote_parted none = { 0 };

    remote_config_stamp(core->path, &core->stamp);
    REMOTE_TRY(remote_core_load(core, false, &none, err));
    atomic_store(&core->next_look_ms, remote_now_ms() + LOOK_MS);
    core->source = strdup(core->loaded->config.source);
    return core->source != NULL ? REMOTE_OK : REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
}

static struct remote_core *find(const char *path)
{
    struct remote_core *core = registry;

    while (core != NULL && !same_path(core->path, path))
        core = core->next;
    return core;
}

static void detach(struct remote_core *core)
{
    struct remote_core **at = &registry;

    while (*at != core)
        at = &(*at)->next;
    *at = core->next;
}

/* What remote_core_release() left behind; to be freed when the lock is not held any more. */
static struct remote_core *detach_released(const char *path)
{
    struct remote_core *core = find(path);

    if (core == NULL || core->refs > 0)
        return NULL;
    detach(core);
    return core;
}

static enum remote_rc open_locked(const char *path, struct remote_core **ret,
                                  struct remote_error *err)
{
    struct remote_core *core = find(path);
    enum remote_rc rc;

    if (core != NULL) {
        core->refs++;
        *ret = core;
        return REMOTE_OK;
    }
    core = calloc(1, sizeof(*core));
    if (core == NULL || (path != NULL && (core->path = strdup(path)) == NULL)) {
        free(core);
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    rc = load_first(core, err);
    if (rc != REMOTE_OK) {
        core_free(core);
        return rc;
    }
    core->refs = 1;
    core->next = registry;
    registry = core;
    *ret = core;
    return REMOTE_OK;
}

enum remote_rc remote_core_open(const char *named, struct remote_core **ret,
                                struct remote_error *err)
{
    const char *path = remote_config_path(named);
    struct remote_core *released;
    enum remote_rc rc;

    remote_lock_enroll(&registry_lock);
    remote_lock_acquire(&registry_lock);
    released = detach_released(path);
    rc = open_locked(path, ret, err);
    remote_lock_release(&registry_lock);
    if (released != NULL)
        core_free(released);
    return rc;
}

void remote_core_close(struct remote_core *core)
{
    if (core == NULL)
        return;
    remote_lock_acquire(&registry_lock);
    if (--core->refs == 0)
        detach(core);
    else
        core = NULL;
    remote_lock_release(&registry_lock);
    if (core != NULL)
        core_free(core);
}

void remote_core_release(struct remote_core *core)
{
    if (core == NULL)
        return;
    remote_lock_acquire(&registry_lock);
    core->refs--;
    remote_lock_release(&registry_lock);
}

/* ---- reload ---- */

/* True when the files differ from what was last looked at, and nobody seems to be writing them. */
static bool look(struct remote_core *core, bool now)
{
    struct remote_config_stamp stamp;

    if (!now && remote_now_ms() < atomic_load(&core->next_look_ms))
        return false;
    remote_config_stamp(core->path, &stamp);
    if (!now && stamp.young && stamp.sum != core->stamp.sum)
        return false; /* the next look comes as soon as somebody asks */
    atomic_store(&core->next_look_ms, remote_now_ms() + LOOK_MS);
    if (stamp.sum == core->stamp.sum && !(now && core->outcome != REMOTE_OK))
        return false;
    core->stamp = stamp;
    return true;
}

static enum remote_rc reload_locked(struct remote_core *core, bool now,
                                    struct remote_parted *parted, struct remote_error *err)
{
    if (!look(core, now))
        return REMOTE_OK;
    core->outcome = remote_core_load(core, !now, parted, err);
    if (core->outcome == REMOTE_E_BUSY) { /* the next look begins anew */
        core->stamp = (struct remote_config_stamp){ 0 };
        return core->outcome = REMOTE_OK;
    }
    if (core->outcome != REMOTE_OK)
        remote_log(REMOTE_LOG_ERROR, "what is configured stays as it was: %s", err->text);
    return core->outcome;
}

enum remote_rc remote_core_reload(struct remote_core *core, bool now, struct remote_error *err)
{
    struct remote_parted parted = { 0 };
    struct remote_error why = { 0 };
    enum remote_rc rc;

    if (!now && remote_now_ms() < atomic_load(&core->next_look_ms))
        return REMOTE_OK;
    remote_lock_acquire(&registry_lock);
    rc = reload_locked(core, now, &parted, &why);
    remote_lock_release(&registry_lock);
    for (size_t i = 0; i < parted.count; i++)
        remote_slot_trim(parted.list[i]);
    if (rc != REMOTE_OK && err != NULL)
        *err = why;
    return rc;
}

unsigned remote_core_generation(const struct remote_core *core)
{
    return atomic_load(&core->generation);
}

/* ---- readers, without a lock ---- */

size_t remote_core_slot_count(const struct remote_core *core)
{
    return atomic_load(&core->slot_count);
}

struct remote_slot *remote_core_slot(const struct remote_core *core, size_t index)
{
    return index < atomic_load(&core->slot_count) ? atomic_load(&core->slots[index]) : NULL;
}

struct remote_slot *remote_core_find_slot(const struct remote_core *core, const char *name)
{
    size_t count = atomic_load(&core->slot_count);

    for (size_t i = 0; i < count; i++) {
        struct remote_slot *slot = atomic_load(&core->slots[i]);

        if (strcmp(slot->name, name) == 0 && !atomic_load(&slot->removed))
            return slot;
    }
    return NULL;
}

const char *remote_core_source(const struct remote_core *core)
{
    return core->source;
}
