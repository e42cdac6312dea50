/* SPDX-License-Identifier: Apache-2.0 */
#include "operation.h"

#include <string.h>

#include "module.h"

static const struct kind {
    enum remote_use use;
    CK_OBJECT_CLASS class;       /* of a key pair, the half that does it; secret keys do all */
    CK_ATTRIBUTE_TYPE attribute; /* that allows it to a session key */
    enum pkcs11_doing doing;
    CK_RV bad_handle, bad_type;
} kinds[PKCS11_KIND_COUNT] = {
/* clang-format off */
#define KEY CKR_KEY_HANDLE_INVALID, CKR_KEY_TYPE_INCONSISTENT
    [PKCS11_SIGN]    = { REMOTE_USE_SIGN,    CKO_PRIVATE_KEY, CKA_SIGN,    PKCS11_DOING_OTHER,   KEY },
    [PKCS11_VERIFY]  = { REMOTE_USE_VERIFY,  CKO_PUBLIC_KEY,  CKA_VERIFY,  PKCS11_DOING_VERIFY,  KEY },
    [PKCS11_ENCRYPT] = { REMOTE_USE_ENCRYPT, CKO_PUBLIC_KEY,  CKA_ENCRYPT, PKCS11_DOING_OTHER,   KEY },
    [PKCS11_DECRYPT] = { REMOTE_USE_DECRYPT, CKO_PRIVATE_KEY, CKA_DECRYPT, PKCS11_DOING_DECRYPT, KEY },
    [PKCS11_DIGEST]  = { .doing = PKCS11_DOING_OTHER },
    [PKCS11_MESSAGE_ENCRYPT] =
                       { REMOTE_USE_ENCRYPT, CKO_PUBLIC_KEY,  CKA_ENCRYPT, PKCS11_DOING_OTHER,   KEY },
    [PKCS11_MESSAGE_DECRYPT] =
                       { REMOTE_USE_DECRYPT, CKO_PRIVATE_KEY, CKA_DECRYPT, PKCS11_DOING_MESSAGE, KEY },
    [PKCS11_WRAP]    = { REMOTE_USE_WRAP,    CKO_PUBLIC_KEY,  CKA_WRAP,    PKCS11_DOING_WRAP,
                         CKR_WRAPPING_KEY_HANDLE_INVALID, CKR_WRAPPING_KEY_TYPE_INCONSISTENT },
    [PKCS11_UNWRAP]  = { REMOTE_USE_UNWRAP,  CKO_PRIVATE_KEY, CKA_UNWRAP,  PKCS11_DOING_UNWRAP,
                         CKR_UNWRAPPING_KEY_HANDLE_INVALID, CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT },
#undef KEY
    /* clang-format on */
};

enum remote_use pkcs11_operation_use(const struct pkcs11_operation *operation)
{
    return kinds[operation->kind].use;
}

bool pkcs11_operation_encrypts(const struct pkcs11_operation *operation)
{
    return (kinds[operation->kind].use & (REMOTE_USE_ENCRYPT | REMOTE_USE_WRAP)) != 0;
}

static bool of_messages(enum pkcs11_operation_kind kind)
{
    return kind == PKCS11_MESSAGE_ENCRYPT || kind == PKCS11_MESSAGE_DECRYPT;
}

void pkcs11_operation_reset(struct pkcs11_operation *operation)
{
    remote_buf_clear(&operation->input);
    remote_buf_clear(&operation->output);
    remote_buf_clear(&operation->made_of);
    if (operation->digesting)
        remote_digest_clear(&operation->digest);
    remote_cipher_clear(&operation->cipher);
    remote_mac_clear(&operation->mac);
    operation->digesting = operation->have_output = operation->message = false;
}

void pkcs11_operation_clear(struct pkcs11_operation *operation)
{
    pkcs11_operation_reset(operation);
    pkcs11_object_clear(&operation->object);
    remote_buf_clear(&operation->aad);
    remote_buf_clear(&operation->iv);
    explicit_bzero(operation, sizeof(*operation)); /* gcc inlines memset() as a slow "rep stos" */
}

/* ---- Init: everything that can be known without a request ---- */

static bool row_served(const struct pkcs11_object *object, const struct remote_mechanism *row)
{
    if (object->secret)
        return remote_slot_can_here(object->slot->remote, row);
    return (row->served & REMOTE_SERVED_THERE) && remote_slot_can(object->slot->remote, row);
}

/* The row for this mechanism, key and use, or the code that says which of them is wrong. */
static CK_RV choose_row(const struct pkcs11_object *object, enum pkcs11_operation_kind kind,
                        CK_MECHANISM_TYPE ckm, const struct remote_mechanism **ret)
{
    enum remote_use use = kinds[kind].use;
    const struct remote_mechanism *row;
    enum remote_key_type type = pkcs11_object_key_type(object);

    row = remote_mechanism_find(ckm, type, use);
    if (row && of_messages(kind) && !(row->served & REMOTE_SERVED_MESSAGES))
        return CKR_MECHANISM_INVALID;
    if (row && row_served(object, row)) {
        *ret = row;
        return CKR_OK;
    }
    row = remote_mechanism_find(ckm, REMOTE_KEY_TYPE_COUNT, use);
    if (row && row->key != type && row_served(object, row))
        return kinds[kind].bad_type;
    return CKR_MECHANISM_INVALID;
}

/* Moves what a slice borrows into a buffer of ours. */
static void keep(struct remote_slice *slice, struct remote_buf *buf)
{
    struct remote_buf kept = { 0 };

    if (slice->len > 0)
        remote_buf_append(&kept, slice->data, slice->len);
    remote_buf_clear(buf);
    *buf = kept;
    *slice = remote_buf_slice(buf);
}

CK_RV pkcs11_operation_keep(struct pkcs11_operation *operation)
{
    struct remote_slice *iv = &operation->params.iv;

    keep(&operation->params.aad, &operation->aad);
    if (iv->len > 0 && iv->len <= sizeof(operation->short_iv)) {
        memmove(operation->short_iv, iv->data, iv->len);
        iv->data = operation->short_iv;
    } else {
        keep(iv, &operation->iv);
    }
    return operation->aad.failed || operation->iv.failed ? CKR_HOST_MEMORY : CKR_OK;
}

static enum remote_rc read_params(struct pkcs11_operation *operation,
                                  const struct remote_mechanism *row, const CK_MECHANISM *mechanism,
                                  struct remote_error *err)
{
    struct remote_params *params = &operation->params;

    if (of_messages(operation->kind)) { /* each message brings its own */
        *params = (struct remote_params){ .alg = row->alg, .hash = row->hash };
        if (mechanism->pParameter && mechanism->ulParameterLen)
            return REMOTE_FAIL(err, REMOTE_E_PARAM,
                               "%s takes its parameter with each message, not at the beginning",
                               row->name);
        return REMOTE_OK;
    }
    REMOTE_TRY(remote_mechanism_params(row, mechanism->pParameter, mechanism->ulParameterLen,
                                       params, err));
    params->wrapping = operation->kind == PKCS11_WRAP || operation->kind == PKCS11_UNWRAP;
    return pkcs11_operation_keep(operation) == CKR_OK ? REMOTE_OK : REMOTE_E_NOMEM;
}

/* What the key itself says of this use. */
static CK_RV check_use(const struct pkcs11_object *object, const struct kind *kind,
                       CK_MECHANISM_TYPE ckm)
{
    if (object->class != kind->class && object->class != CKO_SECRET_KEY)
        return CKR_KEY_FUNCTION_NOT_PERMITTED;
    if (!object->secret)
        return CKR_OK; /* the core knows */
    if (!pkcs11_secret_flag(object->secret, kind->attribute))
        return CKR_KEY_FUNCTION_NOT_PERMITTED;
    return pkcs11_secret_allows(object->secret, ckm) ? CKR_OK : CKR_MECHANISM_INVALID;
}

/* remote_key_check() for the use; message kinds have their parameters only later. */
static CK_RV check_key(struct pkcs11_call *call, const struct pkcs11_operation *operation)
{
    const struct pkcs11_object *object = &operation->object;

    if (object->secret)
        return CKR_OK;
    return pkcs11_rv(object->slot->remote,
                     remote_key_check(object->key, &operation->params, kinds[operation->kind].use,
                                      &call->err),
                     PKCS11_DOING_OTHER);
}

static const struct pkcs11_engine *choose_engine(const struct pkcs11_object *object,
                                                 const struct remote_mechanism *row)
{
    if (!object->secret)
        return &pkcs11_engine_remote;
    if (object->secret->pair)
        return &pkcs11_engine_pair;
    return row->alg == REMOTE_ALG_HMAC ? &pkcs11_engine_mac : &pkcs11_engine_cipher;
}

static CK_RV set_up(struct pkcs11_call *call, struct pkcs11_operation *operation,
                    const CK_MECHANISM *mechanism)
{
    const struct kind *kind = &kinds[operation->kind];
    const struct remote_mechanism *row = NULL;
    enum remote_rc rc;

    PKCS11_TRY(choose_row(&operation->object, operation->kind, mechanism->mechanism, &row));
    PKCS11_TRY(check_use(&operation->object, kind, mechanism->mechanism));
    rc = read_params(operation, row, mechanism, &call->err);
    if (rc != REMOTE_OK)
        return pkcs11_rv(operation->object.slot->remote, rc, PKCS11_DOING_OTHER);
    PKCS11_TRY(check_key(call, operation));
    operation->engine = choose_engine(&operation->object, row);
    operation->hash_here = row->hash_here;
    if (!of_messages(operation->kind))
        PKCS11_TRY(operation->engine->begin(call, operation));
    operation->active = true;
    return CKR_OK;
}

CK_RV pkcs11_operation_open(struct pkcs11_call *call, struct pkcs11_operation *operation,
                            enum pkcs11_operation_kind kind, const CK_MECHANISM *mechanism,
                            CK_OBJECT_HANDLE key)
{
    CK_RV rv = pkcs11_object_get_key(call, call->session->slot, key, &operation->object);

    if (rv == CKR_KEY_HANDLE_INVALID)
        rv = kinds[kind].bad_handle;
    operation->kind = kind;
    return rv == CKR_OK ? set_up(call, operation, mechanism) : rv;
}

CK_RV pkcs11_operation_init(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                            const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    struct pkcs11_operation *operation = &call->session->operations[kind];
    CK_RV rv;

    if (!mechanism) {
        rv = operation->active ? CKR_OK : CKR_ARGUMENTS_BAD; /* as 2.40 would have it */
        pkcs11_operation_clear(operation);
        return rv;
    }
    if (operation->active)
        return CKR_OPERATION_ACTIVE;
    rv = pkcs11_operation_open(call, operation, kind, mechanism, key);
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

/* ---- input, and answers of one length ---- */

static CK_RV take_part(struct pkcs11_call *call, struct pkcs11_operation *operation,
                       const CK_BYTE *data, CK_ULONG len)
{
    struct remote_slice slice = { 0 };

    PKCS11_TRY(pkcs11_operation_active(operation));
    PKCS11_TRY(pkcs11_operation_slice(data, len, &slice));
    operation->parts = true;
    return operation->engine->update(call, operation, slice);
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

static CK_RV answer(struct pkcs11_call *call, struct pkcs11_operation *operation, bool single,
                    struct remote_slice data, CK_BYTE *out, CK_ULONG *out_len)
{
    CK_RV rv;

    if (pkcs11_operation_room(operation->engine->size(operation, data.len, true), out, out_len,
                              &rv))
        return rv;
    if (single)
        PKCS11_TRY(operation->engine->update(call, operation, data));
    PKCS11_TRY(operation->engine->finish(call, operation));
    return pkcs11_operation_output(&operation->output, out, out_len);
}

static CK_RV check_and_answer(struct pkcs11_call *call, struct pkcs11_operation *operation,
                              bool single, const CK_BYTE *data, CK_ULONG data_len, CK_BYTE *out,
                              CK_ULONG *out_len)
{
    struct remote_slice slice = { 0 };

    PKCS11_TRY(single ? pkcs11_operation_single(operation) : pkcs11_operation_active(operation));
    if (!out_len)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_operation_slice(data, data_len, &slice));
    return answer(call, operation, single, slice, out, out_len);
}

CK_RV pkcs11_operation_answer(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                              bool single, const CK_BYTE *data, CK_ULONG data_len, CK_BYTE *out,
                              CK_ULONG *out_len)
{
    struct pkcs11_operation *operation = &call->session->operations[kind];
    CK_RV rv = check_and_answer(call, operation, single, data, data_len, out, out_len);

    return pkcs11_operation_end(operation, rv, out == NULL);
}

CK_RV pkcs11_operation_result(struct pkcs11_call *call, const struct pkcs11_operation *operation,
                              enum remote_rc rc)
{
    struct pkcs11_slot *slot = call->session->slot;

    if (rc == REMOTE_E_NOT_FOUND && operation->object.key)
        pkcs11_object_forget(call, slot, operation->object.key);
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
