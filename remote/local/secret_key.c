/* SPDX-License-Identifier: Apache-2.0 */
/* The keys themselves, their check values, and HMAC with them. */
#include "secret_key.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "libctx.h"

#define AES_BLOCK 16

const enum remote_cipher remote_cipher_of[REMOTE_ALG_COUNT] = {
    [REMOTE_ALG_AES_ECB] = REMOTE_CIPHER_AES_ECB,
    [REMOTE_ALG_AES_CBC] = REMOTE_CIPHER_AES_CBC,
    [REMOTE_ALG_AES_CBC_PAD] = REMOTE_CIPHER_AES_CBC_PAD,
    [REMOTE_ALG_AES_CTR] = REMOTE_CIPHER_AES_CTR,
    [REMOTE_ALG_AES_GCM] = REMOTE_CIPHER_AES_GCM,
    [REMOTE_ALG_CHACHA20_POLY1305] = REMOTE_CIPHER_CHACHA20_POLY1305,
    [REMOTE_ALG_AES_KEY_WRAP] = REMOTE_CIPHER_AES_KEY_WRAP,
    [REMOTE_ALG_AES_KEY_WRAP_KWP] = REMOTE_CIPHER_AES_KEY_WRAP_KWP,
};

/* ---- forks ---- */

/*
 * A child does not inherit memory locks (mlock(2)). Not remote_fork_generation(): its getpid() at
 * every use of a key would cost a twentieth of an AES-GCM of 16 KiB. What that sees and this does
 * not, children of vfork() and clone(), go without a lock, as they may anyway.
 */
static atomic_uint fork_generation;

static void count_fork(void)
{
    atomic_fetch_add_explicit(&fork_generation, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, count_fork);
}

/* ---- keys ---- */

static enum remote_rc check_length(enum remote_key_type type, size_t len, struct remote_error *err)
{
    switch (type) {
    case REMOTE_KEY_AES:
        if (len == 16 || len == 24 || len == 32)
            return REMOTE_OK;
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "an AES key has 16, 24 or 32 bytes, not %zu", len);
    case REMOTE_KEY_CHACHA20:
        if (len == 32)
            return REMOTE_OK;
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "a ChaCha20 key has 32 bytes, not %zu", len);
    case REMOTE_KEY_GENERIC:
        if (len >= 1 && len <= REMOTE_SECRET_KEY_MAX)
            return REMOTE_OK;
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "a generic secret has 1 to %d bytes, not %zu",
                           REMOTE_SECRET_KEY_MAX, len);
    default:
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "a session key is an AES, ChaCha20 or generic secret key");
    }
}

/* data NULL: zeros, for the caller to fill. */
static enum remote_rc make(enum remote_key_type type, const void *data, size_t len,
                           struct remote_secret_key **ret, struct remote_error *err)
{
    static pthread_once_t watching = PTHREAD_ONCE_INIT;
    struct remote_secret_key *key;
    enum remote_rc rc;

    REMOTE_TRY(check_length(type, len, err));
    (void)pthread_once(&watching, watch_forks);
    key = calloc(1, sizeof(*key));
    if (key == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    rc = remote_secret_set(&key->value, data, len, err);
    if (rc != REMOTE_OK) {
        free(key);
        return rc;
    }
    key->type = type;
    atomic_init(&key->refs, 1);
    atomic_init(&key->locked_generation, atomic_load(&fork_generation));
    *ret = key;
    return REMOTE_OK;
}

enum remote_rc remote_secret_key_new(enum remote_key_type type, struct remote_slice value,
                                     struct remote_secret_key **ret, struct remote_error *err)
{
    if (value.data == NULL && value.len > 0) /* would become a key of zeros */
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "a key value without bytes");
    return make(type, value.data, value.len, ret, err);
}

enum remote_rc remote_secret_key_generate(enum remote_key_type type, size_t len,
                                          struct remote_secret_key **ret, struct remote_error *err)
{
    struct remote_secret_key *key;

    REMOTE_TRY(make(type, NULL, len, &key, err));
    if (RAND_priv_bytes_ex(remote_libctx(), key->value.data, len, 0) != 1) {
        remote_secret_key_unref(key);
        return remote_crypto_fail(err, "cannot make a random key");
    }
    *ret = key;
    return REMOTE_OK;
}

struct remote_secret_key *remote_secret_key_ref(struct remote_secret_key *key)
{
    atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
    return key;
}

void remote_secret_key_unref(struct remote_secret_key *key)
{
    if (key == NULL || atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(key->kept); i++)
        EVP_CIPHER_CTX_free(atomic_load(&key->kept[i])); /* wipes what it made of the key */
    remote_secret_clear(&key->value);
    free(key);
}

/* Two threads may both lock the same pages, which counts once. */
struct remote_slice remote_secret_key_value(struct remote_secret_key *key)
{
    unsigned generation = atomic_load_explicit(&fork_generation, memory_order_relaxed);

    if (atomic_load_explicit(&key->locked_generation, memory_order_relaxed) != generation) {
        (void)mlock(key->value.data, key->value.cap); /* best effort, as at first */
        atomic_store_explicit(&key->locked_generation, generation, memory_order_relaxed);
    }
    return remote_secret_slice(&key->value);
}

/* ---- check values ---- */

static enum remote_rc encrypt_zeros(struct remote_secret_key *key, struct remote_buf *out,
                                    struct remote_error *err)
{
    static const unsigned char zeros[AES_BLOCK];
    static const struct remote_cipher_params ecb = { .cipher = REMOTE_CIPHER_AES_ECB };
    CLEANUP(remote_cipher_clear) struct remote_cipher_run run = { 0 };

    REMOTE_TRY(remote_cipher_init(&run, key, &ecb, true, err));
    REMOTE_TRY(remote_cipher_update(&run, remote_slice(zeros, sizeof(zeros)), out, err));
    return remote_cipher_final(&run, out, err);
}

/* PKCS#11 3.0, CKA_CHECK_VALUE of secret keys: block ciphers encrypt, others are hashed. */
enum remote_rc remote_secret_key_check_value(struct remote_secret_key *key, unsigned char ret[3],
                                             struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };

    if (key->type == REMOTE_KEY_AES)
        REMOTE_TRY(encrypt_zeros(key, &out, err));
    else
        REMOTE_TRY(remote_local_hash(REMOTE_HASH_SHA1, remote_secret_key_value(key), &out, err));
    memcpy(ret, out.data, 3);
    return REMOTE_OK;
}

/* ---- HMAC ---- */

/* Kept, as remote_local_md() keeps digests. */
static EVP_MAC *fetch_hmac(void)
{
    static _Atomic(EVP_MAC *) fetched;
    EVP_MAC *mac = atomic_load(&fetched), *none = NULL;

    if (mac != NULL)
        return mac;
    mac = EVP_MAC_fetch(remote_libctx(), OSSL_MAC_NAME_HMAC, NULL);
    if (mac == NULL || atomic_compare_exchange_strong(&fetched, &none, mac))
        return mac;
    EVP_MAC_free(mac);
    return none;
}

static bool begin_hmac(EVP_MAC_CTX *ctx, struct remote_slice key, enum remote_hash hash)
{
    /* Only read, though the type does not say so. */
    char *name = (char *)(uintptr_t)remote_hash_name(hash);
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                            OSSL_PARAM_construct_end() };

    return EVP_MAC_init(ctx, key.data, key.len, params) == 1;
}

enum remote_rc remote_mac_init(struct remote_mac_run *run, struct remote_secret_key *key,
                               enum remote_hash hash, struct remote_error *err)
{
    EVP_MAC *mac;
    EVP_MAC_CTX *ctx;

    if (key->type != REMOTE_KEY_GENERIC)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "a key of type %s does not make an HMAC",
                           remote_key_type_name(key->type));
    if (remote_hash_size(hash) == 0)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "an HMAC needs a hash");
    mac = fetch_hmac();
    ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    if (ctx == NULL || !begin_hmac(ctx, remote_secret_key_value(key), hash)) {
        EVP_MAC_CTX_free(ctx);
        return remote_crypto_fail(err, "cannot begin an HMAC");
    }
    remote_mac_clear(run);
    run->ctx = ctx;
    return REMOTE_OK;
}

enum remote_rc remote_mac_once(enum remote_hash hash, struct remote_slice key,
                               struct remote_slice data, struct remote_buf *ret,
                               struct remote_error *err)
{
    EVP_MAC *mac = fetch_hmac();
    struct remote_mac_run run = { .ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL };
    enum remote_rc rc;

    if (run.ctx == NULL || !begin_hmac(run.ctx, key, hash)) {
        remote_mac_clear(&run);
        return remote_crypto_fail(err, "cannot begin an HMAC");
    }
    rc = remote_mac_update(&run, data, err);
    if (rc == REMOTE_OK)
        rc = remote_mac_final(&run, ret, err);
    remote_mac_clear(&run);
    return rc;
}

enum remote_rc remote_mac_update(struct remote_mac_run *run, struct remote_slice in,
                                 struct remote_error *err)
{
    if (run->ctx == NULL)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "no HMAC has been begun");
    if (in.len > 0 && EVP_MAC_update(run->ctx, in.data, in.len) != 1)
        return remote_crypto_fail(err, "cannot go on with an HMAC");
    return REMOTE_OK;
}

enum remote_rc remote_mac_final(struct remote_mac_run *run, struct remote_buf *ret,
                                struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf built = { 0 };
    unsigned char out[EVP_MAX_MD_SIZE];
    size_t len = 0;
    int done;

    if (run->ctx == NULL)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "no HMAC has been begun");
    done = EVP_MAC_final(run->ctx, out, &len, sizeof(out));
    remote_mac_clear(run);
    if (done != 1)
        return remote_crypto_fail(err, "cannot end an HMAC");
    remote_buf_append(&built, out, len);
    REMOTE_TRY(remote_buf_check(&built, err));
    remote_buf_clear(ret);
    *ret = built;
    memset(&built, 0, sizeof(built));
    return REMOTE_OK;
}

void remote_mac_clear(struct remote_mac_run *run)
{
    if (run == NULL || run->ctx == NULL)
        return;
    EVP_MAC_CTX_free(run->ctx);
    run->ctx = NULL;
}
