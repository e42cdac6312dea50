/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#11 3.0 section 5.15: verifying, here with the public key; a MAC is asked of the service. */
#include "module.h"

CK_RV C_VerifyInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_init(call, PKCS11_VERIFY, mechanism, key));
}

/*
 * All our signatures have one length for a key, so that a wrong one is seen first, and what the
 * core says of lengths after that is about the data.
 */
static CK_RV check_signature(const struct pkcs11_operation *operation, const CK_BYTE *sig,
                             CK_ULONG sig_len)
{
    if (!sig)
        return CKR_ARGUMENTS_BAD;
    if (sig_len != operation->engine->size(operation, 0, true))
        return CKR_SIGNATURE_LEN_RANGE;
    return CKR_OK;
}

static CK_RV verify_whole(struct pkcs11_call *call, struct pkcs11_operation *operation,
                          const CK_BYTE *data, CK_ULONG data_len, const CK_BYTE *sig,
                          CK_ULONG sig_len)
{
    struct remote_slice slice = { 0 };

    PKCS11_TRY(pkcs11_operation_single(operation));
    PKCS11_TRY(pkcs11_operation_slice(data, data_len, &slice));
    PKCS11_TRY(check_signature(operation, sig, sig_len));
    PKCS11_TRY(operation->engine->update(call, operation, slice));
    return operation->engine->verify(call, operation, remote_slice(sig, sig_len));
}

static CK_RV verify(struct pkcs11_call *call, const CK_BYTE *data, CK_ULONG data_len,
                    const CK_BYTE *sig, CK_ULONG sig_len)
{
    struct pkcs11_operation *operation = &call->session->operations[PKCS11_VERIFY];
    CK_RV rv = verify_whole(call, operation, data, data_len, sig, sig_len);

    return pkcs11_operation_end(operation, rv, false);
}

CK_RV C_Verify(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR sig,
               CK_ULONG sig_len)
{
    return PKCS11_SESSION_CALL(call, session, verify(call, data, data_len, sig, sig_len));
}

CK_RV C_VerifyUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_update(call, PKCS11_VERIFY, data, data_len));
}

static CK_RV verify_rest(struct pkcs11_call *call, struct pkcs11_operation *operation,
                         const CK_BYTE *sig, CK_ULONG sig_len)
{
    PKCS11_TRY(pkcs11_operation_active(operation));
    PKCS11_TRY(check_signature(operation, sig, sig_len));
    return operation->engine->verify(call, operation, remote_slice(sig, sig_len));
}

static CK_RV verify_final(struct pkcs11_call *call, const CK_BYTE *sig, CK_ULONG sig_len)
{
    struct pkcs11_operation *operation = &call->session->operations[PKCS11_VERIFY];
    CK_RV rv = verify_rest(call, operation, sig, sig_len);

    return pkcs11_operation_end(operation, rv, false);
}

CK_RV C_VerifyFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR sig, CK_ULONG sig_len)
{
    return PKCS11_SESSION_CALL(call, session, verify_final(call, sig, sig_len));
}
