/* SPDX-License-Identifier: Apache-2.0 */
#include "provider_tls.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>

static const char *const labels[] = { "rsa", "ec", "ed" };

/* One parameter as octets of whatever type it has; false: the key has none of that name. */
static bool read_param(const EVP_PKEY *pkey, const OSSL_PARAM *named, unsigned char out[1024],
                       size_t *ret_len)
{
    OSSL_PARAM params[] = { { named->key, named->data_type, out, 1024, OSSL_PARAM_UNMODIFIED },
                            OSSL_PARAM_END };

    memset(out, 0, 1024);
    if (named->data_type == OSSL_PARAM_INTEGER)
        params[0].data_size = sizeof(int);
    if (EVP_PKEY_get_params(pkey, params) != 1 || !OSSL_PARAM_modified(params))
        return false;
    *ret_len = params[0].return_size;
    return true;
}

static void test_params_when_of_a_remote_key_then_are_the_default_providers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        EVP_PKEY *pkey = host_key(labels[i]), *half = host_default_half(pkey);
        const OSSL_PARAM *listed = EVP_PKEY_gettable_params(half), *ours;
        size_t count = 0;

        assert_true(host_is_ours(pkey));
        ours = EVP_PKEY_gettable_params(pkey);
        for (; listed->key != NULL; listed++, ours++) {
            unsigned char a[1024], b[1024];
            size_t a_len = 0, b_len = 0;
            bool has = read_param(half, listed, a, &a_len);

            assert_string_equal(ours->key, listed->key);
            assert_int_equal(read_param(pkey, listed, b, &b_len), has);
            assert_int_equal(b_len, a_len);
            assert_memory_equal(b, a, sizeof(a));
            count += has;
        }
        assert_null(ours->key);
        assert_true(count >= 5);
        assert_int_equal(EVP_PKEY_get_bits(pkey), EVP_PKEY_get_bits(half));
        assert_int_equal(EVP_PKEY_get_size(pkey), EVP_PKEY_get_size(half));
        assert_int_equal(EVP_PKEY_get_security_bits(pkey), EVP_PKEY_get_security_bits(half));
        assert_int_equal(EVP_PKEY_get_base_id(pkey), EVP_PKEY_get_base_id(half));
        EVP_PKEY_free(half);
        EVP_PKEY_free(pkey);
    }
}

static void test_default_digest_when_asked_then_is_the_default_providers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        EVP_PKEY *pkey = host_key(labels[i]), *half = host_default_half(pkey);
        char ours[64] = "", theirs[64] = "";

        assert_int_equal(EVP_PKEY_get_default_digest_name(pkey, ours, sizeof(ours)),
                         EVP_PKEY_get_default_digest_name(half, theirs, sizeof(theirs)));
        assert_string_equal(ours, theirs);
        EVP_PKEY_free(half);
        EVP_PKEY_free(pkey);
    }
}

static void test_eq_when_in_any_order_and_provider_then_tells_same_from_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        EVP_PKEY *pkey = host_key(labels[i]), *again = host_key(labels[i]);
        EVP_PKEY *half = host_default_half(pkey), *public = host_public_key(labels[i]);
        EVP_PKEY *other =
            strcmp(labels[i], "rsa") == 0  ? EVP_PKEY_Q_keygen(host.ctx, NULL, "RSA", (size_t)2048)
            : strcmp(labels[i], "ec") == 0 ? host_key("ec@v1")
                                           : EVP_PKEY_Q_keygen(host.ctx, NULL, "ED25519");

        assert_int_equal(EVP_PKEY_eq(pkey, half), 1);
        assert_int_equal(EVP_PKEY_eq(half, pkey), 1);
        assert_int_equal(EVP_PKEY_eq(pkey, again), 1);
        assert_int_equal(EVP_PKEY_eq(public, pkey), 1);
        assert_int_equal(EVP_PKEY_eq(half, public), 1);
        assert_int_not_equal(EVP_PKEY_eq(pkey, other), 1);
        assert_int_not_equal(EVP_PKEY_eq(other, half), 1);
        assert_int_not_equal(EVP_PKEY_eq(other, pkey), 1);
        host_assert_quiet();
        EVP_PKEY_free(other);
        EVP_PKEY_free(public);
        EVP_PKEY_free(half);
        EVP_PKEY_free(again);
        EVP_PKEY_free(pkey);
    }
}

/* The certificate as a program reads it: its key is decoded anew, by whichever provider. */
static void test_certificate_when_of_a_remote_key_then_matches_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        EVP_PKEY *pkey = host_key(labels[i]);
        X509 *made = tls_cert(pkey, host.ctx, NULL), *x509 = X509_new_ex(host.ctx, NULL);
        unsigned char *der = NULL;
        const unsigned char *at;
        int len = i2d_X509(made, &der);

        at = der;
        assert_true(len > 0);
        assert_non_null(d2i_X509(&x509, &at, len));
        assert_int_equal(X509_check_private_key(x509, pkey), 1);
        assert_int_equal(X509_verify(x509, pkey), 1);
        assert_int_equal(X509_verify(x509, X509_get0_pubkey(x509)), 1);
        host_assert_quiet();
        OPENSSL_free(der);
        X509_free(x509);
        X509_free(made);
        EVP_PKEY_free(pkey);
    }
}

static void test_export_when_private_then_is_refused_in_silence(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        EVP_PKEY *pkey = host_key(labels[i]), *public = host_public_key(labels[i]);
        OSSL_PARAM *params = NULL;

        assert_int_equal(EVP_PKEY_todata(pkey, EVP_PKEY_KEYPAIR, &params), 0);
        assert_null(params);
        assert_int_equal(EVP_PKEY_todata(pkey, EVP_PKEY_PUBLIC_KEY, &params), 1);
        assert_null(OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_PRIV_KEY));
        OSSL_PARAM_free(params);
        params = NULL;
        assert_int_equal(EVP_PKEY_todata(public, EVP_PKEY_KEYPAIR, &params), 1);
        OSSL_PARAM_free(params);
        EVP_PKEY_free(public);
        EVP_PKEY_free(pkey);
    }
}

static int check_with(int (*check)(EVP_PKEY_CTX *), EVP_PKEY *pkey)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(host.ctx, pkey, NULL);
    int result = check(ctx);

    EVP_PKEY_CTX_free(ctx);
    return result;
}

static void test_check_when_of_a_remote_key_then_checks_the_public_half(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        EVP_PKEY *pkey = host_key(labels[i]), *public = host_public_key(labels[i]);

        assert_int_equal(check_with(EVP_PKEY_public_check, pkey), 1);
        assert_int_equal(check_with(EVP_PKEY_public_check_quick, pkey), 1);
        assert_int_equal(check_with(EVP_PKEY_check, pkey), 1);
        assert_int_equal(check_with(EVP_PKEY_public_check, public), 1);
        host_assert_quiet();
        assert_int_not_equal(check_with(EVP_PKEY_check, public), 1);
        ERR_clear_error();
        EVP_PKEY_free(public);
        EVP_PKEY_free(pkey);
    }
}

static void test_dup_when_of_a_remote_key_then_signs(void **state)
{
    const struct host_signing how = { "SHA256", 0, 0, NULL };
    EVP_PKEY *pkey = host_key("ec"), *copy = EVP_PKEY_dup(pkey);
    unsigned char sig[512];
    size_t len;

    (void)state;
    assert_non_null(copy);
    len = host_sign(copy, &how, sig);
    EVP_PKEY_free(copy);
    assert_true(host_verify(pkey, &how, sig, len));
    EVP_PKEY_free(pkey);
}

/* What TLS 1.2 and X.509 do with keys that inherit their curve. */
static void test_parameters_when_copied_from_a_remote_key_then_are_those_of_its_curve(void **state)
{
    EVP_PKEY *pkey = host_key("ec"), *blank = EVP_PKEY_new();
    char group[64] = "";

    (void)state;
    assert_int_equal(EVP_PKEY_copy_parameters(blank, pkey), 1);
    assert_int_equal(EVP_PKEY_get_group_name(blank, group, sizeof(group), NULL), 1);
    assert_string_equal(group, "prime256v1");
    assert_int_equal(EVP_PKEY_parameters_eq(blank, pkey), 1);
    ERR_clear_error();
    EVP_PKEY_free(blank);
    EVP_PKEY_free(pkey);
}

static void test_key_when_of_a_service_then_cannot_be_changed(void **state)
{
    EVP_PKEY *pkey = host_key("ec");

    (void)state;
    assert_int_not_equal(EVP_PKEY_set_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, "P-384"),
                         1);
    host_assert_said("'ec' of a key service cannot be changed");
    EVP_PKEY_free(pkey);
}

/* `openssl ec` says so of every key. */
static void test_key_when_another_form_is_asked_for_then_it_is_written_so(void **state)
{
    EVP_PKEY *pkey = host_key("ec"), *other = host_key("ec");
    unsigned char *der = NULL;
    int plain = i2d_PUBKEY(pkey, NULL);

    (void)state;
    assert_int_equal(EVP_PKEY_set_utf8_string_param(pkey,
                                                    OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                                    "compressed"),
                     1);
    assert_int_equal(EVP_PKEY_set_int_param(pkey, OSSL_PKEY_PARAM_EC_INCLUDE_PUBLIC, 1), 1);
    assert_int_equal(i2d_PUBKEY(pkey, &der), plain - 32);
    assert_int_equal(i2d_PUBKEY(other, NULL), plain); /* the form is this one's alone */
    assert_int_equal(EVP_PKEY_eq(pkey, other), 1);
    OPENSSL_free(der);
    EVP_PKEY_free(other);
    EVP_PKEY_free(pkey);
}

/* A pointer is what only our own code may hand in. */
static void test_reference_when_from_a_host_then_is_refused(void **state)
{
    void *pointer = &pointer;
    OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string("hsmbridge-reference", &pointer, sizeof(pointer)),
        OSSL_PARAM_END,
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(host.ctx, "EC", "provider=hsmbridge");
    EVP_PKEY *pkey = NULL;

    (void)state;
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_not_equal(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params), 1);
    host_assert_said("not a parameter for hosts");
    assert_null(pkey);
    EVP_PKEY_CTX_free(ctx);
}

static void test_lists_when_asked_by_algorithm_then_are_the_default_providers(void **state)
{
    static const char *const names[] = { "RSA", "RSA-PSS", "EC", "ED25519" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        EVP_KEYMGMT *ours = EVP_KEYMGMT_fetch(host.ctx, names[i], "provider=hsmbridge");
        EVP_KEYMGMT *theirs = EVP_KEYMGMT_fetch(host.ctx, names[i], "provider=default");

        assert_non_null(ours);
        assert_ptr_equal(EVP_KEYMGMT_gettable_params(ours), EVP_KEYMGMT_gettable_params(theirs));
        assert_ptr_equal(EVP_KEYMGMT_settable_params(ours), EVP_KEYMGMT_settable_params(theirs));
        assert_ptr_equal(EVP_KEYMGMT_gen_settable_params(ours),
                         EVP_KEYMGMT_gen_settable_params(theirs));
        EVP_KEYMGMT_free(theirs);
        EVP_KEYMGMT_free(ours);
    }
}

#define TEST_ALL(name)                                                                             \
    HOST_TEST(name), HOST_TEST_WITH(name, host_start_default), HOST_TEST_WITH(name, host_start_ours)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ALL(test_params_when_of_a_remote_key_then_are_the_default_providers),
        TEST_ALL(test_default_digest_when_asked_then_is_the_default_providers),
        TEST_ALL(test_eq_when_in_any_order_and_provider_then_tells_same_from_other),
        HOST_TEST_WITH(test_eq_when_in_any_order_and_provider_then_tells_same_from_other,
                       host_start_strict),
        TEST_ALL(test_certificate_when_of_a_remote_key_then_matches_it),
        TEST_ALL(test_export_when_private_then_is_refused_in_silence),
        TEST_ALL(test_check_when_of_a_remote_key_then_checks_the_public_half),
        TEST_ALL(test_dup_when_of_a_remote_key_then_signs),
        TEST_ALL(test_parameters_when_copied_from_a_remote_key_then_are_those_of_its_curve),
        HOST_TEST(test_key_when_of_a_service_then_cannot_be_changed),
        HOST_TEST(test_key_when_another_form_is_asked_for_then_it_is_written_so),
        HOST_TEST(test_reference_when_from_a_host_then_is_refused),
        HOST_TEST(test_lists_when_asked_by_algorithm_then_are_the_default_providers),
    };

    return HOST_GROUP(tests);
}
