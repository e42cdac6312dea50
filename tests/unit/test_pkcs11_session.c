/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_core.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static CK_RV notify(CK_SESSION_HANDLE session, CK_NOTIFICATION event, void *application)
{
    (void)session;
    (void)event;
    (void)application;
    fail();
    return CKR_CANCEL;
}

static void test_open_when_not_serial_then_is_refused(void **state)
{
    CK_SESSION_HANDLE session;

    (void)state;
    assert_int_equal(C_OpenSession(0, 0, NULL, NULL, &session), CKR_SESSION_PARALLEL_NOT_SUPPORTED);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_OpenSession(9, CKF_SERIAL_SESSION, NULL, NULL, &session),
                     CKR_SLOT_ID_INVALID);
}

static void test_open_when_read_write_on_a_protected_token_then_is_given(void **state)
{
    CK_SESSION_HANDLE session;
    CK_SESSION_INFO info;
    int application;

    (void)state;
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, &application, notify,
                                   &session),
                     CKR_OK);
    assert_int_equal(C_GetSessionInfo(session, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetSessionInfo(session, &info), CKR_OK);
    assert_int_equal(info.slotID, 0);
    assert_int_equal(info.state, CKS_RW_PUBLIC_SESSION);
    assert_int_equal(info.flags, CKF_SERIAL_SESSION | CKF_RW_SESSION);
    assert_int_equal(fake.requests, 0);
}

static void test_handle_when_closed_then_is_invalid_and_not_given_out_soon(void **state)
{
    CK_SESSION_HANDLE first = fake_core_session(0);
    CK_SESSION_INFO info;

    (void)state;
    assert_int_equal(C_CloseSession(first), CKR_OK);
    assert_int_equal(C_CloseSession(first), CKR_SESSION_HANDLE_INVALID);
    for (int i = 0; i < 1000; i++) {
        CK_SESSION_HANDLE next = fake_core_session(0);

        assert_int_not_equal(next, first);
        assert_int_equal(C_GetSessionInfo(first, &info), CKR_SESSION_HANDLE_INVALID);
        assert_int_equal(C_CloseSession(next), CKR_OK);
    }
}

static void test_sessions_when_many_then_all_are_found_and_closed_by_slot(void **state)
{
    CK_SESSION_HANDLE handles[300], elsewhere = fake_core_session(1);
    CK_SESSION_INFO info;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(handles); i++)
        handles[i] = fake_core_session(0);
    for (size_t i = 0; i < ARRAY_SIZE(handles); i++)
        assert_int_equal(C_GetSessionInfo(handles[i], &info), CKR_OK);
    assert_int_equal(C_CloseAllSessions(0), CKR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(handles); i++)
        assert_int_equal(C_GetSessionInfo(handles[i], &info), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(C_GetSessionInfo(elsewhere, &info), CKR_OK);
    assert_int_equal(C_CloseAllSessions(9), CKR_SLOT_ID_INVALID);
}

static void test_sessions_when_the_table_is_full_then_count(void **state)
{
    CK_SESSION_HANDLE session;
    CK_RV rv = CKR_OK;
    unsigned count = 0;

    (void)state;
    while (count < 70000 && rv == CKR_OK) {
        rv = C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session);
        count += rv == CKR_OK;
    }
    assert_int_equal(rv, CKR_SESSION_COUNT);
    assert_int_equal(count, 65535);
    assert_int_equal(C_CloseSession(session), CKR_OK);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
}

/* ---- another thread's call in the same session ---- */

static CK_SESSION_HANDLE session;
static CK_RV rv_beside, rv_info, rv_close;

static void *work_beside(void *arg)
{
    CK_MECHANISM mechanism = { CKM_EDDSA, NULL, 0 };
    CK_SESSION_INFO info;

    (void)arg;
    rv_beside = C_SignInit(session, &mechanism, 1);
    rv_info = C_GetSessionInfo(session, &info);
    rv_close = C_CloseSession(session);
    return NULL;
}

static void start_beside(void *arg)
{
    pthread_t thread;

    (void)arg;
    fake.during = NULL;
    assert_int_equal(pthread_create(&thread, NULL, work_beside, NULL), 0);
    pthread_join(thread, NULL);
}

static void test_session_when_at_work_then_others_wait_outside_and_may_close_it(void **state)
{
    CK_MECHANISM mechanism = { CKM_EDDSA, NULL, 0 };
    CK_BYTE sig[64];
    CK_ULONG len = sizeof(sig);
    CK_SESSION_INFO info;

    (void)state;
    session = fake_core_session(0);
    assert_int_equal(C_SignInit(session, &mechanism,
                                fake_core_find(session, CKO_PRIVATE_KEY, "ed")),
                     CKR_OK);
    fake.during = start_beside;
    assert_int_equal(C_Sign(session, (CK_BYTE *)"m", 1, sig, &len), CKR_OK);
    assert_int_equal(rv_beside, CKR_OPERATION_ACTIVE);
    assert_int_equal(rv_info, CKR_OK);
    assert_int_equal(rv_close, CKR_OK);
    assert_int_equal(C_GetSessionInfo(session, &info), CKR_SESSION_HANDLE_INVALID);
}

/* ---- what went wrong, and cancelling ---- */

static void test_device_error_when_the_service_failed_then_is_its_status(void **state)
{
    CK_SESSION_HANDLE other = fake_core_session(0), own = fake_core_session(0);
    CK_SESSION_INFO info;

    (void)state;
    fake.fail = REMOTE_E_UNAVAILABLE;
    fake.http_status = 503;
    assert_int_equal(C_FindObjectsInit(own, NULL, 0), CKR_DEVICE_ERROR);
    assert_int_equal(C_FindObjectsFinal(own), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_GetSessionInfo(own, &info), CKR_OK);
    assert_int_equal(info.ulDeviceError, 503);
    assert_int_equal(C_GetSessionInfo(other, &info), CKR_OK);
    assert_int_equal(info.ulDeviceError, 0);
}

static void test_cancel_when_asked_then_ends_only_what_is_named(void **state)
{
    CK_MECHANISM mechanism = { CKM_ECDSA_SHA256, NULL, 0 };
    CK_SESSION_HANDLE own = fake_core_session(0);
    CK_OBJECT_HANDLE key = fake_core_find(own, CKO_PRIVATE_KEY, "ec");

    (void)state;
    assert_int_equal(C_SignInit(own, &mechanism, key), CKR_OK);
    assert_int_equal(C_FindObjectsInit(own, NULL, 0), CKR_OK);
    assert_int_equal(C_SessionCancel(own, CKF_SIGN), CKR_OK);
    assert_int_equal(C_SignUpdate(own, (CK_BYTE *)"a", 1), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_SessionCancel(own, CKF_FIND_OBJECTS), CKR_OK);
    assert_int_equal(C_FindObjectsFinal(own), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_SessionCancel(0, CKF_SIGN), CKR_SESSION_HANDLE_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open_when_not_serial_then_is_refused),
        TEST(test_open_when_read_write_on_a_protected_token_then_is_given),
        TEST(test_handle_when_closed_then_is_invalid_and_not_given_out_soon),
        TEST(test_sessions_when_many_then_all_are_found_and_closed_by_slot),
        TEST(test_sessions_when_the_table_is_full_then_count),
        TEST(test_session_when_at_work_then_others_wait_outside_and_may_close_it),
        TEST(test_device_error_when_the_service_failed_then_is_its_status),
        TEST(test_cancel_when_asked_then_ends_only_what_is_named),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
