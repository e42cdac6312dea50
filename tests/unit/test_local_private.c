/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys as files have them: every form that is taken, and what is refused with which words.
 */
#include "in_guard.h"
#include "local_keys.h"

#include <openssl/bio.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>

static EVP_PKEY *make(const char *type, const char *curve, size_t bits)
{
    EVP_PKEY *pkey = curve  ? EVP_PKEY_Q_keygen(remote_libctx(), NULL, type, curve)
                     : bits ? EVP_PKEY_Q_keygen(remote_libctx(), NULL, type, bits)
                            : EVP_PKEY_Q_keygen(remote_libctx(), NULL, type);

    assert_non_null(pkey);
    return pkey;
}

enum form { PKCS8_PEM, TRADITIONAL_PEM, PKCS8_DER, TRADITIONAL_DER, LOCKED_PEM, PUBLIC_PEM };

static BIO *written(EVP_PKEY *pkey, enum form form)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int ok = 0;

    switch (form) {
    case PKCS8_PEM:
        ok = PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
        break;
    case TRADITIONAL_PEM:
        ok = PEM_write_bio_PrivateKey_traditional(bio, pkey, NULL, NULL, 0, NULL, NULL);
        break;
    case PKCS8_DER:
        ok = i2d_PKCS8PrivateKey_bio(bio, pkey, NULL, NULL, 0, NULL, NULL);
        break;
    case TRADITIONAL_DER:
        ok = i2d_PrivateKey_bio(bio, pkey);
        break;
    case LOCKED_PEM:
        ok = PEM_write_bio_PKCS8PrivateKey(bio, pkey, EVP_aes_256_cbc(), "pass", 4, NULL, NULL);
        break;
    case PUBLIC_PEM:
        ok = PEM_write_bio_PUBKEY(bio, pkey);
        break;
    }
    assert_true(ok > 0);
    return bio;
}

static struct remote_slice bytes_of(BIO *bio)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);

    return remote_slice(data, (size_t)len);
}

static void assert_same(EVP_PKEY *pkey, const struct remote_secret *pkcs8)
{
    const unsigned char *at = pkcs8->data;
    EVP_PKEY *read = d2i_AutoPrivateKey_ex(NULL, &at, (long)pkcs8->len, remote_libctx(), NULL);

    assert_non_null(read);
    assert_int_equal(EVP_PKEY_eq(pkey, read), 1);
    EVP_PKEY_free(read);
}

static void assert_taken(EVP_PKEY *pkey, enum form form, const struct remote_key_spec *expected)
{
    CLEANUP(remote_secret_clear) struct remote_secret pkcs8 = { 0 };
    struct remote_key_spec spec = { 0 };
    struct remote_error err = { 0 };
    BIO *bio = written(pkey, form);

    if (remote_local_read_private(bytes_of(bio), &pkcs8, &spec, &err) != REMOTE_OK)
        fail_msg("form %d: %s", form, err.text);
    assert_same(pkey, &pkcs8);
    assert_int_equal(spec.type, expected->type);
    assert_int_equal(spec.bits, expected->bits);
    assert_int_equal(spec.curve, expected->curve);
    BIO_free(bio);
}

static void assert_refused(struct remote_slice file, const char *part)
{
    struct remote_secret pkcs8 = { 0 };
    struct remote_key_spec spec = { .bits = 4711 };
    struct remote_error err = { 0 };

    assert_int_equal(remote_local_read_private(file, &pkcs8, &spec, &err), REMOTE_E_DATA);
    assert_says(err.text, part);
    assert_null(pkcs8.data);
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_every_form_of_every_kind_becomes_the_same_pkcs8(void **state)
{
    static const struct {
        const char *type, *curve;
        size_t bits;
        struct remote_key_spec spec;
    } kinds[] = {
        { "RSA", NULL, 2048, { REMOTE_KEY_RSA, 2048, 0, 0 } },
        { "EC", "P-256", 0, { REMOTE_KEY_EC, 256, NID_X9_62_prime256v1, 0 } },
        { "EC", "P-384", 0, { REMOTE_KEY_EC, 384, NID_secp384r1, 0 } },
        { "EC", "P-521", 0, { REMOTE_KEY_EC, 521, NID_secp521r1, 0 } },
        { "ED25519", NULL, 0, { REMOTE_KEY_ED25519, 256, 0, 0 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        EVP_PKEY *pkey = make(kinds[i].type, kinds[i].curve, kinds[i].bits);

        assert_taken(pkey, PKCS8_PEM, &kinds[i].spec);
        assert_taken(pkey, PKCS8_DER, &kinds[i].spec);
        if (kinds[i].spec.type != REMOTE_KEY_ED25519) { /* which has no other */
            assert_taken(pkey, TRADITIONAL_PEM, &kinds[i].spec);
            assert_taken(pkey, TRADITIONAL_DER, &kinds[i].spec);
        }
        EVP_PKEY_free(pkey);
    }
}

static void test_key_behind_other_blocks_of_a_file_is_found(void **state)
{
    EVP_PKEY *pkey = make("EC", "P-256", 0);
    BIO *other = written(pkey, PUBLIC_PEM), *own = written(pkey, PKCS8_PEM);
    CLEANUP(remote_secret_clear) struct remote_secret pkcs8 = { 0 };
    struct remote_key_spec spec = { 0 };

    (void)state;
    assert_true(BIO_write(other, bytes_of(own).data, (int)bytes_of(own).len) > 0);
    assert_int_equal(remote_local_read_private(bytes_of(other), &pkcs8, &spec, NULL), REMOTE_OK);
    assert_same(pkey, &pkcs8);
    BIO_free(other);
    BIO_free(own);
    EVP_PKEY_free(pkey);
}

static void test_what_is_no_private_key_is_refused(void **state)
{
    static const char none[] = "no private key in it; it must hold one in PEM or DER, without a "
                               "passphrase";
    EVP_PKEY *pkey = make("EC", "P-256", 0);
    BIO *public = written(pkey, PUBLIC_PEM), *locked = written(pkey, LOCKED_PEM),
        *der = written(pkey, PKCS8_DER);
    struct remote_slice cut = bytes_of(der);

    (void)state;
    assert_refused(remote_slice("", 0), none);
    assert_refused(remote_slice_str("hello"), none);
    assert_refused(bytes_of(public), none);
    assert_refused(bytes_of(locked), none); /* nobody is asked for the passphrase */
    cut.len--;
    assert_refused(cut, none);
    BIO_free(public);
    BIO_free(locked);
    BIO_free(der);
    EVP_PKEY_free(pkey);
}

static void test_kinds_that_are_not_served_are_named_with_those_that_are(void **state)
{
    static const char *const types[][2] = { { "X25519", NULL },
                                            { "ED448", NULL },
                                            { "EC", "brainpoolP256r1" } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        EVP_PKEY *pkey = make(types[i][0], types[i][1], 0);
        BIO *bio = written(pkey, PKCS8_PEM);

        assert_refused(bytes_of(bio), "of a kind that is not served; RSA, ECDSA on ");
        BIO_free(bio);
        EVP_PKEY_free(pkey);
    }
}

static void test_private_pem_is_read_as_a_key_or_not_at_all(void **state)
{
    EVP_PKEY *pkey = make("ED25519", NULL, 0), *read;
    BIO *pem = written(pkey, PKCS8_PEM), *locked = written(pkey, LOCKED_PEM);

    (void)state;
    read = remote_local_private_pem(bytes_of(pem));
    assert_int_equal(EVP_PKEY_eq(pkey, read), 1);
    EVP_PKEY_free(read);
    assert_null(remote_local_private_pem(bytes_of(locked)));
    assert_null(remote_local_private_pem(remote_slice(NULL, 0)));
    assert_int_equal(ERR_peek_error(), 0);
    BIO_free(pem);
    BIO_free(locked);
    EVP_PKEY_free(pkey);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form_of_every_kind_becomes_the_same_pkcs8),
        cmocka_unit_test(test_key_behind_other_blocks_of_a_file_is_found),
        cmocka_unit_test(test_what_is_no_private_key_is_refused),
        cmocka_unit_test(test_kinds_that_are_not_served_are_named_with_those_that_are),
        cmocka_unit_test(test_private_pem_is_read_as_a_key_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
