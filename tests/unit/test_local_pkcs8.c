/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/x509.h>

#include "in_guard.h"
#include "local.h"

/* A number of the key, big-endian. */
static struct remote_slice part(const EVP_PKEY *key, const char *name, unsigned char out[300])
{
    BIGNUM *number = NULL;
    int len;

    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    len = BN_bn2bin(number, out);
    BN_clear_free(number);
    return remote_slice(out, (size_t)len);
}

/* libcrypto reads what we wrote and finds the same key in it; and we see what it is. */
static void assert_reads(const struct remote_private *parts, const EVP_PKEY *key, unsigned bits)
{
    struct remote_buf der = { 0 };
    struct remote_key_spec spec = { 0 };
    const unsigned char *at;
    unsigned said = 0;
    EVP_PKEY *read;

    assert_int_equal(remote_local_pkcs8(parts, &der, &said, NULL), REMOTE_OK);
    assert_int_equal(said, bits);
    at = der.data;
    read = d2i_AutoPrivateKey_ex(NULL, &at, (long)der.len, remote_libctx(), NULL);
    assert_non_null(read);
    assert_int_equal(EVP_PKEY_eq(key, read), 1);
    EVP_PKEY_free(read);
    assert_true(remote_local_pkcs8_spec(remote_buf_slice(&der), &spec));
    assert_int_equal(spec.type, parts->type);
    assert_int_equal(spec.bits, bits);
    assert_int_equal(spec.curve, parts->curve);
    for (size_t len = 0; len < der.len; len++)
        assert_false(remote_local_pkcs8_spec(remote_slice(der.data, len), &spec));
    remote_buf_clear(&der);
}

static void test_rsa_when_in_parts_then_becomes_the_same_key(void **state)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(remote_libctx(), NULL, "RSA", (size_t)2048);
    unsigned char bytes[8][300];
    struct remote_private parts = {
        .type = REMOTE_KEY_RSA,
        .modulus = part(key, OSSL_PKEY_PARAM_RSA_N, bytes[0]),
        .exponent = part(key, OSSL_PKEY_PARAM_RSA_E, bytes[1]),
        .private_exponent = part(key, OSSL_PKEY_PARAM_RSA_D, bytes[2]),
        .prime1 = part(key, OSSL_PKEY_PARAM_RSA_FACTOR1, bytes[3]),
        .prime2 = part(key, OSSL_PKEY_PARAM_RSA_FACTOR2, bytes[4]),
        .exponent1 = part(key, OSSL_PKEY_PARAM_RSA_EXPONENT1, bytes[5]),
        .exponent2 = part(key, OSSL_PKEY_PARAM_RSA_EXPONENT2, bytes[6]),
        .coefficient = part(key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, bytes[7]),
    };
    struct remote_buf der = { 0 };
    struct remote_error err = { 0 };
    unsigned bits = 4711;

    (void)state;
    assert_reads(&parts, key, 2048);
    parts.prime2.len = 0;
    assert_int_equal(remote_local_pkcs8(&parts, &der, &bits, &err), REMOTE_E_DATA);
    assert_non_null(strstr(err.text, "primes"));
    assert_null(der.data);
    assert_int_equal(bits, 4711);
    EVP_PKEY_free(key);
}

static void test_curves_when_in_parts_then_become_the_same_key(void **state)
{
    static const struct {
        const char *name;
        int nid;
        unsigned bits;
    } curves[] = { { "P-256", NID_X9_62_prime256v1, 256 },
                   { "P-384", NID_secp384r1, 384 },
                   { "P-521", NID_secp521r1, 521 } };
    unsigned char bytes[300];
    size_t len = sizeof(bytes);
    EVP_PKEY *key;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
        struct remote_private parts = { .type = REMOTE_KEY_EC, .curve = curves[i].nid };

        key = EVP_PKEY_Q_keygen(remote_libctx(), NULL, "EC", curves[i].name);
        parts.value = part(key, OSSL_PKEY_PARAM_PRIV_KEY, bytes);
        assert_reads(&parts, key, curves[i].bits);
        EVP_PKEY_free(key);
    }
    key = EVP_PKEY_Q_keygen(remote_libctx(), NULL, "ED25519");
    assert_int_equal(EVP_PKEY_get_raw_private_key(key, bytes, &len), 1);
    assert_reads(&(struct remote_private){ .type = REMOTE_KEY_ED25519,
                                           .value = remote_slice(bytes, len) },
                 key, 256);
    EVP_PKEY_free(key);
}

static void test_values_when_too_long_or_not_there_then_refused(void **state)
{
    static const unsigned char ones[33] = { 1 };
    struct remote_private parts = { .type = REMOTE_KEY_EC,
                                    .curve = NID_X9_62_prime256v1,
                                    .value = remote_slice(ones, sizeof(ones)) };
    struct remote_buf der = { 0 };
    unsigned bits;

    (void)state;
    assert_int_equal(remote_local_pkcs8(&parts, &der, &bits, NULL), REMOTE_E_DATA);
    parts.value.len = 0;
    assert_int_equal(remote_local_pkcs8(&parts, &der, &bits, NULL), REMOTE_E_DATA);
    parts.type = REMOTE_KEY_ED25519;
    assert_int_equal(remote_local_pkcs8(&parts, &der, &bits, NULL), REMOTE_E_DATA);
    parts.type = REMOTE_KEY_AES;
    assert_int_equal(remote_local_pkcs8(&parts, &der, &bits, NULL), REMOTE_E_UNSUPPORTED);
}

static void test_ec_params_when_known_then_name_curve_and_type(void **state)
{
    enum remote_key_type type = REMOTE_KEY_RSA;
    unsigned bits = 0;
    int nid = -1;

    (void)state;
    assert_true(remote_local_ec_params(remote_slice("\x06\x05\x2b\x81\x04\x00\x22", 7), &type, &nid,
                                       &bits));
    assert_int_equal(type, REMOTE_KEY_EC);
    assert_int_equal(nid, NID_secp384r1);
    assert_true(remote_local_ec_params(remote_slice("\x13\x0c"
                                                    "edwards25519",
                                                    14),
                                       &type, &nid, &bits));
    assert_int_equal(type, REMOTE_KEY_ED25519);
    assert_false(remote_local_ec_params(remote_slice("\x06\x05\x2b\x81\x04\x00\x01", 7), &type,
                                        &nid, &bits)); /* sect163k1 */
    assert_false(remote_local_ec_params(remote_slice(NULL, 0), &type, &nid, &bits));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rsa_when_in_parts_then_becomes_the_same_key),
        cmocka_unit_test(test_curves_when_in_parts_then_become_the_same_key),
        cmocka_unit_test(test_values_when_too_long_or_not_there_then_refused),
        cmocka_unit_test(test_ec_params_when_known_then_name_curve_and_type),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
