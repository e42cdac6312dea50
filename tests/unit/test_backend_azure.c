/* SPDX-License-Identifier: Apache-2.0 */
/* The Azure backend's operations with keys: requests byte for byte, and answers good and hostile.
 */
#include "azure_case.h"

#define HSM "https://web.managedhsm.azure.net"
#define KID "\"kid\":\"" VAULT "/keys/k/" NEW "\""
#define SIGN_PATH "/keys/k/" NEW "/sign?api-version=7.4"

static void set_input(const void *data, size_t len)
{
    item.in = remote_slice(data, len);
}

/* ---- sign ---- */

static void test_sign_request_has_token_version_and_bare_digest(void **state)
{
    static const unsigned char digest[32] = { 0 };

    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_SIGN, REMOTE_KEY_RSA, REMOTE_ALG_RSA_PSS);
    op.params.hash = REMOTE_HASH_SHA256;
    set_input(digest, sizeof(digest));
    assert_request("POST", SIGN_PATH,
                   "{\"alg\":\"PS256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}");
    assert_string_equal(text_of(&request.headers), "Accept: application/json\n"
                                                   "Content-Type: application/json\n"
                                                   "Authorization: Bearer eyJ.x\n");
    assert_int_equal(request.origin, 0);
}

static void test_ecdsa_digest_is_filled_up_or_cut_to_the_curves_length(void **state)
{
    static const unsigned char ones[64] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                            1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2 };

    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_SIGN, REMOTE_KEY_EC, REMOTE_ALG_ECDSA);
    set_input(ones, 3);
    assert_request("POST", SIGN_PATH,
                   "{\"alg\":\"ES256\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAQE\"}");
    set_input(ones, 64);
    assert_request("POST", SIGN_PATH,
                   "{\"alg\":\"ES256\",\"value\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}");
}

static void test_ecdsa_digest_too_long_for_p521_is_refused(void **state)
{
    static const unsigned char digest[66] = { 1 };
    struct remote_error err;

    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_SIGN, REMOTE_KEY_EC, REMOTE_ALG_ECDSA);
    key.bits = 521;
    set_input(digest, sizeof(digest));
    assert_int_equal(build(&err), REMOTE_E_LENGTH);
    assert_says(err.text, "66 bytes");
}

static void test_signature_of_another_version_or_key_is_a_protocol_error(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_SIGN, REMOTE_KEY_RSA, REMOTE_ALG_RSA_PKCS1);
    assert_parses(200, "{" KID ",\"value\":\"AQID\"}");
    assert_int_equal(item.out.len, 3);
    assert_refused(REMOTE_E_PROTOCOL, 200,
                   "{\"kid\":\"" VAULT "/keys/k/" OLD "\",\"value\":\"AQID\"}", "the answer is of");
    assert_refused(REMOTE_E_PROTOCOL, 200,
                   "{\"kid\":\"" VAULT "/keys/j/" NEW "\",\"value\":\"AQID\"}", "the answer is of");
    assert_refused(REMOTE_E_PROTOCOL, 200, "{\"value\":\"AQID\"}", "the answer is of");
    assert_refused(REMOTE_E_PROTOCOL, 200, "{" KID ",\"value\":\"A+/=\"}", "no signature");
    assert_refused(REMOTE_E_PROTOCOL, 200, "{" KID "}", "no signature");
    assert_refused(REMOTE_E_PROTOCOL, 200, "[", "not JSON");
}

static void test_ids_are_compared_in_any_case(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_SIGN, REMOTE_KEY_RSA, REMOTE_ALG_RSA_PKCS1);
    assert_parses(200, "{\"kid\":\"" VAULT "/keys/K/FEDCBA9876543210FEDCBA9876543210\","
                       "\"value\":\"AQID\"}");
}

static void test_signature_of_a_changed_digest_that_does_not_verify_stays_here(void **state)
{
    char body[256] = "{" KID ",\"value\":\"";
    struct remote_error err;

    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_SIGN, REMOTE_KEY_EC, REMOTE_ALG_ECDSA);
    set_input("short", 5);
    memset(body + strlen(body), 'A', 86); /* 64 bytes of zeros */
    strcat(body, "\"}");
    assert_int_equal(parse(200, body, &err), REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "digests of 32 bytes only");
}

/* ---- AES of a Managed HSM ---- */

static void test_gcm_request_and_answer_have_the_nonce_in_front(void **state)
{
    static const char body[] = "{" KID ",\"alg\":\"A256GCM\",\"value\":\"QUJD\","
                               "\"iv\":\"AAAAAAAAAAAAAAAA\",\"tag\":\"AAAAAAAAAAAAAAAAAAAAAA\"}";
    unsigned char sealed[12 + 3 + 16] = { 0 };

    (void)state;
    open_slot(HSM, CLIENT);
    begin(REMOTE_OP_ENCRYPT, REMOTE_KEY_AES, REMOTE_ALG_AES_GCM);
    set_input("abc", 3);
    op.params.aad = remote_slice("x", 1);
    assert_request("POST", "/keys/k/" NEW "/encrypt?api-version=7.4",
                   "{\"alg\":\"A256GCM\",\"value\":\"YWJj\",\"aad\":\"eA\"}");
    assert_parses(200, body);
    memcpy(sealed + 12, "ABC", 3);
    assert_int_equal(item.out.len, sizeof(sealed));
    assert_memory_equal(item.out.data, sealed, sizeof(sealed));
    begin(REMOTE_OP_DECRYPT, REMOTE_KEY_AES, REMOTE_ALG_AES_GCM);
    set_input(sealed, sizeof(sealed));
    assert_request("POST", "/keys/k/" NEW "/decrypt?api-version=7.4",
                   "{\"alg\":\"A256GCM\",\"value\":\"QUJD\",\"iv\":\"AAAAAAAAAAAAAAAA\","
                   "\"tag\":\"AAAAAAAAAAAAAAAAAAAAAA\"}");
}

static void test_gcm_answer_without_its_parts_is_a_protocol_error(void **state)
{
    (void)state;
    open_slot(HSM, CLIENT);
    begin(REMOTE_OP_ENCRYPT, REMOTE_KEY_AES, REMOTE_ALG_AES_GCM);
    set_input("abc", 3);
    assert_refused(REMOTE_E_PROTOCOL, 200, "{" KID ",\"value\":\"QUJD\"}", "no IV of 12");
    assert_refused(REMOTE_E_PROTOCOL, 200,
                   "{" KID ",\"value\":\"QUJD\",\"iv\":\"AAAA\",\"tag\":"
                   "\"AAAAAAAAAAAAAAAAAAAAAA\"}",
                   "no IV of 12");
}

static void test_cbc_needs_an_iv_and_whole_blocks(void **state)
{
    static const unsigned char block[17] = { 0 };
    struct remote_error err;

    (void)state;
    open_slot(HSM, CLIENT);
    begin(REMOTE_OP_ENCRYPT, REMOTE_KEY_AES, REMOTE_ALG_AES_CBC);
    set_input(block, 16);
    assert_int_equal(build(&err), REMOTE_E_PARAM);
    op.params.iv = remote_slice(block, 16);
    assert_request("POST", "/keys/k/" NEW "/encrypt?api-version=7.4",
                   "{\"alg\":\"A256CBC\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAA\","
                   "\"iv\":\"AAAAAAAAAAAAAAAAAAAAAA\"}");
    set_input(block, 17);
    assert_int_equal(build(&err), REMOTE_E_LENGTH);
}

static void test_wrapping_has_its_own_verb_where_it_is_meant(void **state)
{
    static const unsigned char wrapped[24] = { 0 };
    struct remote_error err;

    (void)state;
    open_slot(HSM, CLIENT);
    begin(REMOTE_OP_DECRYPT, REMOTE_KEY_AES, REMOTE_ALG_AES_KEY_WRAP);
    set_input(wrapped, sizeof(wrapped));
    assert_int_equal(build(&err), REMOTE_OK);
    assert_says(text_of(&request.path), "/unwrapkey?");
    begin(REMOTE_OP_DECRYPT, REMOTE_KEY_RSA, REMOTE_ALG_RSA_PKCS1_ENC);
    assert_request("POST", "/keys/k/" NEW "/decrypt?api-version=7.4",
                   "{\"alg\":\"RSA1_5\",\"value\":\"\"}");
    op.params.wrapping = true;
    assert_int_equal(build(&err), REMOTE_OK);
    assert_says(text_of(&request.path), "/unwrapkey?");
    key.uses = REMOTE_USE_DECRYPT;
    assert_int_equal(build(&err), REMOTE_OK);
    assert_says(text_of(&request.path), "/decrypt?");
}

/* ---- refusals ---- */

static void test_refusals_mean_what_the_inner_code_says(void **state)
{
#define REFUSAL(inner, message)                                                                    \
    "{\"error\":{\"code\":\"Forbidden\",\"message\":\"" message                                    \
    "\",\"innererror\":{\"code\":\"" inner "\"}}}"
    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_SIGN, REMOTE_KEY_RSA, REMOTE_ALG_RSA_PKCS1);
    assert_refused(REMOTE_E_RIGHTS, 403, REFUSAL("ForbiddenByRbac", "Caller"), "no role");
    assert_refused(REMOTE_E_RIGHTS, 403, REFUSAL("AccessDenied", "x"), "access policy");
    assert_refused(REMOTE_E_FORBIDDEN_USE, 403, REFUSAL("KeyDisabled", "x"), "disabled");
    assert_refused(REMOTE_E_FORBIDDEN_USE, 403,
                   REFUSAL("Other", "Operation sign is not permitted on this key."), "key_ops");
    assert_refused(REMOTE_E_RIGHTS, 403, "", "not allowed (HTTP 403)");
    assert_refused(REMOTE_E_AUTH, 401, "", "the token is refused");
    assert_refused(REMOTE_E_AUTH, 401, REFUSAL("", "AKV10032: Invalid issuer."), "check tenant_id");
    assert_refused(REMOTE_E_NOT_FOUND, 404, "{\"error\":{\"code\":\"KeyNotFound\"}}", "HTTP 404");
    assert_refused(REMOTE_E_BUSY, 429, "", "throttled");
    assert_refused(REMOTE_E_BUSY, 409, REFUSAL("ObjectIsBeingDeleted", "x"), "being deleted");
    assert_refused(REMOTE_E_EXISTS, 409, REFUSAL("ObjectIsDeletedButRecoverable", "x"), "purge");
    assert_refused(REMOTE_E_UNAVAILABLE, 503, "<html>", "not available");
    assert_refused(REMOTE_E_PROTOCOL, 302, "", "not expected");
#undef REFUSAL
}

static void test_refusal_names_the_request_and_stays_one_line(void **state)
{
    struct remote_error err;

    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_SIGN, REMOTE_KEY_RSA, REMOTE_ALG_RSA_PKCS1);
    assert_int_equal(parse_with(403, "{\"error\":{\"message\":\"a\\nb\\u001b[31m\"}}", "id-1",
                                &err),
                     REMOTE_E_RIGHTS);
    assert_says(err.text, "request id-1)");
    assert_null(strpbrk(err.text, "\n\033"));
}

static void test_decrypt_refusals_are_one_code_whatever_the_cause(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_DECRYPT, REMOTE_KEY_RSA, REMOTE_ALG_RSA_OAEP);
    assert_refused(REMOTE_E_DATA, 400, "{\"error\":{\"code\":\"BadParameter\"}}", "refused");
    assert_refused(REMOTE_E_DATA, 400, "", "refused");
}

/* ---- what is known without a request ---- */

static void test_check_refuses_what_azure_cannot(void **state)
{
    struct remote_params pss = { REMOTE_ALG_RSA_PSS, REMOTE_HASH_SHA256, REMOTE_HASH_SHA256, 32 };
    struct remote_params oaep = { REMOTE_ALG_RSA_OAEP, REMOTE_HASH_SHA256, REMOTE_HASH_SHA1 };
    struct remote_error err = { 0 };

    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_SIGN, REMOTE_KEY_RSA, REMOTE_ALG_RSA_PSS);
    assert_int_equal(slot->ops->check(slot->conn, &key, &pss, &err), REMOTE_OK);
    pss.salt_len = 20;
    assert_int_equal(slot->ops->check(slot->conn, &key, &pss, &err), REMOTE_E_PARAM);
    assert_int_equal(slot->ops->check(slot->conn, &key, &oaep, &err), REMOTE_E_PARAM);
    oaep.mgf_hash = REMOTE_HASH_SHA256;
    assert_int_equal(slot->ops->check(slot->conn, &key, &oaep, &err), REMOTE_OK);
    oaep.aad = remote_slice("x", 1);
    assert_int_equal(slot->ops->check(slot->conn, &key, &oaep, &err), REMOTE_E_PARAM);
}

static void test_aes_and_random_are_a_managed_hsms(void **state)
{
    (void)state;
    open_slot(NULL, CLIENT);
    assert_false(remote_slot_has_random(slot));
    assert_false(slot->ops->offers(slot->conn, REMOTE_ALG_AES_GCM, REMOTE_HASH_NONE));
    assert_int_equal(teardown(NULL), 0);
    assert_int_equal(setup(NULL), 0);
    open_slot(HSM, CLIENT);
    assert_true(remote_slot_has_random(slot));
    assert_true(slot->ops->offers(slot->conn, REMOTE_ALG_AES_GCM, REMOTE_HASH_NONE));
    begin(REMOTE_OP_RANDOM, REMOTE_KEY_AES, REMOTE_ALG_NONE);
    op.length = 128;
    assert_request("POST", "/rng?api-version=7.4", "{\"count\":128}");
}

/* ---- health ---- */

#define CHALLENGE(tenant)                                                                          \
    "Bearer authorization=\"https://login.windows.net/" tenant                                     \
    "\", resource=\"https://vault.azure.net\""

static void test_health_asks_without_a_token_and_knows_the_challenge(void **state)
{
    struct remote_error err;

    (void)state;
    open_slot(NULL, CLIENT);
    begin(REMOTE_OP_HEALTH, REMOTE_KEY_RSA, REMOTE_ALG_NONE);
    assert_request("GET", "/keys?api-version=7.4&maxresults=1", "");
    assert_null(strstr(text_of(&request.headers), "Authorization"));
    assert_int_equal(parse_with(401, "", CHALLENGE("x"), &err), REMOTE_OK);
    assert_string_equal(op.detail, "Azure Key Vault");
    assert_int_equal(parse_with(401, "", "Negotiate", &err), REMOTE_E_PROTOCOL);
    assert_int_equal(parse_with(200, "{}", "", &err), REMOTE_E_PROTOCOL);
    assert_int_equal(parse_with(503, "", "", &err), REMOTE_E_UNAVAILABLE);
}

static void test_health_tells_another_tenant(void **state)
{
    struct remote_error err;

    (void)state;
    open_slot(NULL, "auth = client_secret\nclient_id = a\nclient_secret_env = TEST_AZURE_SECRET\n"
                    "tenant_id = 11111111-1111-1111-1111-111111111111\n");
    begin(REMOTE_OP_HEALTH, REMOTE_KEY_RSA, REMOTE_ALG_NONE);
    assert_int_equal(parse_with(401, "", CHALLENGE("22222222-1111-1111-1111-111111111111"), &err),
                     REMOTE_E_CONFIG);
    assert_says(err.text, "tenant 22222222-1111-1111-1111-111111111111");
    assert_int_equal(parse_with(401, "", CHALLENGE("11111111-1111-1111-1111-111111111111"), &err),
                     REMOTE_OK);
    assert_int_equal(parse_with(401, "", "Bearer authorization=\"", &err), REMOTE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sign_request_has_token_version_and_bare_digest),
        TEST(test_ecdsa_digest_is_filled_up_or_cut_to_the_curves_length),
        TEST(test_ecdsa_digest_too_long_for_p521_is_refused),
        TEST(test_signature_of_another_version_or_key_is_a_protocol_error),
        TEST(test_ids_are_compared_in_any_case),
        TEST(test_signature_of_a_changed_digest_that_does_not_verify_stays_here),
        TEST(test_gcm_request_and_answer_have_the_nonce_in_front),
        TEST(test_gcm_answer_without_its_parts_is_a_protocol_error),
        TEST(test_cbc_needs_an_iv_and_whole_blocks),
        TEST(test_wrapping_has_its_own_verb_where_it_is_meant),
        TEST(test_refusals_mean_what_the_inner_code_says),
        TEST(test_refusal_names_the_request_and_stays_one_line),
        TEST(test_decrypt_refusals_are_one_code_whatever_the_cause),
        TEST(test_check_refuses_what_azure_cannot),
        TEST(test_aes_and_random_are_a_managed_hsms),
        TEST(test_health_asks_without_a_token_and_knows_the_challenge),
        TEST(test_health_tells_another_tenant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
