/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zama's threshold KMS (kms-core): what its parts share. A slot has one party (centralized) or n of
 * them; every party answers a public decryption by itself, and an answer counts when it is
 * authentic under what the configuration pins for that party. Sizes are bytes.
 */
#ifndef REMOTE_ZAMA_H
#define REMOTE_ZAMA_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/buf.h"
#include "remote/error.h"

#define ZAMA_PARTIES_MAX 32
#define ZAMA_ID_LEN 32                /* request, key, context and epoch ids; 64 hex digits */
#define ZAMA_HASH_LEN 32              /* Keccak-256, SHA-256, an EIP-712 hash */
#define ZAMA_ADDRESS_LEN 20           /* of a secp256k1 key: the end of its Keccak-256 */
#define ZAMA_POINT_LEN 33             /* a compressed secp256k1 point (SEC 1) */
#define ZAMA_ED25519_LEN 32           /* a raw Ed25519 public key (RFC 8032) */
#define ZAMA_HANDLE_LEN 32            /* external handles, at most */
#define ZAMA_MESSAGE_MAX (100u << 20) /* the server's own limit of one message */
#define ZAMA_SIGNATURE_LEN 65         /* r || s || v, v = 27 or 28 */

/* kms.v1 SigningSchemeType; the post-quantum ones cannot be checked with OpenSSL 3. */
enum zama_scheme { ZAMA_ECDSA256K1 = 0, ZAMA_ED25519 = 1 };

/* kms.v1 CiphertextFormat */
enum zama_format {
    ZAMA_SMALL_COMPRESSED = 0,
    ZAMA_SMALL_EXPANDED = 1,
    ZAMA_BIG_COMPRESSED = 2,
    ZAMA_BIG_EXPANDED = 3,
};

/* The EIP-712 domain that a deployment signs its answers for; from the slot's configuration. */
struct zama_domain {
    char *name, *version;
    uint8_t chain_id[32]; /* big-endian */
    uint8_t verifying_contract[ZAMA_ADDRESS_LEN];
    uint8_t salt[32];
    bool has_salt;
};

/* What is pinned of a party: an address or a point, and perhaps an Ed25519 key. */
struct zama_pin {
    uint8_t address[ZAMA_ADDRESS_LEN];
    uint8_t point[ZAMA_POINT_LEN];
    uint8_t ed25519[ZAMA_ED25519_LEN];
    bool has_address, has_point, has_ed25519; /* a point implies its address */
};

struct zama_ciphertext {
    struct remote_slice bytes; /* borrowed */
    int32_t fhe_type;          /* tfhe's FheTypes: 0 bool, 2 uint8, ... 8 uint256 */
    enum zama_format format;
    uint8_t handle[ZAMA_HANDLE_LEN]; /* as it is signed: left-padded with zeros */
};

/* One public decryption: the same bytes for every party, with ids that are fresh and random. */
struct zama_question {
    uint8_t request_id[ZAMA_ID_LEN], key_id[ZAMA_ID_LEN];
    uint8_t context_id[ZAMA_ID_LEN], epoch_id[ZAMA_ID_LEN];
    const struct zama_domain *domain;
    struct remote_slice extra_data;      /* borrowed; comes back in the answer as it is */
    unsigned schemes;                    /* bits 1u << enum zama_scheme, that are asked for */
    struct zama_ciphertext *ciphertexts; /* borrowed */
    size_t count;
};

/* ---- zama_message.c: protobuf, by libprotobuf-c from kms.proto ---- */
/* Appends a kms.v1.PublicDecryptionRequest. */
enum remote_rc zama_question_write(const struct zama_question *question, struct remote_buf *ret,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
/* Appends a kms.v1.RequestId. */
enum remote_rc zama_request_id_write(const uint8_t id[ZAMA_ID_LEN], struct remote_buf *ret,
                                     struct remote_error *err) REMOTE_MUST_CHECK;

struct zama_ids { /* owned */
    uint8_t (*ids)[ZAMA_ID_LEN];
    size_t count;
};
/* The key ids of a kms.v1.KeyMaterialAvailabilityResponse. REMOTE_E_PROTOCOL: it is none. */
enum remote_rc zama_availability_read(struct remote_slice message, struct zama_ids *ret,
                                      struct remote_error *err) REMOTE_MUST_CHECK;
void zama_ids_clear(struct zama_ids *ids);

enum zama_status { ZAMA_UNKNOWN, ZAMA_OPTIMAL, ZAMA_HEALTHY, ZAMA_DEGRADED, ZAMA_UNHEALTHY };
struct zama_health {         /* of kms.v1.HealthStatusResponse, in the slot's context */
    bool centralized;        /* its node type */
    enum zama_status status; /* ZAMA_UNKNOWN: centralized, or nothing said of this context */
    unsigned party_id, needed, reachable; /* 0: not said */
    size_t keys;
};
enum remote_rc zama_health_read(struct remote_slice message, const uint8_t context_id[ZAMA_ID_LEN],
                                struct zama_health *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* 64 hex digits; "0x" and capitals are fine. False: something else. In zama_address.c. */
bool zama_id_parse(const char *text, uint8_t ret[ZAMA_ID_LEN]);
void zama_id_format(const uint8_t id[ZAMA_ID_LEN], char ret[2 * ZAMA_ID_LEN + 1]);

/* ---- zama_answer.c: is an answer what this party says to this question? ---- */
struct zama_answer {                 /* owned */
    struct remote_secret plaintexts; /* one after another, little-endian, each ceil(bits/8) long */
    uint8_t signature[ZAMA_SIGNATURE_LEN]; /* EIP-712, for use on a chain */
    bool has_signature;
    uint8_t point[ZAMA_POINT_LEN]; /* of the party's key, now known to be its own */
    bool has_point;
};
/*
 * Reads a kms.v1.PublicDecryptionResponse and checks everything that the wire page lists: request
 * id, extra data, count and types, the key against the pin, low S, and each signature that it
 * carries and that we can check, of which at least one must bind the handles or the request id.
 * REMOTE_E_PROTOCOL with a sentence that names the first check that failed ("answer of party 3:
 * ..."). `party` stands in messages. Inside the guard; any thread.
 */
enum remote_rc zama_answer_read(const struct zama_question *question, unsigned party,
                                const struct zama_pin *pin, struct remote_slice message,
                                struct zama_answer *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void zama_answer_clear(struct zama_answer *answer); /* wipes */

/* ---- zama_type.c ---- */
/* Bytes of a plaintext of this type; 0: no answer about such a type can be signed. */
size_t zama_plaintext_len(int32_t fhe_type);
/* "euint64" -> 5, "ebool" -> 0, "uint8", "5"; -1: none. And back; NULL: none. */
int32_t zama_fhe_type_parse(const char *text);
const char *zama_fhe_type_name(int32_t fhe_type);
/* From the type's name in the ciphertext's own header (tfhe safe_serialize). False: not told. */
bool zama_format_detect(struct remote_slice ciphertext, enum zama_format *ret);

/* ---- zama_hash.c: Keccak-256 (libcrypto has it from 3.2 on) and EIP-712 ---- */
void zama_keccak256(const struct remote_slice *parts, size_t count, uint8_t ret[ZAMA_HASH_LEN]);
/* What an answer's external signature signs. plaintexts: as in the answer, with their lengths. */
void zama_eip712_hash(const struct zama_question *question, const struct remote_slice *plaintexts,
                      uint8_t ret[ZAMA_HASH_LEN]);
/* ---- zama_address.c, zama_signature.c: addresses and keys ---- */
/* The address of a public key. False: no point of the curve. Inside the guard. */
bool zama_address_of(const uint8_t point[ZAMA_POINT_LEN], uint8_t ret[ZAMA_ADDRESS_LEN]);
/* "0x" and 40 hex digits, with a valid EIP-55 checksum or in one case. False: something else. */
bool zama_address_parse(const char *text, uint8_t ret[ZAMA_ADDRESS_LEN]);
void zama_address_format(const uint8_t address[ZAMA_ADDRESS_LEN], char ret[43]); /* EIP-55 */

#endif
