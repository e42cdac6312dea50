/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_core.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static void test_slots_when_listed_then_ids_are_in_file_order(void **state)
{
    CK_SLOT_ID ids[3];
    CK_ULONG count = 0;

    (void)state;
    assert_int_equal(C_GetSlotList(CK_FALSE, NULL, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetSlotList(CK_FALSE, NULL, &count), CKR_OK);
    assert_int_equal(count, 3);
    count = 2;
    assert_int_equal(C_GetSlotList(CK_FALSE, ids, &count), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(count, 3);
    assert_int_equal(C_GetSlotList(CK_FALSE, ids, &count), CKR_OK);
    for (CK_ULONG i = 0; i < 3; i++)
        assert_int_equal(ids[i], i);
    assert_int_equal(C_GetSlotList(CK_TRUE, ids, &count), CKR_OK);
    assert_int_equal(count, 2); /* the broken one has no token */
}

static void test_broken_slot_when_asked_then_has_no_token(void **state)
{
    CK_SLOT_INFO slot;
    CK_TOKEN_INFO token;
    CK_SESSION_HANDLE session;
    CK_ULONG count;

    (void)state;
    assert_int_equal(C_GetSlotInfo(2, &slot), CKR_OK);
    assert_int_equal(slot.flags & CKF_TOKEN_PRESENT, 0);
    assert_int_equal(C_GetTokenInfo(2, &token), CKR_TOKEN_NOT_PRESENT);
    assert_int_equal(C_GetMechanismList(2, NULL, &count), CKR_TOKEN_NOT_PRESENT);
    assert_int_equal(C_OpenSession(2, CKF_SERIAL_SESSION, NULL, NULL, &session),
                     CKR_TOKEN_NOT_PRESENT);
    assert_int_equal(C_GetSlotInfo(3, &slot), CKR_SLOT_ID_INVALID);
}

static void test_token_when_asked_then_says_what_the_slot_is(void **state)
{
    CK_TOKEN_INFO web, pin;
    CK_SLOT_INFO slot;

    (void)state;
    assert_int_equal(C_GetSlotInfo(0, &slot), CKR_OK);
    assert_int_equal(slot.flags, CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE);
    assert_memory_equal(slot.slotDescription, "web (fake)      ", 16);
    assert_int_equal(C_GetTokenInfo(0, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetTokenInfo(0, &web), CKR_OK);
    assert_memory_equal(web.label, "web                             ", 32);
    assert_memory_equal(web.manufacturerID, "hsmbridge                       ", 32);
    assert_memory_equal(web.model, "fake            ", 16);
    /* the first 16 digits of: printf web | sha256sum */
    assert_memory_equal(web.serialNumber, "4b5e57f6eb2f42b9", 16);
    assert_int_equal(web.flags, CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED | CKF_RNG |
                                    CKF_WRITE_PROTECTED | CKF_DUAL_CRYPTO_OPERATIONS);
    assert_int_equal(C_GetTokenInfo(1, &pin), CKR_OK);
    assert_int_equal(pin.flags, CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED |
                                    CKF_LOGIN_REQUIRED | CKF_DUAL_CRYPTO_OPERATIONS);
    assert_memory_not_equal(web.serialNumber, pin.serialNumber, 16);
}

static void test_token_when_sessions_are_open_then_counts_them(void **state)
{
    CK_SESSION_HANDLE session;
    CK_TOKEN_INFO info;

    (void)state;
    fake_core_session(0);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
                     CKR_OK);
    assert_int_equal(C_GetTokenInfo(0, &info), CKR_OK);
    assert_int_equal(info.ulSessionCount, 2);
    assert_int_equal(info.ulRwSessionCount, 1);
    assert_int_equal(C_CloseSession(session), CKR_OK);
    assert_int_equal(C_GetTokenInfo(0, &info), CKR_OK);
    assert_int_equal(info.ulSessionCount, 1);
    assert_int_equal(info.ulRwSessionCount, 0);
}

static void test_mechanisms_when_listed_then_once_each_and_only_what_the_slot_can(void **state)
{
    CK_MECHANISM_TYPE types[100];
    CK_ULONG count = 100, pkcs = 0;

    (void)state;
    assert_int_equal(C_GetMechanismList(0, types, &count), CKR_OK);
    assert_true(count > 10);
    for (CK_ULONG i = 0; i < count; i++) {
        pkcs += types[i] == CKM_RSA_PKCS;
        assert_int_not_equal(types[i], CKM_SHA1_RSA_PKCS);
        assert_int_not_equal(types[i], CKM_RSA_X_509);
    }
    assert_int_equal(pkcs, 1); /* has two rows: it signs and it encrypts */
    count = 3;
    assert_int_equal(C_GetMechanismList(0, types, &count), CKR_BUFFER_TOO_SMALL);
    assert_true(count > 10);
}

static void test_mechanism_info_when_asked_then_unites_the_rows(void **state)
{
    CK_MECHANISM_INFO info;

    (void)state;
    assert_int_equal(C_GetMechanismInfo(0, CKM_RSA_PKCS, &info), CKR_OK);
    assert_int_equal(info.flags,
                     CKF_SIGN | CKF_VERIFY | CKF_ENCRYPT | CKF_DECRYPT | CKF_WRAP | CKF_UNWRAP);
    assert_int_equal(info.ulMinKeySize, 2048);
    assert_int_equal(info.ulMaxKeySize, 4096);
    assert_int_equal(C_GetMechanismInfo(0, CKM_ECDSA, &info), CKR_OK);
    assert_int_equal(info.flags,
                     CKF_SIGN | CKF_VERIFY | CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS);
    assert_int_equal(C_GetMechanismInfo(0, CKM_SHA256_HMAC, &info), CKR_OK);
    assert_int_equal(info.ulMinKeySize, 1); /* bytes, of secret keys; session keys may be short */
    assert_int_equal(info.ulMaxKeySize, 4096);
    assert_int_equal(C_GetMechanismInfo(0, CKM_AES_GCM, &info), CKR_OK);
    assert_int_equal(info.flags, CKF_ENCRYPT | CKF_DECRYPT | CKF_MESSAGE_ENCRYPT |
                                     CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE);
    assert_int_equal(C_GetMechanismInfo(0, CKM_AES_KEY_GEN, &info), CKR_OK);
    assert_int_equal(info.flags, CKF_GENERATE);
    assert_int_equal(info.ulMinKeySize, 16);
    assert_int_equal(info.ulMaxKeySize, 32);
    assert_int_equal(C_GetMechanismInfo(0, CKM_AES_CTR, &info), CKR_MECHANISM_INVALID); /* policy */
    for (CK_SLOT_ID slot = 0; slot < 2;
         slot++) { /* the first one makes pairs of the session only */
        assert_int_equal(C_GetMechanismInfo(slot, CKM_EC_KEY_PAIR_GEN, &info), CKR_OK);
        assert_true(info.flags & CKF_GENERATE_KEY_PAIR);
        assert_int_equal(info.ulMinKeySize, 224);
        assert_int_equal(info.ulMaxKeySize, 521);
    }
    assert_int_equal(C_GetMechanismInfo(0, CKM_SHA1_RSA_PKCS, &info), CKR_MECHANISM_INVALID);
}

static void test_slot_and_token_calls_when_made_then_cost_no_request(void **state)
{
    CK_SLOT_INFO slot;
    CK_TOKEN_INFO token;
    CK_MECHANISM_INFO info;
    CK_MECHANISM_TYPE types[100];
    CK_BYTE probe[8];
    CK_ULONG count = 100;

    (void)state;
    assert_int_equal(C_GetSlotInfo(0, &slot), CKR_OK);
    assert_int_equal(C_GetTokenInfo(0, &token), CKR_OK);
    assert_int_equal(C_GetMechanismList(0, types, &count), CKR_OK);
    assert_int_equal(C_GetMechanismInfo(0, types[0], &info), CKR_OK);
    assert_int_equal(C_GenerateRandom(fake_core_session(0), probe, sizeof(probe)), CKR_OK);
    assert_int_equal(fake.requests, 0);
}

/* ---- login ---- */

static CK_STATE state_of(CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info;

    assert_int_equal(C_GetSessionInfo(session, &info), CKR_OK);
    return info.state;
}

static void test_login_when_no_pin_is_needed_then_any_will_do(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);

    (void)state;
    assert_int_equal(state_of(session), CKS_RO_PUBLIC_SESSION);
    assert_int_equal(C_Logout(session), CKR_USER_NOT_LOGGED_IN);
    assert_int_equal(C_Login(session, CKU_USER, (CK_BYTE *)"x", 1), CKR_OK);
    assert_int_equal(state_of(session), CKS_RO_USER_FUNCTIONS);
    assert_int_equal(C_Login(session, CKU_USER, NULL, 0), CKR_USER_ALREADY_LOGGED_IN);
    assert_int_equal(C_Logout(session), CKR_OK);
    assert_int_equal(fake.requests, 0);
}

static void test_login_when_the_pin_is_wrong_then_stays_public(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(1);

    (void)state;
    assert_int_equal(C_Login(session, CKU_USER, (CK_BYTE *)"9", 1), CKR_PIN_INCORRECT);
    assert_int_equal(C_Login(session, CKU_USER, NULL, 0), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_Login(session, CKU_USER, NULL, 4), CKR_ARGUMENTS_BAD);
    assert_int_equal(state_of(session), CKS_RO_PUBLIC_SESSION);
}

static void test_login_when_done_then_belongs_to_all_sessions_of_the_slot(void **state)
{
    CK_SESSION_HANDLE first = fake_core_session(1), other = fake_core_session(1);
    CK_SESSION_HANDLE elsewhere = fake_core_session(0);

    (void)state;
    assert_int_equal(C_Login(first, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
    assert_int_equal(state_of(other), CKS_RO_USER_FUNCTIONS);
    assert_int_equal(state_of(elsewhere), CKS_RO_PUBLIC_SESSION);
    assert_int_equal(C_Login(other, CKU_USER, (CK_BYTE *)"1234", 4), CKR_USER_ALREADY_LOGGED_IN);
    assert_int_equal(C_Logout(other), CKR_OK);
    assert_int_equal(state_of(first), CKS_RO_PUBLIC_SESSION);
    assert_int_equal(fake.logouts, 1);
}

static void test_login_when_the_last_session_closes_then_ends(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(1);

    (void)state;
    assert_int_equal(C_Login(session, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
    assert_int_equal(C_CloseAllSessions(1), CKR_OK);
    assert_int_equal(fake.logouts, 1);
    assert_int_equal(state_of(fake_core_session(1)), CKS_RO_PUBLIC_SESSION);
}

static void test_login_when_finalized_then_the_pin_is_forgotten(void **state)
{
    (void)state;
    assert_int_equal(C_Login(fake_core_session(1), CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(fake.logouts, 1);
}

static void test_login_when_not_as_user_then_is_refused(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(1);

    (void)state;
    assert_int_equal(C_Login(session, CKU_SO, (CK_BYTE *)"1234", 4), CKR_USER_TYPE_INVALID);
    assert_int_equal(C_Login(session, 77, (CK_BYTE *)"1234", 4), CKR_USER_TYPE_INVALID);
    assert_int_equal(C_Login(session, CKU_CONTEXT_SPECIFIC, (CK_BYTE *)"1234", 4),
                     CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_Login(0, CKU_USER, (CK_BYTE *)"1234", 4), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(fake.requests, 0);
}

static void test_login_user_when_there_are_no_names_then_is_login(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(1);

    (void)state;
    assert_int_equal(C_LoginUser(session, CKU_USER, (CK_BYTE *)"1234", 4, (CK_BYTE *)"me", 2),
                     CKR_ARGUMENTS_BAD);
    assert_int_equal(C_LoginUser(session, CKU_USER, (CK_BYTE *)"1234", 4, NULL, 2),
                     CKR_ARGUMENTS_BAD);
    assert_int_equal(C_LoginUser(session, CKU_USER, (CK_BYTE *)"1234", 4, NULL, 0), CKR_OK);
    assert_int_equal(C_LoginUser(session, CKU_USER, (CK_BYTE *)"1234", 4, NULL, 0),
                     CKR_USER_ALREADY_LOGGED_IN);
    assert_int_equal(C_LoginUser(99, CKU_USER, NULL, 0, NULL, 0), CKR_SESSION_HANDLE_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_slots_when_listed_then_ids_are_in_file_order),
        TEST(test_broken_slot_when_asked_then_has_no_token),
        TEST(test_token_when_asked_then_says_what_the_slot_is),
        TEST(test_token_when_sessions_are_open_then_counts_them),
        TEST(test_mechanisms_when_listed_then_once_each_and_only_what_the_slot_can),
        TEST(test_mechanism_info_when_asked_then_unites_the_rows),
        TEST(test_slot_and_token_calls_when_made_then_cost_no_request),
        TEST(test_login_when_no_pin_is_needed_then_any_will_do),
        TEST(test_login_when_the_pin_is_wrong_then_stays_public),
        TEST(test_login_when_done_then_belongs_to_all_sessions_of_the_slot),
        TEST(test_login_when_the_last_session_closes_then_ends),
        TEST(test_login_when_finalized_then_the_pin_is_forgotten),
        TEST(test_login_when_not_as_user_then_is_refused),
        TEST(test_login_user_when_there_are_no_names_then_is_login),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
