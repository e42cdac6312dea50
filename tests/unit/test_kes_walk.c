/* SPDX-License-Identifier: Apache-2.0 */
/* Names, and the walk through more of them than KES lists at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kes.h"

static void assert_next(const char *page, const char *continue_at, const char *expected)
{
    struct remote_error err = { 0 };
    char *next = NULL;

    if (kes_walk_next(page, continue_at, &next, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    if (expected == NULL)
        assert_null(next);
    else
        assert_string_equal(next, expected);
    free(next);
}

static bool fits(const char *name)
{
    return kes_name_fits(remote_slice_str(name));
}

static void test_name_when_kes_takes_it_then_fits(void **state)
{
    char longest[KES_NAME_MAX + 2];

    (void)state;
    memset(longest, 'a', sizeof(longest));
    longest[KES_NAME_MAX] = '\0';
    assert_true(fits(longest));
    longest[KES_NAME_MAX] = 'a';
    longest[KES_NAME_MAX + 1] = '\0';
    assert_false(fits(longest));
    assert_true(fits("app-1_X") && fits("_x") && fits("x_") && fits("__") && fits("0"));
    assert_false(fits("") || fits("_") || fits("-x") || fits("x-") || fits("a.b") || fits("a/b"));
    assert_false(fits("\xc3\xbc") || fits("a b"));
    assert_false(kes_name_fits(remote_slice("a\0b", 3)));
}

static void test_walk_when_the_first_answer_is_complete_then_ends(void **state)
{
    (void)state;
    assert_next(NULL, NULL, NULL);
    assert_next(NULL, "", NULL);
}

static void test_walk_when_cut_short_then_goes_into_the_prefix_where_it_stopped(void **state)
{
    (void)state;
    assert_next(NULL, "app7", "a/app7");
    assert_next("a/app7", "app7", "ap/app7");
    assert_next("a/app7", NULL, "b/");
    assert_next("ap/app7", NULL, "aq/");
    assert_next("az/", NULL, "b/");
    assert_next("zz/", NULL, NULL);
}

static void test_walk_when_a_prefix_cannot_be_listed_then_those_below_it_are(void **state)
{
    (void)state;
    assert_next("a/", "a-b1", "a-b/a-b1");
    assert_next("a-z/", NULL, "a0/");
    assert_next(NULL, "_x", "_x/_x"); /* "_" alone is no prefix that KES takes */
    assert_next("Z/", NULL, "_--0/"); /* and so is one that ends in a dash */
    assert_next("_--z/", NULL, "_-0/");
    assert_next("_-z/", NULL, "_0/");
}

static void test_walk_when_the_server_lies_then_refused(void **state)
{
    static const char *const lies[] = { "b", "a", "a.b", "app-", "../x" };
    struct remote_error err = { 0 };
    char *next = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
        assert_int_equal(kes_walk_next("a/", lies[i], &next, &err), REMOTE_E_PROTOCOL);
        assert_null(next);
    }
}

/* Every name is met once, whatever the server has; here a server of 3 names at a time. */
static const char *const held[] = { "0",  "A",   "A--c", "A-b", "AB",  "ABC", "_-x",
                                    "_a", "a",   "a-1",  "a-2", "a-3", "a-4", "a0",
                                    "aa", "aaa", "aaaa", "ab",  "b",   "z",   "zz" };

static size_t answer(const char *page, const char **ret_names, const char **ret_continue)
{
    struct remote_slice prefix = kes_walk_prefix(page);
    size_t count = 0;

    *ret_continue = NULL;
    assert_true(prefix.len == 0 || kes_name_fits(prefix));
    for (size_t i = 0; i < ARRAY_SIZE(held); i++) {
        if (strncmp(held[i], prefix.data ? (const char *)prefix.data : "", prefix.len) != 0)
            continue;
        if (count == 3) {
            *ret_continue = held[i];
            break;
        }
        ret_names[count++] = held[i];
    }
    return count;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void test_walk_meets_every_name_once(void **state)
{
    const char *sorted[ARRAY_SIZE(held)];
    size_t met = 0, pages = 0;
    char *page = NULL;

    (void)state;
    memcpy(sorted, held, sizeof(held));
    qsort(sorted, ARRAY_SIZE(held), sizeof(sorted[0]), compare);
    assert_memory_equal(sorted, held, sizeof(held)); /* as KES sorts */
    do {
        const char *names[3], *more;
        size_t count = answer(page, names, &more);
        char *next = NULL;

        for (size_t i = 0; i < count; i++) {
            if (strcmp(names[i], kes_walk_from(page)) < 0)
                continue;
            assert_true(met < ARRAY_SIZE(held));
            assert_string_equal(names[i], held[met++]);
        }
        assert_int_equal(kes_walk_next(page, more, &next, NULL), REMOTE_OK);
        free(page);
        page = next;
        assert_true(++pages < 5000);
    } while (page != NULL);
    assert_int_equal(met, ARRAY_SIZE(held));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_when_kes_takes_it_then_fits),
        cmocka_unit_test(test_walk_when_the_first_answer_is_complete_then_ends),
        cmocka_unit_test(test_walk_when_cut_short_then_goes_into_the_prefix_where_it_stopped),
        cmocka_unit_test(test_walk_when_a_prefix_cannot_be_listed_then_those_below_it_are),
        cmocka_unit_test(test_walk_when_the_server_lies_then_refused),
        cmocka_unit_test(test_walk_meets_every_name_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
