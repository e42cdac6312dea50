/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of mechanisms, and the core's own words for algorithms. A row says which CKM
 * it is, which core algorithm, which hash is computed here, for which key type, and how its
 * parameter is read. Mechanism lists, every Init check, the provider's algorithms and the
 * documentation read these rows, filtered by what a backend supports.
 */
#ifndef REMOTE_MECHANISM_H
#define REMOTE_MECHANISM_H

#include "buf.h"
#include "ck.h"

enum remote_key_type {
    REMOTE_KEY_RSA,
    REMOTE_KEY_EC,
    REMOTE_KEY_ED25519,
    REMOTE_KEY_AES,
    REMOTE_KEY_CHACHA20,
    REMOTE_KEY_GENERIC, /* HMAC */
    REMOTE_KEY_FHE,     /* of homomorphic encryption: a pair, whose public half is not served */
    REMOTE_KEY_SM2,
    REMOTE_KEY_SM4,
    REMOTE_KEY_TYPE_COUNT
};
/* "rsa", "ec", "ed25519", "aes", "chacha20", "hmac", "fhe", "sm2", "sm4": the words of `key_types`.
 */
const char *remote_key_type_name(enum remote_key_type type);
bool remote_key_type_symmetric(enum remote_key_type type);

enum remote_hash {
    REMOTE_HASH_NONE,
    REMOTE_HASH_SHA1,
    REMOTE_HASH_SHA224,
    REMOTE_HASH_SHA256,
    REMOTE_HASH_SHA384,
    REMOTE_HASH_SHA512,
    REMOTE_HASH_SHA3_224,
    REMOTE_HASH_SHA3_256,
    REMOTE_HASH_SHA3_384,
    REMOTE_HASH_SHA3_512,
    REMOTE_HASH_COUNT
};
size_t remote_hash_size(enum remote_hash hash);      /* bytes; 0 for NONE */
const char *remote_hash_name(enum remote_hash hash); /* libcrypto's: "SHA2-256" */
CK_MECHANISM_TYPE remote_hash_ckm(enum remote_hash hash);
enum remote_hash remote_hash_of_ckm(CK_MECHANISM_TYPE ckm); /* NONE: not a hash we know */
CK_RSA_PKCS_MGF_TYPE remote_hash_mgf(enum remote_hash hash);
enum remote_hash remote_hash_of_mgf(CK_RSA_PKCS_MGF_TYPE mgf); /* NONE: unknown */

enum remote_alg {
    REMOTE_ALG_NONE,
    REMOTE_ALG_RSA_PKCS1, /* signature; hash NONE: any block up to k-11, else a digest */
    REMOTE_ALG_RSA_PSS,   /* a digest of params.hash */
    REMOTE_ALG_ECDSA,     /* a digest; hash NONE: of any length. Result r||s */
    REMOTE_ALG_EDDSA,     /* the message */
    REMOTE_ALG_RSA_PKCS1_ENC,
    REMOTE_ALG_RSA_OAEP,
    REMOTE_ALG_AES_GCM,     /* result and input nonce(12) || ciphertext || tag(16) */
    REMOTE_ALG_AEAD,        /* the service's own sealed bytes */
    REMOTE_ALG_HMAC,        /* the message */
    REMOTE_ALG_AES_CBC,     /* params.iv; whole blocks */
    REMOTE_ALG_AES_CBC_PAD, /* params.iv */
    REMOTE_ALG_AES_KEY_WRAP,
    REMOTE_ALG_BIGDL_NAME, /* unwraps; the input is the name of a data key */
    REMOTE_ALG_FHE,        /* params.fhe; decrypts only */
    REMOTE_ALG_SM2,        /* the message, signed with SM3 and the usual id. Result r||s */
    REMOTE_ALG_SM4,        /* the service's own bytes, which nothing authenticates */
    /* of session keys only, by libcrypto */
    REMOTE_ALG_AES_ECB,
    REMOTE_ALG_AES_CTR,
    REMOTE_ALG_CHACHA20_POLY1305,
    REMOTE_ALG_AES_KEY_WRAP_KWP,
    /* of none yet */
    REMOTE_ALG_KEY_GEN,
    REMOTE_ALG_DATA_KEY,
    REMOTE_ALG_COUNT
};

#define REMOTE_FHE_FORMAT_TOLD (-1) /* the ciphertext's own header says it */

/* Of a public decryption; hsmbridge.h describes each. The handle is params.iv. */
struct remote_fhe_params {
    int type, format;
    unsigned char *proof; /* the caller's room, used until the operation has ended; NULL: none */
    unsigned long *proof_len; /* bytes of it, then bytes used; NULL: no proof is wanted */
};

/* How one operation is to be done. Plain data; the slices are borrowed. */
struct remote_params {
    enum remote_alg alg;
    enum remote_hash hash;     /* of the digest handed over, of OAEP, of HMAC */
    enum remote_hash mgf_hash; /* PSS, OAEP */
    size_t salt_len;           /* PSS, bytes */
    struct remote_slice aad;   /* AEAD associated data, OAEP label */
    struct remote_slice iv;    /* AES modes, ChaCha20-Poly1305, FHE: what the caller chose */
    size_t tag_len;            /* bytes of an AEAD's tag; HMAC: of what is kept, 0: all */
    unsigned counter_bits;     /* AES-CTR */
    struct remote_fhe_params fhe;
    bool pinned;         /* decrypt with this version alone, whatever comes of it */
    bool wrapping;       /* a key is wrapped or unwrapped: services may have words for that */
    int64_t deadline_ms; /* monotonic; where the caller waits less long than the slot does; 0 */
};

/* what a key may be used for; bits */
enum remote_use {
    REMOTE_USE_SIGN = 1u << 0,
    REMOTE_USE_VERIFY = 1u << 1,
    REMOTE_USE_ENCRYPT = 1u << 2,
    REMOTE_USE_DECRYPT = 1u << 3,
    REMOTE_USE_WRAP = 1u << 4,
    REMOTE_USE_UNWRAP = 1u << 5,
    REMOTE_USE_GENERATE = 1u << 6 /* of mechanisms: makes such a key */
};

/* who serves a mechanism, and in which functions; bits */
enum remote_served {
    REMOTE_SERVED_THERE = 1u << 0,    /* with keys of the service, where it can */
    REMOTE_SERVED_HERE = 1u << 1,     /* with session keys, whatever the service is */
    REMOTE_SERVED_MESSAGES = 1u << 2, /* by message-based functions too */
};

struct remote_mechanism {
    CK_MECHANISM_TYPE ckm;
    const char *name; /* "ECDSA-SHA256": the CKM's name without CKM_, '-' for '_' */
    enum remote_alg alg;
    enum remote_hash hash; /* fixed by the mechanism; NONE: raw, or the parameter says */
    bool hash_here;        /* the caller hands the message, we digest it */
    enum remote_key_type key;
    unsigned uses;   /* REMOTE_USE_* */
    unsigned served; /* REMOTE_SERVED_* */
    /* Reads CK_MECHANISM's parameter into params; NULL: there must be none. */
    enum remote_rc (*read)(const struct remote_mechanism *row, const void *parameter, size_t len,
                           struct remote_params *params, struct remote_error *err);
};

extern const struct remote_mechanism remote_mechanisms[];
extern const size_t remote_mechanism_count;

/*
 * The row for this CKM, key type and use (one CKM may both sign and encrypt). key_type COUNT: any;
 * use 0: any. The first that fits; NULL: none.
 */
const struct remote_mechanism *remote_mechanism_find(CK_MECHANISM_TYPE ckm,
                                                     enum remote_key_type key_type,
                                                     enum remote_use use);
/* Case does not matter, nor whether it begins with CKM_, nor '_' or '-'. The first that fits. */
const struct remote_mechanism *remote_mechanism_by_name(const char *name);
/*
 * Turns a mechanism and its parameter into params. REMOTE_E_PARAM: a wrong, missing or surplus
 * parameter. params->aad and iv point into what the parameter holds.
 */
enum remote_rc remote_mechanism_params(const struct remote_mechanism *row, const void *parameter,
                                       size_t len, struct remote_params *params,
                                       struct remote_error *err) REMOTE_MUST_CHECK;

#endif
