/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a slot, what is refused of them, and what health says of a party. */
#include "zama_parties.h"

#define POINT "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
#define POINT_ADDRESS "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
#define ED25519 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define AT "parties = 1@http://127.0.0.1:50101#"

static const struct zama *opened(void)
{
    struct remote_error err = { 0 };

    if (remote_slot_status(slot, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    return (const struct zama *)slot->conn;
}

static void assert_broken(const char *text, const char *says)
{
    struct remote_error err = { 0 };

    open_slot(text);
    assert_int_equal(remote_slot_status(slot, &err), REMOTE_E_CONFIG);
    assert_says(err.text, says);
    assert_says(err.text, "kms.conf:");
    close_slot();
}

/* ---- what is right ---- */

static void test_options_when_few_are_given_then_has_the_kms_defaults(void **state)
{
    const struct zama *zama;
    char id[2 * ZAMA_ID_LEN + 1];

    (void)state;
    open_slot(FOUR);
    zama = opened();
    assert_int_equal(zama->count, 4);
    assert_int_equal(slot->endpoints.count, 4);
    assert_int_equal(zama->threshold, 1);
    assert_int_equal(zama->needed, 2);
    assert_int_equal(zama->schemes, 1u << ZAMA_ECDSA256K1);
    zama_id_format(zama->context_id, id);
    assert_string_equal(id, "0700000000000000000000000000000000000000000000000000000000000001");
    zama_id_format(zama->epoch_id, id);
    assert_string_equal(id, "0800000000000000000000000000000000000000000000000000000000000001");
    assert_int_equal(zama->extra_data_len, 65);
    assert_int_equal(zama->extra_data[0], 2);
    assert_memory_equal(zama->extra_data + 1, zama->context_id, ZAMA_ID_LEN);
    assert_memory_equal(zama->extra_data + 33, zama->epoch_id, ZAMA_ID_LEN);
    assert_int_equal(zama->domain.chain_id[30], 8006 >> 8);
    assert_int_equal(zama->domain.chain_id[31], 8006 & 255);
    assert_false(zama->domain.has_salt);
    assert_int_equal(remote_slot_timeout_ms(slot), 30000);
}

static void test_options_when_given_then_are_taken(void **state)
{
    const struct zama *zama;

    (void)state;
    open_slot(FOUR "threshold = 1\nanswers = 3\nextra_data = 0x\ncontext_id = 0x" KEY "\n"
                   "domain_salt = " KEY "\n");
    zama = opened();
    assert_int_equal(zama->needed, 3);
    assert_int_equal(zama->extra_data_len, 0);
    assert_int_equal(zama->context_id[0], 0x6c);
    assert_true(zama->domain.has_salt);
    assert_int_equal(zama->domain.salt[31], 1);
}

static void test_chain_id_is_any_uint256(void **state)
{
    static const uint8_t most[32] = { [0 ... 31] = 0xff };

    (void)state;
    open_slot(SLOT PARTY(1) "domain_name = n\ndomain_version = 1\nverifying_contract = " ADDRESS(
        1) "\nchain_id = 0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\n");
    assert_memory_equal(opened()->domain.chain_id, most, sizeof(most));
    close_slot();
    open_slot(SLOT PARTY(1) "domain_name = n\ndomain_version = 1\nverifying_contract = " ADDRESS(
        1) "\nchain_id = "
           "115792089237316195423570985008687907853269984665640564039457584007913129639935\n");
    assert_memory_equal(opened()->domain.chain_id, most, sizeof(most));
}

static void test_pins_are_addresses_points_and_ed25519_keys(void **state)
{
    const struct zama_pin *pin;

    (void)state;
    open_slot(SLOT DOMAIN_OPTIONS AT POINT_ADDRESS "," ED25519
                                                   "\nsigning_schemes = ecdsa ed25519\n");
    pin = &opened()->parties[0].pin;
    assert_true(pin->has_address && pin->has_ed25519 && !pin->has_point);
    assert_false(opened()->parties[0].learned);
    close_slot();
    open_slot(SLOT DOMAIN_OPTIONS AT POINT "\n");
    pin = &opened()->parties[0].pin;
    assert_true(pin->has_address && pin->has_point && !pin->has_ed25519);
    assert_int_equal(pin->address[0], 0x7e); /* derived */
    assert_true(opened()->parties[0].learned);
    close_slot();
    open_slot(SLOT DOMAIN_OPTIONS AT ED25519 "\nsigning_schemes = ed25519\n");
    pin = &opened()->parties[0].pin;
    assert_true(pin->has_ed25519 && !pin->has_address);
}

/* ---- what is wrong ---- */

static void test_parties_when_wrong_then_says_what_would_be_right(void **state)
{
    (void)state;
    assert_broken(SLOT DOMAIN_OPTIONS, "parties: missing; name ID@URL#PIN of each");
    assert_broken(SLOT DOMAIN_OPTIONS "parties = http://127.0.0.1:1\n", "is not ID@URL#PIN");
    assert_broken(SLOT DOMAIN_OPTIONS "parties = 0@http://127.0.0.1:1#" ADDRESS(1) "\n",
                  "with an ID from 1 to 16");
    assert_broken(SLOT DOMAIN_OPTIONS "parties = 1@#" ADDRESS(1) "\n", "is not ID@URL#PIN");
    assert_broken(SLOT DOMAIN_OPTIONS AT "0x12\n", "the pin of party 1, is neither an address");
    assert_broken(SLOT DOMAIN_OPTIONS AT "\n", "the pin of party 1, is neither an address");
    assert_broken(SLOT DOMAIN_OPTIONS AT POINT_ADDRESS "," POINT "\n", "the pin of party 1");
    assert_broken(SLOT DOMAIN_OPTIONS AT "0x7e5F4552091A69125d5DfCb7b8C2659029395Bdf\n",
                  "the pin of party 1"); /* its checksum is wrong */
    assert_broken(SLOT DOMAIN_OPTIONS AT
                  "0200000000000000000000000000000000000000000000000000000000000000ff05\n",
                  "the pin of party 1");
    assert_broken(SLOT DOMAIN_OPTIONS AT ED25519 "\n",
                  "party 1 has neither an address nor a secp256k1 key pinned");
    assert_broken(SLOT DOMAIN_OPTIONS AT POINT "\nsigning_schemes = ecdsa ed25519\n",
                  "party 1 has no Ed25519 key pinned");
    assert_broken(SLOT DOMAIN_OPTIONS PARTY(1) "url = http://127.0.0.1:1\n",
                  "url: name the parties in 'parties' instead");
}

static void test_parties_when_not_apart_then_says_which(void **state)
{
    (void)state;
    assert_broken(SLOT DOMAIN_OPTIONS PARTY(1) "parties = 1@http://127.0.0.1:2#" ADDRESS(2) "\n",
                  "party 1 is named twice");
    assert_broken(SLOT DOMAIN_OPTIONS PARTY(1) "parties = 2@http://127.0.0.1:50101#" ADDRESS(
                      2) "\n",
                  "parties 1 and 2 have the same URL");
    assert_broken(SLOT DOMAIN_OPTIONS PARTY(1) "parties = 2@http://127.0.0.1:2#" ADDRESS(1) "\n",
                  "parties 1 and 2 have the same key pinned");
    assert_broken(SLOT DOMAIN_OPTIONS AT POINT "\nparties = 2@http://127.0.0.1:2#" POINT_ADDRESS
                                               "\n",
                  "parties 1 and 2 have the same key pinned");
    assert_broken(SLOT DOMAIN_OPTIONS PARTY(1) PARTY(2) PARTY(3) PARTY(5), "party 5 of 4");
}

static void test_urls_when_plain_then_are_for_this_host_alone(void **state)
{
    (void)state;
    assert_broken("[slot kms]\nbackend = zama\n" DOMAIN_OPTIONS PARTY(1),
                  "parties: 'http://127.0.0.1:50101' is plain HTTP");
    assert_broken(SLOT DOMAIN_OPTIONS "parties = 1@http://kms.test:50100#" ADDRESS(1) "\n",
                  "plain HTTP to another host, which is never allowed");
}

static void test_numbers_when_wrong_then_says_what_would_be_right(void **state)
{
    (void)state;
    assert_broken(FOUR "threshold = 4\n", "threshold: 4 of 4 parties");
    assert_broken(FOUR "threshold = 0\n", "threshold: 0 of 4 parties");
    assert_broken(CENTRALIZED "threshold = 1\n", "a single party has 0");
    assert_broken(FOUR "answers = 1\n", "from threshold + 1 (2) to the number of parties (4)");
    assert_broken(FOUR "answers = 5\n", "answers: 5; it must be from");
}

#define BUT_DOMAIN(options) SLOT PARTY(1) options

static void test_domain_when_wrong_then_says_what_would_be_right(void **state)
{
    (void)state;
    assert_broken(BUT_DOMAIN(""), "domain_name: missing; answers are signed for it");
    assert_broken(BUT_DOMAIN(
                      "domain_name = n\nchain_id = 1\nverifying_contract = " ADDRESS(1) "\n"),
                  "domain_version: missing");
    assert_broken(BUT_DOMAIN("domain_name = n\ndomain_version = 1\n"), "chain_id: '' is no number");
    assert_broken(BUT_DOMAIN("domain_name = n\ndomain_version = 1\nchain_id = 1f\n"),
                  "chain_id: '1f' is no number of up to 256 bits");
    assert_broken(BUT_DOMAIN(
                      "domain_name = n\ndomain_version = 1\nchain_id = "
                      "0x10000000000000000000000000000000000000000000000000000000000000000\n"),
                  "is no number of up to 256 bits");
    assert_broken(BUT_DOMAIN("domain_name = n\ndomain_version = 1\nchain_id = 1\n"),
                  "verifying_contract: '' is not 0x and 40 hex digits");
    assert_broken(CENTRALIZED "domain_salt = 12\n", "domain_salt: '12' is not 64 hex digits");
    assert_broken(CENTRALIZED "context_id = 12\n", "context_id: '12' is not 64 hex digits");
    assert_broken(CENTRALIZED "epoch_id = x\n", "epoch_id: 'x' is not 64 hex digits");
    assert_broken(CENTRALIZED "extra_data = 12\n", "extra_data: '12' is not 0x and the hex digits");
}

/* ---- health ---- */

/* HealthStatusResponse: one context with its id, party 1, needed 2, reachable 4 and a status. */
#define CONTEXT                                                                                    \
    "\x0a\x40"                                                                                     \
    "0700000000000000000000000000000000000000000000000000000000000001"
#define HEALTH(status) "\x0a\x4c\x0a\x42" CONTEXT "\x10\x01\x18\x02\x20\x04\x28" status "\x30\x02"

static void assert_health(const char *answer, enum remote_rc rc, const char *says)
{
    struct remote_health health[4] = { 0 };
    struct remote_error err = { 0 };
    size_t count = 0;

    memset(parties.count, 0, sizeof(parties.count));
    memset(parties.asked, 0, sizeof(parties.asked));
    all_will(1, REMOTE_GRPC_OK, answer);
    assert_int_equal(remote_slot_health(slot, health, 4, &count, &err), REMOTE_OK);
    assert_int_equal(count, slot->endpoints.count);
    assert_asked(1, 0, "GetHealthStatus");
    if (health[0].rc != rc)
        fail_msg("%s: %s", remote_rc_name(health[0].rc), health[0].err.text);
    assert_says(rc == REMOTE_OK ? health[0].detail : health[0].err.text, says);
}

static void test_health_tells_how_a_party_is(void **state)
{
    (void)state;
    open_slot(FOUR);
    assert_health(HEALTH("\x01"), REMOTE_OK, "party 1, optimal, parties reachable: 4, FHE keys: 0");
    assert_health(HEALTH("\x02"), REMOTE_OK, "party 1, healthy");
    assert_health(HEALTH("\x03"), REMOTE_E_PROTOCOL, "party 1, degraded");
    assert_health(HEALTH("\x04"), REMOTE_E_PROTOCOL, "party 1, unhealthy");
    assert_health("\x30\x01", REMOTE_E_CONFIG, "a centralized KMS, but slot 'kms' has 4 parties");
}

static void test_health_when_centralized_then_is_of_one(void **state)
{
    (void)state;
    open_slot(CENTRALIZED);
    assert_health("\x30\x01", REMOTE_OK, "centralized KMS, FHE keys: 0");
    assert_health(HEALTH("\x01"), REMOTE_E_CONFIG, "a party of a threshold KMS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_options_when_few_are_given_then_has_the_kms_defaults),
        TEST(test_options_when_given_then_are_taken),
        TEST(test_chain_id_is_any_uint256),
        TEST(test_pins_are_addresses_points_and_ed25519_keys),
        TEST(test_parties_when_wrong_then_says_what_would_be_right),
        TEST(test_parties_when_not_apart_then_says_which),
        TEST(test_urls_when_plain_then_are_for_this_host_alone),
        TEST(test_numbers_when_wrong_then_says_what_would_be_right),
        TEST(test_domain_when_wrong_then_says_what_would_be_right),
        TEST(test_health_tells_how_a_party_is),
        TEST(test_health_when_centralized_then_is_of_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
