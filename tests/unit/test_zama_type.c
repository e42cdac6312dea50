/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "zama_case.h"

static void test_types_are_read_by_each_name(void **state)
{
    (void)state;
    assert_int_equal(zama_fhe_type_parse("ebool"), 0);
    assert_int_equal(zama_fhe_type_parse("bool"), 0);
    assert_int_equal(zama_fhe_type_parse("0"), 0);
    assert_int_equal(zama_fhe_type_parse("euint64"), 5);
    assert_int_equal(zama_fhe_type_parse("uint64"), 5);
    assert_int_equal(zama_fhe_type_parse("5"), 5);
    assert_int_equal(zama_fhe_type_parse("euint256"), 8);
    assert_int_equal(zama_fhe_type_parse("39"), 39);
    assert_string_equal(zama_fhe_type_name(7), "euint160");
}

static void test_what_is_no_type_is_refused(void **state)
{
    (void)state;
    assert_int_equal(zama_fhe_type_parse(""), -1);
    assert_int_equal(zama_fhe_type_parse("euint"), -1);
    assert_int_equal(zama_fhe_type_parse("EUINT64"), -1);
    assert_int_equal(zama_fhe_type_parse("05"), -1);
    assert_int_equal(zama_fhe_type_parse("12"), -1);
    assert_int_equal(zama_fhe_type_parse("-1"), -1);
    assert_null(zama_fhe_type_name(12));
    assert_null(zama_fhe_type_name(-1));
}

static void test_only_what_can_be_signed_has_a_length(void **state)
{
    (void)state;
    assert_int_equal(zama_plaintext_len(0), 1);
    assert_int_equal(zama_plaintext_len(2), 1);
    assert_int_equal(zama_plaintext_len(7), 20);
    assert_int_equal(zama_plaintext_len(8), 32);
    assert_int_equal(zama_plaintext_len(1), 0);
    assert_int_equal(zama_plaintext_len(9), 0);
    assert_int_equal(zama_plaintext_len(-1), 0);
}

/* ---- formats ---- */

static struct remote_buf head(const char *name)
{
    const remote_json *heads = remote_json_at(zama_case_json(), "ciphertext_heads");

    return zama_case_base64(remote_json_text(heads, name));
}

static void test_formats_of_real_ciphertexts_are_detected(void **state)
{
    static const struct {
        const char *name;
        enum zama_format format;
    } cases[] = {
        { "ebool_sc", ZAMA_SMALL_COMPRESSED }, { "euint64_sc", ZAMA_SMALL_COMPRESSED },
        { "ebool_se", ZAMA_SMALL_EXPANDED },   { "euint64_se", ZAMA_SMALL_EXPANDED },
        { "ebool_bc", ZAMA_BIG_COMPRESSED },   { "euint64_bc", ZAMA_BIG_COMPRESSED },
        { "ebool_be", ZAMA_BIG_EXPANDED },     { "euint64_be", ZAMA_BIG_EXPANDED },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct remote_buf bytes = head(cases[i].name);
        enum zama_format format = (enum zama_format)9;

        assert_true(zama_format_detect(remote_buf_slice(&bytes), &format));
        assert_int_equal(format, cases[i].format);
        remote_buf_clear(&bytes);
    }
}

static void test_a_cut_or_changed_header_tells_no_format(void **state)
{
    struct remote_buf bytes = head("ebool_bc");
    size_t header = 34 + strlen("high_level_api::CompressedSquashedNoiseCiphertextList");
    enum zama_format format;

    (void)state;
    for (size_t len = 0; len < header; len++)
        assert_false(zama_format_detect(remote_slice(bytes.data, len), &format));
    assert_true(zama_format_detect(remote_slice(bytes.data, header), &format));
    bytes.data[header - 1] = 'T';
    assert_false(zama_format_detect(remote_buf_slice(&bytes), &format));
    memset(bytes.data, 0xff, 8); /* a length beyond all */
    assert_false(zama_format_detect(remote_buf_slice(&bytes), &format));
    remote_buf_clear(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_are_read_by_each_name),
        cmocka_unit_test(test_what_is_no_type_is_refused),
        cmocka_unit_test(test_only_what_can_be_signed_has_a_length),
        cmocka_unit_test(test_formats_of_real_ciphertexts_are_detected),
        cmocka_unit_test(test_a_cut_or_changed_header_tells_no_format),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
