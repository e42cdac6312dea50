/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of the K/V engine, as KES makes them: kes_kv.h. */
#include <stdlib.h>

#include "kes_kv.h"
#include "slot_ref.h"
#include "store.h"

struct vault {
    struct kesd_store base; /* first */
    struct kesd_slot_ref slot;
    struct kes_kv kv; /* without its slot */
};

/* The entries with the slot of now; borrows. */
static enum remote_rc kv_of(const struct kesd_store *store, struct kes_kv *ret,
                            struct remote_error *err)
{
    const struct vault *vault = (const struct vault *)store;

    *ret = vault->kv;
    return kesd_slot_ref_find(&vault->slot, &ret->slot, err);
}

static enum remote_rc vault_create(struct kesd_store *store, const char *name,
                                   struct remote_slice text, struct remote_error *err)
{
    struct kes_kv kv;

    REMOTE_TRY(kv_of(store, &kv, err));
    return kes_kv_create(&kv, name, text, err);
}

static enum remote_rc vault_read(struct kesd_store *store, const char *name,
                                 struct remote_secret *ret, struct remote_error *err)
{
    struct kes_kv kv;

    REMOTE_TRY(kv_of(store, &kv, err));
    return kes_kv_read(&kv, name, ret, err);
}

static enum remote_rc add_name(void *arg, const char *name, struct remote_error *err)
{
    return kesd_names_add(arg, name, err);
}

static enum remote_rc vault_list(struct kesd_store *store, struct kesd_names *ret,
                                 struct remote_error *err)
{
    struct kes_kv kv;

    REMOTE_TRY(kv_of(store, &kv, err));
    return kes_kv_list(&kv, add_name, ret, err);
}

static enum remote_rc vault_remove(struct kesd_store *store, const char *name,
                                   struct remote_error *err)
{
    struct kes_kv kv;

    REMOTE_TRY(kv_of(store, &kv, err));
    return kes_kv_remove(&kv, name, err);
}

static enum remote_rc vault_probe(struct kesd_store *store, struct remote_error *err)
{
    struct kes_kv kv;

    REMOTE_TRY(kv_of(store, &kv, err));
    return remote_slot_reach(kv.slot, err);
}

static void vault_close(struct kesd_store *store)
{
    struct vault *vault = (struct vault *)store;

    kesd_slot_ref_clear(&vault->slot);
    kes_kv_clear(&vault->kv);
    free(vault);
}

enum remote_rc kesd_store_open_vault(struct remote_core *core, const struct kesd_settings *settings,
                                     struct kesd_store **ret, struct remote_error *err)
{
    static const struct kesd_store_ops ops = {
        .create = vault_create,
        .read = vault_read,
        .list = vault_list,
        .remove = vault_remove,
        .probe = vault_probe,
        .close = vault_close,
    };
    struct vault *vault = calloc(1, sizeof(*vault));
    enum remote_rc rc;

    if (vault == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    rc = kesd_slot_ref_init(&vault->slot, core, "vault_slot", settings->vault_slot, err);
    if (rc == REMOTE_OK)
        rc = kes_kv_init(&vault->kv, NULL, settings->vault_mount, settings->vault_prefix,
                         settings->vault_version == 2, err);
    if (rc != REMOTE_OK) {
        vault_close(&vault->base);
        return rc;
    }
    vault->base.ops = &ops;
    *ret = &vault->base;
    return REMOTE_OK;
}
