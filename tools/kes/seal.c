/* SPDX-License-Identifier: Apache-2.0 */
#include "seal.h"

#include <stdio.h>
#include <string.h>

#include "form.h"

#define MAGIC "hsmbridge-kes:v1:"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define RECORD_KEY 32
#define NONCE 12
#define TAG 16
#define SEALED_MAX 65536 /* bytes of a record; a quorum's shares are the largest part of one */

/* ---- the form ---- */

bool kesd_is_sealed(struct remote_slice text)
{
    return text.len >= MAGIC_LEN && memcmp(text.data, MAGIC, MAGIC_LEN) == 0;
}

static bool take_number(struct remote_slice *from, size_t len, unsigned *ret)
{
    struct remote_slice bytes;
    unsigned number = 0;

    if (!remote_slice_take(from, len, &bytes))
        return false;
    for (size_t i = 0; i < len; i++)
        number = number << 8 | bytes.data[i];
    *ret = number;
    return true;
}

static bool take_sized(struct remote_slice *from, struct remote_slice *ret)
{
    unsigned len;

    return take_number(from, 2, &len) && remote_slice_take(from, len, ret);
}

bool kesd_sealed_read(struct remote_slice bytes, struct kesd_sealed *ret)
{
    struct kesd_sealed sealed;
    struct remote_slice rest = bytes;

    if (!take_number(&rest, 1, &sealed.form) || sealed.form < DAEMON_FORM_AEAD ||
        sealed.form >= DAEMON_FORM_COUNT || !take_number(&rest, 4, &sealed.version) ||
        !take_sized(&rest, &sealed.key_name) || !take_sized(&rest, &sealed.record_key))
        return false;
    sealed.head = remote_slice(bytes.data, bytes.len - rest.len);
    if (!remote_slice_take(&rest, NONCE, &sealed.nonce) || rest.len < TAG)
        return false;
    sealed.body = rest;
    *ret = sealed;
    return true;
}

static void append_number(struct remote_buf *to, size_t len, size_t number)
{
    while (len-- > 0)
        remote_buf_append_char(to, (char)(unsigned char)(number >> 8 * len));
}

static enum remote_rc append_sized(struct remote_buf *to, struct remote_slice bytes,
                                   struct remote_error *err)
{
    if (bytes.len > UINT16_MAX)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "%zu bytes are too many for a sealed record",
                           bytes.len);
    append_number(to, 2, bytes.len);
    remote_buf_append(to, bytes.data, bytes.len);
    return REMOTE_OK;
}

/* ---- the text, under the record's key ---- */

static enum remote_rc associated_data(struct remote_slice head, const char *name,
                                      struct remote_buf *ret, struct remote_error *err)
{
    remote_buf_append(ret, MAGIC, MAGIC_LEN);
    remote_buf_append(ret, head.data, head.len);
    remote_buf_append_str(ret, name);
    return remote_buf_check(ret, err);
}

struct cover { /* what the text is put under */
    struct remote_secret_key *key;
    struct remote_slice head, nonce;
    const char *name;
};

static enum remote_rc begin(const struct cover *cover, bool encrypt, struct remote_cipher_run *run,
                            struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf aad = { 0 };
    struct remote_cipher_params params = { .cipher = REMOTE_CIPHER_AES_GCM,
                                           .iv = cover->nonce,
                                           .tag_len = TAG };

    REMOTE_TRY(associated_data(cover->head, cover->name, &aad, err));
    params.aad = remote_buf_slice(&aad);
    return remote_cipher_init(run, cover->key, &params, encrypt, err);
}

static enum remote_rc put_under(const struct cover *cover, struct remote_slice text,
                                struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(remote_cipher_clear) struct remote_cipher_run run = { 0 };
    unsigned char *to = remote_buf_reserve(ret, text.len + TAG);
    size_t len = 0;

    if (to == NULL)
        return remote_buf_check(ret, err);
    REMOTE_TRY(begin(cover, true, &run, err));
    REMOTE_TRY(remote_cipher_whole(&run, text, to, &len, err));
    ret->len += len;
    return REMOTE_OK;
}

static enum remote_rc take_out(const struct cover *cover, struct remote_slice body,
                               struct remote_secret *ret, struct remote_error *err)
{
    CLEANUP(remote_cipher_clear) struct remote_cipher_run run = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret text = { 0 };
    size_t len = 0;

    REMOTE_TRY(begin(cover, false, &run, err));
    REMOTE_TRY(remote_secret_set(&text, NULL, remote_cipher_output_max(&run, body.len, true), err));
    REMOTE_TRY(remote_cipher_whole(&run, body, text.data, &len, err));
    return remote_secret_set(ret, text.data, len, err);
}

/* ---- the record's key, under the slot's ---- */

static enum remote_rc find(const struct kesd_sealer *sealer, const char *label,
                           struct remote_key **ret, struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };
    struct remote_slot *slot;

    REMOTE_TRY(kesd_slot_ref_find(&sealer->slot, &slot, err));
    REMOTE_TRY(remote_slot_find_label(slot, label, &keys, err));
    if (keys.count == 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "slot '%s' has no key '%s' to seal with",
                           remote_slot_name(slot), label);
    *ret = remote_key_ref(keys.keys[0]);
    return REMOTE_OK;
}

/* Another version than the one that seals now; should there be none such, that one, whose siblings
 * are tried. */
static enum remote_rc find_version(const struct kesd_sealer *sealer, unsigned version,
                                   struct remote_key **ret, struct remote_error *err)
{
    char label[REMOTE_KEY_NAME_MAX + 16];
    struct remote_key *key = NULL;

    REMOTE_TRY(find(sealer, sealer->key, ret, err));
    if ((*ret)->version == version || version == 0)
        return REMOTE_OK;
    snprintf(label, sizeof(label), "%s@v%u", sealer->key, version);
    if (find(sealer, label, &key, NULL) == REMOTE_OK) {
        remote_key_unref(*ret);
        *ret = key;
    }
    return REMOTE_OK;
}

static void unref_key(struct remote_key **key)
{
    remote_key_unref(*key);
}

static void unref_secret_key(struct remote_secret_key **key)
{
    remote_secret_key_unref(*key);
}

static enum remote_rc write_head(const struct kesd_sealer *sealer, struct remote_secret_key *record,
                                 struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(unref_key) struct remote_key *key = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    enum daemon_form form;

    REMOTE_TRY(find(sealer, sealer->key, &key, err));
    REMOTE_TRY(daemon_form_choose(key, &form, err));
    REMOTE_TRY(remote_key_encrypt(key, daemon_form_params(form), remote_secret_key_value(record),
                                  &sealed, err));
    append_number(ret, 1, form);
    append_number(ret, 4, key->version);
    REMOTE_TRY(append_sized(ret, remote_slice_str(sealer->key), err));
    REMOTE_TRY(append_sized(ret, remote_buf_slice(&sealed), err));
    return remote_buf_check(ret, err);
}

static enum remote_rc open_record_key(const struct kesd_sealer *sealer,
                                      const struct kesd_sealed *sealed,
                                      struct remote_secret_key **ret, struct remote_error *err)
{
    CLEANUP(unref_key) struct remote_key *key = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf bytes = { 0 };

    REMOTE_TRY(find_version(sealer, sealed->version, &key, err));
    REMOTE_TRY(remote_key_decrypt(key, daemon_form_params((enum daemon_form)sealed->form),
                                  sealed->record_key, &bytes, err));
    if (bytes.len != RECORD_KEY)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "what was sealed is no record's key");
    return remote_secret_key_new(REMOTE_KEY_AES, remote_buf_slice(&bytes), ret, err);
}

/* ---- records ---- */

enum remote_rc kesd_seal(const struct kesd_sealer *sealer, const char *name,
                         struct remote_slice text, struct remote_secret *ret,
                         struct remote_error *err)
{
    CLEANUP(unref_secret_key) struct remote_secret_key *record = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf head = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf bytes = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    unsigned char nonce[NONCE];
    struct cover cover;

    REMOTE_TRY(remote_secret_key_generate(REMOTE_KEY_AES, RECORD_KEY, &record, err));
    REMOTE_TRY(remote_local_random(nonce, sizeof(nonce), err));
    REMOTE_TRY(write_head(sealer, record, &head, err));
    cover = (struct cover){ record, remote_buf_slice(&head), remote_slice(nonce, NONCE), name };
    remote_buf_append(&bytes, head.data, head.len);
    remote_buf_append(&bytes, nonce, NONCE);
    REMOTE_TRY(put_under(&cover, text, &bytes, err));
    remote_buf_append(&out, MAGIC, MAGIC_LEN);
    remote_base64_append(&out, remote_buf_slice(&bytes));
    REMOTE_TRY(remote_buf_check(&out, err));
    return remote_secret_set(ret, out.data, out.len, err);
}

static enum remote_rc refuse(const struct kesd_sealer *sealer, const struct kesd_sealed *sealed,
                             struct remote_error *err)
{
    if (!remote_slice_equal(sealed->key_name, remote_slice_str(sealer->key)))
        return REMOTE_FAIL(err, REMOTE_E_DATA, "sealed with the key '%.*s', but '%s' is configured",
                           (int)sealed->key_name.len, (const char *)sealed->key_name.data,
                           sealer->key);
    return REMOTE_FAIL(err, REMOTE_E_DATA, "not a record of this name that the key '%s' has sealed",
                       sealer->key);
}

enum remote_rc kesd_unseal(const struct kesd_sealer *sealer, const char *name,
                           struct remote_slice text, struct remote_secret *ret,
                           struct remote_error *err)
{
    CLEANUP(unref_secret_key) struct remote_secret_key *record = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf bytes = { 0 };
    struct kesd_sealed sealed;
    struct cover cover;
    enum remote_rc rc;

    if (!kesd_is_sealed(text) || text.len > SEALED_MAX ||
        !remote_base64_decode(remote_slice(text.data + MAGIC_LEN, text.len - MAGIC_LEN), &bytes) ||
        !kesd_sealed_read(remote_buf_slice(&bytes), &sealed))
        return REMOTE_FAIL(err, REMOTE_E_DATA, "not a sealed record");
    rc = open_record_key(sealer, &sealed, &record, err);
    if (rc == REMOTE_OK) {
        cover = (struct cover){ record, sealed.head, sealed.nonce, name };
        rc = take_out(&cover, sealed.body, ret, err);
    }
    return rc == REMOTE_E_DATA || rc == REMOTE_E_LENGTH ? refuse(sealer, &sealed, err) : rc;
}
