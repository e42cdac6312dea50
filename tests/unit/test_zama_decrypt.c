/* SPDX-License-Identifier: Apache-2.0 */
/* Public decryption: who is asked what, when a result is one, and what else comes of it. */
#include "zama_parties.h"

#include "remote/json.h"

#define PLAIN "=*"
#define LIE "=!"

static struct remote_key *make_key(void)
{
    struct remote_error err = { 0 };
    struct remote_key *key = remote_key_new(slot, KEY, 1, &err);

    assert_non_null(key);
    key->type = REMOTE_KEY_FHE;
    key->enabled = key->latest = true;
    key->uses = REMOTE_USE_DECRYPT;
    key->id_len = ZAMA_ID_LEN;
    assert_true(zama_id_parse(KEY, key->id));
    return key;
}

/* Of a uint8; how long it took. */
static enum remote_rc decrypt_with(const struct remote_fhe_params *fhe, struct remote_buf *ret,
                                   int64_t *ret_ms, struct remote_error *err)
{
    struct remote_params params = { .alg = REMOTE_ALG_FHE, .fhe = *fhe };
    struct remote_key *key = make_key();
    int64_t began = parties.now_ms;
    enum remote_rc rc;

    rc = remote_key_decrypt(key, &params, remote_slice_str("ciphertext"), ret, err);
    *ret_ms = parties.now_ms - began;
    remote_key_unref(key);
    return rc;
}

static enum remote_rc decrypt(int64_t *ret_ms, struct remote_error *err)
{
    const struct remote_fhe_params fhe = { .type = 2, .format = ZAMA_BIG_COMPRESSED };
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    enum remote_rc rc = decrypt_with(&fhe, &plain, ret_ms, err);

    if (rc == REMOTE_OK)
        assert_true(remote_slice_equal(remote_buf_slice(&plain), remote_slice_str("*")));
    return rc;
}

static void assert_decrypts(int64_t within_ms)
{
    struct remote_error err = { 0 };
    int64_t took;

    if (decrypt(&took, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_in_range(took, 0, within_ms);
}

static void assert_fails(enum remote_rc rc, const char *says, int64_t from_ms, int64_t to_ms)
{
    struct remote_error err = { 0 };
    int64_t took;

    assert_int_equal(decrypt(&took, &err), rc);
    assert_says(err.text, says);
    assert_in_range(took, from_ms, to_ms);
}

/* ---- a result ---- */

static void test_decrypt_asks_all_and_is_content_with_the_first_two(void **state)
{
    (void)state;
    open_slot(FOUR);
    will(1, 400, REMOTE_GRPC_OK, PLAIN);
    will(2, 10, REMOTE_GRPC_OK, PLAIN);
    will(3, HANGS, 0, NULL);
    will(4, 20, REMOTE_GRPC_OK, PLAIN);
    assert_decrypts(20);
    for (size_t party = 1; party <= 4; party++) {
        assert_int_equal(parties.asked[party - 1], 1);
        assert_asked(party, 0, "PublicDecryptSync");
    }
    assert_false(parties.differed);
    assert_int_equal(parties.cancelled, 2);
    assert_string_equal(parties.log, "");
}

static void test_decrypt_when_one_is_dead_then_costs_nothing(void **state)
{
    (void)state;
    open_slot(FOUR);
    will(1, 0, REMOTE_GRPC_NONE, NULL);
    for (size_t party = 2; party <= 4; party++)
        will(party, 5, REMOTE_GRPC_OK, PLAIN);
    assert_decrypts(5);
}

static void test_decrypt_when_one_lies_then_names_it(void **state)
{
    (void)state;
    open_slot(FOUR);
    will(3, 1, REMOTE_GRPC_OK, LIE);
    will(1, 2, REMOTE_GRPC_OK, PLAIN);
    will(2, 3, REMOTE_GRPC_OK, PLAIN);
    will(4, 4, REMOTE_GRPC_OK, PLAIN);
    assert_decrypts(3);
    assert_says(parties.log,
                "party 3 gives, under its own signature, another result than 2 others");
}

static void test_decrypt_when_one_forges_then_goes_on_and_says_why(void **state)
{
    (void)state;
    open_slot(FOUR);
    will(2, 1, REMOTE_GRPC_OK, "forged");
    will(1, 2, REMOTE_GRPC_OK, PLAIN);
    will(3, 3, REMOTE_GRPC_OK, PLAIN);
    will(4, HANGS, 0, NULL);
    assert_decrypts(3);
    assert_says(parties.log, "answer of party 2: forged");
}

static void test_decrypt_when_more_answers_are_wanted_then_waits_for_them(void **state)
{
    (void)state;
    open_slot(FOUR "answers = 4\n");
    for (size_t party = 1; party <= 4; party++)
        will(party, 10 * (int64_t)party, REMOTE_GRPC_OK, PLAIN);
    assert_decrypts(40);
    assert_int_equal(parties.cancelled, 0);
}

static void test_decrypt_when_centralized_then_one_answer_is_all(void **state)
{
    (void)state;
    open_slot(CENTRALIZED);
    will(1, 7, REMOTE_GRPC_OK, PLAIN);
    assert_decrypts(7);
}

static void test_decrypt_takes_a_fresh_handle_and_request_each_time(void **state)
{
    (void)state;
    open_slot(CENTRALIZED);
    will(1, 1, REMOTE_GRPC_OK, PLAIN);
    assert_decrypts(1);
    assert_false(parties.differed);
    assert_decrypts(1);
    assert_true(parties.differed);
}

/* ---- what may pass ---- */

static void test_decrypt_when_it_may_pass_then_sends_the_same_again(void **state)
{
    static const int passing[] = { REMOTE_GRPC_NONE, REMOTE_GRPC_UNAVAILABLE,
                                   REMOTE_GRPC_RESOURCE_EXHAUSTED, REMOTE_GRPC_CANCELLED,
                                   REMOTE_GRPC_DEADLINE_EXCEEDED };

    (void)state;
    open_slot(CENTRALIZED);
    for (size_t i = 0; i < ARRAY_SIZE(passing); i++) {
        memset(&parties.asked, 0, sizeof(parties.asked));
        memset(&parties.count, 0, sizeof(parties.count));
        remote_buf_clear(&parties.request);
        will(1, 0, passing[i], NULL);
        will(1, 0, passing[i], NULL);
        will(1, 0, REMOTE_GRPC_OK, PLAIN);
        assert_decrypts(600); /* pauses of at most 200 and 400 ms */
        assert_int_equal(parties.asked[0], 3);
        assert_false(parties.differed);
    }
}

static void test_decrypt_when_nobody_answers_then_ends_at_its_timeout(void **state)
{
    (void)state;
    open_slot(FOUR "timeout = 3s\n");
    all_will(HANGS, 0, NULL);
    assert_fails(REMOTE_E_TIMEOUT, "0 of 4 parties agree where 2 are needed", 3000, 3000);
}

static void test_decrypt_when_two_are_dead_then_says_so_at_its_timeout(void **state)
{
    (void)state;
    open_slot(FOUR "timeout = 3s\n");
    will(1, HANGS, 0, NULL);
    will(2, HANGS, 0, NULL);
    will(3, 0, REMOTE_GRPC_NONE, NULL);
    will(4, 0, REMOTE_GRPC_NONE, NULL);
    assert_fails(REMOTE_E_UNAVAILABLE, "party 3: http://127.0.0.1:50103: cannot connect", 3000,
                 3000);
    assert_in_range(parties.asked[2], 4, 10); /* pauses grow */
}

/* ---- older parties ---- */

static void test_decrypt_when_party_has_no_sync_then_submits_and_polls(void **state)
{
    (void)state;
    open_slot(CENTRALIZED);
    will(1, 0, REMOTE_GRPC_UNIMPLEMENTED, NULL);
    will(1, 0, REMOTE_GRPC_OK, "");
    will(1, 0, REMOTE_GRPC_UNAVAILABLE, NULL);
    will(1, 0, REMOTE_GRPC_OK, PLAIN);
    assert_decrypts(200);
    assert_asked(1, 0, "PublicDecryptSync");
    assert_asked(1, 1, "PublicDecrypt");
    assert_asked(1, 2, "GetPublicDecryptionResult");
    assert_asked(1, 3, "GetPublicDecryptionResult");
    memset(&parties.asked, 0, sizeof(parties.asked)); /* it is remembered */
    memset(&parties.count, 0, sizeof(parties.count));
    will(1, 0, REMOTE_GRPC_ALREADY_EXISTS, NULL);
    will(1, 0, REMOTE_GRPC_OK, PLAIN);
    assert_decrypts(0);
    assert_asked(1, 0, "PublicDecrypt");
    assert_asked(1, 1, "GetPublicDecryptionResult");
    parties.now_ms += 600000; /* but not for ever */
    memset(&parties.asked, 0, sizeof(parties.asked));
    memset(&parties.count, 0, sizeof(parties.count));
    will(1, 0, REMOTE_GRPC_OK, PLAIN);
    assert_decrypts(0);
    assert_asked(1, 0, "PublicDecryptSync");
}

static void test_decrypt_when_party_lost_the_result_then_submits_again(void **state)
{
    (void)state;
    open_slot(CENTRALIZED);
    will(1, 0, REMOTE_GRPC_UNIMPLEMENTED, NULL);
    will(1, 0, REMOTE_GRPC_OK, "");
    will(1, 0, REMOTE_GRPC_NOT_FOUND, NULL);
    will(1, 0, REMOTE_GRPC_OK, "");
    will(1, 0, REMOTE_GRPC_OK, PLAIN);
    assert_decrypts(500);
    assert_asked(1, 3, "PublicDecrypt");
    assert_asked(1, 4, "GetPublicDecryptionResult");
}

/* ---- no result ---- */

static void test_decrypt_when_parties_contradict_then_is_no_result(void **state)
{
    (void)state;
    open_slot(FOUR);
    will(1, 1, REMOTE_GRPC_OK, "=a");
    will(2, 2, REMOTE_GRPC_OK, "=b");
    will(3, 3, REMOTE_GRPC_OK, "=c");
    will(4, 4, REMOTE_GRPC_OK, "=d");
    assert_fails(REMOTE_E_PROTOCOL, "1 of 4 parties agree where 2 are needed", 4, 4);
    assert_says(parties.log, "party 2 gives");
}

static void test_decrypt_when_all_forge_then_is_no_result(void **state)
{
    (void)state;
    open_slot(FOUR);
    all_will(1, REMOTE_GRPC_OK, "forged");
    assert_fails(REMOTE_E_PROTOCOL, "0 of 4 parties agree where 2 are needed; answer of party", 1,
                 1);
}

/* One that hangs does not hold up what three others say of the request. */
static void test_decrypt_when_three_refuse_then_tells_without_waiting(void **state)
{
    static const struct {
        int status;
        enum remote_rc rc;
        const char *says;
    } cases[] = {
        { REMOTE_GRPC_INTERNAL, REMOTE_E_DATA, "does not open this ciphertext" },
        { REMOTE_GRPC_INVALID_ARGUMENT, REMOTE_E_PARAM, "3 of 4 parties refuse the request" },
        { REMOTE_GRPC_OUT_OF_RANGE, REMOTE_E_LENGTH, "3 of 4 parties refuse the request" },
        { REMOTE_GRPC_PERMISSION_DENIED, REMOTE_E_RIGHTS, "3 of 4 parties refuse the request" },
        { REMOTE_GRPC_UNAUTHENTICATED, REMOTE_E_RIGHTS, "3 of 4 parties refuse the request" },
        { REMOTE_GRPC_FAILED_PRECONDITION, REMOTE_E_PROTOCOL, "gRPC status FAILED_PRECONDITION" },
        { REMOTE_GRPC_ABORTED, REMOTE_E_PROTOCOL, "gRPC status ABORTED" },
    };

    (void)state;
    open_slot(FOUR);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        memset(&parties.asked, 0, sizeof(parties.asked));
        memset(&parties.count, 0, sizeof(parties.count));
        will(1, HANGS, 0, NULL);
        for (size_t party = 2; party <= 4; party++)
            will(party, 1, cases[i].status, NULL);
        assert_fails(cases[i].rc, cases[i].says, 1, 1);
    }
}

static void test_decrypt_when_two_refuse_then_is_not_the_requests_fault(void **state)
{
    (void)state;
    open_slot(FOUR);
    will(1, 1, REMOTE_GRPC_INTERNAL, NULL);
    will(2, 1, REMOTE_GRPC_INTERNAL, NULL);
    will(3, 1, REMOTE_GRPC_OK, "forged");
    will(4, 1, REMOTE_GRPC_OK, PLAIN);
    assert_fails(REMOTE_E_PROTOCOL, "1 of 4 parties agree where 2 are needed", 1, 1);
}

/* With answers = 4 the first refusal ends all hope, but not the question whose fault it is. */
static void test_decrypt_when_hopeless_then_waits_shortly_for_the_cause(void **state)
{
    (void)state;
    open_slot(FOUR "answers = 4\n");
    will(1, 1, REMOTE_GRPC_INTERNAL, NULL);
    will(2, 50, REMOTE_GRPC_INTERNAL, NULL);
    will(3, 90, REMOTE_GRPC_INTERNAL, NULL);
    will(4, HANGS, 0, NULL);
    assert_fails(REMOTE_E_DATA, "does not open this ciphertext", 90, 90);
    memset(&parties.asked, 0, sizeof(parties.asked));
    parties.steps[2][0].after_ms = HANGS;
    assert_fails(REMOTE_E_PROTOCOL, "0 of 4 parties agree where 4 are needed", 501, 501);
}

/* ---- NOT_FOUND ---- */

static struct step availability(const char *ids, size_t len)
{
    return (struct step){ 0, REMOTE_GRPC_OK, ids, len };
}

static void all_answer_availability(const char *ids, size_t len)
{
    for (size_t i = 0; i < slot->endpoints.count; i++)
        parties.steps[i][parties.count[i]++] = availability(ids, len);
}

static void test_decrypt_when_key_is_unknown_then_is_not_found(void **state)
{
    (void)state;
    open_slot(FOUR);
    all_will(1, REMOTE_GRPC_NOT_FOUND, NULL);
    all_answer_availability(NULL, 0);
    assert_fails(REMOTE_E_NOT_FOUND, "0 of 4 parties have this FHE key where 2 are needed", 1, 400);
    assert_asked(1, 1, "GetKeyMaterialAvailability");
}

static void test_decrypt_when_key_is_there_then_blames_context_or_epoch(void **state)
{
    static const char ids[] = "\x0a\x40" KEY;

    (void)state;
    open_slot(FOUR);
    all_will(1, REMOTE_GRPC_NOT_FOUND, NULL);
    all_answer_availability(ids, sizeof(ids) - 1);
    assert_fails(REMOTE_E_UNAVAILABLE, "not the slot's context_id or epoch_id", 1, 400);
}

/* ---- parameters and proof ---- */

static void assert_refused(struct remote_fhe_params fhe, size_t handle_len, const char *says)
{
    static const unsigned char handle[ZAMA_HANDLE_LEN + 1];
    struct remote_params params = { .alg = REMOTE_ALG_FHE,
                                    .fhe = fhe,
                                    .iv = remote_slice(handle, handle_len) };
    struct remote_key *key = make_key();
    struct remote_error err = { 0 };

    assert_int_equal(remote_key_check(key, &params, REMOTE_USE_DECRYPT, &err), REMOTE_E_PARAM);
    assert_says(err.text, says);
    remote_key_unref(key);
}

static void test_check_when_parameters_cannot_be_then_says_why(void **state)
{
    static unsigned char room[8];
    unsigned long len = sizeof(room);

    (void)state;
    open_slot(FOUR);
    assert_refused((struct remote_fhe_params){ .type = 1 }, 0, "FHE type 1");
    assert_refused((struct remote_fhe_params){ .type = 99 }, 0, "FHE type 99");
    assert_refused((struct remote_fhe_params){ .type = 2, .format = 4 }, 0,
                   "format 4 is none of 0");
    assert_refused((struct remote_fhe_params){ .type = 2, .format = -2 }, 0, "format -2");
    assert_refused((struct remote_fhe_params){ .type = 2 }, 33, "a handle of 33 bytes");
    assert_refused((struct remote_fhe_params){ .type = 2, .proof = room, .proof_len = &len }, 0,
                   "room for 8 bytes of proof where 228 may be needed");
    assert_int_equal(parties.asked[0], 0);
}

static void test_decrypt_when_header_tells_no_format_then_is_no_ciphertext(void **state)
{
    const struct remote_fhe_params fhe = { .type = 2, .format = REMOTE_FHE_FORMAT_TOLD };
    struct remote_buf plain = { 0 };
    struct remote_error err = { 0 };
    int64_t took;

    (void)state;
    open_slot(FOUR);
    assert_int_equal(decrypt_with(&fhe, &plain, &took, &err), REMOTE_E_DATA);
    assert_int_equal(parties.asked[0], 0);
}

static void test_output_size_follows_from_the_type(void **state)
{
    static const size_t sizes[] = {
        [0] = 1, [2] = 1, [3] = 2, [4] = 4, [5] = 8, [6] = 16, [7] = 20, [8] = 32
    };
    struct remote_key *key;

    (void)state;
    open_slot(FOUR);
    key = make_key();
    for (size_t type = 0; type < ARRAY_SIZE(sizes); type++) {
        struct remote_params params = { .alg = REMOTE_ALG_FHE, .fhe = { .type = (int)type } };

        assert_int_equal(remote_key_output_size(key, &params), sizes[type]);
    }
    remote_key_unref(key);
}

static void test_proof_when_wanted_then_has_handle_signatures_and_extra_data(void **state)
{
    unsigned char proof[400];
    unsigned long len = 0;
    struct remote_fhe_params fhe = { .type = 2, .format = 0, .proof_len = &len };
    struct remote_buf plain = { 0 };
    struct remote_error err = { 0 };
    struct remote_params query = { .alg = REMOTE_ALG_FHE, .fhe = fhe };
    struct remote_key *key;
    int64_t took;

    (void)state;
    open_slot(FOUR "extra_data = 0xaabbcc\n");
    key = make_key();
    assert_int_equal(remote_key_check(key, &query, REMOTE_USE_DECRYPT, &err), REMOTE_OK);
    remote_key_unref(key);
    assert_int_equal(len, 32 + 1 + 2 * 65 + 3);
    fhe.proof = proof;
    len = sizeof(proof);
    will(1, 4, REMOTE_GRPC_OK, PLAIN);
    will(2, 1, REMOTE_GRPC_OK, LIE);
    will(3, 2, REMOTE_GRPC_OK, PLAIN);
    will(4, HANGS, 0, NULL);
    assert_int_equal(decrypt_with(&fhe, &plain, &took, &err), REMOTE_OK);
    assert_int_equal(len, 32 + 1 + 2 * 65 + 3);
    assert_int_equal(proof[32], 2);
    assert_int_equal(proof[33], 1); /* the fake's signatures are the party's number */
    assert_int_equal(proof[33 + 65], 3);
    assert_memory_equal(proof + 33 + 130, "\xaa\xbb\xcc", 3);
    remote_buf_clear(&plain);
}

/* ---- every status that the server was seen to answer ---- */

static remote_json *read_cases(void)
{
    struct remote_buf text = { 0 };
    char part[4096];
    size_t len;
    remote_json *json;
    FILE *in = fopen(ZAMA_FIXTURES "/errors.json", "r");

    assert_non_null(in);
    while ((len = fread(part, 1, sizeof(part), in)) > 0)
        remote_buf_append(&text, part, len);
    fclose(in);
    json = remote_json_read(remote_buf_slice(&text), NULL);
    remote_buf_clear(&text);
    assert_non_null(json);
    return json;
}

/* Section 2.1 of the wire notes. */
static enum remote_rc meaning(int64_t status)
{
    static const enum remote_rc meanings[] = {
        REMOTE_OK,
        REMOTE_E_TIMEOUT,
        REMOTE_E_PROTOCOL,
        REMOTE_E_PARAM,
        REMOTE_E_TIMEOUT,
        REMOTE_E_NOT_FOUND,
        REMOTE_E_EXISTS,
        REMOTE_E_RIGHTS,
        REMOTE_E_BUSY,
        REMOTE_E_PROTOCOL,
        REMOTE_E_PROTOCOL,
        REMOTE_E_LENGTH,
        REMOTE_E_UNSUPPORTED,
        REMOTE_E_DATA,
        REMOTE_E_UNAVAILABLE,
        REMOTE_E_PROTOCOL,
        REMOTE_E_RIGHTS,
    };

    assert_in_range(status, 0, ARRAY_SIZE(meanings) - 1);
    return meanings[status];
}

/* What comes of a decryption that all parties answer like that. */
static void assert_outcome(const char *name, int64_t status)
{
    struct remote_error err = { 0 };
    enum remote_rc expected = meaning(status), rc;
    int64_t took;

    memset(&parties.asked, 0, sizeof(parties.asked));
    memset(&parties.count, 0, sizeof(parties.count));
    all_will(1, (int)status, status == REMOTE_GRPC_OK ? PLAIN : NULL);
    if (expected == REMOTE_E_NOT_FOUND)
        all_answer_availability(NULL, 0);
    rc = decrypt(&took, &err);
    if (expected == REMOTE_E_EXISTS || expected == REMOTE_E_UNSUPPORTED)
        expected = REMOTE_E_PROTOCOL; /* said of everything, it makes no sense */
    if (rc != expected)
        fail_msg("%s, status %d: %s (%s)", name, (int)status, remote_rc_name(rc), err.text);
}

static void test_decrypt_maps_every_recorded_status(void **state)
{
    remote_json *json = read_cases();
    const remote_json *cases = remote_json_at(json, "grpc");
    size_t checked = 0;

    (void)state;
    open_slot(FOUR "timeout = 2s\n");
    for (size_t i = 0; i < remote_json_count(cases); i++) {
        const remote_json *one = remote_json_index(cases, i);
        const char *method = remote_json_text(one, "method");
        int64_t status;

        if (strncmp(method, "PublicDecryptSync", 17) != 0 ||
            !remote_json_number(one, "threshold", &status))
            continue;
        assert_outcome(remote_json_text(one, "case"), status);
        checked++;
    }
    assert_true(checked > 40);
    remote_json_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_decrypt_asks_all_and_is_content_with_the_first_two),
        TEST(test_decrypt_when_one_is_dead_then_costs_nothing),
        TEST(test_decrypt_when_one_lies_then_names_it),
        TEST(test_decrypt_when_one_forges_then_goes_on_and_says_why),
        TEST(test_decrypt_when_more_answers_are_wanted_then_waits_for_them),
        TEST(test_decrypt_when_centralized_then_one_answer_is_all),
        TEST(test_decrypt_takes_a_fresh_handle_and_request_each_time),
        TEST(test_decrypt_when_it_may_pass_then_sends_the_same_again),
        TEST(test_decrypt_when_nobody_answers_then_ends_at_its_timeout),
        TEST(test_decrypt_when_two_are_dead_then_says_so_at_its_timeout),
        TEST(test_decrypt_when_party_has_no_sync_then_submits_and_polls),
        TEST(test_decrypt_when_party_lost_the_result_then_submits_again),
        TEST(test_decrypt_when_parties_contradict_then_is_no_result),
        TEST(test_decrypt_when_all_forge_then_is_no_result),
        TEST(test_decrypt_when_three_refuse_then_tells_without_waiting),
        TEST(test_decrypt_when_two_refuse_then_is_not_the_requests_fault),
        TEST(test_decrypt_when_hopeless_then_waits_shortly_for_the_cause),
        TEST(test_decrypt_when_key_is_unknown_then_is_not_found),
        TEST(test_decrypt_when_key_is_there_then_blames_context_or_epoch),
        TEST(test_check_when_parameters_cannot_be_then_says_why),
        TEST(test_decrypt_when_header_tells_no_format_then_is_no_ciphertext),
        TEST(test_output_size_follows_from_the_type),
        TEST(test_proof_when_wanted_then_has_handle_signatures_and_extra_data),
        TEST(test_decrypt_maps_every_recorded_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
