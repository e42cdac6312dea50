/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures against those that the real front end took: tests/fixtures/ehsm/vectors.json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ehsm.h"
#include "in_guard.h"

#define VECTORS 9

static struct remote_buf read_fixture(void)
{
    struct remote_buf text = { 0 };
    FILE *in = fopen(EHSM_VECTORS, "r");
    char part[4096];
    size_t len;

    assert_non_null(in);
    while ((len = fread(part, 1, sizeof(part), in)) > 0)
        remote_buf_append(&text, part, len);
    fclose(in);
    return text;
}

static enum remote_rc add_field(void *arg, const char *member, const remote_json *value)
{
    int64_t number;

    if (remote_json_number_value(value, &number))
        ehsm_add_number(arg, member, (uint64_t)number);
    else
        ehsm_add_word(arg, member, remote_json_string(value));
    return REMOTE_OK;
}

static void read_vector(const remote_json *vector, struct ehsm_stamp *stamp,
                        struct ehsm_payload *payload)
{
    const char *nonce = remote_json_text(vector, "nonce");

    snprintf(stamp->timestamp, sizeof(stamp->timestamp), "%s",
             remote_json_text(vector, "timestamp"));
    snprintf(stamp->nonce, sizeof(stamp->nonce), "%s", nonce ? nonce : "");
    payload->absent = !remote_json_bool(vector, "payload_present", false);
    if (!payload->absent)
        assert_int_equal(remote_json_each(remote_json_at(vector, "payload"), add_field, payload),
                         REMOTE_OK);
}

static void check_body(const remote_json *vector, const struct remote_buf *body)
{
    remote_json *ours = remote_json_read(remote_buf_slice(body), NULL);

    assert_non_null(ours);
    assert_string_equal(remote_json_text(ours, "sign"), remote_json_text(vector, "sign"));
    assert_string_equal(remote_json_text(ours, "appid"), remote_json_text(vector, "appid"));
    assert_int_equal(remote_json_at(ours, "payload") != NULL,
                     remote_json_bool(vector, "payload_present", false));
    assert_int_equal(remote_json_at(ours, "nonce") != NULL,
                     remote_json_text(vector, "nonce") != NULL);
    remote_json_free(&ours);
}

static void check_vector(const remote_json *vector)
{
    struct ehsm_payload payload = { 0 };
    struct ehsm_stamp stamp = { 0 };
    struct remote_buf text = { 0 }, body = { 0 };
    const char *appid = remote_json_text(vector, "appid");

    read_vector(vector, &stamp, &payload);
    ehsm_append_sign_string(&text, appid, &stamp, &payload);
    assert_string_equal((const char *)text.data, remote_json_text(vector, "sign_string"));
    assert_int_equal(ehsm_append_signed(&body, appid, remote_json_slice(vector, "apikey"), &stamp,
                                        &payload, NULL),
                     REMOTE_OK);
    check_body(vector, &body);
    remote_buf_clear(&text);
    remote_buf_clear(&body);
    ehsm_payload_clear(&payload);
}

static void test_signature_when_of_a_recorded_request_then_the_same_bytes(void **state)
{
    struct remote_buf text = read_fixture();
    remote_json *json = remote_json_read(remote_buf_slice(&text), NULL);
    const remote_json *vectors = remote_json_at(json, "vectors");

    (void)state;
    assert_int_equal(remote_json_count(vectors), VECTORS);
    for (size_t i = 0; i < VECTORS; i++)
        check_vector(remote_json_index(vectors, i));
    remote_json_free(&json);
    remote_buf_clear(&text);
}

static void test_payload_when_zero_or_empty_then_sent_but_not_signed(void **state)
{
    struct ehsm_payload payload = { 0 };
    const struct ehsm_stamp stamp = { .timestamp = "1700000001000" };
    struct remote_buf text = { 0 }, body = { 0 };

    (void)state;
    ehsm_add_number(&payload, "zero", 0);
    ehsm_add_word(&payload, "empty", "");
    ehsm_add_word(&payload, "text", "0");
    ehsm_append_sign_string(&text, "a", &stamp, &payload);
    assert_string_equal((const char *)text.data, "appid=a&payload=text=0&timestamp=1700000001000");
    assert_int_equal(ehsm_append_signed(&body, "a", remote_slice_str("k"), &stamp, &payload, NULL),
                     REMOTE_OK);
    assert_non_null(
        strstr((const char *)body.data, "\"payload\":{\"empty\":\"\",\"text\":\"0\",\"zero\":0},"));
    remote_buf_clear(&text);
    remote_buf_clear(&body);
    ehsm_payload_clear(&payload);
}

static void test_value_when_it_has_quotes_then_escaped_in_the_body_and_raw_in_the_string(
    void **state)
{
    struct ehsm_payload payload = { 0 };
    const struct ehsm_stamp stamp = { .timestamp = "1700000001000" };
    struct remote_buf text = { 0 }, body = { 0 };

    (void)state;
    ehsm_add_word(&payload, "t", "a\"b\\&=");
    ehsm_append_sign_string(&text, "a", &stamp, &payload);
    assert_non_null(strstr((const char *)text.data, "payload=t=a\"b\\&=&timestamp"));
    assert_int_equal(ehsm_append_signed(&body, "a", remote_slice_str("k"), &stamp, &payload, NULL),
                     REMOTE_OK);
    assert_non_null(strstr((const char *)body.data, "\"t\":\"a\\\"b\\\\&=\""));
    remote_buf_clear(&text);
    remote_buf_clear(&body);
    ehsm_payload_clear(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signature_when_of_a_recorded_request_then_the_same_bytes),
        cmocka_unit_test(test_payload_when_zero_or_empty_then_sent_but_not_signed),
        cmocka_unit_test(
            test_value_when_it_has_quotes_then_escaped_in_the_body_and_raw_in_the_string),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
