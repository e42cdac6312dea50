/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "HBK", 2, the form of the wrapping, the key_id in 32 bytes, the length of the wrapped local key
 * in 2 (big-endian), the wrapped local key, a nonce of 12, and AES-256-GCM of the DEK with all that
 * stands in front of the nonce as associated data.
 */
#include "local_kek.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "local/nonce.h"
#include "seal.h"

#define ID_LEN (KMS_KEY_ID / 2)
#define FIXED (KMS_LOCAL_KEK_MAGIC_LEN + 1 + ID_LEN + 2)
#define NONCE 12
#define TAG 16
#define KEK 32
#define HASH 32
#define KEPT 256 /* opened local keys; each is a locked page */

struct current { /* what seals now; counted */
    atomic_uint refs;
    struct remote_secret_key *key;
    struct remote_buf head; /* of every ciphertext that it makes */
    char key_id[KMS_KEY_ID + 1];
    atomic_ullong uses;
    int64_t made_ms;
};

struct kept {
    unsigned char hash[HASH]; /* of the head; free: key is NULL */
    struct remote_secret_key *key;
    int64_t opened_ms, used_ms;
};

struct kms_local_keks {
    struct kms_local_kek_options options;
    pthread_mutex_t lock; /* never held over a request */
    struct current *current;
    struct kept kept[KEPT];
};

/* ---- bytes ---- */

bool kms_local_kek_split(struct remote_slice cipher, struct kms_local_cipher *ret)
{
    struct remote_slice rest = cipher, magic, form, len;

    if (!remote_slice_take(&rest, KMS_LOCAL_KEK_MAGIC_LEN, &magic) ||
        memcmp(magic.data, KMS_LOCAL_KEK_MAGIC, KMS_LOCAL_KEK_MAGIC_LEN) != 0 ||
        !remote_slice_take(&rest, 1, &form) || !remote_slice_take(&rest, ID_LEN, &ret->key_id) ||
        !remote_slice_take(&rest, 2, &len) ||
        !remote_slice_take(&rest, (size_t)len.data[0] << 8 | len.data[1], &ret->wrapped))
        return false;
    ret->form = (enum kms_form)form.data[0];
    ret->head = remote_slice(cipher.data, cipher.len - rest.len);
    if (!remote_slice_take(&rest, NONCE, &ret->nonce) || rest.len < TAG)
        return false;
    ret->body = rest;
    return ret->form >= KMS_FORM_AEAD && ret->form <= KMS_FORM_OAEP_1;
}

static enum remote_rc write_head(const struct kms_version *version,
                                 const struct kms_sealed *wrapped, struct remote_buf *ret,
                                 struct remote_error *err)
{
    size_t len = wrapped->ciphertext.len;

    if (len > UINT16_MAX)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                           "key '%s': a wrapped key of %zu bytes is too long for --local-kek",
                           version->key->name, len);
    remote_buf_append_str(ret, KMS_LOCAL_KEK_MAGIC);
    remote_buf_append_char(ret, (char)wrapped->form);
    if (!remote_hex_decode(remote_slice_str(version->key_id), ret))
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    remote_buf_append_char(ret, (char)(len >> 8));
    remote_buf_append_char(ret, (char)(len & 0xff));
    remote_buf_append(ret, wrapped->ciphertext.data, len);
    return remote_buf_check(ret, err);
}

/* ---- AES-256-GCM under a local key ---- */

static enum remote_rc run(struct remote_secret_key *key, struct remote_slice head,
                          struct remote_slice nonce, bool encrypt, struct remote_slice in,
                          struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(remote_cipher_clear) struct remote_cipher_run cipher = { 0 };
    const struct remote_cipher_params params = {
        .cipher = REMOTE_CIPHER_AES_GCM, .iv = nonce, .aad = head, .tag_len = TAG
    };

    REMOTE_TRY(remote_cipher_init(&cipher, key, &params, encrypt, err));
    REMOTE_TRY(remote_cipher_update(&cipher, in, ret, err));
    return remote_cipher_final(&cipher, ret, err);
}

/* ---- opened local keys ---- */

static void forget(struct kept *kept)
{
    remote_secret_key_unref(kept->key);
    memset(kept, 0, sizeof(*kept));
}

/* A reference, or NULL. */
static struct remote_secret_key *find_kept(struct kms_local_keks *keks,
                                           const unsigned char hash[HASH])
{
    int64_t now_ms = remote_now_ms();
    struct remote_secret_key *key = NULL;

    pthread_mutex_lock(&keks->lock);
    for (size_t i = 0; key == NULL && i < KEPT; i++) {
        struct kept *kept = &keks->kept[i];

        if (kept->key == NULL || memcmp(kept->hash, hash, HASH) != 0)
            continue;
        if (now_ms - kept->opened_ms > keks->options.max_age_ms) {
            forget(kept);
            continue;
        }
        kept->used_ms = now_ms;
        key = remote_secret_key_ref(kept->key);
    }
    pthread_mutex_unlock(&keks->lock);
    return key;
}

static void forget_all(struct kms_local_keks *keks)
{
    pthread_mutex_lock(&keks->lock);
    for (size_t i = 0; i < KEPT; i++)
        forget(&keks->kept[i]);
    pthread_mutex_unlock(&keks->lock);
}

/* In the place of the one that was not used for longest. */
static void keep(struct kms_local_keks *keks, const unsigned char hash[HASH],
                 struct remote_secret_key *key)
{
    struct kept *place = &keks->kept[0];

    pthread_mutex_lock(&keks->lock);
    for (size_t i = 1; place->key != NULL && i < KEPT; i++)
        if (keks->kept[i].key == NULL || keks->kept[i].used_ms < place->used_ms)
            place = &keks->kept[i];
    forget(place);
    memcpy(place->hash, hash, HASH);
    place->key = remote_secret_key_ref(key);
    place->opened_ms = place->used_ms = remote_now_ms();
    pthread_mutex_unlock(&keks->lock);
}

static enum remote_rc unwrap(const struct kms_request *request,
                             const struct kms_local_cipher *cipher, struct remote_secret_key **ret,
                             struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf key_id = { 0 }, bytes = { 0 };
    struct kms_opening opening = { .form = cipher->form, .ciphertext = cipher->wrapped };

    remote_hex_append(&key_id, cipher->key_id);
    REMOTE_TRY(remote_buf_check(&key_id, err));
    opening.key_id = remote_buf_slice(&key_id);
    REMOTE_TRY(kms_service_open(request, &opening, &bytes, err));
    if (bytes.len != KEK)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "the ciphertext's local key is none");
    return remote_secret_key_new(REMOTE_KEY_AES, remote_buf_slice(&bytes), ret, err);
}

enum remote_rc kms_local_kek_open(struct kms_local_keks *keks, const struct kms_request *request,
                                  struct remote_slice cipher, struct remote_buf *ret,
                                  struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf hash = { 0 };
    struct remote_error health;
    struct remote_secret_key *key;
    struct kms_local_cipher parts;
    enum remote_rc rc;

    if (!kms_local_kek_split(cipher, &parts))
        return REMOTE_FAIL(err, REMOTE_E_DATA, "the ciphertext is not whole");
    REMOTE_TRY(remote_local_hash(REMOTE_HASH_SHA256, parts.head, &hash, err));
    if (kms_keyring_is_final(kms_keyring_health(request->ring, &health)))
        forget_all(keks); /* who takes the service's key away means these too */
    key = find_kept(keks, hash.data);
    if (key == NULL) {
        REMOTE_TRY(unwrap(request, &parts, &key, err));
        keep(keks, hash.data, key);
    }
    rc = run(key, parts.head, parts.nonce, false, parts.body, ret, err);
    remote_secret_key_unref(key);
    return rc;
}

/* ---- the one that seals ---- */

static void current_unref(struct current *current)
{
    if (current == NULL || atomic_fetch_sub(&current->refs, 1) != 1)
        return;
    remote_secret_key_unref(current->key);
    remote_buf_clear(&current->head);
    free(current);
}

static void current_drop(struct current **current) /* for CLEANUP() */
{
    current_unref(*current);
}

static bool is_good(const struct kms_local_keks *keks, struct current *current, const char *key_id)
{
    return current != NULL && strcmp(current->key_id, key_id) == 0 &&
           atomic_load(&current->uses) < keks->options.max_uses &&
           remote_now_ms() - current->made_ms < keks->options.max_age_ms;
}

static struct current *find_current(struct kms_local_keks *keks, const char *key_id)
{
    struct current *current = NULL;

    pthread_mutex_lock(&keks->lock);
    if (is_good(keks, keks->current, key_id)) {
        current = keks->current;
        atomic_fetch_add(&current->refs, 1);
        atomic_fetch_add(&current->uses, 1);
    }
    pthread_mutex_unlock(&keks->lock);
    return current;
}

static enum remote_rc make(const struct kms_version *version, int64_t deadline_ms,
                           struct current *current, struct remote_error *err)
{
    CLEANUP(kms_sealed_clear) struct kms_sealed wrapped = { 0 };

    REMOTE_TRY(remote_secret_key_generate(REMOTE_KEY_AES, KEK, &current->key, err));
    REMOTE_TRY(kms_seal(version, remote_secret_key_value(current->key), false, deadline_ms,
                        &wrapped, err));
    return write_head(version, &wrapped, &current->head, err);
}

static enum remote_rc current_new(const struct kms_version *version, int64_t deadline_ms,
                                  struct current **ret, struct remote_error *err)
{
    CLEANUP(current_drop) struct current *current = calloc(1, sizeof(*current));

    if (current == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    atomic_init(&current->refs, 1);
    atomic_init(&current->uses, 1); /* the caller's */
    current->made_ms = remote_now_ms();
    memcpy(current->key_id, version->key_id, sizeof(current->key_id));
    REMOTE_TRY(make(version, deadline_ms, current, err));
    *ret = current;
    current = NULL;
    return REMOTE_OK;
}

/* Calls that come while there is none make one each; the last that is ready stays. */
static enum remote_rc obtain(struct kms_local_keks *keks, const struct kms_version *version,
                             int64_t deadline_ms, struct current **ret, struct remote_error *err)
{
    struct current *old;

    *ret = find_current(keks, version->key_id);
    if (*ret != NULL)
        return REMOTE_OK;
    REMOTE_TRY(current_new(version, deadline_ms, ret, err));
    remote_log(REMOTE_LOG_INFO, "key '%s' has wrapped a new local key", version->key->name);
    atomic_fetch_add(&(*ret)->refs, 1);
    pthread_mutex_lock(&keks->lock);
    old = keks->current;
    keks->current = *ret;
    pthread_mutex_unlock(&keks->lock);
    current_unref(old);
    return REMOTE_OK;
}

enum remote_rc kms_local_kek_seal(struct kms_local_keks *keks, const struct kms_version *version,
                                  struct remote_slice plain, int64_t deadline_ms,
                                  struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(current_drop) struct current *current = NULL;
    unsigned char nonce[NONCE];

    REMOTE_TRY(obtain(keks, version, deadline_ms, &current, err));
    REMOTE_TRY(remote_local_nonce(nonce, sizeof(nonce), err));
    remote_buf_append(ret, current->head.data, current->head.len);
    remote_buf_append(ret, nonce, sizeof(nonce));
    return run(current->key, remote_buf_slice(&current->head), remote_slice(nonce, sizeof(nonce)),
               true, plain, ret, err);
}

/* ---- the whole ---- */

struct kms_local_keks *kms_local_keks_new(const struct kms_local_kek_options *options,
                                          struct remote_error *err)
{
    struct kms_local_keks *keks = calloc(1, sizeof(*keks));

    if (keks == NULL) {
        REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        return NULL;
    }
    keks->options = *options;
    pthread_mutex_init(&keks->lock, NULL);
    return keks;
}

void kms_local_keks_free(struct kms_local_keks *keks)
{
    if (keks == NULL)
        return;
    for (size_t i = 0; i < KEPT; i++)
        forget(&keks->kept[i]);
    current_unref(keks->current);
    pthread_mutex_destroy(&keks->lock);
    free(keks);
}

bool kms_local_keks_seal(const struct kms_local_keks *keks)
{
    return keks->options.seal;
}
