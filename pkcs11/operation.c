/* SPDX-License-Identifier: Apache-2.0 */
#include "operation.h"

#include <string.h>

#include "module.h"

static const struct kind {
    enum remote_use use;
    CK_OBJECT_CLASS class; /* of a key pair, the half that does it; secret keys do all */
    enum pkcs11_doing doing;
} kinds[PKCS11_OPERATION_COUNT] = {
    /* clang-format off */
    [PKCS11_SIGN]    = { REMOTE_USE_SIGN,    CKO_PRIVATE_KEY, PKCS11_DOING_OTHER },
    [PKCS11_VERIFY]  = { REMOTE_USE_VERIFY,  CKO_PUBLIC_KEY,  PKCS11_DOING_VERIFY },
    [PKCS11_ENCRYPT] = { REMOTE_USE_ENCRYPT, CKO_PUBLIC_KEY,  PKCS11_DOING_OTHER },
    [PKCS11_DECRYPT] = { REMOTE_USE_DECRYPT, CKO_PRIVATE_KEY, PKCS11_DOING_DECRYPT },
    /* clang-format on */
};

void pkcs11_operation_clear(struct pkcs11_operation *operation)
{
    remote_key_unref(operation->key);
    remote_buf_clear(&operation->aad);
    remote_buf_clear(&operation->input);
    remote_buf_clear(&operation->output);
    if (operation->digesting)
        remote_digest_clear(&operation->digest);
    memset(operation, 0, sizeof(*operation));
}

/* ---- Init: everything that can be known without a request ---- */

/* The row for this mechanism, key and use, or the code that says which of them is wrong. */
static CK_RV choose_row(const struct pkcs11_object *object, const struct kind *kind,
                        CK_MECHANISM_TYPE ckm, const struct remote_mechanism **ret)
{
    const struct remote_mechanism *row;

    row = remote_mechanism_find(ckm, object->key->type, kind->use);
    if (row && remote_slot_can(object->slot->remote, row)) {
        *ret = row;
        return CKR_OK;
    }
    row = remote_mechanism_find(ckm, REMOTE_KEY_TYPE_COUNT, kind->use);
    if (row && row->key != object->key->type && remote_slot_can(object->slot->remote, row))
        return CKR_KEY_TYPE_INCONSISTENT;
    return CKR_MECHANISM_INVALID;
}

static enum remote_rc read_params(struct pkcs11_operation *operation,
                                  const struct remote_mechanism *row, const CK_MECHANISM *mechanism,
                                  struct remote_error *err)
{
    struct remote_params *params = &operation->params;

    REMOTE_TRY(remote_mechanism_params(row, mechanism->pParameter, mechanism->ulParameterLen,
                                       params, err));
    if (params->aad.len == 0)
        return REMOTE_OK;
    remote_buf_append(&operation->aad, params->aad.data, params->aad.len);
    params->aad = remote_buf_slice(&operation->aad);
    return remote_buf_check(&operation->aad, err);
}

static CK_RV set_up(struct pkcs11_call *call, struct pkcs11_operation *operation,
                    const struct pkcs11_object *object, const CK_MECHANISM *mechanism)
{
    const struct kind *kind = &kinds[operation->kind];
    const struct remote_mechanism *row = NULL;
    enum remote_rc rc;

    if (object->class != kind->class && object->class != CKO_SECRET_KEY)
        return CKR_KEY_FUNCTION_NOT_PERMITTED;
    PKCS11_TRY(choose_row(object, kind, mechanism->mechanism, &row));
    rc = read_params(operation, row, mechanism, &call->err);
    if (rc == REMOTE_OK)
        rc = remote_key_check(object->key, &operation->params, kind->use, &call->err);
    if (rc == REMOTE_OK && row->hash_here) {
        rc = remote_digest_init(&operation->digest, operation->params.hash, &call->err);
        operation->digesting = rc == REMOTE_OK;
    }
    if (rc != REMOTE_OK)
        return pkcs11_rv(object->slot->remote, rc, PKCS11_DOING_OTHER);
    operation->hash_here = row->hash_here;
    operation->key = remote_key_ref(object->key);
    operation->input_max = remote_key_input_max(object->key, &operation->params, kind->use);
    operation->active = true;
    return CKR_OK;
}

CK_RV pkcs11_operation_init(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                            const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    struct pkcs11_operation *operation = &call->session->operations[kind];
    CLEANUP(pkcs11_object_clear) struct pkcs11_object object = { 0 };
    CK_RV rv;

    if (!mechanism) {
        rv = operation->active ? CKR_OK : CKR_ARGUMENTS_BAD; /* as 2.40 would have it */
        pkcs11_operation_clear(operation);
        return rv;
    }
    if (operation->active)
        return CKR_OPERATION_ACTIVE;
    PKCS11_TRY(pkcs11_object_get_key(call, call->session->slot, key, &object));
    operation->kind = kind;
    rv = set_up(call, operation, &object, mechanism);
    if (rv != CKR_OK)
        pkcs11_operation_clear(operation);
    return rv;
}

CK_RV pkcs11_operation_active(const struct pkcs11_operation *operation)
{
    return operation->active ? CKR_OK : CKR_OPERATION_NOT_INITIALIZED;
}

CK_RV pkcs11_operation_single(const struct pkcs11_operation *operation)
{
    return operation->active && !operation->parts ? CKR_OK : CKR_OPERATION_NOT_INITIALIZED;
}

/* ---- input ---- */

static CK_RV collect(struct pkcs11_call *call, struct pkcs11_operation *operation,
                     struct remote_slice data)
{
    const struct kind *kind = &kinds[operation->kind];
    enum remote_rc rc;

    if (data.len > operation->input_max - operation->input.len) {
        rc = REMOTE_FAIL(&call->err, REMOTE_E_LENGTH,
                         "key '%s' takes at most %zu bytes in one operation", operation->key->name,
                         operation->input_max);
        return pkcs11_rv(NULL, rc, kind->doing);
    }
    remote_buf_append(&operation->input, data.data, data.len);
    return operation->input.failed ? CKR_HOST_MEMORY : CKR_OK;
}

static CK_RV take_in(struct pkcs11_call *call, struct pkcs11_operation *operation,
                     struct remote_slice data)
{
    if (!operation->hash_here)
        return collect(call, operation, data);
    return pkcs11_rv(NULL, remote_digest_update(&operation->digest, data, &call->err),
                     PKCS11_DOING_OTHER);
}

static CK_RV take_part(struct pkcs11_call *call, struct pkcs11_operation *operation,
                       const CK_BYTE *data, CK_ULONG len)
{
    struct remote_slice slice = { 0 };

    PKCS11_TRY(pkcs11_operation_active(operation));
    PKCS11_TRY(pkcs11_operation_slice(data, len, &slice));
    operation->parts = true;
    return take_in(call, operation, slice);
}

CK_RV pkcs11_operation_update(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                              const CK_BYTE *data, CK_ULONG len)
{
    struct pkcs11_operation *operation = &call->session->operations[kind];
    CK_RV rv = take_part(call, operation, data, len);

    if (rv != CKR_OK)
        pkcs11_operation_clear(operation);
    return rv;
}

CK_RV pkcs11_operation_finish(struct pkcs11_call *call, struct pkcs11_operation *operation)
{
    enum remote_rc rc;

    if (!operation->digesting)
        return CKR_OK;
    rc = remote_digest_final(&operation->digest, &operation->input, &call->err);
    remote_digest_clear(&operation->digest);
    operation->digesting = false;
    return pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
}

CK_RV pkcs11_operation_whole(struct pkcs11_call *call, struct pkcs11_operation *operation,
                             struct remote_slice data)
{
    PKCS11_TRY(take_in(call, operation, data));
    return pkcs11_operation_finish(call, operation);
}

CK_RV pkcs11_operation_result(struct pkcs11_call *call, const struct pkcs11_operation *operation,
                              enum remote_rc rc)
{
    struct pkcs11_slot *slot = call->session->slot;

    if (rc == REMOTE_E_NOT_FOUND)
        pkcs11_object_forget(call, slot, operation->key);
    return pkcs11_rv(slot->remote, rc, kinds[operation->kind].doing);
}

/* ---- the edge ---- */

CK_RV pkcs11_operation_slice(const CK_BYTE *data, CK_ULONG len, struct remote_slice *ret)
{
    if (!data && len > 0)
        return CKR_ARGUMENTS_BAD;
    *ret = remote_slice(data, len);
    return CKR_OK;
}

bool pkcs11_operation_room(size_t need, const CK_BYTE *out, CK_ULONG *len, CK_RV *ret_rv)
{
    bool fits = out && *len >= need;

    if (fits)
        return false;
    *len = need;
    *ret_rv = out ? CKR_BUFFER_TOO_SMALL : CKR_OK;
    return true;
}

CK_RV pkcs11_operation_output(const struct remote_buf *result, CK_BYTE *out, CK_ULONG *len)
{
    CK_RV rv;

    if (pkcs11_operation_room(result->len, out, len, &rv))
        return rv;
    if (result->len > 0)
        memcpy(out, result->data, result->len);
    *len = result->len;
    return CKR_OK;
}

CK_RV pkcs11_operation_end(struct pkcs11_operation *operation, CK_RV rv, bool query)
{
    if (rv != CKR_BUFFER_TOO_SMALL && !(rv == CKR_OK && query))
        pkcs11_operation_clear(operation);
    return rv;
}
