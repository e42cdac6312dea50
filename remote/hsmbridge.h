/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hsmbridge's PKCS#11 module offers beyond the PKCS#11 specification. Include a pkcs11.h
 * first, of whatever origin.
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
 * C_WrapKey and C_UnwrapKey take it too: session keys travel as such ciphertexts.
 * Whether a token has it, C_GetMechanismList says.
 */
#define CKM_HSMBRIDGE_AEAD (CKM_HSMBRIDGE_BASE + 0x01UL)

/*
 * A data key made by the key service: for C_GenerateKey, which makes a session key of its bytes
 * and gives out the same bytes sealed under a key of the service, in one request. Later on
 * C_UnwrapKey with CKM_HSMBRIDGE_AEAD and hKey (or the service's other clients) open the sealed
 * part again. The template is that of a secret key with CKA_KEY_TYPE, CKA_VALUE_LEN (what the
 * service makes: 16, 32 or 64 bytes of Vault's transit engine) and CKA_TOKEN false.
 *
 * hKey       the service's key: its handle
 * pSealed    where the sealed part goes. NULL: ulSealedLen is set to what suffices, the result is
 *            CKR_OK, and no key is made
 * ulSealedLen  before: room at pSealed; after: bytes used, or, with CKR_BUFFER_TOO_SMALL,
 *            needed. No request is made for either of these two answers.
 *
 * A BigDL KMS keeps its data keys itself, under names: CKA_LABEL in the template is the name, else
 * it is a random UUID; pSealed receives it, and CKM_HSMBRIDGE_BIGDL_NAME opens it. Since something
 * new is kept there, that needs a read/write session and `allow = generate`.
 */
#define CKM_HSMBRIDGE_DATA_KEY (CKM_HSMBRIDGE_BASE + 0x02UL)

typedef struct CK_HSMBRIDGE_DATA_KEY_PARAMS {
    CK_OBJECT_HANDLE hKey;
    CK_BYTE_PTR pSealed;
    CK_ULONG ulSealedLen;
} CK_HSMBRIDGE_DATA_KEY_PARAMS;

/*
 * Unwraps a data key that a BigDL KMS keeps: for C_UnwrapKey with a primary key. The wrapped key is
 * the data key's name, which BigDL's own client calls its encrypted form; no parameter. The key is
 * of 16 bytes, and CKA_VALUE_LEN and CKA_KEY_TYPE (CKK_AES) are as for any unwrapped key.
 * CKR_WRAPPED_KEY_INVALID: no data key of that name under this primary key.
 */
#define CKM_HSMBRIDGE_BIGDL_NAME (CKM_HSMBRIDGE_BASE + 0x10UL)

#endif
