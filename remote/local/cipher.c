/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running ciphers with session keys: a table of what each one takes, and for each shape of
 * cipher how its input ends.
 */
#include "secret_key.h"

#include <string.h>

#include <openssl/evp.h>

#include "libctx.h"

#define BLOCK 16                /* of AES; of tags, too */
#define PIECE ((size_t)1 << 30) /* libcrypto takes an int */
#define SEMIBLOCK 8             /* RFC 3394 2, RFC 5649 3 */
#define UNLIMITED UINT64_MAX
#define COUNTED_BITS 59 /* so many blocks still fit into 64 bits as bytes */

enum shape {
    SHAPE_BLOCKS, /* whole blocks only */
    SHAPE_PADDED, /* to whole blocks, RFC 5652 6.3 */
    SHAPE_STREAM,
    SHAPE_AEAD,
    SHAPE_WRAP, /* everything at once */
    SHAPE_COUNT
};

struct kind {
    const char *name;
    enum remote_key_type key;
    enum shape shape;
    size_t iv_min, iv_max;
    bool iv_optional;
    uint64_t limit;         /* bytes of plaintext */
    size_t unit, least;     /* SHAPE_WRAP: plaintext is whole units, and not shorter */
    const char *fetched[3]; /* libcrypto's name for keys of 16, 24 and 32 bytes */
};

#define GCM_IV_USUAL 12
#define GCM_LIMIT ((UINT64_C(1) << 36) - 32)    /* SP 800-38D 5.2.1.1 */
#define CHACHA_LIMIT ((UINT64_C(1) << 38) - 64) /* RFC 8439 2.8 */

/* clang-format off */
#define AES(mode) { "AES-128-" mode, "AES-192-" mode, "AES-256-" mode }
static const struct kind kinds[REMOTE_CIPHER_COUNT] = {
    [REMOTE_CIPHER_AES_ECB] = { "AES-ECB", REMOTE_KEY_AES, SHAPE_BLOCKS,
        0, 0, false, UNLIMITED, 0, 0, AES("ECB") },
    [REMOTE_CIPHER_AES_CBC] = { "AES-CBC", REMOTE_KEY_AES, SHAPE_BLOCKS,
        16, 16, false, UNLIMITED, 0, 0, AES("CBC") },
    [REMOTE_CIPHER_AES_CBC_PAD] = { "AES-CBC-PAD", REMOTE_KEY_AES, SHAPE_PADDED,
        16, 16, false, UNLIMITED, 0, 0, AES("CBC") },
    [REMOTE_CIPHER_AES_CTR] = { "AES-CTR", REMOTE_KEY_AES, SHAPE_STREAM,
        16, 16, false, UNLIMITED, 0, 0, AES("CTR") },
    /* PKCS#11 allows longer IVs, libcrypto's providers do not. */
    [REMOTE_CIPHER_AES_GCM] = { "AES-GCM", REMOTE_KEY_AES, SHAPE_AEAD,
        1, 128, false, GCM_LIMIT, 0, 0, AES("GCM") },
    [REMOTE_CIPHER_CHACHA20_POLY1305] = { "ChaCha20-Poly1305", REMOTE_KEY_CHACHA20, SHAPE_AEAD,
        12, 12, false, CHACHA_LIMIT, 0, 0, { NULL, NULL, "ChaCha20-Poly1305" } },
    /* Limited to one piece: libcrypto wraps in one call. */
    [REMOTE_CIPHER_AES_KEY_WRAP] = { "AES-KEY-WRAP", REMOTE_KEY_AES, SHAPE_WRAP,
        8, 8, true, PIECE, SEMIBLOCK, 2 * SEMIBLOCK, AES("WRAP") },
    [REMOTE_CIPHER_AES_KEY_WRAP_KWP] = { "AES-KEY-WRAP-KWP", REMOTE_KEY_AES, SHAPE_WRAP,
        4, 4, true, PIECE, 1, 1, AES("WRAP-PAD") },
};
/* clang-format on */

static const struct kind *kind_of(const struct remote_cipher_run *run)
{
    return &kinds[run->params.cipher];
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* ---- parameters ---- */

static enum remote_rc check_iv(const struct kind *kind, size_t len, struct remote_error *err)
{
    if ((len >= kind->iv_min && len <= kind->iv_max) || (len == 0 && kind->iv_optional))
        return REMOTE_OK;
    if (kind->iv_max == 0)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s takes no IV", kind->name);
    if (kind->iv_min != kind->iv_max)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s takes an IV of %zu to %zu bytes, not %zu",
                           kind->name, kind->iv_min, kind->iv_max, len);
    return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s takes an IV of %zu bytes%s, not %zu", kind->name,
                       kind->iv_min, kind->iv_optional ? " or none" : "", len);
}

/* SP 800-38D 5.2.1.2; RFC 8439 2.8 */
static enum remote_rc check_tag(const struct remote_cipher_params *params, struct remote_error *err)
{
    size_t len = params->tag_len;

    if (params->cipher == REMOTE_CIPHER_CHACHA20_POLY1305)
        return len == 16 ? REMOTE_OK
                         : REMOTE_FAIL(err, REMOTE_E_PARAM,
                                       "a tag of ChaCha20-Poly1305 has 16 bytes, not %zu", len);
    if (len == 4 || len == 8 || (len >= 12 && len <= 16))
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_PARAM, "a tag of AES-GCM has 4, 8 or 12 to 16 bytes, not %zu",
                       len);
}

static enum remote_rc check_params(const struct remote_secret_key *key,
                                   const struct remote_cipher_params *params,
                                   struct remote_error *err)
{
    const struct kind *kind;

    if ((unsigned)params->cipher >= REMOTE_CIPHER_COUNT)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "no such cipher");
    kind = &kinds[params->cipher];
    if (kind->key != key->type)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "a key of type %s is not for %s",
                           remote_key_type_name(key->type), kind->name);
    REMOTE_TRY(check_iv(kind, params->iv.len, err));
    if (params->cipher == REMOTE_CIPHER_AES_CTR &&
        (params->counter_bits < 1 || params->counter_bits > 128))
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "a counter has 1 to 128 bits, not %u",
                           params->counter_bits);
    if (kind->shape == SHAPE_AEAD)
        return check_tag(params, err);
    if (params->aad.len > 0) /* left unauthenticated, the caller would think that it was not */
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "%s takes no associated data", kind->name);
    return REMOTE_OK;
}

/* ---- beginning ---- */

static bool counter_bit(const unsigned char block[BLOCK], unsigned bit)
{
    return block[BLOCK - 1 - bit / 8] >> bit % 8 & 1;
}

/*
 * Bytes until the counter would come round to one that was used or touch what stands before it
 * (PKCS#11 3.0, AES with Counter: no more may be processed then).
 */
static uint64_t counter_limit(const unsigned char block[BLOCK], unsigned bits)
{
    unsigned counted = bits < COUNTED_BITS ? bits : COUNTED_BITS;
    uint64_t at = 0;

    for (unsigned bit = counted; bit < bits; bit++) {
        if (!counter_bit(block, bit))
            return UNLIMITED; /* more than anybody will ever encrypt */
    }
    for (unsigned bit = counted; bit-- > 0;)
        at = at << 1 | counter_bit(block, bit);
    return ((UINT64_C(1) << counted) - at) * BLOCK;
}

/* Input, that is to say with the tag when it is a ciphertext. */
static uint64_t input_limit(const struct remote_cipher_params *params, bool encrypt)
{
    const struct kind *kind = &kinds[params->cipher];

    if (params->cipher == REMOTE_CIPHER_AES_CTR)
        return counter_limit(params->iv.data, params->counter_bits);
    if (kind->shape == SHAPE_AEAD && !encrypt)
        return kind->limit + params->tag_len;
    return kind->limit;
}

/* Fetched once from the private context and kept, as remote_local_md() keeps digests. */
static const EVP_CIPHER *fetch(enum remote_cipher cipher, size_t key_len)
{
    static _Atomic(EVP_CIPHER *) kept[REMOTE_CIPHER_COUNT][3];
    size_t at = key_len / 8 - 2; /* lengths are 16, 24 and 32: secret_key.c */
    EVP_CIPHER *evp = atomic_load(&kept[cipher][at]), *none = NULL;

    if (evp != NULL)
        return evp;
    evp = EVP_CIPHER_fetch(remote_libctx(), kinds[cipher].fetched[at], NULL);
    if (evp == NULL || atomic_compare_exchange_strong(&kept[cipher][at], &none, evp))
        return evp;
    EVP_CIPHER_free(evp);
    return none;
}

/* In pieces that fit an int. to NULL: associated data. In place is fine. */
static bool transform(EVP_CIPHER_CTX *ctx, unsigned char *to, struct remote_slice in,
                      size_t *ret_made)
{
    size_t made = 0;

    while (in.len > 0) {
        size_t len = in.len < PIECE ? in.len : PIECE;
        int out_len = 0;

        if (EVP_CipherUpdate(ctx, to != NULL ? to + made : NULL, &out_len, in.data, (int)len) != 1)
            return false;
        made += (size_t)out_len;
        in = remote_slice(in.data + len, in.len - len);
    }
    *ret_made = made;
    return true;
}

/* Must be known before the IV itself, and costs a second step: 12 bytes go without saying. */
static bool begin_gcm_iv(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *evp, size_t len, bool encrypt)
{
    return EVP_CipherInit_ex2(ctx, evp, NULL, NULL, encrypt, NULL) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)len, NULL) == 1;
}

/* ---- contexts that stay keyed ---- */

/* All that the next message of it changes is the IV; another length of that would be a change. */
static bool stays_keyed(const struct remote_cipher_params *params)
{
    return params->cipher == REMOTE_CIPHER_AES_GCM && params->iv.len == GCM_IV_USUAL;
}

static EVP_CIPHER_CTX *take_kept(struct remote_secret_key *key)
{
    EVP_CIPHER_CTX *ctx = NULL;

    for (size_t i = 0; ctx == NULL && i < ARRAY_SIZE(key->kept); i++)
        if (atomic_load_explicit(&key->kept[i], memory_order_relaxed) != NULL)
            ctx = atomic_exchange(&key->kept[i], NULL);
    return ctx;
}

/* Takes it over; one that finds no place is freed. */
static void keep(struct remote_secret_key *key, EVP_CIPHER_CTX *ctx)
{
    for (size_t i = 0; i < ARRAY_SIZE(key->kept); i++) {
        EVP_CIPHER_CTX *none = NULL;

        if (atomic_compare_exchange_strong(&key->kept[i], &none, ctx))
            return;
    }
    EVP_CIPHER_CTX_free(ctx);
}

/* ---- Init ---- */

static bool begin(EVP_CIPHER_CTX *ctx, struct remote_slice key,
                  const struct remote_cipher_params *params, bool encrypt)
{
    enum shape shape = kinds[params->cipher].shape;
    const unsigned char *iv = params->iv.len > 0 ? params->iv.data : NULL;
    const EVP_CIPHER *evp = fetch(params->cipher, key.len);
    size_t unused;

    if (evp == NULL)
        return false;
    if (params->cipher == REMOTE_CIPHER_AES_GCM && params->iv.len != GCM_IV_USUAL) {
        if (!begin_gcm_iv(ctx, evp, params->iv.len, encrypt))
            return false;
        evp = NULL; /* would begin afresh */
    }
    if (shape == SHAPE_WRAP)
        EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    if (EVP_CipherInit_ex2(ctx, evp, key.data, iv, encrypt, NULL) != 1)
        return false;
    if (shape == SHAPE_BLOCKS && EVP_CIPHER_CTX_set_padding(ctx, 0) != 1)
        return false;
    return transform(ctx, NULL, params->aad, &unused);
}

/* Of AES-GCM, in either direction whatever was done last (EVP_EncryptInit(3)). */
static bool begin_again(EVP_CIPHER_CTX *ctx, const struct remote_cipher_params *params,
                        bool encrypt)
{
    size_t unused;

    return EVP_CipherInit_ex2(ctx, NULL, NULL, params->iv.data, encrypt, NULL) == 1 &&
           transform(ctx, NULL, params->aad, &unused);
}

enum remote_rc remote_cipher_init(struct remote_cipher_run *run, struct remote_secret_key *key,
                                  const struct remote_cipher_params *params, bool encrypt,
                                  struct remote_error *err)
{
    EVP_CIPHER_CTX *ctx = NULL;
    bool keyed, ok;

    REMOTE_TRY(check_params(key, params, err));
    if (stays_keyed(params))
        ctx = take_kept(key);
    keyed = ctx != NULL;
    if (!keyed)
        ctx = EVP_CIPHER_CTX_new();
    ok = ctx != NULL && (keyed ? begin_again(ctx, params, encrypt)
                               : begin(ctx, remote_secret_key_value(key), params, encrypt));
    if (!ok) {
        EVP_CIPHER_CTX_free(ctx);
        return remote_crypto_fail(err, "cannot begin a cipher");
    }
    remote_cipher_clear(run);
    run->ctx = ctx;
    run->keeper = stays_keyed(params) ? remote_secret_key_ref(key) : NULL;
    run->encrypt = encrypt;
    run->limit = input_limit(params, encrypt);
    run->params = *params;
    run->params.iv = run->params.aad = remote_slice(NULL, 0); /* were borrowed */
    return REMOTE_OK;
}

/* ---- how much comes out ---- */

/* Whether input is kept back until its end is known. */
static bool holds(const struct remote_cipher_run *run)
{
    enum shape shape = kind_of(run)->shape;

    return shape == SHAPE_WRAP || (shape == SHAPE_AEAD && !run->encrypt);
}

static size_t whole_semiblocks(size_t len)
{
    return (len + SEMIBLOCK - 1) / SEMIBLOCK * SEMIBLOCK;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Of so much input, without its end. */
static uint64_t released(const struct remote_cipher_run *run, uint64_t total)
{
    if (holds(run))
        return 0;
    switch (kind_of(run)->shape) {
    case SHAPE_PADDED:
        if (!run->encrypt) /* the last block may be padding: it waits */
            total = less(total, 1);
        return total - total % BLOCK;
    case SHAPE_BLOCKS:
        return total - total % BLOCK;
    default:
        return total;
    }
}

/* Of so much input, with its end. */
static uint64_t altogether(const struct remote_cipher_run *run, uint64_t total)
{
    switch (kind_of(run)->shape) {
    case SHAPE_PADDED:
        return run->encrypt ? total - total % BLOCK + BLOCK : less(total, 1);
    case SHAPE_AEAD:
        return run->encrypt ? total + run->params.tag_len : less(total, run->params.tag_len);
    case SHAPE_WRAP:
        return run->encrypt ? whole_semiblocks(total) + SEMIBLOCK : less(total, SEMIBLOCK);
    default:
        return released(run, total);
    }
}

size_t remote_cipher_output_max(const struct remote_cipher_run *run, size_t len, bool final)
{
    /* Beyond any limit anyway; keeps the sums from wrapping when the caller asks nonsense. */
    const uint64_t most = UINT64_MAX / 2;
    uint64_t total = add_capped(run->taken, len);

    if (run->ctx == NULL)
        return 0;
    if (total > most)
        total = most;
    return (size_t)((final ? altogether(run, total) : released(run, total)) -
                    released(run, run->taken));
}

/* ---- going on ---- */

static enum remote_rc not_begun(struct remote_error *err)
{
    return REMOTE_FAIL(err, REMOTE_E_USAGE, "no encryption or decryption has been begun");
}

static enum remote_rc check_limit(const struct remote_cipher_run *run, size_t len,
                                  struct remote_error *err)
{
    if (len <= run->limit - run->taken)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_LENGTH, "%s takes no more than %llu bytes this time",
                       kind_of(run)->name, (unsigned long long)run->limit);
}

static enum remote_rc hold(struct remote_cipher_run *run, struct remote_slice in,
                           struct remote_error *err)
{
    remote_buf_append(&run->held, in.data, in.len);
    return remote_buf_check(&run->held, err);
}

static enum remote_rc go_on(struct remote_cipher_run *run, struct remote_slice in,
                            unsigned char *to, size_t *ret_made, struct remote_error *err)
{
    if (!transform(run->ctx, to, in, ret_made))
        return remote_crypto_fail(err, "cannot go on with a cipher");
    return REMOTE_OK;
}

enum remote_rc remote_cipher_update(struct remote_cipher_run *run, struct remote_slice in,
                                    struct remote_buf *out, struct remote_error *err)
{
    size_t room = remote_cipher_output_max(run, in.len, false), made = 0;

    if (run->ctx == NULL)
        return not_begun(err);
    REMOTE_TRY(check_limit(run, in.len, err));
    if (holds(run)) {
        REMOTE_TRY(hold(run, in, err));
    } else {
        unsigned char *to = remote_buf_reserve(out, room);

        REMOTE_TRY(remote_buf_check(out, err));
        REMOTE_TRY(go_on(run, in, to, &made, err));
        out->len += made;
    }
    run->taken += in.len;
    return REMOTE_OK;
}

/* ---- ending ---- */

/* The same for every cause: SP 800-38D 5.2.2, and no padding oracle. */
static enum remote_rc does_not_open(struct remote_error *err)
{
    ERR_clear_error();
    return REMOTE_FAIL(err, REMOTE_E_DATA,
                       "the ciphertext does not open: it was changed, or made with another key");
}

static enum remote_rc not_whole(const struct remote_cipher_run *run, struct remote_error *err)
{
    return REMOTE_FAIL(err, REMOTE_E_LENGTH, "%s takes whole blocks of %d bytes, not %llu bytes",
                       kind_of(run)->name, BLOCK, (unsigned long long)run->taken);
}

/* Streams too: without padding, libcrypto keeps no more back than what is no whole block. */
static enum remote_rc end_unpadded(struct remote_cipher_run *run, struct remote_slice held,
                                   unsigned char *to, size_t *ret_made, struct remote_error *err)
{
    (void)held;
    (void)to;
    if (kind_of(run)->shape == SHAPE_BLOCKS && run->taken % BLOCK != 0)
        return not_whole(run, err);
    *ret_made = 0;
    return REMOTE_OK;
}

static enum remote_rc end_padded(struct remote_cipher_run *run, struct remote_slice held,
                                 unsigned char *to, size_t *ret_made, struct remote_error *err)
{
    int len = 0;

    (void)held;
    if (!run->encrypt && (run->taken == 0 || run->taken % BLOCK != 0))
        return not_whole(run, err);
    if (EVP_CipherFinal_ex(run->ctx, to, &len) != 1)
        return run->encrypt ? remote_crypto_fail(err, "cannot end a cipher") : does_not_open(err);
    *ret_made = (size_t)len;
    return REMOTE_OK;
}

static enum remote_rc seal(struct remote_cipher_run *run, unsigned char *to, size_t *ret_made,
                           struct remote_error *err)
{
    size_t tag_len = run->params.tag_len;
    unsigned char rest[BLOCK];
    int len = 0; /* stays: AEADs leave no rest */

    if (EVP_CipherFinal_ex(run->ctx, rest, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(run->ctx, EVP_CTRL_AEAD_GET_TAG, (int)tag_len, to) != 1)
        return remote_crypto_fail(err, "cannot end a cipher");
    *ret_made = tag_len;
    return REMOTE_OK;
}

static enum remote_rc unseal(struct remote_cipher_run *run, struct remote_slice held,
                             unsigned char *to, size_t *ret_made, struct remote_error *err)
{
    unsigned char tag[BLOCK], rest[BLOCK];
    size_t tag_len = run->params.tag_len, len, made = 0;
    int rest_len = 0;

    if (held.len < tag_len)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "%zu bytes are too few to end with a tag of %zu",
                           held.len, tag_len);
    len = held.len - tag_len;
    memcpy(tag, held.data + len, tag_len); /* libcrypto wants it writable */
    if (EVP_CIPHER_CTX_ctrl(run->ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag_len, tag) != 1)
        return remote_crypto_fail(err, "cannot end a cipher");
    REMOTE_TRY(go_on(run, remote_slice(held.data, len), to, &made, err));
    if (EVP_CipherFinal_ex(run->ctx, rest, &rest_len) != 1)
        return does_not_open(err);
    *ret_made = made;
    return REMOTE_OK;
}

static enum remote_rc end_aead(struct remote_cipher_run *run, struct remote_slice held,
                               unsigned char *to, size_t *ret_made, struct remote_error *err)
{
    return run->encrypt ? seal(run, to, ret_made, err) : unseal(run, held, to, ret_made, err);
}

/* RFC 3394 2.2, RFC 5649 4: one semiblock is added, behind whatever padding. */
static enum remote_rc check_wrapped_length(const struct remote_cipher_run *run, size_t len,
                                           struct remote_error *err)
{
    const struct kind *kind = kind_of(run);
    size_t unit = run->encrypt ? kind->unit : SEMIBLOCK;
    size_t least = run->encrypt ? kind->least : whole_semiblocks(kind->least) + SEMIBLOCK;

    if (len % unit == 0 && len >= least)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                       "%s %s a multiple of %zu and at least %zu bytes, not %zu", kind->name,
                       run->encrypt ? "wraps" : "unwraps", unit, least, len);
}

static enum remote_rc end_wrap(struct remote_cipher_run *run, struct remote_slice held,
                               unsigned char *to, size_t *ret_made, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf room = { 0 };
    size_t made;

    REMOTE_TRY(check_wrapped_length(run, held.len, err));
    /* Not right into `to`: when it fails, CRYPTO_128_unwrap_pad() wipes more than it would make. */
    remote_buf_reserve(&room, held.len + BLOCK);
    REMOTE_TRY(remote_buf_check(&room, err));
    if (!transform(run->ctx, room.data, held, &made))
        return run->encrypt ? remote_crypto_fail(err, "cannot wrap a key") : does_not_open(err);
    memcpy(to, room.data, made);
    *ret_made = made;
    return REMOTE_OK;
}

/* held: the input that waited for the end. to: room for what output_max() says. */
typedef enum remote_rc (*end_fn)(struct remote_cipher_run *run, struct remote_slice held,
                                 unsigned char *to, size_t *ret_made, struct remote_error *err);
static const end_fn endings[SHAPE_COUNT] = {
    [SHAPE_BLOCKS] = end_unpadded, [SHAPE_PADDED] = end_padded, [SHAPE_STREAM] = end_unpadded,
    [SHAPE_AEAD] = end_aead,       [SHAPE_WRAP] = end_wrap,
};

static enum remote_rc end(struct remote_cipher_run *run, struct remote_slice held,
                          unsigned char *to, size_t *ret_made, struct remote_error *err)
{
    return endings[kind_of(run)->shape](run, held, to, ret_made, err);
}

/* Of a run that went well. */
static void give_back(struct remote_cipher_run *run)
{
    if (run->keeper == NULL)
        return;
    keep(run->keeper, run->ctx);
    run->ctx = NULL;
}

enum remote_rc remote_cipher_final(struct remote_cipher_run *run, struct remote_buf *out,
                                   struct remote_error *err)
{
    size_t room = remote_cipher_output_max(run, 0, true), made;
    unsigned char *to;
    enum remote_rc rc;

    if (run->ctx == NULL)
        return not_begun(err);
    to = remote_buf_reserve(out, room);
    rc = remote_buf_check(out, err);
    if (rc == REMOTE_OK) {
        rc = end(run, remote_buf_slice(&run->held), to, &made, err);
        if (rc == REMOTE_OK)
            out->len += made;
        else
            explicit_bzero(to, room);
    }
    if (rc == REMOTE_OK)
        give_back(run);
    remote_cipher_clear(run);
    return rc;
}

static enum remote_rc work_whole(struct remote_cipher_run *run, struct remote_slice in,
                                 unsigned char *to, size_t *ret_len, struct remote_error *err)
{
    size_t made = 0, last;

    REMOTE_TRY(check_limit(run, in.len, err));
    if (!holds(run))
        REMOTE_TRY(go_on(run, in, to, &made, err));
    run->taken = in.len;
    REMOTE_TRY(end(run, in, to + made, &last, err));
    *ret_len = made + last;
    return REMOTE_OK;
}

enum remote_rc remote_cipher_whole(struct remote_cipher_run *run, struct remote_slice in,
                                   unsigned char *to, size_t *ret_len, struct remote_error *err)
{
    size_t room = remote_cipher_output_max(run, in.len, true);
    enum remote_rc rc;

    if (run->ctx == NULL)
        return not_begun(err);
    if (run->taken > 0)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "input was taken in parts already");
    if (to == NULL) /* which libcrypto would understand as associated data */
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "no room for the output");
    rc = work_whole(run, in, to, ret_len, err);
    if (rc == REMOTE_OK)
        give_back(run);
    else
        explicit_bzero(to, room);
    remote_cipher_clear(run);
    return rc;
}

void remote_cipher_clear(struct remote_cipher_run *run)
{
    if (run == NULL)
        return;
    EVP_CIPHER_CTX_free(run->ctx); /* wipes the key schedule */
    remote_secret_key_unref(run->keeper);
    remote_buf_clear(&run->held);
    run->ctx = NULL; /* without which the rest means nothing */
    run->keeper = NULL;
    run->taken = 0;
}
