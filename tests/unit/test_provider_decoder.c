/* SPDX-License-Identifier: Apache-2.0 */
/* Key files: whatever way a program reads them, and beside what they stand. */
#include "provider_host.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/decoder.h>
#include <openssl/pem.h>

#define URI "pkcs11:token=web;object="
#define FOREIGN_FORM "PKCS#11 Provider URI v1.0"

/* ---- files ---- */

static struct remote_buf file; /* of the running test */

static int start(void **state)
{
    file = (struct remote_buf){ 0 };
    return host_start(state);
}

static int stop(void **state)
{
    remote_buf_clear(&file);
    return host_stop(state);
}

static void add_key(const char *uri)
{
    assert_int_equal(remote_uri_pem_write(uri, &file, NULL), REMOTE_OK);
}

static void add_foreign(const char *uri)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };

    remote_buf_printf(&der, "\x30%c\x1a%c%s\x0c%c%s", (int)(4 + strlen(FOREIGN_FORM) + strlen(uri)),
                      (int)strlen(FOREIGN_FORM), FOREIGN_FORM, (int)strlen(uri), uri);
    remote_pem_append(&file, REMOTE_URI_PEM_LABEL_FOREIGN, remote_buf_slice(&der));
}

static void add_software(const EVP_CIPHER *cipher)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(host.ctx, "provider=default", "EC", "P-384");
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem = NULL;
    long len;

    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, pkey, cipher, "secret", 6, NULL, NULL), 1);
    len = BIO_get_mem_data(bio, &pem);
    remote_buf_append(&file, pem, (size_t)len);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
}

/* ---- a program's BIO, which is never called from inside the guard ---- */

static int outside(BIO *bio, char *out, size_t len, size_t *done)
{
    assert_false(remote_guard_held());
    return BIO_read_ex(BIO_get_data(bio), out, len, done);
}

static int gets_outside(BIO *bio, char *out, int len)
{
    assert_false(remote_guard_held());
    return BIO_gets(BIO_get_data(bio), out, len);
}

static long ctrl_outside(BIO *bio, int cmd, long num, void *ptr)
{
    assert_false(remote_guard_held());
    return BIO_ctrl(BIO_get_data(bio), cmd, num, ptr);
}

static BIO *open_file(void)
{
    static BIO_METHOD *method;
    BIO *bio;

    if (!method) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "program's");
        BIO_meth_set_read_ex(method, outside);
        BIO_meth_set_gets(method, gets_outside);
        BIO_meth_set_ctrl(method, ctrl_outside);
    }
    bio = BIO_new(method);
    BIO_set_data(bio, BIO_new_mem_buf(file.data, (int)file.len));
    BIO_set_init(bio, 1);
    return bio;
}

static void close_file(BIO *bio)
{
    BIO_free(BIO_get_data(bio));
    BIO_free(bio);
}

static int secret(char *buf, int size, int rwflag, void *arg)
{
    (void)rwflag;
    (void)arg;
    return snprintf(buf, (size_t)size, "secret");
}

static EVP_PKEY *read_next(BIO *bio)
{
    return PEM_read_bio_PrivateKey_ex(bio, NULL, secret, NULL, host.ctx, host.properties);
}

static EVP_PKEY *read_key(void)
{
    BIO *bio = open_file();
    EVP_PKEY *pkey = read_next(bio);

    close_file(bio);
    return pkey;
}

static void assert_ours(EVP_PKEY *pkey, const char *type)
{
    if (pkey == NULL)
        ERR_print_errors_fp(stderr);
    assert_non_null(pkey);
    assert_true(host_is_ours(pkey));
    assert_true(EVP_PKEY_is_a(pkey, type));
    host_assert_quiet();
    EVP_PKEY_free(pkey);
}

static void assert_refused(const char *says)
{
    unsigned ours = 0;
    const char *data = NULL;
    unsigned long code;
    bool said = false;
    int flags = 0;

    assert_null(read_key());
    while ((code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
        bool here = (flags & ERR_TXT_STRING) && strstr(data, says);

        said = said || here;
        ours += here;
    }
    if (!said)
        fail_msg("nothing says '%s'", says);
    assert_int_equal(ours, 1); /* told once */
    remote_buf_clear(&file);
}

/* ---- tests ---- */

static void test_each_kind_of_key_is_read_under_both_labels(void **state)
{
    static const struct {
        const char *uri, *type;
    } kinds[] = { { URI "rsa", "RSA" }, { URI "ec", "EC" }, { URI "ed", "ED25519" } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        add_key(kinds[i].uri);
        assert_ours(read_key(), kinds[i].type);
        remote_buf_clear(&file);
        add_foreign(kinds[i].uri);
        assert_ours(read_key(), kinds[i].type);
        remote_buf_clear(&file);
    }
}

static void test_keys_of_a_file_are_read_one_after_the_other(void **state)
{
    BIO *bio;
    EVP_PKEY *software;

    (void)state;
    add_key(URI "rsa");
    add_software(NULL);
    add_key(URI "ed");
    add_software(EVP_aes_128_cbc());
    bio = open_file();
    assert_ours(read_next(bio), "RSA");
    software = read_next(bio);
    assert_non_null(software);
    assert_false(host_is_ours(software));
    EVP_PKEY_free(software);
    assert_ours(read_next(bio), "ED25519");
    software = read_next(bio);
    assert_non_null(software);
    assert_false(host_is_ours(software));
    EVP_PKEY_free(software);
    assert_null(read_next(bio));
    close_file(bio);
}

static void test_it_is_read_behind_other_blocks_and_text(void **state)
{
    (void)state;
    remote_buf_append_str(&file, "some text\n\n");
    remote_pem_append(&file, "SOMEBODY ELSE'S", remote_slice_str("anything"));
    remote_pem_append(&file, "CERTIFICATE", remote_slice_str("not one"));
    add_key(URI "ec");
    assert_ours(read_key(), "EC");
}

static void test_line_ends_and_blanks_do_not_matter(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf pem = { 0 };

    (void)state;
    assert_int_equal(remote_uri_pem_write(URI "ec", &pem, NULL), REMOTE_OK);
    for (size_t i = 0; i < pem.len; i++) {
        if (pem.data[i] == '\n')
            remote_buf_append_str(&file, " \r");
        remote_buf_append(&file, pem.data + i, 1);
    }
    assert_ours(read_key(), "EC");
}

static void test_der_alone_is_read_as_well(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    OSSL_DECODER_CTX *ctx;
    EVP_PKEY *pkey = NULL;
    const unsigned char *data;
    size_t len;

    (void)state;
    assert_int_equal(remote_uri_der_write(URI "ec", &der, NULL), REMOTE_OK);
    data = der.data;
    len = der.len;
    ctx = OSSL_DECODER_CTX_new_for_pkey(&pkey, "DER", NULL, NULL, 0, host.ctx, NULL);
    assert_int_equal(OSSL_DECODER_from_data(ctx, &data, &len), 1);
    OSSL_DECODER_CTX_free(ctx);
    assert_ours(pkey, "EC");
}

static void test_what_is_no_key_of_ours_is_left_to_others(void **state)
{
    EVP_PKEY *pkey;

    (void)state;
    add_software(NULL);
    pkey = read_key();
    assert_non_null(pkey);
    assert_false(host_is_ours(pkey));
    EVP_PKEY_free(pkey);
    host_assert_quiet();
    assert_int_equal(fake.open, 0); /* not even the configuration was looked at */
    remote_buf_clear(&file);
    for (int i = 0; i < 100000; i++)
        remote_buf_append_char(&file, (char)(i * 7919));
    assert_null(read_key());
    assert_int_equal(fake.open, 0);
}

static void test_what_is_wrong_is_told_once(void **state)
{
    (void)state;
    add_key(URI "nope");
    assert_refused("no key 'nope' in slot 'web'");
    add_key("pkcs11:token=nope;object=ec");
    assert_refused("no slot 'nope' in ");
    add_key(URI "ec;type=cert");
    assert_refused("of another type");
    add_key(URI "ec;type=public");
    assert_refused("names a public key, and a private one is wanted");
    add_key("pkcs11:token=web");
    assert_refused("among them: name one with token=, object= and id=");
    add_key("pkcs11:nonsense");
    assert_refused("'nonsense' is no attribute");
    add_key("file:/etc/key.pem");
    assert_refused("holds no 'hsmbridge:' or 'pkcs11:' URI");
    remote_pem_append(&file, REMOTE_URI_PEM_LABEL, remote_slice_str("0123456789"));
    assert_refused("damaged: no key URI is in it");
}

static void test_block_that_is_damaged_is_told_once(void **state)
{
    (void)state;
    add_key(URI "ec");
    remote_buf_truncate(&file, file.len - 40);
    assert_refused("is cut short");
    add_key(URI "ec");
    memcpy(strchr((char *)file.data, '\n') + 1, "?", 1);
    assert_refused("is not base64");
    add_key(URI "ec");
    memcpy(strstr((char *)file.data, "END HSM"), "END ABC", 7);
    assert_refused("has another block's end");
    remote_buf_printf(&file, "-----BEGIN %s-----\n", REMOTE_URI_PEM_LABEL);
    for (int i = 0; i < 1000; i++)
        remote_buf_append_str(&file, "MDQaFGhzbWJyaWRnZSBrZXkgVVJJIHYxDBxwa2NzMTE6dG9r\n");
    assert_refused("is too long");
}

static void test_public_half_is_read_where_one_is_wanted(void **state)
{
    BIO *bio;
    EVP_PKEY *pkey;

    (void)state;
    add_key(URI "rsa");
    bio = open_file();
    pkey = PEM_read_bio_PUBKEY_ex(bio, NULL, NULL, NULL, host.ctx, NULL);
    assert_non_null(pkey);
    assert_ours(pkey, "RSA");
    close_file(bio);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_kind_of_key_is_read_under_both_labels),
        TEST(test_keys_of_a_file_are_read_one_after_the_other),
        TEST(test_it_is_read_behind_other_blocks_and_text),
        TEST(test_line_ends_and_blanks_do_not_matter),
        TEST(test_der_alone_is_read_as_well),
        TEST(test_what_is_no_key_of_ours_is_left_to_others),
        TEST(test_what_is_wrong_is_told_once),
        TEST(test_block_that_is_damaged_is_told_once),
        TEST(test_public_half_is_read_where_one_is_wanted),
    };

    return HOST_GROUP(tests);
}
