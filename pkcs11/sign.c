/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#11 3.0 section 5.13: signing and MACing. One request, at the end; none for a length. */
#include "module.h"

CK_RV C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_init(call, PKCS11_SIGN, mechanism, key));
}

CK_RV C_Sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR sig,
             CK_ULONG_PTR sig_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_answer(call, PKCS11_SIGN, true, data, data_len, sig,
                                                       sig_len));
}

CK_RV C_SignUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_update(call, PKCS11_SIGN, data, data_len));
}

CK_RV C_SignFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR sig, CK_ULONG_PTR sig_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_answer(call, PKCS11_SIGN, false, NULL, 0, sig,
                                                       sig_len));
}
