/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The versions of one key as they are now: a snapshot, from which Status and Encrypt are answered
 * alike, so that they can never disagree. A thread of the ring's own makes it anew, by one metadata
 * read, when somebody asks for a fresher one; it also proves, by encrypting and decrypting, what
 * traffic has not proved for a while.
 */
#ifndef KMS_KEYRING_H
#define KMS_KEYRING_H

#include <stdatomic.h>

#include "form.h"
#include "key_id.h"

enum kms_form { /* how a ciphertext was made; the values are those of ciphertexts for KMS v1 */
                KMS_FORM_AEAD = DAEMON_FORM_AEAD,
                KMS_FORM_AES_GCM = DAEMON_FORM_AES_GCM,
                KMS_FORM_OAEP_256 = DAEMON_FORM_OAEP_256,
                KMS_FORM_OAEP_1 = DAEMON_FORM_OAEP_1,
                KMS_FORM_QUORUM = 5, /* AEAD, header apart */
                KMS_FORM_COUNT
};

struct kms_version {
    struct remote_key *key;
    enum kms_form form; /* of what it seals; 0: it cannot */
    char key_id[KMS_KEY_ID + 1];
    char azure_id[KMS_KEY_ID + 1]; /* "": not Azure's */
};

struct kms_snapshot { /* read-only once published, counted */
    atomic_uint refs;
    int64_t made_ms;
    size_t current; /* what Encrypt uses, and Status tells */
    size_t count;
    struct kms_version versions[];
};
void kms_snapshot_unref(struct kms_snapshot *snapshot); /* NULL is fine */
static inline const struct kms_version *kms_snapshot_current(const struct kms_snapshot *snapshot)
{
    return &snapshot->versions[snapshot->current];
}
/* By our key_id or Azure's; NULL: none such. */
const struct kms_version *kms_snapshot_find(const struct kms_snapshot *snapshot,
                                            struct remote_slice key_id);

struct kms_keyring_options {
    const char *slot;    /* NULL: the only one */
    const char *key;     /* its name */
    const char *version; /* the only one to use, by number or by the service's word; NULL: newest */
    const char *pin_file;
    int64_t check_ms; /* how old a snapshot may be that Status tells */
    int64_t proof_ms; /* how long ago the last encryption and decryption may be */
    bool legacy_ids;  /* key ids as Azure's own plugin makes them */
    bool local_kek;   /* KMS v1 seals with local keys: local_kek.h */
    uint64_t local_kek_uses;
    int64_t local_kek_age_ms;
};

struct kms_keyring;
/* Looks nothing up yet. options' texts and core must outlive it. */
enum remote_rc kms_keyring_new(struct remote_core *core, const struct kms_keyring_options *options,
                               struct kms_keyring **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void kms_keyring_stop(struct kms_keyring *ring); /* nobody waits for it any more; NULL is fine */
void kms_keyring_free(struct kms_keyring *ring); /* waits for its thread; NULL is fine */

/*
 * A snapshot at most max_age_ms old, if one can be made until deadline_ms, else the one there is.
 * deadline_ms 0: does not wait. REMOTE_OK with a reference, or why there has never been one.
 */
enum remote_rc kms_keyring_snapshot(struct kms_keyring *ring, int64_t max_age_ms,
                                    int64_t deadline_ms, struct kms_snapshot **ret,
                                    struct remote_error *err) REMOTE_MUST_CHECK;
/* Has one made, whatever the age of the last. */
void kms_keyring_want(struct kms_keyring *ring);
int64_t kms_keyring_check_ms(const struct kms_keyring *ring);
/* Whether a snapshot for Status is there, so that asking for it does not block. */
bool kms_keyring_is_fresh(struct kms_keyring *ring);

/* How the last attempt to refresh or prove ended. */
enum remote_rc kms_keyring_health(struct kms_keyring *ring, struct remote_error *ret);
/* Whether this ends the use of the key, rather than that the service is away for a while. */
bool kms_keyring_is_final(enum remote_rc rc);
/* Traffic proves too: what succeeded with the current version. */
enum kms_proof { KMS_PROOF_ENCRYPT, KMS_PROOF_DECRYPT, KMS_PROOF_COUNT };
void kms_keyring_proved(struct kms_keyring *ring, const struct kms_version *version,
                        enum kms_proof what);

/* "slot/key", for logs and metrics. */
const char *kms_keyring_name(const struct kms_keyring *ring);
/* Those that this key has wrapped; never NULL. */
struct kms_local_keks *kms_keyring_local_keks(struct kms_keyring *ring);
/* NULL: the configuration has no such slot. Borrowed. */
struct remote_slot *kms_keyring_slot(struct kms_keyring *ring);
/* When the last snapshot was made; monotonic ms, 0: never. */
int64_t kms_keyring_made_ms(struct kms_keyring *ring);

#endif
