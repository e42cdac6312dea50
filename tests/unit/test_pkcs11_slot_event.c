/* SPDX-License-Identifier: Apache-2.0 */
/* Slots that come, change and go while the module is in use (PKCS#11 3.0 sections 5.5.1, 5.5.4). */
#include "fake_core.h"

#include <pthread.h>
#include <unistd.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static CK_ULONG count_slots(CK_BBOOL present)
{
    CK_ULONG count = 0;

    assert_int_equal(C_GetSlotList(present, NULL, &count), CKR_OK);
    return count;
}

static bool token_is_present(CK_SLOT_ID slot)
{
    CK_SLOT_INFO info;

    assert_int_equal(C_GetSlotInfo(slot, &info), CKR_OK);
    assert_true(info.flags & CKF_REMOVABLE_DEVICE);
    return info.flags & CKF_TOKEN_PRESENT;
}

/* CK_UNAVAILABLE_INFORMATION: there is none. */
static CK_SLOT_ID next_event(void)
{
    CK_SLOT_ID slot = CK_UNAVAILABLE_INFORMATION;
    CK_RV rv = C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL);

    assert_int_equal(rv, slot == CK_UNAVAILABLE_INFORMATION ? CKR_NO_EVENT : CKR_OK);
    return slot;
}

static void assert_no_event(void)
{
    assert_int_equal(next_event(), CK_UNAVAILABLE_INFORMATION);
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
    CK_BYTE digest[32] = { 1 }, signature[64];
    CK_ULONG len = sizeof(signature);
    CK_RV rv = C_SignInit(session, &mechanism, key);

    return rv == CKR_OK ? C_Sign(session, digest, sizeof(digest), signature, &len) : rv;
}

static void test_slot_list_when_slots_are_counted_then_looks_and_else_not(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_SLOT_ID ids[8];
    CK_ULONG count = ARRAY_SIZE(ids);

    (void)state;
    assert_int_equal(sign(session, fake_core_find(session, CKO_PRIVATE_KEY, "ec")), CKR_OK);
    fake_core_add();
    assert_int_equal(C_GetSlotList(CK_FALSE, ids, &count), CKR_OK);
    assert_int_equal(fake.looks, 0);
    assert_int_equal(count, 3);
    assert_int_equal(count_slots(CK_FALSE), 4);
    assert_int_equal(fake.looks, 1);
    assert_int_equal(fake.requests, 2); /* find and sign */
}

static void test_slot_that_comes_is_behind_the_others_with_one_event(void **state)
{
    CK_SESSION_HANDLE before = fake_core_session(0);
    CK_SLOT_ID ids[8];
    CK_ULONG count = ARRAY_SIZE(ids);
    CK_TOKEN_INFO token;

    (void)state;
    assert_no_event();
    fake_core_add();
    assert_int_equal(C_GetTokenInfo(3, &token), CKR_SLOT_ID_INVALID); /* nobody has looked yet */
    assert_int_equal(next_event(), 3);
    assert_no_event();
    assert_int_equal(C_GetSlotList(CK_TRUE, ids, &count), CKR_OK);
    assert_int_equal(count, 3); /* without the broken one */
    assert_int_equal(ids[2], 3);
    assert_int_equal(C_GetTokenInfo(3, &token), CKR_OK);
    assert_memory_equal(token.label, "late ", 5);
    fake_core_session(3);
    fake_core_find(before, CKO_PRIVATE_KEY, "ec");
}

static void test_slot_that_goes_keeps_its_id_and_loses_its_token(void **state)
{
    CK_SESSION_HANDLE gone = fake_core_session(0), stays = fake_core_session(1), session;
    CK_OBJECT_HANDLE key = fake_core_find(gone, CKO_PRIVATE_KEY, "ec");
    CK_SESSION_INFO info;
    CK_TOKEN_INFO token;

    (void)state;
    fake_core_remove(0, true);
    assert_int_equal(C_GetSessionInfo(gone, &info), CKR_OK); /* nobody has looked yet */
    assert_int_equal(next_event(), 0);
    assert_no_event();
    assert_false(token_is_present(0));
    assert_int_equal(count_slots(CK_FALSE), 3);
    assert_int_equal(count_slots(CK_TRUE), 1);
    assert_int_equal(sign(gone, key), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(C_CloseSession(gone), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(C_GetTokenInfo(0, &token), CKR_TOKEN_NOT_PRESENT);
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session),
                     CKR_TOKEN_NOT_PRESENT);
    assert_int_equal(C_GetSessionInfo(stays, &info), CKR_OK);
}

static void test_slot_that_comes_back_has_new_sessions_and_objects(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = fake_core_find(session, CKO_PRIVATE_KEY, "ec"), again;

    (void)state;
    fake_core_remove(0, true);
    assert_int_equal(next_event(), 0);
    fake_core_remove(0, false);
    assert_false(token_is_present(0)); /* until somebody looks */
    assert_int_equal(next_event(), 0);
    assert_no_event();
    assert_true(token_is_present(0));
    session = fake_core_session(0);
    assert_int_equal(sign(session, key), CKR_KEY_HANDLE_INVALID);
    again = fake_core_find(session, CKO_PRIVATE_KEY, "ec");
    assert_int_not_equal(again, key);
    assert_int_equal(sign(session, again), CKR_OK);
}

static void test_slot_that_goes_and_comes_back_unseen_has_not_changed(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);

    (void)state;
    fake_core_remove(0, true);
    fake_core_remove(0, false);
    assert_no_event();
    fake_core_find(session, CKO_PRIVATE_KEY, "ec");
}

static void test_slot_that_changes_has_another_token_under_its_id(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0), now;
    CK_OBJECT_HANDLE key = fake_core_find(session, CKO_PRIVATE_KEY, "ec");
    CK_ATTRIBUTE none = { 0 };
    CK_SESSION_INFO info;
    CK_TOKEN_INFO token;

    (void)state;
    fake_core_change();
    assert_int_equal(count_slots(CK_FALSE), 3);
    assert_int_equal(next_event(), 0);
    assert_no_event();
    assert_true(token_is_present(0));
    assert_int_equal(C_GetSessionInfo(session, &info), CKR_SESSION_HANDLE_INVALID);
    now = fake_core_session(0);
    assert_int_equal(fake_core_count(now, &none, 0), 0);
    assert_int_equal(sign(now, key), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(C_GetTokenInfo(0, &token), CKR_OK);
    assert_int_equal(token.ulSessionCount, 1); /* the former token's do not count */
}

static void test_events_of_several_slots_are_told_one_by_one(void **state)
{
    (void)state;
    fake_core_add();
    fake_core_change();
    fake_core_remove(1, true);
    assert_int_equal(next_event(), 0);
    assert_int_equal(next_event(), 1);
    assert_int_equal(next_event(), 3);
    assert_no_event();
}

static void test_login_when_the_slot_goes_then_ends(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(1);
    CK_SESSION_INFO info;

    (void)state;
    assert_int_equal(C_Login(session, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
    fake_core_remove(1, true);
    assert_int_equal(next_event(), 1);
    assert_int_equal(fake.logouts, 1);
    fake_core_remove(1, false);
    assert_int_equal(next_event(), 1);
    session = fake_core_session(1);
    assert_int_equal(C_GetSessionInfo(session, &info), CKR_OK);
    assert_int_equal(info.state, CKS_RO_PUBLIC_SESSION);
}

static void *look_from_another_thread(void *arg)
{
    count_slots(CK_FALSE);
    return arg;
}

static void change_elsewhere(void *arg)
{
    pthread_t thread;

    (void)arg;
    fake_core_change();
    assert_int_equal(pthread_create(&thread, NULL, look_from_another_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_signature_under_way_when_another_thread_looks_then_is_finished(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = fake_core_find(session, CKO_PRIVATE_KEY, "ec");

    (void)state;
    fake.during = change_elsewhere;
    assert_int_equal(sign(session, key), CKR_OK);
    fake.during = NULL;
    assert_int_equal(sign(session, key), CKR_SESSION_HANDLE_INVALID);
}

static void *wait_for_event(void *ret)
{
    CK_SLOT_ID id = CK_UNAVAILABLE_INFORMATION;

    *(CK_RV *)ret = C_WaitForSlotEvent(0, &id, NULL);
    return (void *)(uintptr_t)id;
}

static void test_slot_event_when_waited_for_then_finalize_ends_it(void **state)
{
    pthread_t thread;
    CK_RV rv = CKR_OK;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_event, &rv), 0);
    usleep(20000); /* in time or too late: the answer is the same */
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(rv, CKR_CRYPTOKI_NOT_INITIALIZED);
}

static void test_slot_event_when_waited_for_then_comes_within_a_second_or_so(void **state)
{
    pthread_t thread;
    void *slot = NULL;
    CK_RV rv = CKR_GENERAL_ERROR;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_event, &rv), 0);
    while (fake.looks == 0)
        usleep(1000);
    fake_core_add();
    assert_int_equal(pthread_join(thread, &slot), 0);
    assert_int_equal(rv, CKR_OK);
    assert_int_equal((uintptr_t)slot, 3);
}

static void test_slot_event_when_arguments_are_bad_then_says_so(void **state)
{
    CK_SLOT_ID id;

    (void)state;
    assert_int_equal(C_WaitForSlotEvent(CKF_DONT_BLOCK, NULL, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_WaitForSlotEvent(CKF_DONT_BLOCK, &id, &id), CKR_ARGUMENTS_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_slot_list_when_slots_are_counted_then_looks_and_else_not),
        TEST(test_slot_that_comes_is_behind_the_others_with_one_event),
        TEST(test_slot_that_goes_keeps_its_id_and_loses_its_token),
        TEST(test_slot_that_comes_back_has_new_sessions_and_objects),
        TEST(test_slot_that_goes_and_comes_back_unseen_has_not_changed),
        TEST(test_slot_that_changes_has_another_token_under_its_id),
        TEST(test_events_of_several_slots_are_told_one_by_one),
        TEST(test_login_when_the_slot_goes_then_ends),
        TEST(test_signature_under_way_when_another_thread_looks_then_is_finished),
        TEST(test_slot_event_when_waited_for_then_finalize_ends_it),
        TEST(test_slot_event_when_waited_for_then_comes_within_a_second_or_so),
        TEST(test_slot_event_when_arguments_are_bad_then_says_so),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
