/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys a BigDL slot has, and how more are made: bigdl_keys.c and bigdl_life.c. */
#include "bigdl_case.h"

#define OTHERS "user = a\nuser_token_env = TEST_BIGDL_TOKEN\n"

/* ---- configuration ---- */

static void test_data_keys_when_spelled_either_way_then_each_has_its_primary(void **state)
{
    const struct bigdl_data_key *found;

    (void)state;
    open_slot(OTHERS "primary_keys = only\ndata_keys = plain other/named\n");
    found = bigdl_find_data_key((struct bigdl *)slot->conn, "plain");
    assert_non_null(found);
    assert_string_equal(found->primary, "only");
    found = bigdl_find_data_key((struct bigdl *)slot->conn, "named");
    assert_non_null(found);
    assert_string_equal(found->primary, "other");
    assert_null(bigdl_find_data_key((struct bigdl *)slot->conn, "only"));
}

static void test_data_keys_when_they_make_no_sense_then_says_what_would(void **state)
{
    static const struct {
        const char *options, *text;
    } cases[] = {
        { "data_keys = d\n", "Write PRIMARY/NAME" },
        { "primary_keys = a b\ndata_keys = d\n", "Write PRIMARY/NAME" },
        { "data_keys = /d\n", "Write PRIMARY/NAME" },
        { "data_keys = p/\n", "Write PRIMARY/NAME" },
        { "data_keys = p/d/e\n", "Write PRIMARY/NAME" },
        { "primary_keys = p\ndata_keys = p/p\n", "'p' is named twice" },
        { "data_keys = p/d q/d\n", "'d' is named twice" },
    };
    char options[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        snprintf(options, sizeof(options), "%s%s", OTHERS, cases[i].options);
        open_slot(options);
        assert_null(slot->conn);
        assert_says(slot->broken.text, cases[i].text);
    }
}

/* ---- finding ---- */

static void test_list_when_answered_then_the_configured_names(void **state)
{
    static const char *const names[] = { "p1", "p2", "d1", "d2" };

    (void)state;
    begin(REMOTE_OP_LIST, NULL, NULL);
    assert_probe(NULL);
    assert_parses(500, BIGDL_THROWN("wrong primary key"));
    assert_int_equal(op.names.count, ARRAY_SIZE(names));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_string_equal(op.names.names[i], names[i]);
    assert_null(op.names.next_page);
    assert_fails(500, BIGDL_THROWN("wrong token or user"), REMOTE_E_AUTH, "wrong token");
    assert_fails(200, "AAAAAAAAAAAAAAAAAAAAAA==", REMOTE_E_PROTOCOL, "not expected");
}

static void assert_read(const char *name, const char *line, unsigned bits, bool released)
{
    begin(REMOTE_OP_READ, name, NULL);
    assert_probe(name);
    assert_parses(500, line);
    assert_int_equal(op.keys.count, 1);
    assert_int_equal(op.keys.keys[0]->type, REMOTE_KEY_AES);
    assert_int_equal(op.keys.keys[0]->bits, bits);
    assert_int_equal(op.keys.keys[0]->released, released);
    assert_int_equal(op.keys.keys[0]->id_len, 20);
    assert_int_equal(op.keys.keys[0]->uses & REMOTE_USE_WRAP, released ? REMOTE_USE_WRAP : 0);
}

static void test_read_when_taken_then_what_the_name_stands_for(void **state)
{
    (void)state;
    assert_read("p1", BIGDL_THROWN(BIGDL_NULL), 256, false);
    assert_read("p1", BIGDL_THROWN("null"), 256, false);
    assert_read("elsewhere", BIGDL_THROWN(BIGDL_NULL), 256, false);
    assert_read("d1", BIGDL_THROWN(BIGDL_PADDING), 128, true);
    assert_read("d1", BIGDL_THROWN("Invalid AES key length: 20 bytes"), 128, true);
}

static void test_read_when_not_what_is_configured_then_left_out(void **state)
{
    (void)state;
    begin(REMOTE_OP_READ, "d1", NULL);
    assert_fails(500, BIGDL_THROWN(BIGDL_NULL), REMOTE_E_UNSUPPORTED, "'d1' is a primary key");
    begin(REMOTE_OP_READ, "p1", NULL);
    assert_fails(500, BIGDL_THROWN(BIGDL_PADDING), REMOTE_E_UNSUPPORTED, "'p1' is a data key");
    assert_fails(500, BIGDL_THROWN("wrong primary key"), REMOTE_E_NOT_FOUND, "no such primary");
}

static void test_read_when_the_service_gives_no_reason_then_the_configuration_counts(void **state)
{
    static const char line[] = BIGDL_THROWN("Nonzero exit value: 1");

    (void)state;
    assert_read("p1", line, 256, false);
    assert_read("d1", line, 128, true);
    begin(REMOTE_OP_READ, "elsewhere", NULL);
    assert_fails(500, line, REMOTE_E_NOT_FOUND, "without a reason");
}

/* ---- making ---- */

static void test_generate_when_answered_then_looked_at(void **state)
{
    (void)state;
    begin(REMOTE_OP_GENERATE, "new", NULL);
    assert_request("POST", "/primaryKey/new?" BIGDL_QUERY);
    assert_parses(200, "generate primaryKey [new] successfully!");
    assert_true(op.more);
    op.step = 1;
    op.more = false;
    assert_probe("new");
    assert_parses(500, BIGDL_THROWN(BIGDL_NULL));
    assert_false(op.more);
    assert_int_equal(op.keys.count, 1);
    assert_int_equal(op.keys.keys[0]->bits, 256);
    assert_fails(500, BIGDL_THROWN(BIGDL_PADDING), REMOTE_E_EXISTS, "a data key of that name");
    assert_fails(500, BIGDL_THROWN("wrong primary key"), REMOTE_E_NOT_FOUND, "no such primary");
}

static void test_generate_when_refused_then_says_so(void **state)
{
    (void)state;
    begin(REMOTE_OP_GENERATE, "new", NULL);
    assert_fails(500, BIGDL_THROWN("Nonzero exit value: 1"), REMOTE_E_EXISTS, "may be taken");
    assert_fails(500, BIGDL_THROWN("empty encryption key!"), REMOTE_E_CONFIG, "no root key");
    assert_false(op.more);
}

static void test_data_key_when_new_then_looked_for_made_and_fetched(void **state)
{
    (void)state;
    begin(REMOTE_OP_DATA_KEY, "fresh one", "p1");
    op.item_count = 2;
    op.length = 16;
    assert_probe("fresh%20one");
    assert_parses(500, BIGDL_THROWN("wrong primary key"));
    assert_true(op.more);
    op.step = 1;
    assert_request("POST", "/dataKey/fresh%20one?primaryKeyName=p1&" BIGDL_QUERY);
    assert_parses(200, "dataKey [fresh one] is generated successfully!");
    assert_true(op.more);
    op.step = 2;
    assert_request("GET", "/dataKey/fresh%20one?primaryKeyName=p1&" BIGDL_QUERY);
    assert_parses(200, "PeyAFy88CdBOJdN2pAUOEw==");
    assert_false(op.more);
    assert_int_equal(items[0].out.len, 16);
    assert_string_equal(text_of(&items[1].out), "fresh one");
}

static void test_data_key_when_taken_or_impossible_then_refused(void **state)
{
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_DATA_KEY, "d1", "p1");
    op.item_count = 2;
    op.length = 16;
    assert_fails(500, BIGDL_THROWN(BIGDL_PADDING), REMOTE_E_EXISTS, "'d1' already");
    assert_fails(500, BIGDL_THROWN(BIGDL_NULL), REMOTE_E_EXISTS, "'d1' already");
    assert_false(op.more);
    op.step = 1;
    assert_fails(500, BIGDL_THROWN("wrong primary key"), REMOTE_E_NOT_FOUND, "no such primary");
    op.step = 0;
    op.length = 32;
    assert_int_equal(build(&err), REMOTE_E_LENGTH);
    assert_says(err.text, "16 bytes, not 32");
    begin(REMOTE_OP_DATA_KEY, "x", "d1");
    assert_int_equal(build(&err), REMOTE_E_FORBIDDEN_USE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_data_keys_when_spelled_either_way_then_each_has_its_primary),
        TEST(test_data_keys_when_they_make_no_sense_then_says_what_would),
        TEST(test_list_when_answered_then_the_configured_names),
        TEST(test_read_when_taken_then_what_the_name_stands_for),
        TEST(test_read_when_not_what_is_configured_then_left_out),
        TEST(test_read_when_the_service_gives_no_reason_then_the_configuration_counts),
        TEST(test_generate_when_answered_then_looked_at),
        TEST(test_generate_when_refused_then_says_so),
        TEST(test_data_key_when_new_then_looked_for_made_and_fetched),
        TEST(test_data_key_when_taken_or_impossible_then_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
