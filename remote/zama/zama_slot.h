/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the zama backend share: the slot as configured (zama_config.c), one call to
 * all its parties at once (zama_fan.c), public decryption and its vote (zama_decrypt.c), and which
 * keys there are (zama_inventory.c). Facts: kms-core 0.15, commit 30b425c6.
 */
#ifndef REMOTE_ZAMA_SLOT_H
#define REMOTE_ZAMA_SLOT_H

#include "remote/fork.h"
#include "remote/net/endpoint.h"
#include "remote/net/exchange.h"
#include "remote/net/grpc.h"
#include "zama.h"

#define ZAMA_SLOT_PARTIES_MAX REMOTE_ENDPOINTS_MAX
#define ZAMA_EXTRA_DATA_MAX 256

#define ZAMA_SERVICE "/kms_service.v1.CoreServiceEndpoint/"
#define ZAMA_AVAILABILITY ZAMA_SERVICE "GetKeyMaterialAvailability"
#define ZAMA_HEALTH ZAMA_SERVICE "GetHealthStatus"
#define ZAMA_DECRYPT_SYNC ZAMA_SERVICE "PublicDecryptSync"
#define ZAMA_DECRYPT ZAMA_SERVICE "PublicDecrypt"
#define ZAMA_DECRYPT_RESULT ZAMA_SERVICE "GetPublicDecryptionResult"

/* A party's key is one of two versions of its name, for they are of different types. */
enum { ZAMA_VERSION_ECDSA = 1, ZAMA_VERSION_ED25519 = 2 };

struct zama_party { /* its index is that of its endpoint */
    unsigned id;
    struct zama_pin pin;
    atomic_llong old_until_ms;     /* it has no PublicDecryptSync; asked again then */
    bool learned;                  /* point: under the slot's lock */
    uint8_t point[ZAMA_POINT_LEN]; /* pinned, or of an authentic answer */
};

struct zama { /* read-only once open, but for what the parties learn */
    struct remote_conn base;
    struct zama_party parties[ZAMA_SLOT_PARTIES_MAX];
    size_t count;
    unsigned threshold; /* t: so many parties may lie */
    unsigned needed;    /* equal authentic answers */
    struct zama_domain domain;
    uint8_t context_id[ZAMA_ID_LEN], epoch_id[ZAMA_ID_LEN];
    uint8_t extra_data[ZAMA_EXTRA_DATA_MAX];
    size_t extra_data_len;
    unsigned schemes;
    struct remote_lock lock; /* REMOTE_LOCK_POOL: what is learned */
    atomic_uint answered;    /* parties, when all were asked last; UINT_MAX: never */
};

/* ---- zama_config.c ---- */
extern const struct remote_option zama_options[];
enum remote_rc zama_configure(struct zama *zama, const struct remote_section *section,
                              struct remote_error *err) REMOTE_MUST_CHECK;

/* ---- zama_call.c: one gRPC call, as REMOTE_OP_DOCUMENT (op->name: its path) and as HEALTH ---- */
enum remote_rc zama_build_call(struct remote_conn *conn, const struct remote_op *op,
                               const struct remote_grant *grant, unsigned attempt,
                               struct remote_request *request, struct remote_error *err);
enum remote_rc zama_parse_call(struct remote_conn *conn, struct remote_op *op,
                               const struct remote_reply *reply, struct remote_error *err);
enum remote_rc zama_build_health(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err);
enum remote_rc zama_parse_health(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err);
/*
 * What a status means: NOT_FOUND, EXISTS, PARAM (INVALID_ARGUMENT), DATA (INTERNAL), LENGTH
 * (OUT_OF_RANGE), RIGHTS, UNSUPPORTED (UNIMPLEMENTED); BUSY, UNAVAILABLE and TIMEOUT: the same
 * again later; PROTOCOL: anything else.
 */
enum remote_rc zama_status_meaning(int grpc_status);

/* ---- zama_fan.c ---- */
struct zama_fan;

enum zama_stage { ZAMA_STAGE_SYNC, ZAMA_STAGE_SUBMIT, ZAMA_STAGE_RESULT };

struct zama_part { /* one party's share of it */
    struct zama_fan *fan;
    struct zama_party *party;
    size_t index;
    struct remote_call call;
    const char *path; /* static: what it is asked */
    struct remote_slice message;
    unsigned tries; /* of that, which failed */
    bool ended;
    enum remote_rc rc; /* once it ended */
    struct remote_error err;
    enum zama_stage stage;     /* decrypting */
    unsigned submits;          /* the same, of an older party */
    struct zama_answer answer; /* decrypting: rc OK */
    struct zama_ids ids;       /* inventory: rc OK */
};

struct zama_fan {
    struct zama *zama;
    int64_t deadline_ms;
    unsigned tries_max; /* of what may be better later; 0: until the deadline */
    int64_t enough_ms;  /* when nobody else is waited for */
    size_t open;        /* parts that have not ended */
    /*
     * Takes what the party answered (rc OK: part->call.op.answer), or that it failed for good; ends
     * the part with zama_part_end(), or goes on with zama_part_ask().
     */
    void (*take)(struct zama_fan *fan, struct zama_part *part, enum remote_rc rc);
    void *arg;
    struct zama_part parts[ZAMA_SLOT_PARTIES_MAX];
};

/* Zeroed but for what is given; zama_fan_free() it. NULL: out of memory. */
struct zama_fan *zama_fan_new(struct zama *zama, int64_t deadline_ms);
void zama_fan_free(struct zama_fan **fan); /* wipes; for CLEANUP() */
/* Asks a part the same or something else. delay_ms: not before. */
void zama_part_ask(struct zama_part *part, const char *path, struct remote_slice message,
                   int64_t delay_ms);
void zama_part_end(struct zama_part *part, enum remote_rc rc);
/* Runs what zama_part_ask() has begun, in the calling thread. */
void zama_fan_run(struct zama_fan *fan);
/* How many parts ended with that. */
size_t zama_fan_count(const struct zama_fan *fan, enum remote_rc rc);
/*
 * What kept the others: the caller's error where `got` of the parties that are needed did what they
 * should. `got` is told as "GOT of N parties WHAT where NEEDED are needed".
 */
enum remote_rc zama_fan_fail(const struct zama_fan *fan, size_t got, const char *what,
                             struct remote_error *err);

/* ---- zama_decrypt.c ---- */
enum remote_rc zama_check(const struct remote_conn *conn, const struct remote_key *key,
                          const struct remote_params *params, struct remote_error *err);
enum remote_rc zama_decrypt(struct zama *zama, const struct remote_op *op, struct remote_item *item,
                            int64_t deadline_ms, struct remote_error *err) REMOTE_MUST_CHECK;

/* ---- zama_proof.c: what a chain checks ---- */
/* Handle, number of signatures, signatures, extra data. */
static inline size_t zama_proof_max(const struct zama *zama)
{
    return ZAMA_HANDLE_LEN + 1 + (size_t)zama->needed * ZAMA_SIGNATURE_LEN + zama->extra_data_len;
}
/* Of the answers that agreed; to params->fhe.proof, where one is wanted. */
void zama_proof_write(const struct zama *zama, const uint8_t handle[ZAMA_HANDLE_LEN],
                      const struct zama_answer *const *answers, size_t count,
                      const struct remote_fhe_params *params);

/* ---- zama_inventory.c ---- */
enum remote_rc zama_list(struct zama *zama, struct remote_op *op, int64_t deadline_ms,
                         struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc zama_read(struct zama *zama, struct remote_op *op, int64_t deadline_ms,
                         struct remote_error *err) REMOTE_MUST_CHECK;
/* REMOTE_OK: enough parties answer. op->detail: how many. */
enum remote_rc zama_prove(struct zama *zama, struct remote_op *op, int64_t deadline_ms,
                          struct remote_error *err) REMOTE_MUST_CHECK;
/* Whether enough parties report the key; REMOTE_E_NOT_FOUND: they answer, but do not. */
enum remote_rc zama_has_key(struct zama *zama, const uint8_t key_id[ZAMA_ID_LEN],
                            int64_t deadline_ms, struct remote_error *err) REMOTE_MUST_CHECK;
/* An authentic answer told the party's key: it is an object from now on. */
void zama_learn(struct zama *zama, struct zama_party *party, const struct zama_answer *answer);

#endif
