/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the texts of keys are kept, by name: a directory, or the K/V engine of a Vault. A store
 * knows nothing of what they say. Any thread; inside the guard; every function may block.
 *
 * In all of them REMOTE_E_UNAVAILABLE, _TIMEOUT and the like: the store cannot be reached; never
 * is a store that is away taken for one without keys.
 */
#ifndef KESD_STORE_H
#define KESD_STORE_H

#include "keys.h"

#define KESD_STORE_NAMES_MAX 1000000 /* of a listing; what is beyond is a fault of the store */

struct kesd_store; /* the store's struct begins with a pointer to its operations */

struct kesd_store_ops {
    /* REMOTE_E_EXISTS: the name is taken, and what is there was left alone. It is durable. */
    enum remote_rc (*create)(struct kesd_store *store, const char *name, struct remote_slice text,
                             struct remote_error *err);
    /* REMOTE_E_NOT_FOUND. ret: replaced, in locked memory. */
    enum remote_rc (*read)(struct kesd_store *store, const char *name, struct remote_secret *ret,
                           struct remote_error *err);
    /* Adds what can be names of keys, in any order. ret->more is not for it. */
    enum remote_rc (*list)(struct kesd_store *store, struct kesd_names *ret,
                           struct remote_error *err);
    /* REMOTE_E_NOT_FOUND, where the store can tell. */
    enum remote_rc (*remove)(struct kesd_store *store, const char *name, struct remote_error *err);
    enum remote_rc (*probe)(struct kesd_store *store, struct remote_error *err);
    void (*close)(struct kesd_store *store);
};

struct kesd_store {
    const struct kesd_store_ops *ops;
};

/* path: copied. Nothing is looked at yet. */
enum remote_rc kesd_store_open_directory(const char *path, struct kesd_store **ret,
                                         struct remote_error *err) REMOTE_MUST_CHECK;
/* By vault_slot, vault_mount, vault_prefix and vault_version of the settings. No request. */
enum remote_rc kesd_store_open_vault(struct remote_core *core, const struct kesd_settings *settings,
                                     struct kesd_store **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* ---- names ---- */
/* Adds a copy, if a key can be called so. */
enum remote_rc kesd_names_add(struct kesd_names *names, const char *name, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Sorts; each name once; only those that begin with prefix, at most max, and which would be next.
 */
void kesd_names_choose(struct kesd_names *names, const char *prefix, size_t max);

#endif
