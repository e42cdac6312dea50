/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_core.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static CK_MECHANISM mechanism = { CKM_ECDSA_SHA256, NULL, 0 };
static CK_BYTE message[] = "verified";
#define MESSAGE_LEN (sizeof(message) - 1)

static CK_SESSION_HANDLE session;
static CK_BYTE sig[64];

/* A good signature of the message, and a verification begun. */
static void begin(void)
{
    CK_ULONG len = sizeof(sig);

    session = fake_core_session(0);
    assert_int_equal(C_SignInit(session, &mechanism,
                                fake_core_find(session, CKO_PRIVATE_KEY, "ec")),
                     CKR_OK);
    assert_int_equal(C_Sign(session, message, MESSAGE_LEN, sig, &len), CKR_OK);
    assert_int_equal(C_VerifyInit(session, &mechanism,
                                  fake_core_find(session, CKO_PUBLIC_KEY, "ec")),
                     CKR_OK);
}

static void assert_ended(void)
{
    assert_int_equal(C_Verify(session, message, MESSAGE_LEN, sig, 64),
                     CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_VerifyUpdate(session, message, 1), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_VerifyFinal(session, sig, 64), CKR_OPERATION_NOT_INITIALIZED);
}

static void test_verify_when_good_then_ok_without_a_request(void **state)
{
    unsigned before;

    (void)state;
    begin();
    before = fake.requests;
    assert_int_equal(C_Verify(session, message, MESSAGE_LEN, sig, 64), CKR_OK);
    assert_int_equal(fake.requests, before);
    assert_ended();
}

static void test_verify_when_in_parts_then_is_the_same(void **state)
{
    (void)state;
    begin();
    assert_int_equal(C_VerifyUpdate(session, message, 4), CKR_OK);
    assert_int_equal(C_VerifyUpdate(session, message + 4, MESSAGE_LEN - 4), CKR_OK);
    assert_int_equal(C_VerifyFinal(session, sig, 64), CKR_OK);
    assert_ended();
}

static void test_verify_when_data_or_signature_are_changed_then_invalid(void **state)
{
    (void)state;
    begin();
    assert_int_equal(C_Verify(session, message, MESSAGE_LEN - 1, sig, 64), CKR_SIGNATURE_INVALID);
    assert_ended();
    begin();
    sig[40] ^= 1;
    assert_int_equal(C_Verify(session, message, MESSAGE_LEN, sig, 64), CKR_SIGNATURE_INVALID);
    assert_ended();
}

static void test_verify_when_the_length_is_wrong_then_says_so(void **state)
{
    (void)state;
    begin();
    assert_int_equal(C_Verify(session, message, MESSAGE_LEN, sig, 63), CKR_SIGNATURE_LEN_RANGE);
    assert_ended();
    begin();
    assert_int_equal(C_VerifyUpdate(session, message, MESSAGE_LEN), CKR_OK);
    assert_int_equal(C_VerifyFinal(session, sig, 0), CKR_SIGNATURE_LEN_RANGE);
    assert_ended();
}

static void test_verify_when_arguments_are_bad_then_ends(void **state)
{
    (void)state;
    begin();
    assert_int_equal(C_Verify(session, message, MESSAGE_LEN, NULL, 64), CKR_ARGUMENTS_BAD);
    assert_ended();
    begin();
    assert_int_equal(C_Verify(session, NULL, 1, sig, 64), CKR_ARGUMENTS_BAD);
    assert_ended();
}

static void test_verify_when_a_mac_is_wrong_then_invalid(void **state)
{
    CK_MECHANISM hmac = { CKM_SHA256_HMAC, NULL, 0 };
    CK_SESSION_HANDLE own = fake_core_session(0);
    CK_OBJECT_HANDLE key = fake_core_find(own, CKO_SECRET_KEY, "mac");
    CK_BYTE mac[32];
    CK_ULONG len = sizeof(mac);

    (void)state;
    assert_int_equal(C_SignInit(own, &hmac, key), CKR_OK);
    assert_int_equal(C_Sign(own, message, MESSAGE_LEN, mac, &len), CKR_OK);
    assert_int_equal(C_VerifyInit(own, &hmac, key), CKR_OK);
    assert_int_equal(C_Verify(own, message, MESSAGE_LEN, mac, len), CKR_OK);
    mac[0] ^= 1;
    assert_int_equal(C_VerifyInit(own, &hmac, key), CKR_OK);
    assert_int_equal(C_Verify(own, message, MESSAGE_LEN, mac, len), CKR_SIGNATURE_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_verify_when_good_then_ok_without_a_request),
        TEST(test_verify_when_in_parts_then_is_the_same),
        TEST(test_verify_when_data_or_signature_are_changed_then_invalid),
        TEST(test_verify_when_the_length_is_wrong_then_says_so),
        TEST(test_verify_when_arguments_are_bad_then_ends),
        TEST(test_verify_when_a_mac_is_wrong_then_invalid),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
