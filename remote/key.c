/* SPDX-License-Identifier: Apache-2.0 */
#include "key.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "released.h"
#include "remote/local/local.h"
#include "remote/local/secret_key.h"
#include "remote/net/coalesce.h"
#include "slot_private.h"

/* PKCS#11 lets CKM_ECDSA take any digest; this covers every one there is. */
#define ECDSA_INPUT_MAX 128
/* Batches are for small things: a request of many large inputs would only hold up the others. */
#define BATCH_INPUT_MAX 16384

#define GCM_NONCE 12
#define GCM_TAG 16
#define AES_BLOCK 16
#define KEY_WRAP_BLOCK 8

/* ---- life ---- */

struct remote_key *remote_key_new(struct remote_slot *slot, const char *name, unsigned version,
                                  struct remote_error *err)
{
    struct remote_key *key = calloc(1, sizeof(*key));

    if (key != NULL && (key->name = strdup(name)) == NULL) {
        free(key);
        key = NULL;
    }
    if (key == NULL) {
        REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        return NULL;
    }
    atomic_init(&key->refs, 1);
    key->slot = slot;
    key->version = version;
    return key;
}

struct remote_key *remote_key_ref(struct remote_key *key)
{
    atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
    return key;
}

void remote_key_unref(struct remote_key *key)
{
    if (key == NULL || atomic_fetch_sub(&key->refs, 1) != 1)
        return;
    EVP_PKEY_free(atomic_load(&key->pkey));
    remote_secret_key_unref(atomic_load(&key->value));
    remote_buf_clear(&key->spki);
    free(key->version_id);
    free(key->name);
    free(key);
}

bool remote_key_same(const struct remote_key *a, const struct remote_key *b)
{
    if (a->version != b->version || strcmp(a->name, b->name) != 0)
        return false;
    if (a->version_id == NULL || b->version_id == NULL)
        return a->version_id == b->version_id;
    return strcmp(a->version_id, b->version_id) == 0;
}

static bool within_dates(const struct remote_key *key)
{
    int64_t now = (int64_t)time(NULL);

    return (key->not_before == 0 || now >= key->not_before) &&
           (key->not_after == 0 || now < key->not_after);
}

bool remote_key_usable(const struct remote_key *key)
{
    return key->enabled && within_dates(key);
}

enum remote_rc remote_key_list_add(struct remote_key_list *list, struct remote_key *key,
                                   struct remote_error *err)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 1;
        struct remote_key **longer = reallocarray(list->keys, cap, sizeof(struct remote_key *));

        if (longer == NULL)
            return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        list->keys = longer;
        list->cap = cap;
    }
    list->keys[list->count++] = remote_key_ref(key);
    return REMOTE_OK;
}

void remote_key_list_clear(struct remote_key_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        remote_key_unref(list->keys[i]);
    free(list->keys);
    memset(list, 0, sizeof(*list));
}

/* ---- sizes ---- */

static size_t bytes_of(unsigned bits)
{
    return (bits + 7u) / 8u;
}

size_t remote_key_output_size(const struct remote_key *key, const struct remote_params *params)
{
    switch (key->type) {
    case REMOTE_KEY_FHE:
        return key->slot->ops->opened_len(key, params);
    case REMOTE_KEY_RSA:
        return bytes_of(key->bits);
    case REMOTE_KEY_EC:
    case REMOTE_KEY_SM2:
        return 2 * bytes_of(key->bits);
    case REMOTE_KEY_ED25519:
        return 64;
    case REMOTE_KEY_GENERIC:
        return remote_hash_size(params->hash);
    default:
        return 0; /* depends on the input */
    }
}

size_t remote_key_sealed_max(const struct remote_key *key, const struct remote_params *params,
                             size_t len)
{
    if (!remote_key_type_symmetric(key->type))
        return remote_key_output_size(key, params);
    if ((params->alg == REMOTE_ALG_AEAD || params->alg == REMOTE_ALG_SM4) &&
        key->slot->ops->sealed_max != NULL)
        return key->slot->ops->sealed_max(key, len);
    switch (params->alg) {
    case REMOTE_ALG_AES_CBC:
        return len;
    case REMOTE_ALG_AES_CBC_PAD:
        return len + AES_BLOCK - len % AES_BLOCK;
    case REMOTE_ALG_AES_KEY_WRAP:
        return len + KEY_WRAP_BLOCK;
    default:
        return len + GCM_NONCE + GCM_TAG;
    }
}

size_t remote_key_input_max(const struct remote_key *key, const struct remote_params *params,
                            enum remote_use use)
{
    size_t k = bytes_of(key->bits);

    switch (params->alg) {
    case REMOTE_ALG_RSA_PKCS1:
        return params->hash == REMOTE_HASH_NONE ? k - 11 : remote_hash_size(params->hash);
    case REMOTE_ALG_RSA_PSS:
        return remote_hash_size(params->hash);
    case REMOTE_ALG_ECDSA:
        return params->hash == REMOTE_HASH_NONE ? ECDSA_INPUT_MAX : remote_hash_size(params->hash);
    case REMOTE_ALG_RSA_PKCS1_ENC:
        return use == REMOTE_USE_ENCRYPT ? k - 11 : k;
    case REMOTE_ALG_RSA_OAEP:
        return use == REMOTE_USE_ENCRYPT ? k - 2 * remote_hash_size(params->hash) - 2 : k;
    default:
        return key->slot->ops->input_max;
    }
}

/* ---- may it? ---- */

struct alg_key { /* which keys an algorithm is for */
    enum remote_alg alg;
    unsigned types; /* bits 1u << enum remote_key_type */
};

static const struct alg_key alg_keys[] = {
    { REMOTE_ALG_RSA_PKCS1, 1u << REMOTE_KEY_RSA },
    { REMOTE_ALG_RSA_PSS, 1u << REMOTE_KEY_RSA },
    { REMOTE_ALG_ECDSA, 1u << REMOTE_KEY_EC },
    { REMOTE_ALG_EDDSA, 1u << REMOTE_KEY_ED25519 },
    { REMOTE_ALG_RSA_PKCS1_ENC, 1u << REMOTE_KEY_RSA },
    { REMOTE_ALG_RSA_OAEP, 1u << REMOTE_KEY_RSA },
    { REMOTE_ALG_AES_GCM, 1u << REMOTE_KEY_AES },
    { REMOTE_ALG_AEAD, 1u << REMOTE_KEY_AES | 1u << REMOTE_KEY_CHACHA20 },
    { REMOTE_ALG_HMAC, 1u << REMOTE_KEY_GENERIC },
    { REMOTE_ALG_AES_CBC, 1u << REMOTE_KEY_AES },
    { REMOTE_ALG_AES_CBC_PAD, 1u << REMOTE_KEY_AES },
    { REMOTE_ALG_AES_KEY_WRAP, 1u << REMOTE_KEY_AES },
    { REMOTE_ALG_BIGDL_NAME, 1u << REMOTE_KEY_AES },
    { REMOTE_ALG_FHE, 1u << REMOTE_KEY_FHE },
    { REMOTE_ALG_SM2, 1u << REMOTE_KEY_SM2 },
    { REMOTE_ALG_SM4, 1u << REMOTE_KEY_SM4 },
};

static bool alg_fits_key(enum remote_alg alg, enum remote_key_type type)
{
    for (size_t i = 0; i < ARRAY_SIZE(alg_keys); i++)
        if (alg_keys[i].alg == alg)
            return (alg_keys[i].types >> type & 1u) != 0;
    return false;
}

/* Public-key work is done here, whatever the service offers or allows. */
static bool done_here(const struct remote_key *key, enum remote_use use)
{
    return !remote_key_type_symmetric(key->type) &&
           (use == REMOTE_USE_VERIFY || use == REMOTE_USE_ENCRYPT || use == REMOTE_USE_WRAP);
}

/* A service without raw PKCS#1 still serves blocks that are a DigestInfo. */
static bool by_digestinfo(const struct remote_backend_ops *ops, const struct remote_params *params)
{
    return params->alg == REMOTE_ALG_RSA_PKCS1 && params->hash == REMOTE_HASH_NONE &&
           !remote_backend_supports(ops, params->alg, REMOTE_HASH_NONE) &&
           remote_backend_supports(ops, params->alg, REMOTE_HASH_SHA256);
}

static const char *use_word(enum remote_use use)
{
    static const char *const words[] = { "sign", "verify", "encrypt", "decrypt", "wrap", "unwrap" };
    size_t i = 0;

    while (i + 1 < ARRAY_SIZE(words) && (use >> i) != 1u)
        i++;
    return words[i];
}

/* Signing and sealing have their time; what was sealed within it can be opened for ever. */
static enum remote_rc check_dates(const struct remote_key *key, enum remote_use use,
                                  struct remote_error *err)
{
    bool early = key->not_before != 0 && (int64_t)time(NULL) < key->not_before;
    char date[32] = "?";
    time_t when = (time_t)(early ? key->not_before : key->not_after);
    struct tm tm;

    if ((use & (REMOTE_USE_SIGN | REMOTE_USE_ENCRYPT | REMOTE_USE_WRAP)) == 0 || within_dates(key))
        return REMOTE_OK;
    if (gmtime_r(&when, &tm) != NULL)
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%SZ", &tm);
    return REMOTE_FAIL(err, REMOTE_E_FORBIDDEN_USE, "slot '%s': version %u of key '%s' %s %s",
                       key->slot->name, key->version, key->name,
                       early ? "may not be used before" : "expired on", date);
}

enum remote_rc remote_key_check(const struct remote_key *key, const struct remote_params *params,
                                enum remote_use use, struct remote_error *err)
{
    const struct remote_slot *slot = key->slot;

    if (!alg_fits_key(params->alg, key->type))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "slot '%s': key '%s' is of type %s, which this mechanism is not for",
                           slot->name, key->name, remote_key_type_name(key->type));
    REMOTE_TRY(check_dates(key, use, err));
    if (done_here(key, use)) /* but nothing is sealed that the service could never open */
        return use == REMOTE_USE_VERIFY || slot->ops->check == NULL
                   ? REMOTE_OK
                   : slot->ops->check(slot->conn, key, params, err);
    REMOTE_TRY(remote_slot_status(slot, err)); /* a reload may have taken it away */
    if (!key->enabled)
        return REMOTE_FAIL(err, REMOTE_E_FORBIDDEN_USE,
                           "slot '%s': version %u of key '%s' is disabled", slot->name,
                           key->version, key->name);
    if ((key->uses & use) == 0)
        return REMOTE_FAIL(err, REMOTE_E_FORBIDDEN_USE, "slot '%s': key '%s' is not for %s",
                           slot->name, key->name, use_word(use));
    if (slot->ops->check) /* first: a hash among its parameters is no other mechanism */
        REMOTE_TRY(slot->ops->check(slot->conn, key, params, err));
    if (!remote_backend_supports(slot->ops, params->alg, params->hash) &&
        !by_digestinfo(slot->ops, params))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "slot '%s': key '%s': %s has no such algorithm", slot->name, key->name,
                           slot->ops->title);
    return REMOTE_OK;
}

/* ---- requests ---- */

static int64_t deadline_of(const struct remote_key *key, const struct remote_params *params)
{
    int64_t deadline_ms = remote_now_ms() + key->slot->policy.timeout_ms;

    return params->deadline_ms != 0 && params->deadline_ms < deadline_ms ? params->deadline_ms
                                                                         : deadline_ms;
}

static enum remote_rc request(struct remote_key *key, enum remote_op_kind kind,
                              const struct remote_params *params, struct remote_slice in,
                              int64_t deadline_ms, struct remote_buf *ret_out,
                              struct remote_error *err)
{
    struct remote_slot *slot = key->slot;
    size_t batch = slot->ops->batch ? slot->ops->batch(slot->conn, kind, key, params) : 1;
    struct remote_error why = { 0 };
    enum remote_rc rc;

    if (in.len > slot->ops->input_max)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                           "slot '%s': key '%s': %zu bytes are more than the %zu that %s takes",
                           slot->name, key->name, in.len, slot->ops->input_max, slot->ops->title);
    if (in.len > BATCH_INPUT_MAX)
        batch = 1;
    rc = remote_coalesce_run(slot, kind, key, params, in, batch, deadline_ms, ret_out, &why);
    if (rc == REMOTE_E_NOT_FOUND)
        remote_lookup_forget(slot, key->name);
    if (rc != REMOTE_OK) {
        remote_error_prefix(&why, "key '%s'", key->name);
        if (err != NULL)
            *err = why;
    }
    return rc;
}

static enum remote_rc check_sign_input(const struct remote_key *key,
                                       const struct remote_params *params, struct remote_slice in,
                                       struct remote_error *err)
{
    size_t max = remote_key_input_max(key, params, REMOTE_USE_SIGN);
    bool exact = params->hash != REMOTE_HASH_NONE && params->alg != REMOTE_ALG_HMAC;

    if (exact ? in.len != max : in.len > max)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                           "slot '%s': key '%s': %zu bytes of input where %s%zu fit",
                           key->slot->name, key->name, in.len, exact ? "exactly " : "at most ",
                           max);
    if (params->alg == REMOTE_ALG_ECDSA && in.len == 0)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "slot '%s': key '%s': an empty digest",
                           key->slot->name, key->name);
    return REMOTE_OK;
}

static enum remote_rc unpack_digestinfo(const struct remote_key *key, struct remote_params *params,
                                        struct remote_slice *in, struct remote_error *err)
{
    enum remote_hash hash;
    struct remote_slice digest;

    if (!remote_local_digestinfo(*in, &hash, &digest))
        return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                           "slot '%s': key '%s': %s signs digests only; the block is no DigestInfo "
                           "of a known hash",
                           key->slot->name, key->name, key->slot->ops->title);
    params->hash = hash;
    *in = digest;
    return remote_key_check(key, params, REMOTE_USE_SIGN, err);
}

enum remote_rc remote_key_sign(struct remote_key *key, const struct remote_params *params,
                               struct remote_slice input, struct remote_buf *ret_sig,
                               struct remote_error *err)
{
    struct remote_params exact = *params;
    struct remote_buf sig = { 0 };
    size_t size = remote_key_output_size(key, params);

    REMOTE_TRY(remote_key_check(key, params, REMOTE_USE_SIGN, err));
    REMOTE_TRY(check_sign_input(key, params, input, err));
    if (by_digestinfo(key->slot->ops, params))
        REMOTE_TRY(unpack_digestinfo(key, &exact, &input, err));
    REMOTE_TRY(request(key, params->alg == REMOTE_ALG_HMAC ? REMOTE_OP_MAC : REMOTE_OP_SIGN, &exact,
                       input, deadline_of(key, params), &sig, err));
    if (sig.len != size) {
        size_t got = sig.len;

        remote_buf_clear(&sig);
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "slot '%s': key '%s': the service answered a signature of %zu bytes "
                           "where %zu are due",
                           key->slot->name, key->name, got, size);
    }
    remote_buf_clear(ret_sig);
    *ret_sig = sig;
    return REMOTE_OK;
}

static enum remote_rc verify_mac(struct remote_key *key, const struct remote_params *params,
                                 struct remote_slice input, struct remote_slice sig,
                                 struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf mac = { 0 };

    if (sig.len != remote_hash_size(params->hash))
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "a MAC of %zu bytes where %zu are due", sig.len,
                           remote_hash_size(params->hash));
    REMOTE_TRY(remote_key_check(key, params, REMOTE_USE_VERIFY, err));
    REMOTE_TRY(request(key, REMOTE_OP_MAC, params, input, deadline_of(key, params), &mac, err));
    if (mac.len != sig.len || CRYPTO_memcmp(mac.data, sig.data, sig.len) != 0)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "slot '%s': key '%s': the MAC is wrong",
                           key->slot->name, key->name);
    return REMOTE_OK;
}

enum remote_rc remote_key_verify(struct remote_key *key, const struct remote_params *params,
                                 struct remote_slice input, struct remote_slice sig,
                                 struct remote_error *err)
{
    if (key->type == REMOTE_KEY_GENERIC)
        return verify_mac(key, params, input, sig, err);
    REMOTE_TRY(remote_key_check(key, params, REMOTE_USE_VERIFY, err));
    if (sig.len != remote_key_output_size(key, params))
        return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                           "slot '%s': key '%s': a signature of %zu bytes where %zu are due",
                           key->slot->name, key->name, sig.len,
                           remote_key_output_size(key, params));
    REMOTE_TRY(check_sign_input(key, params, input, err));
    return remote_local_verify(key, params, input, sig, err);
}

/* A key may be for wrapping alone, which is the same operation; which of the two the caller may
 * have was checked at its Init. */
static enum remote_use either(const struct remote_key *key, enum remote_use data,
                              enum remote_use keys)
{
    return (key->uses & data) == 0 && (key->uses & keys) != 0 ? keys : data;
}

enum remote_rc remote_key_encrypt(struct remote_key *key, const struct remote_params *params,
                                  struct remote_slice plain, struct remote_buf *ret_out,
                                  struct remote_error *err)
{
    struct remote_buf sealed = { 0 };
    size_t max = remote_key_input_max(key, params, REMOTE_USE_ENCRYPT);

    REMOTE_TRY(
        remote_key_check(key, params, either(key, REMOTE_USE_ENCRYPT, REMOTE_USE_WRAP), err));
    if (key->released)
        return remote_released_encrypt(key, params, plain, ret_out, err);
    if (plain.len > max)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                           "slot '%s': key '%s': %zu bytes to encrypt where at most %zu fit",
                           key->slot->name, key->name, plain.len, max);
    if (!remote_key_type_symmetric(key->type))
        return remote_local_encrypt(key, params, plain, ret_out, err);
    REMOTE_TRY(
        request(key, REMOTE_OP_ENCRYPT, params, plain, deadline_of(key, params), &sealed, err));
    remote_buf_clear(ret_out);
    *ret_out = sealed;
    return REMOTE_OK;
}

/* ---- decrypt, with other versions when the pinned one does not open it ---- */

static enum remote_rc decrypt_once(struct remote_key *key, const struct remote_params *params,
                                   struct remote_slice sealed, int64_t deadline_ms,
                                   struct remote_buf *ret_plain, struct remote_error *err)
{
    struct remote_buf plain = { 0 };

    REMOTE_TRY(request(key, REMOTE_OP_DECRYPT, params, sealed, deadline_ms, &plain, err));
    remote_buf_clear(ret_plain);
    *ret_plain = plain;
    return REMOTE_OK;
}

/* The service's own sealed bytes name the version they were made with. */
static bool may_try_siblings(const struct remote_params *params)
{
    return params->alg != REMOTE_ALG_AEAD && !params->pinned;
}

static enum remote_rc decrypt_with_siblings(struct remote_key *key,
                                            const struct remote_params *params,
                                            struct remote_slice sealed, int64_t deadline_ms,
                                            struct remote_buf *ret_plain, struct remote_error *err)
{
    struct remote_key_list siblings = { 0 };
    unsigned tries = key->slot->policy.decrypt_versions;
    enum remote_rc rc = REMOTE_E_DATA;

    remote_lookup_siblings(key->slot, key, &siblings);
    for (size_t i = 0; i < siblings.count && rc == REMOTE_E_DATA && i + 1 < tries; i++) {
        rc = decrypt_once(siblings.keys[i], params, sealed, deadline_ms, ret_plain, err);
        if (rc == REMOTE_E_FORBIDDEN_USE || rc == REMOTE_E_NOT_FOUND)
            rc = REMOTE_E_DATA; /* a version that went away opens nothing */
    }
    remote_key_list_clear(&siblings);
    return rc;
}

enum remote_rc remote_key_decrypt(struct remote_key *key, const struct remote_params *params,
                                  struct remote_slice sealed, struct remote_buf *ret_plain,
                                  struct remote_error *err)
{
    int64_t deadline_ms = deadline_of(key, params); /* one, over all versions */
    enum remote_rc rc;

    REMOTE_TRY(
        remote_key_check(key, params, either(key, REMOTE_USE_DECRYPT, REMOTE_USE_UNWRAP), err));
    if (key->released)
        return remote_released_decrypt(key, params, sealed, ret_plain, err);
    if (key->type == REMOTE_KEY_RSA && sealed.len != bytes_of(key->bits))
        return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                           "slot '%s': key '%s': %zu bytes to decrypt where %zu are due",
                           key->slot->name, key->name, sealed.len, (size_t)bytes_of(key->bits));
    rc = decrypt_once(key, params, sealed, deadline_ms, ret_plain, err);
    if (rc == REMOTE_E_DATA && may_try_siblings(params))
        rc = decrypt_with_siblings(key, params, sealed, deadline_ms, ret_plain, err);
    if (rc == REMOTE_E_DATA) /* one sentence whatever the cause: no padding oracle */
        return REMOTE_FAIL(err, REMOTE_E_DATA, "slot '%s': key '%s' does not open this ciphertext",
                           key->slot->name, key->name);
    return rc;
}

enum remote_rc remote_key_rewrap(struct remote_key *key, struct remote_slice sealed,
                                 struct remote_buf *ret_out, struct remote_error *err)
{
    const struct remote_params aead = { .alg = REMOTE_ALG_AEAD };
    struct remote_buf fresh = { 0 };

    if (!remote_slot_serves(key->slot, REMOTE_OP_REWRAP))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "slot '%s': %s wraps nothing anew",
                           key->slot->name, key->slot->ops->title);
    REMOTE_TRY(remote_key_check(key, &aead, REMOTE_USE_DECRYPT, err));
    REMOTE_TRY(remote_key_check(key, &aead, REMOTE_USE_ENCRYPT, err));
    REMOTE_TRY(request(key, REMOTE_OP_REWRAP, &aead, sealed, deadline_of(key, &aead), &fresh, err));
    remote_buf_clear(ret_out);
    *ret_out = fresh;
    return REMOTE_OK;
}
