/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_core.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static void test_random_when_short_then_is_local_even_if_the_service_is_dead(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE first[64] = { 0 }, second[64] = { 0 };

    (void)state;
    fake.fail = REMOTE_E_UNAVAILABLE;
    assert_int_equal(C_GenerateRandom(session, first, sizeof(first)), CKR_OK);
    assert_int_equal(C_GenerateRandom(session, second, sizeof(second)), CKR_OK);
    assert_memory_not_equal(first, second, sizeof(first));
    assert_int_equal(fake.requests, 0);
}

/* The fake's bytes are all zero: what comes out must be random all the same. */
static void test_random_when_the_service_is_hostile_then_is_still_random(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    static CK_BYTE first[5000], second[5000];

    (void)state;
    assert_int_equal(C_GenerateRandom(session, first, sizeof(first)), CKR_OK);
    assert_int_equal(C_GenerateRandom(session, second, sizeof(second)), CKR_OK);
    assert_memory_not_equal(first, second, 64);
    assert_memory_not_equal(first + 4900, second + 4900, 64);
    assert_int_equal(fake.requests, 4); /* of 4096 bytes at most */
}

static void test_random_when_long_and_the_service_fails_then_says_so(void **state)
{
    CK_BYTE bytes[65];

    (void)state;
    fake.fail = REMOTE_E_TIMEOUT;
    assert_int_equal(C_GenerateRandom(fake_core_session(0), bytes, sizeof(bytes)),
                     CKR_DEVICE_ERROR);
}

static void test_random_when_the_slot_has_none_then_no_rng(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(1);
    CK_BYTE bytes[8];

    (void)state;
    assert_int_equal(C_GenerateRandom(session, bytes, sizeof(bytes)), CKR_RANDOM_NO_RNG);
    assert_int_equal(C_SeedRandom(session, bytes, sizeof(bytes)), CKR_RANDOM_NO_RNG);
}

static void test_random_when_arguments_are_bad_then_says_so(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE bytes[8];

    (void)state;
    assert_int_equal(C_GenerateRandom(session, NULL, 8), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GenerateRandom(0, bytes, 8), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(C_SeedRandom(session, bytes, 8), CKR_RANDOM_SEED_NOT_SUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_random_when_short_then_is_local_even_if_the_service_is_dead),
        TEST(test_random_when_the_service_is_hostile_then_is_still_random),
        TEST(test_random_when_long_and_the_service_fails_then_says_so),
        TEST(test_random_when_the_slot_has_none_then_no_rng),
        TEST(test_random_when_arguments_are_bad_then_says_so),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
