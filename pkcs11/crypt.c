/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 3.0 sections 5.8 and 5.10: encrypting and decrypting. With a service's key input is
 * collected; the end of it is one request (none for RSA encryption, which is done here). How long
 * a plaintext is shows only once it is there, and a caller may come with a buffer for just that:
 * so the result waits in the operation while its buffer is too small, and is handed out without
 * another request.
 */
#include "crypt.h"

#include "module.h"

CK_RV C_EncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_init(call, PKCS11_ENCRYPT, mechanism, key));
}

CK_RV C_DecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_init(call, PKCS11_DECRYPT, mechanism, key));
}

/* The answer to a length query: the exact size once it is known, else the most it can be. */
static CK_ULONG output_bound(const struct pkcs11_operation *operation, size_t len)
{
    if (operation->have_output)
        return operation->output.len;
    return operation->engine->size(operation, len, true);
}

static CK_RV crypt_finish(struct pkcs11_call *call, struct pkcs11_operation *operation)
{
    CK_RV rv = operation->engine->finish(call, operation);

    operation->have_output = rv == CKR_OK;
    return rv;
}

/* A repeated call with other data than what the waiting result was made of starts anew. */
static CK_RV crypt_input(struct pkcs11_call *call, struct pkcs11_operation *operation,
                         struct remote_slice data)
{
    if (operation->have_output && remote_slice_equal(data, remote_buf_slice(&operation->made_of)))
        return CKR_OK;
    if (operation->have_output)
        PKCS11_TRY(operation->engine->begin(call, operation));
    PKCS11_TRY(operation->engine->update(call, operation, data));
    PKCS11_TRY(crypt_finish(call, operation));
    remote_buf_append(&operation->made_of, data.data, data.len);
    return operation->made_of.failed ? CKR_HOST_MEMORY : CKR_OK;
}

/* In place, or apart: else what is written would change what is yet to be read. */
static bool apart(struct remote_slice data, const CK_BYTE *out, size_t len)
{
    return out == data.data || out + len <= data.data || out >= data.data + data.len;
}

static CK_RV crypt_output(struct pkcs11_call *call, struct pkcs11_operation *operation,
                          struct remote_slice data, CK_BYTE *out, CK_ULONG *out_len)
{
    size_t need = operation->engine->size(operation, data.len, true);

    if (operation->engine->whole && !operation->have_output && *out_len >= need &&
        apart(data, out, need))
        return operation->engine->whole(call, operation, data, out, out_len);
    PKCS11_TRY(crypt_input(call, operation, data));
    return pkcs11_operation_output(&operation->output, out, out_len);
}

static CK_RV crypt_whole(struct pkcs11_call *call, struct pkcs11_operation *operation,
                         const CK_BYTE *data, CK_ULONG data_len, CK_BYTE *out, CK_ULONG *out_len)
{
    struct remote_slice slice = { 0 };

    PKCS11_TRY(pkcs11_operation_single(operation));
    if (!out_len)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_operation_slice(data, data_len, &slice));
    if (!out) {
        *out_len = output_bound(operation, data_len);
        return CKR_OK;
    }
    return crypt_output(call, operation, slice, out, out_len);
}

static CK_RV crypt_single(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                          const CK_BYTE *data, CK_ULONG data_len, CK_BYTE *out, CK_ULONG *out_len)
{
    struct pkcs11_operation *operation = &call->session->operations[kind];
    CK_RV rv = crypt_whole(call, operation, data, data_len, out, out_len);

    return pkcs11_operation_end(operation, rv, out == NULL);
}

CK_RV C_Encrypt(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR out,
                CK_ULONG_PTR out_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               crypt_single(call, PKCS11_ENCRYPT, data, data_len, out, out_len));
}

CK_RV C_Decrypt(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR out,
                CK_ULONG_PTR out_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               crypt_single(call, PKCS11_DECRYPT, data, data_len, out, out_len));
}

/*
 * How much comes out is known before, so that a buffer too small leaves the operation as it was.
 * Services' keys give nothing before the end.
 */
static CK_RV crypt_part(struct pkcs11_call *call, struct pkcs11_operation *operation,
                        const CK_BYTE *part, CK_ULONG part_len, CK_BYTE *out, CK_ULONG *out_len)
{
    struct remote_slice slice = { 0 };
    CK_RV rv;

    PKCS11_TRY(pkcs11_operation_active(operation));
    if (!out_len)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_operation_slice(part, part_len, &slice));
    if (operation->have_output) /* Final was called: its result waits */
        return CKR_OPERATION_NOT_INITIALIZED;
    if (pkcs11_operation_room(operation->engine->size(operation, part_len, false), out, out_len,
                              &rv))
        return rv;
    operation->parts = true;
    PKCS11_TRY(operation->engine->update(call, operation, slice));
    rv = pkcs11_operation_output(&operation->output, out, out_len);
    remote_buf_truncate(&operation->output, 0);
    return rv;
}

CK_RV pkcs11_crypt_update(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                          const CK_BYTE *part, CK_ULONG part_len, CK_BYTE *out, CK_ULONG *out_len)
{
    struct pkcs11_operation *operation = &call->session->operations[kind];
    CK_RV rv = crypt_part(call, operation, part, part_len, out, out_len);

    return pkcs11_operation_end(operation, rv, rv == CKR_OK); /* goes on */
}

CK_RV C_EncryptUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR part, CK_ULONG part_len,
                      CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_crypt_update(call, PKCS11_ENCRYPT, part, part_len, out,
                                                   out_len));
}

CK_RV C_DecryptUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR part, CK_ULONG part_len,
                      CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_crypt_update(call, PKCS11_DECRYPT, part, part_len, out,
                                                   out_len));
}

static CK_RV crypt_rest(struct pkcs11_call *call, struct pkcs11_operation *operation, CK_BYTE *out,
                        CK_ULONG *out_len)
{
    PKCS11_TRY(pkcs11_operation_active(operation));
    if (!out_len)
        return CKR_ARGUMENTS_BAD;
    if (!out) {
        *out_len = output_bound(operation, 0);
        return CKR_OK;
    }
    if (!operation->have_output)
        PKCS11_TRY(crypt_finish(call, operation));
    return pkcs11_operation_output(&operation->output, out, out_len);
}

static CK_RV crypt_final(struct pkcs11_call *call, enum pkcs11_operation_kind kind, CK_BYTE *out,
                         CK_ULONG *out_len)
{
    struct pkcs11_operation *operation = &call->session->operations[kind];
    CK_RV rv = crypt_rest(call, operation, out, out_len);

    return pkcs11_operation_end(operation, rv, out == NULL);
}

CK_RV C_EncryptFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    return PKCS11_SESSION_CALL(call, session, crypt_final(call, PKCS11_ENCRYPT, out, out_len));
}

CK_RV C_DecryptFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    return PKCS11_SESSION_CALL(call, session, crypt_final(call, PKCS11_DECRYPT, out, out_len));
}
