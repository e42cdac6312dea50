/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encryption and decryption with a version of a key, in the best form that its service has: its
 * own sealed bytes or AES-GCM, with the key_id as associated data; RSA OAEP, which has no room for
 * that. Of a quorum's container the content is the ciphertext, and the header with the shares is
 * carried apart, bound to the content by a hash. All inside the guard.
 */
#ifndef KMS_SEAL_H
#define KMS_SEAL_H

#include "keyring.h"

const char *kms_form_name(enum kms_form form);
/* False: no such name. */
bool kms_form_by_name(struct remote_slice name, enum kms_form *ret);

/* The best form that the service both makes and opens with this key. */
enum remote_rc kms_form_choose(const struct remote_key *key, enum kms_form *ret,
                               struct remote_error *err) REMOTE_MUST_CHECK;

struct kms_sealed {
    enum kms_form form;
    struct remote_buf ciphertext;
    struct remote_buf shares; /* KMS_FORM_QUORUM: the container's header */
};
void kms_sealed_clear(struct kms_sealed *sealed);

/* apart: shares may be carried apart. deadline_ms: monotonic; 0: the slot's timeout alone. */
enum remote_rc kms_seal(const struct kms_version *version, struct remote_slice plain, bool apart,
                        int64_t deadline_ms, struct kms_sealed *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

struct kms_opening { /* what is known of a ciphertext */
    enum kms_form form;
    struct remote_slice key_id; /* it was made under */
    struct remote_slice ciphertext, shares;
    int64_t deadline_ms;
};
/* With this version alone. REMOTE_E_DATA: it does not open, whatever the cause. */
enum remote_rc kms_open(const struct kms_version *version, const struct kms_opening *opening,
                        struct remote_buf *ret, struct remote_error *err) REMOTE_MUST_CHECK;

/* Encrypts and decrypts something. */
enum remote_rc kms_seal_prove(const struct kms_version *version, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
