/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"

#include <stdlib.h>
#include <string.h>

#include "attribute.h"
#include "module.h"
#include "released.h"

#define BUCKETS_MIN 64

bool pkcs11_object_private(const struct pkcs11_object *object)
{
    if (object->secret && !object->key)
        return pkcs11_secret_flag(object->secret, CKA_PRIVATE) &&
               remote_slot_needs_login(object->slot->remote);
    return (object->class == CKO_PRIVATE_KEY || object->class == CKO_SECRET_KEY) &&
           remote_slot_needs_login(object->slot->remote);
}

/* ---- views ---- */

void pkcs11_object_of_key(struct pkcs11_slot *slot, CK_OBJECT_CLASS class, struct remote_key *key,
                          struct pkcs11_object *ret)
{
    *ret = (struct pkcs11_object){ .class = class, .slot = slot, .key = remote_key_ref(key) };
}

void pkcs11_object_of_cert(struct pkcs11_slot *slot, size_t index, struct pkcs11_object *ret)
{
    struct remote_key *key;

    pkcs11_module_lock();
    key = slot->cert_keys[index];
    *ret = (struct pkcs11_object){
        .class = CKO_CERTIFICATE,
        .slot = slot,
        .key = key ? remote_key_ref(key) : NULL,
        .cert = remote_slot_cert(slot->remote, index),
        .cert_index = index,
    };
    pkcs11_module_unlock();
}

void pkcs11_object_of_secret(struct pkcs11_slot *slot, struct pkcs11_secret *secret,
                             struct pkcs11_object *ret)
{
    *ret = (struct pkcs11_object){ .class = secret->class,
                                   .slot = slot,
                                   .secret = pkcs11_secret_ref(secret) };
}

enum remote_key_type pkcs11_object_key_type(const struct pkcs11_object *object)
{
    return object->secret ? pkcs11_secret_key_type(object->secret) : object->key->type;
}

void pkcs11_object_clear(struct pkcs11_object *object)
{
    remote_key_unref(object->key);
    pkcs11_secret_unref(object->secret);
    memset(object, 0, sizeof(*object));
}

void pkcs11_object_learn(struct pkcs11_slot *slot, struct remote_key *key)
{
    size_t count = remote_slot_cert_count(slot->remote);

    for (size_t i = 0; i < count; i++) {
        struct remote_key *old;

        if (!remote_cert_matches(remote_slot_cert(slot->remote, i), key))
            continue;
        pkcs11_module_lock();
        old = slot->cert_keys[i];
        slot->cert_keys[i] = remote_key_ref(key);
        pkcs11_module_unlock();
        remote_key_unref(old);
    }
}

/* ---- the table; lock held ---- */

static size_t hash_bytes(size_t hash, const void *bytes, size_t len) /* FNV-1a */
{
    for (const unsigned char *p = bytes; len-- > 0; p++)
        hash = (hash ^ *p) * 1099511628211u;
    return hash;
}

static size_t object_hash(const struct pkcs11_object *object)
{
    size_t hash = 14695981039346656037u;

    hash = hash_bytes(hash, &object->slot->id, sizeof(object->slot->id));
    hash = hash_bytes(hash, &object->class, sizeof(object->class));
    if (object->cert)
        return hash_bytes(hash, &object->cert_index, sizeof(object->cert_index));
    hash = hash_bytes(hash, object->key->name, strlen(object->key->name));
    return hash_bytes(hash, &object->key->version, sizeof(object->key->version));
}

static bool object_same(const struct pkcs11_object *a, const struct pkcs11_object *b)
{
    if (a->slot != b->slot || a->class != b->class)
        return false;
    if (a->cert)
        return a->cert_index == b->cert_index;
    return remote_key_same(a->key, b->key);
}

/* The link that leads to the object's entry, or to the end of its bucket. Buckets exist. */
static size_t *table_link(struct pkcs11_object_table *table, const struct pkcs11_object *object)
{
    size_t *link = &table->buckets[object_hash(object) & (table->bucket_count - 1)];

    while (*link != 0 && !object_same(&table->entries[*link - 1].object, object))
        link = &table->entries[*link - 1].next;
    return link;
}

/* Twice as many buckets as entries, a power of two; the old entries are linked anew. */
static bool table_rehash(struct pkcs11_object_table *table, size_t bucket_count)
{
    size_t *buckets = calloc(bucket_count, sizeof(*buckets));

    if (!buckets)
        return false;
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = bucket_count;
    for (size_t i = 0; i < table->count; i++) {
        struct pkcs11_object_entry *entry = &table->entries[i];
        size_t *bucket;

        if (entry->state != PKCS11_OBJECT_LIVE)
            continue;
        bucket = &buckets[object_hash(&entry->object) & (bucket_count - 1)];
        entry->next = *bucket;
        *bucket = i + 1;
    }
    return true;
}

static bool table_make_room(struct pkcs11_object_table *table)
{
    struct pkcs11_object_entry *entries;
    size_t cap = table->cap ? table->cap * 2 : BUCKETS_MIN / 2;

    if (table->count < table->cap)
        return true;
    entries = realloc(table->entries, cap * sizeof(*entries));
    if (!entries)
        return false;
    table->entries = entries;
    if (!table_rehash(table, cap * 2))
        return false;
    table->cap = cap;
    return true;
}

/* Slot and class stay, for the answer to a later use. */
static void entry_end(struct pkcs11_object_entry *entry, enum pkcs11_object_state state)
{
    remote_key_unref(entry->object.key);
    entry->object.key = NULL;
    entry->state = state;
}

void pkcs11_object_table_clear(struct pkcs11_object_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        pkcs11_object_clear(&table->entries[i].object);
    free(table->entries);
    free(table->buckets);
    memset(table, 0, sizeof(*table));
}

/* ---- handles ---- */

/* The service may have said something new about the key: the newest wins. */
static void entry_renew(struct pkcs11_object_entry *entry, const struct pkcs11_object *object)
{
    struct remote_key *old = entry->object.key;

    if (object->cert || old == object->key)
        return;
    entry->object.key = remote_key_ref(object->key);
    remote_key_unref(old);
}

static void table_append(struct pkcs11_object_table *table, size_t *link,
                         const struct pkcs11_object *object)
{
    struct pkcs11_object_entry *entry = &table->entries[table->count++];

    *link = table->count;
    *entry = (struct pkcs11_object_entry){ .object = *object, .state = PKCS11_OBJECT_LIVE };
    entry->object.key = object->cert ? NULL : remote_key_ref(object->key);
}

CK_RV pkcs11_object_handle(struct pkcs11_call *call, const struct pkcs11_object *object,
                           CK_OBJECT_HANDLE *ret)
{
    struct pkcs11_object_table *table = &call->module->objects;
    CK_RV rv = CKR_OK;

    pkcs11_module_lock();
    if (!table_make_room(table)) {
        rv = CKR_HOST_MEMORY;
    } else {
        size_t *link = table_link(table, object);

        if (*link == 0)
            table_append(table, link, object);
        else
            entry_renew(&table->entries[*link - 1], object);
        *ret = *link;
    }
    pkcs11_module_unlock();
    return rv;
}

enum found { FOUND, FOUND_NOT, FOUND_LOGGED_OUT };

/* Copies the object behind a handle; of a certificate without its key. Lock held. */
static enum found table_get(const struct pkcs11_object_table *table, const struct pkcs11_slot *slot,
                            CK_OBJECT_HANDLE handle, struct pkcs11_object *ret)
{
    const struct pkcs11_object_entry *entry;

    if (handle == 0 || handle > table->count)
        return FOUND_NOT;
    entry = &table->entries[handle - 1];
    if (entry->state == PKCS11_OBJECT_GONE || entry->object.slot != slot)
        return FOUND_NOT;
    if (pkcs11_object_private(&entry->object) && !pkcs11_slot_logged_in(slot))
        return FOUND_LOGGED_OUT;
    if (entry->state == PKCS11_OBJECT_LOGGED_OUT)
        return FOUND_NOT;
    *ret = entry->object;
    if (ret->key)
        remote_key_ref(ret->key);
    return FOUND;
}

static enum found session_object_get(struct pkcs11_call *call, struct pkcs11_slot *slot,
                                     CK_OBJECT_HANDLE handle, struct pkcs11_object *ret)
{
    struct pkcs11_session_object *found = pkcs11_session_object_get(call->module, slot, handle);

    if (!found)
        return FOUND_NOT;
    pkcs11_object_of_secret(slot, found->secret, ret);
    if (!pkcs11_object_private(ret) || pkcs11_slot_logged_in(slot))
        return FOUND;
    pkcs11_object_clear(ret);
    return FOUND_LOGGED_OUT;
}

static enum found object_find(struct pkcs11_call *call, struct pkcs11_slot *slot,
                              CK_OBJECT_HANDLE handle, struct pkcs11_object *ret)
{
    struct pkcs11_object object = { 0 };
    enum found found;

    pkcs11_module_lock();
    found = pkcs11_session_object_is(handle)
                ? session_object_get(call, slot, handle, &object)
                : table_get(&call->module->objects, slot, handle, &object);
    pkcs11_module_unlock();
    if (found == FOUND && object.cert)
        pkcs11_object_of_cert(slot, object.cert_index, &object);
    if (found == FOUND)
        *ret = object;
    return found;
}

CK_RV pkcs11_object_get(struct pkcs11_call *call, struct pkcs11_slot *slot, CK_OBJECT_HANDLE handle,
                        struct pkcs11_object *ret)
{
    return object_find(call, slot, handle, ret) == FOUND ? CKR_OK : CKR_OBJECT_HANDLE_INVALID;
}

CK_RV pkcs11_object_get_key(struct pkcs11_call *call, struct pkcs11_slot *slot,
                            CK_OBJECT_HANDLE handle, struct pkcs11_object *ret)
{
    struct pkcs11_object object = { 0 };
    CK_RV rv;

    switch (object_find(call, slot, handle, &object)) {
    case FOUND_LOGGED_OUT:
        return CKR_USER_NOT_LOGGED_IN;
    case FOUND_NOT:
        return CKR_KEY_HANDLE_INVALID;
    case FOUND:
        break;
    }
    if (object.cert) {
        pkcs11_object_clear(&object);
        return CKR_KEY_HANDLE_INVALID;
    }
    rv = pkcs11_released_open(call, &object);
    if (rv != CKR_OK) {
        pkcs11_object_clear(&object);
        return rv;
    }
    *ret = object;
    return CKR_OK;
}

/* ---- the end of handles ---- */

void pkcs11_object_forget(struct pkcs11_call *call, struct pkcs11_slot *slot,
                          const struct remote_key *key)
{
    static const CK_OBJECT_CLASS classes[] = { CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY };
    struct pkcs11_object_table *table = &call->module->objects;

    pkcs11_module_lock();
    for (size_t i = 0; table->bucket_count > 0 && i < ARRAY_SIZE(classes); i++) {
        struct pkcs11_object object = { .class = classes[i],
                                        .slot = slot,
                                        .key = (struct remote_key *)key };
        size_t *link = table_link(table, &object);

        if (*link != 0) {
            struct pkcs11_object_entry *entry = &table->entries[*link - 1];

            *link = entry->next;
            entry_end(entry, PKCS11_OBJECT_GONE);
        }
    }
    pkcs11_module_unlock();
}

static bool entry_is_key(const struct pkcs11_object_entry *entry, const struct pkcs11_slot *slot,
                         const char *name)
{
    return entry->state == PKCS11_OBJECT_LIVE && entry->object.slot == slot &&
           !entry->object.cert && strcmp(entry->object.key->name, name) == 0;
}

void pkcs11_object_forget_name(struct pkcs11_call *call, struct pkcs11_slot *slot, const char *name)
{
    struct pkcs11_object_table *table = &call->module->objects;

    pkcs11_module_lock();
    for (size_t i = 0; i < table->count; i++) {
        struct pkcs11_object_entry *entry = &table->entries[i];

        if (!entry_is_key(entry, slot, name))
            continue;
        *table_link(table, &entry->object) = entry->next;
        entry_end(entry, PKCS11_OBJECT_GONE);
    }
    pkcs11_module_unlock();
}

/* The new name has another bucket. Lock held; the entry is in none. */
static void entry_rename(struct pkcs11_object_table *table, struct pkcs11_object_entry *entry,
                         struct remote_key *key)
{
    struct pkcs11_object object = entry->object;
    size_t *link;

    object.key = key;
    link = table_link(table, &object);
    if (*link != 0) { /* another session has found it under its new name already */
        entry_end(entry, PKCS11_OBJECT_GONE);
        return;
    }
    remote_key_unref(entry->object.key);
    entry->object.key = remote_key_ref(key);
    entry->next = 0;
    *link = (size_t)(entry - table->entries) + 1;
}

void pkcs11_object_rename(struct pkcs11_call *call, struct pkcs11_slot *slot, const char *name,
                          struct remote_key *key)
{
    struct pkcs11_object_table *table = &call->module->objects;

    pkcs11_module_lock();
    for (size_t i = 0; i < table->count; i++) {
        struct pkcs11_object_entry *entry = &table->entries[i];

        if (!entry_is_key(entry, slot, name))
            continue;
        *table_link(table, &entry->object) = entry->next;
        if (entry->object.key->version == key->version)
            entry_rename(table, entry, key);
        else
            entry_end(entry, PKCS11_OBJECT_GONE);
    }
    pkcs11_module_unlock();
}

void pkcs11_object_forget_slot(struct pkcs11_module *module, const struct pkcs11_slot *slot)
{
    struct pkcs11_object_table *table = &module->objects;

    for (size_t i = 0; i < table->count; i++) {
        struct pkcs11_object_entry *entry = &table->entries[i];

        if (entry->object.slot != slot)
            continue;
        if (entry->state == PKCS11_OBJECT_LIVE)
            *table_link(table, &entry->object) = entry->next;
        entry_end(entry, PKCS11_OBJECT_GONE);
    }
}

void pkcs11_object_logout(struct pkcs11_module *module, struct pkcs11_slot *slot)
{
    struct pkcs11_object_table *table = &module->objects;

    for (size_t i = 0; i < table->count; i++) {
        struct pkcs11_object_entry *entry = &table->entries[i];

        if (entry->state != PKCS11_OBJECT_LIVE || entry->object.slot != slot ||
            !pkcs11_object_private(&entry->object))
            continue;
        *table_link(table, &entry->object) = entry->next;
        entry_end(entry, PKCS11_OBJECT_LOGGED_OUT);
    }
}

/* ---- C_GetAttributeValue ---- */

/* Fills one attribute; its own result (PKCS#11 3.0 section 5.7.5, cases 1 to 5). */
static CK_RV answer_attribute(struct pkcs11_call *call, const struct pkcs11_object *object,
                              CK_ATTRIBUTE *attribute)
{
    CLEANUP(remote_buf_clear) struct remote_buf value = { 0 };
    CK_RV rv = pkcs11_attribute_value(object, attribute->type, &value, &call->err);

    if (rv == CKR_OK && attribute->pValue && attribute->ulValueLen < value.len)
        rv = CKR_BUFFER_TOO_SMALL;
    if (rv == CKR_OK && attribute->pValue && value.len > 0)
        memcpy(attribute->pValue, value.data, value.len);
    attribute->ulValueLen = rv == CKR_OK ? value.len : CK_UNAVAILABLE_INFORMATION;
    return rv;
}

/*
 * All attributes are answered, whatever one of them gives. Of several answers the worst is
 * returned: a failure of ours, then sensitive, then of another class, then too small a buffer.
 */
static unsigned severity(CK_RV rv)
{
    static const CK_RV order[] = { CKR_OK, CKR_BUFFER_TOO_SMALL, CKR_ATTRIBUTE_TYPE_INVALID,
                                   CKR_ATTRIBUTE_SENSITIVE };
    unsigned i = 0;

    while (i < ARRAY_SIZE(order) && order[i] != rv)
        i++;
    return i;
}

static CK_RV get_attribute_value(struct pkcs11_call *call, CK_SESSION_HANDLE session,
                                 CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    CLEANUP(pkcs11_object_clear) struct pkcs11_object object = { 0 };
    struct pkcs11_slot *slot = NULL;
    CK_RV worst = CKR_OK;

    if (!attributes)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_session_slot(call, session, &slot));
    PKCS11_TRY(pkcs11_object_get(call, slot, handle, &object));
    for (CK_ULONG i = 0; i < count; i++) {
        CK_RV rv = answer_attribute(call, &object, &attributes[i]);

        if (severity(rv) > severity(worst))
            worst = rv;
    }
    return worst;
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                          CK_ATTRIBUTE_PTR attributes, CK_ULONG count)
{
    return PKCS11_CALL(call, get_attribute_value(call, session, object, attributes, count));
}

/* What an object takes in its service is not ours to know; of a session key the value counts. */
static CK_RV get_object_size(struct pkcs11_call *call, CK_SESSION_HANDLE session,
                             CK_OBJECT_HANDLE handle, CK_ULONG *ret)
{
    CLEANUP(pkcs11_object_clear) struct pkcs11_object object = { 0 };
    struct pkcs11_slot *slot = NULL;

    if (!ret)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_session_slot(call, session, &slot));
    PKCS11_TRY(pkcs11_object_get(call, slot, handle, &object));
    *ret = object.secret ? pkcs11_secret_size(object.secret) : CK_UNAVAILABLE_INFORMATION;
    return CKR_OK;
}

CK_RV C_GetObjectSize(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ULONG_PTR ret)
{
    return PKCS11_CALL(call, get_object_size(call, session, object, ret));
}
