/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of a KES in the K/V engine of a Vault, versions 1 and 2: NAME below the prefix, with one
 * field that is called NAME, too. With the login of a Vault slot; blocks for a request. Called
 * inside the guard. Names fit (kes_name_fits()).
 */
#ifndef REMOTE_KES_KV_H
#define REMOTE_KES_KV_H

#include "remote/slot.h"

struct kes_kv {
    struct remote_slot *slot; /* borrowed */
    char *mount, *prefix; /* percent-encoded, without slashes at their ends; prefix: may be "" */
    bool versioned;       /* version 2 */
};

/* mount, prefix: as people write them. ret: zero before. */
enum remote_rc kes_kv_init(struct kes_kv *ret, struct remote_slot *slot, const char *mount,
                           const char *prefix, bool versioned, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Finds out which engine there is at a path, for which no further rights are needed.
 * REMOTE_E_PARAM: path is not below one. */
enum remote_rc kes_kv_find(struct kes_kv *ret, struct remote_slot *slot, const char *path,
                           struct remote_error *err) REMOTE_MUST_CHECK;
void kes_kv_clear(struct kes_kv *kv);

/* ret: the text, replaced. REMOTE_E_NOT_FOUND. REMOTE_E_DATA: an entry, but none of a KES. */
enum remote_rc kes_kv_read(const struct kes_kv *kv, const char *name, struct remote_secret *ret,
                           struct remote_error *err) REMOTE_MUST_CHECK;
/*
 * Makes an entry, and never replaces one. Version 1 cannot promise that itself: it looks first, of
 * two that then write at once most often the second is refused, by a policy without `update`, and
 * whoever has written looks again a moment later.
 * REMOTE_E_EXISTS. REMOTE_E_DATA: what stands there is no entry of a KES.
 */
enum remote_rc kes_kv_create(const struct kes_kv *kv, const char *name, struct remote_slice text,
                             struct remote_error *err) REMOTE_MUST_CHECK;
/* Also what is not there. */
enum remote_rc kes_kv_remove(const struct kes_kv *kv, const char *name, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Calls each(arg, name) for what is there, until it returns other than REMOTE_OK; perhaps nothing.
 */
enum remote_rc kes_kv_list(const struct kes_kv *kv,
                           enum remote_rc (*each)(void *arg, const char *name,
                                                  struct remote_error *err),
                           void *arg, struct remote_error *err) REMOTE_MUST_CHECK;

#endif
