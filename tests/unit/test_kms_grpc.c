/* SPDX-License-Identifier: Apache-2.0 */
/* What gRPC lays over HTTP/2, against grpc/doc/PROTOCOL-HTTP2.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "grpc.h"

static bool unframe(const char *bytes, size_t len, enum kms_grpc_status *status)
{
    struct remote_slice message = { 0 };
    const char *text = NULL;
    bool good = kms_grpc_unframe(remote_slice(bytes, len), &message, status, &text);

    assert_true(good == (text == NULL));
    if (good)
        assert_int_equal(message.len, len - KMS_GRPC_PREFIX);
    return good;
}

static void test_unframe_takes_exactly_one_message(void **state)
{
    enum kms_grpc_status status = KMS_GRPC_OK;

    (void)state;
    assert_true(unframe("\0\0\0\0\0", 5, &status));
    assert_true(unframe("\0\0\0\0\3abc", 8, &status));
    assert_false(unframe("", 0, &status));
    assert_int_equal(status, KMS_GRPC_INTERNAL);
    assert_false(unframe("\0\0\0\0\3ab", 7, &status));
    assert_int_equal(status, KMS_GRPC_INTERNAL);
    assert_false(unframe("\0\0\0\0\3abcd", 9, &status));
    assert_int_equal(status, KMS_GRPC_INTERNAL);
}

static void test_unframe_names_what_is_not_served(void **state)
{
    enum kms_grpc_status status = KMS_GRPC_OK;

    (void)state;
    assert_false(unframe("\1\0\0\0\1x", 6, &status));
    assert_int_equal(status, KMS_GRPC_UNIMPLEMENTED);
    assert_false(unframe("\2\0\0\0\1x", 6, &status));
    assert_int_equal(status, KMS_GRPC_INTERNAL);
    assert_false(unframe("\0\xff\xff\xff\xff", 5, &status));
    assert_int_equal(status, KMS_GRPC_RESOURCE_EXHAUSTED);
    assert_false(unframe("\0\0\x10\0\1", 5, &status));
    assert_int_equal(status, KMS_GRPC_RESOURCE_EXHAUSTED);
}

static void test_frame_has_the_length_of_what_was_appended(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf buf = { 0 };

    (void)state;
    kms_grpc_frame_begin(&buf);
    for (int i = 0; i < 0x0123; i++)
        remote_buf_append_char(&buf, 'x');
    kms_grpc_frame_end(&buf);
    assert_memory_equal(buf.data, "\0\0\0\x01\x23", 5);
}

static void test_timeout_reads_every_unit_and_rounds_up(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = { { "1H", 3600000 }, { "2M", 120000 },
                 { "3S", 3000 },    { "4m", 4 },
                 { "1u", 1 },       { "1001u", 2 },
                 { "1n", 1 },       { "2999659u", 3000 },
                 { "0S", 0 },       { "99999999H", INT64_C(359999996400000) } };
    static const char *const bad[] = {
        "", "S", "1", "1x", "-1S", " 1S", "1 S", "123456789S", "0x1S"
    };
    int64_t ms = -1;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_true(kms_grpc_timeout(remote_slice_str(good[i].text), &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(kms_grpc_timeout(remote_slice_str(bad[i]), &ms));
}

static void test_message_is_printable_ascii(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf buf = { 0 };

    (void)state;
    kms_grpc_message_append(&buf, "slot 'a': 50% \xc3\xbc\n~\x7f");
    assert_string_equal((const char *)buf.data, "slot 'a': 50%25 %C3%BC%0A~%7F");
}

static void test_content_type_is_grpc_with_protobuf(void **state)
{
    static const char *const good[] = { "application/grpc", "application/grpc+proto",
                                        "application/grpc;charset=utf-8",
                                        "application/grpc+proto;x" };
    static const char *const bad[] = {
        "",          "application/grp",          "application/grpc-web", "application/grpc+json",
        "text/html", "application/grpc+protobuf"
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(kms_grpc_content_type(remote_slice_str(good[i])));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(kms_grpc_content_type(remote_slice_str(bad[i])));
}

static void test_every_code_has_a_status_and_every_status_a_name(void **state)
{
    (void)state;
    assert_int_equal(kms_grpc_status_of(REMOTE_OK), KMS_GRPC_OK);
    for (int rc = REMOTE_OK + 1; rc < REMOTE_RC_COUNT; rc++) {
        enum kms_grpc_status status = kms_grpc_status_of((enum remote_rc)rc);

        assert_int_not_equal(status, KMS_GRPC_OK);
        assert_true(strlen(kms_grpc_status_name(status)) > 0);
    }
    assert_int_equal(kms_grpc_status_of(REMOTE_E_TIMEOUT), KMS_GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(kms_grpc_status_of(REMOTE_E_RIGHTS), KMS_GRPC_PERMISSION_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unframe_takes_exactly_one_message),
        cmocka_unit_test(test_unframe_names_what_is_not_served),
        cmocka_unit_test(test_frame_has_the_length_of_what_was_appended),
        cmocka_unit_test(test_timeout_reads_every_unit_and_rounds_up),
        cmocka_unit_test(test_message_is_printable_ascii),
        cmocka_unit_test(test_content_type_is_grpc_with_protobuf),
        cmocka_unit_test(test_every_code_has_a_status_and_every_status_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
