/* SPDX-License-Identifier: Apache-2.0 */
#include "key_cipher.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "hchacha20.h"
#include "old_ciphertext.h"

#define TAG_LEN 16
#define IV_LEN 16
#define NONCE_LEN 12
#define CHOSEN_LEN (IV_LEN + NONCE_LEN)

#define SETS_MAX 32       /* that are kept: threads that are at it at once */
#define ROOM 4000         /* bytes: random ones, and a plaintext; with its NUL within a page */
#define RANDOM_AT_ONCE 64 /* most that one call takes */

struct set { /* what one thread works with */
    EVP_MAC_CTX *hmac;
    EVP_CIPHER_CTX *aead[2];     /* by enum kesd_algorithm */
    struct remote_secret random; /* used up from the end; what is taken is wiped */
    unsigned generation;         /* fork generation that they were made in */
    struct remote_secret plain;  /* while its tag is being checked */
    struct remote_secret keyed;  /* the key that hmac has; empty: none */
};

struct kesd_key_cipher {
    EVP_MAC *hmac;
    EVP_CIPHER *aead[2];
    _Atomic(struct set *) spare[SETS_MAX];
};

enum remote_rc kesd_not_authentic(struct remote_error *err)
{
    return REMOTE_FAIL(err, REMOTE_E_DATA, "decryption failed: ciphertext is not authentic");
}

/* ---- sets ---- */

static void set_free(struct set *set)
{
    if (set == NULL)
        return;
    EVP_MAC_CTX_free(set->hmac);
    EVP_CIPHER_CTX_free(set->aead[KESD_AES256]);
    EVP_CIPHER_CTX_free(set->aead[KESD_CHACHA20]);
    remote_secret_clear(&set->random);
    remote_secret_clear(&set->keyed);
    remote_secret_clear(&set->plain);
    free(set);
}

/* The digest is named once: naming it fetches it, which costs as much as the HMAC itself. */
static EVP_MAC_CTX *new_hmac(const struct kesd_key_cipher *cipher)
{
    static const unsigned char any[KESD_KEY_LEN];
    char name[] = "SHA2-256";
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                            OSSL_PARAM_construct_end() };
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(cipher->hmac);

    if (ctx != NULL && EVP_MAC_init(ctx, any, sizeof(any), params) == 1)
        return ctx;
    EVP_MAC_CTX_free(ctx);
    return NULL;
}

static EVP_CIPHER_CTX *new_aead(const struct kesd_key_cipher *cipher, enum kesd_algorithm which)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    if (ctx != NULL && EVP_CipherInit_ex2(ctx, cipher->aead[which], NULL, NULL, 1, NULL) == 1)
        return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

static struct set *set_new(const struct kesd_key_cipher *cipher)
{
    struct set *set = calloc(1, sizeof(*set));

    if (set == NULL)
        return NULL;
    set->hmac = new_hmac(cipher);
    set->aead[KESD_AES256] = new_aead(cipher, KESD_AES256);
    set->aead[KESD_CHACHA20] = new_aead(cipher, KESD_CHACHA20);
    if (set->hmac != NULL && set->aead[KESD_AES256] != NULL && set->aead[KESD_CHACHA20] != NULL &&
        remote_secret_set(&set->random, NULL, ROOM, NULL) == REMOTE_OK &&
        remote_secret_set(&set->plain, NULL, ROOM, NULL) == REMOTE_OK &&
        remote_secret_set(&set->keyed, NULL, KESD_KEY_LEN, NULL) == REMOTE_OK) {
        set->random.len = set->keyed.len = 0;
        return set;
    }
    set_free(set);
    return NULL;
}

static enum remote_rc take_set(struct kesd_key_cipher *cipher, struct set **ret,
                               struct remote_error *err)
{
    struct set *set = NULL;

    for (size_t i = 0; set == NULL && i < SETS_MAX; i++)
        if (atomic_load_explicit(&cipher->spare[i], memory_order_relaxed) != NULL)
            set = atomic_exchange(&cipher->spare[i], NULL);
    if (set == NULL)
        set = set_new(cipher);
    if (set == NULL)
        return remote_crypto_fail(err, "cannot begin a cipher");
    *ret = set;
    return REMOTE_OK;
}

static void give_back(struct kesd_key_cipher *cipher, struct set *set)
{
    for (size_t i = 0; i < SETS_MAX; i++) {
        struct set *none = NULL;

        if (atomic_load_explicit(&cipher->spare[i], memory_order_relaxed) == NULL &&
            atomic_compare_exchange_strong(&cipher->spare[i], &none, set))
            return;
    }
    set_free(set);
}

enum remote_rc kesd_key_cipher_new(struct kesd_key_cipher **ret, struct remote_error *err)
{
    struct kesd_key_cipher *cipher = calloc(1, sizeof(*cipher));

    if (cipher == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    cipher->hmac = EVP_MAC_fetch(remote_libctx(), OSSL_MAC_NAME_HMAC, NULL);
    cipher->aead[KESD_AES256] = EVP_CIPHER_fetch(remote_libctx(), "AES-256-GCM", NULL);
    cipher->aead[KESD_CHACHA20] = EVP_CIPHER_fetch(remote_libctx(), "ChaCha20-Poly1305", NULL);
    if (cipher->hmac == NULL || cipher->aead[KESD_AES256] == NULL ||
        cipher->aead[KESD_CHACHA20] == NULL) {
        kesd_key_cipher_free(cipher);
        return remote_crypto_fail(err, "libcrypto lacks what keys of KES need");
    }
    *ret = cipher;
    return REMOTE_OK;
}

void kesd_key_cipher_free(struct kesd_key_cipher *cipher)
{
    if (cipher == NULL)
        return;
    for (size_t i = 0; i < SETS_MAX; i++)
        set_free(atomic_load(&cipher->spare[i]));
    EVP_MAC_free(cipher->hmac);
    EVP_CIPHER_free(cipher->aead[KESD_AES256]);
    EVP_CIPHER_free(cipher->aead[KESD_CHACHA20]);
    free(cipher);
}

/* ---- random bytes ---- */

/* A page at a time: one call of libcrypto's generator costs nearly as much for 60 bytes. */
static enum remote_rc refill(struct set *set, struct remote_error *err)
{
    set->random.len = 0;
    if (RAND_priv_bytes_ex(remote_libctx(), set->random.data, ROOM, 0) != 1)
        return remote_crypto_fail(err, "cannot make random bytes");
    set->generation = remote_fork_generation();
    set->random.len = ROOM;
    return REMOTE_OK;
}

/* A child never uses what its parent may use, too. */
static enum remote_rc draw(struct set *set, unsigned char *ret, size_t len,
                           struct remote_error *err)
{
    if (set->random.len < len || set->generation != remote_fork_generation())
        REMOTE_TRY(refill(set, err));
    set->random.len -= len;
    memcpy(ret, set->random.data + set->random.len, len);
    explicit_bzero(set->random.data + set->random.len, len);
    return REMOTE_OK;
}

enum remote_rc kesd_key_cipher_random(struct kesd_key_cipher *cipher, unsigned char *ret,
                                      size_t len, struct remote_error *err)
{
    enum remote_rc rc;
    struct set *set;

    if (len > RANDOM_AT_ONCE)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "%zu random bytes at once", len);
    REMOTE_TRY(take_set(cipher, &set, err));
    rc = draw(set, ret, len, err);
    give_back(cipher, set);
    return rc;
}

/* ---- one message ---- */

/* What HMAC makes of a key (RFC 2104 section 4) is kept until another key comes. */
static bool key_hmac(struct set *set, const unsigned char *key)
{
    if (remote_secret_equal(&set->keyed, remote_slice(key, KESD_KEY_LEN)))
        return EVP_MAC_init(set->hmac, NULL, 0, NULL) == 1;
    set->keyed.len = 0;
    if (EVP_MAC_init(set->hmac, key, KESD_KEY_LEN, NULL) != 1)
        return false;
    memcpy(set->keyed.data, key, KESD_KEY_LEN);
    set->keyed.len = KESD_KEY_LEN;
    return true;
}

static bool hmac(struct set *set, const unsigned char *key, struct remote_slice message,
                 unsigned char ret[KESD_KEY_LEN])
{
    size_t len = 0;

    return key_hmac(set, key) && EVP_MAC_update(set->hmac, message.data, message.len) == 1 &&
           EVP_MAC_final(set->hmac, ret, &len, KESD_KEY_LEN) == 1 && len == KESD_KEY_LEN;
}

/* Begins with the key of this message; chosen: iv and nonce. */
static bool begin(struct set *set, const struct kesd_cipher_key *key, const unsigned char *chosen,
                  struct remote_slice context, int encrypt)
{
    EVP_CIPHER_CTX *ctx = set->aead[key->algorithm];
    unsigned char own[KESD_KEY_LEN];
    bool ok = true;
    int len;

    if (key->algorithm == KESD_CHACHA20)
        kesd_hchacha20(key->bytes, chosen, own);
    else
        ok = hmac(set, key->bytes, remote_slice(chosen, IV_LEN), own);
    ok = ok && EVP_CipherInit_ex2(ctx, NULL, own, chosen + IV_LEN, encrypt, NULL) == 1 &&
         (context.len == 0 ||
          EVP_CipherUpdate(ctx, NULL, &len, context.data, (int)context.len) == 1);
    explicit_bzero(own, sizeof(own));
    return ok;
}

static bool transform(EVP_CIPHER_CTX *ctx, struct remote_slice in, unsigned char *to)
{
    int len = 0;

    return in.len == 0 ||
           (EVP_CipherUpdate(ctx, to, &len, in.data, (int)in.len) == 1 && (size_t)len == in.len);
}

static bool finish(EVP_CIPHER_CTX *ctx)
{
    unsigned char nothing[TAG_LEN];
    int len = 0;

    return EVP_CipherFinal_ex(ctx, nothing, &len) == 1 && len == 0;
}

static enum remote_rc check_size(struct remote_slice in, struct remote_slice context,
                                 struct remote_error *err)
{
    if (in.len <= INT32_MAX && context.len <= INT32_MAX)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_LENGTH, "%zu bytes are too many at once",
                       in.len > context.len ? in.len : context.len);
}

static enum remote_rc seal(struct set *set, const struct kesd_cipher_key *key,
                           struct remote_slice plain, struct remote_slice context,
                           struct remote_buf *ret, struct remote_error *err)
{
    EVP_CIPHER_CTX *ctx = set->aead[key->algorithm];
    unsigned char *to;

    REMOTE_TRY(check_size(plain, context, err));
    to = remote_buf_reserve(ret, plain.len + KESD_OVERHEAD);
    if (to == NULL)
        return remote_buf_check(ret, err);
    REMOTE_TRY(draw(set, to + plain.len + TAG_LEN, CHOSEN_LEN, err));
    if (!begin(set, key, to + plain.len + TAG_LEN, context, 1) || !transform(ctx, plain, to) ||
        !finish(ctx) ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, to + plain.len) != 1)
        return remote_crypto_fail(err, "cannot encrypt");
    ret->len += plain.len + KESD_OVERHEAD;
    return REMOTE_OK;
}

enum remote_rc kesd_key_cipher_seal(struct kesd_key_cipher *cipher,
                                    const struct kesd_cipher_key *key, struct remote_slice plain,
                                    struct remote_slice context, struct remote_buf *ret,
                                    struct remote_error *err)
{
    enum remote_rc rc;
    struct set *set;

    REMOTE_TRY(take_set(cipher, &set, err));
    rc = seal(set, key, plain, context, ret, err);
    give_back(cipher, set);
    return rc;
}

static enum remote_rc generate(struct set *set, const struct kesd_cipher_key *key,
                               struct remote_slice context, struct remote_secret *ret_plain,
                               struct remote_buf *ret_sealed, struct remote_error *err)
{
    size_t before = ret_sealed->len;
    enum remote_rc rc;

    REMOTE_TRY(draw(set, set->plain.data, KESD_KEY_LEN, err));
    rc = seal(set, key, remote_slice(set->plain.data, KESD_KEY_LEN), context, ret_sealed, err);
    if (rc == REMOTE_OK)
        rc = remote_secret_set(ret_plain, set->plain.data, KESD_KEY_LEN, err);
    if (rc != REMOTE_OK && ret_sealed->len > before)
        remote_buf_truncate(ret_sealed, before);
    explicit_bzero(set->plain.data, KESD_KEY_LEN);
    return rc;
}

enum remote_rc kesd_key_cipher_generate(struct kesd_key_cipher *cipher,
                                        const struct kesd_cipher_key *key,
                                        struct remote_slice context,
                                        struct remote_secret *ret_plain,
                                        struct remote_buf *ret_sealed, struct remote_error *err)
{
    enum remote_rc rc;
    struct set *set;

    REMOTE_TRY(take_set(cipher, &set, err));
    rc = generate(set, key, context, ret_plain, ret_sealed, err);
    give_back(cipher, set);
    return rc;
}

/* ---- opening ---- */

/* room: for the text, which it is not before this says so. */
static bool open_into(struct set *set, const struct kesd_cipher_key *key,
                      struct remote_slice sealed, struct remote_slice context, unsigned char *room)
{
    EVP_CIPHER_CTX *ctx = set->aead[key->algorithm];
    size_t len = sealed.len - KESD_OVERHEAD;
    unsigned char tag[TAG_LEN];

    memcpy(tag, sealed.data + len, TAG_LEN);
    return begin(set, key, sealed.data + len + TAG_LEN, context, 0) &&
           transform(ctx, remote_slice(sealed.data, len), room) &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) == 1 && finish(ctx);
}

/* What fits is opened in the set's own pages: making new ones costs more than the cipher. */
static enum remote_rc open_raw(struct set *set, const struct kesd_cipher_key *key,
                               struct remote_slice sealed, struct remote_slice context,
                               struct remote_secret *ret, struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret large = { 0 };
    struct remote_secret *room = &set->plain;
    enum remote_rc rc;
    size_t len;

    if (sealed.len < KESD_OVERHEAD)
        return kesd_not_authentic(err);
    REMOTE_TRY(check_size(sealed, context, err));
    len = sealed.len - KESD_OVERHEAD;
    if (len > ROOM) {
        room = &large;
        REMOTE_TRY(remote_secret_set(room, NULL, len, err));
    }
    if (open_into(set, key, sealed, context, room->data))
        rc = remote_secret_set(ret, room->data, len, err);
    else
        rc = kesd_not_authentic(err);
    explicit_bzero(room->data, len);
    return rc;
}

enum remote_rc kesd_key_cipher_open(struct kesd_key_cipher *cipher,
                                    const struct kesd_cipher_key *key, struct remote_slice sealed,
                                    struct remote_slice context, struct remote_secret *ret,
                                    struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf converted = { 0 };
    enum remote_rc rc;
    struct set *set;

    if (kesd_old_ciphertext_read(sealed, &converted))
        sealed = remote_buf_slice(&converted);
    REMOTE_TRY(take_set(cipher, &set, err));
    rc = open_raw(set, key, sealed, context, ret, err);
    give_back(cipher, set);
    if (rc == REMOTE_E_DATA)
        ERR_clear_error(); /* libcrypto's; nothing else has been queued inside the guard */
    return rc;
}

enum remote_rc kesd_key_cipher_hmac(struct kesd_key_cipher *cipher, const unsigned char *key,
                                    struct remote_slice message, unsigned char ret[KESD_KEY_LEN],
                                    struct remote_error *err)
{
    struct set *set;
    bool ok;

    REMOTE_TRY(take_set(cipher, &set, err));
    ok = hmac(set, key, message, ret);
    give_back(cipher, set);
    return ok ? REMOTE_OK : remote_crypto_fail(err, "cannot make an HMAC");
}
