/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 3.0 section 5.17: two operations on the same parts. The cipher goes first, since it is
 * what may find the buffer too small; the other sees a part only when it was taken.
 */
#include "crypt.h"
#include "module.h"

static CK_RV both_active(struct pkcs11_call *call, enum pkcs11_operation_kind a,
                         enum pkcs11_operation_kind b)
{
    PKCS11_TRY(pkcs11_operation_active(&call->session->operations[a]));
    return pkcs11_operation_active(&call->session->operations[b]);
}

static CK_RV encrypt_and(struct pkcs11_call *call, enum pkcs11_operation_kind other,
                         const CK_BYTE *part, CK_ULONG part_len, CK_BYTE *out, CK_ULONG *out_len)
{
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };

    PKCS11_TRY(both_active(call, PKCS11_ENCRYPT, other));
    if (out && part) /* the parts may lie over each other */
        remote_buf_append(&plain, part, part_len);
    if (plain.failed)
        return CKR_HOST_MEMORY;
    PKCS11_TRY(pkcs11_crypt_update(call, PKCS11_ENCRYPT, part, part_len, out, out_len));
    return out ? pkcs11_operation_update(call, other, plain.data, plain.len) : CKR_OK;
}

static CK_RV decrypt_and(struct pkcs11_call *call, enum pkcs11_operation_kind other,
                         const CK_BYTE *part, CK_ULONG part_len, CK_BYTE *out, CK_ULONG *out_len)
{
    PKCS11_TRY(both_active(call, PKCS11_DECRYPT, other));
    PKCS11_TRY(pkcs11_crypt_update(call, PKCS11_DECRYPT, part, part_len, out, out_len));
    return out ? pkcs11_operation_update(call, other, out, *out_len) : CKR_OK;
}

#define DUAL(name, first, other)                                                                   \
    CK_RV name(CK_SESSION_HANDLE session, CK_BYTE_PTR part, CK_ULONG part_len, CK_BYTE_PTR out,    \
               CK_ULONG_PTR out_len)                                                               \
    {                                                                                              \
        return PKCS11_SESSION_CALL(call, session,                                                  \
                                   first(call, other, part, part_len, out, out_len));              \
    }

DUAL(C_DigestEncryptUpdate, encrypt_and, PKCS11_DIGEST)
DUAL(C_SignEncryptUpdate, encrypt_and, PKCS11_SIGN)
DUAL(C_DecryptDigestUpdate, decrypt_and, PKCS11_DIGEST)
DUAL(C_DecryptVerifyUpdate, decrypt_and, PKCS11_VERIFY)
