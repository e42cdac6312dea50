/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_core.h"
#include "pkcs11/operation.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM mechanism = { type, NULL, 0 };

    return C_SignInit(session, &mechanism, key);
}

static void test_init_when_something_is_wrong_then_says_which_without_a_request(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE ec = fake_core_find(session, CKO_PRIVATE_KEY, "ec");
    CK_OBJECT_HANDLE rsa = fake_core_find(session, CKO_PRIVATE_KEY, "rsa");
    CK_OBJECT_HANDLE public = fake_core_find(session, CKO_PUBLIC_KEY, "ec");
    CK_OBJECT_HANDLE cert = fake_core_find(session, CKO_CERTIFICATE, "Test CA");
    CK_MECHANISM surplus = { CKM_ECDSA, "x", 1 }, decrypt = { CKM_RSA_PKCS, NULL, 0 };
    unsigned before = fake.requests;

    (void)state;
    assert_int_equal(sign_init(0, CKM_ECDSA, ec), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(sign_init(session, CKM_ECDSA, 0), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(sign_init(session, CKM_ECDSA, cert), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(sign_init(session, CKM_ECDSA, public), CKR_KEY_FUNCTION_NOT_PERMITTED);
    assert_int_equal(sign_init(session, CKM_ECDSA, rsa), CKR_KEY_TYPE_INCONSISTENT);
    assert_int_equal(sign_init(session, CKM_DES3_MAC, rsa), CKR_MECHANISM_INVALID);
    assert_int_equal(sign_init(session, CKM_RSA_PKCS_OAEP, rsa), CKR_MECHANISM_INVALID);
    assert_int_equal(sign_init(session, CKM_SHA1_RSA_PKCS, rsa), CKR_MECHANISM_INVALID);
    assert_int_equal(sign_init(session, CKM_RSA_PKCS_PSS, rsa), CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(C_SignInit(session, &surplus, ec), CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(C_DecryptInit(session, &decrypt, ec), CKR_KEY_TYPE_INCONSISTENT);
    assert_int_equal(fake.requests, before);
    assert_int_equal(sign_init(session, CKM_ECDSA, ec), CKR_OK); /* nothing was left behind */
}

static void test_init_when_the_service_cannot_honour_a_parameter_then_is_refused(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_RSA_PKCS_PSS_PARAMS pss = { CKM_SHA256, CKG_MGF1_SHA256, 20 };
    CK_MECHANISM mechanism = { CKM_SHA256_RSA_PKCS_PSS, &pss, sizeof(pss) };
    CK_OBJECT_HANDLE key = fake_core_find(session, CKO_PRIVATE_KEY, "rsa");

    (void)state;
    assert_int_equal(C_SignInit(session, &mechanism, key), CKR_MECHANISM_PARAM_INVALID);
    pss.sLen = 32;
    assert_int_equal(C_SignInit(session, &mechanism, key), CKR_OK);
}

static void test_init_when_the_key_is_not_for_that_then_is_not_permitted(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE disabled;

    (void)state;
    fake_core_enable("ec", 1, false);
    disabled = fake_core_find(session, CKO_PRIVATE_KEY, "ec@v1");
    assert_int_equal(sign_init(session, CKM_ECDSA, disabled), CKR_KEY_FUNCTION_NOT_PERMITTED);
    fake_core_enable("ec", 1, true);
    assert_int_equal(sign_init(session, CKM_ECDSA, disabled), CKR_OK);
}

static void test_init_when_one_is_under_way_then_active_and_null_ends_it(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = fake_core_find(session, CKO_PRIVATE_KEY, "ec");

    (void)state;
    assert_int_equal(C_SignInit(session, NULL, key), CKR_ARGUMENTS_BAD);
    assert_int_equal(sign_init(session, CKM_ECDSA, key), CKR_OK);
    assert_int_equal(sign_init(session, CKM_ECDSA, key), CKR_OPERATION_ACTIVE);
    assert_int_equal(C_SignInit(session, NULL, CK_INVALID_HANDLE), CKR_OK);
    assert_int_equal(sign_init(session, CKM_ECDSA, key), CKR_OK);
}

static void test_kinds_when_mixed_in_a_session_then_do_not_disturb_each_other(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE private = fake_core_find(session, CKO_PRIVATE_KEY, "ec");
    CK_OBJECT_HANDLE public = fake_core_find(session, CKO_PUBLIC_KEY, "ec");
    CK_MECHANISM mechanism = { CKM_ECDSA_SHA256, NULL, 0 };
    CK_BYTE sig[64];
    CK_ULONG len = sizeof(sig);

    (void)state;
    assert_int_equal(C_SignInit(session, &mechanism, private), CKR_OK);
    assert_int_equal(C_VerifyInit(session, &mechanism, public), CKR_OK);
    assert_int_equal(C_SignUpdate(session, (CK_BYTE *)"ab", 2), CKR_OK);
    assert_int_equal(C_VerifyUpdate(session, (CK_BYTE *)"a", 1), CKR_OK);
    assert_int_equal(C_SignFinal(session, sig, &len), CKR_OK);
    assert_int_equal(C_VerifyUpdate(session, (CK_BYTE *)"b", 1), CKR_OK);
    assert_int_equal(C_VerifyFinal(session, sig, len), CKR_OK);
}

static void test_oaep_label_when_the_caller_frees_it_then_still_serves(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE source[] = "label", same[] = "label";
    CK_RSA_PKCS_OAEP_PARAMS given = { CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, source, 5 };
    CK_RSA_PKCS_OAEP_PARAMS again = { CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, same, 5 };
    CK_MECHANISM mechanism = { CKM_RSA_PKCS_OAEP, &given, sizeof(given) };
    CK_MECHANISM opening = { CKM_RSA_PKCS_OAEP, &again, sizeof(again) };
    CK_BYTE sealed[256], out[256];
    CK_ULONG len = sizeof(sealed);

    (void)state;
    assert_int_equal(C_EncryptInit(session, &mechanism,
                                   fake_core_find(session, CKO_PUBLIC_KEY, "rsa")),
                     CKR_OK);
    memset(source, 0, sizeof(source));
    memset(&given, 0xff, sizeof(given));
    assert_int_equal(C_Encrypt(session, (CK_BYTE *)"m", 1, sealed, &len), CKR_OK);
    assert_int_equal(C_DecryptInit(session, &opening,
                                   fake_core_find(session, CKO_PRIVATE_KEY, "rsa")),
                     CKR_OK);
    assert_int_equal(C_Decrypt(session, sealed, len, out, &len), CKR_OK);
    assert_int_equal(len, 1);
}

static void test_room_when_asked_then_follows_the_two_call_convention(void **state)
{
    CK_BYTE out[4];
    CK_ULONG len = 0;
    CK_RV rv = CKR_GENERAL_ERROR;

    (void)state;
    assert_true(pkcs11_operation_room(4, NULL, &len, &rv));
    assert_int_equal(rv, CKR_OK);
    assert_int_equal(len, 4);
    len = 3;
    assert_true(pkcs11_operation_room(4, out, &len, &rv));
    assert_int_equal(rv, CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, 4);
    assert_false(pkcs11_operation_room(4, out, &len, &rv));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_init_when_something_is_wrong_then_says_which_without_a_request),
        TEST(test_init_when_the_service_cannot_honour_a_parameter_then_is_refused),
        TEST(test_init_when_the_key_is_not_for_that_then_is_not_permitted),
        TEST(test_init_when_one_is_under_way_then_active_and_null_ends_it),
        TEST(test_kinds_when_mixed_in_a_session_then_do_not_disturb_each_other),
        TEST(test_oaep_label_when_the_caller_frees_it_then_still_serves),
        TEST(test_room_when_asked_then_follows_the_two_call_convention),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
