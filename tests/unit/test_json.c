/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"

static remote_json *read_good(const char *text)
{
    struct remote_error err = { 0 };
    remote_json *json = remote_json_read(remote_slice_str(text), &err);

    if (json == NULL)
        fail_msg("%s", err.text);
    return json;
}

static void test_members_are_found_by_path(void **state)
{
    remote_json *json = read_good("{\"data\":{\"keys\":{\"1\":{\"name\":\"P-256\"}},\"n\":7,"
                                  "\"yes\":true,\"list\":[\"a\",\"b\",3]}}");
    int64_t number = 0;

    (void)state;
    assert_string_equal(remote_json_text(json, "data.keys.1.name"), "P-256");
    assert_true(remote_json_slice(json, "data.keys.1.name").len == 5);
    assert_true(remote_json_number(json, "data.n", &number));
    assert_int_equal(number, 7);
    assert_true(remote_json_bool(json, "data.yes", false));
    assert_ptr_equal(remote_json_at(json, ""), json);
    assert_int_equal(remote_json_count(remote_json_at(json, "data.list")), 3);
    assert_string_equal(remote_json_string(remote_json_index(remote_json_at(json, "data.list"), 1)),
                        "b");
    assert_true(remote_json_is_object(remote_json_at(json, "data.keys")));
    remote_json_free(&json);
    assert_null(json);
}

static void test_members_of_another_kind_or_absent_are_nothing(void **state)
{
    remote_json *json = read_good("{\"s\":\"x\",\"n\":7,\"f\":1.5,\"o\":{},\"a\":[1],\"z\":null}");
    int64_t number = 42;

    (void)state;
    assert_null(remote_json_text(json, "n"));
    assert_null(remote_json_text(json, "z"));
    assert_null(remote_json_text(json, "absent"));
    assert_null(remote_json_text(json, "s.deeper"));
    assert_null(remote_json_at(json, "a.0"));
    assert_null(remote_json_slice(json, "o").data);
    assert_false(remote_json_number(json, "s", &number));
    assert_false(remote_json_number(json, "f", &number));
    assert_int_equal(number, 42); /* left alone */
    assert_true(remote_json_bool(json, "s", true));
    assert_false(remote_json_bool(json, "absent", false));
    assert_int_equal(remote_json_count(remote_json_at(json, "o")), 0);
    assert_null(remote_json_index(remote_json_at(json, "a"), 1));
    assert_null(remote_json_string(NULL));
    assert_false(remote_json_is_object(NULL));
    remote_json_free(&json);
    remote_json_free(&json);
}

static void test_path_with_a_very_long_member_is_nothing(void **state)
{
    remote_json *json = read_good("{\"a\":1}");
    char path[200];

    (void)state;
    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_null(remote_json_at(json, path));
    remote_json_free(&json);
}

static void test_what_is_not_json_is_told_by_its_place_alone(void **state)
{
    static const char *const texts[] = {
        "",
        "hvs.secret",
        "{\"token\":\"hvs.secret\"",
        "{\"a\":1,\"a\":2}",
        "{} {}",
        "{\"a\":123456789012345678901234567890}",
        "{\"a\":\"\\u0000\"}",
        "\"\xff\"",
        "{'a':1}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct remote_error err = { 0 };

        assert_null(remote_json_read(remote_slice_str(texts[i]), &err));
        assert_int_equal(err.rc, REMOTE_E_PROTOCOL);
        assert_non_null(strstr(err.text, "the answer is not JSON (at byte "));
        assert_null(strstr(err.text, "secret"));
    }
}

static void test_deep_nesting_is_refused(void **state)
{
    size_t depth = 1000000;
    char *text = malloc(depth);
    struct remote_error err = { 0 };

    (void)state;
    memset(text, '[', depth);
    assert_null(remote_json_read(remote_slice(text, depth), &err));
    assert_int_equal(err.rc, REMOTE_E_PROTOCOL);
    free(text);
}

struct walk {
    size_t count;
    enum remote_rc stop;
};

static enum remote_rc step(void *arg, const char *member, const remote_json *value)
{
    struct walk *walk = arg;
    int64_t number = 0;

    assert_true(remote_json_number_value(value, &number));
    assert_int_equal(strtol(member, NULL, 10), number);
    return ++walk->count == 2 ? walk->stop : REMOTE_OK;
}

static void test_each_member_is_visited_until_one_ends_it(void **state)
{
    remote_json *json = read_good("{\"1\":1,\"2\":2,\"3\":3}");
    struct walk all = { 0, REMOTE_OK }, stopped = { 0, REMOTE_E_DATA };

    (void)state;
    assert_int_equal(remote_json_each(json, step, &all), REMOTE_OK);
    assert_int_equal(all.count, 3);
    assert_int_equal(remote_json_each(json, step, &stopped), REMOTE_E_DATA);
    assert_int_equal(stopped.count, 2);
    remote_json_free(&json);
    json = read_good("[1]");
    assert_int_equal(remote_json_each(json, step, &all), REMOTE_OK); /* no object: no members */
    assert_int_equal(all.count, 3);
    remote_json_free(&json);
}

static void test_strings_are_written_with_every_escape_that_is_due(void **state)
{
    struct remote_buf buf = { 0 };

    (void)state;
    remote_json_append_string(&buf, remote_slice("a\"b\\c\n\x01\x7f\xc3\xa4/", 11));
    assert_string_equal((char *)buf.data, "\"a\\\"b\\\\c\\u000a\\u0001\\u007f\xc3\xa4/\"");
    remote_buf_clear(&buf);
    remote_json_append_string(&buf, remote_slice(NULL, 0));
    assert_string_equal((char *)buf.data, "\"\"");
    remote_buf_clear(&buf);
}

static void test_written_strings_read_back_the_same(void **state)
{
    char all[128];
    struct remote_buf buf = { 0 };
    remote_json *json;

    (void)state;
    for (size_t i = 0; i < 127; i++)
        all[i] = (char)(i + 1);
    remote_buf_append_str(&buf, "{\"a\":");
    remote_json_append_string(&buf, remote_slice(all, 127));
    remote_buf_append_char(&buf, '}');
    json = read_good((char *)buf.data);
    assert_true(remote_slice_equal(remote_json_slice(json, "a"), remote_slice(all, 127)));
    remote_json_free(&json);
    remote_buf_clear(&buf);
}

static void test_bytes_are_written_as_base64(void **state)
{
    struct remote_buf buf = { 0 };

    (void)state;
    remote_json_append_base64(&buf, remote_slice_str("hello world"));
    assert_string_equal((char *)buf.data, "\"aGVsbG8gd29ybGQ=\"");
    remote_buf_clear(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_are_found_by_path),
        cmocka_unit_test(test_members_of_another_kind_or_absent_are_nothing),
        cmocka_unit_test(test_path_with_a_very_long_member_is_nothing),
        cmocka_unit_test(test_what_is_not_json_is_told_by_its_place_alone),
        cmocka_unit_test(test_deep_nesting_is_refused),
        cmocka_unit_test(test_each_member_is_visited_until_one_ends_it),
        cmocka_unit_test(test_strings_are_written_with_every_escape_that_is_due),
        cmocka_unit_test(test_written_strings_read_back_the_same),
        cmocka_unit_test(test_bytes_are_written_as_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
