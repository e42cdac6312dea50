/* SPDX-License-Identifier: Apache-2.0 */
/* KMS v2. The form of a ciphertext, and a quorum's shares, are told by annotations. */
#include <stdio.h>
#include <string.h>

#include "azure_data.h"
#include "kms_v2.pb-c.h"
#include "protobuf.h"
#include "seal.h"
#include "service.h"

#define CIPHERTEXT_MAX 1024 /* what the API server takes */
#define ALGORITHM "algorithm.kms.hsmbridge"
#define SHARES "shares.kms.hsmbridge"
#define MISSED_CHECKS 3 /* so many intervals without one are told */

/* ---- Status ---- */

/*
 * An outage is told and nothing more: writes go on under the data key that the API server has, and
 * stop by themselves only when the key is known to be gone (an error of the call, which the API
 * server does not confuse with a reason in healthz: kubernetes/kubernetes#138950).
 */
enum remote_rc kms_v2_status(const struct kms_request *request, struct remote_buf *ret,
                             struct remote_error *err)
{
    static char version[] = "v2", ok[] = "ok";
    CLEANUP(kms_snapshot_drop) struct kms_snapshot *snapshot = NULL;
    V2__StatusResponse answer = V2__STATUS_RESPONSE__INIT;
    int64_t check_ms = kms_keyring_check_ms(request->ring), age_ms;
    char key_id[KMS_KEY_ID + 1], old[96];
    struct remote_error health;

    REMOTE_TRY(kms_keyring_snapshot(request->ring, check_ms, request->deadline_ms, &snapshot, err));
    if (kms_keyring_is_final(kms_keyring_health(request->ring, &health))) {
        *err = health;
        return health.rc;
    }
    memcpy(key_id, kms_snapshot_current(snapshot)->key_id, sizeof(key_id));
    age_ms = remote_now_ms() - snapshot->made_ms;
    answer.version = version;
    answer.key_id = key_id;
    answer.healthz = ok;
    if (health.rc != REMOTE_OK) {
        answer.healthz = health.text;
    } else if (age_ms > MISSED_CHECKS * check_ms) {
        snprintf(old, sizeof(old), "the key was last read %lld s ago", (long long)age_ms / 1000);
        answer.healthz = old;
    }
    return remote_protobuf_write(&answer.base, ret, err);
}

/* ---- Encrypt ---- */

static enum remote_rc check_size(const struct kms_version *version, const struct kms_sealed *sealed,
                                 struct remote_error *err)
{
    if (sealed->ciphertext.len <= CIPHERTEXT_MAX)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                       "key '%s': its service makes %zu bytes where Kubernetes takes at most %d",
                       version->key->name, sealed->ciphertext.len, CIPHERTEXT_MAX);
}

static enum remote_rc write_sealed(const struct kms_version *version,
                                   const struct kms_sealed *sealed, struct remote_buf *ret,
                                   struct remote_error *err)
{
    static char algorithm[] = ALGORITHM, shares[] = SHARES;
    V2__EncryptResponse answer = V2__ENCRYPT_RESPONSE__INIT;
    V2__EncryptResponse__AnnotationsEntry entries[2];
    V2__EncryptResponse__AnnotationsEntry *pointers[2] = { &entries[0], &entries[1] };
    const char *name = kms_form_name(sealed->form);
    char key_id[KMS_KEY_ID + 1];

    memcpy(key_id, version->key_id, sizeof(key_id));
    v2__encrypt_response__annotations_entry__init(&entries[0]);
    v2__encrypt_response__annotations_entry__init(&entries[1]);
    entries[0].key = algorithm;
    entries[0].value = (ProtobufCBinaryData){ strlen(name), (uint8_t *)(uintptr_t)name };
    entries[1].key = shares;
    entries[1].value = remote_protobuf_data(remote_buf_slice(&sealed->shares));
    answer.ciphertext = remote_protobuf_data(remote_buf_slice(&sealed->ciphertext));
    answer.key_id = key_id;
    answer.annotations = pointers;
    answer.n_annotations = sealed->shares.len > 0 ? 2 : 1;
    return remote_protobuf_write(&answer.base, ret, err);
}

static enum remote_rc seal(const struct kms_request *request, struct remote_slice plain,
                           struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(kms_snapshot_drop) struct kms_snapshot *snapshot = NULL;
    CLEANUP(kms_sealed_clear) struct kms_sealed sealed = { 0 };
    const struct kms_version *version;

    REMOTE_TRY(kms_service_sealing(request, &snapshot, err));
    version = kms_snapshot_current(snapshot);
    REMOTE_TRY(kms_seal(version, plain, true, request->deadline_ms, &sealed, err));
    kms_keyring_proved(request->ring, version, KMS_PROOF_ENCRYPT);
    REMOTE_TRY(check_size(version, &sealed, err));
    return write_sealed(version, &sealed, ret, err);
}

enum remote_rc kms_v2_encrypt(const struct kms_request *request, struct remote_buf *ret,
                              struct remote_error *err)
{
    V2__EncryptRequest *ask =
        (void *)remote_protobuf_read(&v2__encrypt_request__descriptor, request->message);
    enum remote_rc rc;

    if (ask == NULL)
        return kms_service_malformed(err);
    rc = seal(request, remote_protobuf_slice(ask->plaintext), ret, err);
    remote_log(REMOTE_LOG_DEBUG, "v2 Encrypt %s with key '%s': %s", ask->uid,
               kms_keyring_name(request->ring), remote_rc_name(rc));
    remote_protobuf_free(&ask->base);
    return rc;
}

/* ---- Decrypt ---- */

/* data NULL: there is no such annotation. */
static struct remote_slice annotation(const V2__DecryptRequest *ask, const char *name)
{
    for (size_t i = 0; i < ask->n_annotations; i++) {
        const V2__DecryptRequest__AnnotationsEntry *entry = ask->annotations[i];

        if (strcmp(entry->key, name) == 0)
            return entry->value.len > 0 ? remote_protobuf_slice(entry->value) : remote_slice("", 0);
    }
    return (struct remote_slice){ 0 };
}

static enum remote_rc open_foreign(const struct kms_request *request, const V2__DecryptRequest *ask,
                                   struct remote_buf *ret, struct remote_error *err)
{
    const struct kms_azure_v2 azure = { .ciphertext = remote_protobuf_slice(ask->ciphertext),
                                        .key_id = remote_slice_str(ask->key_id),
                                        .algorithm = annotation(ask, KMS_AZURE_ALGORITHM),
                                        .version = annotation(ask, KMS_AZURE_VERSION) };
    CLEANUP(kms_snapshot_drop) struct kms_snapshot *snapshot = NULL;

    if (azure.algorithm.data == NULL)
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "there is no annotation '" ALGORITHM "': not encrypted by this plugin");
    REMOTE_TRY(kms_service_looking(request, azure.key_id, &snapshot, err));
    return kms_azure_open_v2(snapshot, &azure, request->deadline_ms, ret, err);
}

static enum remote_rc open_sealed(const struct kms_request *request, const V2__DecryptRequest *ask,
                                  struct remote_buf *ret, struct remote_error *err)
{
    struct remote_slice algorithm = annotation(ask, ALGORITHM);
    struct kms_opening opening = { .key_id = remote_slice_str(ask->key_id),
                                   .ciphertext = remote_protobuf_slice(ask->ciphertext),
                                   .shares = annotation(ask, SHARES) };

    if (algorithm.data == NULL)
        return open_foreign(request, ask, ret, err);
    if (!kms_form_by_name(algorithm, &opening.form))
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "annotation '" ALGORITHM "' has no value that is known here");
    return kms_service_open(request, &opening, ret, err);
}

enum remote_rc kms_v2_decrypt(const struct kms_request *request, struct remote_buf *ret,
                              struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    V2__DecryptRequest *ask =
        (void *)remote_protobuf_read(&v2__decrypt_request__descriptor, request->message);
    V2__DecryptResponse answer = V2__DECRYPT_RESPONSE__INIT;
    enum remote_rc rc;

    if (ask == NULL)
        return kms_service_malformed(err);
    rc = open_sealed(request, ask, &plain, err);
    remote_log(REMOTE_LOG_DEBUG, "v2 Decrypt %s with key '%s': %s", ask->uid,
               kms_keyring_name(request->ring), remote_rc_name(rc));
    remote_protobuf_free(&ask->base);
    REMOTE_TRY(rc);
    answer.plaintext = remote_protobuf_data(remote_buf_slice(&plain));
    return remote_protobuf_write(&answer.base, ret, err);
}
