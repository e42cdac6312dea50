/* SPDX-License-Identifier: Apache-2.0 */
/* Digests, and the calls that do two things at once. */
#include "fake_keys.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
/* SHA-256 of "abc" */
static const CK_BYTE abc[] = "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23"
                             "\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad";

static void test_digest_when_in_one_piece_in_parts_or_of_a_key_then_is_the_same(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE out[32];
    CK_ULONG len = 31;

    (void)state;
    assert_int_equal(C_DigestInit(session, &sha256), CKR_OK);
    assert_int_equal(C_DigestInit(session, &sha256), CKR_OPERATION_ACTIVE);
    assert_int_equal(C_Digest(session, (CK_BYTE *)"abc", 3, out, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, 32);
    assert_int_equal(C_Digest(session, (CK_BYTE *)"abc", 3, NULL, &len), CKR_OK);
    assert_int_equal(C_Digest(session, (CK_BYTE *)"abc", 3, out, &len), CKR_OK);
    assert_memory_equal(out, abc, 32);
    assert_int_equal(C_DigestInit(session, &sha256), CKR_OK);
    assert_int_equal(C_DigestUpdate(session, (CK_BYTE *)"a", 1), CKR_OK);
    assert_int_equal(C_DigestKey(session, key_of(session, CKK_GENERIC_SECRET, "bc", 2)), CKR_OK);
    assert_int_equal(C_DigestFinal(session, out, &len), CKR_OK);
    assert_memory_equal(out, abc, 32);
    assert_int_equal(C_DigestFinal(session, out, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(fake.requests, 0);
}

static void test_digest_when_out_of_order_or_wrong_then_says_how(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_MECHANISM md5 = { CKM_MD5, NULL, 0 }, surplus = { CKM_SHA256, "x", 1 };
    CK_MECHANISM_INFO info;
    CK_BYTE out[32];
    CK_ULONG len = 32;

    (void)state;
    assert_int_equal(C_DigestUpdate(session, out, 1), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_DigestKey(session, 1), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_DigestInit(session, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_DigestInit(session, &md5), CKR_MECHANISM_INVALID);
    assert_int_equal(C_DigestInit(session, &surplus), CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(C_DigestInit(session, &sha256), CKR_OK);
    assert_int_equal(C_DigestKey(session, fake_core_find(session, CKO_SECRET_KEY, "mac")),
                     CKR_KEY_INDIGESTIBLE);
    assert_int_equal(C_DigestKey(session, 4711), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(C_DigestUpdate(session, NULL, 1), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_DigestInit(session, &sha256), CKR_OK);
    assert_int_equal(C_DigestUpdate(session, out, 1), CKR_OK);
    assert_int_equal(C_Digest(session, out, 1, out, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_DigestInit(session, &sha256), CKR_OK);
    assert_int_equal(C_SessionCancel(session, CKF_DIGEST), CKR_OK);
    assert_int_equal(C_DigestFinal(session, out, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_GetMechanismInfo(0, CKM_SHA256, &info), CKR_OK); /* but it is not listed */
    assert_int_equal(info.flags, CKF_DIGEST);
}

static void test_dual_when_both_are_under_way_then_does_both(void **state)
{
    CK_BYTE iv[16] = { 0 }, plain[32] = "abc", sealed[32], out[32], one[32], two[32];
    CK_MECHANISM cbc = { CKM_AES_CBC, iv, 16 }, hmac = { CKM_SHA256_HMAC, NULL, 0 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1), mac = key_of(session, CKK_GENERIC_SECRET, "k", 1);
    CK_ULONG len = 31;

    (void)state;
    assert_int_equal(C_DigestEncryptUpdate(session, plain, 32, sealed, &len),
                     CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_EncryptInit(session, &cbc, key), CKR_OK);
    assert_int_equal(C_DigestInit(session, &sha256), CKR_OK);
    assert_int_equal(C_DigestEncryptUpdate(session, plain, 32, sealed, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(C_DigestEncryptUpdate(session, plain, 32, sealed, &len), CKR_OK);
    len = 32;
    assert_int_equal(C_DigestFinal(session, one, &len), CKR_OK);
    assert_int_equal(C_SignInit(session, &hmac, mac), CKR_OK);
    len = 32;
    assert_int_equal(C_SignEncryptUpdate(session, plain, 32, out, &len), CKR_OK);
    len = 32;
    assert_int_equal(C_SignFinal(session, two, &len), CKR_OK);
    assert_int_equal(C_DecryptInit(session, &cbc, key), CKR_OK);
    assert_int_equal(C_DigestInit(session, &sha256), CKR_OK);
    assert_int_equal(C_DecryptDigestUpdate(session, sealed, 32, out, &len), CKR_OK);
    assert_memory_equal(out, plain, 32);
    assert_int_equal(C_DigestFinal(session, out, &len), CKR_OK);
    assert_memory_equal(out, one, 32);
    assert_int_equal(C_SessionCancel(session, CKF_DECRYPT), CKR_OK);
    assert_int_equal(C_DecryptInit(session, &cbc, key), CKR_OK);
    assert_int_equal(C_VerifyInit(session, &hmac, mac), CKR_OK);
    assert_int_equal(C_DecryptVerifyUpdate(session, sealed, 32, out, &len), CKR_OK);
    assert_int_equal(C_VerifyFinal(session, two, 32), CKR_OK);
}

static void test_operation_state_when_asked_for_then_cannot_be_had(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE out[32];
    CK_ULONG len = 32;

    (void)state;
    assert_int_equal(C_GetOperationState(session, out, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_DigestInit(session, &sha256), CKR_OK);
    assert_int_equal(C_GetOperationState(session, out, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetOperationState(session, NULL, &len), CKR_STATE_UNSAVEABLE);
    assert_int_equal(C_SetOperationState(session, out, 32, 0, 0), CKR_SAVED_STATE_INVALID);
    assert_int_equal(C_SetOperationState(session, NULL, 0, 0, 0), CKR_ARGUMENTS_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_digest_when_in_one_piece_in_parts_or_of_a_key_then_is_the_same),
        TEST(test_digest_when_out_of_order_or_wrong_then_says_how),
        TEST(test_dual_when_both_are_under_way_then_does_both),
        TEST(test_operation_state_when_asked_for_then_cannot_be_had),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
