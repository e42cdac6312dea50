/* SPDX-License-Identifier: Apache-2.0 */
#include "provider_tls.h"

static const struct {
    const char *key;
    struct tls_case how;
} cases[] = {
    { "rsa", { TLS1_3_VERSION, NULL, false } },
    { "rsa", { TLS1_3_VERSION, NULL, true } },
    { "rsa", { TLS1_2_VERSION, NULL, true } },
    { "rsa", { TLS1_2_VERSION, "AES128-GCM-SHA256", false } }, /* RSA key exchange */
    { "ec", { TLS1_3_VERSION, NULL, true } },
    { "ec", { TLS1_2_VERSION, NULL, true } },
    { "ed", { TLS1_3_VERSION, NULL, true } },
    { "ed", { TLS1_2_VERSION, NULL, false } },
};

static void test_handshake_when_key_is_remote_then_completes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        EVP_PKEY *pkey = host_key(cases[i].key);
        X509 *x509 = tls_cert(pkey, host.ctx, NULL);

        if (!tls_connect(host.ctx, pkey, x509, &cases[i].how)) {
            ERR_print_errors_fp(stderr);
            fail_msg("case %zu: %s", i, cases[i].key);
        }
        host_assert_quiet();
        X509_free(x509);
        EVP_PKEY_free(pkey);
    }
}

/* Keys, certificates and key shares that have nothing to do with us. */
static void test_handshake_when_key_is_software_then_goes_on_as_before(void **state)
{
    static const struct tls_case versions[] = { { TLS1_3_VERSION, NULL, true },
                                                { TLS1_2_VERSION, NULL, true } };
    EVP_PKEY *keys[] = { EVP_PKEY_Q_keygen(host.ctx, NULL, "EC", "P-384"),
                         EVP_PKEY_Q_keygen(host.ctx, NULL, "RSA", (size_t)2048),
                         EVP_PKEY_Q_keygen(host.ctx, NULL, "ED25519") };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        X509 *x509 = tls_cert(keys[i], host.ctx, NULL);

        for (size_t v = 0; v < ARRAY_SIZE(versions); v++) {
            if (!tls_connect(host.ctx, keys[i], x509, &versions[v])) {
                ERR_print_errors_fp(stderr);
                fail_msg("key %zu, version %zu", i, v);
            }
        }
        X509_free(x509);
        EVP_PKEY_free(keys[i]);
    }
    assert_int_equal(fake.requests, 0);
    assert_int_equal(fake.open, 0);
}

static void test_handshake_when_service_is_gone_then_fails_with_our_sentence(void **state)
{
    EVP_PKEY *pkey = host_key("ec");
    X509 *x509 = tls_cert(pkey, host.ctx, NULL);

    (void)state;
    fake.fail = REMOTE_E_UNAVAILABLE;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (strcmp(cases[i].key, "ec") != 0)
            continue;
        assert_false(tls_connect(host.ctx, pkey, x509, &cases[i].how));
        host_assert_said("the fake was told to fail");
    }
    fake.fail = REMOTE_OK;
    assert_true(tls_connect(host.ctx, pkey, x509, &cases[4].how));
    X509_free(x509);
    EVP_PKEY_free(pkey);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOST_TEST(test_handshake_when_key_is_remote_then_completes),
        HOST_TEST_WITH(test_handshake_when_key_is_remote_then_completes, host_start_default),
        HOST_TEST_WITH(test_handshake_when_key_is_remote_then_completes, host_start_ours),
        HOST_TEST(test_handshake_when_key_is_software_then_goes_on_as_before),
        HOST_TEST_WITH(test_handshake_when_key_is_software_then_goes_on_as_before,
                       host_start_strict),
        HOST_TEST_WITH(test_handshake_when_key_is_software_then_goes_on_as_before, host_start_ours),
        HOST_TEST(test_handshake_when_service_is_gone_then_fails_with_our_sentence),
    };

    return HOST_GROUP(tests);
}
