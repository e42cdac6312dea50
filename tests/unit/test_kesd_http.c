/* SPDX-License-Identifier: Apache-2.0 */
/* Requests out of bytes, however they are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api.h"
#include "http.h"

#define HOST "Host: kes\r\n"

static struct kesd_http *parse(const char *text, size_t *ret_used)
{
    struct kesd_http *http = test_malloc(sizeof(*http));

    kesd_http_init(http);
    *ret_used = kesd_http_feed(http, remote_slice_str(text));
    return http;
}

static void end(struct kesd_http *http)
{
    kesd_http_clear(http);
    test_free(http);
}

static void assert_slice(struct remote_slice slice, const char *text)
{
    assert_int_equal(slice.len, strlen(text));
    assert_memory_equal(slice.data, text, slice.len);
}

static void test_whole_request_points_into_the_bytes(void **state)
{
    static const char text[] = "PUT /v1/key/generate/k?x=1 HTTP/1.1\r\n" HOST
                               "Content-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\n";
    size_t used;
    struct kesd_http *http = parse(text, &used);

    (void)state;
    assert_int_equal(http->state, KESD_HTTP_WHOLE);
    assert_slice(kesd_http_method(http), "PUT");
    assert_slice(http->target.slice, "/v1/key/generate/k?x=1");
    assert_ptr_equal(http->target.slice.data, text + 4);
    assert_slice(http->body.slice, "{}");
    assert_string_equal(text + used, "GET / HTTP/1.1\r\n");
    assert_true(http->keep_alive);
    assert_false(http->chunked);
    end(http);
}

static void test_request_that_comes_byte_by_byte_is_the_same(void **state)
{
    static const char text[] = "POST /v1/key/decrypt/name HTTP/1.1\r\nhOsT:\r\nX:\r\n"
                               "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                               "3\r\nabc\r\n5;ext=1\r\ndefgh\r\n0\r\nTrailer: 1\r\n\r\n";
    struct kesd_http http;
    size_t used = 0;

    (void)state;
    kesd_http_init(&http);
    for (const char *at = text; *at != '\0'; at++) {
        char *byte = test_malloc(1); /* a sanitizer sees who looks at it later */

        assert_int_not_equal(http.state, KESD_HTTP_WHOLE);
        *byte = *at;
        used += kesd_http_feed(&http, remote_slice(byte, 1));
        assert_true(kesd_http_hold(&http));
        test_free(byte);
    }
    assert_int_equal(http.state, KESD_HTTP_WHOLE);
    assert_int_equal(used, strlen(text));
    assert_slice(http.target.slice, "/v1/key/decrypt/name");
    assert_slice(http.body.slice, "abcdefgh");
    assert_true(http.chunked);
    assert_false(http.keep_alive);
    kesd_http_clear(&http);
}

static void test_next_request_is_read_after_the_first(void **state)
{
    static const char text[] = "GET /a HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.0\r\n\r\n";
    size_t used;
    struct kesd_http *http = parse(text, &used);

    (void)state;
    assert_slice(http->target.slice, "/a");
    kesd_http_next(http);
    assert_int_equal(http->state, KESD_HTTP_EMPTY);
    used += kesd_http_feed(http, remote_slice_str(text + used));
    assert_int_equal(http->state, KESD_HTTP_WHOLE);
    assert_slice(http->target.slice, "/b");
    assert_false(http->keep_alive);
    assert_int_equal(used, strlen(text));
    end(http);
}

static void test_client_waits_for_leave_until_its_body_comes(void **state)
{
    static const char *const no[] = { "Expect: 200-maybe\r\n", "Expectation: 100-continue\r\n",
                                      "Exp: 100-continue\r\n", "X: 100-continue\r\n" };
    size_t used;
    struct kesd_http *http =
        parse("PUT / HTTP/1.1\r\n" HOST "eXpect: 100-Continue\r\nContent-Length: 1\r\n\r\n", &used);

    (void)state;
    assert_int_equal(http->state, KESD_HTTP_BODY);
    assert_true(http->wants_continue);
    kesd_http_feed(http, remote_slice_str("x"));
    assert_int_equal(http->state, KESD_HTTP_WHOLE);
    assert_false(http->wants_continue);
    end(http);
    for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
        char text[200];

        snprintf(text, sizeof(text), "PUT / HTTP/1.1\r\n" HOST "%sContent-Length: 1\r\n\r\n",
                 no[i]);
        http = parse(text, &used);
        assert_int_equal(http->state, KESD_HTTP_BODY);
        assert_false(http->wants_continue);
        end(http);
    }
}

static void feed_zeros(struct kesd_http *http, size_t len)
{
    char *zeros = test_calloc(1, len);

    kesd_http_feed(http, remote_slice(zeros, len));
    (void)kesd_http_hold(http);
    test_free(zeros);
}

static void test_body_of_a_million_bytes_is_the_longest(void **state)
{
    size_t used;
    struct kesd_http *http =
        parse("PUT / HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n", &used);

    (void)state;
    feed_zeros(http, KESD_BODY_MAX - 1);
    assert_int_equal(http->state, KESD_HTTP_BODY);
    feed_zeros(http, 1);
    assert_int_equal(http->state, KESD_HTTP_WHOLE);
    assert_int_equal(http->body.slice.len, KESD_BODY_MAX);
    assert_false(http->body_too_long);
    end(http);
    http = parse("PUT / HTTP/1.1\r\n" HOST "Content-Length: 1000001\r\n\r\n", &used);
    assert_int_equal(http->state, KESD_HTTP_WHOLE);
    assert_true(http->body_too_long);
    assert_int_equal(http->body.slice.len, 0);
    end(http);
    http = parse("PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nF4241\r\n", &used);
    feed_zeros(http, KESD_BODY_MAX);
    assert_int_equal(http->state, KESD_HTTP_BODY);
    feed_zeros(http, 1);
    assert_int_equal(http->state, KESD_HTTP_WHOLE);
    assert_true(http->body_too_long);
    end(http);
}

static void test_what_is_no_request_is_answered_so(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        { "nonsense\r\n\r\n", 400 },
        { "\x16\x03\x01", 400 },
        { "GET / HTTP/1.1\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
          400 },
        { "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", 400 },
        { "GET / HTTP/1.1\r\n" HOST "a b: c\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length : 1\r\n\r\nx", 400 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t used;
        struct kesd_http *http = parse(cases[i].text, &used);

        if (http->state != KESD_HTTP_BAD || http->status != cases[i].status)
            fail_msg("'%s' makes state %d and status %d", cases[i].text, (int)http->state,
                     http->status);
        end(http);
    }
}

static void test_header_without_an_end_is_refused(void **state)
{
    struct kesd_http http;
    size_t fed = 0;

    (void)state;
    kesd_http_init(&http);
    kesd_http_feed(&http, remote_slice_str("GET / HTTP/1.1\r\nX: "));
    while (http.state == KESD_HTTP_HEADER && fed < 10u * KESD_HEADER_MAX) {
        char some[1024];

        memset(some, 'a', sizeof(some));
        fed += kesd_http_feed(&http, remote_slice(some, sizeof(some)));
    }
    assert_int_equal(http.state, KESD_HTTP_BAD);
    assert_int_equal(http.status, 431);
    assert_in_range(fed, KESD_HEADER_MAX - 2048, KESD_HEADER_MAX + 2048);
    kesd_http_clear(&http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_request_points_into_the_bytes),
        cmocka_unit_test(test_request_that_comes_byte_by_byte_is_the_same),
        cmocka_unit_test(test_next_request_is_read_after_the_first),
        cmocka_unit_test(test_client_waits_for_leave_until_its_body_comes),
        cmocka_unit_test(test_body_of_a_million_bytes_is_the_longest),
        cmocka_unit_test(test_what_is_no_request_is_answered_so),
        cmocka_unit_test(test_header_without_an_end_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
