/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "der.h"

#define BYTES(text) remote_slice(text, sizeof(text) - 1)

static void test_take_gives_content_and_leaves_the_rest(void **state)
{
    struct remote_slice in = BYTES("\x04\x02hi\x05\x00"), content;

    (void)state;
    assert_true(remote_der_take(&in, REMOTE_DER_OCTET_STRING, &content));
    assert_true(remote_slice_equal(content, BYTES("hi")));
    assert_true(remote_der_take(&in, REMOTE_DER_NULL, &content));
    assert_int_equal(content.len, 0);
    assert_int_equal(in.len, 0);
    assert_false(remote_der_take(&in, REMOTE_DER_NULL, &content));
}

static void test_take_of_anything_but_der_is_refused(void **state)
{
    static const struct remote_slice wrong[] = {
        { (const unsigned char *)"\x04", 1 },                     /* no length */
        { (const unsigned char *)"\x04\x03hi", 4 },               /* cut off */
        { (const unsigned char *)"\x30\x02hi", 4 },               /* another tag */
        { (const unsigned char *)"\x04\x80hi\0\0", 6 },           /* indefinite */
        { (const unsigned char *)"\x04\x81\x02hi", 5 },           /* long form of a short length */
        { (const unsigned char *)"\x04\x82\x00\x81", 4 },         /* leading zero */
        { (const unsigned char *)"\x04\x84\x01\x00\x00\x00", 6 }, /* more than anything has */
        { (const unsigned char *)"\x04\xff\x01", 3 },
        { (const unsigned char *)"\x04\x82\x01", 3 },
    };
    struct remote_slice content;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct remote_slice in = wrong[i];

        assert_false(remote_der_take(&in, REMOTE_DER_OCTET_STRING, &content));
    }
}

static void test_unsigned_in_its_shortest_form_is_taken(void **state)
{
    struct remote_slice in = BYTES("\x02\x01\x00\x02\x01\x7f\x02\x02\x00\x80"), number;

    (void)state;
    assert_true(remote_der_take_unsigned(&in, &number));
    assert_int_equal(number.len, 0);
    assert_true(remote_der_take_unsigned(&in, &number));
    assert_true(remote_slice_equal(number, BYTES("\x7f")));
    assert_true(remote_der_take_unsigned(&in, &number));
    assert_true(remote_slice_equal(number, BYTES("\x80")));
}

static void test_unsigned_in_another_form_is_refused(void **state)
{
    struct remote_slice empty = BYTES("\x02\x00"), negative = BYTES("\x02\x01\x80"),
                        padded = BYTES("\x02\x02\x00\x7f"), number;

    (void)state;
    assert_false(remote_der_take_unsigned(&empty, &number));
    assert_false(remote_der_take_unsigned(&negative, &number));
    assert_false(remote_der_take_unsigned(&padded, &number));
}

static void test_bits_are_whole_bytes(void **state)
{
    struct remote_slice whole = BYTES("\x03\x02\x00x"), part = BYTES("\x03\x02\x01x"),
                        empty = BYTES("\x03\x00"), bits;

    (void)state;
    assert_true(remote_der_take_bits(&whole, &bits));
    assert_true(remote_slice_equal(bits, BYTES("x")));
    assert_false(remote_der_take_bits(&part, &bits));
    assert_false(remote_der_take_bits(&empty, &bits));
}

static void test_append_is_read_back_at_every_form_of_length(void **state)
{
    static const size_t lengths[] = { 0, 1, 127, 128, 255, 256, 65535, 65536 };
    unsigned char *content = calloc(1, 65536);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        CLEANUP(remote_buf_clear) struct remote_buf buf = { 0 };
        struct remote_slice in, back;

        remote_der_append(&buf, REMOTE_DER_SEQUENCE, remote_slice(content, lengths[i]));
        in = remote_buf_slice(&buf);
        assert_true(remote_der_take(&in, REMOTE_DER_SEQUENCE, &back));
        assert_int_equal(back.len, lengths[i]);
        assert_int_equal(in.len, 0);
    }
    free(content);
}

static void test_append_unsigned_pads_and_trims(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf buf = { 0 };

    (void)state;
    remote_der_append_unsigned(&buf, BYTES("\x00\x00\x7f"));
    remote_der_append_unsigned(&buf, BYTES("\x80"));
    remote_der_append_unsigned(&buf, BYTES("\x00"));
    assert_true(remote_slice_equal(remote_buf_slice(&buf),
                                   BYTES("\x02\x01\x7f\x02\x02\x00\x80\x02\x01\x00")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_gives_content_and_leaves_the_rest),
        cmocka_unit_test(test_take_of_anything_but_der_is_refused),
        cmocka_unit_test(test_unsigned_in_its_shortest_form_is_taken),
        cmocka_unit_test(test_unsigned_in_another_form_is_refused),
        cmocka_unit_test(test_bits_are_whole_bytes),
        cmocka_unit_test(test_append_is_read_back_at_every_form_of_length),
        cmocka_unit_test(test_append_unsigned_pads_and_trims),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
