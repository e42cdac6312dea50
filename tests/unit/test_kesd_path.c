/* SPDX-License-Identifier: Apache-2.0 */
/* Targets of requests: which are cleaned, which are decoded, and what they lead to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "path.h"
#include "route.h"

static enum kesd_path read_path(const char *target, struct remote_buf *room, char ret[256])
{
    struct remote_slice path = { 0 }, query;
    enum kesd_path kind = kesd_path_read(remote_slice_str(target), room, &path, &query);

    assert_true(path.len < 256);
    if (path.len > 0)
        memcpy(ret, path.data, path.len);
    ret[path.len] = '\0';
    return kind;
}

static void assert_path(const char *target, enum kesd_path expected, const char *path)
{
    CLEANUP(remote_buf_clear) struct remote_buf room = { 0 };
    char found[256];
    enum kesd_path kind = read_path(target, &room, found);

    if (kind != expected || strcmp(found, path) != 0)
        fail_msg("%s gives %d %s", target, (int)kind, found);
}

static void test_path_when_clean_then_decoded(void **state)
{
    (void)state;
    assert_path("/version", KESD_PATH_OK, "/version");
    assert_path("/", KESD_PATH_OK, "/");
    assert_path("/v1/key/create/a?x=//..", KESD_PATH_OK, "/v1/key/create/a");
    assert_path("/v1/key/create/%41bc", KESD_PATH_OK, "/v1/key/create/Abc");
    assert_path("/v1/key/create/%2e%2e%2fb", KESD_PATH_OK, "/v1/key/create/../b");
    assert_path("/v1/key/create/.a", KESD_PATH_OK, "/v1/key/create/.a");
    assert_path("/v1/key/create/...", KESD_PATH_OK, "/v1/key/create/...");
    assert_path("https://host:7373/version", KESD_PATH_OK, "/version");
    assert_path("https://host", KESD_PATH_OK, "/");
}

static void test_path_when_not_clean_then_moved(void **state)
{
    (void)state;
    assert_path("/v1/key/create/..", KESD_PATH_MOVED, "/v1/key");
    assert_path("/v1/key/create/../x", KESD_PATH_MOVED, "/v1/key/x");
    assert_path("/v1/key/create/../", KESD_PATH_MOVED, "/v1/key/");
    assert_path("/v1/key/create//x", KESD_PATH_MOVED, "/v1/key/create/x");
    assert_path("//v1/key/create/x9", KESD_PATH_MOVED, "/v1/key/create/x9");
    assert_path("/v1/./key", KESD_PATH_MOVED, "/v1/key");
    assert_path("/v1/.", KESD_PATH_MOVED, "/v1");
    assert_path("/../../..", KESD_PATH_MOVED, "/");
    assert_path("//", KESD_PATH_MOVED, "/");
}

static void test_path_when_no_path_then_bad(void **state)
{
    (void)state;
    assert_path("", KESD_PATH_BAD, "");
    assert_path("*", KESD_PATH_BAD, "");
    assert_path("host:443", KESD_PATH_BAD, "");
    assert_path("/a%2", KESD_PATH_BAD, "/a%2");
    assert_path("/a%zz", KESD_PATH_BAD, "/a%zz");
}

static const char *route_of(const char *path)
{
    const struct kesd_route *route = kesd_route_find(remote_slice_str(path));

    return route ? route->path : "";
}

static void test_routes_when_a_name_follows_then_found_by_what_is_before(void **state)
{
    (void)state;
    assert_int_equal(kesd_route_count, 22);
    assert_string_equal(route_of("/version"), "/version");
    assert_string_equal(route_of("/version/"), "");
    assert_string_equal(route_of("/v1/key/create/"), "/v1/key/create/");
    assert_string_equal(route_of("/v1/key/create/a/b"), "/v1/key/create/");
    assert_string_equal(route_of("/v1/key/create"), "");
    assert_true(kesd_route_wants_slash(remote_slice_str("/v1/key/list")));
    assert_false(kesd_route_wants_slash(remote_slice_str("/v1/status")));
    assert_false(kesd_route_wants_slash(remote_slice_str("/v1/key/lisp")));
}

static void test_methods_when_post_then_taken_for_put_alone(void **state)
{
    const struct kesd_route *put = kesd_route_find(remote_slice_str("/v1/key/create/a"));
    const struct kesd_route *get = kesd_route_find(remote_slice_str("/v1/status"));

    (void)state;
    assert_true(kesd_route_takes(put, remote_slice_str("PUT")));
    assert_true(kesd_route_takes(put, remote_slice_str("POST")));
    assert_false(kesd_route_takes(put, remote_slice_str("GET")));
    assert_false(kesd_route_takes(get, remote_slice_str("POST")));
    assert_false(kesd_route_takes(get, remote_slice_str("HEAD")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_when_clean_then_decoded),
        cmocka_unit_test(test_path_when_not_clean_then_moved),
        cmocka_unit_test(test_path_when_no_path_then_bad),
        cmocka_unit_test(test_routes_when_a_name_follows_then_found_by_what_is_before),
        cmocka_unit_test(test_methods_when_post_then_taken_for_put_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
