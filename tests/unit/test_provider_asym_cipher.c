/* SPDX-License-Identifier: Apache-2.0 */
#include "provider_host.h"

#include <openssl/core_names.h>
#include <openssl/prov_ssl.h>
#include <openssl/ssl.h>

static const unsigned char message[] = "a secret";

struct scheme {
    int padding;
    const char *md; /* of OAEP; NULL: libcrypto's */
    const char *label;
};

static const struct scheme schemes[] = {
    { RSA_PKCS1_PADDING, NULL, NULL },
    { RSA_PKCS1_OAEP_PADDING, NULL, NULL },
    { RSA_PKCS1_OAEP_PADDING, "SHA256", NULL },
    { RSA_PKCS1_OAEP_PADDING, "SHA384", "a label" },
};

static void set_up(EVP_PKEY_CTX *ctx, const struct scheme *scheme)
{
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, scheme->padding), 1);
    if (scheme->md != NULL)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, scheme->md, NULL), 1);
    if (scheme->label != NULL)
        assert_int_equal(EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, OPENSSL_strdup(scheme->label),
                                                          (int)strlen(scheme->label)),
                         1);
}

static size_t encrypt(EVP_PKEY *pkey, const struct scheme *scheme, unsigned char out[256])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(host.ctx, pkey, NULL);
    size_t len = 0;

    assert_int_equal(EVP_PKEY_encrypt_init(ctx), 1);
    set_up(ctx, scheme);
    assert_int_equal(EVP_PKEY_encrypt(ctx, NULL, &len, message, sizeof(message)), 1);
    assert_int_equal(len, 256);
    assert_int_equal(EVP_PKEY_encrypt(ctx, out, &len, message, sizeof(message)), 1);
    EVP_PKEY_CTX_free(ctx);
    return len;
}

static EVP_PKEY_CTX *begin_decrypt(EVP_PKEY *pkey, const struct scheme *scheme)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(host.ctx, pkey, NULL);

    assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
    set_up(ctx, scheme);
    return ctx;
}

static void test_decrypt_when_encrypted_by_any_provider_then_opens(void **state)
{
    EVP_PKEY *pkey = host_key("rsa"), *half = host_default_half(pkey);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        for (int by_half = 0; by_half < 2; by_half++) {
            unsigned char sealed[256], plain[256];
            unsigned before = fake.requests;
            size_t len = encrypt(by_half ? half : pkey, &schemes[i], sealed), plain_len = 0;
            EVP_PKEY_CTX *ctx = begin_decrypt(pkey, &schemes[i]);
            EVP_PKEY_CTX *copy = EVP_PKEY_CTX_dup(ctx);

            EVP_PKEY_CTX_free(ctx);
            assert_int_equal(EVP_PKEY_decrypt(copy, NULL, &plain_len, sealed, len), 1);
            assert_int_equal(plain_len, 256);
            assert_int_equal(fake.requests, before); /* neither encryption nor the size asks */
            assert_int_equal(EVP_PKEY_decrypt(copy, plain, &plain_len, sealed, len), 1);
            assert_int_equal(plain_len, sizeof(message));
            assert_memory_equal(plain, message, sizeof(message));
            assert_int_equal(fake.requests, before + 1);
            EVP_PKEY_CTX_free(copy);
        }
    }
    EVP_PKEY_free(half);
    EVP_PKEY_free(pkey);
}

static void test_decrypt_when_it_does_not_open_then_says_so_whatever_the_cause(void **state)
{
    EVP_PKEY *pkey = host_key("rsa");
    unsigned char sealed[256], plain[256];
    size_t len = encrypt(pkey, &schemes[2], sealed), plain_len = sizeof(plain);
    EVP_PKEY_CTX *other = begin_decrypt(pkey, &schemes[3]),
                 *same = begin_decrypt(pkey, &schemes[2]);

    (void)state;
    assert_int_not_equal(EVP_PKEY_decrypt(other, plain, &plain_len, sealed, len), 1);
    host_assert_said("does not open");
    sealed[100] ^= 1;
    plain_len = sizeof(plain);
    assert_int_not_equal(EVP_PKEY_decrypt(same, plain, &plain_len, sealed, len), 1);
    host_assert_said("does not open");
    plain_len = sizeof(plain);
    assert_int_not_equal(EVP_PKEY_decrypt(same, plain, &plain_len, sealed, len - 1), 1);
    host_assert_said("wrong length");
    EVP_PKEY_CTX_free(same);
    EVP_PKEY_CTX_free(other);
    EVP_PKEY_free(pkey);
}

static void test_decrypt_when_room_is_too_small_then_writes_nothing(void **state)
{
    EVP_PKEY *pkey = host_key("rsa");
    unsigned char sealed[256], plain[8] = { 0 };
    size_t len = encrypt(pkey, &schemes[0], sealed), plain_len = 3;
    EVP_PKEY_CTX *ctx = begin_decrypt(pkey, &schemes[0]);

    (void)state;
    assert_int_not_equal(EVP_PKEY_decrypt(ctx, plain, &plain_len, sealed, len), 1);
    host_assert_said("room for 3 bytes is too small");
    assert_int_equal(plain[0], 0);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
}

static void test_padding_when_none_then_is_refused_with_a_remote_key(void **state)
{
    const struct scheme raw = { RSA_NO_PADDING, NULL, NULL };
    EVP_PKEY *pkey = host_key("rsa");
    EVP_PKEY_CTX *ctx = begin_decrypt(pkey, &raw);
    unsigned char block[256] = { 0 };
    size_t len = sizeof(block);

    (void)state;
    assert_int_not_equal(EVP_PKEY_decrypt(ctx, block, &len, block, sizeof(block)), 1);
    host_assert_said("decrypt PKCS#1 or OAEP, nothing else");
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
}

static void test_decrypt_when_the_key_is_public_then_init_says_so(void **state)
{
    EVP_PKEY *pkey = host_public_key("rsa");
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(host.ctx, pkey, "provider=hsmbridge");

    (void)state;
    assert_int_not_equal(EVP_PKEY_decrypt_init(ctx), 1);
    host_assert_said("'rsa' was opened as a public key");
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
}

/* ---- the premaster of TLS 1.2's RSA key exchange ---- */

static EVP_PKEY_CTX *begin_premaster(EVP_PKEY *pkey)
{
    unsigned version = TLS1_2_VERSION;
    OSSL_PARAM params[] = {
        OSSL_PARAM_uint(OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION, &version),
        OSSL_PARAM_END,
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(host.ctx, pkey, NULL);

    assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_WITH_TLS_PADDING), 1);
    assert_int_equal(EVP_PKEY_CTX_set_params(ctx, params), 1);
    return ctx;
}

static void seal_premaster(EVP_PKEY *pkey, const unsigned char *premaster, size_t len,
                           unsigned char sealed[256])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(host.ctx, pkey, NULL);
    size_t sealed_len = 256;

    assert_int_equal(EVP_PKEY_encrypt_init(ctx), 1);
    assert_int_equal(EVP_PKEY_encrypt(ctx, sealed, &sealed_len, premaster, len), 1);
    EVP_PKEY_CTX_free(ctx);
}

static void test_premaster_when_bad_in_any_way_then_is_another_random_one_each_time(void **state)
{
    EVP_PKEY *pkey = host_key("rsa");
    unsigned char good[48] = { 3, 3, 9 }, version[48] = { 3, 2, 9 }, sealed[4][256], out[2][256];
    EVP_PKEY_CTX *ctx = begin_premaster(pkey);
    size_t len = 0;

    (void)state;
    seal_premaster(pkey, good, sizeof(good), sealed[0]);
    seal_premaster(pkey, version, sizeof(version), sealed[1]);
    seal_premaster(pkey, good, 47, sealed[2]);
    memset(sealed[3], 0x11, 256); /* no padding at all */
    assert_int_equal(EVP_PKEY_decrypt(ctx, NULL, &len, sealed[0], 256), 1);
    assert_int_equal(len, 48);
    len = sizeof(out[0]);
    assert_int_equal(EVP_PKEY_decrypt(ctx, out[0], &len, sealed[0], 256), 1);
    assert_memory_equal(out[0], good, 48);
    for (size_t i = 1; i < 4; i++) {
        for (size_t turn = 0; turn < 2; turn++) {
            len = sizeof(out[turn]);
            assert_int_equal(EVP_PKEY_decrypt(ctx, out[turn], &len, sealed[i], 256), 1);
            assert_int_equal(len, 48);
            assert_memory_not_equal(out[turn], good, 48);
            assert_memory_not_equal(out[turn], version, 48);
        }
        assert_memory_not_equal(out[0], out[1], 48);
    }
    host_assert_quiet(); /* which would tell, too */
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
}

static void test_premaster_when_the_service_fails_then_fails(void **state)
{
    EVP_PKEY *pkey = host_key("rsa");
    EVP_PKEY_CTX *ctx = begin_premaster(pkey);
    unsigned char good[48] = { 3, 3 }, sealed[256], out[256];
    size_t len = 47;

    (void)state;
    seal_premaster(pkey, good, sizeof(good), sealed);
    assert_int_not_equal(EVP_PKEY_decrypt(ctx, out, &len, sealed, 256), 1);
    host_assert_said("room for 47 bytes");
    fake.fail = REMOTE_E_UNAVAILABLE;
    len = sizeof(out);
    assert_int_not_equal(EVP_PKEY_decrypt(ctx, out, &len, sealed, 256), 1);
    host_assert_said("the fake was told to fail");
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
}

static void test_lists_when_asked_then_are_the_default_providers(void **state)
{
    EVP_ASYM_CIPHER *ours = EVP_ASYM_CIPHER_fetch(host.ctx, "RSA", "provider=hsmbridge");
    EVP_ASYM_CIPHER *theirs = EVP_ASYM_CIPHER_fetch(host.ctx, "RSA", "provider=default");

    (void)state;
    assert_non_null(ours);
    assert_ptr_equal(EVP_ASYM_CIPHER_gettable_ctx_params(ours),
                     EVP_ASYM_CIPHER_gettable_ctx_params(theirs));
    assert_ptr_equal(EVP_ASYM_CIPHER_settable_ctx_params(ours),
                     EVP_ASYM_CIPHER_settable_ctx_params(theirs));
    EVP_ASYM_CIPHER_free(theirs);
    EVP_ASYM_CIPHER_free(ours);
}

#define TEST_ALL(name)                                                                             \
    HOST_TEST(name), HOST_TEST_WITH(name, host_start_default), HOST_TEST_WITH(name, host_start_ours)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ALL(test_decrypt_when_encrypted_by_any_provider_then_opens),
        TEST_ALL(test_decrypt_when_it_does_not_open_then_says_so_whatever_the_cause),
        HOST_TEST(test_decrypt_when_room_is_too_small_then_writes_nothing),
        HOST_TEST(test_padding_when_none_then_is_refused_with_a_remote_key),
        HOST_TEST(test_decrypt_when_the_key_is_public_then_init_says_so),
        TEST_ALL(test_premaster_when_bad_in_any_way_then_is_another_random_one_each_time),
        HOST_TEST(test_premaster_when_the_service_fails_then_fails),
        HOST_TEST(test_lists_when_asked_then_are_the_default_providers),
    };

    return HOST_GROUP(tests);
}
