/* SPDX-License-Identifier: Apache-2.0 */
#include "local_keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include "der.h"
#include "encode.h"

#define BYTES(text) remote_slice(text, sizeof(text) - 1)

static void der_of(EVP_PKEY *pkey, struct remote_buf *ret)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(pkey, &der);

    assert_true(len > 0);
    remote_buf_append(ret, der, (size_t)len);
    OPENSSL_free(der);
}

static void test_spki_of_each_kind_sets_type_bits_curve_and_id(void **state)
{
    static const struct {
        const char *name;
        enum remote_key_type type;
        unsigned bits;
        int curve;
    } kinds[] = {
        { "RSA", REMOTE_KEY_RSA, 2048, NID_undef },
        { "P-256", REMOTE_KEY_EC, 256, NID_X9_62_prime256v1 },
        { "P-384", REMOTE_KEY_EC, 384, NID_secp384r1 },
        { "P-521", REMOTE_KEY_EC, 521, NID_secp521r1 },
        { "P-224", REMOTE_KEY_EC, 224, NID_secp224r1 },
        { "secp256k1", REMOTE_KEY_EC, 256, NID_secp256k1 },
        { "ED25519", REMOTE_KEY_ED25519, 256, NID_undef },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        bool ec = kinds[i].type == REMOTE_KEY_EC;
        struct pair pair;

        pair_init(&pair, ec                                ? make_ec(kinds[i].name)
                         : kinds[i].type == REMOTE_KEY_RSA ? make_rsa(2048)
                                                           : make_ed25519());
        assert_int_equal(pair.key.type, kinds[i].type);
        assert_int_equal(pair.key.bits, kinds[i].bits);
        assert_int_equal(pair.key.curve, kinds[i].curve);
        assert_int_equal(pair.key.id_len, 20);
        pair_clear(&pair);
    }
}

/* RFC 5280 4.2.1.2 method 1, as libcrypto computes it for a certificate. */
static void test_id_is_the_sha1_of_the_bit_string(void **state)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    X509 *x509 = X509_new();
    struct pair pair;
    unsigned len = 0;

    (void)state;
    pair_init(&pair, make_ec("P-256"));
    assert_int_equal(X509_set_pubkey(x509, pair.pkey), 1);
    assert_int_equal(X509_pubkey_digest(x509, EVP_sha1(), digest, &len), 1);
    assert_int_equal(len, 20);
    assert_memory_equal(pair.key.id, digest, 20);
    X509_free(x509);
    pair_clear(&pair);
}

static void test_pem_gives_the_same_key_and_is_written_again(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf pem = { 0 };
    struct remote_key key = { 0 };
    struct pair pair;

    (void)state;
    pair_init(&pair, make_rsa(2048));
    assert_int_equal(remote_local_public_pem(&pair.key, &pem, NULL), REMOTE_OK);
    assert_says((char *)pem.data, "-----BEGIN PUBLIC KEY-----\n");
    assert_int_equal(remote_local_set_pem(&key, remote_buf_slice(&pem), NULL), REMOTE_OK);
    assert_true(remote_slice_equal(remote_buf_slice(&key.spki), remote_buf_slice(&pair.key.spki)));
    assert_memory_equal(key.id, pair.key.id, 20);
    key_clear(&key);
    pair_clear(&pair);
}

static void test_pem_of_pkcs1_gives_the_same_key(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf pem = { 0 };
    struct remote_key key = { 0 };
    unsigned char *der = NULL;
    struct pair pair;
    int len;

    (void)state;
    pair_init(&pair, make_rsa(2048));
    len = i2d_PublicKey(pair.pkey, &der);
    assert_true(len > 0);
    remote_pem_append(&pem, "RSA PUBLIC KEY", remote_slice(der, (size_t)len));
    assert_int_equal(remote_local_set_pem(&key, remote_buf_slice(&pem), NULL), REMOTE_OK);
    assert_true(remote_slice_equal(remote_buf_slice(&key.spki), remote_buf_slice(&pair.key.spki)));
    assert_memory_equal(key.id, pair.key.id, 20);
    OPENSSL_free(der);
    key_clear(&key);
    pair_clear(&pair);
}

static const char *refused(enum remote_rc rc, const struct remote_key *key,
                           const struct remote_error *err)
{
    assert_int_equal(rc, REMOTE_E_PROTOCOL);
    assert_null(key->spki.data); /* untouched */
    assert_int_equal(key->id_len, 0);
    return err->text;
}

static const char *refused_spki(struct remote_slice der)
{
    static struct remote_error err;
    struct remote_key key = { 0 };

    return refused(remote_local_set_spki(&key, der, &err), &key, &err);
}

static const char *refused_pem(struct remote_slice pem)
{
    static struct remote_error err;
    struct remote_key key = { 0 };

    return refused(remote_local_set_pem(&key, pem, &err), &key, &err);
}

static void check_refused_key(EVP_PKEY *pkey, const char *part)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };

    assert_non_null(pkey);
    der_of(pkey, &der);
    assert_says(refused_spki(remote_buf_slice(&der)), part);
    EVP_PKEY_free(pkey);
}

static void test_key_of_another_kind_or_size_is_refused_with_what_is_served(void **state)
{
    (void)state;
    check_refused_key(make_rsa(1024), "an RSA key of 1024 bits; 2048 to 8192 bits are served");
    check_refused_key(make_ec("brainpoolP256r1"), "P-521 or secp256k1");
    check_refused_key(EVP_PKEY_Q_keygen(remote_libctx(), NULL, "X25519"),
                      "neither RSA nor EC nor Ed25519");
}

/* Cut off anywhere, or with one byte changed, nothing crashes; a cut is never a key. */
static void test_damaged_spki_is_refused(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, make_rsa(2048));
    for (size_t len = 0; len < pair.key.spki.len; len++)
        assert_non_null(refused_spki(remote_slice(pair.key.spki.data, len)));
    for (size_t i = 0; i < 40; i++) {
        struct remote_key key = { 0 };

        pair.key.spki.data[i] ^= 0x55;
        (void)!remote_local_set_spki(&key, remote_buf_slice(&pair.key.spki), NULL);
        pair.key.spki.data[i] ^= 0x55;
        key_clear(&key);
    }
    remote_buf_append(&pair.key.spki, "x", 1);
    assert_says(refused_spki(remote_buf_slice(&pair.key.spki)), "not a DER SubjectPublicKeyInfo");
    pair_clear(&pair);
}

static void test_rsa_numbers_that_cannot_be_are_refused(void **state)
{
    static const char *const exponents[] = { "\x01", "\x04", "\x01\0\0\0\0\0\0\0\x01" };
    static const size_t lengths[] = { 1, 1, 9 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(exponents); i++) {
        CLEANUP(remote_buf_clear) struct remote_buf numbers = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf key = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf content = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf spki = { 0 };
        unsigned char modulus[256];

        memset(modulus, 0xff, sizeof(modulus));
        remote_der_append_unsigned(&numbers, remote_slice(modulus, sizeof(modulus)));
        remote_der_append_unsigned(&numbers, remote_slice(exponents[i], lengths[i]));
        remote_buf_append_char(&key, '\0');
        remote_der_append(&key, REMOTE_DER_SEQUENCE, remote_buf_slice(&numbers));
        remote_buf_append(&content, "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00",
                          15);
        remote_der_append(&content, REMOTE_DER_BIT_STRING, remote_buf_slice(&key));
        remote_der_append(&spki, REMOTE_DER_SEQUENCE, remote_buf_slice(&content));
        assert_says(refused_spki(remote_buf_slice(&spki)), "impossible modulus or exponent");
    }
}

static void test_pem_that_is_no_public_key_is_refused(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf huge = { 0 };

    (void)state;
    for (int i = 0; i < 1000; i++)
        remote_buf_append_str(&huge, "-----BEGIN PUBLIC KEY-----\n");
    assert_says(refused_pem(BYTES("")), "not a PEM public key");
    assert_says(refused_pem(BYTES("hello")), "not a PEM public key");
    assert_says(refused_pem(BYTES("-----BEGIN PUBLIC KEY-----\nAAAA\n")), "not a PEM public key");
    assert_says(refused_pem(
                    BYTES("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")),
                "'CERTIFICATE' where 'PUBLIC KEY' should be");
    assert_says(refused_pem(BYTES("-----BEGIN RSA PUBLIC KEY-----\nMAA=\n"
                                  "-----END RSA PUBLIC KEY-----\n")),
                "not well formed");
    assert_says(refused_pem(BYTES("-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n")),
                "not a DER SubjectPublicKeyInfo");
    assert_says(refused_pem(remote_buf_slice(&huge)), "too long");
}

static void test_raw_ed25519_gives_the_same_key_as_its_spki(void **state)
{
    struct remote_key key = { 0 };
    struct remote_error err = { 0 };
    unsigned char raw[32];
    size_t len = sizeof(raw);
    struct pair pair;

    (void)state;
    pair_init(&pair, make_ed25519());
    assert_int_equal(EVP_PKEY_get_raw_public_key(pair.pkey, raw, &len), 1);
    assert_int_equal(remote_local_set_ed25519(&key, remote_slice(raw, 31), &err),
                     REMOTE_E_PROTOCOL);
    assert_says(err.text, "has 32 bytes, not 31");
    assert_int_equal(remote_local_set_ed25519(&key, remote_slice(raw, 32), NULL), REMOTE_OK);
    assert_true(remote_slice_equal(remote_buf_slice(&key.spki), remote_buf_slice(&pair.key.spki)));
    key_clear(&key);
    pair_clear(&pair);
}

static void test_secret_id_depends_on_slot_name_and_version(void **state)
{
    char name[] = "name", ame[] = "ame";
    struct remote_key key = { .name = name, .version = 1 }, other = { .name = ame, .version = 1 };
    unsigned char expected[SHA256_DIGEST_LENGTH];

    (void)state;
    assert_int_equal(remote_local_set_secret_id(&key, "slot", NULL), REMOTE_OK);
    SHA256((const unsigned char *)"slot\0name\0"
                                  "1",
           11, expected);
    assert_int_equal(key.id_len, 20);
    assert_memory_equal(key.id, expected, 20);
    assert_int_equal(remote_local_set_secret_id(&other, "slotn", NULL), REMOTE_OK);
    assert_memory_not_equal(key.id, other.id, 20);
    other = (struct remote_key){ .name = name, .version = 2 };
    assert_int_equal(remote_local_set_secret_id(&other, "slot", NULL), REMOTE_OK);
    assert_memory_not_equal(key.id, other.id, 20);
}

static void test_pkey_is_made_once_and_equals_the_published_one(void **state)
{
    EVP_PKEY *made[] = { make_rsa(3072), make_ec("P-256"), make_ec("P-521"), make_ed25519() };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
        struct pair pair;
        EVP_PKEY *pkey;

        pair_init(&pair, made[i]);
        pkey = remote_local_pkey(&pair.key, NULL);
        assert_non_null(pkey);
        assert_int_equal(EVP_PKEY_eq(pkey, pair.pkey), 1);
        assert_ptr_equal(remote_local_pkey(&pair.key, NULL), pkey);
        pair_clear(&pair);
    }
}

static void test_pkey_of_a_point_off_its_curve_is_refused(void **state)
{
    struct remote_error err = { 0 };
    struct pair pair;

    (void)state;
    pair_init(&pair, make_ec("P-256"));
    pair.key.spki.data[pair.key.spki.len - 1] ^= 1;
    assert_null(remote_local_pkey(&pair.key, &err));
    assert_int_equal(err.rc, REMOTE_E_CRYPTO);
    assert_says(err.text, "libcrypto does not take the public key");
    pair_clear(&pair);
}

static void test_public_has_what_pkcs11_shows_of_rsa(void **state)
{
    struct remote_public public = { 0 };
    unsigned char modulus[256];
    BIGNUM *n = NULL;
    struct pair pair;

    (void)state;
    pair_init(&pair, make_rsa(2048));
    assert_int_equal(remote_local_public(&pair.key, &public, NULL), REMOTE_OK);
    assert_int_equal(EVP_PKEY_get_bn_param(pair.pkey, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    assert_int_equal(BN_bn2bin(n, modulus), 256);
    assert_true(remote_slice_equal(remote_buf_slice(&public.modulus), remote_slice(modulus, 256)));
    assert_true(remote_slice_equal(remote_buf_slice(&public.exponent), BYTES("\x01\0\x01")));
    assert_int_equal(public.ec_params.len + public.ec_point.len, 0);
    BN_free(n);
    remote_public_clear(&public);
    remote_public_clear(NULL);
    pair_clear(&pair);
}

static void test_public_has_what_pkcs11_shows_of_curves(void **state)
{
    CLEANUP(remote_public_clear) struct remote_public ec = { 0 };
    CLEANUP(remote_public_clear) struct remote_public ed = { 0 };
    struct pair pair;

    (void)state;
    pair_init(&pair, make_ec("P-384"));
    assert_int_equal(remote_local_public(&pair.key, &ec, NULL), REMOTE_OK);
    assert_true(
        remote_slice_equal(remote_buf_slice(&ec.ec_params), BYTES("\x06\x05\x2b\x81\x04\x00\x22")));
    assert_int_equal(ec.ec_point.len, 2 + 97);
    assert_memory_equal(ec.ec_point.data, "\x04\x61\x04", 3);
    assert_int_equal(ec.modulus.len, 0);
    pair_clear(&pair);
    pair_init(&pair, make_ed25519());
    assert_int_equal(remote_local_public(&pair.key, &ed, NULL), REMOTE_OK);
    assert_true(remote_slice_equal(remote_buf_slice(&ed.ec_params), BYTES("\x06\x03\x2b\x65\x70")));
    assert_int_equal(ed.ec_point.len, 2 + 32);
    assert_memory_equal(ed.ec_point.data, "\x04\x20", 2);
    pair_clear(&pair);
}

static void test_symmetric_key_has_no_public_half(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf pem = { 0 };
    struct remote_key key = { .type = REMOTE_KEY_AES };
    struct remote_public public = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_local_public(&key, &public, &err), REMOTE_E_UNSUPPORTED);
    assert_int_equal(remote_local_public_pem(&key, &pem, &err), REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "no public half");
    assert_null(remote_local_pkey(&key, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spki_of_each_kind_sets_type_bits_curve_and_id),
        cmocka_unit_test(test_id_is_the_sha1_of_the_bit_string),
        cmocka_unit_test(test_pem_gives_the_same_key_and_is_written_again),
        cmocka_unit_test(test_pem_of_pkcs1_gives_the_same_key),
        cmocka_unit_test(test_key_of_another_kind_or_size_is_refused_with_what_is_served),
        cmocka_unit_test(test_damaged_spki_is_refused),
        cmocka_unit_test(test_rsa_numbers_that_cannot_be_are_refused),
        cmocka_unit_test(test_pem_that_is_no_public_key_is_refused),
        cmocka_unit_test(test_raw_ed25519_gives_the_same_key_as_its_spki),
        cmocka_unit_test(test_secret_id_depends_on_slot_name_and_version),
        cmocka_unit_test(test_pkey_is_made_once_and_equals_the_published_one),
        cmocka_unit_test(test_pkey_of_a_point_off_its_curve_is_refused),
        cmocka_unit_test(test_public_has_what_pkcs11_shows_of_rsa),
        cmocka_unit_test(test_public_has_what_pkcs11_shows_of_curves),
        cmocka_unit_test(test_symmetric_key_has_no_public_half),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
