/* SPDX-License-Identifier: Apache-2.0 */
/* Which mechanisms of a token this backend uses, and which of them a token has. */
#include "hsm.h"

#define NONE CKM_VENDOR_DEFINED
#define KNOWN (UINT64_C(1) << 63) /* the list was read */

static const CK_MECHANISM_TYPE hmacs[REMOTE_HASH_COUNT] = {
    [REMOTE_HASH_NONE] = NONE,
    [REMOTE_HASH_SHA1] = CKM_SHA_1_HMAC,
    [REMOTE_HASH_SHA224] = CKM_SHA224_HMAC,
    [REMOTE_HASH_SHA256] = CKM_SHA256_HMAC,
    [REMOTE_HASH_SHA384] = CKM_SHA384_HMAC,
    [REMOTE_HASH_SHA512] = CKM_SHA512_HMAC,
    [REMOTE_HASH_SHA3_224] = CKM_SHA3_224_HMAC,
    [REMOTE_HASH_SHA3_256] = CKM_SHA3_256_HMAC,
    [REMOTE_HASH_SHA3_384] = CKM_SHA3_384_HMAC,
    [REMOTE_HASH_SHA3_512] = CKM_SHA3_512_HMAC,
};

/* Behind the HMACs in the order of the bits. */
static const CK_MECHANISM_TYPE others[] = {
    CKM_RSA_PKCS,        CKM_RSA_PKCS_PSS,
    CKM_RSA_PKCS_OAEP,   CKM_RSA_X_509,
    CKM_ECDSA,           CKM_EDDSA,
    CKM_AES_GCM,         CKM_RSA_PKCS_KEY_PAIR_GEN,
    CKM_EC_KEY_PAIR_GEN, CKM_EC_EDWARDS_KEY_PAIR_GEN,
    CKM_AES_KEY_GEN,     CKM_GENERIC_SECRET_KEY_GEN,
};

static uint64_t bit_of(CK_MECHANISM_TYPE mechanism)
{
    for (size_t i = 0; i < REMOTE_HASH_COUNT; i++)
        if (hmacs[i] == mechanism && mechanism != NONE)
            return UINT64_C(1) << i;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (others[i] == mechanism)
            return UINT64_C(1) << (REMOTE_HASH_COUNT + i);
    return 0;
}

uint64_t hsm_mechanism_bits(const CK_MECHANISM_TYPE *list, size_t count)
{
    uint64_t bits = KNOWN;

    for (size_t i = 0; i < count; i++)
        bits |= bit_of(list[i]);
    return bits;
}

bool hsm_has(const struct hsm *hsm, CK_MECHANISM_TYPE mechanism)
{
    uint64_t bits = atomic_load_explicit(&hsm->mechanisms, memory_order_relaxed);

    return bits == 0 || (bits & bit_of(mechanism)) != 0;
}

CK_MECHANISM_TYPE hsm_hmac_of(enum remote_hash hash)
{
    return hmacs[hash];
}

CK_MECHANISM_TYPE hsm_mechanism_of(enum remote_alg alg, enum remote_hash hash)
{
    switch (alg) {
    case REMOTE_ALG_RSA_PKCS1:
    case REMOTE_ALG_RSA_PKCS1_ENC:
        return CKM_RSA_PKCS;
    case REMOTE_ALG_RSA_PSS:
        return CKM_RSA_PKCS_PSS;
    case REMOTE_ALG_RSA_OAEP:
        return CKM_RSA_PKCS_OAEP;
    case REMOTE_ALG_ECDSA:
        return CKM_ECDSA;
    case REMOTE_ALG_EDDSA:
        return CKM_EDDSA;
    case REMOTE_ALG_AES_GCM:
    case REMOTE_ALG_AEAD:
        return CKM_AES_GCM;
    case REMOTE_ALG_HMAC:
        return hsm_hmac_of(hash);
    default:
        return NONE;
    }
}
