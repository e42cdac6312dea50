/* SPDX-License-Identifier: Apache-2.0 */
/* Names, patterns of listings, identities. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "name.h"

#define A80 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX64 "60746e72f32d9626386d19b4d6243f34ba247eef6bcb35d51932be63d76f35ba"

static bool is_fit(const char *name)
{
    return kesd_name_is_fit(remote_slice_str(name));
}

static void test_name_when_within_the_rules_then_fit(void **state)
{
    static const char *const names[] = { "a", "A0_-z", "__", "_x", "x_", A80, "a-b" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_true(is_fit(names[i]));
}

static void test_name_when_outside_the_rules_then_unfit(void **state)
{
    static const char *const names[] = { "",    "_",   "-",   "-x",  "x-",       A80 "a",
                                         "a b", "a/b", "a.b", "a:b", "\xc3\xbc", "*" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_false(is_fit(names[i]));
    assert_false(kesd_name_is_fit(remote_slice("a\0b", 3)));
}

static void test_pattern_when_a_star_stands_behind_it_then_a_prefix(void **state)
{
    char prefix[KESD_NAME_MAX + 1];

    (void)state;
    assert_true(kesd_pattern_read(remote_slice_str("app1*"), prefix));
    assert_string_equal(prefix, "app1");
    assert_true(kesd_pattern_read(remote_slice_str("*"), prefix));
    assert_string_equal(prefix, "");
    assert_true(kesd_pattern_read(remote_slice_str(""), prefix));
    assert_string_equal(prefix, "");
    assert_false(kesd_pattern_read(remote_slice_str("app1-"), prefix));
    assert_false(kesd_pattern_read(remote_slice_str("a*b"), prefix));
    assert_false(kesd_pattern_read(remote_slice_str("a**"), prefix));
}

static void test_identity_when_64_hex_digits_then_in_lower_case(void **state)
{
    char identity[KESD_IDENTITY_LEN + 1] = "before";

    (void)state;
    assert_false(kesd_identity_read("disabled", identity));
    assert_false(kesd_identity_read(HEX64 "0", identity));
    assert_string_equal(identity, "before");
    assert_true(
        kesd_identity_read("60746E72F32D9626386D19B4D6243F34BA247EEF6BCB35D51932BE63D76F35BA",
                           identity));
    assert_string_equal(identity, HEX64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_when_within_the_rules_then_fit),
        cmocka_unit_test(test_name_when_outside_the_rules_then_unfit),
        cmocka_unit_test(test_pattern_when_a_star_stands_behind_it_then_a_prefix),
        cmocka_unit_test(test_identity_when_64_hex_digits_then_in_lower_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
