/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "word.h"

static void test_distance_counts_each_kind_of_edit_once(void **state)
{
    (void)state;
    assert_int_equal(remote_word_distance("timeout", "timeout"), 0);
    assert_int_equal(remote_word_distance("tmeout", "timeout"), 1);   /* insert */
    assert_int_equal(remote_word_distance("timeoutt", "timeout"), 1); /* delete */
    assert_int_equal(remote_word_distance("timeoit", "timeout"), 1);  /* replace */
    assert_int_equal(remote_word_distance("tiemout", "timeout"), 1);  /* swap */
    assert_int_equal(remote_word_distance("", "abc"), 3);
    assert_int_equal(remote_word_distance("abc", ""), 3);
}

static void test_distance_takes_no_notice_of_case(void **state)
{
    (void)state;
    assert_int_equal(remote_word_distance("ECDSA-sha256", "ecdsa-SHA256"), 0);
}

static void test_distance_when_words_are_long_then_looks_at_their_beginning(void **state)
{
    char a[200], b[200];

    (void)state;
    memset(a, 'a', sizeof(a));
    memset(b, 'a', sizeof(b));
    a[199] = b[199] = '\0';
    b[150] = 'b';
    assert_int_equal(remote_word_distance(a, b), 0);
    b[10] = 'b';
    assert_int_equal(remote_word_distance(a, b), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance_counts_each_kind_of_edit_once),
        cmocka_unit_test(test_distance_takes_no_notice_of_case),
        cmocka_unit_test(test_distance_when_words_are_long_then_looks_at_their_beginning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
