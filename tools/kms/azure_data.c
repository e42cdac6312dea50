/* SPDX-License-Identifier: Apache-2.0 */
#include "azure_data.h"

static enum remote_rc decode(struct remote_slice text, struct remote_buf *ret,
                             struct remote_error *err)
{
    if (remote_base64url_decode(text, ret) && ret->len > 0)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_DATA, "the ciphertext has no form that is known here");
}

/* v1 names no version: each that the plugin may have been configured with, newest first. */
enum remote_rc kms_azure_open_v1(const struct kms_snapshot *snapshot, struct remote_slice cipher,
                                 int64_t deadline_ms, struct remote_buf *ret,
                                 struct remote_error *err)
{
    const struct remote_params params = { .alg = REMOTE_ALG_RSA_PKCS1_ENC,
                                          .pinned = true,
                                          .deadline_ms = deadline_ms };
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    enum remote_rc rc = REMOTE_E_DATA;

    if (kms_snapshot_current(snapshot)->azure_id[0] == '\0')
        return REMOTE_FAIL(err, REMOTE_E_DATA, "the ciphertext has no form that is known here");
    REMOTE_TRY(decode(cipher, &sealed, err));
    for (size_t i = 0; i < snapshot->count && (rc == REMOTE_E_DATA || rc == REMOTE_E_LENGTH); i++)
        rc = remote_key_decrypt(snapshot->versions[i].key, &params, remote_buf_slice(&sealed), ret,
                                err);
    return rc;
}

static bool is_or_absent(struct remote_slice value, const char *expected)
{
    return value.data == NULL || remote_slice_equal(value, remote_slice_str(expected));
}

enum remote_rc kms_azure_open_v2(const struct kms_snapshot *snapshot,
                                 const struct kms_azure_v2 *request, int64_t deadline_ms,
                                 struct remote_buf *ret, struct remote_error *err)
{
    const struct remote_params params = { .alg = REMOTE_ALG_RSA_OAEP,
                                          .hash = REMOTE_HASH_SHA256,
                                          .mgf_hash = REMOTE_HASH_SHA256,
                                          .pinned = true,
                                          .deadline_ms = deadline_ms };
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    const struct kms_version *version = kms_snapshot_find(snapshot, request->key_id);

    if (!is_or_absent(request->version, "1") || !is_or_absent(request->algorithm, "RSA-OAEP-256"))
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "the annotations tell of another version or algorithm than version 1 "
                           "and RSA-OAEP-256");
    if (version == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "key_id %.*s is of no version of this key",
                           request->key_id.len < KMS_KEY_ID ? (int)request->key_id.len : KMS_KEY_ID,
                           (const char *)request->key_id.data);
    REMOTE_TRY(decode(request->ciphertext, &sealed, err));
    return remote_key_decrypt(version->key, &params, remote_buf_slice(&sealed), ret, err);
}
