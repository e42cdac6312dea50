/* SPDX-License-Identifier: Apache-2.0 */
#include "bigdl_case.h"

#define NO_REASON BIGDL_THROWN("Nonzero exit value: 1")
#define NO_PRIMARY BIGDL_THROWN("wrong primary key")

static bool fits(const char *pin)
{
    return slot->ops->pin_fits(slot->conn, remote_slice_str(pin));
}

static void test_pin_when_of_another_form_then_does_not_fit(void **state)
{
    static char long_one[1026];

    (void)state;
    open_slot("user = a\npin = user_token\n");
    memset(long_one, 'x', sizeof(long_one) - 1);
    assert_true(fits("a token, of any letters + %"));
    assert_true(fits(long_one + 1));
    assert_false(fits(long_one));
    assert_false(fits(""));
    assert_false(fits("two\nlines"));
    assert_false(fits("hvs.CAESI"));
    assert_false(fits("hvb.AAAA"));
    assert_false(fits("kes:v1:AAAA"));
}

static void test_prove_when_of_the_second_generation_then_one_answer_tells(void **state)
{
    (void)state;
    begin(REMOTE_OP_PROVE, NULL, NULL);
    assert_probe(NULL);
    assert_parses(500, NO_PRIMARY);
    assert_false(op.more);
    assert_fails(500, BIGDL_THROWN("wrong token or user"), REMOTE_E_AUTH, "wrong token");
    assert_fails(404, "The requested resource could not be found.", REMOTE_E_CONFIG, "check url");
    assert_fails(500, BIGDL_THROWN(BIGDL_NULL), REMOTE_E_PROTOCOL, "not expected");
    assert_fails(200, "", REMOTE_E_PROTOCOL, "not expected");
    assert_fails(503, "", REMOTE_E_UNAVAILABLE, "not available");
}

static void test_prove_when_of_the_first_generation_then_each_data_key_is_tried(void **state)
{
    (void)state;
    begin(REMOTE_OP_PROVE, NULL, NULL);
    assert_parses(500, NO_REASON);
    assert_true(op.more);
    op.step = 1;
    op.more = false;
    assert_request("GET", "/dataKey/d1?primaryKeyName=p1&" BIGDL_QUERY);
    assert_parses(500, NO_REASON);
    assert_true(op.more);
    op.step = 2;
    op.more = false;
    assert_request("GET", "/dataKey/d2?primaryKeyName=p2&" BIGDL_QUERY);
    assert_fails(500, NO_REASON, REMOTE_E_AUTH, "wrong token");
    assert_parses(200, "PeyAFy88CdBOJdN2pAUOEw==");
    assert_false(op.more);
}

static void test_prove_when_nothing_can_be_tried_then_taken_as_it_is(void **state)
{
    (void)state;
    open_slot("user = al ice\nuser_token_env = TEST_BIGDL_TOKEN\n");
    begin(REMOTE_OP_PROVE, NULL, NULL);
    assert_parses(500, NO_REASON);
    assert_false(op.more);
}

static void test_enroll_when_answered_then_the_token_is_tried(void **state)
{
    (void)state;
    begin(REMOTE_OP_DOCUMENT, NULL, NULL);
    assert_request("POST", "/user/al%20ice?token=t%2B1%20%2F%25");
    assert_parses(200, "user [al ice] is created successfully!");
    assert_true(op.more);
    op.step = 1;
    assert_probe(NULL);
    assert_parses(500, NO_PRIMARY);
    assert_fails(500, BIGDL_THROWN("wrong token or user"), REMOTE_E_EXISTS, "with another token");
}

static void test_enroll_when_refused_then_says_so(void **state)
{
    (void)state;
    begin(REMOTE_OP_DOCUMENT, NULL, NULL);
    assert_fails(500, BIGDL_THROWN("empty root key! Need initilization first"), REMOTE_E_CONFIG,
                 "no root key");
    assert_fails(500, NO_REASON, REMOTE_E_EXISTS, "there may be one already");
    assert_false(op.more);
}

static void test_open_when_credentials_are_missing_or_wrong_then_says_so(void **state)
{
    static const struct {
        const char *options, *text;
    } cases[] = {
        { "user_token_env = TEST_BIGDL_TOKEN\n", "user: missing" },
        { "user = a\n", "user_token_file: missing" },
        { "user = a\npin = user_token\nuser_token_env = TEST_BIGDL_TOKEN\n", "one of" },
        { "user = a\npin = apikey\n", "user_token" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        open_slot(cases[i].options);
        assert_null(slot->conn);
        assert_says(slot->broken.text, cases[i].text);
    }
    setenv("TEST_BIGDL_TOKEN", "hvs.secret", 1);
    open_slot("user = a\nuser_token_env = TEST_BIGDL_TOKEN\n");
    assert_says(slot->broken.text, "not a token of BigDL KMS");
    assert_null(strstr(slot->broken.text, "hvs"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_pin_when_of_another_form_then_does_not_fit),
        TEST(test_prove_when_of_the_second_generation_then_one_answer_tells),
        TEST(test_prove_when_of_the_first_generation_then_each_data_key_is_tried),
        TEST(test_prove_when_nothing_can_be_tried_then_taken_as_it_is),
        TEST(test_enroll_when_answered_then_the_token_is_tried),
        TEST(test_enroll_when_refused_then_says_so),
        TEST(test_open_when_credentials_are_missing_or_wrong_then_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
