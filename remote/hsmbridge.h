/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hsmbridge's PKCS#11 module offers beyond the PKCS#11 specification. Include a pkcs11.h
 * first, of whatever origin: this header needs only its CK_ types where your code uses them.
 */
#ifndef HSMBRIDGE_H
#define HSMBRIDGE_H

#ifndef CKM_VENDOR_DEFINED
#define CKM_VENDOR_DEFINED 0x80000000UL
#endif

/* PKCS#11 keeps no register of vendors: all of ours lie in the 256 values from here ("HSB"). */
#define CKM_HSMBRIDGE_BASE (CKM_VENDOR_DEFINED | 0x48534200UL)

/*
 * Authenticated encryption as the key service does it, for AES and ChaCha20 keys. The service
 * chooses the nonce, so CKM_AES_GCM with a nonce of the caller's is not to be had from it.
 *
 * pParameter, ulParameterLen: the associated data; NULL and 0 for none.
 * Ciphertext: the service's own bytes, for example "vault:v1:..." of Vault's transit engine, so
 * that the service's other clients can open it, and this mechanism theirs. They name the key's
 * version and hold nonce and tag; their length follows from the service, so ask for it
 * (C_Encrypt without a buffer) instead of computing it.
 * A ciphertext that does not open is CKR_ENCRYPTED_DATA_INVALID, whatever the cause.
 * Whether a token has it, C_GetMechanismList says.
 */
#define CKM_HSMBRIDGE_AEAD (CKM_HSMBRIDGE_BASE + 0x01UL)

#endif
