/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of the KES-compatible server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/kes/options.h"

static enum remote_rc parse(const char *word, struct kesd_options *ret, struct remote_error *err)
{
    char *argv[] = { (char *)(uintptr_t) "hsmbridge-kes", (char *)(uintptr_t)word };

    return kesd_options_parse(2, argv, ret, err);
}

static void test_defaults_and_values(void **state)
{
    char *argv[] = { (char *)(uintptr_t) "hsmbridge-kes",
                     (char *)(uintptr_t) "--threads",
                     (char *)(uintptr_t) "3",
                     (char *)(uintptr_t) "--spin=50",
                     (char *)(uintptr_t) "--drain-timeout=2s",
                     (char *)(uintptr_t) "-address",
                     (char *)(uintptr_t) "[::1]:7373" };
    struct kesd_options options;

    (void)state;
    assert_int_equal(kesd_options_parse(1, argv, &options, NULL), REMOTE_OK);
    assert_int_equal(options.threads, 0);
    assert_int_equal(options.workers, 8);
    assert_int_equal(options.spin_us, 0);
    assert_int_equal(options.drain_timeout_ms, 10000);
    assert_null(options.address);
    assert_int_equal(kesd_options_parse(7, argv, &options, NULL), REMOTE_OK);
    assert_int_equal(options.threads, 3);
    assert_int_equal(options.spin_us, 50);
    assert_int_equal(options.drain_timeout_ms, 2000);
    assert_string_equal(options.address, "[::1]:7373");
}

static void test_what_is_wrong_is_said(void **state)
{
    static const char *const cases[][2] = {
        { "--thread=1", "did you mean 'threads'" },
        { "--threads=0", "--threads" },
        { "--workers=many", "--workers" },
        { "--kes-config", "--kes-config needs a value: FILE" },
        { "start", "'start' is no option" },
        { "--version=2", "takes true or false" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct kesd_options options;
        struct remote_error err = { 0 };

        assert_int_equal(parse(cases[i][0], &options, &err), REMOTE_E_USAGE);
        if (strstr(err.text, cases[i][1]) == NULL)
            fail_msg("'%s' does not say '%s'", err.text, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_and_values),
        cmocka_unit_test(test_what_is_wrong_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
