/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libctx.h"
#include "uuid.h"

static void test_uuid_when_made_then_random_and_of_version_4(void **state)
{
    static const char digits[] = "0123456789abcdef";
    char one[REMOTE_UUID_SIZE], other[REMOTE_UUID_SIZE];
    struct remote_guard guard;

    (void)state;
    assert_int_equal(remote_guard_enter(&guard, NULL), REMOTE_OK);
    assert_int_equal(remote_uuid_make(one, NULL), REMOTE_OK);
    assert_int_equal(remote_uuid_make(other, NULL), REMOTE_OK);
    remote_guard_leave(&guard);
    assert_int_equal(strlen(one), REMOTE_UUID_SIZE - 1);
    assert_string_not_equal(one, other);
    for (size_t i = 0; i < REMOTE_UUID_SIZE - 1; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23)
            assert_int_equal(one[i], '-');
        else
            assert_non_null(strchr(digits, one[i]));
    assert_int_equal(one[14], '4');
    assert_non_null(strchr("89ab", one[19]));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuid_when_made_then_random_and_of_version_4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
