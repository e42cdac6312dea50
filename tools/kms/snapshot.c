/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots: made from what a slot shows of a key. */
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "seal.h"

#define VERSIONS_MAX 256 /* of one key, newest first; older ones are found by trying */

static void snapshot_free(struct kms_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++)
        remote_key_unref(snapshot->versions[i].key);
    free(snapshot);
}

void kms_snapshot_unref(struct kms_snapshot *snapshot)
{
    if (snapshot != NULL && atomic_fetch_sub(&snapshot->refs, 1) == 1)
        snapshot_free(snapshot);
}

const struct kms_version *kms_snapshot_find(const struct kms_snapshot *snapshot,
                                            struct remote_slice key_id)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct kms_version *version = &snapshot->versions[i];

        if (remote_slice_equal(key_id, remote_slice_str(version->key_id)) ||
            (version->azure_id[0] != '\0' &&
             remote_slice_equal(key_id, remote_slice_str(version->azure_id))))
            return version;
    }
    return NULL;
}

static bool is_named(const struct remote_key *key, const char *version)
{
    char number[16];

    if (key->version_id != NULL && strcasecmp(key->version_id, version) == 0)
        return true;
    snprintf(number, sizeof(number), "%u", key->version);
    return strcmp(number, version) == 0;
}

static enum remote_rc add_version(struct kms_snapshot *snapshot, struct remote_key *key,
                                  bool legacy_ids, struct remote_error *err)
{
    struct kms_version *version = &snapshot->versions[snapshot->count];

    REMOTE_TRY(kms_key_id_azure(key, version->azure_id, err));
    if (legacy_ids && version->azure_id[0] != '\0')
        memcpy(version->key_id, version->azure_id, sizeof(version->key_id));
    else
        REMOTE_TRY(kms_key_id(key, version->key_id, err));
    version->key = remote_key_ref(key);
    snapshot->count++;
    return REMOTE_OK;
}

/* Behind the one that the name stands for, newest first. */
static enum remote_rc add_others(struct kms_snapshot *snapshot, const struct remote_key_list *all,
                                 bool legacy_ids, struct remote_error *err)
{
    const struct remote_key *current = snapshot->versions[0].key;

    for (size_t i = all->count; i-- > 0 && snapshot->count < VERSIONS_MAX;) {
        struct remote_key *key = all->keys[i];

        if (key->type == current->type && key->enabled && !remote_key_same(key, current))
            REMOTE_TRY(add_version(snapshot, key, legacy_ids, err));
    }
    return REMOTE_OK;
}

/* A name may stand for keys of several types: the first that encrypts and decrypts. */
static struct remote_key *pick(const struct remote_key_list *list)
{
    const unsigned uses[] = { REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT,
                              REMOTE_USE_WRAP | REMOTE_USE_UNWRAP };

    for (size_t u = 0; u < ARRAY_SIZE(uses); u++)
        for (size_t i = 0; i < list->count; i++)
            if ((list->keys[i]->uses & uses[u]) == uses[u])
                return list->keys[i];
    return NULL;
}

static enum remote_rc choose_current(struct kms_snapshot *snapshot, const char *version,
                                     struct remote_error *err)
{
    if (version == NULL)
        return kms_form_choose(snapshot->versions[0].key, &snapshot->versions[0].form, err);
    for (size_t i = 0; i < snapshot->count; i++) {
        if (is_named(snapshot->versions[i].key, version)) {
            snapshot->current = i;
            return kms_form_choose(snapshot->versions[i].key, &snapshot->versions[i].form, err);
        }
    }
    return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "key '%s' has no version '%s'",
                       snapshot->versions[0].key->name, version);
}

enum remote_rc kms_snapshot_make(struct remote_slot *slot,
                                 const struct kms_keyring_options *options,
                                 struct kms_snapshot **ret, struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list found = { 0 };
    CLEANUP(remote_key_list_clear) struct remote_key_list all = { 0 };
    struct kms_snapshot *snapshot;
    struct remote_key *key;
    enum remote_rc rc;

    REMOTE_TRY(remote_slot_read(slot, options->key, &found, &all, err));
    if (found.count == 0)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "slot '%s' has no key '%s'",
                           remote_slot_name(slot), options->key);
    key = pick(&found);
    if (key == NULL)
        return REMOTE_FAIL(err, REMOTE_E_FORBIDDEN_USE,
                           "slot '%s': key '%s' is not for encryption and decryption",
                           remote_slot_name(slot), options->key);
    snapshot = calloc(1, sizeof(*snapshot) + (all.count + 1) * sizeof(snapshot->versions[0]));
    if (snapshot == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    atomic_init(&snapshot->refs, 1);
    rc = add_version(snapshot, key, options->legacy_ids, err);
    if (rc == REMOTE_OK)
        rc = add_others(snapshot, &all, options->legacy_ids, err);
    if (rc == REMOTE_OK)
        rc = choose_current(snapshot, options->version, err);
    if (rc != REMOTE_OK) {
        snapshot_free(snapshot);
        return rc;
    }
    snapshot->made_ms = remote_now_ms();
    *ret = snapshot;
    return REMOTE_OK;
}
