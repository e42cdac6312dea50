/* SPDX-License-Identifier: Apache-2.0 */
/* Stored requests and answers, checked offline by what a slot pins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "in_guard.h"
#include "remote/slot_private.h"
#include "remote/zama/zama_admin.h"
#include "zama_case.h"

static struct remote_config config;
static struct remote_slot *slot;

/* A slot that pins what the deployment's parties have; chain_id in decimal. */
static void open_slot(const remote_json *deployment, const char *chain_id)
{
    struct remote_buf text = { 0 };
    struct remote_error err = { 0 };
    const remote_json *parties = remote_json_at(deployment, "parties");

    remote_buf_printf(&text,
                      "[slot kms]\nbackend = zama\ninsecure_transport = yes\nchain_id = %s\n"
                      "domain_name = %s\ndomain_version = %s\nverifying_contract = %s\n",
                      chain_id, remote_json_text(deployment, "domain.name"),
                      remote_json_text(deployment, "domain.version"),
                      remote_json_text(deployment, "domain.verifying_contract"));
    for (size_t i = 0; i < remote_json_count(parties); i++)
        remote_buf_printf(&text, "parties = %zu@http://127.0.0.1:%zu#%s\n", i + 1, i + 50101,
                          remote_json_text(remote_json_index(parties, i), "address"));
    if (remote_config_parse("kms.conf", remote_buf_slice(&text), &config, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    slot = remote_slot_open(NULL, config.slots[0]);
    if (remote_slot_status(slot, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    remote_buf_clear(&text);
}

static int close_slot(void **state)
{
    (void)state;
    remote_slot_close(slot);
    slot = NULL;
    remote_config_clear(&config);
    return 0;
}

/* The request as it would have been sent. */
static void store(const struct zama_case_question *question, struct zama_stored *ret)
{
    struct remote_buf bytes = { 0 };
    struct remote_error err = { 0 };

    assert_int_equal(zama_question_write(&question->question, &bytes, &err), REMOTE_OK);
    if (zama_stored_read(remote_buf_slice(&bytes), ret, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    remote_buf_clear(&bytes);
}

static enum remote_rc verify(const struct zama_stored *stored, const remote_json *answer,
                             size_t index, struct zama_answer *ret, struct remote_error *err)
{
    struct remote_buf message = zama_case_base64(remote_json_text(answer, "message"));
    enum remote_rc rc =
        zama_admin_verify(slot, index, stored, remote_buf_slice(&message), ret, err);

    remote_buf_clear(&message);
    return rc;
}

/* Each answer is its own party's, and of no other. */
static void check_question(const remote_json *deployment, const remote_json *json)
{
    struct zama_case_question question;
    struct zama_stored stored = { 0 };
    const remote_json *answers = remote_json_at(json, "answers");

    zama_case_question(deployment, json, &question);
    store(&question, &stored);
    for (size_t i = 0; i < remote_json_count(answers); i++) {
        const remote_json *answer = remote_json_index(answers, i);
        int64_t party = 0;

        assert_true(remote_json_number(answer, "party", &party));
        for (size_t p = 0; p < zama_admin_parties(slot); p++) {
            CLEANUP(zama_answer_clear) struct zama_answer read = { 0 };
            struct remote_error err = { 0 };
            enum remote_rc rc = verify(&stored, answer, p, &read, &err);

            assert_int_equal(rc, p + 1 == (size_t)party ? REMOTE_OK : REMOTE_E_DATA);
            if (rc == REMOTE_OK)
                assert_true(remote_slice_equal(remote_secret_slice(&read.plaintexts),
                                               remote_buf_slice(&question.plaintexts)));
        }
    }
    zama_stored_clear(&stored);
    zama_case_question_clear(&question);
}

static void test_verify_takes_a_real_answer_as_its_own_partys_alone(void **state)
{
    const remote_json *deployment = zama_case_deployment("threshold");
    const remote_json *questions = remote_json_at(deployment, "questions");
    size_t checked = 0;

    (void)state;
    open_slot(deployment, "8006");
    for (size_t i = 0; i < remote_json_count(questions); i++) {
        int64_t schemes = 0; /* without ECDSA the key is not among what an address pins */

        if (!remote_json_number(remote_json_index(questions, i), "schemes", &schemes) ||
            schemes == 1u << ZAMA_ED25519)
            continue;
        check_question(deployment, remote_json_index(questions, i));
        checked++;
    }
    assert_true(checked > 20);
}

static void test_verify_when_domain_is_another_then_says_so(void **state)
{
    const remote_json *deployment = zama_case_deployment("threshold");
    const remote_json *json = remote_json_index(remote_json_at(deployment, "questions"), 0);
    CLEANUP(zama_answer_clear) struct zama_answer read = { 0 };
    struct zama_case_question question;
    struct zama_stored stored = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    open_slot(deployment, "8007");
    zama_case_question(deployment, json, &question);
    store(&question, &stored);
    assert_int_equal(verify(&stored, remote_json_index(remote_json_at(json, "answers"), 0), 0,
                            &read, &err),
                     REMOTE_E_DATA);
    assert_non_null(strstr(err.text, "for another EIP-712 domain than slot 'kms' has"));
    zama_stored_clear(&stored);
    zama_case_question_clear(&question);
}

static void test_stored_reads_what_a_server_was_sent(void **state)
{
    struct remote_buf bytes =
        zama_case_base64(remote_json_text(zama_case_json(), "request.message"));
    struct zama_stored stored = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(zama_stored_read(remote_buf_slice(&bytes), &stored, &err), REMOTE_OK);
    assert_string_equal(stored.domain.name, "Authorization token");
    assert_string_equal(stored.domain.version, "1");
    assert_int_equal(stored.domain.chain_id[31], 8006 & 255);
    assert_int_equal(stored.question.count, 1);
    assert_int_equal(stored.question.request_id[0], 0xa7);
    assert_true(stored.question.ciphertexts[0].bytes.len > 600);
    zama_stored_clear(&stored);
    for (size_t len = 0; len < 64; len++) /* cut short it has no domain */
        assert_int_equal(zama_stored_read(remote_slice(bytes.data, len), &stored, &err),
                         REMOTE_E_DATA);
    remote_buf_clear(&bytes);
}

#define TEST(function) cmocka_unit_test_teardown(function, close_slot)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_verify_takes_a_real_answer_as_its_own_partys_alone),
        TEST(test_verify_when_domain_is_another_then_says_so),
        TEST(test_stored_reads_what_a_server_was_sent),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
