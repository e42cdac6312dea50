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

/*
 * A key of fully homomorphic encryption (TFHE) that a threshold KMS holds: a pair of
 * CKO_PRIVATE_KEY, which decrypts, and CKO_PUBLIC_KEY, of which nothing but the name is served.
 * CKA_ID is the KMS's own id of the key, 32 bytes; CKA_LABEL is the same in hex.
 */
#define CKK_HSMBRIDGE_FHE (CKM_HSMBRIDGE_BASE + 0x20UL)

/*
 * Public decryption by Zama's threshold KMS: for C_Decrypt with a CKK_HSMBRIDGE_FHE key. The input
 * is one ciphertext as tfhe's safe_serialize writes it, at most 100 MiB; the output is the
 * plaintext, little-endian, as long as its type: the answer to a length query is exact and costs no
 * request. What is decrypted becomes known to every party, and to whoever can reach one of them:
 * docs/zama.md.
 *
 * ulFheType           tfhe's FheTypes: 0 bool, 2 uint8, 3 uint16, 4 uint32, 5 uint64, 6 uint128,
 *                     7 uint160, 8 uint256
 * ulCiphertextFormat  0 small compressed, 1 small expanded, 2 big compressed, 3 big expanded;
 *                     CK_UNAVAILABLE_INFORMATION: as the ciphertext's header says
 * pHandle             what names the ciphertext in the signatures, at most 32 bytes
 * ulHandleLen         0: a fresh random one, which is what keeps old answers from being replayed
 * pSignatures         room for the proof below, which is written when the operation ends well. It
 *                     and pulSignaturesLen must stay until then. NULL with pulSignaturesLen: that
 *                     is set to what suffices, by C_DecryptInit
 * pulSignaturesLen    before: room at pSignatures, not less than suffices; after: bytes used.
 *                     NULL: no proof is wanted
 *
 * The proof: the handle (32 bytes, left-padded with zeros), the number of signatures (1 byte),
 * the EIP-712 signatures of parties that agreed on the result (65 bytes each: r, s, v), and the
 * extra data that they signed too. Behind the handle it is what Zama's KMSVerifier contract takes
 * as decryptionProof.
 */
#define CKM_HSMBRIDGE_FHE_DECRYPT (CKM_HSMBRIDGE_BASE + 0x20UL)

typedef struct CK_HSMBRIDGE_FHE_PARAMS {
    CK_ULONG ulFheType;
    CK_ULONG ulCiphertextFormat;
    CK_BYTE_PTR pHandle;
    CK_ULONG ulHandleLen;
    CK_BYTE_PTR pSignatures;
    CK_ULONG_PTR pulSignaturesLen;
} CK_HSMBRIDGE_FHE_PARAMS;

/*
 * The Chinese national algorithms, for services that have them (eHSM-KMS). PKCS#11 has no words for
 * them, so that types of keys are ours too.
 *
 * An SM2 key pair (CKK_HSMBRIDGE_SM2) has CKA_EC_PARAMS (the OID of the curve, 1.2.156.10197.1.301)
 * and CKA_EC_POINT, as one of CKK_EC has. It is for signatures alone: services answer a decryption
 * that failed with as many bytes of rubbish as one that succeeded.
 * CKM_HSMBRIDGE_SM2_SM3: C_Sign and C_Verify of a message, which is hashed with SM3 and the usual
 * id, "1234567812345678" (GB/T 32918.2, GM/T 0009); no parameter. The signature is r and s, of 32
 * bytes each. Verification is done here.
 * CKM_HSMBRIDGE_SM2_KEY_GEN: C_GenerateKeyPair; no parameter.
 *
 * An SM4 key (CKK_HSMBRIDGE_SM4) encrypts in the mode that it was made for, CTR or CBC with PKCS #7
 * padding. CKM_HSMBRIDGE_SM4: C_Encrypt and C_Decrypt; no parameter. The ciphertext is the
 * service's own: the IV stands in its last 16 bytes. Nothing authenticates it: a ciphertext that
 * was changed opens to something else, so it cannot carry keys.
 */
#define CKM_HSMBRIDGE_SM2_SM3 (CKM_HSMBRIDGE_BASE + 0x30UL)
#define CKM_HSMBRIDGE_SM4 (CKM_HSMBRIDGE_BASE + 0x31UL)
#define CKM_HSMBRIDGE_SM2_KEY_GEN (CKM_HSMBRIDGE_BASE + 0x32UL)
#define CKK_HSMBRIDGE_SM2 (CKM_HSMBRIDGE_BASE + 0x30UL)
#define CKK_HSMBRIDGE_SM4 (CKM_HSMBRIDGE_BASE + 0x31UL)

#endif
