/* SPDX-License-Identifier: Apache-2.0 */
#include "session_pair.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/objects.h>
#include <openssl/x509.h>

#include "libctx.h"
#include "local_private.h"

#define INPUT_MAX (1u << 30) /* of a message that has to be had as a whole: Ed25519 */
#define ECDSA_INPUT_MAX 128  /* longer than any digest; what is too long for the curve is cut */
#define PKCS1_OVERHEAD 11    /* RFC 8017 7.2.1 and 9.2 */

/* ---- life ---- */

static enum remote_rc pair_new(struct remote_slice spki, struct remote_session_pair **ret,
                               struct remote_error *err)
{
    struct remote_session_pair *pair = calloc(1, sizeof(*pair));
    enum remote_rc rc;

    if (pair == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    atomic_init(&pair->refs, 1);
    rc = remote_local_set_spki(&pair->public, spki, err);
    if (rc != REMOTE_OK) {
        remote_session_pair_unref(pair);
        return rc;
    }
    pair->public.enabled = true;
    *ret = pair;
    return REMOTE_OK;
}

struct remote_session_pair *remote_session_pair_ref(struct remote_session_pair *pair)
{
    atomic_fetch_add_explicit(&pair->refs, 1, memory_order_relaxed);
    return pair;
}

void remote_session_pair_unref(struct remote_session_pair *pair)
{
    if (pair == NULL || atomic_fetch_sub_explicit(&pair->refs, 1, memory_order_acq_rel) != 1)
        return;
    EVP_PKEY_free(pair->pkey); /* wipes the private numbers */
    remote_secret_key_unref(pair->pkcs8);
    EVP_PKEY_free(atomic_load(&pair->public.pkey));
    remote_buf_clear(&pair->public.spki);
    free(pair);
}

/* ---- making them ---- */

static enum remote_rc spki_of(EVP_PKEY *pkey, struct remote_buf *ret, struct remote_error *err)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(pkey, &der);

    if (len <= 0)
        return remote_crypto_fail(err, "the public key cannot be encoded");
    remote_buf_append(ret, der, (size_t)len);
    OPENSSL_free(der);
    return remote_buf_check(ret, err);
}

static enum remote_rc pkcs8_of(EVP_PKEY *pkey, struct remote_secret_key **ret,
                               struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret pkcs8 = { 0 };

    REMOTE_TRY(remote_local_write_pkcs8(pkey, &pkcs8, err));
    return remote_secret_key_new(REMOTE_KEY_GENERIC, remote_secret_slice(&pkcs8), ret, err);
}

/* Takes over pkey, also on failure. */
static enum remote_rc pair_of(EVP_PKEY *pkey, struct remote_session_pair **ret,
                              struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf spki = { 0 };
    struct remote_session_pair *pair = NULL;
    enum remote_rc rc = spki_of(pkey, &spki, err);

    if (rc == REMOTE_OK)
        rc = pair_new(remote_buf_slice(&spki), &pair, err);
    if (rc == REMOTE_OK)
        rc = pkcs8_of(pkey, &pair->pkcs8, err);
    if (rc != REMOTE_OK) {
        remote_session_pair_unref(pair);
        EVP_PKEY_free(pkey);
        return rc;
    }
    pair->pkey = pkey;
    *ret = pair;
    return REMOTE_OK;
}

static bool rsa_size_fits(unsigned bits)
{
    return bits >= REMOTE_SESSION_RSA_MIN && bits <= REMOTE_SESSION_RSA_MAX;
}

enum remote_rc remote_session_pair_generate(const struct remote_key_spec *spec,
                                            struct remote_session_pair **ret,
                                            struct remote_error *err)
{
    EVP_PKEY *pkey = NULL;

    if (spec->type == REMOTE_KEY_RSA && !rsa_size_fits(spec->bits))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "an RSA key of the session has %d to %d bits, not %u",
                           REMOTE_SESSION_RSA_MIN, REMOTE_SESSION_RSA_MAX, spec->bits);
    if (spec->type == REMOTE_KEY_RSA)
        pkey = EVP_PKEY_Q_keygen(remote_libctx(), NULL, "RSA", (size_t)spec->bits);
    else if (spec->type == REMOTE_KEY_EC)
        pkey = EVP_PKEY_Q_keygen(remote_libctx(), NULL, "EC", OBJ_nid2sn(spec->curve));
    else if (spec->type == REMOTE_KEY_ED25519)
        pkey = EVP_PKEY_Q_keygen(remote_libctx(), NULL, "ED25519");
    return pkey != NULL ? pair_of(pkey, ret, err)
                        : remote_crypto_fail(err, "cannot make a key pair");
}

/*
 * Whether what one half signs the other one verifies: an application may have put them together
 * of what does not belong together.
 */
static bool halves_fit(struct remote_session_pair *pair)
{
    static const unsigned char digest[32];
    static const enum remote_alg algs[REMOTE_KEY_TYPE_COUNT] = {
        [REMOTE_KEY_RSA] = REMOTE_ALG_RSA_PKCS1,
        [REMOTE_KEY_EC] = REMOTE_ALG_ECDSA,
        [REMOTE_KEY_ED25519] = REMOTE_ALG_EDDSA,
    };
    const struct remote_params params = { .alg = algs[pair->public.type] };
    const struct remote_slice input = { digest, sizeof(digest) };
    CLEANUP(remote_buf_clear) struct remote_buf sig = { 0 };
    bool fit =
        remote_session_pair_sign(pair, &params, input, &sig, NULL) == REMOTE_OK &&
        remote_session_pair_verify(pair, &params, input, remote_buf_slice(&sig), NULL) == REMOTE_OK;

    ERR_clear_error();
    return fit;
}

static EVP_PKEY *read_pkcs8(struct remote_slice pkcs8)
{
    const unsigned char *at = pkcs8.data;
    EVP_PKEY *pkey = d2i_AutoPrivateKey_ex(NULL, &at, (long)pkcs8.len, remote_libctx(), NULL);

    ERR_clear_error();
    return pkey;
}

enum remote_rc remote_session_pair_private(struct remote_slice pkcs8,
                                           struct remote_session_pair **ret,
                                           struct remote_error *err)
{
    struct remote_session_pair *pair = NULL;
    struct remote_key_spec spec = { 0 };
    EVP_PKEY *pkey;
    enum remote_rc rc;

    if (!remote_local_pkcs8_spec(pkcs8, &spec))
        return REMOTE_FAIL(err, REMOTE_E_DATA, "not a private key of a kind that is served");
    if (spec.type == REMOTE_KEY_RSA && !rsa_size_fits(spec.bits))
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "an RSA key of the session has %d to %d bits, not %u",
                           REMOTE_SESSION_RSA_MIN, REMOTE_SESSION_RSA_MAX, spec.bits);
    pkey = read_pkcs8(pkcs8);
    if (pkey == NULL)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "libcrypto does not take the private key");
    rc = pair_of(pkey, &pair, err);
    if (rc == REMOTE_OK && halves_fit(pair)) {
        *ret = pair;
        return REMOTE_OK;
    }
    remote_session_pair_unref(pair);
    return rc == REMOTE_E_NOMEM
               ? rc
               : REMOTE_FAIL(err, REMOTE_E_DATA,
                             "the parts of the private key do not belong together");
}

enum remote_rc remote_session_pair_public(struct remote_slice spki,
                                          struct remote_session_pair **ret,
                                          struct remote_error *err)
{
    struct remote_session_pair *pair = NULL;
    struct remote_error why = { 0 };
    enum remote_rc rc = pair_new(spki, &pair, &why);

    /* whether a point is on its curve is seen when libcrypto takes it */
    if (rc == REMOTE_OK && remote_local_pkey(&pair->public, &why) == NULL)
        rc = REMOTE_E_DATA;
    if (rc == REMOTE_OK) {
        *ret = pair;
        return REMOTE_OK;
    }
    remote_session_pair_unref(pair);
    return REMOTE_FAIL(err, rc == REMOTE_E_NOMEM ? rc : REMOTE_E_DATA, "%s", why.text);
}

/* ---- what they can ---- */

static const struct {
    enum remote_alg alg;
    enum remote_key_type type;
} algs[] = {
    { REMOTE_ALG_RSA_PKCS1, REMOTE_KEY_RSA },     { REMOTE_ALG_RSA_PSS, REMOTE_KEY_RSA },
    { REMOTE_ALG_RSA_PKCS1_ENC, REMOTE_KEY_RSA }, { REMOTE_ALG_RSA_OAEP, REMOTE_KEY_RSA },
    { REMOTE_ALG_ECDSA, REMOTE_KEY_EC },          { REMOTE_ALG_EDDSA, REMOTE_KEY_ED25519 },
};

static bool alg_fits(enum remote_alg alg, enum remote_key_type type)
{
    for (size_t i = 0; i < ARRAY_SIZE(algs); i++)
        if (algs[i].alg == alg && algs[i].type == type)
            return true;
    return false;
}

/* RFC 8017 7.1.1 and 9.1.1: whether the paddings leave room in this modulus. */
enum remote_rc remote_session_pair_check(const struct remote_session_pair *pair,
                                         const struct remote_params *params,
                                         struct remote_error *err)
{
    const struct remote_key *key = &pair->public;
    size_t hash = remote_hash_size(params->hash);

    if (!alg_fits(params->alg, key->type))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "a key of type %s does not work this way",
                           remote_key_type_name(key->type));
    REMOTE_TRY(remote_local_check_hashes(params, err));
    if ((params->alg == REMOTE_ALG_RSA_PSS && (key->bits + 6) / 8 < hash + params->salt_len + 2) ||
        (params->alg == REMOTE_ALG_RSA_OAEP && (key->bits + 7) / 8 < 2 * hash + 2))
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "a key of %u bits has no room for this hash and salt", key->bits);
    return REMOTE_OK;
}

size_t remote_session_pair_output_size(const struct remote_session_pair *pair)
{
    size_t bytes = (pair->public.bits + 7) / 8;

    switch (pair->public.type) {
    case REMOTE_KEY_RSA:
        return bytes;
    case REMOTE_KEY_EC:
        return 2 * bytes;
    default:
        return 64; /* RFC 8032 5.1.6 */
    }
}

size_t remote_session_pair_input_max(const struct remote_session_pair *pair,
                                     const struct remote_params *params, enum remote_use use)
{
    size_t k = (pair->public.bits + 7) / 8, hash = remote_hash_size(params->hash);
    bool seals = (use & (REMOTE_USE_ENCRYPT | REMOTE_USE_WRAP)) != 0;

    switch (params->alg) {
    case REMOTE_ALG_RSA_PKCS1:
        return hash != 0 ? hash : k - PKCS1_OVERHEAD;
    case REMOTE_ALG_RSA_PSS:
        return hash;
    case REMOTE_ALG_ECDSA:
        return hash != 0 ? hash : ECDSA_INPUT_MAX;
    case REMOTE_ALG_RSA_PKCS1_ENC:
        return seals ? k - PKCS1_OVERHEAD : k;
    case REMOTE_ALG_RSA_OAEP:
        return seals ? k - 2 * hash - 2 : k;
    default:
        return INPUT_MAX;
    }
}

/* ---- what they do ---- */

static enum remote_rc check_private(const struct remote_session_pair *pair,
                                    const struct remote_params *params, struct remote_error *err)
{
    if (pair->pkey == NULL)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "a public key cannot do what takes a "
                           "private one");
    return remote_session_pair_check(pair, params, err);
}

static enum remote_rc check_input(const struct remote_session_pair *pair,
                                  const struct remote_params *params, struct remote_slice input,
                                  struct remote_error *err)
{
    size_t max = remote_session_pair_input_max(pair, params, REMOTE_USE_SIGN);
    bool exact = params->hash != REMOTE_HASH_NONE;

    if ((exact ? input.len != max : input.len > max) ||
        (params->alg == REMOTE_ALG_ECDSA && input.len == 0))
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "%zu bytes of input where %s%zu fit", input.len,
                           exact ? "exactly " : "at most ", max);
    return REMOTE_OK;
}

static bool sign_message(EVP_PKEY *pkey, struct remote_slice input, unsigned char *out, size_t *len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool done = ctx != NULL &&
                EVP_DigestSignInit_ex(ctx, NULL, NULL, remote_libctx(), NULL, pkey, NULL) == 1 &&
                EVP_DigestSign(ctx, out, len, input.data, input.len) == 1;

    EVP_MD_CTX_free(ctx);
    return done;
}

static bool sign_digest(EVP_PKEY *pkey, const struct remote_params *params,
                        struct remote_slice input, unsigned char *out, size_t *len)
{
    CLEANUP(remote_local_free_ctx)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(remote_libctx(), pkey, NULL);

    return ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 && remote_local_set_padding(ctx, params) &&
           EVP_PKEY_sign(ctx, out, len, input.data, input.len) == 1;
}

enum remote_rc remote_session_pair_sign(struct remote_session_pair *pair,
                                        const struct remote_params *params,
                                        struct remote_slice input, struct remote_buf *ret_sig,
                                        struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf built = { 0 };
    unsigned char *out;
    size_t len;

    REMOTE_TRY(check_private(pair, params, err));
    REMOTE_TRY(check_input(pair, params, input, err));
    len = (size_t)EVP_PKEY_get_size(pair->pkey);
    out = remote_buf_reserve(&built, len);
    REMOTE_TRY(remote_buf_check(&built, err));
    if (params->alg == REMOTE_ALG_EDDSA ? !sign_message(pair->pkey, input, out, &len)
                                        : !sign_digest(pair->pkey, params, input, out, &len))
        return remote_crypto_fail(err, "cannot sign");
    built.len = len;
    if (params->alg != REMOTE_ALG_ECDSA)
        return remote_local_give(&built, ret_sig, err);
    return remote_local_ecdsa_from_der(remote_buf_slice(&built),
                                       remote_session_pair_output_size(pair) / 2, ret_sig, err);
}

enum remote_rc remote_session_pair_verify(struct remote_session_pair *pair,
                                          const struct remote_params *params,
                                          struct remote_slice input, struct remote_slice sig,
                                          struct remote_error *err)
{
    return remote_local_verify(&pair->public, params, input, sig, err);
}

enum remote_rc remote_session_pair_encrypt(struct remote_session_pair *pair,
                                           const struct remote_params *params,
                                           struct remote_slice plain, struct remote_buf *ret_out,
                                           struct remote_error *err)
{
    return remote_local_encrypt(&pair->public, params, plain, ret_out, err);
}

enum remote_rc remote_session_pair_decrypt(struct remote_session_pair *pair,
                                           const struct remote_params *params,
                                           struct remote_slice sealed, struct remote_buf *ret_plain,
                                           struct remote_error *err)
{
    CLEANUP(remote_local_free_ctx) EVP_PKEY_CTX *ctx = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf built = { 0 };
    size_t len = remote_session_pair_output_size(pair);
    unsigned char *out;

    REMOTE_TRY(check_private(pair, params, err));
    if (sealed.len != len)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "a ciphertext of this key has %zu bytes, not %zu",
                           len, sealed.len);
    out = remote_buf_reserve(&built, len);
    REMOTE_TRY(remote_buf_check(&built, err));
    ctx = EVP_PKEY_CTX_new_from_pkey(remote_libctx(), pair->pkey, NULL);
    if (ctx == NULL || EVP_PKEY_decrypt_init(ctx) != 1 || !remote_local_set_padding(ctx, params))
        return remote_crypto_fail(err, "cannot decrypt with RSA");
    if (EVP_PKEY_decrypt(ctx, out, &len, sealed.data, sealed.len) != 1) {
        ERR_clear_error();
        return REMOTE_FAIL(err, REMOTE_E_DATA, "the ciphertext does not open");
    }
    built.len = len;
    return remote_local_give(&built, ret_plain, err);
}
