/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 3.0 declarations. p11-kit 0.24's header stops at 2.40, so NSS's serves (its types
 * need no NSS at run time); what it lacks of the OASIS 3.0 headers is added here.
 */
#ifndef REMOTE_CK_H
#define REMOTE_CK_H

#include <pkcs11.h>

#ifndef CKA_UNIQUE_ID
#define CKA_UNIQUE_ID 0x00000004UL
#endif
#ifndef CKR_AEAD_DECRYPT_FAILED
#define CKR_AEAD_DECRYPT_FAILED 0x00000042UL
#endif
#ifndef CKM_VENDOR_DEFINED
#define CKM_VENDOR_DEFINED 0x80000000UL
#endif

#endif
