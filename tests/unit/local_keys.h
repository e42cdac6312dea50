/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs for the tests of remote/local/local*.c; made in the guard, by libcrypto itself. */
#ifndef TESTS_LOCAL_KEYS_H
#define TESTS_LOCAL_KEYS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "in_guard.h"
#include "local.h"

struct pair {
    EVP_PKEY *pkey;
    struct remote_key key; /* the public half, as a service would have published it */
};

static inline void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not say '%s'", text, part);
}

static inline void key_clear(struct remote_key *key)
{
    remote_buf_clear(&key->spki);
    EVP_PKEY_free(atomic_load(&key->pkey));
    atomic_store(&key->pkey, NULL);
}

static inline void pair_clear(struct pair *pair)
{
    EVP_PKEY_free(pair->pkey);
    key_clear(&pair->key);
}

static inline void pair_init(struct pair *pair, EVP_PKEY *pkey)
{
    unsigned char *der = NULL;
    int len;

    assert_non_null(pkey);
    len = i2d_PUBKEY(pkey, &der);
    assert_true(len > 0);
    memset(pair, 0, sizeof(*pair));
    pair->pkey = pkey;
    assert_int_equal(remote_local_set_spki(&pair->key, remote_slice(der, (size_t)len), NULL),
                     REMOTE_OK);
    OPENSSL_free(der);
}

static inline EVP_PKEY *make_rsa(size_t bits)
{
    return EVP_PKEY_Q_keygen(remote_libctx(), NULL, "RSA", bits);
}

static inline EVP_PKEY *make_ec(const char *curve)
{
    return EVP_PKEY_Q_keygen(remote_libctx(), NULL, "EC", curve);
}

static inline EVP_PKEY *make_ed25519(void)
{
    return EVP_PKEY_Q_keygen(remote_libctx(), NULL, "ED25519");
}

/* Signs as a service would: input and result as remote_key_sign() has them. */
static inline void pair_sign(struct pair *pair, const struct remote_params *params,
                             struct remote_slice input, struct remote_buf *ret_sig)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(remote_libctx(), pair->pkey, NULL);
    CLEANUP(remote_buf_clear) struct remote_buf made = { 0 };
    unsigned char *out = remote_buf_reserve(&made, 2048);
    EVP_MD_CTX *md_ctx = EVP_MD_CTX_new();

    made.len = 2048;
    if (params->alg == REMOTE_ALG_EDDSA) {
        assert_int_equal(EVP_DigestSignInit_ex(md_ctx, NULL, NULL, remote_libctx(), NULL,
                                               pair->pkey, NULL),
                         1);
        assert_int_equal(EVP_DigestSign(md_ctx, out, &made.len, input.data, input.len), 1);
    } else {
        assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
        if (params->alg == REMOTE_ALG_RSA_PSS) {
            EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
            EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)params->salt_len);
            EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, remote_hash_name(params->mgf_hash), NULL);
        }
        if (params->alg != REMOTE_ALG_ECDSA && params->hash != REMOTE_HASH_NONE) {
            EVP_MD *md = EVP_MD_fetch(remote_libctx(), remote_hash_name(params->hash), NULL);

            assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, md), 1);
            EVP_MD_free(md);
        }
        assert_int_equal(EVP_PKEY_sign(ctx, out, &made.len, input.data, input.len), 1);
    }
    EVP_MD_CTX_free(md_ctx);
    EVP_PKEY_CTX_free(ctx);
    if (params->alg == REMOTE_ALG_ECDSA)
        assert_int_equal(remote_local_ecdsa_from_der(remote_buf_slice(&made),
                                                     (pair->key.bits + 7) / 8, ret_sig, NULL),
                         REMOTE_OK);
    else
        remote_buf_append(ret_sig, made.data, made.len);
}

#endif
