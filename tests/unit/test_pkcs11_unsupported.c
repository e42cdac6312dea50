/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_core.h"

static void test_unsupported_when_not_initialized_then_says_that_first(void **state)
{
    (void)state;
    assert_int_equal(C_DeriveKey(1, NULL, 0, NULL, 0, NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_int_equal(C_CancelFunction(1), CKR_CRYPTOKI_NOT_INITIALIZED);
}

static void test_unsupported_when_called_then_answers_and_touches_nothing(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE handle = 77;
    CK_ULONG len = 77;

    (void)state;
    assert_int_equal(C_InitToken(0, NULL, 0, NULL), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_SignRecoverInit(session, NULL, 1), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_SignRecover(session, NULL, 0, NULL, &len), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_VerifyRecoverInit(session, NULL, 1), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_DeriveKey(session, NULL, 1, NULL, 0, &handle), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_InitPIN(session, NULL, 0), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_SetPIN(session, NULL, 0, NULL, 0), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_VerifyRecover(session, NULL, 0, NULL, &len), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_MessageSignInit(session, NULL, 1), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_SignMessage(session, NULL, 0, NULL, 0, NULL, &len),
                     CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_SignMessageBegin(session, NULL, 0), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_SignMessageNext(session, NULL, 0, NULL, 0, NULL, &len),
                     CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_MessageSignFinal(session), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_MessageVerifyInit(session, NULL, 1), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_VerifyMessage(session, NULL, 0, NULL, 0, NULL, 0),
                     CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_VerifyMessageBegin(session, NULL, 0), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_VerifyMessageNext(session, NULL, 0, NULL, 0, NULL, 0),
                     CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_MessageVerifyFinal(session), CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(C_GetFunctionStatus(session), CKR_FUNCTION_NOT_PARALLEL);
    assert_int_equal(C_CancelFunction(session), CKR_FUNCTION_NOT_PARALLEL);
    assert_int_equal(handle, 77);
    assert_int_equal(len, 77);
    assert_int_equal(fake.requests, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsupported_when_not_initialized_then_says_that_first),
        cmocka_unit_test_setup_teardown(
            test_unsupported_when_called_then_answers_and_touches_nothing, fake_core_start,
            fake_core_stop),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
