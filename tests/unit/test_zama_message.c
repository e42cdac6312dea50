/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked, against what a real client sent; states and key lists of real servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kms.pb-c.h"
#include "remote/protobuf.h"
#include "zama_case.h"

#define KEY_ID "0f16dac2229abcdff27d5a5669136ce6275f0a9a42df49892df47c19e8cccef7"
#define CONTEXT_ID "0700000000000000000000000000000000000000000000000000000000000001"
#define EPOCH_ID "0800000000000000000000000000000000000000000000000000000000000001"

static void load_ids(struct zama_question *question)
{
    assert_true(zama_id_parse(KEY_ID, question->key_id));
    assert_true(zama_id_parse(CONTEXT_ID, question->context_id));
    assert_true(zama_id_parse(EPOCH_ID, question->epoch_id));
}

static void load(const char *name, struct zama_case_question *ret)
{
    const remote_json *deployment = zama_case_deployment("threshold");

    zama_case_question(deployment, zama_case_find(remote_json_at(deployment, "questions"), name),
                       ret);
    load_ids(&ret->question);
}

/* The request as a real client sent it, and its ciphertext. */
static struct remote_buf recorded_request(struct remote_buf *ret_ciphertext)
{
    struct remote_buf bytes =
        zama_case_base64(remote_json_text(zama_case_json(), "request.message"));
    Kms__V1__PublicDecryptionRequest *request =
        (void *)remote_protobuf_read(&kms__v1__public_decryption_request__descriptor,
                                     remote_buf_slice(&bytes));

    assert_non_null(request);
    assert_int_equal(request->n_ciphertexts, 1);
    remote_buf_append(ret_ciphertext, request->ciphertexts[0]->ciphertext.data,
                      request->ciphertexts[0]->ciphertext.len);
    remote_protobuf_free(&request->base);
    return bytes;
}

static void test_a_request_is_written_as_a_real_client_writes_it(void **state)
{
    struct remote_buf ciphertext = { 0 }, theirs = recorded_request(&ciphertext), ours = { 0 };
    struct zama_case_question asked;

    (void)state;
    load("pd_ctxset", &asked);
    asked.ciphertexts[0].bytes = remote_buf_slice(&ciphertext);
    assert_int_equal(zama_question_write(&asked.question, &ours, NULL), REMOTE_OK);
    assert_true(remote_slice_equal(remote_buf_slice(&ours), remote_buf_slice(&theirs)));
    remote_buf_clear(&ours);
    remote_buf_clear(&theirs);
    remote_buf_clear(&ciphertext);
    zama_case_question_clear(&asked);
}

static void test_salt_and_schemes_are_written_when_there_are_any(void **state)
{
    struct zama_case_question asked;
    struct remote_buf ours = { 0 };
    Kms__V1__PublicDecryptionRequest *request;

    (void)state;
    load("pd_multi_allschemes", &asked);
    asked.question.schemes = 1u << ZAMA_ECDSA256K1 | 1u << ZAMA_ED25519;
    asked.domain.has_salt = true;
    asked.domain.salt[31] = 5;
    assert_int_equal(zama_question_write(&asked.question, &ours, NULL), REMOTE_OK);
    request = (void *)remote_protobuf_read(&kms__v1__public_decryption_request__descriptor,
                                           remote_buf_slice(&ours));
    assert_non_null(request);
    assert_int_equal(request->domain->salt.len, 32);
    assert_int_equal(request->domain->salt.data[31], 5);
    assert_int_equal(request->n_signing_schemes, 2);
    assert_int_equal(request->signing_schemes[1], KMS__V1__SIGNING_SCHEME_TYPE__ED25519);
    assert_int_equal(request->n_ciphertexts, 3);
    assert_int_equal(request->ciphertexts[2]->fhe_type, 5);
    remote_protobuf_free(&request->base);
    remote_buf_clear(&ours);
    zama_case_question_clear(&asked);
}

static void test_a_request_beyond_the_servers_limit_is_refused(void **state)
{
    struct zama_case_question asked;
    struct remote_error err = { 0 };
    struct remote_buf ours = { 0 };
    unsigned char *big = malloc(ZAMA_MESSAGE_MAX);

    (void)state;
    assert_non_null(big);
    load("pd_euint8_sc", &asked);
    asked.ciphertexts[0].bytes = remote_slice(big, ZAMA_MESSAGE_MAX);
    assert_int_equal(zama_question_write(&asked.question, &ours, &err), REMOTE_E_LENGTH);
    assert_non_null(strstr(err.text, "the KMS takes at most 104857600"));
    assert_null(ours.data);
    free(big);
    zama_case_question_clear(&asked);
}

static void test_a_request_id_is_written(void **state)
{
    struct zama_question question;
    struct remote_buf ours = { 0 };

    (void)state;
    load_ids(&question);
    assert_int_equal(zama_request_id_write(question.key_id, &ours, NULL), REMOTE_OK);
    assert_int_equal(ours.len, 66);
    assert_memory_equal(ours.data, "\x0a\x40" KEY_ID, 66);
    remote_buf_clear(&ours);
}

/* ---- answers ---- */

static struct remote_buf recorded(const char *path)
{
    return zama_case_base64(remote_json_text(zama_case_json(), path));
}

static void test_key_ids_of_real_servers_are_read(void **state)
{
    struct remote_buf none = recorded("availability.none"), one = recorded("availability.one");
    struct zama_ids ids = { 0 };
    char text[2 * ZAMA_ID_LEN + 1];

    (void)state;
    assert_int_equal(zama_availability_read(remote_buf_slice(&none), &ids, NULL), REMOTE_OK);
    assert_int_equal(ids.count, 0);
    zama_ids_clear(&ids);
    assert_int_equal(zama_availability_read(remote_buf_slice(&one), &ids, NULL), REMOTE_OK);
    assert_int_equal(ids.count, 1);
    zama_id_format(ids.ids[0], text);
    assert_string_equal(text, KEY_ID);
    zama_ids_clear(&ids);
    remote_buf_clear(&none);
    remote_buf_clear(&one);
}

static void assert_ids_refused(struct remote_slice message, const char *sentence)
{
    struct zama_ids ids = { 0 };
    struct remote_error err = { 0 };

    assert_int_equal(zama_availability_read(message, &ids, &err), REMOTE_E_PROTOCOL);
    assert_string_equal(err.text, sentence);
    assert_null(ids.ids);
}

static void test_what_lists_no_ids_is_refused(void **state)
{
    struct remote_buf one = recorded("availability.one"), big = { 0 };

    (void)state;
    assert_ids_refused(remote_slice(one.data, 20),
                       "the answer is no KeyMaterialAvailabilityResponse");
    one.data[9] = 'g';
    assert_ids_refused(remote_buf_slice(&one), "fhe_key_ids[0] is not 64 hex digits");
    assert_ids_refused(remote_slice("\x0a\x01\x31", 3), "fhe_key_ids[0] is not 64 hex digits");
    assert_non_null(remote_buf_reserve(&big, 5u << 20));
    big.len = 5u << 20;
    assert_ids_refused(
        remote_buf_slice(&big),
        "a KeyMaterialAvailabilityResponse of 5242880 bytes is more than we read, 4194304");
    remote_buf_clear(&big);
    remote_buf_clear(&one);
}

static struct zama_health health(const char *path, const char *context_id)
{
    struct remote_buf message = recorded(path);
    struct zama_health read = { 0 };
    uint8_t context[ZAMA_ID_LEN];

    assert_true(zama_id_parse(context_id, context));
    assert_int_equal(zama_health_read(remote_buf_slice(&message), context, &read, NULL), REMOTE_OK);
    remote_buf_clear(&message);
    return read;
}

static void test_states_of_real_servers_are_read(void **state)
{
    struct zama_health optimal = health("health.optimal", CONTEXT_ID);

    (void)state;
    assert_false(optimal.centralized);
    assert_int_equal(optimal.status, ZAMA_OPTIMAL);
    assert_int_equal(optimal.party_id, 2);
    assert_int_equal(optimal.needed, 2);
    assert_int_equal(optimal.reachable, 4);
    assert_int_equal(optimal.keys, 1);
    assert_int_equal(health("health.before_init", CONTEXT_ID).keys, 0);
    assert_int_equal(health("health.one_dead", CONTEXT_ID).status, ZAMA_HEALTHY);
    assert_int_equal(health("health.two_dead", CONTEXT_ID).status, ZAMA_UNHEALTHY);
    assert_int_equal(health("health.two_dead", CONTEXT_ID).reachable, 2);
}

static void test_without_its_context_a_state_is_unknown(void **state)
{
    struct zama_health other = health("health.optimal", EPOCH_ID);
    struct zama_health centralized = health("health.centralized", CONTEXT_ID);

    (void)state;
    assert_int_equal(other.status, ZAMA_UNKNOWN);
    assert_int_equal(other.reachable, 0);
    assert_int_equal(other.keys, 1);
    assert_true(centralized.centralized);
    assert_int_equal(centralized.status, ZAMA_UNKNOWN);
    assert_int_equal(centralized.keys, 1);
}

static void test_what_is_no_state_is_refused(void **state)
{
    struct zama_health read = { .keys = 7 };
    struct remote_error err = { 0 };
    uint8_t context[ZAMA_ID_LEN] = { 0 };

    (void)state;
    assert_int_equal(zama_health_read(remote_slice("\x0a", 1), context, &read, &err),
                     REMOTE_E_PROTOCOL);
    assert_string_equal(err.text, "the answer is no HealthStatusResponse");
    assert_int_equal(read.keys, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_is_written_as_a_real_client_writes_it),
        cmocka_unit_test(test_salt_and_schemes_are_written_when_there_are_any),
        cmocka_unit_test(test_a_request_beyond_the_servers_limit_is_refused),
        cmocka_unit_test(test_a_request_id_is_written),
        cmocka_unit_test(test_key_ids_of_real_servers_are_read),
        cmocka_unit_test(test_what_lists_no_ids_is_refused),
        cmocka_unit_test(test_states_of_real_servers_are_read),
        cmocka_unit_test(test_without_its_context_a_state_is_unknown),
        cmocka_unit_test(test_what_is_no_state_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
