/* SPDX-License-Identifier: Apache-2.0 */
/* What is written of a key, and what is not. */
#include "provider_host.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/encoder.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static const char *const labels[] = { "rsa", "ec", "ed" };

/* NULL: it was not written. */
static char *encode(EVP_PKEY *pkey, int selection, const char *output, const char *structure)
{
    OSSL_ENCODER_CTX *ctx =
        OSSL_ENCODER_CTX_new_for_pkey(pkey, selection, output, structure, host.properties);
    struct remote_buf text = { 0 };
    unsigned char *data = NULL;
    size_t len = 0;

    assert_non_null(ctx);
    if (OSSL_ENCODER_to_data(ctx, &data, &len) == 1)
        remote_buf_append(&text, data, len);
    OPENSSL_free(data);
    OSSL_ENCODER_CTX_free(ctx);
    return (char *)text.data; /* with a NUL behind it; NULL when nothing was written */
}

static void assert_writes(EVP_PKEY *pkey, int selection, const char *output, const char *structure,
                          const char *part)
{
    CLEANUP(remote_str_free) char *text = encode(pkey, selection, output, structure);

    if (text == NULL || strstr(text, part) == NULL)
        fail_msg("'%s' does not have '%s'", text ? text : "nothing", part);
    host_assert_quiet();
}

static void test_public_half_is_written_as_libcrypto_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        EVP_PKEY *pkey = host_key(labels[i]), *half = host_default_half(pkey);
        unsigned char *ours = NULL, *theirs = NULL;
        int len = i2d_PUBKEY(pkey, &ours);

        assert_true(len > 0);
        assert_int_equal(i2d_PUBKEY(half, &theirs), len);
        assert_memory_equal(ours, theirs, (size_t)len);
        assert_writes(pkey, EVP_PKEY_PUBLIC_KEY, "PEM", "SubjectPublicKeyInfo",
                      "-----BEGIN PUBLIC KEY-----\n");
        OPENSSL_free(ours);
        OPENSSL_free(theirs);
        EVP_PKEY_free(half);
        EVP_PKEY_free(pkey);
    }
}

static void test_private_half_becomes_a_key_file_and_never_der(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        EVP_PKEY *pkey = host_key(labels[i]);

        assert_writes(pkey, EVP_PKEY_KEYPAIR, "PEM", "PrivateKeyInfo",
                      "-----BEGIN HSMBRIDGE KEY URI-----\n");
        assert_writes(pkey, EVP_PKEY_KEYPAIR, "PEM", "EncryptedPrivateKeyInfo",
                      "-----BEGIN HSMBRIDGE KEY URI-----\n");
        assert_null(encode(pkey, EVP_PKEY_KEYPAIR, "DER", "PrivateKeyInfo"));
        host_assert_said("does not leave its service; written as PEM it becomes a key file");
        assert_true(i2d_PrivateKey(pkey, NULL) <= 0);
        host_assert_said("does not leave its service");
        EVP_PKEY_free(pkey);
    }
}

static void test_public_key_alone_has_no_key_file(void **state)
{
    EVP_PKEY *pkey = host_public_key("ec");

    (void)state;
    assert_null(encode(pkey, EVP_PKEY_KEYPAIR, "PEM", "PrivateKeyInfo"));
    host_assert_said("slot 'web': this is the public half of key 'ec' alone");
    EVP_PKEY_free(pkey);
}

static void test_text_has_the_place_and_the_public_half(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        EVP_PKEY *pkey = host_key(labels[i]);

        assert_writes(pkey, EVP_PKEY_KEYPAIR, "TEXT", NULL, "Slot: web\nKey: ");
        assert_writes(pkey, EVP_PKEY_KEYPAIR, "TEXT", NULL, "\nURI: pkcs11:token=web;object=");
        assert_writes(pkey, EVP_PKEY_KEYPAIR, "TEXT", NULL, "ublic-Key:");
        assert_writes(pkey, EVP_PKEY_PUBLIC_KEY, "TEXT", NULL, "ublic-Key:");
        EVP_PKEY_free(pkey);
    }
}

static void test_pkcs1_is_had_of_rsa(void **state)
{
    EVP_PKEY *pkey = host_key("rsa");

    (void)state;
    assert_writes(pkey, EVP_PKEY_PUBLIC_KEY, "PEM", "pkcs1", "-----BEGIN RSA PUBLIC KEY-----\n");
    assert_writes(pkey, EVP_PKEY_PUBLIC_KEY, "PEM", "type-specific",
                  "-----BEGIN RSA PUBLIC KEY-----\n");
    EVP_PKEY_free(pkey);
}

/* ---- software keys of ours ---- */

static int secret(char *buf, int size, int rwflag, void *arg)
{
    (void)rwflag;
    (*(unsigned *)arg)++;
    assert_false(remote_guard_held());
    return snprintf(buf, (size_t)size, "secret");
}

static void assert_round_trip(EVP_PKEY *pkey, const EVP_CIPHER *cipher, const char *label)
{
    unsigned asked = 0;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    EVP_PKEY *again;

    assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, cipher, NULL, 0, secret, &asked), 1);
    assert_int_equal(asked, cipher ? 1 : 0);
    BIO_get_mem_data(bio, &text);
    assert_int_equal(strncmp(text, label, strlen(label)), 0);
    again = PEM_read_bio_PrivateKey_ex(bio, NULL, secret, &asked, host.ctx, NULL);
    assert_non_null(again);
    assert_int_equal(EVP_PKEY_eq(pkey, again), 1);
    host_assert_quiet();
    EVP_PKEY_free(again);
    BIO_free(bio);
}

static void test_software_key_is_written_whole(void **state)
{
    EVP_PKEY *keys[] = { EVP_PKEY_Q_keygen(host.ctx, NULL, "EC", "P-256"),
                         EVP_PKEY_Q_keygen(host.ctx, NULL, "RSA", (size_t)2048),
                         EVP_PKEY_Q_keygen(host.ctx, NULL, "ED25519") };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        assert_non_null(keys[i]);
        assert_true(host_is_ours(keys[i]));
        assert_round_trip(keys[i], NULL, "-----BEGIN PRIVATE KEY-----\n");
        assert_round_trip(keys[i], EVP_aes_256_cbc(), "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
        EVP_PKEY_free(keys[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOST_TEST(test_public_half_is_written_as_libcrypto_does),
        HOST_TEST(test_private_half_becomes_a_key_file_and_never_der),
        HOST_TEST(test_public_key_alone_has_no_key_file),
        HOST_TEST(test_text_has_the_place_and_the_public_half),
        HOST_TEST(test_pkcs1_is_had_of_rsa),
        HOST_TEST_WITH(test_software_key_is_written_whole, host_start_ours),
    };

    return HOST_GROUP(tests);
}
