/* SPDX-License-Identifier: Apache-2.0 */
/* The one step that is not libcrypto's: signing with a remote key. */
#include "signature.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "param.h"

/* ---- what is to be done, in the core's words ---- */

/* RFC 8017 9.1.1: emLen - hLen - 2, and emBits is one less than the modulus has. */
static size_t salt_max(const struct remote_key *key, size_t hash_size)
{
    size_t encoded = (key->bits - 1 + 7) / 8;

    return encoded > hash_size + 2 ? encoded - hash_size - 2 : 0;
}

/* The words of EVP_PKEY_CTX_set_rsa_pss_saltlen(3), as they are meant for signing. */
static enum remote_rc read_salt(EVP_PKEY_CTX *ctx, const struct remote_key *key,
                                enum remote_hash hash, size_t *ret, struct remote_error *err)
{
    size_t hash_size = remote_hash_size(hash), max = salt_max(key, hash_size);
    int salt = RSA_PSS_SALTLEN_AUTO;

    REMOTE_TRY(provider_param_int(ctx, OSSL_SIGNATURE_PARAM_PSS_SALTLEN, &salt, err));
    switch (salt) {
    case RSA_PSS_SALTLEN_DIGEST:
        *ret = hash_size;
        break;
    case RSA_PSS_SALTLEN_AUTO:
    case RSA_PSS_SALTLEN_MAX:
        *ret = max;
        break;
#ifdef RSA_PSS_SALTLEN_AUTO_DIGEST_MAX
    case RSA_PSS_SALTLEN_AUTO_DIGEST_MAX:
        *ret = hash_size < max ? hash_size : max;
        break;
#endif
    default:
        if (salt < 0 || (size_t)salt > max)
            return REMOTE_FAIL(err, REMOTE_E_PARAM,
                               "slot '%s': key '%s': a PSS salt of %d bytes; at most %zu fit",
                               remote_slot_name(key->slot), key->name, salt, max);
        *ret = (size_t)salt;
    }
    return REMOTE_OK;
}

static enum remote_rc read_pss(EVP_PKEY_CTX *ctx, const struct remote_key *key,
                               struct remote_params *params, struct remote_error *err)
{
    params->alg = REMOTE_ALG_RSA_PSS;
    if (params->hash == REMOTE_HASH_NONE)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "slot '%s': key '%s': PSS needs a digest",
                           remote_slot_name(key->slot), key->name);
    REMOTE_TRY(
        provider_param_hash(ctx, OSSL_SIGNATURE_PARAM_MGF1_DIGEST, key, &params->mgf_hash, err));
    if (params->mgf_hash == REMOTE_HASH_NONE) /* libcrypto's default */
        params->mgf_hash = params->hash;
    return read_salt(ctx, key, params->hash, &params->salt_len, err);
}

static enum remote_rc read_rsa(EVP_PKEY_CTX *ctx, const struct remote_key *key,
                               struct remote_params *params, struct remote_error *err)
{
    int padding = RSA_PKCS1_PADDING;

    REMOTE_TRY(provider_param_int(ctx, OSSL_SIGNATURE_PARAM_PAD_MODE, &padding, err));
    if (padding == RSA_PKCS1_PSS_PADDING)
        return read_pss(ctx, key, params, err);
    params->alg = REMOTE_ALG_RSA_PKCS1;
    if (padding == RSA_PKCS1_PADDING)
        return REMOTE_OK;
    return REMOTE_FAIL(
        err, REMOTE_E_UNSUPPORTED,
        "slot '%s': key '%s': key services sign with PKCS#1 or PSS padding, no other",
        remote_slot_name(key->slot), key->name);
}

static enum remote_rc read_params(const struct provider_signature *sig,
                                  struct remote_params *params, struct remote_error *err)
{
    const struct remote_key *key = sig->key->remote;

    if (key->type == REMOTE_KEY_ED25519) {
        params->alg = REMOTE_ALG_EDDSA;
        return REMOTE_OK;
    }
    REMOTE_TRY(provider_param_hash(sig->ctx, OSSL_SIGNATURE_PARAM_DIGEST, key, &params->hash, err));
    if (key->type == REMOTE_KEY_RSA)
        return read_rsa(sig->ctx, key, params, err);
    params->alg = REMOTE_ALG_ECDSA;
    return REMOTE_OK;
}

/* ---- init ---- */

static enum remote_rc check_begin(const struct remote_key *key, const struct remote_params *params,
                                  struct remote_error *err)
{
    struct remote_params pss = { .alg = REMOTE_ALG_RSA_PSS,
                                 .hash = params->hash,
                                 .mgf_hash = params->hash,
                                 .salt_len = remote_hash_size(params->hash) };
    enum remote_rc rc = remote_key_check(key, params, REMOTE_USE_SIGN, err);

    if (rc != REMOTE_OK && params->alg == REMOTE_ALG_RSA_PKCS1 &&
        remote_key_check(key, &pss, REMOTE_USE_SIGN, NULL) == REMOTE_OK)
        rc = REMOTE_OK; /* the padding may be set later */
    return rc;
}

/* Later versions of OpenSSL than 3.0 have these; their names are not in its headers. */
enum remote_rc provider_signature_check_params(const struct remote_key *key,
                                               const OSSL_PARAM params[], struct remote_error *err)
{
    const OSSL_PARAM *nonce = OSSL_PARAM_locate_const(params, "nonce-type");
    const OSSL_PARAM *instance = OSSL_PARAM_locate_const(params, "instance");
    const OSSL_PARAM *context = OSSL_PARAM_locate_const(params, "context-string");
    const char *name = NULL;
    unsigned type = 0;

    if (nonce != NULL && (OSSL_PARAM_get_uint(nonce, &type) != 1 || type != 0))
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "slot '%s': key '%s': the service chooses the nonce of a signature",
                           remote_slot_name(key->slot), key->name);
    if ((instance != NULL && (OSSL_PARAM_get_utf8_string_ptr(instance, &name) != 1 ||
                              strcasecmp(name, "Ed25519") != 0)) ||
        (context != NULL && context->data_size > 0))
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "slot '%s': key '%s': the service signs plain Ed25519 alone",
                           remote_slot_name(key->slot), key->name);
    return REMOTE_OK;
}

static enum remote_rc begin_digest(struct provider_signature *sig, struct remote_error *err)
{
    struct remote_params params = { 0 };

    REMOTE_TRY(read_params(sig, &params, err));
    if (params.alg == REMOTE_ALG_RSA_PSS) /* salt and MGF1 may still change */
        params = (struct remote_params){ .alg = REMOTE_ALG_RSA_PKCS1, .hash = params.hash };
    REMOTE_TRY(check_begin(sig->key->remote, &params, err));
    if (params.hash == REMOTE_HASH_NONE)
        return REMOTE_OK; /* Ed25519 signs messages, in one piece */
    return remote_digest_init(&sig->digest, params.hash, err);
}

enum remote_rc provider_signature_begin_remote(struct provider_signature *sig,
                                               const OSSL_PARAM params[], struct remote_error *err)
{
    if (params != NULL)
        REMOTE_TRY(provider_signature_check_params(sig->key->remote, params, err));
    return sig->doing == PROVIDER_DIGEST_SIGN ? begin_digest(sig, err) : REMOTE_OK;
}

/* ---- sign ---- */

enum remote_rc provider_signature_remote(struct provider_signature *sig, struct remote_slice input,
                                         struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf raw = { 0 };
    struct remote_key *key = sig->key->remote;
    struct remote_params params = { 0 };

    REMOTE_TRY(read_params(sig, &params, err));
    if (key->type != REMOTE_KEY_EC)
        return remote_key_sign(key, &params, input, ret, err);
    REMOTE_TRY(remote_key_sign(key, &params, input, &raw, err));
    return remote_local_ecdsa_to_der(remote_buf_slice(&raw), ret, err);
}
