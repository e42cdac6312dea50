/* SPDX-License-Identifier: Apache-2.0 */
/* The BigDL backend's requests byte for byte, and its answers: recorded ones, and hostile ones. */
#include "bigdl_case.h"

#define RECORDED_KEY "PeyAFy88CdBOJdN2pAUOEw=="

static void assert_recorded_key(void)
{
    static const unsigned char bytes[] = { 0x3d, 0xec, 0x80, 0x17, 0x2f, 0x3c, 0x09, 0xd0,
                                           0x4e, 0x25, 0xd3, 0x76, 0xa4, 0x05, 0x0e, 0x13 };

    assert_int_equal(items[0].out.len, sizeof(bytes));
    assert_memory_equal(items[0].out.data, bytes, sizeof(bytes));
}

/* ---- data keys ---- */

static void test_unwrap_request_and_recorded_answers(void **state)
{
    (void)state;
    begin(REMOTE_OP_DECRYPT, NULL, "p1");
    items[0].in = remote_slice_str("a+b/c d");
    assert_request("GET", "/dataKey/a%2Bb%2Fc%20d?primaryKeyName=p1&" BIGDL_QUERY);
    assert_parses(200, RECORDED_KEY);
    assert_recorded_key();
    assert_fails(500, BIGDL_THROWN(BIGDL_NULL), REMOTE_E_DATA, "no data key of that name");
    assert_fails(500, BIGDL_THROWN("null"), REMOTE_E_DATA, "no data key of that name");
    assert_fails(500, BIGDL_THROWN(BIGDL_PADDING), REMOTE_E_DATA, "no data key of that name");
    assert_fails(500, BIGDL_THROWN("Nonzero exit value: 1"), REMOTE_E_DATA, "no data key of that");
    assert_fails(500, BIGDL_THROWN("wrong primary key"), REMOTE_E_NOT_FOUND, "no such primary key");
    assert_fails(500, BIGDL_THROWN("wrong token or user"), REMOTE_E_AUTH, "wrong token");
    assert_fails(500, BIGDL_THROWN("empty encryption key!"), REMOTE_E_CONFIG, "no root key");
}

static void test_unwrap_when_the_name_is_no_segment_then_no_request(void **state)
{
    static const char *const names[] = { "", ".", ".." };
    struct remote_error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        begin(REMOTE_OP_DECRYPT, NULL, "p1");
        items[0].in = remote_slice_str(names[i]);
        assert_int_equal(build(&err), REMOTE_E_PARAM);
        assert_says(err.text, "neither empty, . nor ..");
    }
}

static void test_release_request_and_answers(void **state)
{
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_RELEASE, NULL, "d2");
    assert_request("GET", "/dataKey/d2?primaryKeyName=p2&" BIGDL_QUERY);
    assert_parses(200, RECORDED_KEY);
    assert_recorded_key();
    assert_fails(500, BIGDL_THROWN(BIGDL_NULL), REMOTE_E_NOT_FOUND, "no such data key");
    assert_fails(500, BIGDL_THROWN(BIGDL_PADDING), REMOTE_E_NOT_FOUND, "another primary key");
    begin(REMOTE_OP_RELEASE, NULL, "p1");
    assert_int_equal(build(&err), REMOTE_E_NOT_FOUND);
}

static void test_key_when_it_is_not_24_letters_of_16_bytes_then_refused(void **state)
{
    static const char *const bodies[] = {
        "",
        "AAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAA==A",
        "AAAAAAAAAAAAAAAAAAAAAA==\n",
        "AAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAAAA",
        "{\"key\":\"AAAAAAAAAAAAA\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        begin(REMOTE_OP_DECRYPT, NULL, "p1");
        assert_fails(200, bodies[i], REMOTE_E_PROTOCOL, "base64 of a 16-byte key");
        assert_int_equal(items[0].out.len, 0);
    }
}

static void test_answers_when_only_like_the_recorded_ones_then_not_taken_for_them(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum remote_rc rc;
    } cases[] = {
        { 500, "nullable", REMOTE_E_PROTOCOL },
        { 500, "", REMOTE_E_PROTOCOL },
        { 500, "error: wrong primary key", REMOTE_E_PROTOCOL },
        { 500, "\nwrong primary key", REMOTE_E_PROTOCOL },
        { 200, "wrong primary key", REMOTE_E_PROTOCOL },
        { 404, "wrong token or user", REMOTE_E_PROTOCOL },
        { 405, "HTTP method not allowed, supported methods: POST", REMOTE_E_PROTOCOL },
        { 307, "", REMOTE_E_PROTOCOL },
        { 204, "", REMOTE_E_PROTOCOL },
        { 429, "", REMOTE_E_BUSY },
        { 500, "[SQLITE_BUSY]  The database file is locked", REMOTE_E_BUSY },
        { 502, "", REMOTE_E_UNAVAILABLE },
        { 503, "", REMOTE_E_UNAVAILABLE },
        { 504, "", REMOTE_E_UNAVAILABLE },
    };
    struct remote_error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        begin(REMOTE_OP_DECRYPT, NULL, "p1");
        assert_int_equal(parse(cases[i].status, cases[i].body, &err), cases[i].rc);
    }
}

static void test_check_when_the_key_is_of_the_other_kind_then_not_permitted(void **state)
{
    static const struct remote_params name = { .alg = REMOTE_ALG_BIGDL_NAME },
                                      gcm = { .alg = REMOTE_ALG_AES_GCM };
    struct remote_error err = { 0 };

    (void)state;
    begin(REMOTE_OP_DECRYPT, NULL, "p1");
    assert_int_equal(slot->ops->check(slot->conn, &key, &name, &err), REMOTE_OK);
    assert_int_equal(slot->ops->check(slot->conn, &key, &gcm, &err), REMOTE_E_FORBIDDEN_USE);
    assert_says(err.text, "only unwraps data keys by their names");
    begin(REMOTE_OP_DECRYPT, NULL, "d1");
    assert_int_equal(slot->ops->check(slot->conn, &key, &gcm, &err), REMOTE_OK);
    assert_int_equal(slot->ops->check(slot->conn, &key, &name, &err), REMOTE_E_FORBIDDEN_USE);
    assert_says(err.text, "'d1' is a data key");
}

/* ---- health ---- */

static void test_health_when_welcomed_then_says_which_generation(void **state)
{
    struct remote_error err;

    (void)state;
    begin(REMOTE_OP_HEALTH, NULL, NULL);
    assert_int_equal(build(&err), REMOTE_OK);
    assert_string_equal(text_of(&request.path), "/");
    assert_parses(200, "welcome to BigDL KMS Frontend \n \ncreate a user like");
    assert_says(op.detail, "first generation");
    assert_parses(200, "welcome to bigdl-key-management-server \n");
    assert_says(op.detail, "second generation");
    assert_fails(200, "<html>It works!</html>", REMOTE_E_PROTOCOL, "no BigDL KMS answers there");
    assert_fails(404, "", REMOTE_E_PROTOCOL, "no BigDL KMS answers there");
    assert_fails(503, "", REMOTE_E_UNAVAILABLE, "not available");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_unwrap_request_and_recorded_answers),
        TEST(test_unwrap_when_the_name_is_no_segment_then_no_request),
        TEST(test_release_request_and_answers),
        TEST(test_key_when_it_is_not_24_letters_of_16_bytes_then_refused),
        TEST(test_answers_when_only_like_the_recorded_ones_then_not_taken_for_them),
        TEST(test_check_when_the_key_is_of_the_other_kind_then_not_permitted),
        TEST(test_health_when_welcomed_then_says_which_generation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
