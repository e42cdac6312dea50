/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

#include "keys_private.h"

const char *const kesd_algorithm_names[] = {
    [KESD_AES256] = "AES256", [KESD_CHACHA20] = "ChaCha20"
};

enum remote_rc kesd_keys_new(struct remote_core *core, const struct kesd_settings *settings,
                             struct kesd_keys **ret, struct remote_error *err)
{
    REMOTE_TRY(settings->store == KESD_STORE_SLOT ? kesd_keys_open_slot(core, settings, ret, err)
                                                  : kesd_keys_open_kept(core, settings, ret, err));
    kesd_makings_init(&(*ret)->makings);
    return REMOTE_OK;
}

void kesd_keys_free(struct kesd_keys *keys)
{
    if (keys == NULL)
        return;
    kesd_makings_clear(&keys->makings);
    keys->ops->close(keys);
}

bool kesd_keys_is_near(struct kesd_keys *keys, const char *name)
{
    return keys->ops->is_near(keys, name);
}

enum remote_rc kesd_keys_create(struct kesd_keys *keys, const char *name, const char *identity,
                                struct remote_error *err)
{
    struct kesd_making making = { .name = name };
    enum remote_rc rc;

    kesd_making_begin(&keys->makings, &making);
    rc = keys->ops->create(keys, name, identity, err);
    kesd_making_end(&keys->makings, &making);
    return rc;
}

enum remote_rc kesd_keys_import(struct kesd_keys *keys, const char *name, const char *identity,
                                enum kesd_algorithm algorithm, struct remote_slice bytes,
                                struct remote_error *err)
{
    struct kesd_making making = { .name = name };
    enum remote_rc rc;

    if (bytes.len != KESD_KEY_LEN)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "a key of type %s has %d bytes, not %zu",
                           kesd_algorithm_names[algorithm], KESD_KEY_LEN, bytes.len);
    kesd_making_begin(&keys->makings, &making);
    rc = keys->ops->import(keys, name, identity, algorithm, bytes, err);
    kesd_making_end(&keys->makings, &making);
    return rc;
}

enum remote_rc kesd_keys_describe(struct kesd_keys *keys, const char *name, struct kesd_info *ret,
                                  struct remote_error *err)
{
    return keys->ops->describe(keys, name, ret, err);
}

enum remote_rc kesd_keys_delete(struct kesd_keys *keys, const char *name, struct remote_error *err)
{
    return keys->ops->remove(keys, name, err);
}

enum remote_rc kesd_keys_list(struct kesd_keys *keys, const char *prefix, size_t max,
                              struct kesd_names *ret, struct remote_error *err)
{
    CLEANUP(kesd_names_clear) struct kesd_names names = { 0 };

    REMOTE_TRY(keys->ops->list(keys, &names, err));
    kesd_names_choose(&names, prefix, max);
    *ret = names;
    names = (struct kesd_names){ 0 };
    return REMOTE_OK;
}

enum remote_rc kesd_keys_generate(struct kesd_keys *keys, const char *name,
                                  struct remote_slice context, struct remote_secret *ret_plain,
                                  struct remote_buf *ret_sealed, struct remote_error *err)
{
    return keys->ops->generate(keys, name, context, ret_plain, ret_sealed, err);
}

enum remote_rc kesd_keys_encrypt(struct kesd_keys *keys, const char *name,
                                 struct remote_slice plain, struct remote_slice context,
                                 struct remote_buf *ret, struct remote_error *err)
{
    return keys->ops->encrypt(keys, name, plain, context, ret, err);
}

enum remote_rc kesd_keys_decrypt(struct kesd_keys *keys, const char *name,
                                 struct remote_slice sealed, struct remote_slice context,
                                 struct remote_secret *ret, struct remote_error *err)
{
    return keys->ops->decrypt(keys, name, sealed, context, ret, err);
}

enum remote_rc kesd_keys_hmac(struct kesd_keys *keys, const char *name, struct remote_slice message,
                              unsigned char ret[KESD_KEY_LEN], struct remote_error *err)
{
    return keys->ops->hmac(keys, name, message, ret, err);
}

enum remote_rc kesd_keys_probe(struct kesd_keys *keys, int64_t *ret_ms, struct remote_error *err)
{
    int64_t start_ms = remote_now_ms();

    REMOTE_TRY(keys->ops->probe(keys, err));
    *ret_ms = remote_now_ms() - start_ms;
    return REMOTE_OK;
}

void kesd_keys_tick(struct kesd_keys *keys)
{
    if (keys->ops->tick != NULL)
        keys->ops->tick(keys);
}
