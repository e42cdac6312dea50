/* SPDX-License-Identifier: Apache-2.0 */
#include "key_id.h"

#include <string.h>

#define CHECK_BLOCK 16

static enum remote_rc hash_hex(struct remote_slice bytes, char ret[KMS_KEY_ID + 1],
                               struct remote_error *err)
{
    CLEANUP(remote_digest_clear) struct remote_digest digest = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf hash = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf hex = { 0 };

    REMOTE_TRY(remote_digest_init(&digest, REMOTE_HASH_SHA256, err));
    REMOTE_TRY(remote_digest_update(&digest, bytes, err));
    REMOTE_TRY(remote_digest_final(&digest, &hash, err));
    remote_hex_append(&hex, remote_buf_slice(&hash));
    REMOTE_TRY(remote_buf_check(&hex, err));
    memcpy(ret, hex.data, KMS_KEY_ID + 1);
    return REMOTE_OK;
}

/* A length before each field: no two lists of fields are the same bytes. */
static void add_field(struct remote_buf *buf, const void *data, size_t len)
{
    remote_buf_append_number(buf, len);
    remote_buf_append_char(buf, ':');
    remote_buf_append(buf, data, len);
}

static void add_text(struct remote_buf *buf, const char *text)
{
    add_field(buf, text, strlen(text));
}

static void add_words(struct remote_buf *buf, const char *const *words)
{
    for (; *words != NULL; words++)
        add_text(buf, *words);
}

/*
 * Keys in an HSM carry no date, and their versions' numbers shift when an older one goes. AES of a
 * constant tells them apart and tells nothing else. It is not the zero block, which is AES-GCM's
 * own hash key.
 */
static enum remote_rc add_check_value(struct remote_key *key, struct remote_buf *buf,
                                      struct remote_error *err)
{
    static const unsigned char iv[CHECK_BLOCK];
    static const unsigned char block[CHECK_BLOCK] = "hsmbridge-kms id";
    const struct remote_params params = { .alg = REMOTE_ALG_AES_CBC, .iv = { iv, sizeof(iv) } };
    CLEANUP(remote_buf_clear) struct remote_buf value = { 0 };

    if (remote_key_check(key, &params, REMOTE_USE_ENCRYPT, NULL) != REMOTE_OK) {
        remote_buf_append_number(buf, key->version);
        return REMOTE_OK;
    }
    REMOTE_TRY(remote_key_encrypt(key, &params, remote_slice(block, sizeof(block)), &value, err));
    add_field(buf, value.data, value.len);
    return REMOTE_OK;
}

/* What is the same for all versions is left out where it would tell nothing: the slot's name. */
enum remote_rc kms_key_id(struct remote_key *key, char ret[KMS_KEY_ID + 1],
                          struct remote_error *err)
{
    const struct remote_section *section = remote_slot_section(key->slot);
    const char *backend = remote_slot_backend(key->slot);
    CLEANUP(remote_buf_clear) struct remote_buf buf = { 0 };

    add_text(&buf, "hsmbridge-kms v1");
    add_text(&buf, backend);
    add_text(&buf, key->name);
    if (strcmp(backend, "quorum") == 0) {
        add_text(&buf, remote_section_text(section, "threshold", ""));
        add_words(&buf, remote_section_words(section, "members"));
    }
    if (strcmp(backend, "pkcs11") == 0 && remote_key_type_symmetric(key->type)) {
        REMOTE_TRY(add_check_value(key, &buf, err));
    } else {
        remote_buf_append_number(&buf, key->version);
        remote_buf_append_char(&buf, '@');
        remote_buf_append_number(&buf, (uint64_t)key->created);
        add_text(&buf, key->version_id != NULL ? key->version_id : "");
        add_field(&buf, key->spki.data, key->spki.len);
    }
    REMOTE_TRY(remote_buf_check(&buf, err));
    return hash_hex(remote_buf_slice(&buf), ret, err);
}

/* kubernetes-kms v0.11.0, pkg/plugin/keyvault.go: the key's URL without a blank or a last slash. */
enum remote_rc kms_key_id_azure(const struct remote_key *key, char ret[KMS_KEY_ID + 1],
                                struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf buf = { 0 };
    const char *url = "";

    if (strcmp(remote_slot_backend(key->slot), "azure") != 0 || key->version_id == NULL) {
        ret[0] = '\0';
        return REMOTE_OK;
    }
    url = remote_section_words(remote_slot_section(key->slot), "url")[0];
    remote_buf_append_str(&buf, url != NULL ? url : "");
    while (buf.len > 0 && buf.data[buf.len - 1] == '/')
        remote_buf_truncate(&buf, buf.len - 1);
    remote_buf_printf(&buf, "/keys/%s/%s", key->name, key->version_id);
    REMOTE_TRY(remote_buf_check(&buf, err));
    return hash_hex(remote_buf_slice(&buf), ret, err);
}
