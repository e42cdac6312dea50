/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the pkcs11 backend: another PKCS#11 module as a slot. It is opened on first use
 * (p11-kit may be what loaded us, with its lock held), once in each process: a child initializes
 * the module again and has sessions of its own.
 *
 * Calls into the module happen outside the guard and under no lock of ours. A fork waits for them
 * for a second (gate.h), since modules such as SoftHSM2 have locks that a child would inherit
 * taken; a child made while one hung does not use the module. A call that hangs can be cut short by
 * nobody; who waits for another caller's keeps to its deadline.
 */
#ifndef REMOTE_HSM_H
#define REMOTE_HSM_H

#include "hsm_module.h"
#include "remote/backend.h"
#include "remote/fork.h"
#include "remote/local/libctx.h"

/* Where an object is in the token, by the CKA_ID that we give the key. */
struct hsm_handle {
    CK_OBJECT_HANDLE object;
    bool always_authenticate; /* CKA_ALWAYS_AUTHENTICATE */
};

struct hsm_handle_entry {
    unsigned char id[32];
    struct hsm_handle handle;
};

struct hsm_handles { /* open addressing; cap is a power of two, or 0 */
    struct hsm_handle_entry *entries;
    size_t count, cap;
};

struct hsm_item;
struct hsm_inventory { /* see hsm_inventory.c */
    struct hsm_item *items;
    size_t count;
    int64_t good_until_ms;
};

struct hsm {
    struct remote_conn base;
    char *path;
    struct hsm_uri *uri;           /* NULL: the only token */
    struct remote_credential *pin; /* NULL: none configured */
    bool pin_at_login;             /* pin = pin */
    bool read_write;               /* sessions, since `allow` names something */
    _Atomic uint64_t mechanisms;   /* bits of hsm_crypt.c; 0: not known yet */

    struct remote_lock lock;      /* guards what follows */
    struct remote_cond changed;   /* a session came free; connecting or logging in ended */
    void *functions;              /* CK_FUNCTION_LIST; NULL: not loaded yet */
    struct remote_secret refused; /* the configured PIN that the token has refused */
    unsigned generation;          /* of the process that the rest belongs to */
    bool initialized;
    bool busy;                   /* one caller connects or logs in, without the lock */
    uint64_t attempts;           /* that ended; who waited for one shares its end */
    struct remote_error failure; /* of the last; rc OK: it went well */
    unsigned epoch, last_epoch;  /* of this connection, 0: none; of the newest ever */
    CK_SLOT_ID slot_id;
    CK_FLAGS token_flags;
    char label[33];
    CK_SESSION_HANDLE *idle; /* the last is taken first */
    size_t idle_count, idle_cap, open_count, open_max;
    unsigned waiting;
    bool logged_in, login_ours;     /* ours: C_Login was what did it */
    struct remote_secret login_pin; /* that was accepted */
    struct hsm_handles handles;
    struct hsm_inventory inventory;
};

struct hsm_session { /* one caller's, between acquire and release */
    struct hsm *hsm;
    CK_FUNCTION_LIST *functions;
    CK_SESSION_HANDLE handle;
    CK_SLOT_ID slot_id;
    unsigned epoch, generation;
    struct remote_slice pin; /* for CKU_CONTEXT_SPECIFIC; borrowed */
    bool spoiled;            /* a call failed: what is under way in the session is not known */
    bool lost;               /* ... in a way that a new connection may cure */
    bool gone;               /* ... because the object is not there any more */
};

/* A call of the session's module, outside the guard. */
#define HSM_CALL(functions, name, ...)                                                             \
    ({                                                                                             \
        struct remote_guard_pause pause_;                                                          \
        CK_RV rv_;                                                                                 \
        remote_guard_suspend(&pause_);                                                             \
        rv_ = (functions)->name(__VA_ARGS__);                                                      \
        remote_guard_resume(&pause_);                                                              \
        rv_;                                                                                       \
    })

/* ---- hsm_error.c ---- */
struct hsm_code {
    CK_RV rv;
    const char *name;
    enum remote_rc rc;
    bool lost, gone;
};
/* Never NULL. */
const struct hsm_code *hsm_code_of(CK_RV rv);
/* Sets err to "C_Sign: CKR_DEVICE_ERROR", notes in the session what follows from it. */
enum remote_rc hsm_fail(struct hsm_session *session, const char *call, CK_RV rv,
                        struct remote_error *err);

/* ---- hsm_link.c ---- */
struct hsm_link { /* what connecting finds out */
    CK_SLOT_ID slot_id;
    CK_TOKEN_INFO info;
    uint64_t mechanisms;
    unsigned matching;
    struct remote_buf others; /* labels of tokens that do not match, for the message */
};
/* Asks the module; by the one caller that connects, without the lock. The caller clears others. */
enum remote_rc hsm_link_make(struct hsm *hsm, struct hsm_link *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* The link is the slot's connection from now on; the caller holds the lock. */
void hsm_link_take(struct hsm *hsm, const struct hsm_link *link);
/* Length of a text that is padded with blanks (PKCS#11 3.0, 3.1), for "%.*s". */
int hsm_padded_len(const CK_UTF8CHAR *text, size_t size);

/* ---- hsm_session.c ---- */
void hsm_sessions_init(struct hsm *hsm);
void hsm_sessions_clear(struct hsm *hsm); /* ends everything; nobody uses it any more */
void hsm_sessions_trim(struct hsm *hsm);  /* closes those that nobody uses now */
/*
 * A session for this caller alone: connects, waits for a free one, logs in. grant NULL: without
 * login. REMOTE_E_TIMEOUT, _UNAVAILABLE, _CONFIG, _AUTH; _PIN on slots whose PIN comes with
 * C_Login.
 */
enum remote_rc hsm_session_acquire(struct hsm *hsm, const struct remote_grant *grant,
                                   int64_t deadline_ms, struct hsm_session *ret,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
/* REMOTE_E_AUTH: the token has refused this configured PIN before. */
enum remote_rc hsm_pin_check(struct hsm *hsm, struct remote_slice pin, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Keeps it for the next caller; ends the connection when the session was lost. */
void hsm_session_release(struct hsm_session *session);

/* ---- hsm_handle.c; the caller holds hsm->lock ---- */
bool hsm_handles_get(const struct hsm_handles *handles, const struct remote_key *key,
                     struct hsm_handle *ret);
/* Out of memory only means that the next use looks the object up again. */
void hsm_handles_put(struct hsm_handles *handles, const struct remote_key *key,
                     struct hsm_handle handle);
void hsm_handles_clear(struct hsm_handles *handles);

/* ---- hsm_object.c ---- */
struct hsm_objects {
    CK_OBJECT_HANDLE *list;
    size_t count, cap;
};
enum remote_rc hsm_find(struct hsm_session *session, const CK_ATTRIBUTE *attributes, size_t count,
                        struct hsm_objects *ret, struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc hsm_objects_add(struct hsm_objects *objects, const CK_OBJECT_HANDLE *handles,
                               size_t count, struct remote_error *err) REMOTE_MUST_CHECK;
void hsm_objects_clear(struct hsm_objects *objects);
/*
 * Several attributes in one call of the module, which for a real HSM is a trip over its network.
 * What the object does not have, or does not show, reads as empty (false, otherwise).
 */
struct hsm_value {
    CK_ATTRIBUTE_TYPE type;
    struct remote_buf *into;
};
enum remote_rc hsm_attributes(struct hsm_session *session, CK_OBJECT_HANDLE object,
                              const struct hsm_value *values, size_t count,
                              struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc hsm_attribute(struct hsm_session *session, CK_OBJECT_HANDLE object,
                             CK_ATTRIBUTE_TYPE type, struct remote_buf *ret,
                             struct remote_error *err) REMOTE_MUST_CHECK;
/* What such a value says; one of another size is as good as absent. */
bool hsm_value_bool(const struct remote_buf *value);
CK_ULONG hsm_value_number(const struct remote_buf *value, CK_ULONG otherwise);

/* ---- hsm_inventory.c ---- */
typedef enum remote_rc (*hsm_each)(void *arg, CK_OBJECT_CLASS class, CK_KEY_TYPE type,
                                   struct remote_slice label, struct remote_slice id,
                                   struct remote_error *err);
/* Lists the token's keys and certificates, tells of each, and keeps the list for hsm_find_by(). */
enum remote_rc hsm_inventory_take(struct hsm_session *session, hsm_each each, void *arg,
                                  struct remote_error *err) REMOTE_MUST_CHECK;
void hsm_inventory_clear(struct hsm_inventory *inventory); /* the caller holds hsm->lock */
/* In the kept list only. */
enum remote_rc hsm_find_known(struct hsm_session *session, CK_OBJECT_CLASS class,
                              CK_ATTRIBUTE_TYPE by, struct remote_slice value,
                              struct hsm_objects *ret, struct remote_error *err) REMOTE_MUST_CHECK;
/* Token objects of this class by CKA_LABEL or CKA_ID: of the kept list, or the token's. */
enum remote_rc hsm_find_by(struct hsm_session *session, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE by,
                           struct remote_slice value, struct hsm_objects *ret,
                           struct remote_error *err) REMOTE_MUST_CHECK;

/* ---- hsm_public.c ---- */
struct hsm_private { /* a private key object, as hsm_keys.c found it */
    CK_OBJECT_HANDLE object;
    CK_KEY_TYPE type;
    struct remote_slice id, label; /* CKA_ID, CKA_LABEL; empty: none */
};
/*
 * Fills key's public part from wherever the token has it: the key itself, its public key object,
 * its certificate. REMOTE_E_UNSUPPORTED: nowhere, or of a kind that is not served.
 */
enum remote_rc hsm_public_read(struct hsm_session *session, const struct hsm_private *private,
                               struct remote_key *key, struct remote_error *err) REMOTE_MUST_CHECK;

/* ---- operations; the session is logged in ---- */
typedef enum remote_rc (*hsm_verb)(struct hsm_session *session, struct remote_op *op,
                                   struct remote_error *err);
enum remote_rc hsm_list(struct hsm_session *session, struct remote_op *op,
                        struct remote_error *err); /* hsm_keys.c */
enum remote_rc hsm_read(struct hsm_session *session, struct remote_op *op,
                        struct remote_error *err);
enum remote_rc hsm_sign(struct hsm_session *session, struct remote_op *op,
                        struct remote_error *err); /* hsm_crypt.c */
enum remote_rc hsm_decrypt(struct hsm_session *session, struct remote_op *op,
                           struct remote_error *err);
enum remote_rc hsm_encrypt(struct hsm_session *session, struct remote_op *op,
                           struct remote_error *err);
enum remote_rc hsm_random(struct hsm_session *session, struct remote_op *op,
                          struct remote_error *err);
enum remote_rc hsm_data_key(struct hsm_session *session, struct remote_op *op,
                            struct remote_error *err);
enum remote_rc hsm_generate(struct hsm_session *session, struct remote_op *op,
                            struct remote_error *err); /* hsm_life.c */
enum remote_rc hsm_import(struct hsm_session *session, struct remote_op *op,
                          struct remote_error *err);
enum remote_rc hsm_destroy(struct hsm_session *session, struct remote_op *op,
                           struct remote_error *err);
enum remote_rc hsm_rename(struct hsm_session *session, struct remote_op *op,
                          struct remote_error *err); /* hsm_rename.c */

/* hsm_keys.c: where the key is; asks the token unless that is known. */
enum remote_rc hsm_locate(struct hsm_session *session, const struct remote_key *key,
                          struct hsm_handle *ret, struct remote_error *err) REMOTE_MUST_CHECK;
/* What is known of objects: one was not there any more, or is about to go. */
void hsm_forget_objects(struct hsm *hsm);
/* hsm_keys.c: every private and secret key object of this name. */
struct hsm_candidate {
    CK_OBJECT_HANDLE object;
    CK_OBJECT_CLASS class;
    CK_KEY_TYPE type;
    struct remote_buf id;
};
struct hsm_candidates {
    struct hsm_candidate *list;
    size_t count, cap;
};
enum remote_rc hsm_candidates_find(struct hsm_session *session, const char *name,
                                   struct hsm_candidates *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void hsm_candidates_clear(struct hsm_candidates *candidates);

/* ---- hsm_mechanism.c ---- */
/* From C_GetMechanismList: the bits of hsm->mechanisms. */
uint64_t hsm_mechanism_bits(const CK_MECHANISM_TYPE *list, size_t count);
/* Whether the token has it; true while its mechanisms are not known. */
bool hsm_has(const struct hsm *hsm, CK_MECHANISM_TYPE mechanism);
CK_MECHANISM_TYPE hsm_mechanism_of(enum remote_alg alg, enum remote_hash hash);
/* The HMAC with this hash; CKM_VENDOR_DEFINED: there is none. */
CK_MECHANISM_TYPE hsm_hmac_of(enum remote_hash hash);

#endif
