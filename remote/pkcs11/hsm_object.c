/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of the token: finding them, reading their attributes. */
#include <stdlib.h>
#include <string.h>

#include "hsm.h"

#define FIND_BATCH 256
/* A search must end, whatever a broken module answers. */
#define OBJECTS_MAX (1u << 20)
/* Bytes. Not a size that a value has, so that one the module did not touch is told apart. */
#define ATTRIBUTE_FIRST 519
#define ATTRIBUTE_MAX (64u << 10) /* a certificate with everything has less */
#define ATTRIBUTES_AT_ONCE 8

/* ---- finding ---- */

void hsm_objects_clear(struct hsm_objects *objects)
{
    free(objects->list);
    *objects = (struct hsm_objects){ 0 };
}

enum remote_rc hsm_objects_add(struct hsm_objects *objects, const CK_OBJECT_HANDLE *handles,
                               size_t count, struct remote_error *err)
{
    size_t cap = objects->cap ? objects->cap * 2 : FIND_BATCH;
    CK_OBJECT_HANDLE *longer;

    if (count > FIND_BATCH || objects->count + count > OBJECTS_MAX)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "C_FindObjects of the HSM's module: more objects than were asked for");
    if (objects->count + count > objects->cap) {
        longer = reallocarray(objects->list, cap, sizeof(*longer));
        if (longer == NULL)
            return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        objects->list = longer;
        objects->cap = cap;
    }
    memcpy(objects->list + objects->count, handles, count * sizeof(*handles));
    objects->count += count;
    return REMOTE_OK;
}

static enum remote_rc read_found(struct hsm_session *session, struct hsm_objects *ret,
                                 struct remote_error *err)
{
    CK_OBJECT_HANDLE batch[FIND_BATCH];
    CK_ULONG count;

    do {
        CK_RV rv;

        count = 0;
        rv =
            HSM_CALL(session->functions, C_FindObjects, session->handle, batch, FIND_BATCH, &count);
        if (rv != CKR_OK)
            return hsm_fail(session, "C_FindObjects", rv, err);
        if (count > 0)
            REMOTE_TRY(hsm_objects_add(ret, batch, count, err));
    } while (count > 0);
    return REMOTE_OK;
}

enum remote_rc hsm_find(struct hsm_session *session, const CK_ATTRIBUTE *attributes, size_t count,
                        struct hsm_objects *ret, struct remote_error *err)
{
    enum remote_rc rc;
    CK_RV rv = HSM_CALL(session->functions, C_FindObjectsInit, session->handle,
                        (CK_ATTRIBUTE *)attributes, count);

    if (rv != CKR_OK)
        return hsm_fail(session, "C_FindObjectsInit", rv, err);
    rc = read_found(session, ret, err);
    rv = HSM_CALL(session->functions, C_FindObjectsFinal, session->handle);
    if (rc == REMOTE_OK && rv != CKR_OK)
        return hsm_fail(session, "C_FindObjectsFinal", rv, err);
    return rc;
}

/* ---- attributes ---- */

static bool is_absent(CK_RV rv, const CK_ATTRIBUTE *attribute)
{
    return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE ||
           attribute->ulValueLen == CK_UNAVAILABLE_INFORMATION;
}

static CK_RV get_values(struct hsm_session *session, CK_OBJECT_HANDLE object,
                        CK_ATTRIBUTE *attributes, size_t count)
{
    return HSM_CALL(session->functions, C_GetAttributeValue, session->handle, object, attributes,
                    count);
}

enum remote_rc hsm_attribute(struct hsm_session *session, CK_OBJECT_HANDLE object,
                             CK_ATTRIBUTE_TYPE type, struct remote_buf *ret,
                             struct remote_error *err)
{
    size_t room = ATTRIBUTE_FIRST;

    remote_buf_truncate(ret, 0);
    for (;;) {
        CK_ATTRIBUTE attribute = { type, remote_buf_reserve(ret, room), room };
        CK_RV rv;

        if (attribute.pValue == NULL)
            return remote_buf_check(ret, err);
        rv = get_values(session, object, &attribute, 1);
        if (rv == CKR_BUFFER_TOO_SMALL && room == ATTRIBUTE_FIRST) {
            room = ATTRIBUTE_MAX;
            continue;
        }
        if (is_absent(rv, &attribute))
            return REMOTE_OK;
        if (rv != CKR_OK)
            return hsm_fail(session, "C_GetAttributeValue", rv, err);
        if (attribute.ulValueLen > room)
            return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                               "C_GetAttributeValue of the HSM's module: an impossible length");
        ret->len = attribute.ulValueLen;
        return REMOTE_OK;
    }
}

/* The codes after which the other attributes have been answered (PKCS#11 3.0, 5.7.5). */
static bool is_of_one(CK_RV rv)
{
    return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE ||
           rv == CKR_BUFFER_TOO_SMALL;
}

static enum remote_rc reserve_all(const struct hsm_value *values, size_t count,
                                  CK_ATTRIBUTE *attributes, struct remote_error *err)
{
    for (size_t i = 0; i < count; i++) {
        remote_buf_truncate(values[i].into, 0);
        attributes[i] =
            (CK_ATTRIBUTE){ values[i].type, remote_buf_reserve(values[i].into, ATTRIBUTE_FIRST),
                            ATTRIBUTE_FIRST };
        REMOTE_TRY(remote_buf_check(values[i].into, err));
    }
    return REMOTE_OK;
}

/*
 * One that is absent or too long makes the call fail as a whole; some modules then leave those
 * behind it alone. Whatever is in doubt is asked for by itself.
 */
enum remote_rc hsm_attributes(struct hsm_session *session, CK_OBJECT_HANDLE object,
                              const struct hsm_value *values, size_t count,
                              struct remote_error *err)
{
    CK_ATTRIBUTE attributes[ATTRIBUTES_AT_ONCE];
    CK_RV rv;

    if (count > ATTRIBUTES_AT_ONCE)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "too many attributes at once");
    REMOTE_TRY(reserve_all(values, count, attributes, err));
    rv = get_values(session, object, attributes, count);
    if (rv != CKR_OK && !is_of_one(rv))
        return hsm_fail(session, "C_GetAttributeValue", rv, err);
    for (size_t i = 0; i < count; i++) {
        if (attributes[i].ulValueLen < ATTRIBUTE_FIRST)
            values[i].into->len = attributes[i].ulValueLen;
        else
            REMOTE_TRY(hsm_attribute(session, object, values[i].type, values[i].into, err));
    }
    return REMOTE_OK;
}

bool hsm_value_bool(const struct remote_buf *value)
{
    return value->len == sizeof(CK_BBOOL) && value->data[0] != CK_FALSE;
}

CK_ULONG hsm_value_number(const struct remote_buf *value, CK_ULONG otherwise)
{
    if (value->len == sizeof(otherwise))
        memcpy(&otherwise, value->data, sizeof(otherwise));
    return otherwise;
}
