/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hchacha20.h"

/* draft-irtf-cfrg-xchacha-03, 2.2.1 */
static void test_hchacha20_when_given_the_drafts_input_then_its_output(void **state)
{
    static const unsigned char iv[16] = { 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x4a,
                                          0x00, 0x00, 0x00, 0x00, 0x31, 0x41, 0x59, 0x27 };
    static const unsigned char expected[32] = {
        0x82, 0x41, 0x3b, 0x42, 0x27, 0xb2, 0x7b, 0xfe, 0xd3, 0x0e, 0x42,
        0x50, 0x8a, 0x87, 0x7d, 0x73, 0xa0, 0xf9, 0xe4, 0xd5, 0x8a, 0x74,
        0xa8, 0x53, 0xc1, 0x2e, 0xc4, 0x13, 0x26, 0xd3, 0xec, 0xdc,
    };
    unsigned char key[32], out[32];

    (void)state;
    for (unsigned i = 0; i < sizeof(key); i++)
        key[i] = (unsigned char)i;
    kesd_hchacha20(key, iv, out);
    assert_memory_equal(out, expected, sizeof(expected));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hchacha20_when_given_the_drafts_input_then_its_output),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
