/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What core.c (instances, their readers) and reload.c (which slots an instance has) share.
 *
 * Places only ever get added, and a place keeps its name: so readers need no lock, and an index
 * means the same slot for as long as the core is open. Slots live as long as the core, whatever
 * a reload does to them, since keys, sessions and threads borrow them; so do the sections that
 * they read their options from. All writers hold the registry's lock.
 */
#ifndef REMOTE_CORE_PRIVATE_H
#define REMOTE_CORE_PRIVATE_H

#include "slot_private.h"

struct remote_loaded { /* a configuration of which something is in use */
    struct remote_config config;
    struct remote_loaded *next;
};

struct remote_core {
    char *path; /* NULL: the default pair */
    unsigned refs;
    char *source;
    struct remote_loaded *loaded;        /* newest first */
    const struct remote_section *global; /* of the configuration in force */
    _Atomic(struct remote_slot *) slots[REMOTE_SLOTS_MAX];
    atomic_size_t slot_count;
    struct remote_slot *replaced; /* by others, in their places */
    atomic_uint generation;
    struct remote_config_stamp stamp; /* what was last looked at, loaded or not */
    enum remote_rc outcome;           /* of loading that */
    atomic_llong next_look_ms;
    struct remote_core *next;
};

struct remote_parted { /* slots that a reload took out of use; to be trimmed without the lock */
    struct remote_slot *list[REMOTE_SLOTS_MAX];
    size_t count;
};

/*
 * Loads what is on disk and takes it over, if that works: the first time, or again. Lock held.
 * On failure all stays as it was. settled: only if nobody wrote to it meanwhile, else
 * REMOTE_E_BUSY.
 */
enum remote_rc remote_core_load(struct remote_core *core, bool settled,
                                struct remote_parted *ret_parted, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
