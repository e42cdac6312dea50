/* SPDX-License-Identifier: Apache-2.0 */
/* Who listens to a log, and what is heard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit.h"

struct ear {
    struct kesd_listener listener; /* first */
    struct remote_buf heard;
    unsigned lines;
};

static void hear(struct kesd_listener *listener, struct remote_slice line)
{
    struct ear *ear = (struct ear *)listener;

    ear->lines++;
    remote_buf_append(&ear->heard, line.data, line.len);
}

static struct kesd_audit audit;

static int set_up(void **state)
{
    (void)state;
    audit = (struct kesd_audit){ 0 };
    kesd_audit_init(&audit);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kesd_audit_clear(&audit);
    return 0;
}

static void tell(const char *path)
{
    const struct kesd_request request = { .peer = "192.0.2.1" };
    const struct kesd_event event = { &request, remote_slice_str(path), "00ff", 200, 42 };

    kesd_audit_event(&audit, false, &event);
}

static void test_event_when_somebody_listens_then_one_line_of_json(void **state)
{
    struct ear ear = { .listener.line = hear };
    const char *rest;

    (void)state;
    kesd_audit_listen(&audit, KESD_STREAM_AUDIT, &ear.listener);
    tell("/v1/key/create/<a>");
    kesd_audit_unlisten(&audit, KESD_STREAM_AUDIT, &ear.listener);
    tell("/v1/key/create/b");
    assert_int_equal(ear.lines, 1);
    assert_memory_equal(ear.heard.data, "{\"time\":\"2", 10);
    rest = strstr((const char *)ear.heard.data, "\",\"request\"");
    assert_non_null(rest);
    assert_string_equal(rest, "\",\"request\":{\"ip\":\"192.0.2.1\",\"path\":\"/v1/key/create/"
                              "\\u003ca\\u003e\",\"identity\":\"00ff\"},\"response\":{\"code\":200,"
                              "\"time\":42000}}\n");
    remote_buf_clear(&ear.heard);
}

static void test_fault_when_several_listen_then_each_hears_its_stream_alone(void **state)
{
    struct ear a = { .listener.line = hear }, b = a, other = a;

    (void)state;
    kesd_audit_listen(&audit, KESD_STREAM_ERROR, &a.listener);
    kesd_audit_listen(&audit, KESD_STREAM_ERROR, &b.listener);
    kesd_audit_listen(&audit, KESD_STREAM_AUDIT, &other.listener);
    kesd_audit_fault(&audit, false, "it \"broke\"");
    kesd_audit_unlisten(&audit, KESD_STREAM_ERROR, &b.listener);
    kesd_audit_fault(&audit, false, "again");
    kesd_audit_unlisten(&audit, KESD_STREAM_ERROR, &a.listener);
    kesd_audit_unlisten(&audit, KESD_STREAM_AUDIT, &other.listener);
    assert_string_equal((const char *)a.heard.data,
                        "{\"message\":\"it \\\"broke\\\"\"}\n{\"message\":\"again\"}\n");
    assert_int_equal(b.lines, 1);
    assert_int_equal(other.lines, 0);
    assert_int_equal(audit.streams[KESD_STREAM_ERROR].events, 2);
    remote_buf_clear(&a.heard);
    remote_buf_clear(&b.heard);
}

static void *talk(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++)
        kesd_audit_fault(&audit, false, "x");
    return NULL;
}

/* Memory is given back right after; a sanitizer sees a call that comes late. */
static void test_unlisten_when_lines_come_all_the_time_then_none_comes_after(void **state)
{
    pthread_t threads[2];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, talk, NULL), 0);
    for (int i = 0; i < 500; i++) {
        struct ear *ear = calloc(1, sizeof(*ear));

        assert_non_null(ear);
        ear->listener.line = hear;
        kesd_audit_listen(&audit, KESD_STREAM_ERROR, &ear->listener);
        kesd_audit_unlisten(&audit, KESD_STREAM_ERROR, &ear->listener);
        remote_buf_clear(&ear->heard);
        memset(ear, 0xff, sizeof(*ear)); /* line() of it would not come back */
        free(ear);
    }
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_null(audit.streams[KESD_STREAM_ERROR].first);
    assert_int_equal(audit.streams[KESD_STREAM_ERROR].listeners, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_event_when_somebody_listens_then_one_line_of_json,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_fault_when_several_listen_then_each_hears_its_stream_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_unlisten_when_lines_come_all_the_time_then_none_comes_after, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
