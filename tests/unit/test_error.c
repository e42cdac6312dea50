/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "error.h"

static enum remote_rc fails(struct remote_error *err)
{
    return REMOTE_FAIL(err, REMOTE_E_BUSY, "slot '%s' is busy", "web");
}

static enum remote_rc tries(struct remote_error *err)
{
    REMOTE_TRY(fails(err));
    return REMOTE_OK;
}

static void test_fail_with_err_fills_it_and_returns_the_code(void **state)
{
    struct remote_error err = { .http_status = 429, .retry_after_s = 7 };

    (void)state;
    assert_int_equal(tries(&err), REMOTE_E_BUSY);
    assert_int_equal(err.rc, REMOTE_E_BUSY);
    assert_string_equal(err.text, "slot 'web' is busy");
    assert_string_equal(err.func, "fails");
    assert_int_equal(err.http_status, 429); /* its own facts, not the text's */
    assert_int_equal(err.retry_after_s, 7);
}

static void test_fail_without_err_returns_the_code(void **state)
{
    (void)state;
    assert_int_equal(fails(NULL), REMOTE_E_BUSY);
    remote_error_prefix(NULL, "nobody");
}

static void test_fail_with_its_own_text_as_argument_keeps_it(void **state)
{
    struct remote_error err = { 0 };

    (void)state;
    (void)REMOTE_FAIL(&err, REMOTE_E_CONFIG, "no such file");
    (void)REMOTE_FAIL(&err, REMOTE_E_AUTH, "token: %s", err.text);
    assert_string_equal(err.text, "token: no such file");
}

static void test_fail_with_control_characters_stays_one_printable_line(void **state)
{
    struct remote_error err = { 0 };

    (void)state;
    (void)REMOTE_FAIL(&err, REMOTE_E_PROTOCOL, "server said %s", "a\r\nb\x1b[31m\x7f\xc2\x9b");
    assert_string_equal(err.text, "server said a  b [31m   ");
}

static void test_fail_with_long_text_is_cut_at_a_character(void **state)
{
    struct remote_error err = { 0 };
    char text[2 * REMOTE_ERROR_TEXT_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1; i += 2)
        memcpy(text + i, "\xc3\xbc", 2); /* u with diaeresis */
    text[sizeof(text) - 1] = '\0';
    (void)REMOTE_FAIL(&err, REMOTE_E_PROTOCOL, "%s", text);
    assert_int_equal(strlen(err.text), REMOTE_ERROR_TEXT_MAX - 1);
    assert_string_equal(err.text + REMOTE_ERROR_TEXT_MAX - 4, "\xc3\xbc?");
}

static void test_prefix_goes_before_the_text(void **state)
{
    struct remote_error err = { 0 };

    (void)state;
    (void)fails(&err);
    remote_error_prefix(&err, "key '%s'", "app");
    assert_string_equal(err.text, "key 'app': slot 'web' is busy");
    assert_int_equal(err.rc, REMOTE_E_BUSY);
    assert_string_equal(err.func, "fails");
}

static void test_prefix_longer_than_the_text_is_cut(void **state)
{
    struct remote_error err = { 0 };
    char context[2 * REMOTE_ERROR_TEXT_MAX];

    (void)state;
    memset(context, 'c', sizeof(context) - 1);
    context[sizeof(context) - 1] = '\0';
    (void)fails(&err);
    remote_error_prefix(&err, "%s", context);
    assert_int_equal(strlen(err.text), REMOTE_ERROR_TEXT_MAX - 1);
    assert_int_equal(err.text[REMOTE_ERROR_TEXT_MAX - 2], 'c');
}

static void test_printable_with_utf8_keeps_what_is_well_formed(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "", "" },
        { "plain ~", "plain ~" },
        { "b\xc3\xbcro \xe2\x82\xac \xf0\x9f\x94\x91",
          "b\xc3\xbcro \xe2\x82\xac \xf0\x9f\x94\x91" },
        { "\xc0\xaf", "??" },           /* long form of '/' */
        { "\xe0\x80\xaf", "???" },      /* a longer one */
        { "\xed\xa0\x80", "???" },      /* surrogate */
        { "\xf4\x90\x80\x80", "????" }, /* above U+10FFFF */
        { "\xff\xfe", "??" },
        { "cut \xe2\x82", "cut ??" },
        { "\x80", "?" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32];

        snprintf(text, sizeof(text), "%s", cases[i].in);
        remote_printable(text);
        assert_string_equal(text, cases[i].out);
    }
}

static void test_rc_name_is_unique_for_every_code(void **state)
{
    (void)state;
    for (unsigned i = 0; i < REMOTE_RC_COUNT; i++) {
        assert_non_null(remote_rc_name((enum remote_rc)i));
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(remote_rc_name((enum remote_rc)i),
                                    remote_rc_name((enum remote_rc)j));
    }
    assert_string_equal(remote_rc_name(REMOTE_E_TIMEOUT), "timeout");
    assert_string_equal(remote_rc_name(REMOTE_RC_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_with_err_fills_it_and_returns_the_code),
        cmocka_unit_test(test_fail_without_err_returns_the_code),
        cmocka_unit_test(test_fail_with_its_own_text_as_argument_keeps_it),
        cmocka_unit_test(test_fail_with_control_characters_stays_one_printable_line),
        cmocka_unit_test(test_fail_with_long_text_is_cut_at_a_character),
        cmocka_unit_test(test_prefix_goes_before_the_text),
        cmocka_unit_test(test_prefix_longer_than_the_text_is_cut),
        cmocka_unit_test(test_printable_with_utf8_keeps_what_is_well_formed),
        cmocka_unit_test(test_rc_name_is_unique_for_every_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
