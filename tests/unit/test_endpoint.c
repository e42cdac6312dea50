/* SPDX-License-Identifier: Apache-2.0 */
/* Reading `url`, the circuit of each endpoint, the retry budget, known addresses. */
#include "memory.h"

#include <stdio.h>

#define SECTION "[slot web]\nbackend = memory\n"

static struct remote_config config;
static struct remote_endpoints endpoints;

static enum remote_rc open_endpoints(const char *options, struct remote_error *err)
{
    static char text[1024];
    const struct remote_option *const tables[] = { remote_options_slot, remote_options_https,
                                                   NULL };

    snprintf(text, sizeof(text), SECTION "%s", options);
    assert_ok(remote_config_parse("t.conf", remote_slice_str(text), &config, err), *err);
    assert_ok(remote_section_check(config.slots[0], tables, err), *err);
    return remote_endpoints_open(&endpoints, config.slots[0], err);
}

static void must_open(const char *options)
{
    struct remote_error err = { 0 };

    assert_ok(open_endpoints(options, &err), err);
}

static int teardown(void **state)
{
    remote_endpoints_close(&endpoints);
    remote_config_clear(&config);
    return memory_teardown(state);
}

/* ---- url ---- */

static void test_url_is_taken_apart(void **state)
{
    const struct remote_endpoint *e = endpoints.list;

    (void)state;
    must_open("url = https://vault.example:8200/ https://10.0.0.1 https://[::1]:8443/base/\n");
    assert_int_equal(endpoints.count, 3);
    assert_string_equal(e[0].url, "https://vault.example:8200");
    assert_string_equal(e[0].host, "vault.example");
    assert_int_equal(e[0].port, 8200);
    assert_true(e[0].tls && e[0].named);
    assert_int_equal(e[1].port, 443);
    assert_false(e[1].named);
    assert_string_equal(e[2].request_url, "https://[::1]:8443/base");
    assert_string_equal(e[2].host, "[::1]");
    assert_false(e[2].named);
}

static void test_server_name_stands_in_the_request_url_only(void **state)
{
    (void)state;
    must_open("url = https://10.0.0.1:8200\nserver_name = vault.internal\n");
    assert_string_equal(endpoints.list[0].url, "https://10.0.0.1:8200");
    assert_string_equal(endpoints.list[0].request_url, "https://vault.internal:8200");
    assert_true(endpoints.list[0].named);
}

/* ---- other origins ---- */

static enum remote_rc add_origin(const char *url, bool near, unsigned *ret,
                                 struct remote_error *err)
{
    memset(err, 0, sizeof(*err));
    return remote_endpoints_add(&endpoints, config.slots[0], "authority", url, near, ret, err);
}

static void test_origins_stand_behind_the_urls_and_are_not_chosen(void **state)
{
    struct remote_error err;
    unsigned login = 0, metadata = 0;

    (void)state;
    must_open("url = https://a https://b\nserver_name = c\n");
    assert_ok(add_origin("https://login.test/", false, &login, &err), err);
    assert_ok(add_origin("http://169.254.169.254", true, &metadata, &err), err);
    assert_int_equal(login, 2);
    assert_int_equal(metadata, 3);
    assert_int_equal(endpoints.count, 2);
    assert_string_equal(endpoints.list[login].request_url, "https://login.test");
    assert_false(endpoints.list[login].near);
    assert_true(endpoints.list[metadata].near);
    remote_endpoints_failed(&endpoints, 0);
    remote_endpoints_failed(&endpoints, 1);
    assert_true(remote_endpoints_choose(&endpoints, 3) < 2);
}

static void test_origins_are_https_unless_near(void **state)
{
    static const struct {
        const char *url;
        bool near;
    } refused[] = {
        { "http://127.0.0.1:1", false },
        { "http://10.0.0.1", true },
        { "http://169.255.1.1", true },
        { "https://a/path", false },
        { "https://a?q", false },
        { "https://a#f", false },
        { "https://user@a", false },
        { "ftp://a", true },
        { "http://metadata.example", true },
        { "https://", false },
    };
    struct remote_error err;
    unsigned index = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        must_open("url = https://a\n");
        assert_int_equal(add_origin(refused[i].url, refused[i].near, &index, &err),
                         REMOTE_E_CONFIG);
        assert_says(err.text, "authority");
        remote_endpoints_close(&endpoints);
        remote_config_clear(&config);
    }
    must_open("url = https://a\n");
    assert_ok(add_origin("http://127.0.0.1:40342", true, &index, &err), err);
    assert_ok(add_origin("http://localhost:1", true, &index, &err), err);
}

static void test_more_origins_than_there_is_room_for_are_refused(void **state)
{
    struct remote_error err;
    unsigned index = 0;

    (void)state;
    must_open("url = https://a\n");
    for (int i = 0; i < REMOTE_ORIGINS_MAX; i++)
        assert_ok(add_origin("https://b", false, &index, &err), err);
    assert_int_equal(add_origin("https://b", false, &index, &err), REMOTE_E_USAGE);
}

static void test_unix_socket_needs_insecure_transport(void **state)
{
    (void)state;
    must_open("url = unix:/run/agent.sock\ninsecure_transport = yes\n");
    assert_string_equal(endpoints.list[0].unix_path, "/run/agent.sock");
    assert_string_equal(endpoints.list[0].url, "unix:/run/agent.sock");
    assert_false(endpoints.list[0].tls);
}

static void test_plain_http_to_this_host_with_insecure_transport(void **state)
{
    (void)state;
    must_open("url = http://127.0.0.1:8200 http://localhost:1 http://[::1]:2 http://127.9.9.9\n"
              "insecure_transport = yes\n");
    assert_int_equal(endpoints.count, 4);
    assert_false(endpoints.list[0].tls);
}

static void assert_refused(const char *options, const char *text)
{
    struct remote_error err = { 0 };

    assert_int_equal(open_endpoints(options, &err), REMOTE_E_CONFIG);
    assert_says(err.text, "t.conf:");
    assert_says(err.text, "[slot web] url: ");
    assert_says(err.text, text);
    remote_endpoints_close(&endpoints);
    remote_config_clear(&config);
}

static void test_bad_url_is_refused_with_what_would_be_right(void **state)
{
    struct remote_error err = { 0 };
    char many[512] = "url =";

    (void)state;
    assert_refused("url = http://vault.example:8200\ninsecure_transport = yes\n",
                   "plain HTTP to another host, which is never allowed; use https://");
    assert_refused("url = http://127.0.0.1:8200\n", "set insecure_transport = yes");
    assert_refused("url = http://127.0.0.1.evil.example\ninsecure_transport = yes\n",
                   "plain HTTP to another host");
    assert_refused("url = http://localhost.evil.example\ninsecure_transport = yes\n",
                   "plain HTTP to another host");
    assert_refused("url = http://127.0.0.1@evil.example\ninsecure_transport = yes\n",
                   "a URL with a user or a query");
    assert_refused("url = unix:/run/agent.sock\n", "set insecure_transport = yes");
    assert_refused("url = unix:run/agent.sock\ninsecure_transport = yes\n", "unix:/absolute/path");
    assert_refused("url = ftp://vault.example\n", "is not https://HOST[:PORT]");
    assert_refused("url = vault.example:8200\n", "is not https://HOST[:PORT]");
    assert_refused("url = https://user:secret@vault.example\n", "a URL with a user or a query");
    assert_refused("url = https://vault.example/?a=b\n", "a URL with a user or a query");
    assert_refused("timeout = 3s\n", "missing; say where the service is");
    for (int i = 0; i < 17; i++)
        strcat(many, " https://a");
    strcat(many, "\n");
    assert_refused(many, "more than 16 endpoints");
    assert_int_equal(open_endpoints("url = https://user:secret@vault.example\n", &err),
                     REMOTE_E_CONFIG);
    assert_null(strstr(err.text, "secret"));
}

/* ---- the circuit ---- */

static void test_choice_follows_the_order_and_skips_what_failed(void **state)
{
    (void)state;
    must_open("url = https://a https://b https://c\n");
    assert_int_equal(remote_endpoints_choose(&endpoints, 0), 0);
    assert_int_equal(remote_endpoints_choose(&endpoints, 1), 1);
    remote_endpoints_failed(&endpoints, 0);
    assert_int_equal(remote_endpoints_choose(&endpoints, 0), 1);
    remote_endpoints_failed(&endpoints, 1);
    assert_int_equal(remote_endpoints_choose(&endpoints, 0), 2);
    remote_endpoints_succeeded(&endpoints, 0);
    assert_int_equal(remote_endpoints_choose(&endpoints, 0), 0);
}

static void test_pause_of_a_failing_endpoint_grows_to_half_a_minute(void **state)
{
    static const int64_t pauses[] = { 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000 };

    (void)state;
    must_open("url = https://a https://b\n");
    for (size_t i = 0; i < ARRAY_SIZE(pauses); i++) {
        remote_endpoints_failed(&endpoints, 0);
        memory_advance(pauses[i] - 1);
        assert_int_equal(remote_endpoints_choose(&endpoints, 0), 1);
        memory_advance(1);
        assert_int_equal(remote_endpoints_choose(&endpoints, 0), 0);
    }
}

static void test_probe_is_one_request_until_it_ends(void **state)
{
    (void)state;
    must_open("url = https://a https://b\n");
    remote_endpoints_failed(&endpoints, 0);
    memory_advance(500);
    assert_int_equal(remote_endpoints_choose(&endpoints, 0), 0); /* the probe */
    assert_int_equal(remote_endpoints_choose(&endpoints, 0), 1);
    assert_int_equal(remote_endpoints_choose(&endpoints, 0), 1);
    remote_endpoints_undecided(&endpoints, 0); /* it was never sent */
    assert_int_equal(remote_endpoints_choose(&endpoints, 0), 0);
    remote_endpoints_failed(&endpoints, 0);
    assert_int_equal(remote_endpoints_choose(&endpoints, 0), 1);
    memory_advance(1000);
    assert_int_equal(remote_endpoints_choose(&endpoints, 0), 0);
    remote_endpoints_succeeded(&endpoints, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(remote_endpoints_choose(&endpoints, 0), 0);
}

static void test_probe_of_a_parent_is_not_waited_for(void **state)
{
    (void)state;
    must_open("url = https://a https://b\n");
    remote_endpoints_failed(&endpoints, 0);
    memory_advance(500);
    assert_int_equal(remote_endpoints_choose(&endpoints, 0), 0);
    endpoints.list[0].probe_generation++; /* as seen from a child */
    assert_int_equal(remote_endpoints_choose(&endpoints, 0), 0);
}

static void test_choice_with_nothing_healthy_is_the_one_that_will_be_soonest(void **state)
{
    (void)state;
    must_open("url = https://a https://b\n");
    remote_endpoints_failed(&endpoints, 0);
    remote_endpoints_failed(&endpoints, 0);
    remote_endpoints_failed(&endpoints, 1);
    assert_int_equal(remote_endpoints_choose(&endpoints, 0), 1);
    assert_int_equal(remote_endpoints_choose(&endpoints, 2), 0);
}

static void test_single_endpoint_is_never_refused(void **state)
{
    (void)state;
    must_open("url = https://a\n");
    for (int i = 0; i < 10; i++) {
        remote_endpoints_failed(&endpoints, 0);
        assert_int_equal(remote_endpoints_choose(&endpoints, 0), 0);
    }
}

/* ---- the retry budget ---- */

static void test_budget_has_a_reserve_and_gains_a_fifth_of_the_requests(void **state)
{
    size_t allowed = 0;

    (void)state;
    must_open("url = https://a\n");
    while (remote_endpoints_may_retry(&endpoints))
        allowed++;
    assert_int_equal(allowed, 20);
    for (int i = 0; i < 11; i++)
        remote_endpoints_credit(&endpoints);
    assert_true(remote_endpoints_may_retry(&endpoints));
    assert_true(remote_endpoints_may_retry(&endpoints));
    assert_false(remote_endpoints_may_retry(&endpoints));
    for (int i = 0; i < 1000; i++)
        remote_endpoints_credit(&endpoints);
    for (allowed = 0; remote_endpoints_may_retry(&endpoints);)
        allowed++;
    assert_int_equal(allowed, 20); /* not more than the reserve */
}

/* ---- addresses ---- */

static void assert_resolve(bool fallback, const char *expected)
{
    char text[600];

    remote_endpoints_resolve(&endpoints, 0, fallback, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void test_addresses_serve_for_a_minute_and_as_a_fallback_ever_after(void **state)
{
    (void)state;
    must_open("url = https://vault.example:8200\n");
    assert_resolve(false, "");
    assert_resolve(true, "");
    remote_endpoints_learn(&endpoints, 0, "192.0.2.1");
    assert_resolve(false, "vault.example:8200:192.0.2.1");
    remote_endpoints_learn(&endpoints, 0, "2001:db8::1");
    remote_endpoints_learn(&endpoints, 0, "192.0.2.1");
    assert_resolve(false, "vault.example:8200:192.0.2.1,2001:db8::1");
    memory_advance(60000);
    assert_resolve(false, "");
    assert_resolve(true, "vault.example:8200:192.0.2.1,2001:db8::1");
}

static void test_addresses_of_a_failed_endpoint_are_looked_up_anew(void **state)
{
    (void)state;
    must_open("url = https://vault.example:8200\n");
    remote_endpoints_learn(&endpoints, 0, "192.0.2.1");
    remote_endpoints_failed(&endpoints, 0);
    assert_resolve(false, "");
    assert_resolve(true, "vault.example:8200:192.0.2.1");
}

static void test_addresses_are_few_and_what_is_none_is_not_taken(void **state)
{
    (void)state;
    must_open("url = https://vault.example:8200\n");
    for (int i = 0; i < 20; i++) {
        char address[32];

        snprintf(address, sizeof(address), "192.0.2.%d", i);
        remote_endpoints_learn(&endpoints, 0, address);
    }
    assert_int_equal(endpoints.list[0].address_count, REMOTE_ADDRESSES_MAX);
    assert_string_equal(endpoints.list[0].addresses[0], "192.0.2.19");
    remote_endpoints_learn(&endpoints, 0, "/run/agent.sock");
    assert_string_equal(endpoints.list[0].addresses[0], "192.0.2.19");
}

static void test_addresses_of_an_endpoint_without_a_name_are_not_kept(void **state)
{
    (void)state;
    must_open("url = https://192.0.2.7\n");
    remote_endpoints_learn(&endpoints, 0, "192.0.2.7");
    assert_resolve(true, "");
}

/* ---- where connections go ---- */

static void assert_connect_to(size_t index, const char *lines)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    remote_endpoints_connect_to(&endpoints, index, config.slots[0], &text);
    assert_string_equal(text.data ? (char *)text.data : "", lines);
}

static void test_connections_go_where_the_url_says_unless_told_otherwise(void **state)
{
    (void)state;
    must_open("url = https://a:8200\n");
    assert_connect_to(0, "");
}

static void test_connections_go_to_the_url_and_not_to_the_server_name(void **state)
{
    (void)state;
    must_open("url = https://10.0.0.1:8200/base\nserver_name = vault.internal\n");
    assert_connect_to(0, "::10.0.0.1:8200\n");
}

static void test_connections_go_where_connect_to_says(void **state)
{
    struct remote_error err;
    unsigned login = 0, metadata = 0;

    (void)state;
    must_open("url = https://a\nconnect_to = [::1]:1 b:443:127.0.0.1:2\n");
    assert_ok(add_origin("https://b", false, &login, &err), err);
    assert_ok(add_origin("http://169.254.169.254", true, &metadata, &err), err);
    assert_connect_to(0, "::[::1]:1\nb:443:127.0.0.1:2\n");
    assert_connect_to(login, "b:443:127.0.0.1:2\n");
    assert_connect_to(metadata, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, memory_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_url_is_taken_apart),
        TEST(test_server_name_stands_in_the_request_url_only),
        TEST(test_origins_stand_behind_the_urls_and_are_not_chosen),
        TEST(test_origins_are_https_unless_near),
        TEST(test_more_origins_than_there_is_room_for_are_refused),
        TEST(test_unix_socket_needs_insecure_transport),
        TEST(test_plain_http_to_this_host_with_insecure_transport),
        TEST(test_bad_url_is_refused_with_what_would_be_right),
        TEST(test_choice_follows_the_order_and_skips_what_failed),
        TEST(test_pause_of_a_failing_endpoint_grows_to_half_a_minute),
        TEST(test_probe_is_one_request_until_it_ends),
        TEST(test_probe_of_a_parent_is_not_waited_for),
        TEST(test_choice_with_nothing_healthy_is_the_one_that_will_be_soonest),
        TEST(test_single_endpoint_is_never_refused),
        TEST(test_budget_has_a_reserve_and_gains_a_fifth_of_the_requests),
        TEST(test_addresses_serve_for_a_minute_and_as_a_fallback_ever_after),
        TEST(test_addresses_of_a_failed_endpoint_are_looked_up_anew),
        TEST(test_addresses_are_few_and_what_is_none_is_not_taken),
        TEST(test_addresses_of_an_endpoint_without_a_name_are_not_kept),
        TEST(test_connections_go_where_the_url_says_unless_told_otherwise),
        TEST(test_connections_go_to_the_url_and_not_to_the_server_name),
        TEST(test_connections_go_where_connect_to_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
