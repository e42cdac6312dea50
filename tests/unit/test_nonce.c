/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "in_guard.h"
#include "nonce.h"

#define LEN 12
#define MANY 1000

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, LEN);
}

static void take(unsigned char *ret, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(remote_local_nonce(ret + i * LEN, LEN, NULL), REMOTE_OK);
}

static void check_all_differ(unsigned char *nonces, size_t count)
{
    qsort(nonces, count, LEN, compare);
    for (size_t i = 1; i < count; i++)
        assert_memory_not_equal(nonces + (i - 1) * LEN, nonces + i * LEN, LEN);
}

static void test_nonce_when_taken_often_then_never_the_same(void **state)
{
    static unsigned char nonces[MANY * LEN];

    (void)state;
    take(nonces, MANY);
    check_all_differ(nonces, MANY);
}

static void test_nonce_when_in_parent_and_child_then_they_differ(void **state)
{
    unsigned char nonces[3 * LEN];
    int pipes[2];
    pid_t child;

    (void)state;
    take(nonces, 1); /* a stock that both would have */
    assert_int_equal(pipe(pipes), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool good = remote_local_nonce(nonces, LEN, NULL) == REMOTE_OK &&
                    write(pipes[1], nonces, LEN) == LEN;

        _exit(good ? 0 : 1);
    }
    take(nonces + LEN, 1);
    assert_int_equal(read(pipes[0], nonces + 2 * LEN, LEN), LEN);
    assert_int_equal(waitpid(child, NULL, 0), child);
    check_all_differ(nonces, 3);
    close(pipes[0]);
    close(pipes[1]);
}

static void test_nonce_when_too_long_then_refused(void **state)
{
    unsigned char nonce[REMOTE_NONCE_MAX + 1];

    (void)state;
    assert_int_equal(remote_local_nonce(nonce, sizeof(nonce), NULL), REMOTE_E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nonce_when_taken_often_then_never_the_same),
        cmocka_unit_test(test_nonce_when_in_parent_and_child_then_they_differ),
        cmocka_unit_test(test_nonce_when_too_long_then_refused),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
