/* SPDX-License-Identifier: Apache-2.0 */
/* What a quorum seals and opens, with members that are well, away, or lying. */
#include "quorum_case.h"

#include "local.h"

#define TWO MEMBERS QUORUM("q", ABC, "2")

static void test_open_when_all_is_well_then_the_content_with_its_data(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    start(TWO);
    seal_text("q", &sealed);
    assert_int_equal(parts_in(&sealed), 3);
    assert_opens("q", &sealed);
    assert_int_equal(open_with("q", remote_buf_slice(&sealed), remote_slice_str("other"), &plain,
                               &err),
                     REMOTE_E_DATA);
    assert_int_equal(plain.len, 0);
}

static void assert_round_trip(size_t len)
{
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf found = { 0 };
    struct remote_error err = { 0 };

    for (size_t i = 0; i < len; i++)
        remote_buf_append_char(&plain, (char)i);
    assert_ok(seal_with("q", remote_buf_slice(&plain), remote_slice_str(""), &sealed, &err), err);
    assert_ok(open_with("q", remote_buf_slice(&sealed), remote_slice_str(""), &found, &err), err);
    assert_true(remote_slice_equal(remote_buf_slice(&plain), remote_buf_slice(&found)));
}

static void test_seal_when_empty_or_as_large_as_may_be_then_opens(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_error err = { 0 };
    struct remote_slice much;

    (void)state;
    start(TWO);
    assert_round_trip(0);
    assert_round_trip(QUORUM_PLAIN_MAX);
    much = remote_slice(calloc(1, QUORUM_PLAIN_MAX + 1), QUORUM_PLAIN_MAX + 1);
    assert_int_equal(seal_with("q", much, remote_slice_str(""), &sealed, &err), REMOTE_E_LENGTH);
    free((void *)(uintptr_t)much.data);
}

/* ---- every subset of members, ill in every way ---- */

struct illness {
    const char *what;
    struct memory_rule rule;
    bool lies;         /* it answers, so that the container is to blame */
    enum remote_rc rc; /* what an opening fails with that it keeps from its quorum */
};

static const struct illness illnesses[] = {
    { "down", { .fate = MEMORY_REFUSE }, false, REMOTE_E_UNAVAILABLE },
    { "cut", { .fate = MEMORY_CUT }, false, REMOTE_E_UNAVAILABLE },
    { "hung", { .fate = MEMORY_HANG }, false, REMOTE_E_TIMEOUT },
    { "throttled", { .status = 429, .retry_after_s = 60 }, false, REMOTE_E_BUSY },
    { "forbidden", { .status = 403 }, false, REMOTE_E_RIGHTS },
    { "destroyed", { .status = 404 }, false, REMOTE_E_UNAVAILABLE },
    { "confused", { .status = 500 }, false, REMOTE_E_PROTOCOL },
    { "not opening", { .status = 400 }, true, REMOTE_E_DATA },
};

static void fall_ill(const struct illness *illness, unsigned members)
{
    static const char *const keys[] = { "ka", "kb", "kc" };

    for (unsigned i = 0; i < 3; i++) {
        struct memory_rule rule = illness->rule;

        rule.name = keys[i];
        rule.kinds = MEMORY_KIND(DECRYPT);
        if (members >> i & 1u)
            memory_rule(rule);
    }
}

static void test_open_when_any_subset_is_ill_then_the_others_decide(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    seal_text("q", &sealed);
    for (size_t i = 0; i < ARRAY_SIZE(illnesses); i++)
        for (unsigned members = 0; members < 8; members++) {
            bool enough = __builtin_popcount(members) <= 1;
            struct remote_error err = { 0 };
            enum remote_rc rc;

            memory_forget_rules();
            fall_ill(&illnesses[i], members);
            rc = try_open("q", &sealed, &err);
            if (rc != (enough ? REMOTE_OK : illnesses[i].rc))
                fail_msg("%s, members %u: %d, %s", illnesses[i].what, members, rc, err.text);
            memory_advance(60000);
        }
}

/* What one member opened is no reason to blame the container while another is away. */
static void test_open_when_one_is_away_and_one_lies_then_not_the_containers_fault(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    start(TWO);
    seal_text("q", &sealed);
    memory_rule((struct memory_rule){ .name = "kc", .fate = MEMORY_REFUSE });
    memory_rule((struct memory_rule){ .name = "ka", .kinds = MEMORY_KIND(DECRYPT), .status = 400 });
    assert_int_equal(try_open("q", &sealed, &err), REMOTE_E_UNAVAILABLE);
    assert_says(err.text, "1 of 3 members answered where 2 are needed; 'c/kc'");
}

static void test_open_when_a_member_lies_then_it_is_named_and_another_asked(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    log_to_file();
    seal_text("q", &sealed);
    memory.liar = "ka";
    assert_opens("q", &sealed);
    assert_int_equal(log_lines("member 'a/ka': opened to another share than the container says"),
                     1);
}

/* ---- containers that are not the slot's ---- */

static void test_open_when_any_byte_is_changed_then_refused(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    seal_text("q", &sealed);
    for (size_t i = 0; i < sealed.len; i++)
        for (unsigned bit = 0; bit < 8; bit += 3) {
            sealed.data[i] ^= (unsigned char)(1u << bit);
            assert_refused("q", &sealed);
            sealed.data[i] ^= (unsigned char)(1u << bit);
        }
    assert_opens("q", &sealed);
}

static void test_open_when_any_byte_is_changed_then_no_member_is_thought_ill(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    seal_text("q", &sealed);
    for (size_t i = 78; i < sealed.len; i++) {
        sealed.data[i] ^= 1;
        assert_refused("q", &sealed);
        sealed.data[i] ^= 1;
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(atomic_load(&quorum_of("q")->members[i].failing_until_ms), 0);
}

static void test_open_when_made_for_fewer_members_then_refused(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf low = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf high = { 0 };

    (void)state;
    start(MEMBERS QUORUM("low", ABC, "1") QUORUM("high", ABC, "3"));
    log_to_file();
    seal_text("low", &low);
    seal_text("high", &high);
    assert_refused("high", &low);
    assert_int_equal(log_lines("the container was made for 1 members, slot 'high' demands 3"), 1);
    assert_int_equal(memory_count(REMOTE_OP_DECRYPT), 0);
    assert_opens("low", &high); /* more than the slot demands is no downgrade */
    assert_int_equal(memory_count(REMOTE_OP_DECRYPT), 3);
}

static void test_open_when_it_names_a_foreign_member_then_refused(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(MEMBERS QUORUM("q", ABC, "2") QUORUM("other", "a/ka b/kb d/kd", "2"));
    log_to_file();
    seal_text("other", &sealed);
    assert_refused("q", &sealed);
    assert_int_equal(log_lines("names a member that slot 'q' does not have"), 1);
    assert_int_equal(memory_count(REMOTE_OP_DECRYPT), 0);
}

/* Sealed as the service in memory does it: by anybody who has two keys of slot a. */
static void forge(struct remote_buf *ret, unsigned char sealed[2][1 + REMOTE_QUORUM_RECORD])
{
    static const char *const keys[] = { "ka", "old" };
    unsigned char value[REMOTE_QUORUM_KEY] = { 7 }, random[REMOTE_QUORUM_KEY] = { 9 };
    CLEANUP(remote_secret_clear) struct remote_secret key = { 0 };
    struct remote_quorum_header header = { .threshold = 2, .count = 2 };
    struct remote_share shares[2] = { { .x = 1 }, { .x = 2 } };
    struct remote_error err = { 0 };

    assert_ok(remote_secret_set(&key, value, sizeof(value), &err), err);
    remote_shamir_split(value, 2, random, shares, 2);
    assert_ok(remote_quorum_commit_key(&header, &key, &err), err);
    for (size_t i = 0; i < 2; i++) {
        struct remote_quorum_entry *entry = &header.entries[i];

        assert_ok(remote_quorum_member_id("a", keys[i], entry->id, &err), err);
        assert_ok(remote_quorum_commit_share(&header, entry, &shares[i], &err), err);
        entry->how = REMOTE_QUORUM_AEAD;
        entry->version = 1;
        sealed[i][0] = 1;
        remote_quorum_record(&header, &shares[i], &sealed[i][1]);
        entry->sealed = remote_slice(sealed[i], 1 + REMOTE_QUORUM_RECORD);
    }
    assert_ok(remote_quorum_write(&header, &key, ret, &err), err);
    assert_ok(remote_quorum_seal(&header, &key, remote_slice_str("content"),
                                 remote_slice_str("aad"), ret, &err),
              err);
}

static void test_open_when_one_slot_would_answer_twice_then_refused(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    unsigned char parts[2][1 + REMOTE_QUORUM_RECORD];

    (void)state;
    memory_add_typed("old", 1, REMOTE_KEY_AES, 256);
    start(TWO "retired = a/old\n");
    log_to_file();
    forge(&sealed, parts);
    assert_refused("q", &sealed);
    assert_int_equal(log_lines("the container names two keys of slot 'a'"), 1);
}

static void test_open_when_sealed_in_another_keys_way_then_refused(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    size_t part = 56 + 1 + REMOTE_QUORUM_RECORD;

    (void)state;
    start(TWO);
    log_to_file();
    seal_text("q", &sealed);
    for (size_t i = 0; i < 3; i++)
        sealed.data[78 + i * part + 17] = REMOTE_QUORUM_OAEP_256;
    assert_refused("q", &sealed);
    assert_int_equal(log_lines("member 'b/kb': its part is sealed in a way that is not"), 1);
    assert_int_equal(memory_count(REMOTE_OP_DECRYPT), 0);
}

static void test_open_when_truncated_at_any_byte_then_refused(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    seal_text("q", &sealed);
    while (sealed.len > 0) {
        remote_buf_truncate(&sealed, sealed.len - 1);
        assert_refused("q", &sealed);
    }
}

/* ---- members come and go ---- */

static void test_open_when_a_member_is_retired_then_older_containers_open(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf old = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf fresh = { 0 };

    (void)state;
    start(TWO);
    seal_text("q", &old);
    reload_to(MEMBERS QUORUM("q", "b/kb c/kc d/kd", "2"));
    assert_refused("q", &old);
    reload_to(MEMBERS QUORUM("q", "b/kb c/kc d/kd", "2") "retired = a/ka\n");
    assert_opens("q", &old);
    seal_text("q", &fresh);
    reload_to(MEMBERS QUORUM("q", "b/kb c/kc d/kd", "2"));
    assert_opens("q", &fresh);
}

static void test_rewrap_when_members_changed_then_the_content_stays(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf old = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf fresh = { 0 };
    struct remote_quorum_header before, after;
    struct remote_error err = { 0 };

    (void)state;
    start(TWO);
    seal_text("q", &old);
    reload_to(MEMBERS QUORUM("q", "b/kb c/kc d/kd", "3") "retired = a/ka\n");
    assert_int_equal(rewrap_with("q", remote_buf_slice(&old), &fresh, &err), REMOTE_E_DATA);
    reload_to(MEMBERS QUORUM("q", "b/kb c/kc d/kd", "2") "retired = a/ka\n");
    assert_ok(rewrap_with("q", remote_buf_slice(&old), &fresh, &err), err);
    before = header_of(&old);
    after = header_of(&fresh);
    assert_memory_equal(before.container_id, after.container_id, REMOTE_QUORUM_ID);
    assert_memory_not_equal(before.run_id, after.run_id, REMOTE_QUORUM_ID);
    assert_memory_equal(old.data + old.len - remote_quorum_content_size(7),
                        fresh.data + fresh.len - remote_quorum_content_size(7),
                        remote_quorum_content_size(7));
    reload_to(MEMBERS QUORUM("q", "b/kb c/kc d/kd", "2"));
    assert_opens("q", &fresh);
}

static void test_rewrap_when_tampered_then_refused_and_nothing_given(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf fresh = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    start(TWO);
    seal_text("q", &sealed);
    sealed.data[60] ^= 1;
    assert_int_equal(rewrap_with("q", remote_buf_slice(&sealed), &fresh, &err), REMOTE_E_DATA);
    assert_int_equal(fresh.len, 0);
}

static void test_rewrap_when_of_a_slot_that_cannot_then_says_so(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf fresh = { 0 };
    struct remote_key *key;
    struct remote_error err = { 0 };

    (void)state;
    start(TWO);
    key = memory_find(slot_of("a"), "ka");
    assert_int_equal(remote_key_rewrap(key, remote_slice_str("x"), &fresh, &err),
                     REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "slot 'a': keys in memory wraps nothing anew");
    remote_key_unref(key);
}

static void test_open_when_a_members_key_was_rotated_then_opens(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf old = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf fresh = { 0 };

    (void)state;
    start(TWO);
    seal_text("q", &old);
    memory_add_typed("ka", 2, REMOTE_KEY_AES, 256);
    memory_add_typed("kb", 2, REMOTE_KEY_AES, 256);
    remote_slot_refresh(slot_of("a"));
    remote_slot_refresh(slot_of("b"));
    assert_opens("q", &old);
    seal_text("q", &fresh);
    assert_int_equal(header_of(&fresh).entries[0].version, 2);
    assert_int_equal(header_of(&fresh).entries[2].version, 1);
    assert_opens("q", &fresh);
    assert_opens("q", &old);
}

static void test_open_when_a_members_key_is_gone_then_the_others_do(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    start(TWO);
    seal_text("q", &sealed);
    memory_rule((struct memory_rule){ .name = "ka", .status = 404 });
    for (int i = 0; i < 3; i++)
        assert_opens("q", &sealed);
    memory_rule((struct memory_rule){ .name = "kb", .status = 404 });
    for (int i = 0; i < 3; i++) /* its own key is not gone */
        assert_int_equal(try_open("q", &sealed, &err), REMOTE_E_UNAVAILABLE);
}

/* ---- sealing with members missing ---- */

static struct remote_stats stats_of(const char *slot)
{
    struct remote_stats stats = { 0 };

    remote_slot_stats(slot_of(slot), &stats);
    return stats;
}

static void test_seal_when_a_member_is_away_then_fails_unless_told_otherwise(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    start(TWO);
    memory_rule((struct memory_rule){ .name = "kb", .fate = MEMORY_REFUSE });
    assert_int_equal(seal_with("q", remote_slice_str("x"), remote_slice_str(""), &sealed, &err),
                     REMOTE_E_UNAVAILABLE);
    assert_says(err.text, "2 of 3 members answered where 3 are needed; 'b/kb'");
    assert_int_equal(sealed.len, 0);
}

static void test_seal_when_wrap_min_answer_then_the_rest_is_filled_by_rewrap(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf filled = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    start(TWO "wrap_min = 2\n");
    log_to_file();
    memory_rule((struct memory_rule){ .name = "kb", .fate = MEMORY_REFUSE });
    seal_text("q", &sealed);
    assert_int_equal(parts_in(&sealed), 2);
    assert_int_equal(stats_of("q").missing_shares, 1);
    assert_int_equal(log_lines("sealed with 2 of 3 members"), 1);
    assert_opens("q", &sealed);
    memory_forget_rules();
    assert_ok(rewrap_with("q", remote_buf_slice(&sealed), &filled, &err), err);
    assert_int_equal(parts_in(&filled), 3);
    assert_opens("q", &filled);
}

static void test_open_when_empty_parts_leave_too_few_then_refused(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    start(TWO "wrap_min = 2\n");
    memory_rule((struct memory_rule){ .name = "kb", .fate = MEMORY_REFUSE });
    seal_text("q", &sealed);
    memory_rule((struct memory_rule){ .name = "kc", .fate = MEMORY_REFUSE });
    assert_int_equal(try_open("q", &sealed, &err), REMOTE_E_UNAVAILABLE);
    assert_says(err.text, "1 of 2 members answered where 2 are needed; 'c/kc'");
}

static void test_seal_when_below_wrap_min_then_fails(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    start(TWO "wrap_min = 2\n");
    memory_rule((struct memory_rule){ .name = "kb", .fate = MEMORY_REFUSE });
    memory_rule((struct memory_rule){ .name = "kc", .status = 403 });
    assert_int_not_equal(seal_with("q", remote_slice_str("x"), remote_slice_str(""), &sealed, &err),
                         REMOTE_OK);
    assert_int_equal(stats_of("q").missing_shares, 0);
}

/* ---- RSA members ---- */

static void test_seal_when_a_member_is_rsa_then_only_if_that_is_meant(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    memory_add_typed("rsa", 1, REMOTE_KEY_RSA, 2048);
    start(MEMBERS QUORUM("q", "a/ka b/rsa", "1"));
    assert_int_equal(seal_with("q", remote_slice_str("x"), remote_slice_str(""), &sealed, &err),
                     REMOTE_E_CONFIG);
    assert_says(err.text, "'b/rsa': an RSA key, for which anybody can make a container; set "
                          "allow_unauthenticated = yes in slot 'q'");
}

/* ---- quorums of quorums ---- */

static void test_open_when_members_are_quorums_then_opens(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(MEMBERS QUORUM("q", "left/left right/right", "2") QUORUM("left", "a/ka b/kb", "1")
              QUORUM("right", "c/kc d/kd", "1"));
    seal_text("q", &sealed);
    assert_opens("q", &sealed);
    memory_rule((struct memory_rule){ .name = "ka", .fate = MEMORY_REFUSE });
    memory_rule((struct memory_rule){ .name = "kd", .fate = MEMORY_REFUSE });
    assert_opens("q", &sealed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open_when_all_is_well_then_the_content_with_its_data),
        TEST(test_seal_when_empty_or_as_large_as_may_be_then_opens),
        TEST(test_open_when_any_subset_is_ill_then_the_others_decide),
        TEST(test_open_when_one_is_away_and_one_lies_then_not_the_containers_fault),
        TEST(test_open_when_a_member_lies_then_it_is_named_and_another_asked),
        TEST(test_open_when_any_byte_is_changed_then_refused),
        TEST(test_open_when_any_byte_is_changed_then_no_member_is_thought_ill),
        TEST(test_open_when_made_for_fewer_members_then_refused),
        TEST(test_open_when_it_names_a_foreign_member_then_refused),
        TEST(test_open_when_one_slot_would_answer_twice_then_refused),
        TEST(test_open_when_sealed_in_another_keys_way_then_refused),
        TEST(test_open_when_truncated_at_any_byte_then_refused),
        TEST(test_open_when_a_member_is_retired_then_older_containers_open),
        TEST(test_rewrap_when_members_changed_then_the_content_stays),
        TEST(test_rewrap_when_tampered_then_refused_and_nothing_given),
        TEST(test_rewrap_when_of_a_slot_that_cannot_then_says_so),
        TEST(test_open_when_a_members_key_was_rotated_then_opens),
        TEST(test_open_when_a_members_key_is_gone_then_the_others_do),
        TEST(test_seal_when_a_member_is_away_then_fails_unless_told_otherwise),
        TEST(test_seal_when_wrap_min_answer_then_the_rest_is_filled_by_rewrap),
        TEST(test_open_when_empty_parts_leave_too_few_then_refused),
        TEST(test_seal_when_below_wrap_min_then_fails),
        TEST(test_seal_when_a_member_is_rsa_then_only_if_that_is_meant),
        TEST(test_open_when_members_are_quorums_then_opens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
