/* SPDX-License-Identifier: Apache-2.0 */
/* C_EncryptUpdate and C_DecryptUpdate, for the dual-function calls too. */
#ifndef PKCS11_CRYPT_H
#define PKCS11_CRYPT_H

#include "operation.h"

CK_RV pkcs11_crypt_update(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                          const CK_BYTE *part, CK_ULONG part_len, CK_BYTE *out, CK_ULONG *out_len);

#endif
