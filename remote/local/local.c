/* SPDX-License-Identifier: Apache-2.0 */
/* Digests, random, verification and RSA encryption. */
#include "local_private.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "libctx.h"

#define SM2_ID "1234567812345678" /* GM/T 0009 10 */
#define PKCS1_OVERHEAD 11         /* RFC 8017 7.2.1 */

enum remote_rc remote_local_give(struct remote_buf *built, struct remote_buf *ret,
                                 struct remote_error *err)
{
    REMOTE_TRY(remote_buf_check(built, err));
    remote_buf_clear(ret);
    *ret = *built;
    memset(built, 0, sizeof(*built));
    return REMOTE_OK;
}

/* A fetch takes locks of libcrypto's and searches; an operation should cost neither. */
const EVP_MD *remote_local_md(enum remote_hash hash)
{
    static _Atomic(EVP_MD *) fetched[REMOTE_HASH_COUNT];
    EVP_MD *md, *none = NULL;

    if (hash <= REMOTE_HASH_NONE || hash >= REMOTE_HASH_COUNT)
        return NULL;
    md = atomic_load(&fetched[hash]);
    if (md != NULL)
        return md;
    md = EVP_MD_fetch(remote_libctx(), remote_hash_name(hash), NULL);
    if (md == NULL || atomic_compare_exchange_strong(&fetched[hash], &none, md))
        return md;
    EVP_MD_free(md);
    return none;
}

enum remote_rc remote_digest_init(struct remote_digest *digest, enum remote_hash hash,
                                  struct remote_error *err)
{
    const EVP_MD *md = remote_local_md(hash);
    EVP_MD_CTX *ctx = md != NULL ? EVP_MD_CTX_new() : NULL;

    if (ctx == NULL || EVP_DigestInit_ex2(ctx, md, NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return remote_crypto_fail(err, "cannot begin a digest");
    }
    digest->ctx = ctx;
    return REMOTE_OK;
}

enum remote_rc remote_digest_update(struct remote_digest *digest, struct remote_slice data,
                                    struct remote_error *err)
{
    if (digest->ctx == NULL)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "no digest has been begun");
    if (EVP_DigestUpdate(digest->ctx, data.data, data.len) != 1)
        return remote_crypto_fail(err, "cannot digest");
    return REMOTE_OK;
}

enum remote_rc remote_digest_final(struct remote_digest *digest, struct remote_buf *ret,
                                   struct remote_error *err)
{
    unsigned char out[EVP_MAX_MD_SIZE];
    CLEANUP(remote_buf_clear) struct remote_buf built = { 0 };
    unsigned len = 0;
    int done;

    if (digest->ctx == NULL)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "no digest has been begun");
    done = EVP_DigestFinal_ex(digest->ctx, out, &len);
    remote_digest_clear(digest);
    if (done != 1)
        return remote_crypto_fail(err, "cannot end a digest");
    remote_buf_append(&built, out, len);
    return remote_local_give(&built, ret, err);
}

enum remote_rc remote_digest_copy(const struct remote_digest *digest, struct remote_digest *ret,
                                  struct remote_error *err)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx == NULL || EVP_MD_CTX_copy_ex(ctx, digest->ctx) != 1) {
        EVP_MD_CTX_free(ctx);
        return remote_crypto_fail(err, "cannot copy a digest");
    }
    ret->ctx = ctx;
    return REMOTE_OK;
}

void remote_digest_clear(struct remote_digest *digest)
{
    if (digest == NULL)
        return;
    EVP_MD_CTX_free(digest->ctx);
    digest->ctx = NULL;
}

enum remote_rc remote_local_hash(enum remote_hash hash, struct remote_slice data,
                                 struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(remote_digest_clear) struct remote_digest digest = { 0 };

    REMOTE_TRY(remote_digest_init(&digest, hash, err));
    REMOTE_TRY(remote_digest_update(&digest, data, err));
    return remote_digest_final(&digest, ret, err);
}

enum remote_rc remote_local_random(unsigned char *out, size_t len, struct remote_error *err)
{
    if (RAND_bytes_ex(remote_libctx(), out, len, 0) != 1)
        return remote_crypto_fail(err, "cannot make random bytes");
    return REMOTE_OK;
}

/* ---- RSA paddings ---- */

enum remote_rc remote_local_check_hashes(const struct remote_params *params,
                                         struct remote_error *err)
{
    if ((params->alg == REMOTE_ALG_RSA_PSS || params->alg == REMOTE_ALG_RSA_OAEP) &&
        (params->hash == REMOTE_HASH_NONE || params->mgf_hash == REMOTE_HASH_NONE))
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "PSS and OAEP need a hash and an MGF1 hash");
    return REMOTE_OK;
}

static bool set_oaep_label(EVP_PKEY_CTX *ctx, struct remote_slice label)
{
    void *copy;

    if (label.len == 0)
        return true;
    copy = OPENSSL_memdup(label.data, label.len);
    if (copy == NULL)
        return false;
    if (EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, (int)label.len) == 1)
        return true; /* which owns it now */
    OPENSSL_free(copy);
    return false;
}

bool remote_local_set_padding(EVP_PKEY_CTX *ctx, const struct remote_params *params)
{
    const EVP_MD *md = remote_local_md(params->hash), *mgf = remote_local_md(params->mgf_hash);

    switch (params->alg) {
    case REMOTE_ALG_RSA_PKCS1:
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
               (md == NULL || EVP_PKEY_CTX_set_signature_md(ctx, md) == 1);
    case REMOTE_ALG_RSA_PSS:
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_signature_md(ctx, md) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, mgf) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)params->salt_len) == 1;
    case REMOTE_ALG_RSA_PKCS1_ENC:
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
    case REMOTE_ALG_RSA_OAEP:
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, mgf) == 1 && set_oaep_label(ctx, params->aad);
    default:
        return true; /* not RSA */
    }
}

/* ---- verification ---- */

static enum remote_rc wrong_signature(struct remote_error *err)
{
    ERR_clear_error();
    return REMOTE_FAIL(err, REMOTE_E_DATA, "the signature is wrong");
}

static enum remote_rc check_digest(const struct remote_params *params, struct remote_slice input,
                                   struct remote_error *err)
{
    if (params->hash != REMOTE_HASH_NONE && input.len != remote_hash_size(params->hash))
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "a %s digest has %zu bytes, not %zu",
                           remote_hash_name(params->hash), remote_hash_size(params->hash),
                           input.len);
    return REMOTE_OK;
}

/* For RSA_PKCS1 with hash NONE: what the signature carries, compared with what was signed. */
static enum remote_rc verify_block(EVP_PKEY_CTX *ctx, const struct remote_params *params,
                                   struct remote_slice block, struct remote_slice sig,
                                   struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf recovered = { 0 };
    size_t len = sig.len; /* at least the modulus' size, as libcrypto wants */
    unsigned char *out = remote_buf_reserve(&recovered, len);

    REMOTE_TRY(remote_buf_check(&recovered, err));
    if (EVP_PKEY_verify_recover_init(ctx) != 1 || !remote_local_set_padding(ctx, params))
        return remote_crypto_fail(err, "cannot verify with RSA");
    if (EVP_PKEY_verify_recover(ctx, out, &len, sig.data, sig.len) != 1 ||
        !remote_slice_equal(remote_slice(out, len), block))
        return wrong_signature(err);
    return REMOTE_OK;
}

static enum remote_rc verify_rsa(EVP_PKEY_CTX *ctx, const struct remote_params *params,
                                 struct remote_slice input, struct remote_slice sig,
                                 struct remote_error *err)
{
    if (params->hash == REMOTE_HASH_NONE)
        return verify_block(ctx, params, input, sig, err);
    if (EVP_PKEY_verify_init(ctx) != 1 || !remote_local_set_padding(ctx, params))
        return remote_crypto_fail(err, "cannot verify with RSA");
    if (EVP_PKEY_verify(ctx, sig.data, sig.len, input.data, input.len) != 1)
        return wrong_signature(err);
    return REMOTE_OK;
}

/* Without a hash set, libcrypto takes a digest of any length and cuts it as FIPS 186-5 6.4.1 says.
 */
static enum remote_rc verify_ecdsa(EVP_PKEY_CTX *ctx, const struct remote_params *params,
                                   struct remote_slice input, struct remote_slice sig,
                                   struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };

    (void)params;
    if (input.len == 0)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "an empty digest");
    REMOTE_TRY(remote_local_ecdsa_to_der(sig, &der, err));
    if (EVP_PKEY_verify_init(ctx) != 1)
        return remote_crypto_fail(err, "cannot verify with ECDSA");
    if (EVP_PKEY_verify(ctx, der.data, der.len, input.data, input.len) != 1)
        return wrong_signature(err);
    return REMOTE_OK;
}

/* For schemes that take the message itself. */
static enum remote_rc verify_message(EVP_PKEY_CTX *ctx, const char *hash,
                                     const OSSL_PARAM *settings, struct remote_slice input,
                                     struct remote_slice sig, struct remote_error *err)
{
    EVP_MD_CTX *md_ctx = EVP_MD_CTX_new();
    int begun, good = 0;

    begun = md_ctx != NULL ? EVP_DigestVerifyInit_ex(md_ctx, NULL, hash, remote_libctx(), NULL,
                                                     EVP_PKEY_CTX_get0_pkey(ctx), settings)
                           : 0;
    if (begun == 1)
        good = EVP_DigestVerify(md_ctx, sig.data, sig.len, input.data, input.len);
    EVP_MD_CTX_free(md_ctx);
    if (begun != 1)
        return remote_crypto_fail(err, hash != NULL ? "cannot verify with SM2"
                                                    : "cannot verify with Ed25519");
    return good == 1 ? REMOTE_OK : wrong_signature(err);
}

static enum remote_rc verify_eddsa(EVP_PKEY_CTX *ctx, const struct remote_params *params,
                                   struct remote_slice input, struct remote_slice sig,
                                   struct remote_error *err)
{
    (void)params;
    return verify_message(ctx, NULL, NULL, input, sig, err);
}

/* GB/T 32918.2: what is hashed is Z, made of the id and the key, and the message. */
static enum remote_rc verify_sm2(EVP_PKEY_CTX *ctx, const struct remote_params *params,
                                 struct remote_slice input, struct remote_slice sig,
                                 struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    char id[] = SM2_ID;
    const OSSL_PARAM with_id[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_DIST_ID, id, sizeof(id) - 1),
        OSSL_PARAM_construct_end(),
    };

    (void)params;
    REMOTE_TRY(remote_local_ecdsa_to_der(sig, &der, err));
    return verify_message(ctx, "SM3", with_id, input, remote_buf_slice(&der), err);
}

struct verifier {
    enum remote_alg alg;
    enum remote_key_type type;
    enum remote_rc (*verify)(EVP_PKEY_CTX *ctx, const struct remote_params *params,
                             struct remote_slice input, struct remote_slice sig,
                             struct remote_error *err);
};

static const struct verifier verifiers[] = {
    { REMOTE_ALG_RSA_PKCS1, REMOTE_KEY_RSA, verify_rsa },
    { REMOTE_ALG_RSA_PSS, REMOTE_KEY_RSA, verify_rsa },
    { REMOTE_ALG_ECDSA, REMOTE_KEY_EC, verify_ecdsa },
    { REMOTE_ALG_EDDSA, REMOTE_KEY_ED25519, verify_eddsa },
    { REMOTE_ALG_SM2, REMOTE_KEY_SM2, verify_sm2 },
};

static const struct verifier *find_verifier(enum remote_alg alg, enum remote_key_type type)
{
    for (size_t i = 0; i < ARRAY_SIZE(verifiers); i++) {
        if (verifiers[i].alg == alg && verifiers[i].type == type)
            return &verifiers[i];
    }
    return NULL;
}

static size_t signature_size(const struct remote_key *key)
{
    size_t bytes = (key->bits + 7) / 8;

    return key->type == REMOTE_KEY_RSA ? bytes : 2 * bytes;
}

static enum remote_rc new_ctx(struct remote_key *key, EVP_PKEY_CTX **ret, struct remote_error *err)
{
    EVP_PKEY *pkey = remote_local_pkey(key, err);

    if (pkey == NULL)
        return REMOTE_E_CRYPTO;
    *ret = EVP_PKEY_CTX_new_from_pkey(remote_libctx(), pkey, NULL);
    return *ret != NULL ? REMOTE_OK : remote_crypto_fail(err, "cannot use the public key");
}

enum remote_rc remote_local_verify(struct remote_key *key, const struct remote_params *params,
                                   struct remote_slice input, struct remote_slice sig,
                                   struct remote_error *err)
{
    const struct verifier *verifier = find_verifier(params->alg, key->type);
    CLEANUP(remote_local_free_ctx) EVP_PKEY_CTX *ctx = NULL;

    if (verifier == NULL)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "a key of type %s does not verify this way",
                           remote_key_type_name(key->type));
    if (sig.len != signature_size(key))
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "a signature by this key has %zu bytes, not %zu",
                           signature_size(key), sig.len);
    REMOTE_TRY(remote_local_check_hashes(params, err));
    REMOTE_TRY(check_digest(params, input, err));
    REMOTE_TRY(new_ctx(key, &ctx, err));
    return verifier->verify(ctx, params, input, sig, err);
}

/* ---- RSA encryption ---- */

/* RFC 8017 7.1.1 and 7.2.1 */
static enum remote_rc check_plain(const struct remote_key *key, const struct remote_params *params,
                                  size_t len, struct remote_error *err)
{
    size_t k = (key->bits + 7) / 8;
    size_t overhead = params->alg == REMOTE_ALG_RSA_PKCS1_ENC
                          ? PKCS1_OVERHEAD
                          : 2 * remote_hash_size(params->hash) + 2;

    if (key->type != REMOTE_KEY_RSA ||
        (params->alg != REMOTE_ALG_RSA_PKCS1_ENC && params->alg != REMOTE_ALG_RSA_OAEP))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "a key of type %s does not encrypt this way",
                           remote_key_type_name(key->type));
    if (overhead > k || len > k - overhead)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "%zu bytes are too long, this key takes %zu", len,
                           overhead > k ? 0 : k - overhead);
    return REMOTE_OK;
}

enum remote_rc remote_local_encrypt(struct remote_key *key, const struct remote_params *params,
                                    struct remote_slice plain, struct remote_buf *ret_out,
                                    struct remote_error *err)
{
    CLEANUP(remote_local_free_ctx) EVP_PKEY_CTX *ctx = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf built = { 0 };
    size_t len = (key->bits + 7) / 8;
    unsigned char *out;

    REMOTE_TRY(remote_local_check_hashes(params, err));
    REMOTE_TRY(check_plain(key, params, plain.len, err));
    REMOTE_TRY(new_ctx(key, &ctx, err));
    out = remote_buf_reserve(&built, len);
    REMOTE_TRY(remote_buf_check(&built, err));
    if (EVP_PKEY_encrypt_init(ctx) != 1 || !remote_local_set_padding(ctx, params) ||
        EVP_PKEY_encrypt(ctx, out, &len, plain.data, plain.len) != 1)
        return remote_crypto_fail(err, "cannot encrypt with RSA");
    built.len = len;
    return remote_local_give(&built, ret_out, err);
}
