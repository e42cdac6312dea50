/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store.h"

static void add(struct kesd_names *names, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(kesd_names_add(names, list[i], NULL), REMOTE_OK);
}

static void test_choose_when_given_a_prefix_then_sorted_and_each_once(void **state)
{
    static const char *const list[] = { "b2", "a", "b1", "b2", "c", "b" };
    CLEANUP(kesd_names_clear) struct kesd_names names = { 0 };

    (void)state;
    add(&names, list, ARRAY_SIZE(list));
    kesd_names_choose(&names, "b", 10);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.names[0], "b");
    assert_string_equal(names.names[1], "b1");
    assert_string_equal(names.names[2], "b2");
    assert_null(names.more);
}

static void test_choose_when_there_are_more_then_says_which_is_next(void **state)
{
    static const char *const list[] = { "d", "c", "b", "a" };
    CLEANUP(kesd_names_clear) struct kesd_names names = { 0 };

    (void)state;
    add(&names, list, ARRAY_SIZE(list));
    kesd_names_choose(&names, "", 2);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.names[1], "b");
    assert_string_equal(names.more, "c");
}

static void test_choose_when_nothing_fits_then_empty(void **state)
{
    static const char *const list[] = { "a" };
    CLEANUP(kesd_names_clear) struct kesd_names names = { 0 };

    (void)state;
    kesd_names_choose(&names, "", 2);
    assert_int_equal(names.count, 0);
    add(&names, list, ARRAY_SIZE(list));
    kesd_names_choose(&names, "ab", 2);
    assert_int_equal(names.count, 0);
    assert_null(names.more);
}

static void test_add_when_it_cannot_be_a_key_then_passed_over(void **state)
{
    static const char *const list[] = { "", "-a", "a-", "_", "a.b", "a/b" };
    CLEANUP(kesd_names_clear) struct kesd_names names = { 0 };

    (void)state;
    add(&names, list, ARRAY_SIZE(list));
    assert_int_equal(names.count, 0);
}

static void test_add_when_many_then_all_are_there(void **state)
{
    CLEANUP(kesd_names_clear) struct kesd_names names = { 0 };
    char name[16];

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "k%03u", i);
        assert_int_equal(kesd_names_add(&names, name, NULL), REMOTE_OK);
    }
    kesd_names_choose(&names, "", 1000);
    assert_int_equal(names.count, 1000);
    assert_string_equal(names.names[999], "k999");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choose_when_given_a_prefix_then_sorted_and_each_once),
        cmocka_unit_test(test_choose_when_there_are_more_then_says_which_is_next),
        cmocka_unit_test(test_choose_when_nothing_fits_then_empty),
        cmocka_unit_test(test_add_when_it_cannot_be_a_key_then_passed_over),
        cmocka_unit_test(test_add_when_many_then_all_are_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
