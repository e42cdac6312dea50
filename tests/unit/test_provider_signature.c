/* SPDX-License-Identifier: Apache-2.0 */
#include "provider_host.h"

#include <openssl/core_names.h>
#include <openssl/x509.h>

/* What a key can sign with, and what verifies it. */
static const struct {
    const char *key;
    struct host_signing how;
} cases[] = {
    { "rsa", { "SHA256", 0, 0, NULL } },
    { "rsa", { "SHA2-384", RSA_PKCS1_PADDING, 0, NULL } },
    { "rsa", { "SHA512", RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_DIGEST, NULL } },
    { "rsa", { "SHA256", RSA_PKCS1_PSS_PADDING, 32, "SHA256" } },
    { "ec", { "SHA256", 0, 0, NULL } },
    { "ec", { "SHA384", 0, 0, NULL } },
    { "ec", { NULL, 0, 0, NULL } }, /* the key's default digest */
    { "ed", { NULL, 0, 0, NULL } },
};

static void test_sign_when_by_any_algorithm_then_every_provider_verifies(void **state)
{
    unsigned char sig[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        EVP_PKEY *pkey = host_key(cases[i].key), *half = host_default_half(pkey);
        unsigned before = fake.requests;
        size_t len = host_sign(pkey, &cases[i].how, sig);

        assert_int_not_equal(len, 0);
        assert_int_equal(fake.requests, before + 1);
        assert_true(host_verify(half, &cases[i].how, sig, len));
        assert_true(host_verify(pkey, &cases[i].how, sig, len));
        sig[len / 2] ^= 1;
        assert_false(host_verify(half, &cases[i].how, sig, len));
        assert_false(host_verify(pkey, &cases[i].how, sig, len));
        assert_int_equal(fake.requests, before + 1); /* verification is done here */
        EVP_PKEY_free(half);
        EVP_PKEY_free(pkey);
    }
}

static void set_md(EVP_PKEY_CTX *ctx, const char *name)
{
    EVP_MD *md = name != NULL ? EVP_MD_fetch(host.ctx, name, NULL) : NULL;

    if (md != NULL)
        assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, md), 1);
    EVP_MD_free(md);
}

static size_t sign_raw(EVP_PKEY *pkey, const struct host_signing *how, const unsigned char *tbs,
                       size_t tbs_len, unsigned char sig[512])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(host.ctx, pkey, NULL);
    size_t len = 512;

    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    set_md(ctx, how->digest);
    host_set_up(ctx, how);
    if (EVP_PKEY_sign(ctx, sig, &len, tbs, tbs_len) != 1)
        len = 0;
    EVP_PKEY_CTX_free(ctx);
    return len;
}

static bool verify_raw(EVP_PKEY *pkey, const struct host_signing *how, const unsigned char *tbs,
                       size_t tbs_len, const unsigned char *sig, size_t len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(host.ctx, pkey, NULL);
    bool good;

    assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
    set_md(ctx, how->digest);
    host_set_up(ctx, how);
    good = EVP_PKEY_verify(ctx, sig, len, tbs, tbs_len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good;
}

/* pkeyutl's way: a digest, or with RSA any block. */
static void test_raw_when_signed_then_every_provider_verifies(void **state)
{
    static const struct {
        const char *key;
        struct host_signing how;
        size_t len;
    } raws[] = {
        { "rsa", { NULL, 0, 0, NULL }, 51 },
        { "rsa", { "SHA256", RSA_PKCS1_PADDING, 0, NULL }, 32 },
        { "rsa", { "SHA384", RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_DIGEST, NULL }, 48 },
        { "ec", { NULL, 0, 0, NULL }, 20 },
        { "ec", { "SHA256", 0, 0, NULL }, 32 },
    };
    unsigned char tbs[64], sig[512];

    (void)state;
    memset(tbs, 0x5a, sizeof(tbs));
    for (size_t i = 0; i < ARRAY_SIZE(raws); i++) {
        EVP_PKEY *pkey = host_key(raws[i].key), *half = host_default_half(pkey);
        size_t len = sign_raw(pkey, &raws[i].how, tbs, raws[i].len, sig);

        assert_int_not_equal(len, 0);
        assert_true(verify_raw(half, &raws[i].how, tbs, raws[i].len, sig, len));
        assert_true(verify_raw(pkey, &raws[i].how, tbs, raws[i].len, sig, len));
        tbs[0] ^= 1;
        assert_false(verify_raw(pkey, &raws[i].how, tbs, raws[i].len, sig, len));
        EVP_PKEY_free(half);
        EVP_PKEY_free(pkey);
    }
}

static void test_recover_when_signed_raw_then_gives_the_block_back(void **state)
{
    static const unsigned char block[] = "any block";
    const struct host_signing how = { NULL, 0, 0, NULL };
    EVP_PKEY *pkey = host_key("rsa");
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(host.ctx, pkey, NULL);
    unsigned char sig[512], out[256];
    size_t len = sign_raw(pkey, &how, block, sizeof(block), sig), out_len = 0;

    (void)state;
    assert_int_equal(EVP_PKEY_verify_recover_init(ctx), 1);
    assert_int_equal(EVP_PKEY_verify_recover(ctx, NULL, &out_len, sig, len), 1);
    assert_int_equal(out_len, 256);
    assert_int_equal(EVP_PKEY_verify_recover(ctx, out, &out_len, sig, len), 1);
    assert_int_equal(out_len, sizeof(block));
    assert_memory_equal(out, block, sizeof(block));
    sig[1] ^= 1;
    out_len = sizeof(out);
    assert_int_not_equal(EVP_PKEY_verify_recover(ctx, out, &out_len, sig, len), 1);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
}

/* What goes into certificates and CMS. */
static void test_algorithm_id_when_asked_then_is_the_default_providers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        EVP_PKEY *keys[2] = { host_key(cases[i].key), NULL };
        unsigned char ids[2][256] = { { 0 } };
        size_t lens[2] = { 0 };

        keys[1] = host_default_half(keys[0]);
        for (size_t k = 0; k < 2; k++) {
            EVP_MD_CTX *md = EVP_MD_CTX_new();
            EVP_PKEY_CTX *ctx = NULL;
            OSSL_PARAM params[] = { OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID,
                                                            ids[k], sizeof(ids[k])),
                                    OSSL_PARAM_END };

            assert_int_equal(EVP_DigestSignInit_ex(md, &ctx, cases[i].how.digest, host.ctx, NULL,
                                                   keys[k], NULL),
                             1);
            host_set_up(ctx, &cases[i].how);
            assert_int_equal(EVP_PKEY_CTX_get_params(ctx, params), 1);
            lens[k] = params[0].return_size;
            EVP_MD_CTX_free(md);
            EVP_PKEY_free(keys[k]);
        }
        assert_true(lens[0] > 5 && lens[0] < 256);
        assert_int_equal(lens[0], lens[1]);
        assert_memory_equal(ids[0], ids[1], lens[0]);
    }
}

static void test_parts_when_signed_with_a_copy_on_the_way_then_both_go_on(void **state)
{
    EVP_PKEY *pkey = host_key("ec"), *half = host_default_half(pkey);
    EVP_MD_CTX *md = EVP_MD_CTX_new(), *copy = EVP_MD_CTX_new();
    unsigned char sig[128], other[128];
    size_t len = sizeof(sig), other_len = sizeof(other);

    (void)state;
    assert_int_equal(EVP_DigestSignInit_ex(md, NULL, "SHA256", host.ctx, NULL, pkey, NULL), 1);
    assert_int_equal(EVP_DigestSignUpdate(md, "to be ", 6), 1);
    assert_int_equal(EVP_MD_CTX_copy_ex(copy, md), 1);
    assert_int_equal(EVP_DigestSignUpdate(md, "", 0), 1);
    assert_int_equal(EVP_DigestSignUpdate(md, "signed", 7), 1);
    assert_int_equal(EVP_DigestSignUpdate(copy, "copied", 7), 1);
    assert_int_equal(EVP_DigestSignFinal(md, NULL, &len), 1);
    assert_int_equal(len, EVP_PKEY_get_size(pkey));
    assert_int_equal(EVP_DigestSignFinal(md, sig, &len), 1);
    assert_int_equal(EVP_DigestSignFinal(copy, other, &other_len), 1);
    assert_true(host_verify(half, &(struct host_signing){ "SHA256", 0, 0, NULL }, sig, len));
    assert_false(
        host_verify(half, &(struct host_signing){ "SHA256", 0, 0, NULL }, other, other_len));
    EVP_MD_CTX_free(copy);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(half);
    EVP_PKEY_free(pkey);
}

static void test_size_when_asked_or_too_small_then_costs_no_request(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        EVP_PKEY *pkey = host_key(cases[i].key);
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        unsigned before = fake.requests;
        unsigned char sig[512];
        size_t len = 0;

        assert_int_equal(EVP_DigestSignInit_ex(md, NULL, cases[i].how.digest, host.ctx, NULL, pkey,
                                               NULL),
                         1);
        assert_int_equal(EVP_DigestSign(md, NULL, &len, (const unsigned char *)"m", 1), 1);
        assert_int_equal(len, EVP_PKEY_get_size(pkey));
        len = 8;
        assert_int_not_equal(EVP_DigestSign(md, sig, &len, (const unsigned char *)"m", 1), 1);
        host_assert_said("room for 8 bytes of signature");
        assert_int_equal(fake.requests, before);
        EVP_MD_CTX_free(md);
        EVP_PKEY_free(pkey);
    }
}

/* The fake service wants a salt as long as the hash, as remote_key_check() tells it. */
static void test_salt_when_not_what_the_service_can_then_its_sentence_is_raised(void **state)
{
    static const struct {
        int salt;
        bool good;
    } salts[] = { { RSA_PSS_SALTLEN_DIGEST, true },
                  { 32, true },
                  { RSA_PSS_SALTLEN_MAX, false },
                  { RSA_PSS_SALTLEN_AUTO, false },
                  { 20, false } };
    EVP_PKEY *pkey = host_key("rsa"), *half = host_default_half(pkey);
    unsigned char sig[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(salts); i++) {
        const struct host_signing how = { "SHA256", RSA_PKCS1_PSS_PADDING, salts[i].salt, NULL };
        size_t len = host_sign(pkey, &how, sig);

        assert_int_equal(len != 0, salts[i].good);
        if (salts[i].good)
            assert_true(host_verify(half, &how, sig, len));
        else
            host_assert_said("key 'rsa': a salt as long as the hash");
    }
    EVP_PKEY_free(half);
    EVP_PKEY_free(pkey);
}

static void test_digest_when_no_service_signs_it_then_init_says_which(void **state)
{
    static const char *const digests[] = { "MD5-SHA1", "RIPEMD160" };
    EVP_PKEY *pkey = host_key("rsa");

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(digests); i++) {
        EVP_MD_CTX *md = EVP_MD_CTX_new();

        assert_int_not_equal(EVP_DigestSignInit_ex(md, NULL, digests[i], host.ctx, NULL, pkey,
                                                   NULL),
                             1);
        host_assert_said(digests[i]);
        EVP_MD_CTX_free(md);
    }
    EVP_PKEY_free(pkey);
}

static void test_parameters_when_wrong_then_are_refused(void **state)
{
    EVP_PKEY *rsa = host_key("rsa"), *ed = host_key("ed");
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(host.ctx, rsa, NULL);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char sig[512];
    size_t len = sizeof(sig);

    (void)state;
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, 77) <= 0);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING), 1);
    assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, 32) <= 0);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
    assert_int_not_equal(EVP_PKEY_sign(ctx, sig, &len, sig, 256), 1);
    host_assert_said("sign with PKCS#1 or PSS padding, no other");
    /* Ed25519 chooses its hash for itself. */
    assert_int_not_equal(EVP_DigestSignInit_ex(md, NULL, "SHA256", host.ctx, NULL, ed, NULL), 1);
    EVP_MD_CTX_free(md);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(ed);
    EVP_PKEY_free(rsa);
}

static void test_sign_when_the_key_is_public_then_says_so(void **state)
{
    EVP_PKEY *pkey = host_public_key("ec");
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(host.ctx, pkey, "provider=hsmbridge");

    (void)state;
    assert_int_not_equal(EVP_DigestSignInit_ex(md, NULL, "SHA256", host.ctx, "provider=hsmbridge",
                                               pkey, NULL),
                         1);
    host_assert_said("'ec' was opened as a public key");
    assert_int_not_equal(EVP_PKEY_sign_init(ctx), 1);
    EVP_PKEY_CTX_free(ctx);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(pkey);
}

static void test_sign_when_the_service_fails_then_its_sentence_is_raised_once(void **state)
{
    const struct host_signing how = { "SHA256", 0, 0, NULL };
    EVP_PKEY *pkey = host_key("ec");
    unsigned char sig[512];
    const char *data = NULL;
    int flags = 0, count = 0;
    unsigned long code;

    (void)state;
    fake.fail = REMOTE_E_TIMEOUT;
    assert_int_equal(host_sign(pkey, &how, sig), 0);
    while ((code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
        if (ERR_GET_REASON(code) == REMOTE_E_TIMEOUT && strstr(data, "the fake was told to fail")) {
            assert_string_equal(ERR_reason_error_string(code), "key service timed out");
            count++;
        }
    }
    assert_int_equal(count, 1);
    fake.fail = REMOTE_OK;
    assert_int_not_equal(host_sign(pkey, &how, sig), 0);
    EVP_PKEY_free(pkey);
}

/* The host's own errors stay where they are, whatever we do in between. */
static void test_errors_when_there_before_then_stay(void **state)
{
    const struct host_signing how = { "SHA256", 0, 0, NULL };
    EVP_PKEY *pkey = host_key("ec");
    unsigned char sig[512];

    (void)state;
    ERR_raise_data(ERR_LIB_USER, 7, "the host's");
    assert_int_not_equal(host_sign(pkey, &how, sig), 0);
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), 7);
    host_assert_quiet();
    EVP_PKEY_free(pkey);
}

static void test_lists_when_asked_by_algorithm_then_are_the_default_providers(void **state)
{
    static const char *const names[] = { "RSA", "ECDSA", "ED25519" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        EVP_SIGNATURE *ours = EVP_SIGNATURE_fetch(host.ctx, names[i], "provider=hsmbridge");
        EVP_SIGNATURE *theirs = EVP_SIGNATURE_fetch(host.ctx, names[i], "provider=default");

        assert_non_null(ours);
        assert_ptr_equal(EVP_SIGNATURE_gettable_ctx_params(ours),
                         EVP_SIGNATURE_gettable_ctx_params(theirs));
        assert_ptr_equal(EVP_SIGNATURE_settable_ctx_params(ours),
                         EVP_SIGNATURE_settable_ctx_params(theirs));
        EVP_SIGNATURE_free(theirs);
        EVP_SIGNATURE_free(ours);
    }
}

#define TEST_ALL(name)                                                                             \
    HOST_TEST(name), HOST_TEST_WITH(name, host_start_default), HOST_TEST_WITH(name, host_start_ours)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ALL(test_sign_when_by_any_algorithm_then_every_provider_verifies),
        HOST_TEST_WITH(test_sign_when_by_any_algorithm_then_every_provider_verifies,
                       host_start_strict),
        TEST_ALL(test_raw_when_signed_then_every_provider_verifies),
        TEST_ALL(test_recover_when_signed_raw_then_gives_the_block_back),
        TEST_ALL(test_algorithm_id_when_asked_then_is_the_default_providers),
        TEST_ALL(test_parts_when_signed_with_a_copy_on_the_way_then_both_go_on),
        TEST_ALL(test_size_when_asked_or_too_small_then_costs_no_request),
        HOST_TEST(test_salt_when_not_what_the_service_can_then_its_sentence_is_raised),
        HOST_TEST(test_digest_when_no_service_signs_it_then_init_says_which),
        TEST_ALL(test_parameters_when_wrong_then_are_refused),
        HOST_TEST(test_sign_when_the_key_is_public_then_says_so),
        TEST_ALL(test_sign_when_the_service_fails_then_its_sentence_is_raised_once),
        TEST_ALL(test_errors_when_there_before_then_stay),
        HOST_TEST(test_lists_when_asked_by_algorithm_then_are_the_default_providers),
    };

    return HOST_GROUP(tests);
}
