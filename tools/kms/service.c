/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <string.h>

#define UNKNOWN_AGE_MS 5000 /* a key_id that nobody knows asks the service this often at most */
#define TRIES 4             /* versions that are tried for one */

const char *const kms_operation_names[KMS_OP_COUNT] = { "status", "encrypt", "decrypt" };

/* clang-format off */
const struct kms_method kms_methods[KMS_METHODS] = {
    { "/v2.KeyManagementService/Status",       "v2",      KMS_OP_STATUS,  kms_v2_status },
    { "/v2.KeyManagementService/Encrypt",      "v2",      KMS_OP_ENCRYPT, kms_v2_encrypt },
    { "/v2.KeyManagementService/Decrypt",      "v2",      KMS_OP_DECRYPT, kms_v2_decrypt },
    { "/v1beta1.KeyManagementService/Version", "v1beta1", KMS_OP_STATUS,  kms_v1_version },
    { "/v1beta1.KeyManagementService/Encrypt", "v1beta1", KMS_OP_ENCRYPT, kms_v1_encrypt },
    { "/v1beta1.KeyManagementService/Decrypt", "v1beta1", KMS_OP_DECRYPT, kms_v1_decrypt },
};
/* clang-format on */

const struct kms_method *kms_method_find(const char *path)
{
    for (size_t i = 0; i < KMS_METHODS; i++)
        if (strcmp(kms_methods[i].path, path) == 0)
            return &kms_methods[i];
    return NULL;
}

/* A key whose bytes are here already needs its service no more (remote/released.h). */
static bool is_here(struct kms_keyring *ring)
{
    CLEANUP(kms_snapshot_drop) struct kms_snapshot *snapshot = NULL;
    const struct remote_key *key;

    if (kms_keyring_snapshot(ring, INT64_MAX, 0, &snapshot, NULL) != REMOTE_OK)
        return false;
    key = kms_snapshot_current(snapshot)->key;
    return snapshot->count == 1 && key->released && atomic_load(&key->value) != NULL;
}

bool kms_method_is_quick(const struct kms_method *method, struct kms_keyring *ring)
{
    if (method->handle == kms_v1_version)
        return true;
    return method->operation == KMS_OP_STATUS ? kms_keyring_is_fresh(ring) : is_here(ring);
}

enum remote_rc kms_service_sealing(const struct kms_request *request, struct kms_snapshot **ret,
                                   struct remote_error *err)
{
    struct remote_error health;

    REMOTE_TRY(kms_keyring_snapshot(request->ring, INT64_MAX, request->deadline_ms, ret, err));
    if (!kms_keyring_is_final(kms_keyring_health(request->ring, &health)))
        return REMOTE_OK;
    kms_snapshot_unref(*ret);
    *ret = NULL;
    *err = health;
    return health.rc;
}

enum remote_rc kms_service_looking(const struct kms_request *request, struct remote_slice key_id,
                                   struct kms_snapshot **ret, struct remote_error *err)
{
    struct kms_snapshot *snapshot;

    REMOTE_TRY(
        kms_keyring_snapshot(request->ring, INT64_MAX, request->deadline_ms, &snapshot, err));
    if (kms_snapshot_find(snapshot, key_id) != NULL) {
        *ret = snapshot;
        return REMOTE_OK;
    }
    kms_snapshot_unref(snapshot);
    return kms_keyring_snapshot(request->ring, UNKNOWN_AGE_MS, request->deadline_ms, ret, err);
}

static enum remote_rc open_by_trying(const struct kms_snapshot *snapshot,
                                     const struct kms_opening *opening, struct remote_buf *ret,
                                     struct remote_error *err)
{
    enum remote_rc rc = kms_open(kms_snapshot_current(snapshot), opening, ret, err);

    for (size_t i = 0; i < snapshot->count && i < TRIES && rc == REMOTE_E_DATA; i++)
        if (i != snapshot->current)
            rc = kms_open(&snapshot->versions[i], opening, ret, err);
    return rc;
}

enum remote_rc kms_service_open(const struct kms_request *request, struct kms_opening *opening,
                                struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(kms_snapshot_drop) struct kms_snapshot *snapshot = NULL;
    const struct kms_version *version;

    opening->deadline_ms = request->deadline_ms;
    REMOTE_TRY(kms_service_looking(request, opening->key_id, &snapshot, err));
    version = kms_snapshot_find(snapshot, opening->key_id);
    if (version == NULL)
        return open_by_trying(snapshot, opening, ret, err);
    REMOTE_TRY(kms_open(version, opening, ret, err));
    kms_keyring_proved(request->ring, version, KMS_PROOF_DECRYPT);
    return REMOTE_OK;
}

enum remote_rc kms_service_malformed(struct remote_error *err)
{
    return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the request's message is malformed");
}
