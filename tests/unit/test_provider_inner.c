/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the private context, as libcurl's handshake uses them: everything inside the guard. */
#include "inner.h"

#include "provider_tls.h"

static struct remote_guard guard;

static int enter(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    return remote_guard_enter(&guard, NULL) == REMOTE_OK ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    ERR_clear_error();
    remote_guard_leave(&guard);
    free(fake.named);
    fake.named = NULL;
    return 0;
}

static struct remote_key *find(const char *label)
{
    struct remote_core *core = NULL;
    struct remote_key_list keys = { 0 };
    struct remote_key *key;

    assert_int_equal(remote_core_open(NULL, &core, NULL), REMOTE_OK);
    assert_int_equal(remote_slot_find_label(remote_core_slot(core, 0), label, &keys, NULL),
                     REMOTE_OK);
    assert_int_equal(keys.count, 1);
    key = remote_key_ref(keys.keys[0]);
    remote_key_list_clear(&keys);
    remote_core_close(core);
    return key;
}

static EVP_PKEY *inner_key(const char *label)
{
    struct remote_key *key = find(label);
    struct remote_error err = { 0 };
    EVP_PKEY *pkey = NULL;

    if (provider_inner_pkey(key, &pkey, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    remote_key_unref(key);
    assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(pkey)), "hsmbridge");
    return pkey;
}

static void test_handshake_when_inside_the_guard_then_signs_with_the_key(void **state)
{
    static const char *const labels[] = { "rsa", "ec", "ed" };
    static const struct tls_case versions[] = { { TLS1_3_VERSION, NULL, true },
                                                { TLS1_2_VERSION, NULL, true } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        EVP_PKEY *pkey = inner_key(labels[i]);
        X509 *x509 = tls_cert(pkey, remote_libctx(), NULL);
        unsigned before = fake.requests;

        for (size_t v = 0; v < ARRAY_SIZE(versions); v++)
            assert_true(tls_connect(remote_libctx(), pkey, x509, &versions[v]));
        assert_int_equal(fake.requests, before + 4); /* both ends, twice */
        X509_free(x509);
        EVP_PKEY_free(pkey);
    }
}

/* libcurl makes its SSL_CTX with SSL_CTX_new(), of the context that is the thread's default. */
static void test_default_context_when_inside_the_guard_then_is_the_keys(void **state)
{
    EVP_PKEY *pkey = inner_key("ec");
    X509 *x509 = tls_cert(pkey, NULL, NULL);

    (void)state;
    assert_true(tls_connect(NULL, pkey, x509, &(struct tls_case){ TLS1_3_VERSION, NULL, true }));
    X509_free(x509);
    EVP_PKEY_free(pkey);
}

/* The private context goes on to be libcrypto's own where nothing names us. */
static void test_other_keys_when_made_inside_then_are_libcryptos(void **state)
{
    EVP_PKEY *inner = inner_key("ec");
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(remote_libctx(), NULL, "EC", "P-256");
    EVP_SIGNATURE *ecdsa = EVP_SIGNATURE_fetch(remote_libctx(), "ECDSA", NULL);

    (void)state;
    assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(pkey)), "default");
    assert_string_equal(OSSL_PROVIDER_get0_name(EVP_SIGNATURE_get0_provider(ecdsa)), "default");
    EVP_SIGNATURE_free(ecdsa);
    EVP_PKEY_free(pkey);
    EVP_PKEY_free(inner);
}

static void test_key_when_symmetric_then_is_refused(void **state)
{
    struct remote_key *key = find("box");
    struct remote_error err = { 0 };
    EVP_PKEY *pkey = NULL;

    (void)state;
    assert_int_equal(provider_inner_pkey(key, &pkey, &err), REMOTE_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "'box' is of type aes"));
    assert_null(pkey);
    remote_key_unref(key);
}

static void test_sign_when_the_service_fails_then_the_sentence_is_on_the_inner_queue(void **state)
{
    EVP_PKEY *pkey = inner_key("ec");
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char sig[128];
    size_t len = sizeof(sig);

    (void)state;
    fake.fail = REMOTE_E_BUSY;
    assert_int_equal(EVP_DigestSignInit_ex(md, NULL, "SHA256", remote_libctx(), NULL, pkey, NULL),
                     1);
    assert_int_not_equal(EVP_DigestSign(md, sig, &len, (const unsigned char *)"m", 1), 1);
    host_assert_said("the fake was told to fail");
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(pkey);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_handshake_when_inside_the_guard_then_signs_with_the_key),
        TEST(test_default_context_when_inside_the_guard_then_is_the_keys),
        TEST(test_other_keys_when_made_inside_then_are_libcryptos),
        TEST(test_key_when_symmetric_then_is_refused),
        TEST(test_sign_when_the_service_fails_then_the_sentence_is_on_the_inner_queue),
    };

    return HOST_GROUP(tests);
}
