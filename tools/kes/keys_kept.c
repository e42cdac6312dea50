/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that a store keeps; what they do is done here with their bytes. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "key_cache.h"
#include "keys_private.h"
#include "record.h"

struct kept {
    struct kesd_keys base; /* first */
    struct kesd_store *store;
    struct kesd_record_form form;
    struct kesd_key_cipher *cipher;
    struct kesd_key_room *room;
    struct kesd_key_cache *cache;
};

static void unref(struct kesd_kept_key **key)
{
    kesd_kept_key_unref(*key);
}

static struct kept *kept_of(struct kesd_keys *keys)
{
    return (struct kept *)keys;
}

/* ---- from the store and into it ---- */

static enum remote_rc load(void *arg, const char *name, struct kesd_kept_key **ret,
                           struct remote_error *err)
{
    struct kept *kept = arg;
    CLEANUP(remote_secret_clear) struct remote_secret text = { 0 };
    CLEANUP(kes_stored_clear) struct kes_stored stored = { 0 };

    REMOTE_TRY(kept->store->ops->read(kept->store, name, &text, err));
    REMOTE_TRY(kesd_record_read(&kept->form, name, remote_secret_slice(&text), &stored, err));
    return kesd_kept_key_new(kept->room, &stored, ret, err);
}

/* The HMAC key is random whatever the other is, and always there: a KES does not survive a record
 * without it. */
static enum remote_rc fill(struct kept *kept, const char *identity, struct kes_stored *stored,
                           struct remote_error *err)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    stored->created = (int64_t)now.tv_sec;
    stored->created_ns = (int32_t)now.tv_nsec;
    strncpy(stored->created_by, identity, sizeof(stored->created_by) - 1);
    REMOTE_TRY(remote_secret_set(&stored->mac, NULL, KESD_KEY_LEN, err));
    return kesd_key_cipher_random(kept->cipher, stored->mac.data, KESD_KEY_LEN, err);
}

/* stored: without what is the same for all. */
static enum remote_rc store_new(struct kept *kept, const char *name, const char *identity,
                                struct kes_stored *stored, struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret text = { 0 };
    CLEANUP(unref) struct kesd_kept_key *key = NULL;

    REMOTE_TRY(fill(kept, identity, stored, err));
    REMOTE_TRY(kesd_kept_key_new(kept->room, stored, &key, err));
    REMOTE_TRY(kesd_record_write(&kept->form, name, stored, &text, err));
    REMOTE_TRY(kept->store->ops->create(kept->store, name, remote_secret_slice(&text), err));
    kesd_key_cache_put(kept->cache, name, key);
    return REMOTE_OK;
}

static enum remote_rc kept_create(struct kesd_keys *keys, const char *name, const char *identity,
                                  struct remote_error *err)
{
    struct kept *kept = kept_of(keys);
    CLEANUP(kes_stored_clear) struct kes_stored stored = { .type = REMOTE_KEY_AES };

    REMOTE_TRY(remote_secret_set(&stored.cipher, NULL, KESD_KEY_LEN, err));
    REMOTE_TRY(kesd_key_cipher_random(kept->cipher, stored.cipher.data, KESD_KEY_LEN, err));
    return store_new(kept, name, identity, &stored, err);
}

static enum remote_rc kept_import(struct kesd_keys *keys, const char *name, const char *identity,
                                  enum kesd_algorithm algorithm, struct remote_slice bytes,
                                  struct remote_error *err)
{
    CLEANUP(kes_stored_clear)
    struct kes_stored stored = { .type = algorithm == KESD_CHACHA20 ? REMOTE_KEY_CHACHA20
                                                                    : REMOTE_KEY_AES };

    REMOTE_TRY(remote_secret_set(&stored.cipher, bytes.data, bytes.len, err));
    return store_new(kept_of(keys), name, identity, &stored, err);
}

/* It goes from the cache in any case: what is at hand must not outlive what may be gone. */
static enum remote_rc kept_remove(struct kesd_keys *keys, const char *name,
                                  struct remote_error *err)
{
    struct kept *kept = kept_of(keys);
    enum remote_rc rc = kept->store->ops->remove(kept->store, name, err);

    kesd_key_cache_drop(kept->cache, name);
    return rc;
}

static enum remote_rc kept_list(struct kesd_keys *keys, struct kesd_names *ret,
                                struct remote_error *err)
{
    struct kesd_store *store = kept_of(keys)->store;

    return store->ops->list(store, ret, err);
}

static enum remote_rc kept_probe(struct kesd_keys *keys, struct remote_error *err)
{
    struct kesd_store *store = kept_of(keys)->store;

    return store->ops->probe(store, err);
}

/* ---- use ---- */

static bool kept_is_near(struct kesd_keys *keys, const char *name)
{
    return kesd_key_cache_is_near(kept_of(keys)->cache, name);
}

static enum remote_rc kept_describe(struct kesd_keys *keys, const char *name, struct kesd_info *ret,
                                    struct remote_error *err)
{
    CLEANUP(unref) struct kesd_kept_key *key = NULL;

    REMOTE_TRY(kesd_key_cache_get(kept_of(keys)->cache, name, &key, err));
    *ret = key->info;
    return REMOTE_OK;
}

static enum remote_rc kept_generate(struct kesd_keys *keys, const char *name,
                                    struct remote_slice context, struct remote_secret *ret_plain,
                                    struct remote_buf *ret_sealed, struct remote_error *err)
{
    CLEANUP(unref) struct kesd_kept_key *key = NULL;
    struct kept *kept = kept_of(keys);
    struct kesd_cipher_key bytes;

    REMOTE_TRY(kesd_key_cache_get(kept->cache, name, &key, err));
    bytes = kesd_kept_key_cipher(key);
    return kesd_key_cipher_generate(kept->cipher, &bytes, context, ret_plain, ret_sealed, err);
}

static enum remote_rc kept_encrypt(struct kesd_keys *keys, const char *name,
                                   struct remote_slice plain, struct remote_slice context,
                                   struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(unref) struct kesd_kept_key *key = NULL;
    struct kept *kept = kept_of(keys);
    struct kesd_cipher_key bytes;

    REMOTE_TRY(kesd_key_cache_get(kept->cache, name, &key, err));
    bytes = kesd_kept_key_cipher(key);
    return kesd_key_cipher_seal(kept->cipher, &bytes, plain, context, ret, err);
}

static enum remote_rc kept_decrypt(struct kesd_keys *keys, const char *name,
                                   struct remote_slice sealed, struct remote_slice context,
                                   struct remote_secret *ret, struct remote_error *err)
{
    CLEANUP(unref) struct kesd_kept_key *key = NULL;
    struct kept *kept = kept_of(keys);
    struct kesd_cipher_key bytes;

    REMOTE_TRY(kesd_key_cache_get(kept->cache, name, &key, err));
    bytes = kesd_kept_key_cipher(key);
    return kesd_key_cipher_open(kept->cipher, &bytes, sealed, context, ret, err);
}

static enum remote_rc kept_hmac(struct kesd_keys *keys, const char *name,
                                struct remote_slice message, unsigned char ret[KESD_KEY_LEN],
                                struct remote_error *err)
{
    CLEANUP(unref) struct kesd_kept_key *key = NULL;
    struct kept *kept = kept_of(keys);

    REMOTE_TRY(kesd_key_cache_get(kept->cache, name, &key, err));
    if (!key->has_hmac)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "key '%s' was stored without an HMAC key",
                           name);
    return kesd_key_cipher_hmac(kept->cipher, kesd_kept_key_hmac(key), message, ret, err);
}

static void kept_tick(struct kesd_keys *keys)
{
    kesd_key_cache_tick(kept_of(keys)->cache);
}

/* ---- opening ---- */

static void kept_close(struct kesd_keys *keys)
{
    struct kept *kept = kept_of(keys);

    kesd_key_cache_free(kept->cache); /* its keys are in the room */
    kesd_key_room_free(kept->room);
    kesd_key_cipher_free(kept->cipher);
    if (kept->store != NULL)
        kept->store->ops->close(kept->store);
    kesd_record_form_clear(&kept->form);
    free(kept);
}

static enum remote_rc open_parts(struct kept *kept, struct remote_core *core,
                                 const struct kesd_settings *settings, struct remote_error *err)
{
    struct kesd_cache_source source = { .load = load,
                                        .arg = kept,
                                        .any_ms = settings->cache_any_ms,
                                        .unused_ms = settings->cache_unused_ms,
                                        .offline_ms = settings->cache_offline_ms };

    REMOTE_TRY(kesd_record_form_init(&kept->form, core, settings, err));
    if (settings->store == KESD_STORE_VAULT)
        REMOTE_TRY(kesd_store_open_vault(core, settings, &kept->store, err));
    else
        REMOTE_TRY(kesd_store_open_directory(settings->directory, &kept->store, err));
    REMOTE_TRY(kesd_key_cipher_new(&kept->cipher, err));
    REMOTE_TRY(kesd_key_room_new(&kept->room, err));
    return kesd_key_cache_new(&source, &kept->cache, err);
}

enum remote_rc kesd_keys_open_kept(struct remote_core *core, const struct kesd_settings *settings,
                                   struct kesd_keys **ret, struct remote_error *err)
{
    static const struct kesd_keys_ops ops = {
        .is_near = kept_is_near,
        .create = kept_create,
        .import = kept_import,
        .describe = kept_describe,
        .remove = kept_remove,
        .list = kept_list,
        .generate = kept_generate,
        .encrypt = kept_encrypt,
        .decrypt = kept_decrypt,
        .hmac = kept_hmac,
        .probe = kept_probe,
        .tick = kept_tick,
        .close = kept_close,
    };
    struct kept *kept = calloc(1, sizeof(*kept));
    enum remote_rc rc;

    if (kept == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    kept->base.ops = &ops;
    rc = open_parts(kept, core, settings, err);
    if (rc != REMOTE_OK) {
        kept_close(&kept->base);
        return rc;
    }
    *ret = &kept->base;
    return REMOTE_OK;
}
