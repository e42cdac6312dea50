/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 3.0 sections 5.9 and 5.11: encrypting and decrypting. Input is collected; the end of
 * it is one request (none for RSA encryption, which is done here). How long a plaintext is shows
 * only once it is there, and a caller may come with a buffer for just that: so the result waits
 * in the operation while its buffer is too small, and is handed out without another request.
 */
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

static CK_RV crypt_request(struct pkcs11_call *call, struct pkcs11_operation *operation)
{
    struct remote_slice input = remote_buf_slice(&operation->input);
    enum remote_rc rc;

    if (operation->kind == PKCS11_ENCRYPT)
        rc = remote_key_encrypt(operation->key, &operation->params, input, &operation->output,
                                &call->err);
    else
        rc = remote_key_decrypt(operation->key, &operation->params, input, &operation->output,
                                &call->err);
    operation->have_output = rc == REMOTE_OK;
    return pkcs11_operation_result(call, operation, rc);
}

/* The answer to a length query: the exact size once it is known, else the modulus'. */
static CK_ULONG output_bound(const struct pkcs11_operation *operation)
{
    if (operation->have_output)
        return operation->output.len;
    return remote_key_output_size(operation->key, &operation->params);
}

/* A repeated call with other data than what the waiting result was made of starts anew. */
static CK_RV crypt_input(struct pkcs11_call *call, struct pkcs11_operation *operation,
                         struct remote_slice data)
{
    if (operation->have_output && remote_slice_equal(data, remote_buf_slice(&operation->input)))
        return CKR_OK;
    remote_buf_clear(&operation->output);
    remote_buf_clear(&operation->input);
    operation->have_output = false;
    PKCS11_TRY(pkcs11_operation_whole(call, operation, data));
    return crypt_request(call, operation);
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
        *out_len = output_bound(operation);
        return CKR_OK;
    }
    PKCS11_TRY(crypt_input(call, operation, slice));
    return pkcs11_operation_output(&operation->output, out, out_len);
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

/* No part gives output. out NULL asks how much it would: the part itself comes with the answer. */
static CK_RV crypt_update(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                          const CK_BYTE *part, CK_ULONG part_len, const CK_BYTE *out,
                          CK_ULONG *out_len)
{
    struct pkcs11_operation *operation = &call->session->operations[kind];

    PKCS11_TRY(pkcs11_operation_active(operation));
    if (!out_len)
        return pkcs11_operation_end(operation, CKR_ARGUMENTS_BAD, false);
    *out_len = 0;
    return out ? pkcs11_operation_update(call, kind, part, part_len) : CKR_OK;
}

CK_RV C_EncryptUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR part, CK_ULONG part_len,
                      CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               crypt_update(call, PKCS11_ENCRYPT, part, part_len, out, out_len));
}

CK_RV C_DecryptUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR part, CK_ULONG part_len,
                      CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               crypt_update(call, PKCS11_DECRYPT, part, part_len, out, out_len));
}

static CK_RV crypt_rest(struct pkcs11_call *call, struct pkcs11_operation *operation, CK_BYTE *out,
                        CK_ULONG *out_len)
{
    PKCS11_TRY(pkcs11_operation_active(operation));
    if (!out_len)
        return CKR_ARGUMENTS_BAD;
    if (!out) {
        *out_len = output_bound(operation);
        return CKR_OK;
    }
    if (!operation->have_output)
        PKCS11_TRY(crypt_request(call, operation));
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
