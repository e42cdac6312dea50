/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the real servers answered, and answers that are wrong in one point each:
 * tests/fixtures/zama/answers.json.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "in_guard.h"
#include "kms.pb-c.h"
#include "remote/protobuf.h"
#include "zama_case.h"

#define REAL_ANSWERS 144 /* 139 to questions and polls of our own, 5 more by polls */
#define PARTY 2          /* whose answers are bad in the synthetic set */

static enum remote_rc read_message(const struct zama_case_question *asked, unsigned party,
                                   const struct zama_pin *pin, struct remote_slice message,
                                   struct zama_answer *ret, struct remote_error *err)
{
    remote_error_clear(err);
    memset(ret, 0, sizeof(*ret));
    return zama_answer_read(&asked->question, party, pin, message, ret, err);
}

static void assert_accepted(const struct zama_case_question *asked, unsigned party,
                            const struct zama_pin *pin, struct remote_slice message)
{
    struct zama_answer answer;
    struct remote_error err;
    enum remote_rc rc = read_message(asked, party, pin, message, &answer, &err);

    if (rc != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_true(remote_slice_equal(remote_secret_slice(&answer.plaintexts),
                                   remote_buf_slice(&asked->plaintexts)));
    assert_true(answer.has_point);
    if (pin->has_point)
        assert_memory_equal(answer.point, pin->point, sizeof(pin->point));
    assert_true(answer.has_signature);
    assert_in_range(answer.signature[64], 27, 28);
    zama_answer_clear(&answer);
    assert_null(answer.plaintexts.data);
}

static void assert_refused(const struct zama_case_question *asked, unsigned party,
                           const struct zama_pin *pin, struct remote_slice message,
                           const char *sentence)
{
    struct zama_answer answer;
    struct remote_error err;
    enum remote_rc rc = read_message(asked, party, pin, message, &answer, &err);

    assert_int_equal(rc, REMOTE_E_PROTOCOL);
    assert_string_equal(err.text, sentence);
    assert_null(answer.plaintexts.data);
    assert_false(answer.has_signature || answer.has_point);
}

/* ---- real answers ---- */

/* v too: it is computed here, and the server knew it. */
static void assert_signature_kept(const struct zama_case_question *asked, unsigned party,
                                  const struct zama_pin *pin, struct remote_slice bytes)
{
    Kms__V1__PublicDecryptionResponse *message =
        (void *)remote_protobuf_read(&kms__v1__public_decryption_response__descriptor, bytes);
    struct zama_answer answer;
    struct remote_error err;

    assert_non_null(message);
    assert_int_equal(read_message(asked, party, pin, bytes, &answer, &err), REMOTE_OK);
    assert_int_equal(message->external_signature.len, sizeof(answer.signature));
    assert_memory_equal(answer.signature, message->external_signature.data,
                        sizeof(answer.signature));
    zama_answer_clear(&answer);
    remote_protobuf_free(&message->base);
}

static size_t accept_answers(const remote_json *deployment, const remote_json *json,
                             bool by_address)
{
    const remote_json *answers = remote_json_at(json, "answers");
    struct zama_case_question asked;
    struct remote_buf message;
    struct zama_pin pin;
    int64_t party;

    zama_case_question(deployment, json, &asked);
    for (size_t i = 0; i < remote_json_count(answers); i++) {
        const remote_json *answer = remote_json_index(answers, i);

        assert_true(remote_json_number(answer, "party", &party));
        zama_case_pin(deployment, (unsigned)party, &pin);
        if (by_address)
            pin.has_point = pin.has_ed25519 = false;
        message = zama_case_base64(remote_json_text(answer, "message"));
        assert_accepted(&asked, (unsigned)party, &pin, remote_buf_slice(&message));
        if (by_address)
            assert_signature_kept(&asked, (unsigned)party, &pin, remote_buf_slice(&message));
        remote_buf_clear(&message);
    }
    zama_case_question_clear(&asked);
    return remote_json_count(answers);
}

static size_t accept_deployment(const char *name, bool by_address)
{
    const remote_json *deployment = zama_case_deployment(name);
    const remote_json *questions = remote_json_at(deployment, "questions");
    size_t count = 0;

    for (size_t i = 0; i < remote_json_count(questions); i++)
        count += accept_answers(deployment, remote_json_index(questions, i), by_address);
    return count;
}

static void test_every_real_answer_under_all_pins_is_accepted(void **state)
{
    (void)state;
    assert_int_equal(accept_deployment("centralized", false) +
                         accept_deployment("threshold", false),
                     REAL_ANSWERS);
}

static void test_every_real_answer_under_an_address_is_accepted(void **state)
{
    (void)state;
    assert_int_equal(accept_deployment("centralized", true) + accept_deployment("threshold", true),
                     REAL_ANSWERS);
}

/* ---- bad ones ---- */

struct one { /* a question, the first answer to it, and what may be done to that */
    struct zama_case_question asked;
    struct zama_pin pin;
    struct remote_buf bytes;
    Kms__V1__PublicDecryptionResponse *message;
};

/* why NULL: the party's good answer. */
static const remote_json *find_answer(const remote_json *question, unsigned party, const char *why)
{
    const remote_json *answers = remote_json_at(question, "answers");
    int64_t number;

    for (size_t i = 0; i < remote_json_count(answers); i++) {
        const remote_json *answer = remote_json_index(answers, i);
        const char *theirs = remote_json_text(answer, "why");

        assert_true(remote_json_number(answer, "party", &number));
        if (why != NULL ? theirs != NULL && strcmp(theirs, why) == 0
                        : theirs == NULL && number == party)
            return answer;
    }
    fail_msg("there is no such answer");
    return NULL;
}

/* The question points into itself: it stays where it is. */
static void load(struct one *one, const char *deployment_name, const char *question_name,
                 unsigned party, const char *why)
{
    const remote_json *deployment = zama_case_deployment(deployment_name);
    const remote_json *question =
        zama_case_find(remote_json_at(deployment, "questions"), question_name);
    const char *text = remote_json_text(find_answer(question, party, why), "message");

    one->bytes = zama_case_base64(text);
    zama_case_question(deployment, question, &one->asked);
    zama_case_pin(deployment, party, &one->pin);
    one->message = (void *)remote_protobuf_read(&kms__v1__public_decryption_response__descriptor,
                                                remote_buf_slice(&one->bytes));
    assert_non_null(one->message);
}

static void unload(struct one *one)
{
    zama_case_question_clear(&one->asked);
    remote_buf_clear(&one->bytes);
    remote_protobuf_free(&one->message->base);
}

static struct remote_slice pack(struct one *one)
{
    remote_buf_truncate(&one->bytes, 0);
    assert_int_equal(remote_protobuf_write(&one->message->base, &one->bytes, NULL), REMOTE_OK);
    return remote_buf_slice(&one->bytes);
}

static void assert_synthetic_refused(const char *why, const char *sentence)
{
    struct one one;

    load(&one, "synthetic", "single_u8", PARTY, why);
    assert_refused(&one.asked, PARTY, &one.pin, remote_buf_slice(&one.bytes), sentence);
    one.pin.has_point = false;
    assert_refused(&one.asked, PARTY, &one.pin, remote_buf_slice(&one.bytes), sentence);
    unload(&one);
}

#define ECDSA_WRONG "answer of party 2: its ECDSA signature of signatures[] is wrong"

static void test_each_bad_answer_is_refused_for_its_own_reason(void **state)
{
    (void)state;
    assert_synthetic_refused("high_s", "answer of party 2: its ECDSA signature of signatures[] is "
                                       "wrong: its s is in the upper half");
    assert_synthetic_refused("flipped_internal_sig", "answer of party 2: its signature is wrong");
    assert_synthetic_refused("flipped_external_sig", ECDSA_WRONG);
    assert_synthetic_refused("tampered_plaintext", ECDSA_WRONG);
    assert_synthetic_refused(
        "wrong_request_id",
        "answer of party 2: its request_id is not that of "
        "the request, 69ea0e2c9095dfde60af72ce149df33c6403ffdd0cae7956527f9f87289310b0");
    assert_synthetic_refused("wrong_extra_data",
                             "answer of party 2: its extra_data is not that of the request");
    assert_synthetic_refused("short_vk",
                             "answer of party 2: its verification_key is not bincode of "
                             "a point: 40 bytes where 41 are right");
    assert_synthetic_refused("no_payload", "answer of party 2: it carries no payload");
}

static void test_a_key_that_is_not_pinned_is_refused_by_name(void **state)
{
    struct one one;

    (void)state;
    load(&one, "synthetic", "single_u8", PARTY, "key not registered");
    assert_refused(&one.asked, 9, &one.pin, remote_buf_slice(&one.bytes),
                   "answer of party 9: its key is not the one that is pinned for this party");
    one.pin.has_point = false;
    assert_refused(&one.asked, 9, &one.pin, remote_buf_slice(&one.bytes),
                   "answer of party 9: its key has the address "
                   "0x85b0d75d5F7A2b031212b16446CaD4B1DD5562f6 where "
                   "0x619e7538C67f99388AEe2CFab778eD2157b1EfEb is pinned for this party");
    unload(&one);
}

/* It is authentic: only the vote of the others catches it. */
static void test_a_lying_partys_answer_is_authentic(void **state)
{
    struct one one;
    struct zama_answer answer;
    struct remote_error err;

    (void)state;
    load(&one, "synthetic", "single_u8", 3, "lying party");
    assert_int_equal(read_message(&one.asked, 3, &one.pin, remote_buf_slice(&one.bytes), &answer,
                                  &err),
                     REMOTE_OK);
    assert_int_equal(answer.plaintexts.len, 1);
    assert_int_not_equal(answer.plaintexts.data[0], one.asked.plaintexts.data[0]);
    zama_answer_clear(&answer);
    unload(&one);
}

static void test_another_partys_answer_is_refused(void **state)
{
    struct one one;

    (void)state;
    load(&one, "threshold", "pd_euint8_sc", 1, NULL);
    zama_case_pin(zama_case_deployment("threshold"), 2, &one.pin);
    assert_refused(&one.asked, 2, &one.pin, remote_buf_slice(&one.bytes),
                   "answer of party 2: its key is not the one that is pinned for this party");
    unload(&one);
}

/* ---- what does not fit the question ---- */

static void test_plaintexts_that_do_not_fit_are_refused(void **state)
{
    struct one one;

    (void)state;
    load(&one, "threshold", "pd_multi_allschemes", 1, NULL);
    one.message->payload->plaintexts[1]->fhe_type = 3;
    assert_refused(&one.asked, 1, &one.pin, pack(&one),
                   "answer of party 1: its plaintext 1 is of FHE type 3 where 2 was asked for");
    one.message->payload->plaintexts[1]->fhe_type = 2;
    one.message->payload->plaintexts[2]->bytes.len = 7;
    assert_refused(&one.asked, 1, &one.pin, pack(&one),
                   "answer of party 1: its plaintext 2 has 7 bytes where an euint64 has 8");
    one.message->payload->plaintexts[2]->bytes.len = 8;
    assert_accepted(&one.asked, 1, &one.pin, pack(&one));
    one.asked.question.count = 2;
    assert_refused(&one.asked, 1, &one.pin, pack(&one),
                   "answer of party 1: it has 3 plaintexts where 2 were asked for");
    unload(&one);
}

static void test_a_type_that_cannot_be_signed_is_refused(void **state)
{
    struct one one;

    (void)state;
    load(&one, "threshold", "pd_euint8_sc", 1, NULL);
    one.asked.ciphertexts[0].fhe_type = 9;
    one.message->payload->plaintexts[0]->fhe_type = 9;
    assert_refused(&one.asked, 1, &one.pin, pack(&one),
                   "answer of party 1: its plaintext 0 is of FHE type 9, which cannot be signed");
    unload(&one);
}

static void test_an_answer_to_another_handle_is_refused(void **state)
{
    struct one one;

    (void)state;
    load(&one, "threshold", "pd_euint8_sc", 1, NULL);
    one.asked.ciphertexts[0].handle[31] ^= 1;
    assert_refused(&one.asked, 1, &one.pin, remote_buf_slice(&one.bytes),
                   "answer of party 1: its ECDSA signature of signatures[] is wrong");
    unload(&one);
}

static void test_an_answer_for_another_domain_is_refused(void **state)
{
    struct one one;

    (void)state;
    load(&one, "threshold", "pd_euint8_sc", 1, NULL);
    one.asked.domain.has_salt = true;
    assert_refused(&one.asked, 1, &one.pin, remote_buf_slice(&one.bytes),
                   "answer of party 1: its ECDSA signature of signatures[] is wrong");
    unload(&one);
}

static void test_bytes_that_are_no_answer_are_refused(void **state)
{
    struct one one;
    struct remote_buf big = { 0 };
    struct remote_slice cut;

    (void)state;
    load(&one, "threshold", "pd_euint8_sc", 1, NULL);
    cut = remote_slice(one.bytes.data, one.bytes.len - 1);
    assert_refused(&one.asked, 1, &one.pin, cut,
                   "answer of party 1: it is no PublicDecryptionResponse");
    assert_refused(&one.asked, 1, &one.pin, remote_slice("", 0),
                   "answer of party 1: it carries no payload");
    assert_non_null(remote_buf_reserve(&big, 100000));
    big.len = 100000;
    assert_refused(&one.asked, 1, &one.pin, remote_buf_slice(&big),
                   "answer of party 1: it has 100000 bytes where an answer to this request has at "
                   "most 65729");
    remote_buf_clear(&big);
    unload(&one);
}

static void test_a_key_that_is_no_point_is_refused(void **state)
{
    struct one one;
    uint8_t *key;

    (void)state;
    load(&one, "threshold", "pd_euint8_sc", 1, NULL);
    key = one.message->payload->verification_key.data;
    key[8] = 4;
    assert_refused(&one.asked, 1, &one.pin, pack(&one),
                   "answer of party 1: its verification_key is no point of secp256k1");
    key[0] = 32;
    assert_refused(&one.asked, 1, &one.pin, pack(&one),
                   "answer of party 1: its verification_key is not bincode of a point: 41 bytes "
                   "where 41 are right");
    unload(&one);
}

/* ---- which signatures suffice ---- */

static void test_each_signature_alone_suffices(void **state)
{
    struct one one;
    Kms__V1__PublicDecryptionResponse *message;
    ProtobufCBinaryData internal, external;
    struct zama_answer answer;
    struct remote_error err;

    (void)state;
    load(&one, "threshold", "pd_multi_allschemes", 1, NULL);
    message = one.message;
    internal = message->signature;
    external = message->external_signature;
    message->external_signature.len = message->signature.len = 0;
    assert_accepted(&one.asked, 1, &one.pin, pack(&one)); /* as from 0.16 on */
    message->n_signatures = 0;
    assert_refused(&one.asked, 1, &one.pin, pack(&one),
                   "answer of party 1: it has no signature of a kind for which a key is pinned");
    message->external_signature = external;
    assert_accepted(&one.asked, 1, &one.pin, pack(&one));
    message->external_signature.len = 0;
    message->signature = internal;
    assert_int_equal(read_message(&one.asked, 1, &one.pin, pack(&one), &answer, &err), REMOTE_OK);
    assert_false(answer.has_signature); /* there is none for a chain */
    zama_answer_clear(&answer);
    message->n_signatures = 5;
    message->external_signature = external;
    unload(&one);
}

static void test_ed25519_alone_is_required_when_asked_for_alone(void **state)
{
    struct one one;

    (void)state;
    load(&one, "threshold", "pd_ed25519", 3, NULL);
    one.pin.has_point = one.pin.has_address = false;
    assert_accepted(&one.asked, 3, &one.pin, remote_buf_slice(&one.bytes));
    zama_case_pin(zama_case_deployment("threshold"), 3, &one.pin);
    one.message->n_signatures = 0;
    assert_refused(&one.asked, 3, &one.pin, pack(&one),
                   "answer of party 3: it has no Ed25519 signature, the only one that was asked "
                   "for");
    one.pin.has_ed25519 = false; /* then there is nothing that it could be held against */
    assert_accepted(&one.asked, 3, &one.pin, pack(&one));
    one.message->n_signatures = 1;
    unload(&one);
}

static void test_a_wrong_ed25519_signature_is_refused(void **state)
{
    struct one one;

    (void)state;
    load(&one, "threshold", "pd_multi_allschemes", 3, NULL);
    one.message->signatures[1]->signature.data[5] ^= 1;
    assert_refused(&one.asked, 3, &one.pin, pack(&one),
                   "answer of party 3: its Ed25519 signature is wrong");
    one.pin.has_ed25519 = false;
    assert_accepted(&one.asked, 3, &one.pin, pack(&one));
    unload(&one);
}

static void test_without_a_pin_nothing_is_accepted(void **state)
{
    struct one one;

    (void)state;
    load(&one, "threshold", "pd_multi_allschemes", 3, NULL);
    one.pin = (struct zama_pin){ 0 };
    assert_refused(&one.asked, 3, &one.pin, remote_buf_slice(&one.bytes),
                   "answer of party 3: it has no signature of a kind for which a key is pinned");
    unload(&one);
}

static void test_an_external_signature_beside_a_right_one_is_checked_too(void **state)
{
    struct one one;

    (void)state;
    load(&one, "threshold", "pd_euint8_sc", 1, NULL);
    one.message->external_signature.data[9] ^= 1;
    assert_refused(&one.asked, 1, &one.pin, pack(&one),
                   "answer of party 1: its external_signature is wrong");
    unload(&one);
}

static void test_a_signature_of_another_length_is_refused(void **state)
{
    struct one one;
    ProtobufCBinaryData *typed;

    (void)state;
    load(&one, "threshold", "pd_multi_allschemes", 1, NULL);
    typed = &one.message->signatures[0]->signature;
    typed->len = 64;
    assert_refused(&one.asked, 1, &one.pin, pack(&one),
                   "answer of party 1: its ECDSA signature of signatures[] has 64 bytes where 65 "
                   "are right");
    typed->len = 0;
    assert_refused(&one.asked, 1, &one.pin, pack(&one),
                   "answer of party 1: its ECDSA signature of signatures[] has 0 bytes where 65 "
                   "are right");
    typed->len = 65;
    one.message->signature.len = 63;
    assert_refused(&one.asked, 1, &one.pin, pack(&one),
                   "answer of party 1: its signature has 63 bytes where 64 are right");
    unload(&one);
}

static void test_two_signatures_of_one_scheme_are_refused(void **state)
{
    struct one one;

    (void)state;
    load(&one, "threshold", "pd_multi_allschemes", 1, NULL);
    one.message->signatures[4]->scheme = KMS__V1__SIGNING_SCHEME_TYPE__ED25519;
    assert_refused(&one.asked, 1, &one.pin, pack(&one),
                   "answer of party 1: it has two signatures of scheme 1");
    unload(&one);
}

/* It may differ from the one in signatures[] in its v only. */
static void test_v_is_made_right_whatever_came(void **state)
{
    struct one one;
    struct zama_answer answer;
    struct remote_error err;
    uint8_t right;

    (void)state;
    load(&one, "threshold", "pd_euint8_sc", 1, NULL);
    right = one.message->external_signature.data[64];
    one.message->external_signature.data[64] = 0;
    one.message->signatures[0]->signature.data[64] = (uint8_t)(55 - right);
    assert_int_equal(read_message(&one.asked, 1, &one.pin, pack(&one), &answer, &err), REMOTE_OK);
    assert_int_equal(answer.signature[64], right);
    zama_answer_clear(&answer);
    unload(&one);
}

/* ---- each bit ---- */

static void flip(struct one *one, size_t bit)
{
    one->bytes.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
}

static void test_no_flipped_bit_makes_another_answer_of_it(void **state)
{
    struct one one;
    size_t accepted = 0, bits;

    (void)state;
    load(&one, "threshold", "pd_noextra", 1, NULL);
    bits = 8 * one.bytes.len;
    for (size_t bit = 0; bit < bits; bit++) {
        struct zama_answer answer;
        struct remote_error err;

        flip(&one, bit);
        if (read_message(&one.asked, 1, &one.pin, remote_buf_slice(&one.bytes), &answer, &err) ==
            REMOTE_OK) {
            assert_true(remote_slice_equal(remote_secret_slice(&answer.plaintexts),
                                           remote_buf_slice(&one.asked.plaintexts)));
            assert_memory_equal(answer.point, one.pin.point, sizeof(answer.point));
            zama_answer_clear(&answer);
            accepted++;
        }
        flip(&one, bit);
    }
    assert_in_range(accepted, 1, bits / 20); /* both v, and tags that become unknown members */
    unload(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_real_answer_under_all_pins_is_accepted),
        cmocka_unit_test(test_every_real_answer_under_an_address_is_accepted),
        cmocka_unit_test(test_each_bad_answer_is_refused_for_its_own_reason),
        cmocka_unit_test(test_a_key_that_is_not_pinned_is_refused_by_name),
        cmocka_unit_test(test_a_lying_partys_answer_is_authentic),
        cmocka_unit_test(test_another_partys_answer_is_refused),
        cmocka_unit_test(test_plaintexts_that_do_not_fit_are_refused),
        cmocka_unit_test(test_a_type_that_cannot_be_signed_is_refused),
        cmocka_unit_test(test_an_answer_to_another_handle_is_refused),
        cmocka_unit_test(test_an_answer_for_another_domain_is_refused),
        cmocka_unit_test(test_bytes_that_are_no_answer_are_refused),
        cmocka_unit_test(test_a_key_that_is_no_point_is_refused),
        cmocka_unit_test(test_each_signature_alone_suffices),
        cmocka_unit_test(test_ed25519_alone_is_required_when_asked_for_alone),
        cmocka_unit_test(test_a_wrong_ed25519_signature_is_refused),
        cmocka_unit_test(test_without_a_pin_nothing_is_accepted),
        cmocka_unit_test(test_an_external_signature_beside_a_right_one_is_checked_too),
        cmocka_unit_test(test_a_signature_of_another_length_is_refused),
        cmocka_unit_test(test_two_signatures_of_one_scheme_are_refused),
        cmocka_unit_test(test_v_is_made_right_whatever_came),
        cmocka_unit_test(test_no_flipped_bit_makes_another_answer_of_it),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
