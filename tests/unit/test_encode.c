/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "encode.h"

static const struct {
    const char *bytes, *text;
} rfc4648[] = {
    /* section 10 */
    { "", "" },
    { "f", "Zg==" },
    { "fo", "Zm8=" },
    { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy" },
};

static void test_base64_of_the_standard_vectors_goes_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rfc4648); i++) {
        CLEANUP(remote_buf_clear) struct remote_buf text = { 0 }, bytes = { 0 };

        remote_buf_append_str(&text, "");
        remote_base64_append(&text, remote_slice_str(rfc4648[i].bytes));
        assert_string_equal((char *)text.data, rfc4648[i].text);
        assert_true(remote_base64_decode(remote_buf_slice(&text), &bytes));
        assert_string_equal((char *)bytes.data, rfc4648[i].bytes);
    }
}

static void test_base64url_of_all_lengths_goes_both_ways_without_padding(void **state)
{
    unsigned char all[256];

    (void)state;
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (unsigned char)(255 - i);
    for (size_t len = 0; len <= sizeof(all); len++) {
        CLEANUP(remote_buf_clear) struct remote_buf text = { 0 }, bytes = { 0 };

        remote_buf_append_str(&text, "");
        remote_base64url_append(&text, remote_slice(all, len));
        assert_int_equal(text.len, (len * 4 + 2) / 3);
        assert_null(strpbrk((char *)text.data, "+/="));
        assert_true(remote_base64url_decode(remote_buf_slice(&text), &bytes));
        assert_true(remote_slice_equal(remote_buf_slice(&bytes), remote_slice(all, len)));
    }
}

static void test_alphabets_differ_in_the_last_two(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    (void)state;
    remote_base64_append(&text, remote_slice("\xfb\xff", 2));
    remote_buf_append_char(&text, ' ');
    remote_base64url_append(&text, remote_slice("\xfb\xff", 2));
    assert_string_equal((char *)text.data, "+/8= -_8");
}

static void refuse(bool (*decode)(struct remote_slice, struct remote_buf *), const char *text)
{
    CLEANUP(remote_buf_clear) struct remote_buf buf = { 0 };

    remote_buf_append_str(&buf, "before");
    if (decode(remote_slice_str(text), &buf))
        fail_msg("'%s' was taken", text);
    assert_string_equal((char *)buf.data, "before");
    assert_int_equal(buf.len, 6);
    assert_int_equal(remote_buf_check(&buf, NULL), REMOTE_OK);
}

static void test_base64_decode_of_bad_text_leaves_the_buf(void **state)
{
    static const char *const bad[] = {
        "Z",     "Zg",       "Zg=",      "Zg===",    "=",        "====",      "Z===",
        "Zm9v=", "Zm9v====", "Zg==Zg==", "Zm9vZh==", "Zm9=",     " Zm9v",     "Zm9v\n",
        "Zm 9v", "Zm9-",     "Zm9_",     "Zm9v\xc3", "Zm9vZ@==", "Zm9vYmFyZ",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        refuse(remote_base64_decode, bad[i]);
}

static void test_base64url_decode_of_bad_text_leaves_the_buf(void **state)
{
    static const char *const bad[] = { "Z", "Zg==", "Zh", "Zm9", "Zm9+", "Zm9/", "Zm9v Zg" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        refuse(remote_base64url_decode, bad[i]);
}

static void test_decode_appends(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf buf = { 0 };

    (void)state;
    remote_buf_append_str(&buf, "<");
    assert_true(remote_base64_decode(remote_slice_str("Zm9v"), &buf));
    assert_true(remote_base64url_decode(remote_slice_str("YmE"), &buf));
    assert_true(remote_hex_decode(remote_slice_str("723E"), &buf));
    assert_string_equal((char *)buf.data, "<foobar>");
}

static void test_hex_goes_both_ways(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 }, bytes = { 0 };

    (void)state;
    remote_hex_append(&text, remote_slice("\x00\x7f\xab\xff", 4));
    assert_string_equal((char *)text.data, "007fabff");
    assert_true(remote_hex_decode(remote_slice_str("007FaBff"), &bytes));
    assert_true(remote_slice_equal(remote_buf_slice(&bytes), remote_slice("\x00\x7f\xab\xff", 4)));
}

static void test_hex_decode_of_bad_text_leaves_the_buf(void **state)
{
    static const char *const bad[] = { "0", "0g", "g0", "00 ", "0x00", "00:0", "abc" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        refuse(remote_hex_decode, bad[i]);
}

static void test_percent_keeps_unreserved_characters_only(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    (void)state;
    remote_percent_append(&text, remote_slice("aZ09-._~/ %?#\0\xc3\xbc", 16));
    assert_string_equal((char *)text.data, "aZ09-._~%2F%20%25%3F%23%00%C3%BC");
}

static void test_percent_decode_undoes_it_and_refuses_half_an_escape(void **state)
{
    static const char *const bad[] = { "%", "a%4", "%zz", "%%41", "a%4g" };
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    (void)state;
    assert_true(remote_percent_decode(remote_slice_str("a%2Fb%00%c3%BC~"), &text));
    assert_int_equal(text.len, 7);
    assert_memory_equal(text.data, "a/b\0\xc3\xbc~", 8);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(remote_percent_decode(remote_slice_str(bad[i]), &text));
        assert_int_equal(text.len, 7);
    }
}

static void test_pem_has_lines_of_64(void **state)
{
    static const unsigned char bytes[49];
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    (void)state;
    remote_pem_append(&text, "A LABEL", remote_slice(bytes, 48));
    assert_string_equal((char *)text.data,
                        "-----BEGIN A LABEL-----\n"
                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                        "-----END A LABEL-----\n");
    remote_buf_truncate(&text, 0);
    remote_pem_append(&text, "A LABEL", remote_slice(bytes, 49));
    assert_non_null(strstr((char *)text.data, "AAAA\nAA==\n-----END"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64_of_the_standard_vectors_goes_both_ways),
        cmocka_unit_test(test_base64url_of_all_lengths_goes_both_ways_without_padding),
        cmocka_unit_test(test_alphabets_differ_in_the_last_two),
        cmocka_unit_test(test_base64_decode_of_bad_text_leaves_the_buf),
        cmocka_unit_test(test_base64url_decode_of_bad_text_leaves_the_buf),
        cmocka_unit_test(test_decode_appends),
        cmocka_unit_test(test_hex_goes_both_ways),
        cmocka_unit_test(test_hex_decode_of_bad_text_leaves_the_buf),
        cmocka_unit_test(test_percent_keeps_unreserved_characters_only),
        cmocka_unit_test(test_percent_decode_undoes_it_and_refuses_half_an_escape),
        cmocka_unit_test(test_pem_has_lines_of_64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
