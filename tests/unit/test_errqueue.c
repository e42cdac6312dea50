/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "errqueue.h"

typedef bool save_function(struct remote_errqueue *queue);

/* Whether the public calls can tell where marks are; else only moving the state keeps them. */
static bool marks_survive(save_function *save)
{
    return save == remote_errqueue_save || OPENSSL_version_major() > 3 ||
           OPENSSL_version_minor() >= 2;
}

static void raise_host_errors(void)
{
    ERR_clear_error();
    ERR_new();
    ERR_set_debug("host.c", 11, "host_first");
    ERR_set_error(ERR_LIB_EVP, ERR_R_INTERNAL_ERROR, "the first of %d", 3);
    ERR_set_mark();
    ERR_set_mark();
    ERR_new();
    ERR_set_debug("host.c", 22, "host_second");
    ERR_set_error(ERR_LIB_SYS, 2, NULL);
    ERR_new();
    ERR_set_debug("host.c", 33, "host_third");
    ERR_set_error(ERR_LIB_RSA, ERR_R_PASSED_NULL_PARAMETER, "third");
}

/* What a call of ours may do to the queue. */
static void misuse_queue(int errors)
{
    for (int i = 0; i < errors; i++)
        ERR_raise_data(ERR_LIB_X509, ERR_R_INTERNAL_ERROR, "ours, number %d of many", i);
    ERR_set_mark();
    ERR_pop_to_mark();
}

static void assert_next(unsigned long code, int line, const char *func, const char *data)
{
    const char *got_file, *got_func, *got_data;
    int got_line, flags;

    assert_int_equal(ERR_get_error_all(&got_file, &got_line, &got_func, &got_data, &flags), code);
    assert_int_equal(got_line, line);
    assert_string_equal(got_file, "host.c");
    assert_string_equal(got_func, func);
    assert_string_equal(got_data, data);
}

static void assert_host_errors(void)
{
    assert_next(ERR_PACK(ERR_LIB_EVP, 0, ERR_R_INTERNAL_ERROR), 11, "host_first", "the first of 3");
    assert_next(ERR_SYSTEM_FLAG | 2, 22, "host_second", "");
    assert_next(ERR_PACK(ERR_LIB_RSA, 0, ERR_R_PASSED_NULL_PARAMETER), 33, "host_third", "third");
    assert_int_equal(ERR_get_error(), 0);
}

static void test_save_and_restore_puts_entries_back(void **state)
{
    save_function *save = *state;
    struct remote_errqueue queue;

    for (int errors = 0; errors <= 40; errors += 8) { /* the queue holds 16 */
        raise_host_errors();
        assert_true(save(&queue));
        assert_int_equal(ERR_peek_error(), 0);
        misuse_queue(errors);
        remote_errqueue_restore(&queue);
        assert_host_errors();
    }
}

static void test_save_and_restore_puts_marks_back(void **state)
{
    save_function *save = *state;
    struct remote_errqueue queue;

    if (!marks_survive(save))
        skip();
    raise_host_errors();
    assert_true(save(&queue));
    misuse_queue(3);
    remote_errqueue_restore(&queue);
    assert_int_equal(ERR_pop_to_mark(), 1); /* two marks on the first entry, and no other */
    assert_int_equal(ERR_peek_last_error(), ERR_PACK(ERR_LIB_EVP, 0, ERR_R_INTERNAL_ERROR));
    assert_int_equal(ERR_pop_to_mark(), 1);
    assert_int_equal(ERR_pop_to_mark(), 0);
}

static void test_save_of_a_full_queue_keeps_all_sixteen(void **state)
{
    save_function *save = *state;
    struct remote_errqueue queue;
    int count = 0;

    ERR_clear_error();
    for (int i = 0; i < 20; i++)
        ERR_raise_data(ERR_LIB_EVP, ERR_R_INTERNAL_ERROR, "%d", i);
    assert_true(save(&queue));
    misuse_queue(20);
    remote_errqueue_restore(&queue);
    for (const char *data; ERR_get_error_all(NULL, NULL, NULL, &data, NULL) != 0; count++)
        assert_int_equal(atoi(data), 20 - 15 + count);
    assert_int_equal(count, 15); /* one place stays free, in every version */
}

static void test_save_of_an_empty_queue_saves_nothing(void **state)
{
    struct remote_errqueue queue;

    (void)state;
    ERR_clear_error();
    assert_true(remote_errqueue_save(&queue));
    assert_int_equal(queue.how, REMOTE_ERRQUEUE_NOTHING);
    misuse_queue(3);
    remote_errqueue_restore(&queue);
    assert_int_equal(ERR_peek_error(), 0);
}

int main(void)
{
    static save_function *const as_chosen = remote_errqueue_save;
    static save_function *const entries = remote_errqueue_save_entries;
#define BOTH(test)                                                                                 \
    cmocka_unit_test_prestate(test, *(void **)&as_chosen),                                         \
        cmocka_unit_test_prestate(test, *(void **)&entries)
    const struct CMUnitTest tests[] = {
        BOTH(test_save_and_restore_puts_entries_back),
        BOTH(test_save_and_restore_puts_marks_back),
        BOTH(test_save_of_a_full_queue_keeps_all_sixteen),
        cmocka_unit_test(test_save_of_an_empty_queue_saves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
