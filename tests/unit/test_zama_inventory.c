/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys a slot shows, and what it costs to know. */
#include "zama_parties.h"

#include <openssl/obj_mac.h>

#include "remote/encode.h"

#define OTHER "6c34000000000000000000000000000000000000000000000000000000000002"
#define ONE "\x0a\x40" KEY
#define TWO "\x0a\x40" OTHER
/* The generator of secp256k1, whose private key is 1, and its address. */
#define POINT "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
#define POINT_ADDRESS "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
#define ED25519 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

static void has(size_t party, int64_t after_ms, const char *ids)
{
    will(party, after_ms, REMOTE_GRPC_OK, ids);
}

static struct remote_key_list list(void)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };

    if (remote_slot_list(slot, NULL, &keys, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    return keys;
}

static void test_list_shows_fhe_keys_that_enough_parties_report(void **state)
{
    struct remote_key_list keys;
    uint8_t id[ZAMA_ID_LEN];

    (void)state;
    open_slot(FOUR);
    has(1, 1, ONE TWO);
    has(2, 1, ONE);
    has(3, 1, "");
    has(4, 1, ONE);
    keys = list();
    assert_int_equal(keys.count, 1);
    assert_string_equal(keys.keys[0]->name, KEY);
    assert_int_equal(keys.keys[0]->type, REMOTE_KEY_FHE);
    assert_int_equal(keys.keys[0]->uses, REMOTE_USE_DECRYPT);
    assert_false(keys.keys[0]->public_only);
    assert_true(zama_id_parse(KEY, id));
    assert_int_equal(keys.keys[0]->id_len, sizeof(id));
    assert_memory_equal(keys.keys[0]->id, id, sizeof(id));
    remote_key_list_clear(&keys);
}

static void test_list_when_one_hangs_then_waits_little_longer_than_for_the_others(void **state)
{
    struct remote_key_list keys;

    (void)state;
    open_slot(FOUR);
    has(1, 5, ONE);
    has(2, 5, ONE);
    has(3, 5, TWO);
    will(4, HANGS, 0, NULL);
    keys = list();
    assert_int_equal(keys.count, 1);
    assert_in_range(parties.now_ms - START_MS, 300, 310);
    remote_key_list_clear(&keys);
}

static void test_list_when_too_few_answer_then_fails_soon(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    open_slot(FOUR);
    has(1, 1, ONE);
    for (size_t party = 2; party <= 4; party++)
        will(party, 0, REMOTE_GRPC_NONE, NULL);
    assert_int_equal(remote_slot_list(slot, NULL, &keys, &err), REMOTE_E_UNAVAILABLE);
    assert_says(err.text, "1 of 4 parties answer where 2 are needed; party ");
    assert_in_range(parties.now_ms - START_MS, 1, 700);
}

static void test_list_when_an_answer_is_nonsense_then_that_party_does_not_count(void **state)
{
    struct remote_key_list keys;

    (void)state;
    open_slot(FOUR);
    has(1, 1, "\x0a\xff");
    for (size_t party = 2; party <= 4; party++)
        has(party, 2, ONE);
    keys = list();
    assert_int_equal(keys.count, 1);
    remote_key_list_clear(&keys);
}

static void test_find_label_when_key_is_there_then_asks_no_longer_than_needed(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    open_slot(FOUR);
    has(1, 3, ONE);
    has(2, 1, "");
    has(3, 4, ONE);
    will(4, HANGS, 0, NULL);
    assert_int_equal(remote_slot_find_label(slot, KEY, &keys, &err), REMOTE_OK);
    assert_int_equal(keys.count, 1);
    assert_int_equal(parties.now_ms - START_MS, 4);
    remote_key_list_clear(&keys);
}

static void test_find_label_when_it_is_no_name_of_ours_then_asks_nobody(void **state)
{
    static const char upper[] = "6C34000000000000000000000000000000000000000000000000000000000001";
    static const char *const names[] = { "web", "party-5", "party-1x", upper };
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    open_slot(FOUR);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        assert_int_equal(remote_slot_find_label(slot, names[i], &keys, &err), REMOTE_OK);
        assert_int_equal(keys.count, 0);
    }
    assert_int_equal(parties.asked[0], 0);
}

/* ---- parties' keys ---- */

static void test_party_keys_when_pinned_then_are_public_keys(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };
    struct remote_params sign = { .alg = REMOTE_ALG_ECDSA };

    (void)state;
    open_slot(SLOT DOMAIN_OPTIONS "parties = 1@http://127.0.0.1:50101#" POINT "," ED25519 "\n");
    assert_int_equal(remote_slot_find_label(slot, "party-1", &keys, &err), REMOTE_OK);
    assert_int_equal(keys.count, 2);
    assert_int_equal(keys.keys[0]->type, REMOTE_KEY_EC);
    assert_int_equal(keys.keys[0]->curve, NID_secp256k1);
    assert_int_equal(keys.keys[1]->type, REMOTE_KEY_ED25519);
    for (size_t i = 0; i < keys.count; i++) {
        assert_true(keys.keys[i]->public_only);
        assert_true(keys.keys[i]->spki.len > 0);
    }
    assert_false(remote_key_same(keys.keys[0], keys.keys[1]));
    assert_int_equal(remote_key_check(keys.keys[0], &sign, REMOTE_USE_VERIFY, &err), REMOTE_OK);
    assert_int_equal(remote_key_check(keys.keys[0], &sign, REMOTE_USE_SIGN, &err),
                     REMOTE_E_FORBIDDEN_USE);
    assert_int_equal(parties.asked[0], 0);
    remote_key_list_clear(&keys);
}

static void test_party_key_when_an_answer_tells_it_then_is_there(void **state)
{
    struct zama_answer answer = { .has_point = true };
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };
    struct zama *zama;
    struct remote_buf point = { 0 };

    (void)state;
    open_slot(SLOT DOMAIN_OPTIONS "parties = 1@http://127.0.0.1:50101#" POINT_ADDRESS "\n");
    has(1, 1, ONE);
    keys = list();
    assert_int_equal(keys.count, 1); /* of the party nothing is known but its address */
    remote_key_list_clear(&keys);
    zama = (struct zama *)slot->conn;
    assert_true(remote_hex_decode(remote_slice_str(POINT), &point));
    memcpy(answer.point, point.data, sizeof(answer.point));
    remote_buf_clear(&point);
    zama_learn(zama, &zama->parties[0], &answer);
    keys = list();
    assert_int_equal(keys.count, 2);
    remote_key_list_clear(&keys);
    assert_int_equal(remote_slot_find_label(slot, "party-1", &keys, &err), REMOTE_OK);
    assert_int_equal(keys.count, 1);
    assert_int_equal(keys.keys[0]->type, REMOTE_KEY_EC);
    remote_key_list_clear(&keys);
}

/* ---- the slot ---- */

static void test_describe_tells_how_many_are_needed_and_answered(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    open_slot(FOUR);
    remote_slot_describe(slot, &text);
    assert_string_equal((char *)text.data, ", 2 of 4");
    has(1, 1, ONE);
    has(2, 1, ONE);
    has(3, 1, ONE);
    will(4, 0, REMOTE_GRPC_NONE, NULL);
    assert_int_equal(remote_slot_prove(slot, &err), REMOTE_OK);
    remote_buf_truncate(&text, 0);
    remote_slot_describe(slot, &text);
    assert_string_equal((char *)text.data, ", 2 of 4, 3 answer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_list_shows_fhe_keys_that_enough_parties_report),
        TEST(test_list_when_one_hangs_then_waits_little_longer_than_for_the_others),
        TEST(test_list_when_too_few_answer_then_fails_soon),
        TEST(test_list_when_an_answer_is_nonsense_then_that_party_does_not_count),
        TEST(test_find_label_when_key_is_there_then_asks_no_longer_than_needed),
        TEST(test_find_label_when_it_is_no_name_of_ours_then_asks_nobody),
        TEST(test_party_keys_when_pinned_then_are_public_keys),
        TEST(test_party_key_when_an_answer_tells_it_then_is_there),
        TEST(test_describe_tells_how_many_are_needed_and_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
