/* SPDX-License-Identifier: Apache-2.0 */
#include "session_object.h"

#include <stdlib.h>
#include <string.h>

#include "module.h"

/* Handles fit 32 bits, for clients and remoting protocols that keep no more. */
#define MARK 0x80000000UL
#define PLACE_BITS 18
#define PLACES_MAX ((1u << PLACE_BITS) - 1) /* place + 1 fits; a locked page each: a gigabyte */
#define SERIAL_MASK ((1u << (31 - PLACE_BITS)) - 1)

bool pkcs11_session_object_is(CK_OBJECT_HANDLE handle)
{
    return (handle & MARK) != 0;
}

/* ---- the table; lock held ---- */

static void free_push(struct pkcs11_session_object_table *table, size_t number)
{
    table->places[number - 1].next_free = 0;
    if (table->last_free)
        table->places[table->last_free - 1].next_free = number;
    else
        table->first_free = number;
    table->last_free = number;
}

static size_t free_pop(struct pkcs11_session_object_table *table)
{
    size_t number = table->first_free;

    table->first_free = table->places[number - 1].next_free;
    if (table->first_free == 0)
        table->last_free = 0;
    return number;
}

static CK_RV table_grow(struct pkcs11_session_object_table *table)
{
    size_t cap = table->cap ? table->cap * 2 : 64, old = table->cap;
    struct pkcs11_session_object *places;

    if (old == PLACES_MAX)
        return CKR_DEVICE_MEMORY;
    if (cap > PLACES_MAX)
        cap = PLACES_MAX;
    places = realloc(table->places, cap * sizeof(*places));
    if (!places)
        return CKR_HOST_MEMORY;
    memset(places + old, 0, (cap - old) * sizeof(*places));
    table->places = places;
    table->cap = cap;
    for (size_t number = old + 1; number <= cap; number++)
        free_push(table, number);
    return CKR_OK;
}

static CK_OBJECT_HANDLE handle_of(const struct pkcs11_session_object_table *table, size_t number)
{
    return MARK | (CK_OBJECT_HANDLE)(table->places[number - 1].serial & SERIAL_MASK) << PLACE_BITS |
           number;
}

static struct pkcs11_session_object *table_find(struct pkcs11_session_object_table *table,
                                                CK_OBJECT_HANDLE handle)
{
    size_t number = handle & PLACES_MAX;

    if (number == 0 || number > table->cap || !table->places[number - 1].secret ||
        handle_of(table, number) != handle)
        return NULL;
    return &table->places[number - 1];
}

/* Locked pages are given back: the core's lock of a slot is not needed for it. */
static void place_end(struct pkcs11_session_object_table *table,
                      struct pkcs11_session_object *object)
{
    pkcs11_secret_unref(object->secret);
    object->secret = NULL;
    object->owner = NULL;
    object->serial++;
    free_push(table, (size_t)(object - table->places) + 1);
}

/* ---- in and out ---- */

static CK_RV table_add(struct pkcs11_session_object_table *table, struct pkcs11_session *owner,
                       struct pkcs11_secret *secret, CK_OBJECT_HANDLE *ret)
{
    struct pkcs11_session_object *object;
    size_t number;

    if (owner->closed)
        return CKR_SESSION_CLOSED;
    if (table->first_free == 0)
        PKCS11_TRY(table_grow(table));
    number = free_pop(table);
    object = &table->places[number - 1];
    object->secret = secret;
    object->slot = owner->slot;
    object->owner = owner;
    owner->has_objects = true;
    *ret = handle_of(table, number);
    return CKR_OK;
}

CK_RV pkcs11_session_object_add(struct pkcs11_call *call, struct pkcs11_secret *secret,
                                CK_OBJECT_HANDLE *ret)
{
    CK_RV rv;

    pkcs11_module_lock();
    rv = table_add(&call->module->session_objects, call->session, secret, ret);
    pkcs11_module_unlock();
    if (rv != CKR_OK)
        pkcs11_secret_unref(secret);
    return rv;
}

struct pkcs11_session_object *pkcs11_session_object_get(struct pkcs11_module *module,
                                                        const struct pkcs11_slot *slot,
                                                        CK_OBJECT_HANDLE handle)
{
    struct pkcs11_session_object *object = table_find(&module->session_objects, handle);

    return object && object->slot == slot ? object : NULL;
}

bool pkcs11_session_object_replace(struct pkcs11_call *call, CK_OBJECT_HANDLE handle,
                                   const struct pkcs11_secret *from, struct pkcs11_secret *to)
{
    struct pkcs11_session_object *object;
    struct pkcs11_secret *old = NULL;

    pkcs11_module_lock();
    object = table_find(&call->module->session_objects, handle);
    if (object && object->secret == from) {
        old = object->secret;
        object->secret = to;
    }
    pkcs11_module_unlock();
    pkcs11_secret_unref(old);
    return old != NULL;
}

bool pkcs11_session_object_remove(struct pkcs11_call *call, CK_OBJECT_HANDLE handle)
{
    struct pkcs11_session_object_table *table = &call->module->session_objects;
    struct pkcs11_session_object *object;

    pkcs11_module_lock();
    object = table_find(table, handle);
    if (object)
        place_end(table, object);
    pkcs11_module_unlock();
    return object != NULL;
}

CK_OBJECT_HANDLE pkcs11_session_object_next(struct pkcs11_call *call, struct pkcs11_slot *slot,
                                            size_t *at, struct pkcs11_object *ret)
{
    struct pkcs11_session_object_table *table = &call->module->session_objects;
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;

    pkcs11_module_lock();
    while (handle == CK_INVALID_HANDLE && *at < table->cap) {
        const struct pkcs11_session_object *object = &table->places[(*at)++];

        if (!object->secret || object->slot != slot)
            continue;
        pkcs11_object_of_secret(slot, object->secret, ret);
        if (pkcs11_object_private(ret) && !pkcs11_slot_logged_in(slot))
            pkcs11_object_clear(ret);
        else
            handle = handle_of(table, *at);
    }
    pkcs11_module_unlock();
    return handle;
}

/* ---- the end ---- */

void pkcs11_session_object_end(struct pkcs11_module *module, const struct pkcs11_session *owner)
{
    struct pkcs11_session_object_table *table = &module->session_objects;

    for (size_t i = 0; owner->has_objects && i < table->cap; i++)
        if (table->places[i].secret && table->places[i].owner == owner)
            place_end(table, &table->places[i]);
}

void pkcs11_session_object_logout(struct pkcs11_module *module, const struct pkcs11_slot *slot)
{
    struct pkcs11_session_object_table *table = &module->session_objects;

    for (size_t i = 0; i < table->cap; i++)
        if (table->places[i].secret && table->places[i].slot == slot &&
            pkcs11_secret_flag(table->places[i].secret, CKA_PRIVATE))
            place_end(table, &table->places[i]);
}

void pkcs11_session_object_table_clear(struct pkcs11_session_object_table *table)
{
    for (size_t i = 0; i < table->cap; i++)
        pkcs11_secret_unref(table->places[i].secret);
    free(table->places);
    memset(table, 0, sizeof(*table));
}
