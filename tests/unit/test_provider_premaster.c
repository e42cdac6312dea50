/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "premaster.h"

static const unsigned char random_one[PROVIDER_PREMASTER_BYTES] =
    "what came from the random generator, 48 bytes ..";

/* What is chosen when this many bytes were decrypted, of a premaster that begins with `version`. */
static bool taken(unsigned version, size_t len, unsigned client, unsigned negotiated)
{
    unsigned char plain[64], out[PROVIDER_PREMASTER_BYTES];
    bool same;

    memset(plain, 0x33, sizeof(plain));
    plain[0] = (unsigned char)(version >> 8);
    plain[1] = (unsigned char)version;
    memcpy(out, random_one, sizeof(out));
    provider_premaster_choose(out, remote_slice(plain, len), client, negotiated);
    same = memcmp(out, plain, sizeof(out)) == 0;
    if (!same)
        assert_memory_equal(out, random_one, sizeof(out)); /* all of it or nothing */
    return same;
}

static void test_premaster_when_well_formed_then_is_taken(void **state)
{
    (void)state;
    assert_true(taken(0x0303, 48, 0x0303, 0));
    assert_true(taken(0x0301, 48, 0x0301, 0));
}

static void test_premaster_when_of_another_length_then_is_random(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 64; len++)
        assert_int_equal(taken(0x0303, len, 0x0303, 0), len == 48);
}

/* RFC 5246 7.4.7.1: the version that the client offered, against rollback. */
static void test_premaster_when_of_another_version_then_is_random(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 16; bit++)
        assert_false(taken(0x0303u ^ (1u << bit), 48, 0x0303, 0));
    assert_false(taken(0, 48, 0x0303, 0));
}

static void test_premaster_when_of_the_negotiated_version_then_is_taken_only_if_allowed(
    void **state)
{
    (void)state;
    assert_false(taken(0x0302, 48, 0x0303, 0));
    assert_true(taken(0x0302, 48, 0x0303, 0x0302));
    assert_true(taken(0x0303, 48, 0x0303, 0x0302));
    assert_false(taken(0x0301, 48, 0x0303, 0x0302));
}

static void test_premaster_when_nothing_was_decrypted_then_is_random(void **state)
{
    unsigned char out[PROVIDER_PREMASTER_BYTES];

    (void)state;
    memcpy(out, random_one, sizeof(out));
    provider_premaster_choose(out, remote_slice(NULL, 0), 0, 0);
    assert_memory_equal(out, random_one, sizeof(out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_premaster_when_well_formed_then_is_taken),
        cmocka_unit_test(test_premaster_when_of_another_length_then_is_random),
        cmocka_unit_test(test_premaster_when_of_another_version_then_is_random),
        cmocka_unit_test(
            test_premaster_when_of_the_negotiated_version_then_is_taken_only_if_allowed),
        cmocka_unit_test(test_premaster_when_nothing_was_decrypted_then_is_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
