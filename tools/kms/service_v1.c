/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KMS v1 (v1beta1). Its ciphertext is all that comes back for decryption, so it tells what is
 * needed: "HBK", 1, the form, the key_id in 32 bytes, and what the service made.
 */
#include <string.h>

#include "azure_data.h"
#include "build-config.h"
#include "kms_v1beta1.pb-c.h"
#include "local_kek.h"
#include "protobuf.h"
#include "seal.h"
#include "service.h"

#define MAGIC "HBK\1"
#define MAGIC_LEN 4
#define ID_LEN (KMS_KEY_ID / 2)
#define HEAD (MAGIC_LEN + 1 + ID_LEN)

enum remote_rc kms_v1_version(const struct kms_request *request, struct remote_buf *ret,
                              struct remote_error *err)
{
    static char version[] = "v1beta1", name[] = "hsmbridge", number[] = HSMBRIDGE_VERSION;
    V1beta1__VersionResponse answer = V1BETA1__VERSION_RESPONSE__INIT;

    (void)request;
    answer.version = version;
    answer.runtime_name = name;
    answer.runtime_version = number;
    return remote_protobuf_write(&answer.base, ret, err);
}

static enum remote_rc write_head(const struct kms_version *version, enum kms_form form,
                                 struct remote_buf *ret, struct remote_error *err)
{
    remote_buf_append_str(ret, MAGIC);
    remote_buf_append_char(ret, (char)form);
    if (!remote_hex_decode(remote_slice_str(version->key_id), ret))
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    return remote_buf_check(ret, err);
}

static enum remote_rc seal(const struct kms_request *request, struct remote_slice plain,
                           struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(kms_snapshot_drop) struct kms_snapshot *snapshot = NULL;
    CLEANUP(kms_sealed_clear) struct kms_sealed sealed = { 0 };
    const struct kms_version *version;

    REMOTE_TRY(kms_service_sealing(request, &snapshot, err));
    version = kms_snapshot_current(snapshot);
    if (kms_local_keks_seal(kms_keyring_local_keks(request->ring)))
        return kms_local_kek_seal(kms_keyring_local_keks(request->ring), version, plain,
                                  request->deadline_ms, ret, err);
    REMOTE_TRY(kms_seal(version, plain, false, request->deadline_ms, &sealed, err));
    kms_keyring_proved(request->ring, version, KMS_PROOF_ENCRYPT);
    REMOTE_TRY(write_head(version, sealed.form, ret, err));
    remote_buf_append(ret, sealed.ciphertext.data, sealed.ciphertext.len);
    return remote_buf_check(ret, err);
}

enum remote_rc kms_v1_encrypt(const struct kms_request *request, struct remote_buf *ret,
                              struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf cipher = { 0 };
    V1beta1__EncryptRequest *ask =
        (void *)remote_protobuf_read(&v1beta1__encrypt_request__descriptor, request->message);
    V1beta1__EncryptResponse answer = V1BETA1__ENCRYPT_RESPONSE__INIT;
    enum remote_rc rc;

    if (ask == NULL)
        return kms_service_malformed(err);
    rc = seal(request, remote_protobuf_slice(ask->plain), &cipher, err);
    remote_protobuf_free(&ask->base);
    REMOTE_TRY(rc);
    answer.cipher = remote_protobuf_data(remote_buf_slice(&cipher));
    return remote_protobuf_write(&answer.base, ret, err);
}

static enum remote_rc open_ours(const struct kms_request *request, struct remote_slice cipher,
                                struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf key_id = { 0 };
    struct kms_opening opening = { .form = (enum kms_form)cipher.data[MAGIC_LEN],
                                   .ciphertext = { cipher.data + HEAD, cipher.len - HEAD } };

    if (opening.form < KMS_FORM_AEAD || opening.form > KMS_FORM_OAEP_1)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "the ciphertext has no form that is known here");
    remote_hex_append(&key_id, remote_slice(cipher.data + MAGIC_LEN + 1, ID_LEN));
    REMOTE_TRY(remote_buf_check(&key_id, err));
    opening.key_id = remote_buf_slice(&key_id);
    return kms_service_open(request, &opening, ret, err);
}

static bool begins(struct remote_slice cipher, const char *magic)
{
    return cipher.len > MAGIC_LEN && memcmp(cipher.data, magic, MAGIC_LEN) == 0;
}

static enum remote_rc open_foreign(const struct kms_request *request, struct remote_slice cipher,
                                   struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(kms_snapshot_drop) struct kms_snapshot *snapshot = NULL;

    REMOTE_TRY(
        kms_keyring_snapshot(request->ring, INT64_MAX, request->deadline_ms, &snapshot, err));
    return kms_azure_open_v1(snapshot, cipher, request->deadline_ms, ret, err);
}

enum remote_rc kms_v1_decrypt(const struct kms_request *request, struct remote_buf *ret,
                              struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    V1beta1__DecryptRequest *ask =
        (void *)remote_protobuf_read(&v1beta1__decrypt_request__descriptor, request->message);
    V1beta1__DecryptResponse answer = V1BETA1__DECRYPT_RESPONSE__INIT;
    struct remote_slice cipher;
    enum remote_rc rc;

    if (ask == NULL)
        return kms_service_malformed(err);
    cipher = remote_protobuf_slice(ask->cipher);
    if (cipher.len > HEAD && begins(cipher, MAGIC))
        rc = open_ours(request, cipher, &plain, err);
    else if (begins(cipher, KMS_LOCAL_KEK_MAGIC))
        rc =
            kms_local_kek_open(kms_keyring_local_keks(request->ring), request, cipher, &plain, err);
    else
        rc = open_foreign(request, cipher, &plain, err);
    remote_protobuf_free(&ask->base);
    REMOTE_TRY(rc);
    answer.plain = remote_protobuf_data(remote_buf_slice(&plain));
    return remote_protobuf_write(&answer.base, ret, err);
}
