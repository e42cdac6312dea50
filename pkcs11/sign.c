/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#11 3.0 section 5.13: signing and MACing. One request, at the end; none for a length. */
#include "module.h"

CK_RV C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_init(call, PKCS11_SIGN, mechanism, key));
}

static CK_RV sign_request(struct pkcs11_call *call, const struct pkcs11_operation *operation,
                          CK_BYTE *sig, CK_ULONG *sig_len)
{
    CLEANUP(remote_buf_clear) struct remote_buf result = { 0 };
    enum remote_rc rc = remote_key_sign(operation->key, &operation->params,
                                        remote_buf_slice(&operation->input), &result, &call->err);

    if (rc != REMOTE_OK)
        return pkcs11_operation_result(call, operation, rc);
    return pkcs11_operation_output(&result, sig, sig_len);
}

static CK_RV sign_whole(struct pkcs11_call *call, struct pkcs11_operation *operation,
                        const CK_BYTE *data, CK_ULONG data_len, CK_BYTE *sig, CK_ULONG *sig_len)
{
    struct remote_slice slice = { 0 };
    CK_RV rv;

    PKCS11_TRY(pkcs11_operation_single(operation));
    if (!sig_len)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_operation_slice(data, data_len, &slice));
    if (pkcs11_operation_room(remote_key_output_size(operation->key, &operation->params), sig,
                              sig_len, &rv))
        return rv;
    PKCS11_TRY(pkcs11_operation_whole(call, operation, slice));
    return sign_request(call, operation, sig, sig_len);
}

static CK_RV sign(struct pkcs11_call *call, const CK_BYTE *data, CK_ULONG data_len, CK_BYTE *sig,
                  CK_ULONG *sig_len)
{
    struct pkcs11_operation *operation = &call->session->operations[PKCS11_SIGN];
    CK_RV rv = sign_whole(call, operation, data, data_len, sig, sig_len);

    return pkcs11_operation_end(operation, rv, sig == NULL);
}

CK_RV C_Sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR sig,
             CK_ULONG_PTR sig_len)
{
    return PKCS11_SESSION_CALL(call, session, sign(call, data, data_len, sig, sig_len));
}

CK_RV C_SignUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_update(call, PKCS11_SIGN, data, data_len));
}

static CK_RV sign_rest(struct pkcs11_call *call, struct pkcs11_operation *operation, CK_BYTE *sig,
                       CK_ULONG *sig_len)
{
    CK_RV rv;

    PKCS11_TRY(pkcs11_operation_active(operation));
    if (!sig_len)
        return CKR_ARGUMENTS_BAD;
    if (pkcs11_operation_room(remote_key_output_size(operation->key, &operation->params), sig,
                              sig_len, &rv))
        return rv;
    PKCS11_TRY(pkcs11_operation_finish(call, operation));
    return sign_request(call, operation, sig, sig_len);
}

static CK_RV sign_final(struct pkcs11_call *call, CK_BYTE *sig, CK_ULONG *sig_len)
{
    struct pkcs11_operation *operation = &call->session->operations[PKCS11_SIGN];
    CK_RV rv = sign_rest(call, operation, sig, sig_len);

    return pkcs11_operation_end(operation, rv, sig == NULL);
}

CK_RV C_SignFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR sig, CK_ULONG_PTR sig_len)
{
    return PKCS11_SESSION_CALL(call, session, sign_final(call, sig, sig_len));
}
