/* SPDX-License-Identifier: Apache-2.0 */
#include "seal.h"

#include <string.h>

#include "form.h"
#include "quorum.h"

#define HASH 32

static const char *const names[KMS_FORM_COUNT] = {
    /* as annotations have them */
    [KMS_FORM_AEAD] = "aead",
    [KMS_FORM_AES_GCM] = "aes-gcm",
    [KMS_FORM_OAEP_256] = "rsa-oaep-256",
    [KMS_FORM_OAEP_1] = "rsa-oaep",
    [KMS_FORM_QUORUM] = "quorum",
};

const char *kms_form_name(enum kms_form form)
{
    return names[form];
}

bool kms_form_by_name(struct remote_slice name, enum kms_form *ret)
{
    for (int i = KMS_FORM_AEAD; i < KMS_FORM_COUNT; i++) {
        if (remote_slice_equal(name, remote_slice_str(names[i]))) {
            *ret = (enum kms_form)i;
            return true;
        }
    }
    return false;
}

void kms_sealed_clear(struct kms_sealed *sealed)
{
    remote_buf_clear(&sealed->ciphertext);
    remote_buf_clear(&sealed->shares);
}

/* ---- which form ---- */

enum remote_rc kms_form_choose(const struct remote_key *key, enum kms_form *ret,
                               struct remote_error *err)
{
    enum daemon_form form;

    REMOTE_TRY(daemon_form_choose(key, &form, err));
    *ret = (enum kms_form)form;
    return REMOTE_OK;
}

static struct remote_params params_of(enum kms_form form, struct remote_slice key_id,
                                      int64_t deadline_ms)
{
    struct remote_params params =
        *daemon_form_params(form == KMS_FORM_QUORUM ? DAEMON_FORM_AEAD : (enum daemon_form)form);

    if (params.alg != REMOTE_ALG_RSA_OAEP)
        params.aad = key_id;
    params.deadline_ms = deadline_ms;
    return params;
}

/* ---- a quorum's container, taken apart ---- */

static bool is_quorum(const struct remote_key *key)
{
    return strcmp(remote_slot_backend(key->slot), "quorum") == 0;
}

static enum remote_rc hash_of(struct remote_slice bytes, struct remote_buf *ret,
                              struct remote_error *err)
{
    CLEANUP(remote_digest_clear) struct remote_digest digest = { 0 };

    REMOTE_TRY(remote_digest_init(&digest, REMOTE_HASH_SHA256, err));
    REMOTE_TRY(remote_digest_update(&digest, bytes, err));
    return remote_digest_final(&digest, ret, err);
}

/* The ciphertext is the header's hash and the content. */
static enum remote_rc take_apart(struct kms_sealed *sealed, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf container = sealed->ciphertext;
    struct remote_quorum_header header;
    struct remote_slice content, front;

    sealed->ciphertext = (struct remote_buf){ 0 };
    REMOTE_TRY(remote_quorum_read(remote_buf_slice(&container), &header, &content, err));
    front = remote_slice(container.data, container.len - content.len);
    REMOTE_TRY(hash_of(front, &sealed->ciphertext, err));
    remote_buf_append(&sealed->ciphertext, content.data, content.len);
    remote_buf_append(&sealed->shares, front.data, front.len);
    sealed->form = KMS_FORM_QUORUM;
    REMOTE_TRY(remote_buf_check(&sealed->shares, err));
    return remote_buf_check(&sealed->ciphertext, err);
}

static enum remote_rc put_together(const struct kms_opening *opening, struct remote_buf *ret,
                                   struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf hash = { 0 };

    REMOTE_TRY(hash_of(opening->shares, &hash, err));
    if (opening->ciphertext.len < HASH || memcmp(opening->ciphertext.data, hash.data, HASH) != 0)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "the shares do not belong to the ciphertext");
    remote_buf_append(ret, opening->shares.data, opening->shares.len);
    remote_buf_append(ret, opening->ciphertext.data + HASH, opening->ciphertext.len - HASH);
    return remote_buf_check(ret, err);
}

/* ---- seal and open ---- */

enum remote_rc kms_seal(const struct kms_version *version, struct remote_slice plain, bool apart,
                        int64_t deadline_ms, struct kms_sealed *ret, struct remote_error *err)
{
    struct remote_params params;

    ret->form = version->form;
    params = params_of(ret->form, remote_slice_str(version->key_id), deadline_ms);
    REMOTE_TRY(remote_key_encrypt(version->key, &params, plain, &ret->ciphertext, err));
    return apart && is_quorum(version->key) ? take_apart(ret, err) : REMOTE_OK;
}

enum remote_rc kms_open(const struct kms_version *version, const struct kms_opening *opening,
                        struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf container = { 0 };
    struct remote_params params = params_of(opening->form, opening->key_id, opening->deadline_ms);
    struct remote_slice sealed = opening->ciphertext;

    params.pinned = true;
    if (opening->form == KMS_FORM_QUORUM) {
        REMOTE_TRY(put_together(opening, &container, err));
        sealed = remote_buf_slice(&container);
    }
    return remote_key_decrypt(version->key, &params, sealed, ret, err);
}

enum remote_rc kms_seal_prove(const struct kms_version *version, struct remote_error *err)
{
    static const unsigned char plain[] = "hsmbridge-kms looks whether it works";
    CLEANUP(kms_sealed_clear) struct kms_sealed sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf opened = { 0 };
    struct kms_opening opening = { 0 };

    REMOTE_TRY(kms_seal(version, remote_slice(plain, sizeof(plain)), false, 0, &sealed, err));
    opening.form = sealed.form;
    opening.key_id = remote_slice_str(version->key_id);
    opening.ciphertext = remote_buf_slice(&sealed.ciphertext);
    REMOTE_TRY(kms_open(version, &opening, &opened, err));
    if (!remote_slice_equal(remote_buf_slice(&opened), remote_slice(plain, sizeof(plain))))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "key '%s': what was encrypted came back as something else",
                           version->key->name);
    return REMOTE_OK;
}
