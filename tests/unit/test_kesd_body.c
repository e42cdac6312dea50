/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests: what KES takes, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "body.h"

struct fields {
    struct remote_buf plaintext, cipher;
};

static void clear(struct fields *fields)
{
    remote_buf_clear(&fields->plaintext);
    remote_buf_clear(&fields->cipher);
}

static bool read_text(const char *text, struct fields *ret)
{
    const struct kesd_member members[] = { { "plaintext", false, &ret->plaintext },
                                           { "cipher", true, &ret->cipher } };

    return kesd_body_read(remote_slice_str(text), members, ARRAY_SIZE(members));
}

static void assert_bytes(const char *body, const char *expected)
{
    CLEANUP(clear) struct fields fields = { 0 };

    if (!read_text(body, &fields))
        fail_msg("%s is refused", body);
    if (!remote_slice_equal(remote_buf_slice(&fields.plaintext), remote_slice_str(expected)))
        fail_msg("%s gives %zu bytes", body, fields.plaintext.len);
}

static void assert_text(const char *body, const char *expected)
{
    CLEANUP(clear) struct fields fields = { 0 };

    assert_true(read_text(body, &fields));
    assert_true(remote_slice_equal(remote_buf_slice(&fields.cipher), remote_slice_str(expected)));
}

static void test_bytes_when_base64_or_an_array_then_decoded(void **state)
{
    (void)state;
    assert_bytes("{\"plaintext\":\"aGVsbG8=\"}", "hello");
    assert_bytes(" {\t\"plaintext\" :\r\n \"aGVsbG8=\" , \"x\":1}", "hello");
    assert_bytes("{\"plaintext\":\"\"}", "");
    assert_bytes("{\"plaintext\":[104,105]}", "hi");
    assert_bytes("{\"plaintext\":[ ]}", "");
    assert_bytes("{\"plaintext\":\"aGVs\\nbG8=\"}", "hello");
    assert_bytes("{\"plaintext\":\"aGVs\\r\\nbG8=\\n\"}", "hello");
    assert_bytes("{\"plaintext\":\"\\u0061GVsbG8\\u003d\"}", "hello");
    assert_bytes("{\"plaintext\":\"Pz8\\/\"}", "???");
    assert_bytes("{\"plaintext\":\"eB==\"}", "x"); /* surplus bits */
    assert_bytes("{\"plaintext\":\"eHl=\"}", "xy");
}

static void test_members_when_absent_null_or_of_other_case_then_as_go_reads_them(void **state)
{
    (void)state;
    assert_bytes("{}", "");
    assert_bytes("null", "");
    assert_bytes("{\"plaintext\":null}", "");
    assert_bytes("{\"PlainText\":\"eA==\"}", "x");
    assert_bytes("{\"\\u0070laintext\":\"eA==\"}", "x");
    assert_bytes("{\"plaintext\":\"eA==\",\"plaintext\":\"eXk=\"}", "yy"); /* the last */
    assert_bytes("{\"plaintext\":\"eA==\",\"plaintext\":null}", "");
    assert_bytes("{\"plaintext\":\"eA==\"} xx", "x"); /* behind the first value */
    assert_bytes("{\"a\":{\"plaintext\":\"no\"},\"b\":[1,-2.5e+3,{}],\"c\":true,"
                 "\"plaintext\":\"eA==\",\"d\":false,\"e\":null,\"f\":\"\\uD83D\\uDE00\"}",
                 "x");
}

static void test_texts_when_escaped_then_plain(void **state)
{
    (void)state;
    assert_text("{\"cipher\":\"AES256\"}", "AES256");
    assert_text("{\"cipher\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "\"\\/\b\f\n\r\t");
    assert_text("{\"cipher\":\"\\u00fc\\u20ac\\ud83d\\ude00\\ud800\"}",
                "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd");
    assert_text("{\"cipher\":\"a\",\"cipher\":null}", "a");
}

static void test_bodies_when_not_what_is_expected_then_refused(void **state)
{
    static const char *const bodies[] = {
        "",
        " ",
        "{",
        "{]",
        "[]",
        "5",
        "\"x\"",
        "nul",
        "{\"plaintext\":",
        "{\"plaintext\"}",
        "{\"plaintext\":}",
        "{\"plaintext\":\"aGVsbG8=\"",
        "{\"plaintext\":\"aGVsbG8=\",}",
        "{\"plaintext\":5}",
        "{\"plaintext\":true}",
        "{\"plaintext\":{}}",
        "{\"plaintext\":\"aGVsbG8\"}",
        "{\"plaintext\":\"_-8=\"}",
        "{\"plaintext\":\"!!\"}",
        "{\"plaintext\":\"a GVsbG8=\"}",
        "{\"plaintext\":\"=\"}",
        "{\"plaintext\":\"====\"}",
        "{\"plaintext\":[256]}",
        "{\"plaintext\":[-1]}",
        "{\"plaintext\":[1.0]}",
        "{\"plaintext\":[1e2]}",
        "{\"plaintext\":[\"1\"]}",
        "{\"plaintext\":[1,]}",
        "{\"plaintext\":[1",
        "{\"plaintext\":\"a\\",
        "{\"plaintext\":\"\\x\"}",
        "{\"x\":\"\\u12g4\"}",
        "{\"x\":\"\n\"}",
        "{\"x\":01}",
        "{\"x\":1.}",
        "{\"x\":-}",
        "{\"x\":1e}",
        "{x:1}",
        "{\"cipher\":5}",
        "{\"cipher\":[]}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        CLEANUP(clear) struct fields fields = { 0 };

        if (read_text(bodies[i], &fields))
            fail_msg("%s is taken", bodies[i]);
    }
}

static void test_nesting_when_deep_then_refused_at_a_bound(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf body = { 0 };
    CLEANUP(clear) struct fields fields = { 0 };

    (void)state;
    remote_buf_append_str(&body, "{\"x\":");
    for (size_t i = 0; i < 100000; i++)
        remote_buf_append_char(&body, '[');
    assert_false(read_text((const char *)body.data, &fields));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_when_base64_or_an_array_then_decoded),
        cmocka_unit_test(test_members_when_absent_null_or_of_other_case_then_as_go_reads_them),
        cmocka_unit_test(test_texts_when_escaped_then_plain),
        cmocka_unit_test(test_bodies_when_not_what_is_expected_then_refused),
        cmocka_unit_test(test_nesting_when_deep_then_refused_at_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
