/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of probes and scrapers, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http1.h"

static int parse(const char *text, struct daemon_http1_request *ret)
{
    daemon_http1_parse(remote_slice_str(text), ret);
    return ret->status;
}

static void test_parse_finds_the_path_without_its_query(void **state)
{
    struct daemon_http1_request request;

    (void)state;
    assert_int_equal(parse("GET /healthz?x=1 HTTP/1.1\r\nHost: a\r\n\r\n", &request), 200);
    assert_string_equal(request.path, "/healthz");
    assert_false(request.head);
    assert_int_equal(parse("HEAD /metrics HTTP/1.0\n\n", &request), 200);
    assert_string_equal(request.path, "/metrics");
    assert_true(request.head);
}

static void test_parse_waits_for_the_end_of_the_header(void **state)
{
    static char endless[9000];
    struct daemon_http1_request request;

    (void)state;
    assert_int_equal(parse("", &request), 0);
    assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\n", &request), 0);
    memset(endless, 'a', sizeof(endless) - 1);
    assert_int_equal(parse(endless, &request), 431);
}

static void test_parse_tells_what_is_not_served(void **state)
{
    static char far[300] = "GET /";
    struct daemon_http1_request request;

    (void)state;
    assert_int_equal(parse("POST / HTTP/1.1\r\n\r\n", &request), 405);
    assert_int_equal(parse("GET http://x/ HTTP/1.1\r\n\r\n", &request), 400);
    assert_int_equal(parse("GET /\r\n\r\n", &request), 400);
    assert_int_equal(parse("\r\n\r\n", &request), 400);
    assert_int_equal(parse("GET / HTTP/2\r\n\r\n", &request), 400);
    memset(far + 5, 'a', 200);
    strcpy(far + 205, " HTTP/1.1\r\n\r\n");
    assert_int_equal(parse(far, &request), 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_finds_the_path_without_its_query),
        cmocka_unit_test(test_parse_waits_for_the_end_of_the_header),
        cmocka_unit_test(test_parse_tells_what_is_not_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
