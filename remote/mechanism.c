/* SPDX-License-Identifier: Apache-2.0 */
#include "mechanism.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* PKCS#11 structures are packed on Windows only; a parameter is recognised by its size. */
_Static_assert(sizeof(CK_RSA_PKCS_PSS_PARAMS) == 3 * sizeof(CK_ULONG), "not packed, not padded");
_Static_assert(sizeof(CK_RSA_PKCS_OAEP_PARAMS) == 5 * sizeof(CK_ULONG), "not packed, not padded");
_Static_assert(sizeof(CK_EDDSA_PARAMS) == 3 * sizeof(CK_ULONG), "phFlag is padded");

/* RFC 8017 9.1.1: emLen >= hLen + sLen + 2; the largest modulus that we take has 8192 bits. */
#define PSS_EM_LEN_MAX 1024
/* The label is hashed, so any length would do; nobody sends one this long. */
#define OAEP_LABEL_MAX 65536

/* clang-format off */
static const char *const key_type_names[REMOTE_KEY_TYPE_COUNT] = {
    [REMOTE_KEY_RSA]      = "rsa",
    [REMOTE_KEY_EC]       = "ec",
    [REMOTE_KEY_ED25519]  = "ed25519",
    [REMOTE_KEY_AES]      = "aes",
    [REMOTE_KEY_CHACHA20] = "chacha20",
    [REMOTE_KEY_GENERIC]  = "hmac",
};
/* clang-format on */

const char *remote_key_type_name(enum remote_key_type type)
{
    return (unsigned)type < REMOTE_KEY_TYPE_COUNT ? key_type_names[type] : "unknown";
}

bool remote_key_type_symmetric(enum remote_key_type type)
{
    return type == REMOTE_KEY_AES || type == REMOTE_KEY_CHACHA20 || type == REMOTE_KEY_GENERIC;
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

#define SIGNS (REMOTE_USE_SIGN | REMOTE_USE_VERIFY)
#define CRYPTS (REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT)

/* clang-format off */
const struct remote_mechanism remote_mechanisms[] = {
    /* ckm                     name                     alg                       hash                  here   key                 uses    read */
    { CKM_RSA_PKCS,              "RSA-PKCS",              REMOTE_ALG_RSA_PKCS1,     REMOTE_HASH_NONE,     false, REMOTE_KEY_RSA,     SIGNS,  NULL },
    { CKM_SHA1_RSA_PKCS,         "SHA1-RSA-PKCS",         REMOTE_ALG_RSA_PKCS1,     REMOTE_HASH_SHA1,     true,  REMOTE_KEY_RSA,     SIGNS,  NULL },
    { CKM_SHA224_RSA_PKCS,       "SHA224-RSA-PKCS",       REMOTE_ALG_RSA_PKCS1,     REMOTE_HASH_SHA224,   true,  REMOTE_KEY_RSA,     SIGNS,  NULL },
    { CKM_SHA256_RSA_PKCS,       "SHA256-RSA-PKCS",       REMOTE_ALG_RSA_PKCS1,     REMOTE_HASH_SHA256,   true,  REMOTE_KEY_RSA,     SIGNS,  NULL },
    { CKM_SHA384_RSA_PKCS,       "SHA384-RSA-PKCS",       REMOTE_ALG_RSA_PKCS1,     REMOTE_HASH_SHA384,   true,  REMOTE_KEY_RSA,     SIGNS,  NULL },
    { CKM_SHA512_RSA_PKCS,       "SHA512-RSA-PKCS",       REMOTE_ALG_RSA_PKCS1,     REMOTE_HASH_SHA512,   true,  REMOTE_KEY_RSA,     SIGNS,  NULL },
    { CKM_SHA3_224_RSA_PKCS,     "SHA3-224-RSA-PKCS",     REMOTE_ALG_RSA_PKCS1,     REMOTE_HASH_SHA3_224, true,  REMOTE_KEY_RSA,     SIGNS,  NULL },
    { CKM_SHA3_256_RSA_PKCS,     "SHA3-256-RSA-PKCS",     REMOTE_ALG_RSA_PKCS1,     REMOTE_HASH_SHA3_256, true,  REMOTE_KEY_RSA,     SIGNS,  NULL },
    { CKM_SHA3_384_RSA_PKCS,     "SHA3-384-RSA-PKCS",     REMOTE_ALG_RSA_PKCS1,     REMOTE_HASH_SHA3_384, true,  REMOTE_KEY_RSA,     SIGNS,  NULL },
    { CKM_SHA3_512_RSA_PKCS,     "SHA3-512-RSA-PKCS",     REMOTE_ALG_RSA_PKCS1,     REMOTE_HASH_SHA3_512, true,  REMOTE_KEY_RSA,     SIGNS,  NULL },
    { CKM_RSA_PKCS_PSS,          "RSA-PKCS-PSS",          REMOTE_ALG_RSA_PSS,       REMOTE_HASH_NONE,     false, REMOTE_KEY_RSA,     SIGNS,  read_pss },
    { CKM_SHA1_RSA_PKCS_PSS,     "SHA1-RSA-PKCS-PSS",     REMOTE_ALG_RSA_PSS,       REMOTE_HASH_SHA1,     true,  REMOTE_KEY_RSA,     SIGNS,  read_pss },
    { CKM_SHA224_RSA_PKCS_PSS,   "SHA224-RSA-PKCS-PSS",   REMOTE_ALG_RSA_PSS,       REMOTE_HASH_SHA224,   true,  REMOTE_KEY_RSA,     SIGNS,  read_pss },
    { CKM_SHA256_RSA_PKCS_PSS,   "SHA256-RSA-PKCS-PSS",   REMOTE_ALG_RSA_PSS,       REMOTE_HASH_SHA256,   true,  REMOTE_KEY_RSA,     SIGNS,  read_pss },
    { CKM_SHA384_RSA_PKCS_PSS,   "SHA384-RSA-PKCS-PSS",   REMOTE_ALG_RSA_PSS,       REMOTE_HASH_SHA384,   true,  REMOTE_KEY_RSA,     SIGNS,  read_pss },
    { CKM_SHA512_RSA_PKCS_PSS,   "SHA512-RSA-PKCS-PSS",   REMOTE_ALG_RSA_PSS,       REMOTE_HASH_SHA512,   true,  REMOTE_KEY_RSA,     SIGNS,  read_pss },
    { CKM_SHA3_224_RSA_PKCS_PSS, "SHA3-224-RSA-PKCS-PSS", REMOTE_ALG_RSA_PSS,       REMOTE_HASH_SHA3_224, true,  REMOTE_KEY_RSA,     SIGNS,  read_pss },
    { CKM_SHA3_256_RSA_PKCS_PSS, "SHA3-256-RSA-PKCS-PSS", REMOTE_ALG_RSA_PSS,       REMOTE_HASH_SHA3_256, true,  REMOTE_KEY_RSA,     SIGNS,  read_pss },
    { CKM_SHA3_384_RSA_PKCS_PSS, "SHA3-384-RSA-PKCS-PSS", REMOTE_ALG_RSA_PSS,       REMOTE_HASH_SHA3_384, true,  REMOTE_KEY_RSA,     SIGNS,  read_pss },
    { CKM_SHA3_512_RSA_PKCS_PSS, "SHA3-512-RSA-PKCS-PSS", REMOTE_ALG_RSA_PSS,       REMOTE_HASH_SHA3_512, true,  REMOTE_KEY_RSA,     SIGNS,  read_pss },
    { CKM_ECDSA,                 "ECDSA",                 REMOTE_ALG_ECDSA,         REMOTE_HASH_NONE,     false, REMOTE_KEY_EC,      SIGNS,  NULL },
    { CKM_ECDSA_SHA1,            "ECDSA-SHA1",            REMOTE_ALG_ECDSA,         REMOTE_HASH_SHA1,     true,  REMOTE_KEY_EC,      SIGNS,  NULL },
    { CKM_ECDSA_SHA224,          "ECDSA-SHA224",          REMOTE_ALG_ECDSA,         REMOTE_HASH_SHA224,   true,  REMOTE_KEY_EC,      SIGNS,  NULL },
    { CKM_ECDSA_SHA256,          "ECDSA-SHA256",          REMOTE_ALG_ECDSA,         REMOTE_HASH_SHA256,   true,  REMOTE_KEY_EC,      SIGNS,  NULL },
    { CKM_ECDSA_SHA384,          "ECDSA-SHA384",          REMOTE_ALG_ECDSA,         REMOTE_HASH_SHA384,   true,  REMOTE_KEY_EC,      SIGNS,  NULL },
    { CKM_ECDSA_SHA512,          "ECDSA-SHA512",          REMOTE_ALG_ECDSA,         REMOTE_HASH_SHA512,   true,  REMOTE_KEY_EC,      SIGNS,  NULL },
    { CKM_ECDSA_SHA3_224,        "ECDSA-SHA3-224",        REMOTE_ALG_ECDSA,         REMOTE_HASH_SHA3_224, true,  REMOTE_KEY_EC,      SIGNS,  NULL },
    { CKM_ECDSA_SHA3_256,        "ECDSA-SHA3-256",        REMOTE_ALG_ECDSA,         REMOTE_HASH_SHA3_256, true,  REMOTE_KEY_EC,      SIGNS,  NULL },
    { CKM_ECDSA_SHA3_384,        "ECDSA-SHA3-384",        REMOTE_ALG_ECDSA,         REMOTE_HASH_SHA3_384, true,  REMOTE_KEY_EC,      SIGNS,  NULL },
    { CKM_ECDSA_SHA3_512,        "ECDSA-SHA3-512",        REMOTE_ALG_ECDSA,         REMOTE_HASH_SHA3_512, true,  REMOTE_KEY_EC,      SIGNS,  NULL },
    { CKM_EDDSA,                 "EDDSA",                 REMOTE_ALG_EDDSA,         REMOTE_HASH_NONE,     false, REMOTE_KEY_ED25519, SIGNS,  read_eddsa },
    { CKM_RSA_PKCS,              "RSA-PKCS",              REMOTE_ALG_RSA_PKCS1_ENC, REMOTE_HASH_NONE,     false, REMOTE_KEY_RSA,     CRYPTS, NULL },
    { CKM_RSA_PKCS_OAEP,         "RSA-PKCS-OAEP",         REMOTE_ALG_RSA_OAEP,      REMOTE_HASH_NONE,     false, REMOTE_KEY_RSA,     CRYPTS, read_oaep },
    { CKM_SHA_1_HMAC,            "SHA-1-HMAC",            REMOTE_ALG_HMAC,          REMOTE_HASH_SHA1,     false, REMOTE_KEY_GENERIC, SIGNS,  NULL },
    { CKM_SHA224_HMAC,           "SHA224-HMAC",           REMOTE_ALG_HMAC,          REMOTE_HASH_SHA224,   false, REMOTE_KEY_GENERIC, SIGNS,  NULL },
    { CKM_SHA256_HMAC,           "SHA256-HMAC",           REMOTE_ALG_HMAC,          REMOTE_HASH_SHA256,   false, REMOTE_KEY_GENERIC, SIGNS,  NULL },
    { CKM_SHA384_HMAC,           "SHA384-HMAC",           REMOTE_ALG_HMAC,          REMOTE_HASH_SHA384,   false, REMOTE_KEY_GENERIC, SIGNS,  NULL },
    { CKM_SHA512_HMAC,           "SHA512-HMAC",           REMOTE_ALG_HMAC,          REMOTE_HASH_SHA512,   false, REMOTE_KEY_GENERIC, SIGNS,  NULL },
    { CKM_SHA3_224_HMAC,         "SHA3-224-HMAC",         REMOTE_ALG_HMAC,          REMOTE_HASH_SHA3_224, false, REMOTE_KEY_GENERIC, SIGNS,  NULL },
    { CKM_SHA3_256_HMAC,         "SHA3-256-HMAC",         REMOTE_ALG_HMAC,          REMOTE_HASH_SHA3_256, false, REMOTE_KEY_GENERIC, SIGNS,  NULL },
    { CKM_SHA3_384_HMAC,         "SHA3-384-HMAC",         REMOTE_ALG_HMAC,          REMOTE_HASH_SHA3_384, false, REMOTE_KEY_GENERIC, SIGNS,  NULL },
    { CKM_SHA3_512_HMAC,         "SHA3-512-HMAC",         REMOTE_ALG_HMAC,          REMOTE_HASH_SHA3_512, false, REMOTE_KEY_GENERIC, SIGNS,  NULL },
};
/* clang-format on */
const size_t remote_mechanism_count = ARRAY_SIZE(remote_mechanisms);

const struct remote_mechanism *remote_mechanism_find(CK_MECHANISM_TYPE ckm,
                                                     enum remote_key_type key_type,
                                                     enum remote_use use)
{
    for (size_t i = 0; i < remote_mechanism_count; i++) {
        const struct remote_mechanism *row = &remote_mechanisms[i];

        if (row->ckm == ckm && (key_type == REMOTE_KEY_TYPE_COUNT || row->key == key_type) &&
            (use == 0 || (row->uses & use) != 0))
            return row;
    }
    return NULL;
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
