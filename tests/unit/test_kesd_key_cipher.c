/* SPDX-License-Identifier: Apache-2.0 */
/* Ciphertexts of a KES: what a real one sealed opens, and what is sealed here opens by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "in_guard.h"
#include "kes_stored.h"
#include "kesd_vectors.h"
#include "key_cipher.h"

static struct kesd_key_cipher *cipher;
static unsigned char bytes[KESD_KEY_LEN]; /* 00 01 ... 1f */

static int setup(void **state)
{
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    return enter_guard(state) == 0 && kesd_key_cipher_new(&cipher, NULL) == REMOTE_OK ? 0 : -1;
}

static int teardown(void **state)
{
    kesd_key_cipher_free(cipher);
    return leave_guard(state);
}

static struct kesd_cipher_key key_of(enum kesd_algorithm algorithm)
{
    return (struct kesd_cipher_key){ algorithm, bytes };
}

static enum remote_rc open_text(enum kesd_algorithm algorithm, const char *base64,
                                const char *context, struct remote_secret *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct kesd_cipher_key key = key_of(algorithm);

    assert_true(remote_base64_decode(remote_slice_str(base64), &sealed));
    return kesd_key_cipher_open(cipher, &key, remote_buf_slice(&sealed), remote_slice_str(context),
                                ret, NULL);
}

static void assert_opens(enum kesd_algorithm algorithm, const char *base64, const char *context,
                         const char *text)
{
    CLEANUP(remote_secret_clear) struct remote_secret opened = { 0 };

    assert_int_equal(open_text(algorithm, base64, context, &opened), REMOTE_OK);
    assert_int_equal(opened.len, strlen(text));
    assert_string_equal((char *)opened.data, text);
}

static void test_recorded_ciphertexts_open(void **state)
{
    (void)state;
    assert_opens(KESD_AES256, KESD_SEALED_AES, "ctx", "hello");
    assert_opens(KESD_CHACHA20, KESD_SEALED_CHACHA20, "ctx", "hello");
}

static void test_ciphertexts_of_older_forms_open(void **state)
{
    (void)state;
    assert_opens(KESD_AES256, KESD_SEALED_JSON, "ctx", "legacy");
    assert_opens(KESD_AES256, KESD_SEALED_MSGPACK, "ctx", "legacy");
}

static void assert_refuses(enum kesd_algorithm algorithm, const char *base64, const char *context)
{
    CLEANUP(remote_secret_clear) struct remote_secret opened = { 0 };

    assert_int_equal(open_text(algorithm, base64, context, &opened), REMOTE_E_DATA);
    assert_null(opened.data);
}

static void test_ciphertext_with_another_key_or_context_is_not_authentic(void **state)
{
    (void)state;
    assert_refuses(KESD_AES256, KESD_SEALED_AES, "");
    assert_refuses(KESD_AES256, KESD_SEALED_AES, "ctX");
    assert_refuses(KESD_CHACHA20, KESD_SEALED_AES, "ctx");
    assert_refuses(KESD_AES256, KESD_SEALED_CHACHA20, "ctx");
    assert_refuses(KESD_AES256, KESD_SEALED_JSON, "");
    assert_refuses(KESD_AES256, "", "");
}

static void seal(const struct kesd_cipher_key *key, struct remote_slice text,
                 struct remote_slice context, struct remote_buf *ret)
{
    struct remote_error err = { 0 };

    if (kesd_key_cipher_seal(cipher, key, text, context, ret, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_int_equal(ret->len, text.len + KESD_OVERHEAD);
}

static void test_every_changed_byte_is_found(void **state)
{
    (void)state;
    for (int algorithm = KESD_AES256; algorithm <= KESD_CHACHA20; algorithm++) {
        CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
        CLEANUP(remote_secret_clear) struct remote_secret opened = { 0 };
        struct kesd_cipher_key key = key_of((enum kesd_algorithm)algorithm);
        struct remote_slice context = remote_slice_str("there");
        struct remote_error err = { 0 };

        seal(&key, remote_slice_str("text"), context, &sealed);
        for (size_t i = 0; i < sealed.len; i++) {
            sealed.data[i] ^= 1;
            assert_int_equal(kesd_key_cipher_open(cipher, &key, remote_buf_slice(&sealed), context,
                                                  &opened, &err),
                             REMOTE_E_DATA);
            assert_string_equal(err.text, "decryption failed: ciphertext is not authentic");
            sealed.data[i] ^= 1;
            assert_int_equal(kesd_key_cipher_open(cipher, &key, remote_slice(sealed.data, i),
                                                  context, &opened, NULL),
                             REMOTE_E_DATA);
        }
        assert_int_equal(kesd_key_cipher_open(cipher, &key, remote_buf_slice(&sealed), context,
                                              &opened, NULL),
                         REMOTE_OK);
        assert_string_equal((char *)opened.data, "text");
    }
}

/* Below, at and above what is opened in pages that are there already. */
static void test_texts_of_all_sizes_come_back(void **state)
{
    static const size_t sizes[] = { 0, 1, 32, 3999, 4000, 4001, 749941 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
        CLEANUP(remote_secret_clear) struct remote_secret opened = { 0 };
        struct kesd_cipher_key key = key_of(i % 2 == 0 ? KESD_AES256 : KESD_CHACHA20);

        while (text.len < sizes[i])
            remote_buf_append_char(&text, (char)(text.len * 7));
        seal(&key, remote_buf_slice(&text), remote_slice(NULL, 0), &sealed);
        assert_int_equal(kesd_key_cipher_open(cipher, &key, remote_buf_slice(&sealed),
                                              remote_slice(NULL, 0), &opened, NULL),
                         REMOTE_OK);
        assert_true(remote_slice_equal(remote_buf_slice(&text), remote_secret_slice(&opened)));
    }
}

/* Seven in a thousand begin as the older forms do. */
static void test_ciphertext_when_it_begins_as_an_older_form_then_opens_all_the_same(void **state)
{
    struct kesd_cipher_key key = key_of(KESD_AES256);
    unsigned seen = 0;

    (void)state;
    for (int i = 0; i < 100000 && seen != 3; i++) {
        CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
        CLEANUP(remote_secret_clear) struct remote_secret opened = { 0 };

        seal(&key, remote_slice_str("text"), remote_slice(NULL, 0), &sealed);
        if (sealed.data[0] != '{' && sealed.data[0] != 0x95)
            continue;
        seen |= sealed.data[0] == '{' ? 1 : 2;
        assert_int_equal(kesd_key_cipher_open(cipher, &key, remote_buf_slice(&sealed),
                                              remote_slice(NULL, 0), &opened, NULL),
                         REMOTE_OK);
        assert_string_equal((char *)opened.data, "text");
    }
    assert_int_equal(seen, 3);
}

/* More than are drawn from libcrypto at once. */
static void test_generated_keys_differ_and_open(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret plain = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret before = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret opened = { 0 };
    struct kesd_cipher_key key = key_of(KESD_AES256);
    struct remote_slice context = remote_slice_str("c");

    (void)state;
    for (int i = 0; i < 300; i++) {
        CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

        assert_int_equal(kesd_key_cipher_generate(cipher, &key, context, &plain, &sealed, NULL),
                         REMOTE_OK);
        assert_int_equal(plain.len, KESD_KEY_LEN);
        assert_int_equal(sealed.len, KESD_KEY_LEN + KESD_OVERHEAD);
        assert_int_equal(kesd_key_cipher_open(cipher, &key, remote_buf_slice(&sealed), context,
                                              &opened, NULL),
                         REMOTE_OK);
        assert_true(remote_secret_equal(&opened, remote_secret_slice(&plain)));
        assert_false(remote_secret_equal(&before, remote_secret_slice(&plain)));
        assert_int_equal(remote_secret_set(&before, plain.data, plain.len, NULL), REMOTE_OK);
    }
}

static void test_hmac_is_what_a_kes_makes(void **state)
{
    CLEANUP(kes_stored_clear) struct kes_stored stored = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    unsigned char mac[KESD_KEY_LEN];

    (void)state;
    assert_int_equal(kes_stored_read(remote_slice_str(KESD_STORED_AES), &stored, NULL), REMOTE_OK);
    assert_int_equal(kesd_key_cipher_hmac(cipher, stored.mac.data, remote_slice_str("msg"), mac,
                                          NULL),
                     REMOTE_OK);
    remote_base64_append(&text, remote_slice(mac, sizeof(mac)));
    assert_string_equal((char *)text.data, KESD_HMAC_AES);
    assert_int_equal(kesd_key_cipher_hmac(cipher, stored.mac.data, remote_slice(NULL, 0), mac,
                                          NULL),
                     REMOTE_OK);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_ciphertexts_open),
        cmocka_unit_test(test_ciphertexts_of_older_forms_open),
        cmocka_unit_test(test_ciphertext_with_another_key_or_context_is_not_authentic),
        cmocka_unit_test(test_every_changed_byte_is_found),
        cmocka_unit_test(test_texts_of_all_sizes_come_back),
        cmocka_unit_test(test_ciphertext_when_it_begins_as_an_older_form_then_opens_all_the_same),
        cmocka_unit_test(test_generated_keys_differ_and_open),
        cmocka_unit_test(test_hmac_is_what_a_kes_makes),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
