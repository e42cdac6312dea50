/* SPDX-License-Identifier: Apache-2.0 */
/* Through a message of the KMS's, the smallest with a list in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kms.pb-c.h"
#include "remote/protobuf.h"

static ProtobufCMessage *read_list(struct remote_slice bytes)
{
    return remote_protobuf_read(&kms__v1__key_material_availability_response__descriptor, bytes);
}

static void test_what_is_written_is_read_again(void **state)
{
    Kms__V1__RequestId sent = KMS__V1__REQUEST_ID__INIT, *got;
    struct remote_buf bytes = { 0 };

    (void)state;
    remote_buf_append_str(&bytes, "before");
    sent.request_id = remote_protobuf_data(remote_slice("a\0b", 3));
    assert_int_equal(remote_protobuf_write(&sent.base, &bytes, NULL), REMOTE_OK);
    assert_int_equal(bytes.len, 6 + 5);
    got = (void *)remote_protobuf_read(&kms__v1__request_id__descriptor,
                                       remote_slice(bytes.data + 6, 5));
    assert_non_null(got);
    assert_true(
        remote_slice_equal(remote_protobuf_slice(got->request_id), remote_slice("a\0b", 3)));
    remote_protobuf_free(&got->base);
    remote_buf_clear(&bytes);
}

static void test_unknown_members_are_passed_over(void **state)
{
    Kms__V1__KeyMaterialAvailabilityResponse *got =
        (void *)read_list(remote_slice("\x12\x01x\x0a\x01k\x98\x01\x07", 9));

    (void)state;
    assert_non_null(got);
    assert_int_equal(got->n_fhe_key_ids, 1);
    remote_protobuf_free(&got->base);
}

static void test_what_is_no_message_is_refused(void **state)
{
    (void)state;
    assert_null(read_list(remote_slice("\x0a\x05k", 3)));
    assert_null(read_list(remote_slice("\x0a", 1)));
    remote_protobuf_free(NULL);
}

/* Two bytes each, and an entry of the list for each of them. */
static void test_a_list_of_nothing_takes_no_endless_memory(void **state)
{
    struct remote_buf bytes = { 0 };
    ProtobufCMessage *got;

    (void)state;
    for (size_t i = 0; i < 500; i++)
        remote_buf_append(&bytes, "\x0a\x00", 2);
    got = read_list(remote_buf_slice(&bytes));
    assert_non_null(got);
    remote_protobuf_free(got);
    for (size_t i = 0; i < 500000; i++)
        remote_buf_append(&bytes, "\x0a\x00", 2);
    assert_null(read_list(remote_buf_slice(&bytes)));
    remote_buf_clear(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read_again),
        cmocka_unit_test(test_unknown_members_are_passed_over),
        cmocka_unit_test(test_what_is_no_message_is_refused),
        cmocka_unit_test(test_a_list_of_nothing_takes_no_endless_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
