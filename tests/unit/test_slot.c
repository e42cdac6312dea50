/* SPDX-License-Identifier: Apache-2.0 */
/* Opening slots, what they say of themselves without a request, random, health. */
#include "memory.h"

#define SLOT "[slot web]\nbackend = memory\nurl = https://a\ntimeout = 3s\n"

static void assert_broken(const char *text, const char *says)
{
    struct remote_slot *slot = memory_open(text);
    struct remote_error err = { 0 };
    struct remote_key_list keys = { 0 };
    unsigned char byte;

    assert_int_equal(remote_slot_status(slot, &err), REMOTE_E_CONFIG);
    assert_says(err.text, "t.conf:");
    assert_says(err.text, says);
    /* every use of it says so, without a request */
    assert_int_equal(remote_slot_find_label(slot, "k", &keys, &err), REMOTE_E_CONFIG);
    assert_int_equal(remote_slot_find_id(slot, remote_slice_str("id"), &keys, &err),
                     REMOTE_E_CONFIG);
    assert_int_equal(remote_slot_list(slot, NULL, &keys, &err), REMOTE_E_CONFIG);
    assert_int_equal(remote_slot_random(slot, &byte, 1, &err), REMOTE_E_CONFIG);
    assert_int_equal(remote_slot_prove(slot, &err), REMOTE_E_CONFIG);
    assert_int_equal(remote_slot_login(slot, remote_slice_str("pin-right"), &err), REMOTE_E_CONFIG);
    assert_int_equal(memory.requests, 0);
}

static void test_slot_without_a_backend_is_broken(void **state)
{
    (void)state;
    assert_broken("[slot web]\nurl = https://a\n", "[slot web] backend: missing; use one of: ");
}

static void test_slot_with_an_unknown_backend_is_broken(void **state)
{
    (void)state;
    assert_broken("[slot web]\nbackend = valut\n", "'valut' is not in this build; use one of:");
    assert_string_equal(remote_slot_backend(memory_slot(0)), "");
}

static void test_slot_with_an_unknown_mechanism_is_broken(void **state)
{
    (void)state;
    assert_broken(SLOT "deny_mechanisms = ECDSA-SHA257\n", "'ECDSA-SHA257' is no mechanism");
}

static void test_slot_with_a_pin_that_cannot_be_one_is_broken(void **state)
{
    (void)state;
    assert_broken("[slot web]\nbackend = memory-login\nurl = https://a\npin = token\n",
                  "[slot web] pin: 'token' cannot be the PIN; use one of: password");
}

static void test_slot_without_pins_refuses_the_option(void **state)
{
    (void)state;
    assert_broken(SLOT "pin = password\n", "'password' cannot be the PIN; use one of: (none)");
}

static void test_slot_whose_certificates_are_missing_is_broken(void **state)
{
    (void)state;
    assert_broken(SLOT "certificates = /nonexistent/*.pem\n",
                  "[slot web] certificates: no file '/nonexistent/*.pem'");
}

static void test_slot_without_a_url_is_broken(void **state)
{
    (void)state;
    assert_broken("[slot web]\nbackend = memory\n", "url: missing; say where the service is");
}

static void test_slot_with_an_unknown_option_is_broken(void **state)
{
    (void)state;
    assert_broken(SLOT "tiemout = 3s\n", "timeout");
}

static void test_broken_slot_does_not_take_the_others_down(void **state)
{
    struct remote_error err = { 0 };

    (void)state;
    memory_add_key("k", 1);
    memory_open("[slot bad]\nbackend = nonsense\n" SLOT);
    assert_int_equal(remote_slot_status(memory_slot(0), &err), REMOTE_E_CONFIG);
    assert_int_equal(remote_slot_status(memory_slot(1), &err), REMOTE_OK);
    remote_key_unref(memory_find(memory_slot(1), "k"));
}

static void test_facts_are_told_without_a_request(void **state)
{
    struct remote_slot *slot = memory_open(SLOT "allow = generate\n");
    unsigned min, max;

    (void)state;
    assert_string_equal(remote_slot_name(slot), "web");
    assert_string_equal(remote_slot_backend(slot), "memory");
    assert_true(remote_slot_writable(slot));
    assert_true(remote_slot_has_random(slot));
    assert_false(remote_slot_needs_login(slot));
    assert_true(remote_slot_logged_in(slot));
    assert_int_equal(remote_slot_timeout_ms(slot), 3000);
    remote_slot_key_sizes(slot, REMOTE_KEY_RSA, &min, &max);
    assert_int_equal(min, 2048);
    assert_int_equal(max, 4096);
    assert_int_equal(remote_slot_cert_count(slot), 0);
    assert_null(remote_slot_cert(slot, 0));
    assert_non_null(remote_slot_section(slot));
    assert_int_equal(memory.requests, 0);
}

static void test_read_only_wins_over_allow(void **state)
{
    (void)state;
    assert_false(remote_slot_writable(memory_open(SLOT "allow = generate\nread_only = yes\n")));
}

static void test_defaults_are_the_documented_ones(void **state)
{
    struct remote_slot *slot = memory_open("[slot web]\nbackend = memory\nurl = https://a\n");

    (void)state;
    assert_int_equal(slot->policy.timeout_ms, 3000);
    assert_int_equal(slot->policy.connect_timeout_ms, 1000);
    assert_int_equal(slot->policy.list_timeout_ms, 60000);
    assert_int_equal(slot->policy.cache_ms, 300000);
    assert_int_equal(slot->policy.decrypt_versions, 4);
    assert_false(slot->policy.all_versions);
}

/* ---- mechanisms ---- */

static bool can(const char *mechanism)
{
    return remote_slot_can(memory_slot(0), remote_mechanism_by_name(mechanism));
}

static void test_mechanisms_are_what_the_backend_can(void **state)
{
    (void)state;
    memory_open(SLOT);
    assert_true(can("ECDSA"));
    assert_true(can("ECDSA-SHA256"));
    assert_true(can("RSA-PKCS"));
    assert_false(can("EDDSA"));
    assert_int_equal(memory.requests, 0);
}

static void test_mechanisms_of_a_deny_list_are_left_out(void **state)
{
    (void)state;
    memory_open(SLOT "deny_mechanisms = ckm_rsa_pkcs ECDSA\n");
    assert_false(can("ECDSA"));
    assert_false(can("RSA-PKCS"));
    assert_true(can("ECDSA-SHA256"));
}

static bool can_here(const char *mechanism)
{
    return remote_slot_can_here(memory_slot(0), remote_mechanism_by_name(mechanism));
}

static void test_mechanisms_of_session_keys_ask_the_policy_alone(void **state)
{
    (void)state;
    memory_open(SLOT "key_types = rsa\ndeny_mechanisms = AES-CTR\n");
    assert_true(can_here("AES-CBC"));
    assert_true(can_here("SHA3-512-HMAC"));
    assert_false(can_here("AES-CTR"));
    assert_true(can_here("ECDSA"));
    assert_false(can_here("HSMBRIDGE-AEAD")); /* of no session key */
    assert_false(can("AES-CBC"));             /* of no service */
    assert_false(can("AES-KEY-GEN"));
}

static void test_mechanisms_of_an_allow_list_are_the_only_ones(void **state)
{
    (void)state;
    memory_open(SLOT "mechanisms = ECDSA-SHA256\n");
    assert_true(can("ECDSA-SHA256"));
    assert_false(can("ECDSA"));
}

static void test_mechanisms_of_a_broken_slot_are_none(void **state)
{
    (void)state;
    memory_open("[slot web]\nbackend = nonsense\n");
    assert_false(can("ECDSA"));
    assert_false(remote_slot_has_random(memory_slot(0)));
}

/* ---- random ---- */

static void test_random_comes_in_chunks_that_the_service_gives(void **state)
{
    struct remote_slot *slot = memory_open(SLOT);
    struct remote_error err = { 0 };
    size_t len = 65536 + 100;
    unsigned char *out = malloc(len);

    (void)state;
    assert_ok(remote_slot_random(slot, out, len, &err), err);
    assert_int_equal(memory.requests, 2);
    assert_int_equal(out[65535], 0xff);
    assert_int_equal(out[len - 1], 99);
    assert_ok(remote_slot_random(slot, out, 0, &err), err);
    assert_int_equal(memory.requests, 2);
    free(out);
}

static void test_random_that_is_too_short_is_a_protocol_error(void **state)
{
    struct remote_slot *slot = memory_open(SLOT);
    struct remote_error err = { 0 };
    unsigned char out[16];

    (void)state;
    memory.sig_surplus = 1;
    assert_int_equal(remote_slot_random(slot, out, sizeof(out), &err), REMOTE_E_PROTOCOL);
    assert_says(err.text, "slot 'web': 15 random bytes answered where 16 were asked");
}

/* ---- health and proof ---- */

static void test_health_is_told_of_each_endpoint_alone(void **state)
{
    struct remote_slot *slot =
        memory_open("[slot web]\nbackend = memory\nurl = https://a https://b\n");
    struct remote_health health[4];
    struct remote_error err = { 0 };
    size_t count = 0;

    (void)state;
    memory_rule((struct memory_rule){ .endpoints = 2, .fate = MEMORY_REFUSE });
    assert_ok(remote_slot_health(slot, health, 4, &count, &err), err);
    assert_int_equal(count, 2);
    assert_string_equal(health[0].endpoint, "https://a");
    assert_int_equal(health[0].rc, REMOTE_OK);
    assert_string_equal(health[0].detail, "memory, well");
    assert_false(health[0].clock_known);
    assert_string_equal(health[1].endpoint, "https://b");
    assert_int_equal(health[1].rc, REMOTE_E_UNAVAILABLE);
    assert_says(health[1].err.text, "cannot connect");
    assert_int_equal(memory_count_at(REMOTE_OP_HEALTH, 0), 2); /* the first connects */
    assert_int_equal(memory_count_at(REMOTE_OP_HEALTH, 1), 1); /* and is not repeated */
    assert_ok(remote_slot_health(slot, health, 1, &count, &err), err);
    assert_int_equal(count, 1);
}

static void test_proof_logs_in_and_asks(void **state)
{
    struct remote_slot *slot = memory_open("[slot web]\nbackend = memory-login\nurl = https://a\n");
    struct remote_error err = { 0 };

    (void)state;
    assert_ok(remote_slot_prove(slot, &err), err);
    assert_int_equal(memory.log[0].kind, REMOTE_OP_LOGIN);
    assert_int_equal(memory.log[1].kind, REMOTE_OP_PROVE);
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(PROVE), .status = 403 });
    assert_ok(remote_slot_prove(slot, &err), err); /* good, without the right to look */
}

static void test_stats_count_what_was_done(void **state)
{
    struct remote_slot *slot = memory_open("[slot web]\nbackend = memory-login\nurl = https://a\n");
    struct remote_error err = { 0 };
    struct remote_stats stats;

    (void)state;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(PROVE), .status = 503, .times = 1 });
    assert_ok(remote_slot_prove(slot, &err), err);
    remote_slot_stats(slot, &stats);
    assert_int_equal(stats.requests, 3);
    assert_int_equal(stats.retries, 1);
    assert_int_equal(stats.logins, 1);
    assert_int_equal(stats.batches, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, memory_setup, memory_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_slot_without_a_backend_is_broken),
        TEST(test_slot_with_an_unknown_backend_is_broken),
        TEST(test_slot_with_an_unknown_mechanism_is_broken),
        TEST(test_slot_with_a_pin_that_cannot_be_one_is_broken),
        TEST(test_slot_without_pins_refuses_the_option),
        TEST(test_slot_whose_certificates_are_missing_is_broken),
        TEST(test_slot_without_a_url_is_broken),
        TEST(test_slot_with_an_unknown_option_is_broken),
        TEST(test_broken_slot_does_not_take_the_others_down),
        TEST(test_facts_are_told_without_a_request),
        TEST(test_read_only_wins_over_allow),
        TEST(test_defaults_are_the_documented_ones),
        TEST(test_mechanisms_are_what_the_backend_can),
        TEST(test_mechanisms_of_a_deny_list_are_left_out),
        TEST(test_mechanisms_of_session_keys_ask_the_policy_alone),
        TEST(test_mechanisms_of_an_allow_list_are_the_only_ones),
        TEST(test_mechanisms_of_a_broken_slot_are_none),
        TEST(test_random_comes_in_chunks_that_the_service_gives),
        TEST(test_random_that_is_too_short_is_a_protocol_error),
        TEST(test_health_is_told_of_each_endpoint_alone),
        TEST(test_proof_logs_in_and_asks),
        TEST(test_stats_count_what_was_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
