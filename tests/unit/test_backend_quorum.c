/* SPDX-License-Identifier: Apache-2.0 */
/* The slot: its options, its one key, and what its health says. */
#include "quorum_case.h"

static void assert_broken(const char *text, const char *what)
{
    struct remote_error err = { 0 };

    start(text);
    assert_int_equal(remote_slot_status(slot_of("q"), &err), REMOTE_E_CONFIG);
    assert_says(err.text, what);
    assert_says(err.text, "one.conf:");
    remote_core_close(core);
    core = NULL;
}

static void test_options_when_wrong_then_say_what_would_be_right(void **state)
{
    (void)state;
    assert_broken(MEMBERS "[slot q]\nbackend = quorum\nthreshold = 1\n",
                  "members: missing; name SLOT/KEY of each member");
    assert_broken(MEMBERS "[slot q]\nbackend = quorum\nmembers = a/ka b/kb\n",
                  "threshold: missing; say how many of the 2 members are needed to open");
    assert_broken(MEMBERS QUORUM("q", "a/ka b/kb", "3"), "threshold: 3 of only 2 members");
    assert_broken(MEMBERS QUORUM("q", "a/ka b/kb", "0"), "threshold");
    assert_broken(MEMBERS QUORUM("q", "a/ka b", "1"), "members: 'b' is not SLOT/KEY");
    assert_broken(MEMBERS QUORUM("q", "a/ka b/", "1"), "members: 'b/' is not SLOT/KEY");
    assert_broken(MEMBERS QUORUM("q", "a/ka /kb", "1"), "there is no slot ''");
    assert_broken(MEMBERS QUORUM("q", "a/ka a/ka", "1"), "'a/ka' is named twice");
    assert_broken(MEMBERS QUORUM("q", "a/ka b/kb", "1") "retired = a/ka\n", "named twice");
    assert_broken(MEMBERS QUORUM("q", "a/ka a/kb", "1"),
                  "two keys of slot 'a'; members must be of different slots");
    assert_broken(MEMBERS QUORUM("q", ABC, "2") "wrap_min = 1\n",
                  "wrap_min: 1; it must be from threshold (2) to the number of members (3)");
    assert_broken(MEMBERS QUORUM("q", ABC, "2") "wrap_min = 4\n", "wrap_min: 4;");
}

static void test_members_when_too_many_then_says_how_many_may_be(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    (void)state;
    remote_buf_append_str(&text, MEMBERS QUORUM("q", ABC, "2"));
    for (int i = 0; i < 30; i++)
        remote_buf_printf(&text, "retired = d/old%d\n", i);
    assert_broken((const char *)text.data, "more than 32, retired ones included");
}

static void test_key_is_one_aes_key_of_the_slots_name(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    start(MEMBERS QUORUM("q", ABC, "2") QUORUM("r", ABC, "2") "key_name = vaulted\n");
    assert_ok(remote_slot_list(slot_of("q"), NULL, &keys, &err), err);
    assert_int_equal(keys.count, 1);
    assert_string_equal(keys.keys[0]->name, "q");
    assert_int_equal(keys.keys[0]->type, REMOTE_KEY_AES);
    assert_int_equal(keys.keys[0]->bits, 256);
    remote_key_list_clear(&keys);
    assert_ok(remote_slot_list(slot_of("r"), NULL, &keys, &err), err);
    assert_string_equal(keys.keys[0]->name, "vaulted");
    remote_key_list_clear(&keys);
    assert_int_equal(memory.requests, 0);
}

static void test_other_operations_are_unsupported(void **state)
{
    struct remote_error err = { 0 };
    struct remote_key *key;
    struct remote_buf sig = { 0 };
    struct remote_params params = { .alg = REMOTE_ALG_HMAC, .hash = REMOTE_HASH_SHA256 };

    (void)state;
    start(MEMBERS QUORUM("q", ABC, "2"));
    key = memory_find(slot_of("q"), "q");
    assert_int_equal(remote_key_sign(key, &params, remote_slice_str("x"), &sig, &err),
                     REMOTE_E_UNSUPPORTED);
    params = (struct remote_params){ .alg = REMOTE_ALG_AES_GCM, .tag_len = 16 };
    assert_int_equal(remote_key_encrypt(key, &params, remote_slice_str("x"), &sig, &err),
                     REMOTE_E_UNSUPPORTED);
    remote_key_unref(key);
}

static void test_health_counts_the_members_that_answer(void **state)
{
    struct remote_health health[4] = { 0 };
    struct remote_error err = { 0 };
    size_t count = 0;

    (void)state;
    start(MEMBERS QUORUM("q", ABC, "2"));
    memory_rule((struct memory_rule){ .name = "kb", .fate = MEMORY_REFUSE });
    assert_ok(remote_slot_health(slot_of("q"), health, 4, &count, &err), err);
    assert_int_equal(count, 1);
    assert_int_equal(health[0].rc, REMOTE_OK);
    assert_string_equal(health[0].detail, "2 of 3 members answer, 2 are needed");
    memory_rule((struct memory_rule){ .name = "kc", .fate = MEMORY_REFUSE });
    memory_advance(60000);
    assert_ok(remote_slot_health(slot_of("q"), health, 4, &count, &err), err);
    assert_int_equal(health[0].rc, REMOTE_E_UNAVAILABLE);
    assert_says(health[0].err.text, "1 of 3 members answered where 2 are needed");
}

static void test_sealed_max_is_enough_for_any_member(void **state)
{
    struct remote_params params = { .alg = REMOTE_ALG_AEAD };
    struct remote_key *key;

    (void)state;
    start(MEMBERS QUORUM("q", ABC, "2"));
    key = memory_find(slot_of("q"), "q");
    assert_int_equal(remote_key_sealed_max(key, &params, 100),
                     78 + 3 * (56 + 4096) + 32 + 12 + 100 + 16); /* docs/quorum.md */
    remote_key_unref(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_options_when_wrong_then_say_what_would_be_right),
        TEST(test_members_when_too_many_then_says_how_many_may_be),
        TEST(test_key_is_one_aes_key_of_the_slots_name),
        TEST(test_other_operations_are_unsupported),
        TEST(test_health_counts_the_members_that_answer),
        TEST(test_sealed_max_is_enough_for_any_member),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
