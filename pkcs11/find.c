/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 3.0 section 5.7.7. C_FindObjectsInit does all the work: it asks the service for as
 * little as the template allows, then matches every attribute against every object found, and
 * keeps the handles. What nobody can have, and certificates of the slot's own files, cost no
 * request.
 */
#include <stdlib.h>
#include <string.h>

#include "attribute.h"
#include "module.h"

#define LABEL_MAX 1024 /* bytes; no service has names this long */

struct query {
    const CK_ATTRIBUTE *attributes;
    CK_ULONG count;
    const CK_ATTRIBUTE *label, *id;
    bool keys, certs, session_keys; /* what the template leaves possible */
};

void pkcs11_find_clear(struct pkcs11_find *find)
{
    free(find->handles);
    memset(find, 0, sizeof(*find));
}

/* ---- the template ---- */

static CK_OBJECT_CLASS template_class(const CK_ATTRIBUTE *attribute)
{
    CK_OBJECT_CLASS class = CK_UNAVAILABLE_INFORMATION;

    if (attribute->ulValueLen == sizeof(class))
        memcpy(&class, attribute->pValue, sizeof(class));
    return class;
}

static void query_narrow_class(struct query *query, const CK_ATTRIBUTE *class)
{
    CK_OBJECT_CLASS wanted = template_class(class);

    query->certs = wanted == CKO_CERTIFICATE;
    query->keys = query->session_keys =
        wanted == CKO_PRIVATE_KEY || wanted == CKO_PUBLIC_KEY || wanted == CKO_SECRET_KEY;
}

static void query_narrow(struct query *query)
{
    static const CK_BBOOL yes = CK_TRUE;
    const CK_ATTRIBUTE *class, *token;

    class = pkcs11_attribute_find(query->attributes, query->count, CKA_CLASS);
    if (class)
        query_narrow_class(query, class);
    token = pkcs11_attribute_find(query->attributes, query->count, CKA_TOKEN);
    if (!token)
        return;
    if (token->ulValueLen == sizeof(yes) && memcmp(token->pValue, &yes, 1) == 0)
        query->session_keys = false;
    else
        query->certs = query->keys = false; /* session objects: nobody need be asked */
}

static CK_RV query_read(const CK_ATTRIBUTE *attributes, CK_ULONG count, struct query *ret)
{
    PKCS11_TRY(pkcs11_attribute_check_template(attributes, count));
    *ret = (struct query){
        .attributes = attributes,
        .count = count,
        .label = pkcs11_attribute_find(attributes, count, CKA_LABEL),
        .id = pkcs11_attribute_find(attributes, count, CKA_ID),
        .keys = true,
        .certs = true,
        .session_keys = true,
    };
    query_narrow(ret);
    return CKR_OK;
}

/*
 * With an ID beside it a label means the key and the ID its version: a URI written before the
 * key was renewed still finds the version that it was written for, which is `NAME@vN` by now.
 */
static bool label_matches(const struct query *query, const struct pkcs11_object *object,
                          const CK_ATTRIBUTE *label)
{
    if (query->id && object->key &&
        remote_slice_equal(remote_slice(label->pValue, label->ulValueLen),
                           remote_slice_str(object->key->name)))
        return true;
    return pkcs11_attribute_matches(object, label);
}

static bool query_matches(const struct query *query, const struct pkcs11_object *object)
{
    for (CK_ULONG i = 0; i < query->count; i++) {
        const CK_ATTRIBUTE *wanted = &query->attributes[i];

        if (wanted->type == CKA_LABEL ? !label_matches(query, object, wanted)
                                      : !pkcs11_attribute_matches(object, wanted))
            return false;
    }
    return true;
}

/* ---- what the service is asked ---- */

static bool list_has_id(const struct remote_key_list *keys, const CK_ATTRIBUTE *id)
{
    for (size_t i = 0; i < keys->count; i++)
        if (remote_slice_equal(remote_slice(keys->keys[i]->id, keys->keys[i]->id_len),
                               remote_slice(id->pValue, id->ulValueLen)))
            return true;
    return false;
}

static enum remote_rc look_up_label(struct remote_slot *slot, const CK_ATTRIBUTE *label,
                                    struct remote_key_list *ret, struct remote_error *err)
{
    char name[LABEL_MAX + 1];

    if (label->ulValueLen == 0 || label->ulValueLen > LABEL_MAX ||
        memchr(label->pValue, '\0', label->ulValueLen))
        return REMOTE_OK; /* no key is called that */
    memcpy(name, label->pValue, label->ulValueLen);
    name[label->ulValueLen] = '\0';
    return remote_slot_find_label(slot, name, ret, err);
}

static enum remote_rc look_up_id(struct remote_slot *slot, const CK_ATTRIBUTE *id,
                                 struct remote_key_list *ret, struct remote_error *err)
{
    if (id->ulValueLen == 0 || id->ulValueLen > sizeof(ret->keys[0]->id))
        return REMOTE_OK; /* no key has that */
    return remote_slot_find_id(slot, remote_slice(id->pValue, id->ulValueLen), ret, err);
}

/* A label costs one read at most, an ID perhaps a listing. */
static enum remote_rc look_up(struct remote_slot *slot, const struct query *query,
                              struct remote_key_list *ret, struct remote_error *err)
{
    if (!query->label && !query->id)
        return remote_slot_list(slot, NULL, ret, err);
    if (query->label)
        REMOTE_TRY(look_up_label(slot, query->label, ret, err));
    if (!query->id || list_has_id(ret, query->id))
        return REMOTE_OK;
    remote_key_list_clear(ret);
    return look_up_id(slot, query->id, ret, err);
}

/* ---- the result ---- */

static CK_RV find_add(struct pkcs11_find *find, CK_OBJECT_HANDLE handle)
{
    if (find->count == find->cap) {
        size_t cap = find->cap ? find->cap * 2 : 16;
        CK_OBJECT_HANDLE *handles = realloc(find->handles, cap * sizeof(*handles));

        if (!handles)
            return CKR_HOST_MEMORY;
        find->handles = handles;
        find->cap = cap;
    }
    find->handles[find->count++] = handle;
    return CKR_OK;
}

static CK_RV add_if_match(struct pkcs11_call *call, const struct query *query,
                          const struct pkcs11_object *object)
{
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;

    if (!query_matches(query, object))
        return CKR_OK;
    PKCS11_TRY(pkcs11_object_handle(call, object, &handle));
    return find_add(&call->session->find, handle);
}

static CK_RV add_key(struct pkcs11_call *call, const struct query *query, struct remote_key *key)
{
    static const CK_OBJECT_CLASS pair[] = { CKO_PRIVATE_KEY, CKO_PUBLIC_KEY };
    static const CK_OBJECT_CLASS secret[] = { CKO_SECRET_KEY };
    bool symmetric = remote_key_type_symmetric(key->type);
    const CK_OBJECT_CLASS *classes = symmetric ? secret : pair;
    size_t count = symmetric ? ARRAY_SIZE(secret) : ARRAY_SIZE(pair);

    pkcs11_object_learn(call->session->slot, key);
    for (size_t i = key->public_only ? 1 : 0; i < count; i++) {
        CLEANUP(pkcs11_object_clear) struct pkcs11_object object = { 0 };

        pkcs11_object_of_key(call->session->slot, classes[i], key, &object);
        PKCS11_TRY(add_if_match(call, query, &object));
    }
    return CKR_OK;
}

static CK_RV add_keys(struct pkcs11_call *call, const struct query *query)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };
    struct remote_slot *slot = call->session->slot->remote;
    enum remote_rc rc = look_up(slot, query, &keys, &call->err);

    if (rc != REMOTE_OK)
        return pkcs11_rv(slot, rc, PKCS11_DOING_OTHER);
    for (size_t i = 0; i < keys.count; i++)
        PKCS11_TRY(add_key(call, query, keys.keys[i]));
    return CKR_OK;
}

static CK_RV add_certs(struct pkcs11_call *call, const struct query *query)
{
    struct pkcs11_slot *slot = call->session->slot;
    size_t count = remote_slot_cert_count(slot->remote);

    for (size_t i = 0; i < count; i++) {
        CLEANUP(pkcs11_object_clear) struct pkcs11_object object = { 0 };

        pkcs11_object_of_cert(slot, i, &object);
        PKCS11_TRY(add_if_match(call, query, &object));
    }
    return CKR_OK;
}

/* Certificates that the service keeps beside its keys come with looking for the keys. */
static CK_RV meet_certs(struct pkcs11_call *call, const struct query *query)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };
    struct pkcs11_slot *slot = call->session->slot;
    enum remote_rc rc = look_up(slot->remote, query, &keys, &call->err);

    if (rc != REMOTE_OK)
        return pkcs11_rv(slot->remote, rc, PKCS11_DOING_OTHER);
    for (size_t i = 0; i < keys.count; i++)
        pkcs11_object_learn(slot, keys.keys[i]);
    return CKR_OK;
}

/* Without the PIN the service cannot be asked, not even for public halves: only certificates. */
static bool may_ask(const struct pkcs11_slot *slot)
{
    bool may;

    pkcs11_module_lock();
    may = !remote_slot_needs_login(slot->remote) || pkcs11_slot_logged_in(slot);
    pkcs11_module_unlock();
    return may;
}

static bool any_stranger(const struct pkcs11_slot *slot)
{
    size_t count = remote_slot_cert_count(slot->remote);
    bool any = false;

    pkcs11_module_lock();
    for (size_t i = 0; i < count && !any; i++)
        any = slot->cert_keys[i] == NULL;
    pkcs11_module_unlock();
    return any;
}

/*
 * A certificate goes by its key's label, which is known only once the key was seen: who looks for
 * the certificate alone, by a label that is not its own name, makes us look at that key.
 */
static CK_RV add_certs_of_label(struct pkcs11_call *call, const struct query *query)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };
    struct pkcs11_slot *slot = call->session->slot;
    enum remote_rc rc;

    if (query->keys || !query->label || call->session->find.count > 0 || !any_stranger(slot) ||
        !may_ask(slot))
        return CKR_OK;
    rc = look_up_label(slot->remote, query->label, &keys, &call->err);
    if (rc != REMOTE_OK)
        return pkcs11_rv(slot->remote, rc, PKCS11_DOING_OTHER);
    for (size_t i = 0; i < keys.count; i++)
        pkcs11_object_learn(slot, keys.keys[i]);
    return keys.count > 0 ? add_certs(call, query) : CKR_OK;
}

static CK_RV add_session_keys(struct pkcs11_call *call, const struct query *query)
{
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    size_t at = 0;

    do {
        CLEANUP(pkcs11_object_clear) struct pkcs11_object object = { 0 };

        handle = pkcs11_session_object_next(call, call->session->slot, &at, &object);
        if (handle != CK_INVALID_HANDLE && query_matches(query, &object))
            PKCS11_TRY(find_add(&call->session->find, handle));
    } while (handle != CK_INVALID_HANDLE);
    return CKR_OK;
}

/* ---- the calls ---- */

static CK_RV find_init(struct pkcs11_call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    struct pkcs11_find *find = &call->session->find;
    struct query query = { 0 };
    CK_RV rv = CKR_OK;

    PKCS11_TRY(query_read(attributes, count, &query));
    if (find->active)
        return CKR_OPERATION_ACTIVE;
    if (query.keys && may_ask(call->session->slot))
        rv = add_keys(call, &query);
    else if (query.certs && remote_slot_finds_certs(call->session->slot->remote) &&
             may_ask(call->session->slot))
        rv = meet_certs(call, &query);
    if (rv == CKR_OK && query.certs)
        rv = add_certs(call, &query);
    if (rv == CKR_OK && query.certs)
        rv = add_certs_of_label(call, &query);
    if (rv == CKR_OK && query.session_keys)
        rv = add_session_keys(call, &query);
    if (rv != CKR_OK)
        pkcs11_find_clear(find);
    find->active = rv == CKR_OK;
    return rv;
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR attributes, CK_ULONG count)
{
    return PKCS11_SESSION_CALL(call, session, find_init(call, attributes, count));
}

static CK_RV find_next(struct pkcs11_call *call, CK_OBJECT_HANDLE *handles, CK_ULONG max,
                       CK_ULONG *ret_count)
{
    struct pkcs11_find *find = &call->session->find;
    size_t count = find->count - find->next;

    if (!find->active)
        return CKR_OPERATION_NOT_INITIALIZED;
    if (!ret_count || (!handles && max > 0))
        return CKR_ARGUMENTS_BAD;
    if (count > max)
        count = max;
    if (count > 0)
        memcpy(handles, find->handles + find->next, count * sizeof(*handles));
    find->next += count;
    *ret_count = count;
    return CKR_OK;
}

CK_RV C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE_PTR handles, CK_ULONG max,
                    CK_ULONG_PTR ret_count)
{
    return PKCS11_SESSION_CALL(call, session, find_next(call, handles, max, ret_count));
}

static CK_RV find_final(struct pkcs11_call *call)
{
    if (!call->session->find.active)
        return CKR_OPERATION_NOT_INITIALIZED;
    pkcs11_find_clear(&call->session->find);
    return CKR_OK;
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE session)
{
    return PKCS11_SESSION_CALL(call, session, find_final(call));
}
