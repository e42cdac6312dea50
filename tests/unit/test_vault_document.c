/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of the K/V engine, as requests and answers; answers as recorded on Vault 1.21. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "in_guard.h"
#include "vault.h"

static char headers[] = "X-Vault-Request: true\n";
static struct vault vault = { .headers = headers };

static enum remote_rc write_entry(const char *method, const char *path, const char *body,
                                  struct remote_request *ret)
{
    const struct remote_op op = { .kind = REMOTE_OP_WRITE_DOCUMENT,
                                  .name = path,
                                  .method = method,
                                  .material = remote_slice_str(body) };

    return vault_build_write_document(&vault.base, &op, NULL, 0, ret, NULL);
}

static void test_write_is_a_post_of_json(void **state)
{
    struct remote_request request = { 0 };

    (void)state;
    assert_int_equal(write_entry("POST", "kv1/kes/app", "{\"app\":\"x\"}", &request), REMOTE_OK);
    assert_string_equal(request.method, "POST");
    assert_string_equal((char *)request.path.data, "/v1/kv1/kes/app");
    assert_string_equal((char *)request.body.data, "{\"app\":\"x\"}");
    assert_non_null(strstr((char *)request.headers.data, "Content-Type: application/json\n"));
    remote_request_clear(&request);
}

static void test_delete_has_no_body(void **state)
{
    struct remote_request request = { 0 };

    (void)state;
    assert_int_equal(write_entry("DELETE", "kv1/kes/app", "", &request), REMOTE_OK);
    assert_string_equal(request.method, "DELETE");
    assert_int_equal(request.body.len, 0);
    assert_null(strstr((char *)request.headers.data, "Content-Type"));
    remote_request_clear(&request);
}

static void test_path_when_not_encoded_then_refused(void **state)
{
    struct remote_request request = { 0 };

    (void)state;
    assert_int_equal(write_entry("POST", "kv1/a b", "{}", &request), REMOTE_E_PARAM);
    assert_int_equal(write_entry("DELETE", "kv1/a\r\nX: y", "", &request), REMOTE_E_PARAM);
    remote_request_clear(&request);
}

static enum remote_rc answered(int status, const char *body)
{
    struct remote_op op = { .kind = REMOTE_OP_WRITE_DOCUMENT };
    const struct remote_reply reply = { .status = status, .body = remote_slice_str(body) };
    struct remote_error err = { 0 };

    return vault_parse_done(&vault.base, &op, &reply, &err);
}

static void test_answers_say_what_became_of_it(void **state)
{
    (void)state;
    assert_int_equal(answered(204, ""), REMOTE_OK);
    assert_int_equal(answered(200, "{\"data\":{\"version\":1}}"), REMOTE_OK);
    assert_int_equal(answered(400, "{\"errors\":[\"check-and-set parameter did not match the "
                                   "current version\"]}"),
                     REMOTE_E_EXISTS);
    assert_int_equal(answered(400, "{\"errors\":[\"failed to parse JSON input\"]}"),
                     REMOTE_E_PARAM);
    assert_int_equal(answered(403, "{\"errors\":[\"1 error occurred:\\n\\t* permission "
                                   "denied\\n\\n\"]}"),
                     REMOTE_E_RIGHTS);
    assert_int_equal(answered(503, "{\"errors\":[\"Vault is sealed\"]}"), REMOTE_E_UNAVAILABLE);
}

static enum remote_rc read_entry(int status, const char *body)
{
    struct remote_op op = { .kind = REMOTE_OP_DOCUMENT };
    const struct remote_reply reply = { .status = status, .body = remote_slice_str(body) };
    struct remote_error err = { 0 };
    enum remote_rc rc = vault_parse_document(&vault.base, &op, &reply, &err);

    remote_buf_clear(&op.answer);
    return rc;
}

static void test_read_when_the_version_was_deleted_then_not_said_to_be_absent(void **state)
{
    (void)state;
    assert_int_equal(read_entry(200, "{\"data\":{\"app\":\"text\"}}"), REMOTE_OK);
    assert_int_equal(read_entry(404, "{\"errors\":[]}"), REMOTE_E_NOT_FOUND);
    assert_int_equal(read_entry(404, ""), REMOTE_E_NOT_FOUND);
    assert_int_equal(read_entry(404, "{\"data\":{\"data\":null,\"metadata\":{\"deletion_time\":"
                                     "\"2026-11-23T07:26:58Z\",\"destroyed\":false}}}"),
                     REMOTE_E_DATA);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_is_a_post_of_json),
        cmocka_unit_test(test_delete_has_no_body),
        cmocka_unit_test(test_path_when_not_encoded_then_refused),
        cmocka_unit_test(test_answers_say_what_became_of_it),
        cmocka_unit_test(test_read_when_the_version_was_deleted_then_not_said_to_be_absent),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
