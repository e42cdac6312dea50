/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hierarchy for KMS v1, whose API server sends every object's own DEK: local key encryption keys
 * (AES-256), each wrapped once by the key of the service and used for many DEKs. A ciphertext
 * carries the wrapped local key, and names the service's key, never the local one. Those that were
 * opened are kept in memory, so that the service is asked once for each, and may be away for a
 * while; once it is known to have withdrawn its key they are forgotten. Any thread; inside the
 * guard.
 */
#ifndef KMS_LOCAL_KEK_H
#define KMS_LOCAL_KEK_H

#include "service.h"

#define KMS_LOCAL_KEK_MAGIC "HBK\2"
#define KMS_LOCAL_KEK_MAGIC_LEN 4

struct kms_local_keks;

struct kms_local_kek_options {
    bool seal;          /* else they are opened only */
    uint64_t max_uses;  /* of one key; then it is replaced */
    int64_t max_age_ms; /* of one key, and of one that is kept for opening */
};

/* NULL: err says why. */
struct kms_local_keks *kms_local_keks_new(const struct kms_local_kek_options *options,
                                          struct remote_error *err);
void kms_local_keks_free(struct kms_local_keks *keks); /* NULL is fine */
bool kms_local_keks_seal(const struct kms_local_keks *keks);

/* A ciphertext for KMS v1, under version's key. */
enum remote_rc kms_local_kek_seal(struct kms_local_keks *keks, const struct kms_version *version,
                                  struct remote_slice plain, int64_t deadline_ms,
                                  struct remote_buf *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* One that begins with the magic. REMOTE_E_DATA: it does not open, whatever the cause. */
enum remote_rc kms_local_kek_open(struct kms_local_keks *keks, const struct kms_request *request,
                                  struct remote_slice cipher, struct remote_buf *ret,
                                  struct remote_error *err) REMOTE_MUST_CHECK;

/* ---- the pure part, for tests ---- */
struct kms_local_cipher {            /* borrowed */
    enum kms_form form;              /* how the local key is wrapped */
    struct remote_slice key_id;      /* binary */
    struct remote_slice wrapped;     /* the local key */
    struct remote_slice head;        /* everything up to here: it is authenticated */
    struct remote_slice nonce, body; /* body: with its tag */
};
/* False: not whole, or not of this form. */
bool kms_local_kek_split(struct remote_slice cipher, struct kms_local_cipher *ret);

#endif
