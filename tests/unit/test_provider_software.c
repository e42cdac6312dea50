/* SPDX-License-Identifier: Apache-2.0 */
/* A host that prefers our algorithms (?provider=hsmbridge): its own keys go on working. */
#include "provider_tls.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

static const char message[] = "to be signed";

static EVP_PKEY *make(const char *type)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(host.ctx, type, NULL);
    EVP_PKEY *pkey = NULL;

    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    if (strcmp(type, "EC") == 0)
        assert_int_equal(EVP_PKEY_CTX_set_group_name(ctx, "P-256"), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &pkey), 1);
    assert_true(host_is_ours(pkey));
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

static const char *const types[] = { "RSA", "RSA-PSS", "EC", "ED25519" };

static void test_key_when_made_then_signs_and_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        const struct host_signing how = { i == 3 ? NULL : "SHA256", 0, 0, NULL };
        EVP_PKEY *pkey = make(types[i]), *half = host_default_half(pkey), *copy;
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(host.ctx, pkey, NULL);
        unsigned char sig[512];
        size_t len = host_sign(pkey, &how, sig);

        assert_true(len > 0);
        assert_true(host_verify(half, &how, sig, len));
        assert_true(host_verify(pkey, &how, sig, len));
        assert_int_equal(EVP_PKEY_check(ctx), 1);
        assert_int_equal(EVP_PKEY_private_check(ctx), 1);
        copy = EVP_PKEY_dup(pkey);
        assert_int_equal(EVP_PKEY_eq(pkey, copy), 1);
        len = host_sign(copy, &how, sig);
        assert_true(host_verify(half, &how, sig, len));
        host_assert_quiet();
        EVP_PKEY_free(copy);
        EVP_PKEY_CTX_free(ctx);
        EVP_PKEY_free(half);
        EVP_PKEY_free(pkey);
    }
}

/* Through every form of a file: written by the host, read again, and the key is the same. */
static void test_file_when_of_an_ordinary_key_then_is_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        EVP_PKEY *pkey = make(types[i]), *read = NULL, *public = NULL;
        BIO *bio = BIO_new(BIO_s_mem());

        assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
        read = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, host.ctx, NULL);
        assert_non_null(read);
        assert_int_equal(EVP_PKEY_eq(read, pkey), 1);
        assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
        public = PEM_read_bio_PUBKEY_ex(bio, NULL, NULL, NULL, host.ctx, NULL);
        assert_non_null(public);
        assert_int_equal(EVP_PKEY_eq(public, read), 1);
        host_assert_quiet();
        BIO_free(bio);
        EVP_PKEY_free(public);
        EVP_PKEY_free(read);
        EVP_PKEY_free(pkey);
    }
}

static void derive(EVP_PKEY *own, EVP_PKEY *peer, unsigned char out[32])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(host.ctx, own, NULL);
    size_t len = 32;

    assert_int_equal(EVP_PKEY_derive_init(ctx), 1);
    assert_int_equal(EVP_PKEY_derive_set_peer(ctx, peer), 1);
    assert_int_equal(EVP_PKEY_derive(ctx, out, &len), 1);
    assert_int_equal(len, 32);
    EVP_PKEY_CTX_free(ctx);
}

/* As libssl makes a key share: parameters first, then a key of them, and a peer from its octets. */
static void test_share_when_exchanged_then_both_derive_the_same(void **state)
{
    EVP_PKEY_CTX *paramgen = EVP_PKEY_CTX_new_from_name(host.ctx, "EC", NULL), *keygen;
    EVP_PKEY *params = NULL, *own = NULL, *peer = EVP_PKEY_new(), *theirs = make("EC");
    unsigned char *point = NULL, a[32], b[32];
    size_t len;

    (void)state;
    assert_int_equal(EVP_PKEY_paramgen_init(paramgen), 1);
    assert_int_equal(EVP_PKEY_CTX_set_group_name(paramgen, "P-256"), 1);
    assert_int_equal(EVP_PKEY_paramgen(paramgen, &params), 1);
    keygen = EVP_PKEY_CTX_new_from_pkey(host.ctx, params, NULL);
    assert_int_equal(EVP_PKEY_keygen_init(keygen), 1);
    assert_int_equal(EVP_PKEY_keygen(keygen, &own), 1);
    assert_true(host_is_ours(own));
    len = EVP_PKEY_get1_encoded_public_key(theirs, &point);
    assert_int_equal(len, 65);
    assert_int_equal(EVP_PKEY_copy_parameters(peer, own), 1);
    assert_int_equal(EVP_PKEY_set1_encoded_public_key(peer, point, len), 1);
    assert_int_equal(EVP_PKEY_eq(peer, theirs), 1);
    derive(own, peer, a);
    derive(theirs, own, b);
    assert_memory_equal(a, b, sizeof(a));
    OPENSSL_free(point);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(peer);
    EVP_PKEY_free(own);
    EVP_PKEY_free(params);
    EVP_PKEY_CTX_free(keygen);
    EVP_PKEY_CTX_free(paramgen);
}

static void test_rsa_when_encrypted_then_opens(void **state)
{
    EVP_PKEY *pkey = make("RSA");
    EVP_PKEY_CTX *enc = EVP_PKEY_CTX_new_from_pkey(host.ctx, pkey, NULL);
    EVP_PKEY_CTX *dec = EVP_PKEY_CTX_new_from_pkey(host.ctx, pkey, NULL);
    unsigned char sealed[256], plain[256];
    size_t len = sizeof(sealed), plain_len = sizeof(plain);

    (void)state;
    assert_int_equal(EVP_PKEY_encrypt_init(enc), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(enc, RSA_PKCS1_OAEP_PADDING), 1);
    assert_int_equal(EVP_PKEY_encrypt(enc, sealed, &len, (const unsigned char *)message,
                                      sizeof(message)),
                     1);
    assert_int_equal(EVP_PKEY_decrypt_init(dec), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(dec, RSA_PKCS1_OAEP_PADDING), 1);
    assert_int_equal(EVP_PKEY_decrypt(dec, plain, &plain_len, sealed, len), 1);
    assert_int_equal(plain_len, sizeof(message));
    assert_memory_equal(plain, message, plain_len);
    EVP_PKEY_CTX_free(dec);
    EVP_PKEY_CTX_free(enc);
    EVP_PKEY_free(pkey);
}

/* RSA-PSS keys carry restrictions, which hold with us as with libcrypto. */
static void test_pss_key_when_restricted_then_refuses_another_digest(void **state)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(host.ctx, "RSA-PSS", NULL);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY *pkey = NULL;

    (void)state;
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_keygen_md_name(ctx, "SHA384", NULL), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_keygen_mgf1_md_name(ctx, "SHA384"), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &pkey), 1);
    assert_int_not_equal(EVP_DigestSignInit_ex(md, NULL, "SHA256", host.ctx, NULL, pkey, NULL), 1);
    ERR_clear_error();
    assert_int_equal(EVP_DigestSignInit_ex(md, NULL, "SHA384", host.ctx, NULL, pkey, NULL), 1);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(pkey);
    EVP_PKEY_CTX_free(ctx);
}

static void test_generation_when_asked_for_nonsense_then_fails(void **state)
{
    EVP_PKEY_CTX *ec = EVP_PKEY_CTX_new_from_name(host.ctx, "EC", NULL);
    EVP_PKEY_CTX *rsa = EVP_PKEY_CTX_new_from_name(host.ctx, "RSA", NULL);
    EVP_PKEY *pkey = NULL;

    (void)state;
    assert_int_equal(EVP_PKEY_keygen_init(ec), 1);
    assert_int_equal(EVP_PKEY_CTX_set_group_name(ec, "P-255"), 1); /* libcrypto looks later */
    assert_int_not_equal(EVP_PKEY_generate(ec, &pkey), 1);
    host_assert_said("cannot make the key");
    assert_int_equal(EVP_PKEY_keygen_init(rsa), 1);
    assert_true(EVP_PKEY_CTX_set_rsa_keygen_bits(rsa, 64) <= 0 ||
                EVP_PKEY_generate(rsa, &pkey) != 1);
    assert_null(pkey);
    EVP_PKEY_CTX_free(rsa);
    EVP_PKEY_CTX_free(ec);
}

/* What nobody filled: libcrypto makes such keys, and must get an answer. */
static void test_key_when_empty_then_has_nothing_and_does_nothing(void **state)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(host.ctx, "EC", NULL);
    OSSL_PARAM none[] = { OSSL_PARAM_END };
    EVP_PKEY *pkey = NULL;

    (void)state;
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_not_equal(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, none), 1);
    host_assert_said("cannot take the key over");
    assert_null(pkey);
    assert_non_null(EVP_PKEY_fromdata_settable(ctx, EVP_PKEY_KEYPAIR));
    EVP_PKEY_CTX_free(ctx);
}

static void test_pkey_when_of_the_default_provider_then_works_with_ours(void **state)
{
    const struct host_signing how = { "SHA256", 0, 0, NULL };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(host.ctx, "EC", "provider=default");
    EVP_PKEY *pkey = NULL;
    unsigned char sig[512];
    size_t len;

    (void)state;
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_group_name(ctx, "P-521"), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &pkey), 1);
    assert_false(host_is_ours(pkey));
    len = host_sign(pkey, &how, sig);
    assert_true(len > 0);
    assert_true(host_verify(pkey, &how, sig, len));
    host_assert_quiet();
    EVP_PKEY_free(pkey);
    EVP_PKEY_CTX_free(ctx);
}

static int untouched(void **state)
{
    assert_int_equal(fake.open, 0); /* software keys need no configuration */
    assert_int_equal(fake.requests, 0);
    return host_stop(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, host_start_ours, untouched)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_key_when_made_then_signs_and_is_whole),
        TEST(test_file_when_of_an_ordinary_key_then_is_read_and_written),
        TEST(test_share_when_exchanged_then_both_derive_the_same),
        TEST(test_rsa_when_encrypted_then_opens),
        TEST(test_pss_key_when_restricted_then_refuses_another_digest),
        TEST(test_generation_when_asked_for_nonsense_then_fails),
        TEST(test_key_when_empty_then_has_nothing_and_does_nothing),
        TEST(test_pkey_when_of_the_default_provider_then_works_with_ours),
    };

    return HOST_GROUP(tests);
}
