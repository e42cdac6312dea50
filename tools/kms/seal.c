/* SPDX-License-Identifier: Apache-2.0 */
#include "seal.h"

#include <string.h>

#include "quorum.h"

#define HASH 32

/* clang-format off */
static const struct form {
    const char *name; /* as annotations have it */
    struct remote_params params;
} forms[KMS_FORM_COUNT] = { /* those that seal are tried in this order */
    [KMS_FORM_AEAD] = { "aead", { .alg = REMOTE_ALG_AEAD } },
    [KMS_FORM_AES_GCM] = { "aes-gcm", { .alg = REMOTE_ALG_AES_GCM } },
    [KMS_FORM_OAEP_256] = { "rsa-oaep-256", { .alg = REMOTE_ALG_RSA_OAEP,
                                              .hash = REMOTE_HASH_SHA256,
                                              .mgf_hash = REMOTE_HASH_SHA256 } },
    [KMS_FORM_OAEP_1] = { "rsa-oaep", { .alg = REMOTE_ALG_RSA_OAEP,
                                        .hash = REMOTE_HASH_SHA1,
                                        .mgf_hash = REMOTE_HASH_SHA1 } },
    [KMS_FORM_QUORUM] = { "quorum", { .alg = REMOTE_ALG_AEAD } },
};
/* clang-format on */

const char *kms_form_name(enum kms_form form)
{
    return forms[form].name;
}

bool kms_form_by_name(struct remote_slice name, enum kms_form *ret)
{
    for (int i = KMS_FORM_AEAD; i < KMS_FORM_COUNT; i++) {
        if (remote_slice_equal(name, remote_slice_str(forms[i].name))) {
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

static enum remote_rc may(const struct remote_key *key, const struct remote_params *params,
                          enum remote_use data, enum remote_use keys, struct remote_error *err)
{
    bool for_keys = (key->uses & data) == 0 && (key->uses & keys) != 0;

    return remote_key_check(key, params, for_keys ? keys : data, err);
}

/* The first that the service both makes and opens; err has what was wrong with the last. */
enum remote_rc kms_form_choose(const struct remote_key *key, enum kms_form *ret,
                               struct remote_error *err)
{
    enum remote_rc rc = REMOTE_E_UNSUPPORTED;

    for (int i = KMS_FORM_AEAD; i <= KMS_FORM_OAEP_1; i++) {
        const struct remote_params *params = &forms[i].params;

        if ((params->alg == REMOTE_ALG_RSA_OAEP) != (key->type == REMOTE_KEY_RSA))
            continue;
        rc = may(key, params, REMOTE_USE_ENCRYPT, REMOTE_USE_WRAP, err);
        if (rc == REMOTE_OK)
            rc = may(key, params, REMOTE_USE_DECRYPT, REMOTE_USE_UNWRAP, err);
        if (rc == REMOTE_OK) {
            *ret = (enum kms_form)i;
            return REMOTE_OK;
        }
        if (rc != REMOTE_E_UNSUPPORTED && rc != REMOTE_E_PARAM)
            return rc;
    }
    return rc;
}

static struct remote_params params_of(enum kms_form form, struct remote_slice key_id,
                                      int64_t deadline_ms)
{
    struct remote_params params = forms[form].params;

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
