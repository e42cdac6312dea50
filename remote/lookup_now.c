/* SPDX-License-Identifier: Apache-2.0 */
/* What a service has under a name at this moment: for daemons, which must notice what changes. */
#include <string.h>

#include "slot_private.h"

static enum remote_rc store(struct remote_slot *slot, const char *name,
                            struct remote_key_list *keys, struct remote_error *err)
{
    struct remote_cache_entry *entry;

    remote_lock_acquire(&slot->lock);
    entry = remote_cache_obtain(&slot->cache, name);
    if (entry != NULL)
        remote_cache_store(entry, keys, remote_now_ms());
    remote_lock_release(&slot->lock);
    return entry != NULL ? REMOTE_OK : REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
}

static enum remote_rc copy(const struct remote_key_list *from, struct remote_key_list *ret,
                           struct remote_error *err)
{
    for (size_t i = 0; i < from->count; i++)
        REMOTE_TRY(remote_key_list_add(ret, from->keys[i], err));
    return REMOTE_OK;
}

enum remote_rc remote_slot_read(struct remote_slot *slot, const char *name,
                                struct remote_key_list *ret, struct remote_key_list *ret_all,
                                struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };
    CLEANUP(remote_key_list_clear) struct remote_key_list all = { 0 };
    struct remote_error why = { 0 };
    enum remote_rc rc;

    REMOTE_TRY(remote_slot_status(slot, err));
    rc = remote_lookup_read(slot, name, &keys, &why);
    if (rc != REMOTE_OK && rc != REMOTE_E_NOT_FOUND) {
        if (err != NULL)
            *err = why;
        return rc;
    }
    REMOTE_TRY(copy(&keys, &all, err));
    REMOTE_TRY(store(slot, name, &keys, err));
    REMOTE_TRY(remote_slot_find_label(slot, name, ret, err)); /* as the slot shows it */
    return ret->count > 0 ? copy(&all, ret_all, err) : REMOTE_OK;
}
