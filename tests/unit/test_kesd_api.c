/* SPDX-License-Identifier: Apache-2.0 */
/* From requests to answers, over keys in a directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "api.h"
#include "kesd_files.h"

#define ADMIN "60746e72f32d9626386d19b4d6243f34ba247eef6bcb35d51932be63d76f35ba"
#define APP "4c3bf738eba9bb797fe9da7b45035767d5b7b1d1478dfcc461d34237f073d5e0"
#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static struct remote_core *core;
static struct kesd_api *api;
static struct kesd_response response;

static struct kesd_settings *read_settings(const char *more)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    struct kesd_settings *settings = NULL;
    struct remote_error err = { 0 };

    remote_buf_printf(&text,
                      "%s[kes]\ncert_file = /c\nkey_file = /k\nstore_format = kes\ndirectory = %s\n"
                      "admin = " ADMIN "\nerror_log = no\n%s",
                      KESD_SLOTS, temp_dir, more);
    make_file("hsmbridge.conf", (const char *)text.data, 0600);
    if (kesd_settings_read(core, &settings, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    return settings;
}

static int set_up(void **state)
{
    struct kesd_settings *settings;
    struct kesd_keys *keys = NULL;

    if (temp_dir_make(state) != 0)
        return -1;
    core = kesd_core("");
    settings = read_settings("[kes-policy app]\nallow = /v1/key/generate/app* /v1/api\n"
                             "identities = " APP "\n");
    assert_int_equal(kesd_keys_new(core, settings, &keys, NULL), REMOTE_OK);
    return kesd_api_new(core, settings, keys, &api, NULL) == REMOTE_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    kesd_response_clear(&response);
    kesd_api_free(api);
    remote_core_close(core);
    return temp_dir_remove(state);
}

/* identity NULL: no certificate. */
static struct kesd_request request_of(const char *method, const char *target, const char *body,
                                      const char *identity)
{
    struct kesd_request request = {
        .method = remote_slice_str(method),
        .target = remote_slice_str(target),
        .body = remote_slice_str(body),
        .empty = body[0] == '\0',
        .certificate = identity ? KESD_CERT_ONE : KESD_CERT_NONE,
        .peer = "192.0.2.1",
    };

    if (identity)
        strcpy(request.identity, identity);
    return request;
}

static int ask_as(const char *identity, const char *method, const char *target, const char *body)
{
    struct kesd_request request = request_of(method, target, body, identity);

    kesd_response_clear(&response);
    assert_true(kesd_api_answer(api, &request, true, &response));
    return response.status;
}

static int ask(const char *method, const char *target, const char *body)
{
    return ask_as(ADMIN, method, target, body);
}

static const char *text(void)
{
    return response.body.data ? (const char *)response.body.data : "";
}

static void test_checks_when_several_would_fail_then_the_first_one_speaks(void **state)
{
    (void)state;
    assert_int_equal(ask_as(NULL, "GET", "/v1/key/creat/a.b", ""), 404);
    assert_string_equal(text(), "404 page not found\n");
    assert_int_equal(ask_as(NULL, "GET", "/v1/key/create/a.b", ""), 405);
    assert_string_equal(response.extra, "Accept: PUT\r\n");
    assert_int_equal(ask_as(NULL, "PUT", "/v1/key/create/a.b", ""), 400);
    assert_string_equal(text(), "{\"message\":\"tls: client certificate is required\"\n}");
    assert_int_equal(ask_as(APP, "PUT", "/v1/key/create/a.b", ""), 403);
    assert_int_equal(ask("PUT", "/v1/key/decrypt/a.b", "{"), 400);
    assert_non_null(strstr(text(), "key name 'a.b' is empty, too long"));
    assert_int_equal(ask("PUT", "/v1/key/decrypt/none", "{"), 400);
    assert_non_null(strstr(text(), "invalid request body"));
    assert_int_equal(ask("PUT", "/v1/key/decrypt/none", "{}"), 404);
}

static void test_answer_when_it_would_block_then_nothing_has_happened(void **state)
{
    static const char *const calls[][3] = {
        { "PUT", "/v1/key/create/new", "" },
        { "PUT", "/v1/key/import/new", "{\"cipher\":\"AES256\",\"key\":\"" KEY "\"}" },
        { "DELETE", "/v1/key/delete/old", "" },
        { "GET", "/v1/key/list/", "" },
        { "GET", "/v1/ready", "" },
        { "GET", "/v1/status", "" },
    };

    (void)state;
    assert_int_equal(ask("PUT", "/v1/key/create/old", ""), 200);
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        struct kesd_request request = request_of(calls[i][0], calls[i][1], calls[i][2], ADMIN);

        kesd_response_clear(&response);
        assert_false(kesd_api_answer(api, &request, false, &response));
        assert_null(response.body.data);
    }
    assert_int_equal(ask("GET", "/v1/key/list/", ""), 200);
    assert_string_equal(text(), "{\"names\":[\"old\"]}\n");
    assert_int_equal(ask("GET", "/v1/metrics", ""), 200);
    assert_non_null(strstr(text(), "kes_http_request_success{code=\"200\"} 2\n"));
    assert_non_null(strstr(text(), "kes_http_request_active 0\n"));
}

static void test_use_when_the_key_is_at_hand_then_done_without_waiting(void **state)
{
    struct kesd_request request = request_of("PUT", "/v1/key/generate/app1", "", APP);

    (void)state;
    assert_int_equal(ask("PUT", "/v1/key/create/app1", ""), 200);
    assert_int_equal(ask("PUT", "/v1/key/generate/app1", ""), 200);
    kesd_response_clear(&response);
    assert_true(kesd_api_answer(api, &request, false, &response));
    assert_int_equal(response.status, 200);
    assert_int_equal(response.body.len, 181);
    assert_int_equal(ask("GET", "/v1/metrics", ""), 200);
    assert_non_null(strstr(text(), "\nhsmbridge_kes_requests_at_hand_total 1\n"));
    assert_non_null(strstr(text(), "\nhsmbridge_kes_requests_waited_total 2\n"));
}

static void test_body_when_too_long_then_the_connection_ends(void **state)
{
    struct kesd_request request = request_of("PUT", "/v1/key/encrypt/app1", "x", ADMIN);

    (void)state;
    assert_int_equal(ask("PUT", "/v1/key/create/app1", ""), 200);
    request.body_too_long = true;
    request.body = remote_slice("", 0);
    kesd_response_clear(&response);
    assert_true(kesd_api_answer(api, &request, true, &response));
    assert_int_equal(response.status, 400);
    assert_true(response.close);
    assert_string_equal(text(), "{\"message\":\"invalid request body\"\n}");
}

static void test_import_when_algorithm_or_size_is_wrong_then_not_acceptable(void **state)
{
    (void)state;
    assert_int_equal(ask("PUT", "/v1/key/import/i", "{\"key\":\"" KEY "\",\"cipher\":\"x<\"}"),
                     406);
    assert_string_equal(text(), "{\"message\":\"algorithm 'x\\u003c' is not supported\"\n}");
    assert_int_equal(ask("PUT", "/v1/key/import/i", "{\"key\":\"AAEC\",\"cipher\":\"ChaCha20\"}"),
                     406);
    assert_string_equal(text(), "{\"message\":\"invalid key size for 'ChaCha20'\"\n}");
    assert_int_equal(ask("PUT", "/v1/key/import/i", "{\"key\":\"" KEY "\",\"cipher\":\"AES256\"}"),
                     200);
    assert_int_equal(response.body.len, 0);
    assert_null(response.type);
}

static void test_certificate_when_expired_then_refused_only_if_that_is_configured(void **state)
{
    struct kesd_request request = request_of("GET", "/v1/api", "", ADMIN);

    (void)state;
    request.expires_s = 1000;
    kesd_response_clear(&response);
    assert_true(kesd_api_answer(api, &request, true, &response));
    assert_int_equal(response.status, 200);
    assert_int_equal(kesd_api_set(api, read_settings("client_cert_expiry = enforce\n"), NULL, NULL),
                     REMOTE_OK);
    kesd_response_clear(&response);
    assert_true(kesd_api_answer(api, &request, true, &response));
    assert_int_equal(response.status, 403);
    assert_non_null(strstr(text(), "client certificate has expired"));
}

static void test_self_when_a_policy_has_it_then_told_as_the_sdk_reads_it(void **state)
{
    (void)state;
    assert_int_equal(ask_as(APP, "GET", "/v1/identity/self/describe", ""), 200);
    assert_memory_equal(text(), "{\"identity\":\"" APP "\",\"created_at\":\"",
                        strlen("{\"identity\":\"" APP "\",\"created_at\":\""));
    assert_non_null(strstr(text(), "\"created_by\":\"" ADMIN "\",\"policy\":\"app\",\"allow\":{"
                                   "\"/v1/api\":{},\"/v1/key/generate/app*\":{}}}\n"));
    assert_int_equal(ask_as(NULL, "GET", "/v1/identity/self/describe", ""), 404);
}

static void test_redirection_when_it_would_break_a_header_then_encoded(void **state)
{
    static char target[400];

    (void)state;
    assert_int_equal(ask("GET", "//v1/key\"<\r\n>\xff", ""), 307);
    assert_string_equal(response.location, "/v1/key%22%3C%0D%0A%3E%FF");
    assert_int_equal(ask("PUT", "/v1/key/list?a=b", ""), 307);
    assert_string_equal(response.location, "/v1/key/list/?a=b");
    assert_int_equal(response.body.len, 0);
    memset(target, '/', sizeof(target) - 1);
    memset(target + 100, 'a', sizeof(target) - 101);
    assert_int_equal(ask("GET", target, ""), 404);
}

struct ear {
    struct kesd_listener listener; /* first */
    unsigned lines;
};

static void hear(struct kesd_listener *listener, struct remote_slice line)
{
    (void)line;
    ((struct ear *)listener)->lines++;
}

static void test_audit_when_all_is_asked_for_then_denials_too(void **state)
{
    struct ear ear = { .listener.line = hear };

    (void)state;
    kesd_api_listen(api, KESD_STREAM_AUDIT, &ear.listener);
    assert_int_equal(ask("PUT", "/v1/key/create/a", ""), 200);
    assert_int_equal(ask("PUT", "/v1/key/create/a", ""), 400);
    assert_int_equal(ask("PUT", "/v1/key/generate/a", ""), 200);
    assert_int_equal(ear.lines, 1); /* as KES does */
    {
        struct kesd_settings *settings = read_settings("audit = all\n");

        settings->log_audit = false; /* the test's own output stays readable */
        assert_int_equal(kesd_api_set(api, settings, NULL, NULL), REMOTE_OK);
    }
    assert_int_equal(ask("PUT", "/v1/key/generate/a", ""), 200);
    assert_int_equal(ask_as(APP, "PUT", "/v1/key/generate/a", ""), 403);
    assert_int_equal(ask("GET", "/nope", ""), 404);
    assert_int_equal(ear.lines, 3);
    kesd_api_unlisten(api, KESD_STREAM_AUDIT, &ear.listener);
}

static void *use(void *arg)
{
    CLEANUP(remote_guard_leave) struct remote_guard guard = { 0 };
    unsigned *failures = arg;

    if (remote_guard_enter(&guard, NULL) != REMOTE_OK)
        ++*failures;
    for (int i = 0; i < 2000; i++) {
        struct kesd_request request = request_of("PUT", "/v1/key/generate/k", "", ADMIN);
        struct kesd_response answer = { 0 };

        if (!kesd_api_answer(api, &request, true, &answer) || answer.status != 200)
            ++*failures;
        kesd_response_clear(&answer);
    }
    return NULL;
}

static void test_settings_when_replaced_under_load_then_every_request_is_answered(void **state)
{
    pthread_t threads[3];
    unsigned failures[ARRAY_SIZE(threads)] = { 0 };

    (void)state;
    assert_int_equal(ask("PUT", "/v1/key/create/k", ""), 200);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, &failures[i]), 0);
    for (int i = 0; i < 20; i++) {
        struct kesd_settings *settings = read_settings("");
        struct kesd_keys *keys = NULL;

        if (i % 2 == 0)
            assert_int_equal(kesd_keys_new(core, settings, &keys, NULL), REMOTE_OK);
        assert_int_equal(kesd_api_set(api, settings, keys, NULL), REMOTE_OK);
    }
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(failures[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define API_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        API_TEST(test_checks_when_several_would_fail_then_the_first_one_speaks),
        API_TEST(test_answer_when_it_would_block_then_nothing_has_happened),
        API_TEST(test_use_when_the_key_is_at_hand_then_done_without_waiting),
        API_TEST(test_body_when_too_long_then_the_connection_ends),
        API_TEST(test_import_when_algorithm_or_size_is_wrong_then_not_acceptable),
        API_TEST(test_certificate_when_expired_then_refused_only_if_that_is_configured),
        API_TEST(test_self_when_a_policy_has_it_then_told_as_the_sdk_reads_it),
        API_TEST(test_redirection_when_it_would_break_a_header_then_encoded),
        API_TEST(test_audit_when_all_is_asked_for_then_denials_too),
        API_TEST(test_settings_when_replaced_under_load_then_every_request_is_answered),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
