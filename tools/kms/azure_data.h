/* SPDX-License-Identifier: Apache-2.0 */
/* What Azure's own plugin wrote, for reading only: base64url of RSA blocks. */
#ifndef KMS_AZURE_DATA_H
#define KMS_AZURE_DATA_H

#include "keyring.h"

#define KMS_AZURE_ALGORITHM "algorithm.azure.akv.io"
#define KMS_AZURE_VERSION "version.azure.akv.io"

/*
 * v1: RSA1_5 with any version; v2: RSA-OAEP-256 with the one that key_id names.
 * REMOTE_E_DATA: it does not open. REMOTE_E_NOT_FOUND: no such version.
 */
enum remote_rc kms_azure_open_v1(const struct kms_snapshot *snapshot, struct remote_slice cipher,
                                 int64_t deadline_ms, struct remote_buf *ret,
                                 struct remote_error *err) REMOTE_MUST_CHECK;
struct kms_azure_v2 { /* of a request; the annotations are absent when data is NULL */
    struct remote_slice ciphertext, key_id, algorithm, version;
};
enum remote_rc kms_azure_open_v2(const struct kms_snapshot *snapshot,
                                 const struct kms_azure_v2 *request, int64_t deadline_ms,
                                 struct remote_buf *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
