/* SPDX-License-Identifier: Apache-2.0 */
/* Where keys are in the token, by their CKA_ID, which is a hash already. */
#include <stdlib.h>
#include <string.h>

#include "hsm.h"

#define CAP_FIRST 64
/* Keys come and go; what a token of any size has today fits. */
#define COUNT_MAX (1u << 20)

static size_t hash_of(const unsigned char *id)
{
    uint32_t hash;

    memcpy(&hash, id, sizeof(hash));
    return hash;
}

/* The entry of this id, or the empty one where it would be. */
static struct hsm_handle_entry *place(const struct hsm_handles *handles, const unsigned char *id)
{
    size_t at = hash_of(id) & (handles->cap - 1);

    while (handles->entries[at].handle.object != CK_INVALID_HANDLE &&
           memcmp(handles->entries[at].id, id, sizeof(handles->entries[at].id)) != 0)
        at = (at + 1) & (handles->cap - 1);
    return &handles->entries[at];
}

bool hsm_handles_get(const struct hsm_handles *handles, const struct remote_key *key,
                     struct hsm_handle *ret)
{
    if (handles->cap == 0)
        return false;
    *ret = place(handles, key->id)->handle;
    return ret->object != CK_INVALID_HANDLE;
}

static bool grow(struct hsm_handles *handles)
{
    struct hsm_handles larger = { .count = handles->count,
                                  .cap = handles->cap ? handles->cap * 2 : CAP_FIRST };

    larger.entries = calloc(larger.cap, sizeof(*larger.entries));
    if (larger.entries == NULL)
        return false;
    for (size_t i = 0; i < handles->cap; i++)
        if (handles->entries[i].handle.object != CK_INVALID_HANDLE)
            *place(&larger, handles->entries[i].id) = handles->entries[i];
    free(handles->entries);
    *handles = larger;
    return true;
}

void hsm_handles_put(struct hsm_handles *handles, const struct remote_key *key,
                     struct hsm_handle handle)
{
    struct hsm_handle_entry *entry;

    if (handle.object == CK_INVALID_HANDLE)
        return;
    if (handles->count >= COUNT_MAX)
        hsm_handles_clear(handles);
    if (handles->count * 2 >= handles->cap && !grow(handles))
        return;
    entry = place(handles, key->id);
    if (entry->handle.object == CK_INVALID_HANDLE) {
        memcpy(entry->id, key->id, sizeof(entry->id));
        handles->count++;
    }
    entry->handle = handle;
}

void hsm_handles_clear(struct hsm_handles *handles)
{
    free(handles->entries);
    *handles = (struct hsm_handles){ 0 };
}
