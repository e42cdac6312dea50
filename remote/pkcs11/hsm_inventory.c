/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a listing saw, kept for the reads that follow it: a token searches through all its objects
 * for every C_FindObjects, SoftHSM2 for milliseconds, and a listing of n keys would take n such
 * searches and more. Only what it has is believed; what it has not is asked of the token.
 */
#include <stdlib.h>
#include <string.h>

#include "hsm.h"

#define GOOD_MS 10000

struct hsm_item {
    CK_OBJECT_CLASS class;
    CK_OBJECT_HANDLE object;
    CK_KEY_TYPE type;
    struct remote_buf label, id;
};

void hsm_inventory_clear(struct hsm_inventory *inventory)
{
    for (size_t i = 0; i < inventory->count; i++) {
        remote_buf_clear(&inventory->items[i].label);
        remote_buf_clear(&inventory->items[i].id);
    }
    free(inventory->items);
    *inventory = (struct hsm_inventory){ 0 };
}

/* ---- taking it ---- */

static enum remote_rc read_item(struct hsm_session *session, struct hsm_item *item,
                                struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf type = { 0 };
    const struct hsm_value values[] = { { CKA_LABEL, &item->label },
                                        { CKA_ID, &item->id },
                                        { CKA_KEY_TYPE, &type } }; /* no certificate has that */
    size_t count = ARRAY_SIZE(values) - (item->class == CKO_CERTIFICATE);

    REMOTE_TRY(hsm_attributes(session, item->object, values, count, err));
    item->type = hsm_value_number(&type, CKK_VENDOR_DEFINED);
    return REMOTE_OK;
}

static enum remote_rc take_class(struct hsm_session *session, CK_OBJECT_CLASS class,
                                 struct hsm_inventory *inventory, struct remote_error *err)
{
    CLEANUP(hsm_objects_clear) struct hsm_objects found = { 0 };
    CK_BBOOL token = CK_TRUE;
    CK_ATTRIBUTE wanted[] = { { CKA_CLASS, &class, sizeof(class) },
                              { CKA_TOKEN, &token, sizeof(token) } };
    struct hsm_item *longer;

    REMOTE_TRY(hsm_find(session, wanted, ARRAY_SIZE(wanted), &found, err));
    longer = reallocarray(inventory->items, inventory->count + found.count + 1, sizeof(*longer));
    if (longer == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    inventory->items = longer;
    for (size_t i = 0; i < found.count; i++) {
        struct hsm_item *item = &inventory->items[inventory->count++];

        *item = (struct hsm_item){ .class = class, .object = found.list[i] };
        REMOTE_TRY(read_item(session, item, err));
    }
    return REMOTE_OK;
}

static void publish(struct hsm_session *session, struct hsm_inventory *inventory)
{
    struct hsm *hsm = session->hsm;
    struct hsm_inventory old = { 0 };

    remote_lock_acquire(&hsm->lock);
    if (session->epoch == hsm->epoch && session->generation == hsm->generation) {
        old = hsm->inventory;
        hsm->inventory = *inventory;
        hsm->inventory.good_until_ms = remote_now_ms() + GOOD_MS;
        *inventory = (struct hsm_inventory){ 0 };
    }
    remote_lock_release(&hsm->lock);
    hsm_inventory_clear(&old);
}

enum remote_rc hsm_inventory_take(struct hsm_session *session, hsm_each each, void *arg,
                                  struct remote_error *err)
{
    static const CK_OBJECT_CLASS classes[] = { CKO_PRIVATE_KEY, CKO_SECRET_KEY, CKO_PUBLIC_KEY,
                                               CKO_CERTIFICATE };
    CLEANUP(hsm_inventory_clear) struct hsm_inventory inventory = { 0 };

    for (size_t c = 0; c < ARRAY_SIZE(classes); c++)
        REMOTE_TRY(take_class(session, classes[c], &inventory, err));
    for (size_t i = 0; i < inventory.count; i++) {
        const struct hsm_item *item = &inventory.items[i];

        REMOTE_TRY(each(arg, item->class, item->type, remote_buf_slice(&item->label),
                        remote_buf_slice(&item->id), err));
    }
    publish(session, &inventory);
    return REMOTE_OK;
}

/* ---- looking into it ---- */

static bool fits(const struct hsm_item *item, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE by,
                 struct remote_slice value)
{
    return item->class == class &&
           remote_slice_equal(remote_buf_slice(by == CKA_ID ? &item->id : &item->label), value);
}

static enum remote_rc look(const struct hsm *hsm, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE by,
                           struct remote_slice value, struct hsm_objects *ret,
                           struct remote_error *err)
{
    const struct hsm_inventory *inventory = &hsm->inventory;

    if (remote_now_ms() >= inventory->good_until_ms)
        return REMOTE_OK;
    for (size_t i = 0; i < inventory->count; i++)
        if (fits(&inventory->items[i], class, by, value))
            REMOTE_TRY(hsm_objects_add(ret, &inventory->items[i].object, 1, err));
    return REMOTE_OK;
}

enum remote_rc hsm_find_known(struct hsm_session *session, CK_OBJECT_CLASS class,
                              CK_ATTRIBUTE_TYPE by, struct remote_slice value,
                              struct hsm_objects *ret, struct remote_error *err)
{
    struct hsm *hsm = session->hsm;
    enum remote_rc rc = REMOTE_OK;

    remote_lock_acquire(&hsm->lock);
    if (session->epoch == hsm->epoch && session->generation == hsm->generation)
        rc = look(hsm, class, by, value, ret, err);
    remote_lock_release(&hsm->lock);
    return rc;
}

enum remote_rc hsm_find_by(struct hsm_session *session, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE by,
                           struct remote_slice value, struct hsm_objects *ret,
                           struct remote_error *err)
{
    CK_BBOOL token = CK_TRUE;
    CK_ATTRIBUTE wanted[] = { { CKA_CLASS, &class, sizeof(class) },
                              { CKA_TOKEN, &token, sizeof(token) },
                              { by, (void *)value.data, value.len } };

    REMOTE_TRY(hsm_find_known(session, class, by, value, ret, err));
    if (ret->count > 0)
        return REMOTE_OK;
    return hsm_find(session, wanted, ARRAY_SIZE(wanted), ret, err);
}
