/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking over a configuration (design section 3): a slot whose section is unchanged stays, with
 * its connections, its cache and its login; others are opened beside it before anything changes.
 * What needs memory or reads files comes first, what cannot fail last.
 */
#include <stdlib.h>
#include <string.h>

#include "core_private.h"
#include "graph.h"
#include "log.h"

struct plan {                                    /* which slot is to be in which place */
    struct remote_slot *slots[REMOTE_SLOTS_MAX]; /* NULL: none any more */
    bool opened[REMOTE_SLOTS_MAX];               /* it is new, and nobody knows of it yet */
    size_t count, present;                       /* places; those there were before */
};

/* ---- the new configuration ---- */

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

static enum remote_rc set_log(const struct remote_core *core, const struct remote_section *global,
                              struct remote_error *err)
{
    if (core->global != NULL && remote_section_same(core->global, global))
        return REMOTE_OK; /* the program may have told the log otherwise since */
    return remote_log_setup(remote_section_text(global, "log", NULL),
                            remote_section_text(global, "log_level", NULL), err);
}

static void loaded_free(struct remote_loaded *loaded)
{
    if (loaded != NULL)
        remote_config_clear(&loaded->config);
    free(loaded);
}

static enum remote_rc load(const struct remote_core *core, struct remote_loaded **ret,
                           struct remote_error *err)
{
    struct remote_loaded *loaded = calloc(1, sizeof(*loaded));
    enum remote_rc rc;

    if (loaded == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    rc = remote_config_load(core->path, &loaded->config, err);
    if (rc != REMOTE_OK) {
        loaded_free(loaded);
        return rc;
    }
    require_shared_pins(&loaded->config);
    rc = remote_graph_check(&loaded->config, err);
    if (rc != REMOTE_OK) {
        loaded_free(loaded);
        return rc;
    }
    *ret = loaded;
    return REMOTE_OK;
}

static bool changed_since(const struct remote_core *core)
{
    struct remote_config_stamp stamp;

    remote_config_stamp(core->path, &stamp);
    return stamp.sum != core->stamp.sum;
}

/* ---- the plan ---- */

/* Of several sections of one name all but the first are broken, and keep apart by their order. */
static size_t place_of(const struct remote_core *core, const struct plan *plan, const char *name)
{
    size_t i = 0;

    while (i < plan->present &&
           (plan->slots[i] != NULL || strcmp(atomic_load(&core->slots[i])->name, name) != 0))
        i++;
    return i < plan->present ? i : plan->count;
}

/* A broken slot has nothing to lose, and a new look at its files may mend it. */
static bool may_stay(const struct remote_slot *slot, const struct remote_section *section)
{
    return slot->broken.rc == REMOTE_OK && remote_section_status(section, NULL) == REMOTE_OK &&
           remote_section_same(slot->section, section);
}

static bool as_broken_as(const struct remote_slot *slot, const struct remote_slot *before)
{
    return slot->broken.rc != REMOTE_OK && strcmp(slot->broken.text, before->broken.text) == 0;
}

static enum remote_rc plan_place(struct remote_core *core, struct plan *plan, size_t place,
                                 struct remote_section *section, struct remote_error *err)
{
    struct remote_slot *before = place < plan->present ? atomic_load(&core->slots[place]) : NULL;
    struct remote_slot *slot;

    if (before != NULL && may_stay(before, section)) {
        plan->slots[place] = before;
        return REMOTE_OK;
    }
    slot = remote_slot_open(core, section);
    if (slot == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    if (before != NULL && as_broken_as(slot, before)) {
        remote_slot_close(slot);
        slot = before;
    }
    plan->slots[place] = slot;
    plan->opened[place] = slot != before;
    return REMOTE_OK;
}

static enum remote_rc make_plan(struct remote_core *core, const struct remote_config *config,
                                struct plan *plan, struct remote_error *err)
{
    plan->count = plan->present = atomic_load(&core->slot_count);
    for (size_t i = 0; i < config->slot_count; i++) {
        const char *name = remote_section_name(config->slots[i]);
        size_t place = place_of(core, plan, name);

        if (place == REMOTE_SLOTS_MAX) {
            remote_log(REMOTE_LOG_ERROR,
                       "slot '%s' is left out: this program has seen %d slots since it started; "
                       "restart it",
                       name, REMOTE_SLOTS_MAX);
            continue;
        }
        REMOTE_TRY(plan_place(core, plan, place, config->slots[i], err));
        plan->count += place == plan->count;
    }
    return REMOTE_OK;
}

static void drop_plan(const struct plan *plan)
{
    for (size_t i = 0; i < REMOTE_SLOTS_MAX; i++)
        if (plan->opened[i])
            remote_slot_close(plan->slots[i]);
}

/* ---- taking over: nothing here fails ---- */

static void part(struct remote_slot *slot, struct remote_parted *parted)
{
    parted->list[parted->count++] = slot;
}

static void replace(struct remote_core *core, size_t place, struct remote_slot *slot,
                    struct remote_parted *parted)
{
    struct remote_slot *before = atomic_load(&core->slots[place]);

    if (before != NULL) {
        before->next_replaced = core->replaced;
        core->replaced = before;
        part(before, parted);
    }
    atomic_store(&core->slots[place], slot);
}

static const char *take_place(struct remote_core *core, const struct plan *plan, size_t place,
                              struct remote_parted *parted)
{
    struct remote_slot *before = place < plan->present ? atomic_load(&core->slots[place]) : NULL;
    bool was_removed = before != NULL && atomic_load(&before->removed);

    if (plan->slots[place] == NULL && before != NULL && !was_removed) {
        atomic_store(&before->removed, true);
        part(before, parted);
        return "removed";
    }
    if (plan->opened[place]) {
        replace(core, place, plan->slots[place], parted);
        return before == NULL || was_removed ? "added" : "changed";
    }
    if (plan->slots[place] == NULL || !was_removed)
        return NULL;
    atomic_store(&before->removed, false); /* it is back as it was */
    return "added";
}

static void carry_out(struct remote_core *core, const struct plan *plan,
                      struct remote_parted *parted)
{
    bool first = core->loaded == NULL, changed = false;

    for (size_t i = 0; i < plan->count; i++) {
        const char *what = take_place(core, plan, i, parted);

        changed = changed || what != NULL;
        if (what != NULL && !first)
            remote_log(REMOTE_LOG_INFO, "configuration read again: slot '%s' %s",
                       atomic_load(&core->slots[i])->name, what);
    }
    atomic_store(&core->slot_count, plan->count);
    if (changed)
        atomic_fetch_add(&core->generation, 1);
}

/* Kept while a slot, or the log, reads its options there. */
static bool in_use(const struct remote_core *core, const struct plan *plan,
                   const struct remote_loaded *loaded)
{
    bool any = core->global == loaded->config.global;

    for (size_t i = 0; i < plan->count; i++)
        any = any || plan->opened[i];
    return any;
}

static void keep(struct remote_core *core, const struct plan *plan, struct remote_loaded *loaded)
{
    if (core->global == NULL || !remote_section_same(core->global, loaded->config.global))
        core->global = loaded->config.global;
    if (!in_use(core, plan, loaded)) {
        loaded_free(loaded);
        return;
    }
    loaded->next = core->loaded;
    core->loaded = loaded;
}

enum remote_rc remote_core_load(struct remote_core *core, bool settled,
                                struct remote_parted *ret_parted, struct remote_error *err)
{
    struct remote_loaded *loaded = NULL;
    struct plan plan = { 0 };
    enum remote_rc rc;

    REMOTE_TRY(load(core, &loaded, err));
    rc = settled && changed_since(core)
             ? REMOTE_FAIL(err, REMOTE_E_BUSY, "the configuration changed while it was read")
             : set_log(core, loaded->config.global, err);
    if (rc == REMOTE_OK)
        rc = make_plan(core, &loaded->config, &plan, err);
    if (rc != REMOTE_OK) {
        drop_plan(&plan);
        loaded_free(loaded);
        return rc;
    }
    carry_out(core, &plan, ret_parted);
    keep(core, &plan, loaded);
    return REMOTE_OK;
}
