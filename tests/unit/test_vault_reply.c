/* SPDX-License-Identifier: Apache-2.0 */
/* What Vault's answers mean, from the texts that a real one gave. */
#include "transcript.h"
#include "vault.h"

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not say '%s'", text, part);
}

static enum remote_rc meaning_of(enum remote_op_kind kind, const struct remote_reply *reply,
                                 struct remote_error *err)
{
    struct remote_op op = { .kind = kind };
    remote_json *json = NULL;
    enum remote_rc rc;

    memset(err, 0, sizeof(*err));
    rc = vault_reply(&op, reply, &json, err);
    assert_true((rc == REMOTE_OK) == (json != NULL));
    remote_json_free(&json);
    return rc;
}

static void test_recorded_errors_mean_what_they_say(void **state)
{
    /* clang-format off */
    static const struct {
        const char *request;
        int status;
        enum remote_op_kind kind;
        enum remote_rc rc;
        const char *says;
    } cases[] = {
        { "POST /v1/transit/sign/absent", 400, REMOTE_OP_SIGN, REMOTE_E_NOT_FOUND, "the key is gone: signing key not found (HTTP 400)" },
        { "POST /v1/transit/sign/k-rsa-2048 {\"input\": \"aGVsbG8gd29ybGQ=\", \"key_version\": 7}", 500, REMOTE_OP_SIGN, REMOTE_E_NOT_FOUND, "this version of the key is gone: requested version" },
        { "POST /v1/transit/sign/k-imppub", 500, REMOTE_OP_SIGN, REMOTE_E_FORBIDDEN_USE, "only the public half of this key is in Vault" },
        { "POST /v1/transit/sign/k-aes256-gcm96", 400, REMOTE_OP_SIGN, REMOTE_E_FORBIDDEN_USE, "key type aes256-gcm96 does not support signing (HTTP 400)" },
        { "POST /v1/transit/encrypt/k-ecdsa-p256", 400, REMOTE_OP_ENCRYPT, REMOTE_E_FORBIDDEN_USE, "not supported for key type ecdsa-p256" },
        { "POST /v1/transit/sign/k-ecdsa-p256 ", 400, REMOTE_OP_SIGN, REMOTE_E_PARAM, "hash_algorithm=none requires" },
        { "POST /v1/transit/sign/k-rsa-2048 {\"input\": \"%%%\"}", 400, REMOTE_OP_SIGN, REMOTE_E_PARAM, "illegal base64" },
        { "POST /v1/transit/sign/k-rsa-2048 {\"input\": \"uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=\", \"signature_algorithm\": \"bogus\"}", 500, REMOTE_OP_SIGN, REMOTE_E_PROTOCOL, "an answer that was not expected: unsupported rsa signature algorithm bogus (HTTP 500)" },
        { "POST /v1/transit/decrypt/k-aes256-gcm96 {\"ciphertext\": \"vault:v1:/xKF", 400, REMOTE_OP_DECRYPT, REMOTE_E_DATA, "cipher: message authentication failed" },
        { "POST /v1/transit/decrypt/k-aes256-gcm96 {\"ciphertext\": \"junk\"}", 400, REMOTE_OP_DECRYPT, REMOTE_E_DATA, "no prefix" },
        { "POST /v1/transit/decrypt/k-aes256-gcm96 {\"ciphertext\": \"vault:v1:pUCY", 400, REMOTE_OP_DECRYPT, REMOTE_E_FORBIDDEN_USE, "this version of the key is disabled" },
        { "POST /v1/transit/decrypt/k-rsa-2048", 500, REMOTE_OP_DECRYPT, REMOTE_E_DATA, "failed to RSA decrypt the ciphertext" },
        { "POST /v1/transit/encrypt/k-rsa-2048", 500, REMOTE_OP_ENCRYPT, REMOTE_E_LENGTH, "message too long for RSA key size" },
        { "POST /v1/transit/random/128000000", 400, REMOTE_OP_RANDOM, REMOTE_E_PARAM, "should be less than 131072" },
        { "GET /v1/transit/keys/absent", 404, REMOTE_OP_READ, REMOTE_E_NOT_FOUND, "not there (HTTP 404)" },
        { "LIST /v1/transit2/keys", 404, REMOTE_OP_LIST, REMOTE_E_CONFIG, "nothing is mounted there; check mount and namespace" },
        { "LIST /v1/transit/keys", 403, REMOTE_OP_LIST, REMOTE_E_RIGHTS, "Vault's policy does not allow this" },
        { "POST /v1/transit/sign/k-rsa-2048", 403, REMOTE_OP_SIGN, REMOTE_E_RIGHTS, "permission denied" },
        { "GET /v1/transit/keys/k-ecdsa-p256", 403, REMOTE_OP_READ, REMOTE_E_AUTH, "the token is expired, revoked or wrong" },
        { "GET /v1/auth/token/lookup-self", 403, REMOTE_OP_PROVE, REMOTE_E_AUTH, "the token is expired, revoked or wrong" },
        { "POST /v1/auth/approle/login", 400, REMOTE_OP_LOGIN, REMOTE_E_AUTH, "the login is refused; check the credentials: invalid role or secret ID" },
        { "POST /v1/auth/userpass/login/u", 400, REMOTE_OP_LOGIN, REMOTE_E_AUTH, "invalid username or password" },
        { "POST /v1/transit/sign/k-ed25519", 429, REMOTE_OP_SIGN, REMOTE_E_BUSY, "throttled: request path" },
        { "POST /v1/transit/sign/k-ed25519", 503, REMOTE_OP_SIGN, REMOTE_E_UNAVAILABLE, "sealed; unseal it: Vault is sealed" },
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct remote_reply reply = transcript_reply(cases[i].request, cases[i].status);
        struct remote_error err;
        enum remote_rc rc = meaning_of(cases[i].kind, &reply, &err);

        if (rc != cases[i].rc)
            fail_msg("%s (%d): %s, %s", cases[i].request, cases[i].status, remote_rc_name(rc),
                     err.text);
        assert_says(err.text, cases[i].says);
    }
}

static void test_statuses_without_a_text_mean_what_the_api_says(void **state)
{
    static const struct {
        int status;
        enum remote_op_kind kind;
        enum remote_rc rc;
    } cases[] = {
        { 307, REMOTE_OP_SIGN, REMOTE_E_UNAVAILABLE },
        { 400, REMOTE_OP_SIGN, REMOTE_E_PARAM },
        { 400, REMOTE_OP_DECRYPT, REMOTE_E_DATA },
        { 403, REMOTE_OP_SIGN, REMOTE_E_RIGHTS },
        { 403, REMOTE_OP_LOGIN, REMOTE_E_AUTH },
        { 404, REMOTE_OP_LOGIN, REMOTE_E_CONFIG },
        { 405, REMOTE_OP_LIST, REMOTE_E_UNSUPPORTED },
        { 412, REMOTE_OP_SIGN, REMOTE_E_BUSY },
        { 413, REMOTE_OP_SIGN, REMOTE_E_LENGTH },
        { 429, REMOTE_OP_READ, REMOTE_E_BUSY },
        { 472, REMOTE_OP_SIGN, REMOTE_E_UNAVAILABLE },
        { 473, REMOTE_OP_SIGN, REMOTE_E_UNAVAILABLE },
        { 500, REMOTE_OP_SIGN, REMOTE_E_PROTOCOL },
        { 501, REMOTE_OP_SIGN, REMOTE_E_UNAVAILABLE },
        { 502, REMOTE_OP_SIGN, REMOTE_E_UNAVAILABLE },
        { 503, REMOTE_OP_SIGN, REMOTE_E_UNAVAILABLE },
        { 504, REMOTE_OP_SIGN, REMOTE_E_UNAVAILABLE },
        { 302, REMOTE_OP_SIGN, REMOTE_E_PROTOCOL },
        { 100, REMOTE_OP_SIGN, REMOTE_E_PROTOCOL },
        { 999, REMOTE_OP_SIGN, REMOTE_E_PROTOCOL },
    };
    static const char *const bodies[] = { "",   "{\"errors\":[]}",    "<html>gateway</html>",
                                          "{}", "{\"errors\":\"x\"}", "{\"errors\":[1]}",
                                          "[]" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (size_t b = 0; b < ARRAY_SIZE(bodies); b++) {
            struct remote_reply reply = { .status = cases[i].status,
                                          .body = remote_slice_str(bodies[b]) };
            char http[32];
            struct remote_error err;

            assert_int_equal(meaning_of(cases[i].kind, &reply, &err), cases[i].rc);
            snprintf(http, sizeof(http), "(HTTP %d)", cases[i].status);
            assert_says(err.text, http);
        }
    }
}

static void test_success_that_is_not_json_is_a_protocol_error(void **state)
{
    static const char *const bodies[] = { "", "<html>", "{\"data\":", "{\"a\":1,\"a\":2}",
                                          "{} {}" };
    struct remote_error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        struct remote_reply reply = { .status = 200, .body = remote_slice_str(bodies[i]) };

        assert_int_equal(meaning_of(REMOTE_OP_SIGN, &reply, &err), REMOTE_E_PROTOCOL);
        assert_says(err.text, "the answer is not JSON");
    }
}

static void test_long_and_many_lined_errors_are_cut_to_one_line(void **state)
{
    char body[2000];
    struct remote_reply reply = { .status = 400 };
    struct remote_error err;

    (void)state;
    snprintf(body, sizeof(body), "{\"errors\":[\"%01000d\"]}", 0);
    reply.body = remote_slice_str(body);
    meaning_of(REMOTE_OP_SIGN, &reply, &err);
    assert_true(strlen(err.text) < 200);
    assert_says(err.text, "(HTTP 400)");
    reply.body = remote_slice_str("{\"errors\":[\"3 errors occurred:\\n\\t* one\\n\\t* two\\n\"]}");
    meaning_of(REMOTE_OP_SIGN, &reply, &err);
    assert_string_equal(err.text, "one (HTTP 400)");
}

static void test_error_of_one_item_is_judged_as_a_request_of_its_kind(void **state)
{
    struct remote_op sign = { .kind = REMOTE_OP_SIGN }, decrypt = { .kind = REMOTE_OP_DECRYPT };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(vault_item_error(&sign, "illegal base64 data", &err), REMOTE_E_PARAM);
    assert_int_equal(vault_item_error(&decrypt, "invalid ciphertext length", &err), REMOTE_E_DATA);
    assert_int_equal(vault_item_error(&sign, "signing key not found", &err), REMOTE_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_errors_mean_what_they_say),
        cmocka_unit_test(test_statuses_without_a_text_mean_what_the_api_says),
        cmocka_unit_test(test_success_that_is_not_json_is_a_protocol_error),
        cmocka_unit_test(test_long_and_many_lined_errors_are_cut_to_one_line),
        cmocka_unit_test(test_error_of_one_item_is_judged_as_a_request_of_its_kind),
    };

    return cmocka_run_group_tests(tests, transcript_load, transcript_free);
}
