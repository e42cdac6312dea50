/* SPDX-License-Identifier: Apache-2.0 */
#include "mechanism.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "hsmbridge.h"

/* PKCS#11 structures are packed on Windows only; a parameter is recognised by its size. */
_Static_assert(sizeof(CK_RSA_PKCS_PSS_PARAMS) == 3 * sizeof(CK_ULONG), "not packed, not padded");
_Static_assert(sizeof(CK_RSA_PKCS_OAEP_PARAMS) == 5 * sizeof(CK_ULONG), "not packed, not padded");
_Static_assert(sizeof(CK_EDDSA_PARAMS) == 3 * sizeof(CK_ULONG), "phFlag is padded");

/* RFC 8017 9.1.1: emLen >= hLen + sLen + 2; the largest modulus that we take has 8192 bits. */
#define PSS_EM_LEN_MAX 1024
/* The label is hashed, so any length would do; nobody sends one this long. */
#define OAEP_LABEL_MAX 65536
#define AES_BLOCK 16
#define POLY1305_TAG 16

/* clang-format off */
static const char *const key_type_names[REMOTE_KEY_TYPE_COUNT] = {
    [REMOTE_KEY_RSA]      = "rsa",
    [REMOTE_KEY_EC]       = "ec",
    [REMOTE_KEY_ED25519]  = "ed25519",
    [REMOTE_KEY_AES]      = "aes",
    [REMOTE_KEY_CHACHA20] = "chacha20",
    [REMOTE_KEY_GENERIC]  = "hmac",
    [REMOTE_KEY_FHE]      = "fhe",
    [REMOTE_KEY_SM2]      = "sm2",
    [REMOTE_KEY_SM4]      = "sm4",
};
/* clang-format on */

const char *remote_key_type_name(enum remote_key_type type)
{
    return (unsigned)type < REMOTE_KEY_TYPE_COUNT ? key_type_names[type] : "unknown";
}

bool remote_key_type_symmetric(enum remote_key_type type)
{
    return type == REMOTE_KEY_AES || type == REMOTE_KEY_CHACHA20 || type == REMOTE_KEY_GENERIC ||
           type == REMOTE_KEY_SM4;
}

struct hash_row {
    size_t size;
    const char *name;
    CK_MECHANISM_TYPE ckm;
    CK_RSA_PKCS_MGF_TYPE mgf;
};

/* clang-format off */
static const struct hash_row hashes[REMOTE_HASH_COUNT] = {
    [REMOTE_HASH_NONE]     = {  0, "none",     CK_UNAVAILABLE_INFORMATION, 0 },
    [REMOTE_HASH_SHA1]     = { 20, "SHA1",     CKM_SHA_1,    CKG_MGF1_SHA1 },
    [REMOTE_HASH_SHA224]   = { 28, "SHA2-224", CKM_SHA224,   CKG_MGF1_SHA224 },
    [REMOTE_HASH_SHA256]   = { 32, "SHA2-256", CKM_SHA256,   CKG_MGF1_SHA256 },
    [REMOTE_HASH_SHA384]   = { 48, "SHA2-384", CKM_SHA384,   CKG_MGF1_SHA384 },
    [REMOTE_HASH_SHA512]   = { 64, "SHA2-512", CKM_SHA512,   CKG_MGF1_SHA512 },
    [REMOTE_HASH_SHA3_224] = { 28, "SHA3-224", CKM_SHA3_224, CKG_MGF1_SHA3_224 },
    [REMOTE_HASH_SHA3_256] = { 32, "SHA3-256", CKM_SHA3_256, CKG_MGF1_SHA3_256 },
    [REMOTE_HASH_SHA3_384] = { 48, "SHA3-384", CKM_SHA3_384, CKG_MGF1_SHA3_384 },
    [REMOTE_HASH_SHA3_512] = { 64, "SHA3-512", CKM_SHA3_512, CKG_MGF1_SHA3_512 },
};
/* clang-format on */

static const struct hash_row *hash_row(enum remote_hash hash)
{
    return &hashes[(unsigned)hash < REMOTE_HASH_COUNT ? hash : REMOTE_HASH_NONE];
}

size_t remote_hash_size(enum remote_hash hash)
{
    return hash_row(hash)->size;
}

const char *remote_hash_name(enum remote_hash hash)
{
    return hash_row(hash)->name;
}

CK_MECHANISM_TYPE remote_hash_ckm(enum remote_hash hash)
{
    return hash_row(hash)->ckm;
}

CK_RSA_PKCS_MGF_TYPE remote_hash_mgf(enum remote_hash hash)
{
    return hash_row(hash)->mgf;
}

enum remote_hash remote_hash_of_ckm(CK_MECHANISM_TYPE ckm)
{
    for (int i = REMOTE_HASH_NONE + 1; i < REMOTE_HASH_COUNT; i++) {
        if (hashes[i].ckm == ckm)
            return (enum remote_hash)i;
    }
    return REMOTE_HASH_NONE;
}

enum remote_hash remote_hash_of_mgf(CK_RSA_PKCS_MGF_TYPE mgf)
{
    for (int i = REMOTE_HASH_NONE + 1; i < REMOTE_HASH_COUNT; i++) {
        if (hashes[i].mgf == mgf)
            return (enum remote_hash)i;
    }
    return REMOTE_HASH_NONE;
}

/* Copies the parameter, which the application may have placed at any address. */
static enum remote_rc copy_parameter(const struct remote_mechanism *row, const void *parameter,
                                     size_t len, const char *type, void *ret, size_t size,
                                     struct remote_error *err)
{
    if (parameter == NULL || len == 0)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s needs a parameter: %s", row->name, type);
    if (len != size)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s: the parameter has %zu bytes, %s has %zu",
                           row->name, len, type, size);
    memcpy(ret, parameter, size);
    return REMOTE_OK;
}

static enum remote_rc read_hashes(const struct remote_mechanism *row, CK_MECHANISM_TYPE hash_alg,
                                  CK_RSA_PKCS_MGF_TYPE mgf, struct remote_params *params,
                                  struct remote_error *err)
{
    params->hash = remote_hash_of_ckm(hash_alg);
    if (params->hash == REMOTE_HASH_NONE)
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "%s: hashAlg 0x%lx is not a SHA-1, SHA-2 or SHA-3 hash", row->name,
                           hash_alg);
    params->mgf_hash = remote_hash_of_mgf(mgf);
    if (params->mgf_hash == REMOTE_HASH_NONE)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s: mgf 0x%lx is not a CKG_MGF1_*", row->name,
                           mgf);
    return REMOTE_OK;
}

/* PKCS#11 3.0 current mechanisms 2.1.9 and 2.1.10 */
static enum remote_rc read_pss(const struct remote_mechanism *row, const void *parameter,
                               size_t len, struct remote_params *params, struct remote_error *err)
{
    CK_RSA_PKCS_PSS_PARAMS pss;

    REMOTE_TRY(
        copy_parameter(row, parameter, len, "CK_RSA_PKCS_PSS_PARAMS", &pss, sizeof(pss), err));
    REMOTE_TRY(read_hashes(row, pss.hashAlg, pss.mgf, params, err));
    if (row->hash != REMOTE_HASH_NONE && params->hash != row->hash)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s: hashAlg is %s, it must be %s", row->name,
                           remote_hash_name(params->hash), remote_hash_name(row->hash));
    if (pss.sLen > PSS_EM_LEN_MAX - 2 - remote_hash_size(params->hash))
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "%s: sLen %lu is longer than any RSA key has room for", row->name,
                           pss.sLen);
    params->salt_len = pss.sLen;
    return REMOTE_OK;
}

/*
 * PKCS#11 3.0 current mechanisms 2.1.7. Some clients leave `source` at 0 when they have no
 * label, which can only mean an empty one.
 */
static enum remote_rc read_oaep(const struct remote_mechanism *row, const void *parameter,
                                size_t len, struct remote_params *params, struct remote_error *err)
{
    CK_RSA_PKCS_OAEP_PARAMS oaep;

    REMOTE_TRY(
        copy_parameter(row, parameter, len, "CK_RSA_PKCS_OAEP_PARAMS", &oaep, sizeof(oaep), err));
    REMOTE_TRY(read_hashes(row, oaep.hashAlg, oaep.mgf, params, err));
    if (oaep.source != CKZ_DATA_SPECIFIED && (oaep.source != 0 || oaep.ulSourceDataLen != 0))
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "%s: source 0x%lx is unknown, it must be CKZ_DATA_SPECIFIED", row->name,
                           oaep.source);
    if (oaep.ulSourceDataLen > OAEP_LABEL_MAX ||
        (oaep.ulSourceDataLen != 0 && oaep.pSourceData == NULL))
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s: a label of %lu bytes %s", row->name,
                           oaep.ulSourceDataLen,
                           oaep.pSourceData == NULL ? "is not there" : "is too long");
    if (oaep.ulSourceDataLen != 0)
        params->aad = remote_slice(oaep.pSourceData, oaep.ulSourceDataLen);
    return REMOTE_OK;
}

/* PKCS#11 3.0 current mechanisms 2.3.14: without a parameter it is plain Ed25519. */
static enum remote_rc read_eddsa(const struct remote_mechanism *row, const void *parameter,
                                 size_t len, struct remote_params *params, struct remote_error *err)
{
    CK_EDDSA_PARAMS eddsa;

    (void)params;
    if (len == 0)
        return REMOTE_OK;
    REMOTE_TRY(copy_parameter(row, parameter, len, "CK_EDDSA_PARAMS", &eddsa, sizeof(eddsa), err));
    if (eddsa.phFlag != CK_FALSE || eddsa.ulContextDataLen != 0)
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "%s: only plain Ed25519 is served, neither prehashed nor with a context",
                           row->name);
    return REMOTE_OK;
}

/* ---- session keys' ciphers; the lengths of IVs and tags are the cipher's to check ---- */

static enum remote_rc point_at(const struct remote_mechanism *row, const char *what,
                               const void *data, size_t len, struct remote_slice *ret,
                               struct remote_error *err)
{
    if (data == NULL && len != 0)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s: %s of %zu bytes is not there", row->name, what,
                           len);
    *ret = remote_slice(data, len);
    return REMOTE_OK;
}

/* PKCS#11 3.0 current mechanisms 2.12.5 and 2.12.6: the IV itself. */
static enum remote_rc read_block_iv(const struct remote_mechanism *row, const void *parameter,
                                    size_t len, struct remote_params *params,
                                    struct remote_error *err)
{
    unsigned char iv[AES_BLOCK];

    REMOTE_TRY(copy_parameter(row, parameter, len, "an IV", iv, sizeof(iv), err));
    params->iv = remote_slice(parameter, len);
    return REMOTE_OK;
}

/* 2.13.2 */
static enum remote_rc read_ctr(const struct remote_mechanism *row, const void *parameter,
                               size_t len, struct remote_params *params, struct remote_error *err)
{
    CK_AES_CTR_PARAMS ctr = { 0 };

    REMOTE_TRY(copy_parameter(row, parameter, len, "CK_AES_CTR_PARAMS", &ctr, sizeof(ctr), err));
    if (ctr.ulCounterBits < 1 || ctr.ulCounterBits > 8 * AES_BLOCK)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s: ulCounterBits is %lu, it must be 1 to %d",
                           row->name, ctr.ulCounterBits, 8 * AES_BLOCK);
    params->counter_bits = (unsigned)ctr.ulCounterBits;
    params->iv = remote_slice((const char *)parameter + offsetof(CK_AES_CTR_PARAMS, cb), AES_BLOCK);
    return REMOTE_OK;
}

/*
 * 2.14.3. The text of 2.40 left out ulIvBits, which its header had: both are in use. What it says
 * nobody reads; ulIvLen counts.
 */
static enum remote_rc read_gcm(const struct remote_mechanism *row, const void *parameter,
                               size_t len, struct remote_params *params, struct remote_error *err)
{
    CK_GCM_PARAMS gcm = { 0 };
    CK_NSS_GCM_PARAMS old;

    if (parameter != NULL && len == sizeof(old)) {
        memcpy(&old, parameter, sizeof(old));
        gcm = (CK_GCM_PARAMS){ old.pIv, old.ulIvLen, 0, old.pAAD, old.ulAADLen, old.ulTagBits };
    } else {
        REMOTE_TRY(copy_parameter(row, parameter, len, "CK_GCM_PARAMS", &gcm, sizeof(gcm), err));
    }
    if (gcm.ulTagBits % 8 != 0)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s: a tag of %lu bits is not whole bytes",
                           row->name, gcm.ulTagBits);
    params->tag_len = gcm.ulTagBits / 8;
    REMOTE_TRY(point_at(row, "an IV", gcm.pIv, gcm.ulIvLen, &params->iv, err));
    return point_at(row, "associated data", gcm.pAAD, gcm.ulAADLen, &params->aad, err);
}

/* 2.63.3 */
static enum remote_rc read_chacha20(const struct remote_mechanism *row, const void *parameter,
                                    size_t len, struct remote_params *params,
                                    struct remote_error *err)
{
    CK_SALSA20_CHACHA20_POLY1305_PARAMS chacha = { 0 };

    REMOTE_TRY(copy_parameter(row, parameter, len, "CK_SALSA20_CHACHA20_POLY1305_PARAMS", &chacha,
                              sizeof(chacha), err));
    params->tag_len = POLY1305_TAG;
    REMOTE_TRY(point_at(row, "a nonce", chacha.pNonce, chacha.ulNonceLen, &params->iv, err));
    return point_at(row, "associated data", chacha.pAAD, chacha.ulAADLen, &params->aad, err);
}

/* 2.16.2: an initial value other than the standard's may be given. */
static enum remote_rc read_wrap_iv(const struct remote_mechanism *row, const void *parameter,
                                   size_t len, struct remote_params *params,
                                   struct remote_error *err)
{
    return point_at(row, "an IV", parameter, len, &params->iv, err);
}

/* CK_MAC_GENERAL_PARAMS: so many bytes of the MAC are kept. */
static enum remote_rc read_mac_general(const struct remote_mechanism *row, const void *parameter,
                                       size_t len, struct remote_params *params,
                                       struct remote_error *err)
{
    CK_MAC_GENERAL_PARAMS kept = 0;

    REMOTE_TRY(
        copy_parameter(row, parameter, len, "CK_MAC_GENERAL_PARAMS", &kept, sizeof(kept), err));
    if (kept < 1 || kept > remote_hash_size(row->hash))
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s: a MAC of %lu bytes, it must be 1 to %zu",
                           row->name, kept, remote_hash_size(row->hash));
    params->tag_len = kept;
    return REMOTE_OK;
}

/* ---- our own: hsmbridge.h ---- */

static enum remote_rc read_associated(const struct remote_mechanism *row, const void *parameter,
                                      size_t len, struct remote_params *params,
                                      struct remote_error *err)
{
    return point_at(row, "associated data", parameter, len, &params->aad, err);
}

/* What it points to is the front end's to use. */
static enum remote_rc read_data_key(const struct remote_mechanism *row, const void *parameter,
                                    size_t len, struct remote_params *params,
                                    struct remote_error *err)
{
    CK_HSMBRIDGE_DATA_KEY_PARAMS data_key;

    (void)params;
    return copy_parameter(row, parameter, len, "CK_HSMBRIDGE_DATA_KEY_PARAMS", &data_key,
                          sizeof(data_key), err);
}

/* Which numbers are types and formats, and how long a handle may be, is the service's to say. */
static enum remote_rc read_fhe(const struct remote_mechanism *row, const void *parameter,
                               size_t len, struct remote_params *params, struct remote_error *err)
{
    CK_HSMBRIDGE_FHE_PARAMS fhe = { 0 };
    bool told;

    REMOTE_TRY(
        copy_parameter(row, parameter, len, "CK_HSMBRIDGE_FHE_PARAMS", &fhe, sizeof(fhe), err));
    told = fhe.ulCiphertextFormat == CK_UNAVAILABLE_INFORMATION;
    if (fhe.ulFheType > INT32_MAX || (!told && fhe.ulCiphertextFormat > INT32_MAX))
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s: ulFheType 0x%lx, ulCiphertextFormat 0x%lx",
                           row->name, fhe.ulFheType, fhe.ulCiphertextFormat);
    if (fhe.pSignatures != NULL && fhe.pulSignaturesLen == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s: pSignatures without pulSignaturesLen",
                           row->name);
    params->fhe = (struct remote_fhe_params){
        .type = (int)fhe.ulFheType,
        .format = told ? REMOTE_FHE_FORMAT_TOLD : (int)fhe.ulCiphertextFormat,
        .proof = fhe.pSignatures,
        .proof_len = fhe.pulSignaturesLen,
    };
    return point_at(row, "a handle", fhe.pHandle, fhe.ulHandleLen, &params->iv, err);
}

#define SIGNS (REMOTE_USE_SIGN | REMOTE_USE_VERIFY)
#define CRYPTS (REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT)
#define WRAPS (REMOTE_USE_WRAP | REMOTE_USE_UNWRAP)
#define MAKES REMOTE_USE_GENERATE
#define THERE REMOTE_SERVED_THERE
#define HERE REMOTE_SERVED_HERE
#define BOTH (REMOTE_SERVED_THERE | REMOTE_SERVED_HERE)
#define MESSAGES REMOTE_SERVED_MESSAGES

/* clang-format off */
const struct remote_mechanism remote_mechanisms[] = {
    /* ckm                          name                       alg                           hash                  here   key                  uses            served           read */
    { CKM_RSA_PKCS,                "RSA-PKCS",                REMOTE_ALG_RSA_PKCS1,         REMOTE_HASH_NONE,     false, REMOTE_KEY_RSA,      SIGNS,          BOTH,            NULL },
    { CKM_SHA1_RSA_PKCS,           "SHA1-RSA-PKCS",           REMOTE_ALG_RSA_PKCS1,         REMOTE_HASH_SHA1,     true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            NULL },
    { CKM_SHA224_RSA_PKCS,         "SHA224-RSA-PKCS",         REMOTE_ALG_RSA_PKCS1,         REMOTE_HASH_SHA224,   true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            NULL },
    { CKM_SHA256_RSA_PKCS,         "SHA256-RSA-PKCS",         REMOTE_ALG_RSA_PKCS1,         REMOTE_HASH_SHA256,   true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            NULL },
    { CKM_SHA384_RSA_PKCS,         "SHA384-RSA-PKCS",         REMOTE_ALG_RSA_PKCS1,         REMOTE_HASH_SHA384,   true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            NULL },
    { CKM_SHA512_RSA_PKCS,         "SHA512-RSA-PKCS",         REMOTE_ALG_RSA_PKCS1,         REMOTE_HASH_SHA512,   true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            NULL },
    { CKM_SHA3_224_RSA_PKCS,       "SHA3-224-RSA-PKCS",       REMOTE_ALG_RSA_PKCS1,         REMOTE_HASH_SHA3_224, true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            NULL },
    { CKM_SHA3_256_RSA_PKCS,       "SHA3-256-RSA-PKCS",       REMOTE_ALG_RSA_PKCS1,         REMOTE_HASH_SHA3_256, true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            NULL },
    { CKM_SHA3_384_RSA_PKCS,       "SHA3-384-RSA-PKCS",       REMOTE_ALG_RSA_PKCS1,         REMOTE_HASH_SHA3_384, true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            NULL },
    { CKM_SHA3_512_RSA_PKCS,       "SHA3-512-RSA-PKCS",       REMOTE_ALG_RSA_PKCS1,         REMOTE_HASH_SHA3_512, true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            NULL },
    { CKM_RSA_PKCS_PSS,            "RSA-PKCS-PSS",            REMOTE_ALG_RSA_PSS,           REMOTE_HASH_NONE,     false, REMOTE_KEY_RSA,      SIGNS,          BOTH,            read_pss },
    { CKM_SHA1_RSA_PKCS_PSS,       "SHA1-RSA-PKCS-PSS",       REMOTE_ALG_RSA_PSS,           REMOTE_HASH_SHA1,     true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            read_pss },
    { CKM_SHA224_RSA_PKCS_PSS,     "SHA224-RSA-PKCS-PSS",     REMOTE_ALG_RSA_PSS,           REMOTE_HASH_SHA224,   true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            read_pss },
    { CKM_SHA256_RSA_PKCS_PSS,     "SHA256-RSA-PKCS-PSS",     REMOTE_ALG_RSA_PSS,           REMOTE_HASH_SHA256,   true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            read_pss },
    { CKM_SHA384_RSA_PKCS_PSS,     "SHA384-RSA-PKCS-PSS",     REMOTE_ALG_RSA_PSS,           REMOTE_HASH_SHA384,   true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            read_pss },
    { CKM_SHA512_RSA_PKCS_PSS,     "SHA512-RSA-PKCS-PSS",     REMOTE_ALG_RSA_PSS,           REMOTE_HASH_SHA512,   true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            read_pss },
    { CKM_SHA3_224_RSA_PKCS_PSS,   "SHA3-224-RSA-PKCS-PSS",   REMOTE_ALG_RSA_PSS,           REMOTE_HASH_SHA3_224, true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            read_pss },
    { CKM_SHA3_256_RSA_PKCS_PSS,   "SHA3-256-RSA-PKCS-PSS",   REMOTE_ALG_RSA_PSS,           REMOTE_HASH_SHA3_256, true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            read_pss },
    { CKM_SHA3_384_RSA_PKCS_PSS,   "SHA3-384-RSA-PKCS-PSS",   REMOTE_ALG_RSA_PSS,           REMOTE_HASH_SHA3_384, true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            read_pss },
    { CKM_SHA3_512_RSA_PKCS_PSS,   "SHA3-512-RSA-PKCS-PSS",   REMOTE_ALG_RSA_PSS,           REMOTE_HASH_SHA3_512, true,  REMOTE_KEY_RSA,      SIGNS,          BOTH,            read_pss },
    { CKM_ECDSA,                   "ECDSA",                   REMOTE_ALG_ECDSA,             REMOTE_HASH_NONE,     false, REMOTE_KEY_EC,       SIGNS,          BOTH,            NULL },
    { CKM_ECDSA_SHA1,              "ECDSA-SHA1",              REMOTE_ALG_ECDSA,             REMOTE_HASH_SHA1,     true,  REMOTE_KEY_EC,       SIGNS,          BOTH,            NULL },
    { CKM_ECDSA_SHA224,            "ECDSA-SHA224",            REMOTE_ALG_ECDSA,             REMOTE_HASH_SHA224,   true,  REMOTE_KEY_EC,       SIGNS,          BOTH,            NULL },
    { CKM_ECDSA_SHA256,            "ECDSA-SHA256",            REMOTE_ALG_ECDSA,             REMOTE_HASH_SHA256,   true,  REMOTE_KEY_EC,       SIGNS,          BOTH,            NULL },
    { CKM_ECDSA_SHA384,            "ECDSA-SHA384",            REMOTE_ALG_ECDSA,             REMOTE_HASH_SHA384,   true,  REMOTE_KEY_EC,       SIGNS,          BOTH,            NULL },
    { CKM_ECDSA_SHA512,            "ECDSA-SHA512",            REMOTE_ALG_ECDSA,             REMOTE_HASH_SHA512,   true,  REMOTE_KEY_EC,       SIGNS,          BOTH,            NULL },
    { CKM_ECDSA_SHA3_224,          "ECDSA-SHA3-224",          REMOTE_ALG_ECDSA,             REMOTE_HASH_SHA3_224, true,  REMOTE_KEY_EC,       SIGNS,          BOTH,            NULL },
    { CKM_ECDSA_SHA3_256,          "ECDSA-SHA3-256",          REMOTE_ALG_ECDSA,             REMOTE_HASH_SHA3_256, true,  REMOTE_KEY_EC,       SIGNS,          BOTH,            NULL },
    { CKM_ECDSA_SHA3_384,          "ECDSA-SHA3-384",          REMOTE_ALG_ECDSA,             REMOTE_HASH_SHA3_384, true,  REMOTE_KEY_EC,       SIGNS,          BOTH,            NULL },
    { CKM_ECDSA_SHA3_512,          "ECDSA-SHA3-512",          REMOTE_ALG_ECDSA,             REMOTE_HASH_SHA3_512, true,  REMOTE_KEY_EC,       SIGNS,          BOTH,            NULL },
    { CKM_EDDSA,                   "EDDSA",                   REMOTE_ALG_EDDSA,             REMOTE_HASH_NONE,     false, REMOTE_KEY_ED25519,  SIGNS,          BOTH,            read_eddsa },
    { CKM_RSA_PKCS,                "RSA-PKCS",                REMOTE_ALG_RSA_PKCS1_ENC,     REMOTE_HASH_NONE,     false, REMOTE_KEY_RSA,      CRYPTS | WRAPS, BOTH,            NULL },
    { CKM_RSA_PKCS_OAEP,           "RSA-PKCS-OAEP",           REMOTE_ALG_RSA_OAEP,          REMOTE_HASH_NONE,     false, REMOTE_KEY_RSA,      CRYPTS | WRAPS, BOTH,            read_oaep },
    { CKM_SHA_1_HMAC,              "SHA-1-HMAC",              REMOTE_ALG_HMAC,              REMOTE_HASH_SHA1,     false, REMOTE_KEY_GENERIC,  SIGNS,          BOTH,            NULL },
    { CKM_SHA224_HMAC,             "SHA224-HMAC",             REMOTE_ALG_HMAC,              REMOTE_HASH_SHA224,   false, REMOTE_KEY_GENERIC,  SIGNS,          BOTH,            NULL },
    { CKM_SHA256_HMAC,             "SHA256-HMAC",             REMOTE_ALG_HMAC,              REMOTE_HASH_SHA256,   false, REMOTE_KEY_GENERIC,  SIGNS,          BOTH,            NULL },
    { CKM_SHA384_HMAC,             "SHA384-HMAC",             REMOTE_ALG_HMAC,              REMOTE_HASH_SHA384,   false, REMOTE_KEY_GENERIC,  SIGNS,          BOTH,            NULL },
    { CKM_SHA512_HMAC,             "SHA512-HMAC",             REMOTE_ALG_HMAC,              REMOTE_HASH_SHA512,   false, REMOTE_KEY_GENERIC,  SIGNS,          BOTH,            NULL },
    { CKM_SHA3_224_HMAC,           "SHA3-224-HMAC",           REMOTE_ALG_HMAC,              REMOTE_HASH_SHA3_224, false, REMOTE_KEY_GENERIC,  SIGNS,          BOTH,            NULL },
    { CKM_SHA3_256_HMAC,           "SHA3-256-HMAC",           REMOTE_ALG_HMAC,              REMOTE_HASH_SHA3_256, false, REMOTE_KEY_GENERIC,  SIGNS,          BOTH,            NULL },
    { CKM_SHA3_384_HMAC,           "SHA3-384-HMAC",           REMOTE_ALG_HMAC,              REMOTE_HASH_SHA3_384, false, REMOTE_KEY_GENERIC,  SIGNS,          BOTH,            NULL },
    { CKM_SHA3_512_HMAC,           "SHA3-512-HMAC",           REMOTE_ALG_HMAC,              REMOTE_HASH_SHA3_512, false, REMOTE_KEY_GENERIC,  SIGNS,          BOTH,            NULL },
    { CKM_SHA_1_HMAC_GENERAL,      "SHA-1-HMAC-GENERAL",      REMOTE_ALG_HMAC,              REMOTE_HASH_SHA1,     false, REMOTE_KEY_GENERIC,  SIGNS,          HERE,            read_mac_general },
    { CKM_SHA224_HMAC_GENERAL,     "SHA224-HMAC-GENERAL",     REMOTE_ALG_HMAC,              REMOTE_HASH_SHA224,   false, REMOTE_KEY_GENERIC,  SIGNS,          HERE,            read_mac_general },
    { CKM_SHA256_HMAC_GENERAL,     "SHA256-HMAC-GENERAL",     REMOTE_ALG_HMAC,              REMOTE_HASH_SHA256,   false, REMOTE_KEY_GENERIC,  SIGNS,          HERE,            read_mac_general },
    { CKM_SHA384_HMAC_GENERAL,     "SHA384-HMAC-GENERAL",     REMOTE_ALG_HMAC,              REMOTE_HASH_SHA384,   false, REMOTE_KEY_GENERIC,  SIGNS,          HERE,            read_mac_general },
    { CKM_SHA512_HMAC_GENERAL,     "SHA512-HMAC-GENERAL",     REMOTE_ALG_HMAC,              REMOTE_HASH_SHA512,   false, REMOTE_KEY_GENERIC,  SIGNS,          HERE,            read_mac_general },
    { CKM_SHA3_224_HMAC_GENERAL,   "SHA3-224-HMAC-GENERAL",   REMOTE_ALG_HMAC,              REMOTE_HASH_SHA3_224, false, REMOTE_KEY_GENERIC,  SIGNS,          HERE,            read_mac_general },
    { CKM_SHA3_256_HMAC_GENERAL,   "SHA3-256-HMAC-GENERAL",   REMOTE_ALG_HMAC,              REMOTE_HASH_SHA3_256, false, REMOTE_KEY_GENERIC,  SIGNS,          HERE,            read_mac_general },
    { CKM_SHA3_384_HMAC_GENERAL,   "SHA3-384-HMAC-GENERAL",   REMOTE_ALG_HMAC,              REMOTE_HASH_SHA3_384, false, REMOTE_KEY_GENERIC,  SIGNS,          HERE,            read_mac_general },
    { CKM_SHA3_512_HMAC_GENERAL,   "SHA3-512-HMAC-GENERAL",   REMOTE_ALG_HMAC,              REMOTE_HASH_SHA3_512, false, REMOTE_KEY_GENERIC,  SIGNS,          HERE,            read_mac_general },
    { CKM_AES_ECB,                 "AES-ECB",                 REMOTE_ALG_AES_ECB,           REMOTE_HASH_NONE,     false, REMOTE_KEY_AES,      CRYPTS,         HERE,            NULL },
    { CKM_AES_CBC,                 "AES-CBC",                 REMOTE_ALG_AES_CBC,           REMOTE_HASH_NONE,     false, REMOTE_KEY_AES,      CRYPTS,         BOTH,            read_block_iv },
    { CKM_AES_CBC_PAD,             "AES-CBC-PAD",             REMOTE_ALG_AES_CBC_PAD,       REMOTE_HASH_NONE,     false, REMOTE_KEY_AES,      CRYPTS | WRAPS, BOTH,            read_block_iv },
    { CKM_AES_CTR,                 "AES-CTR",                 REMOTE_ALG_AES_CTR,           REMOTE_HASH_NONE,     false, REMOTE_KEY_AES,      CRYPTS,         HERE,            read_ctr },
    { CKM_AES_GCM,                 "AES-GCM",                 REMOTE_ALG_AES_GCM,           REMOTE_HASH_NONE,     false, REMOTE_KEY_AES,      CRYPTS,         BOTH | MESSAGES, read_gcm },
    { CKM_AES_KEY_WRAP,            "AES-KEY-WRAP",            REMOTE_ALG_AES_KEY_WRAP,      REMOTE_HASH_NONE,     false, REMOTE_KEY_AES,      CRYPTS | WRAPS, BOTH,            read_wrap_iv },
    { CKM_AES_KEY_WRAP_KWP,        "AES-KEY-WRAP-KWP",        REMOTE_ALG_AES_KEY_WRAP_KWP,  REMOTE_HASH_NONE,     false, REMOTE_KEY_AES,      CRYPTS | WRAPS, HERE,            read_wrap_iv },
    { CKM_CHACHA20_POLY1305,       "CHACHA20-POLY1305",       REMOTE_ALG_CHACHA20_POLY1305, REMOTE_HASH_NONE,     false, REMOTE_KEY_CHACHA20, CRYPTS,         HERE,            read_chacha20 },
    { CKM_HSMBRIDGE_AEAD,          "HSMBRIDGE-AEAD",          REMOTE_ALG_AEAD,              REMOTE_HASH_NONE,     false, REMOTE_KEY_AES,      CRYPTS | WRAPS, THERE,           read_associated },
    { CKM_HSMBRIDGE_AEAD,          "HSMBRIDGE-AEAD",          REMOTE_ALG_AEAD,              REMOTE_HASH_NONE,     false, REMOTE_KEY_CHACHA20, CRYPTS | WRAPS, THERE,           read_associated },
    { CKM_AES_KEY_GEN,             "AES-KEY-GEN",             REMOTE_ALG_KEY_GEN,           REMOTE_HASH_NONE,     false, REMOTE_KEY_AES,      MAKES,          BOTH,            NULL },
    { CKM_CHACHA20_KEY_GEN,        "CHACHA20-KEY-GEN",        REMOTE_ALG_KEY_GEN,           REMOTE_HASH_NONE,     false, REMOTE_KEY_CHACHA20, MAKES,          BOTH,            NULL },
    { CKM_GENERIC_SECRET_KEY_GEN,  "GENERIC-SECRET-KEY-GEN",  REMOTE_ALG_KEY_GEN,           REMOTE_HASH_NONE,     false, REMOTE_KEY_GENERIC,  MAKES,          BOTH,            NULL },
    { CKM_RSA_PKCS_KEY_PAIR_GEN,   "RSA-PKCS-KEY-PAIR-GEN",   REMOTE_ALG_KEY_GEN,           REMOTE_HASH_NONE,     false, REMOTE_KEY_RSA,      MAKES,          BOTH,            NULL },
    { CKM_EC_KEY_PAIR_GEN,         "EC-KEY-PAIR-GEN",         REMOTE_ALG_KEY_GEN,           REMOTE_HASH_NONE,     false, REMOTE_KEY_EC,       MAKES,          BOTH,            NULL },
    { CKM_EC_EDWARDS_KEY_PAIR_GEN, "EC-EDWARDS-KEY-PAIR-GEN", REMOTE_ALG_KEY_GEN,           REMOTE_HASH_NONE,     false, REMOTE_KEY_ED25519,  MAKES,          BOTH,            NULL },
    { CKM_HSMBRIDGE_DATA_KEY,      "HSMBRIDGE-DATA-KEY",      REMOTE_ALG_DATA_KEY,          REMOTE_HASH_NONE,     false, REMOTE_KEY_AES,      MAKES,          THERE,           read_data_key },
    { CKM_HSMBRIDGE_DATA_KEY,      "HSMBRIDGE-DATA-KEY",      REMOTE_ALG_DATA_KEY,          REMOTE_HASH_NONE,     false, REMOTE_KEY_CHACHA20, MAKES,          THERE,           read_data_key },
    { CKM_HSMBRIDGE_BIGDL_NAME,    "HSMBRIDGE-BIGDL-NAME",    REMOTE_ALG_BIGDL_NAME,        REMOTE_HASH_NONE,     false, REMOTE_KEY_AES,      REMOTE_USE_UNWRAP, THERE,        NULL },
    { CKM_HSMBRIDGE_FHE_DECRYPT,   "HSMBRIDGE-FHE-DECRYPT",   REMOTE_ALG_FHE,               REMOTE_HASH_NONE,     false, REMOTE_KEY_FHE,      REMOTE_USE_DECRYPT, THERE,       read_fhe },
    { CKM_HSMBRIDGE_SM2_SM3,       "HSMBRIDGE-SM2-SM3",       REMOTE_ALG_SM2,               REMOTE_HASH_NONE,     false, REMOTE_KEY_SM2,      SIGNS,          THERE,           NULL },
    { CKM_HSMBRIDGE_SM4,           "HSMBRIDGE-SM4",           REMOTE_ALG_SM4,               REMOTE_HASH_NONE,     false, REMOTE_KEY_SM4,      CRYPTS,         THERE,           NULL },
    { CKM_HSMBRIDGE_SM2_KEY_GEN,   "HSMBRIDGE-SM2-KEY-GEN",   REMOTE_ALG_KEY_GEN,           REMOTE_HASH_NONE,     false, REMOTE_KEY_SM2,      MAKES,          THERE,           NULL },
};
/* clang-format on */
const size_t remote_mechanism_count = ARRAY_SIZE(remote_mechanisms);

static bool fits(const struct remote_mechanism *row, CK_MECHANISM_TYPE ckm,
                 enum remote_key_type key_type, enum remote_use use)
{
    return row->ckm == ckm && (key_type == REMOTE_KEY_TYPE_COUNT || row->key == key_type) &&
           (use == 0 || (row->uses & use) != 0);
}

static const struct remote_mechanism *search(CK_MECHANISM_TYPE ckm, enum remote_key_type key_type,
                                             enum remote_use use)
{
    for (size_t i = 0; i < remote_mechanism_count; i++)
        if (fits(&remote_mechanisms[i], ckm, key_type, use))
            return &remote_mechanisms[i];
    return NULL;
}

/*
 * Programs use one mechanism again and again, and the table is some 5 KiB: the row that was found
 * last is tried first. For one key type and one use no two rows fit.
 */
const struct remote_mechanism *remote_mechanism_find(CK_MECHANISM_TYPE ckm,
                                                     enum remote_key_type key_type,
                                                     enum remote_use use)
{
    static _Atomic(const struct remote_mechanism *) last;
    const struct remote_mechanism *row = atomic_load_explicit(&last, memory_order_relaxed);

    if (key_type == REMOTE_KEY_TYPE_COUNT || use == 0)
        return search(ckm, key_type, use);
    if (row != NULL && fits(row, ckm, key_type, use))
        return row;
    row = search(ckm, key_type, use);
    if (row != NULL)
        atomic_store_explicit(&last, row, memory_order_relaxed);
    return row;
}

static bool same_name(const char *given, const char *name)
{
    for (; *given != '\0' && *name != '\0'; given++, name++) {
        int c = *given == '_' ? '-' : toupper((unsigned char)*given);

        if (c != *name)
            return false;
    }
    return *given == *name;
}

const struct remote_mechanism *remote_mechanism_by_name(const char *name)
{
    if (strncasecmp(name, "CKM_", 4) == 0 || strncasecmp(name, "CKM-", 4) == 0)
        name += 4;
    for (size_t i = 0; i < remote_mechanism_count; i++) {
        if (same_name(name, remote_mechanisms[i].name))
            return &remote_mechanisms[i];
    }
    return NULL;
}

enum remote_rc remote_mechanism_params(const struct remote_mechanism *row, const void *parameter,
                                       size_t len, struct remote_params *params,
                                       struct remote_error *err)
{
    struct remote_params read = { .alg = row->alg, .hash = row->hash };

    if (row->read != NULL)
        REMOTE_TRY(row->read(row, parameter, len, &read, err));
    else if (parameter != NULL && len != 0)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s takes no parameter, %zu bytes were given",
                           row->name, len);
    *params = read;
    return REMOTE_OK;
}
