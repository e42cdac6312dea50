/* SPDX-License-Identifier: Apache-2.0 */
/* Core instances: one for each configuration path, counted by front end. */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "slot_private.h"

struct remote_core {
    char *path; /* NULL: the default pair */
    unsigned refs;
    struct remote_config config;
    struct remote_slot **slots;
    size_t slot_count;
    struct remote_core *next;
};

static struct remote_lock registry_lock = REMOTE_LOCK_STATIC(REMOTE_LOCK_REGISTRY);
static struct remote_core *registry;

static bool same_path(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void core_free(struct remote_core *core)
{
    for (size_t i = 0; i < core->slot_count; i++)
        remote_slot_close(core->slots[i]);
    free(core->slots);
    remote_config_clear(&core->config);
    free(core->path);
    free(core);
}

static enum remote_rc open_slots(struct remote_core *core, struct remote_error *err)
{
    core->slots = calloc(core->config.slot_count + 1, sizeof(struct remote_slot *));
    if (core->slots == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    for (size_t i = 0; i < core->config.slot_count; i++) {
        struct remote_slot *slot = remote_slot_open(core, core->config.slots[i]);

        if (slot == NULL)
            return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        core->slots[core->slot_count++] = slot;
    }
    return REMOTE_OK;
}

/* One company's token must not be walked past another company's server by a PIN dialogue. */
static void require_shared_pins(struct remote_config *config)
{
    size_t pins = 0;

    for (size_t i = 0; i < config->slot_count; i++)
        pins += remote_section_has(config->slots[i], "pin");
    for (size_t i = 0; pins > 1 && i < config->slot_count; i++) {
        struct remote_section *section = config->slots[i];
        struct remote_error err = { 0 };
        const char *shared = remote_section_text(section, "pin_shared", "no");

        if (!remote_section_has(section, "pin") || strcmp(shared, "yes") == 0)
            continue;
        remote_section_fail(section, "pin", &err,
                            "%zu slots take a PIN, and programs try one PIN on all of them; set "
                            "pin_shared = yes in each to allow that",
                            pins);
        remote_section_break(section, &err);
    }
}

static enum remote_rc load(struct remote_core *core, struct remote_error *err)
{
    REMOTE_TRY(remote_config_load(core->path, &core->config, err));
    if (core->config.global != NULL)
        REMOTE_TRY(remote_log_setup(remote_section_text(core->config.global, "log", NULL),
                                    remote_section_text(core->config.global, "log_level", NULL),
                                    err));
    require_shared_pins(&core->config);
    return open_slots(core, err);
}

static enum remote_rc open_locked(const char *path, struct remote_core **ret,
                                  struct remote_error *err)
{
    struct remote_core *core = registry;
    enum remote_rc rc;

    while (core != NULL && !same_path(core->path, path))
        core = core->next;
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
    rc = load(core, err);
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
    enum remote_rc rc;

    remote_lock_enroll(&registry_lock);
    remote_lock_acquire(&registry_lock);
    rc = open_locked(path, ret, err);
    remote_lock_release(&registry_lock);
    return rc;
}

void remote_core_close(struct remote_core *core)
{
    struct remote_core **at = &registry;

    if (core == NULL)
        return;
    remote_lock_acquire(&registry_lock);
    if (--core->refs == 0) {
        while (*at != core)
            at = &(*at)->next;
        *at = core->next;
    } else {
        core = NULL;
    }
    remote_lock_release(&registry_lock);
    if (core != NULL)
        core_free(core);
}

size_t remote_core_slot_count(const struct remote_core *core)
{
    return core->slot_count;
}

struct remote_slot *remote_core_slot(const struct remote_core *core, size_t index)
{
    return index < core->slot_count ? core->slots[index] : NULL;
}

struct remote_slot *remote_core_find_slot(const struct remote_core *core, const char *name)
{
    for (size_t i = 0; i < core->slot_count; i++)
        if (strcmp(core->slots[i]->name, name) == 0)
            return core->slots[i];
    return NULL;
}

const char *remote_core_source(const struct remote_core *core)
{
    return core->config.source;
}
