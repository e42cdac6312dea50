/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods of both versions of the KMS interface, as functions from bytes to bytes: no transport
 * has a part in them.
 */
#ifndef KMS_SERVICE_H
#define KMS_SERVICE_H

#include "seal.h"

struct kms_request {
    struct kms_keyring *ring;
    struct remote_slice message; /* protobuf */
    int64_t deadline_ms;         /* monotonic */
};
/* Appends the answer's message. Blocks until the deadline at most; inside the guard. */
typedef enum remote_rc kms_handler(const struct kms_request *request, struct remote_buf *ret,
                                   struct remote_error *err);

enum kms_operation { KMS_OP_STATUS, KMS_OP_ENCRYPT, KMS_OP_DECRYPT, KMS_OP_COUNT };
extern const char *const kms_operation_names[KMS_OP_COUNT]; /* "status", for metrics */

struct kms_method {
    const char *path; /* ":path" */
    const char *version;
    enum kms_operation operation;
    kms_handler *handle;
};
#define KMS_METHODS 6
extern const struct kms_method kms_methods[KMS_METHODS];
/* NULL: no such method. */
const struct kms_method *kms_method_find(const char *path);
/* Whether it will be answered without asking the service, so that no thread has to wait for it. */
bool kms_method_is_quick(const struct kms_method *method, struct kms_keyring *ring);

kms_handler kms_v1_version, kms_v1_encrypt, kms_v1_decrypt;
kms_handler kms_v2_status, kms_v2_encrypt, kms_v2_decrypt;

/* ---- what both versions share ---- */

/* The snapshot to seal with. REMOTE_E_...: the key is known not to be usable any more. */
enum remote_rc kms_service_sealing(const struct kms_request *request, struct kms_snapshot **ret,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
/*
 * Opens with the version that opening->key_id names. One that is not known may have been made a
 * moment ago, by way of another API server: the service is asked; and when it is still not known,
 * trying the versions there are is what is left.
 */
enum remote_rc kms_service_open(const struct kms_request *request, struct kms_opening *opening,
                                struct remote_buf *ret, struct remote_error *err) REMOTE_MUST_CHECK;
/* A snapshot that has the version with this key_id, if there is one. */
enum remote_rc kms_service_looking(const struct kms_request *request, struct remote_slice key_id,
                                   struct kms_snapshot **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* For a request that is not what it should be. */
enum remote_rc kms_service_malformed(struct remote_error *err);

static inline void kms_snapshot_drop(struct kms_snapshot **snapshot) /* for CLEANUP() */
{
    kms_snapshot_unref(*snapshot);
}

#endif
