/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses (with those that EIP-55 gives as examples) and ids as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "zama_case.h"

static void test_addresses_with_a_checksum_are_read_and_written(void **state)
{
    static const char *const examples[] = {
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        "0x52908400098527886E0F7030069857D2E4169EE7", "0xde709f2102306220921060314715629080e2fb77",
    };
    uint8_t address[ZAMA_ADDRESS_LEN];
    char text[43];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
        assert_true(zama_address_parse(examples[i], address));
        zama_address_format(address, text);
        assert_string_equal(text, examples[i]);
    }
}

static void test_addresses_in_one_case_are_read(void **state)
{
    uint8_t address[ZAMA_ADDRESS_LEN], again[ZAMA_ADDRESS_LEN];

    (void)state;
    assert_true(zama_address_parse("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", address));
    assert_true(zama_address_parse("0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED", again));
    assert_memory_equal(address, again, sizeof(address));
    assert_int_equal(address[0], 0x5a);
    assert_int_equal(address[19], 0xed);
}

static void test_what_is_no_address_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "0x",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", /* the checksum */
        "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed0",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaeg",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae\x81",
        " 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
    };
    uint8_t address[ZAMA_ADDRESS_LEN] = { 7 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_false(zama_address_parse(wrong[i], address));
    assert_int_equal(address[0], 7);
}

#define ID "0f16dac2229abcdff27d5a5669136ce6275f0a9a42df49892df47c19e8cccef7"

static void test_ids_are_read_in_each_form_and_written_in_one(void **state)
{
    static const char upper[] =
        "0X0F16DAC2229ABCDFF27D5A5669136CE6275F0A9A42DF49892DF47C19E8CCCEF7";
    uint8_t id[ZAMA_ID_LEN];
    char text[2 * ZAMA_ID_LEN + 1];

    (void)state;
    assert_true(zama_id_parse(ID, id));
    assert_int_equal(id[31], 0xf7);
    memset(id, 0, sizeof(id));
    assert_true(zama_id_parse(upper, id));
    zama_id_format(id, text);
    assert_string_equal(text, ID);
}

static void test_what_is_no_id_is_refused(void **state)
{
    uint8_t id[ZAMA_ID_LEN] = { 7 };

    (void)state;
    assert_false(zama_id_parse("", id));
    assert_false(zama_id_parse("0x", id));
    assert_false(zama_id_parse(ID "0", id));
    assert_false(zama_id_parse("0x0x" ID, id));
    assert_false(
        zama_id_parse("zf16dac2229abcdff27d5a5669136ce6275f0a9a42df49892df47c19e8cccef7", id));
    assert_int_equal(id[0], 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_with_a_checksum_are_read_and_written),
        cmocka_unit_test(test_addresses_in_one_case_are_read),
        cmocka_unit_test(test_what_is_no_address_is_refused),
        cmocka_unit_test(test_ids_are_read_in_each_form_and_written_in_one),
        cmocka_unit_test(test_what_is_no_id_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
