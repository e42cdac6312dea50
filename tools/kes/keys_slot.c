/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of a slot: the slot is asked for every use. A ciphertext is
 *
 *     8 bytes  "hsmbkes" and 1
 *     1 byte   how it was made: enum daemon_form; 0x80 with it: the context is not the service's
 *              associated data but stands inside, as its SHA-256 before the text
 *     4 bytes  version of the key, as the slot counts them, big-endian
 *     what the service made
 *
 * What does not begin so is a KES's, and opens where the service is a KES itself: no other gives
 * out keys that a KES can have.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "form.h"
#include "key_cipher.h"
#include "keys_private.h"
#include "lifecycle.h"
#include "slot_ref.h"

#define MAGIC "hsmbkes\x01"
#define MAGIC_LEN 8
#define HEAD_LEN (MAGIC_LEN + 1 + 4)
#define HASH_LEN 32
#define CONTEXT_INSIDE 0x80
struct slot_keys {
    struct kesd_keys base; /* first */
    struct kesd_slot_ref slot;
};

static struct slot_keys *slot_keys_of(struct kesd_keys *keys)
{
    return (struct slot_keys *)keys;
}

static enum remote_rc slot_of(const struct slot_keys *keys, struct remote_slot **ret,
                              struct remote_error *err)
{
    return kesd_slot_ref_find(&keys->slot, ret, err);
}

static void unref(struct remote_key **key)
{
    remote_key_unref(*key);
}

/* ---- finding ---- */

static enum remote_rc not_found(const char *name, struct remote_error *err)
{
    return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "there is no key '%s'", name);
}

static bool is_cipher_key(const struct remote_key *key)
{
    return key->type == REMOTE_KEY_AES || key->type == REMOTE_KEY_CHACHA20;
}

/* Whether it is for data, as far as the service says. */
static bool is_for_data(const struct remote_key *key)
{
    return key->uses == 0 ||
           (key->uses & (REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT | REMOTE_USE_WRAP)) != 0;
}

/* label: NAME or NAME@vN. A name may stand for keys of several types. */
static enum remote_rc find(const struct slot_keys *keys, const char *label, struct remote_key **ret,
                           struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list list = { 0 };
    struct remote_slot *slot;

    REMOTE_TRY(slot_of(keys, &slot, err));
    REMOTE_TRY(remote_slot_find_label(slot, label, &list, err));
    for (size_t i = 0; i < list.count; i++) {
        if (is_cipher_key(list.keys[i])) {
            *ret = remote_key_ref(list.keys[i]);
            return REMOTE_OK;
        }
    }
    return not_found(label, err);
}

/* The version that made a ciphertext, else the one in use, whose siblings are tried. */
static enum remote_rc find_version(const struct slot_keys *keys, const char *name, unsigned version,
                                   struct remote_key **ret, struct remote_error *err)
{
    char label[KESD_NAME_MAX + 16];
    struct remote_key *key = NULL;

    REMOTE_TRY(find(keys, name, ret, err));
    if ((*ret)->version == version)
        return REMOTE_OK;
    snprintf(label, sizeof(label), "%s@v%u", name, version);
    if (find(keys, label, &key, NULL) == REMOTE_OK) {
        remote_key_unref(*ret);
        *ret = key;
    }
    return REMOTE_OK;
}

static bool slot_is_near(struct kesd_keys *keys, const char *name)
{
    (void)keys, (void)name;
    return false;
}

static enum remote_rc slot_describe(struct kesd_keys *keys, const char *name, struct kesd_info *ret,
                                    struct remote_error *err)
{
    CLEANUP(unref) struct remote_key *key = NULL;

    REMOTE_TRY(find(slot_keys_of(keys), name, &key, err));
    *ret = (struct kesd_info){ .algorithm =
                                   key->type == REMOTE_KEY_CHACHA20 ? KESD_CHACHA20 : KESD_AES256,
                               .created_s = key->created };
    return REMOTE_OK;
}

static enum remote_rc slot_list(struct kesd_keys *keys, struct kesd_names *ret,
                                struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list list = { 0 };
    struct remote_slot *slot;

    REMOTE_TRY(slot_of(slot_keys_of(keys), &slot, err));
    REMOTE_TRY(remote_slot_list(slot, NULL, &list, err));
    for (size_t i = 0; i < list.count; i++)
        if (is_cipher_key(list.keys[i]) && is_for_data(list.keys[i]))
            REMOTE_TRY(kesd_names_add(ret, list.keys[i]->name, err));
    return REMOTE_OK;
}

/* ---- making and ending ---- */

/* bytes: empty: the service makes them. */
static enum remote_rc make(struct slot_keys *keys, const char *name, enum remote_key_type type,
                           struct remote_slice bytes, struct remote_error *err)
{
    struct remote_key_spec spec = { .type = type, .bits = 8 * KESD_KEY_LEN };
    struct remote_key *key = NULL;
    struct remote_slot *slot;
    enum remote_rc rc;

    REMOTE_TRY(slot_of(keys, &slot, err));
    rc = bytes.len == 0 ? remote_slot_generate(slot, name, &spec, &key, err)
                        : remote_slot_import(slot, name, &spec, bytes, &key, err);
    remote_key_unref(key);
    return rc;
}

static enum remote_rc slot_create(struct kesd_keys *keys, const char *name, const char *identity,
                                  struct remote_error *err)
{
    (void)identity; /* services have no place for it; the audit log has */
    return make(slot_keys_of(keys), name, REMOTE_KEY_AES, remote_slice(NULL, 0), err);
}

static enum remote_rc slot_import(struct kesd_keys *keys, const char *name, const char *identity,
                                  enum kesd_algorithm algorithm, struct remote_slice bytes,
                                  struct remote_error *err)
{
    (void)identity;
    return make(slot_keys_of(keys), name,
                algorithm == KESD_CHACHA20 ? REMOTE_KEY_CHACHA20 : REMOTE_KEY_AES, bytes, err);
}

static enum remote_rc slot_remove(struct kesd_keys *keys, const char *name,
                                  struct remote_error *err)
{
    struct remote_slot *slot;

    REMOTE_TRY(slot_of(slot_keys_of(keys), &slot, err));
    return remote_slot_destroy(slot, name, err);
}

/* ---- sealing ---- */

/* The context as the service takes it: as associated data, or if it has no such thing, inside. */
static enum remote_rc choose_form(const struct remote_key *key, struct remote_slice context,
                                  enum daemon_form *ret_form, bool *ret_inside,
                                  struct remote_error *err)
{
    struct remote_params params;
    enum remote_rc rc;

    REMOTE_TRY(daemon_form_choose(key, ret_form, err));
    *ret_inside = false;
    if (context.len == 0)
        return REMOTE_OK;
    params = *daemon_form_params(*ret_form);
    params.aad = context;
    rc = remote_key_check(key, &params, REMOTE_USE_ENCRYPT, NULL);
    *ret_inside = rc == REMOTE_E_PARAM || rc == REMOTE_E_UNSUPPORTED;
    return REMOTE_OK;
}

static void write_head(struct remote_buf *to, enum daemon_form form, bool inside, unsigned version)
{
    remote_buf_append(to, MAGIC, MAGIC_LEN);
    remote_buf_append_char(to,
                           (char)(unsigned char)((unsigned)form | (inside ? CONTEXT_INSIDE : 0u)));
    for (unsigned shift = 32; shift > 0; shift -= 8)
        remote_buf_append_char(to, (char)(unsigned char)(version >> (shift - 8)));
}

static enum remote_rc slot_encrypt(struct kesd_keys *keys, const char *name,
                                   struct remote_slice plain, struct remote_slice context,
                                   struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(unref) struct remote_key *key = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf with_hash = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_params params;
    enum daemon_form form;
    bool inside;

    REMOTE_TRY(find(slot_keys_of(keys), name, &key, err));
    REMOTE_TRY(choose_form(key, context, &form, &inside, err));
    params = *daemon_form_params(form);
    if (inside) {
        REMOTE_TRY(remote_local_hash(REMOTE_HASH_SHA256, context, &with_hash, err));
        remote_buf_append(&with_hash, plain.data, plain.len);
        REMOTE_TRY(remote_buf_check(&with_hash, err));
        plain = remote_buf_slice(&with_hash);
    } else {
        params.aad = context;
    }
    REMOTE_TRY(remote_key_encrypt(key, &params, plain, &sealed, err));
    write_head(ret, form, inside, key->version);
    remote_buf_append(ret, sealed.data, sealed.len);
    return remote_buf_check(ret, err);
}

static enum remote_rc slot_generate(struct kesd_keys *keys, const char *name,
                                    struct remote_slice context, struct remote_secret *ret_plain,
                                    struct remote_buf *ret_sealed, struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret plain = { 0 };

    REMOTE_TRY(remote_secret_set(&plain, NULL, KESD_KEY_LEN, err));
    REMOTE_TRY(remote_local_random(plain.data, plain.len, err));
    REMOTE_TRY(slot_encrypt(keys, name, remote_secret_slice(&plain), context, ret_sealed, err));
    return remote_secret_set(ret_plain, plain.data, plain.len, err);
}

/* ---- opening ---- */

static enum remote_rc decrypt_there(struct remote_key *key, const struct remote_params *params,
                                    struct remote_slice sealed, struct remote_buf *ret,
                                    struct remote_error *err)
{
    enum remote_rc rc = remote_key_decrypt(key, params, sealed, ret, err);

    /* Of the wrong length for the service, say: one sentence for all. */
    return rc == REMOTE_E_DATA || rc == REMOTE_E_LENGTH ? kesd_not_authentic(err) : rc;
}

static enum remote_rc give(struct remote_slice text, struct remote_secret *ret,
                           struct remote_error *err)
{
    return remote_secret_set(ret, text.len > 0 ? text.data : (const unsigned char *)"", text.len,
                             err);
}

/* The context's hash stands before the text. */
static enum remote_rc take_inside(struct remote_slice opened, struct remote_slice context,
                                  struct remote_secret *ret, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf hash = { 0 };

    REMOTE_TRY(remote_local_hash(REMOTE_HASH_SHA256, context, &hash, err));
    if (opened.len < HASH_LEN ||
        !remote_slice_equal_secret(remote_buf_slice(&hash), remote_slice(opened.data, HASH_LEN)))
        return kesd_not_authentic(err);
    return give(remote_slice(opened.data + HASH_LEN, opened.len - HASH_LEN), ret, err);
}

static bool is_ours(struct remote_slice sealed)
{
    return sealed.len >= HEAD_LEN && memcmp(sealed.data, MAGIC, MAGIC_LEN) == 0;
}

static enum remote_rc decrypt_ours(struct slot_keys *keys, const char *name,
                                   struct remote_slice sealed, struct remote_slice context,
                                   struct remote_secret *ret, struct remote_error *err)
{
    CLEANUP(unref) struct remote_key *key = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf opened = { 0 };
    const unsigned char *head = sealed.data + MAGIC_LEN;
    bool inside = (head[0] & CONTEXT_INSIDE) != 0;
    unsigned form = head[0] & ~(unsigned)CONTEXT_INSIDE, version = 0;
    struct remote_params params;

    for (size_t i = 1; i <= 4; i++)
        version = version << 8 | head[i];
    if (form != DAEMON_FORM_AEAD && form != DAEMON_FORM_AES_GCM)
        return kesd_not_authentic(err);
    REMOTE_TRY(find_version(keys, name, version, &key, err));
    params = *daemon_form_params((enum daemon_form)form);
    if (!inside)
        params.aad = context;
    REMOTE_TRY(decrypt_there(key, &params,
                             remote_slice(sealed.data + HEAD_LEN, sealed.len - HEAD_LEN), &opened,
                             err));
    return inside ? take_inside(remote_buf_slice(&opened), context, ret, err)
                  : give(remote_buf_slice(&opened), ret, err);
}

static enum remote_rc decrypt_kes(struct slot_keys *keys, const char *name,
                                  struct remote_slice sealed, struct remote_slice context,
                                  struct remote_secret *ret, struct remote_error *err)
{
    CLEANUP(unref) struct remote_key *key = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf opened = { 0 };
    struct remote_params params = { .alg = REMOTE_ALG_AEAD, .aad = context };

    REMOTE_TRY(find(keys, name, &key, err));
    if (strcmp(remote_slot_backend(key->slot), "kes") != 0)
        return kesd_not_authentic(err);
    REMOTE_TRY(decrypt_there(key, &params, sealed, &opened, err));
    return give(remote_buf_slice(&opened), ret, err);
}

static enum remote_rc slot_decrypt(struct kesd_keys *keys, const char *name,
                                   struct remote_slice sealed, struct remote_slice context,
                                   struct remote_secret *ret, struct remote_error *err)
{
    struct slot_keys *own = slot_keys_of(keys);
    enum remote_rc rc = REMOTE_E_DATA;

    if (is_ours(sealed))
        rc = decrypt_ours(own, name, sealed, context, ret, err);
    return rc == REMOTE_E_DATA ? decrypt_kes(own, name, sealed, context, ret, err) : rc;
}

/* ---- HMAC ---- */

static bool makes_hmac(const struct remote_key *key, const struct remote_params *params)
{
    return remote_key_check(key, params, REMOTE_USE_SIGN, NULL) == REMOTE_OK;
}

/* A key of that name whose service makes an HMAC with it: one for that alone, if there is one. */
static enum remote_rc find_hmac(const struct slot_keys *keys, const char *name,
                                const struct remote_params *params, struct remote_key **ret,
                                struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list list = { 0 };
    struct remote_key *best = NULL;
    struct remote_slot *slot;

    REMOTE_TRY(slot_of(keys, &slot, err));
    REMOTE_TRY(remote_slot_find_label(slot, name, &list, err));
    if (list.count == 0)
        return not_found(name, err);
    for (size_t i = 0; i < list.count; i++)
        if (makes_hmac(list.keys[i], params) &&
            (best == NULL || list.keys[i]->type == REMOTE_KEY_GENERIC))
            best = list.keys[i];
    if (best == NULL)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "slot '%s' makes no HMAC with the key '%s'",
                           remote_slot_name(slot), name);
    *ret = remote_key_ref(best);
    return REMOTE_OK;
}

static enum remote_rc slot_hmac(struct kesd_keys *keys, const char *name,
                                struct remote_slice message, unsigned char ret[KESD_KEY_LEN],
                                struct remote_error *err)
{
    static const struct remote_params params = { .alg = REMOTE_ALG_HMAC,
                                                 .hash = REMOTE_HASH_SHA256 };
    CLEANUP(unref) struct remote_key *key = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf mac = { 0 };

    REMOTE_TRY(find_hmac(slot_keys_of(keys), name, &params, &key, err));
    REMOTE_TRY(remote_key_sign(key, &params, message, &mac, err));
    if (mac.len != KESD_KEY_LEN)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "an HMAC of %zu bytes", mac.len);
    memcpy(ret, mac.data, KESD_KEY_LEN);
    return REMOTE_OK;
}

/* ---- opening the slot ---- */

static enum remote_rc slot_probe(struct kesd_keys *keys, struct remote_error *err)
{
    struct remote_slot *slot;

    REMOTE_TRY(slot_of(slot_keys_of(keys), &slot, err));
    return remote_slot_reach(slot, err);
}

static void slot_close(struct kesd_keys *keys)
{
    struct slot_keys *own = slot_keys_of(keys);

    kesd_slot_ref_clear(&own->slot);
    free(own);
}

enum remote_rc kesd_keys_open_slot(struct remote_core *core, const struct kesd_settings *settings,
                                   struct kesd_keys **ret, struct remote_error *err)
{
    static const struct kesd_keys_ops ops = {
        .is_near = slot_is_near,
        .create = slot_create,
        .import = slot_import,
        .describe = slot_describe,
        .remove = slot_remove,
        .list = slot_list,
        .generate = slot_generate,
        .encrypt = slot_encrypt,
        .decrypt = slot_decrypt,
        .hmac = slot_hmac,
        .probe = slot_probe,
        .close = slot_close,
    };
    struct slot_keys *keys = calloc(1, sizeof(*keys));
    enum remote_rc rc;

    if (keys == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    keys->base.ops = &ops;
    rc = kesd_slot_ref_init(&keys->slot, core, "slot", settings->slot, err);
    if (rc != REMOTE_OK) {
        slot_close(&keys->base);
        return rc;
    }
    *ret = &keys->base;
    return REMOTE_OK;
}
