/* SPDX-License-Identifier: Apache-2.0 */
/* JSON and times as Go writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "go_json.h"

static void assert_string(struct remote_slice text, const char *expected)
{
    CLEANUP(remote_buf_clear) struct remote_buf json = { 0 };

    kesd_json_string(&json, text);
    assert_string_equal((const char *)json.data, expected);
}

static void test_text_when_special_then_escaped(void **state)
{
    (void)state;
    assert_string(remote_slice_str("a b"), "\"a b\"");
    assert_string(remote_slice_str(""), "\"\"");
    assert_string(remote_slice_str("<a>&'"), "\"\\u003ca\\u003e\\u0026'\"");
    assert_string(remote_slice_str("\"\\\b\f\n\r\t\x01\x7f"),
                  "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f\"");
    assert_string(remote_slice("a\0b", 3), "\"a\\u0000b\"");
}

static void test_text_when_utf8_then_kept_and_broken_replaced(void **state)
{
    (void)state;
    assert_string(remote_slice_str("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"),
                  "\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\"");
    assert_string(remote_slice_str("\xe2\x80\xa8\xe2\x80\xa9"), "\"\\u2028\\u2029\"");
    assert_string(remote_slice_str("\xff\xc3"), "\"\\ufffd\\ufffd\"");
    assert_string(remote_slice_str("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""); /* surrogate */
    assert_string(remote_slice_str("\xc0\x80"), "\"\\ufffd\\ufffd\"");            /* overlong */
    assert_string(remote_slice_str("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
}

static void assert_time(int64_t seconds, int32_t ns, const char *expected)
{
    CLEANUP(remote_buf_clear) struct remote_buf json = { 0 };

    kesd_json_time(&json, seconds, ns);
    assert_string_equal((const char *)json.data, expected);
}

static void test_time_when_written_then_without_zeros_at_its_end(void **state)
{
    (void)state;
    assert_time(1795418550, 120857147, "\"2026-11-23T07:22:30.120857147Z\"");
    assert_time(1795418550, 120000000, "\"2026-11-23T07:22:30.12Z\"");
    assert_time(1795418550, 1000, "\"2026-11-23T07:22:30.000001Z\"");
    assert_time(1651399200, 0, "\"2022-05-01T10:00:00Z\"");
    assert_time(-62135596800, 0, "\"0001-01-01T00:00:00Z\"");
    assert_time(INT64_MAX, 0, "\"0001-01-01T00:00:00Z\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_when_special_then_escaped),
        cmocka_unit_test(test_text_when_utf8_then_kept_and_broken_replaced),
        cmocka_unit_test(test_time_when_written_then_without_zeros_at_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
