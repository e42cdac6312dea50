/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/wait.h>
#include <unistd.h>

#include "fake_core.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, fake_core_stop)

static int reset(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    return 0;
}

static CK_RV initialize(const char *parameter, CK_FLAGS flags)
{
    CK_C_INITIALIZE_ARGS args = { .flags = flags, .LibraryParameters = (CK_CHAR_PTR *)parameter };

    return C_Initialize(&args);
}

/* ---- arguments ---- */

static void test_initialize_when_without_arguments_then_takes_the_default(void **state)
{
    (void)state;
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    assert_int_equal(fake.open, 1);
    assert_null(fake.named);
}

static void test_initialize_when_a_path_is_given_then_loads_it(void **state)
{
    (void)state;
    assert_int_equal(initialize(" config=/etc/a.conf\n", CKF_OS_LOCKING_OK), CKR_OK);
    assert_string_equal(fake.named, "/etc/a.conf");
}

static void test_initialize_when_the_parameter_is_empty_then_takes_the_default(void **state)
{
    (void)state;
    assert_int_equal(initialize(" ", 0), CKR_OK);
    assert_null(fake.named);
}

static void test_initialize_when_the_parameter_is_not_ours_then_arguments_bad(void **state)
{
    (void)state;
    assert_int_equal(initialize("config=a.conf", 0), CKR_ARGUMENTS_BAD);
    assert_int_equal(initialize("/etc/a.conf", 0), CKR_ARGUMENTS_BAD);
    assert_int_equal(initialize("config=", 0), CKR_ARGUMENTS_BAD);
    assert_int_equal(fake.open, 0);
}

static void test_initialize_when_no_configuration_then_general_error(void **state)
{
    CK_ULONG count;

    (void)state;
    assert_int_equal(initialize("config=/missing", 0), CKR_GENERAL_ERROR);
    assert_int_equal(C_GetSlotList(CK_FALSE, NULL, &count), CKR_CRYPTOKI_NOT_INITIALIZED);
}

static CK_RV some_mutex(void *mutex)
{
    (void)mutex;
    return CKR_OK;
}

static CK_RV some_create(void **mutex)
{
    (void)mutex;
    return CKR_OK;
}

static void test_initialize_when_mutexes_are_incomplete_then_arguments_bad(void **state)
{
    CK_C_INITIALIZE_ARGS args = { .CreateMutex = some_create, .flags = CKF_OS_LOCKING_OK };

    (void)state;
    assert_int_equal(C_Initialize(&args), CKR_ARGUMENTS_BAD);
}

static void test_initialize_when_only_foreign_mutexes_may_be_used_then_cant_lock(void **state)
{
    CK_C_INITIALIZE_ARGS args = { .CreateMutex = some_create,
                                  .DestroyMutex = some_mutex,
                                  .LockMutex = some_mutex,
                                  .UnlockMutex = some_mutex };

    (void)state;
    assert_int_equal(C_Initialize(&args), CKR_CANT_LOCK);
    args.flags = CKF_OS_LOCKING_OK;
    assert_int_equal(C_Initialize(&args), CKR_OK);
}

/* ---- twice, and the end ---- */

static void test_initialize_when_called_twice_then_already_initialized(void **state)
{
    (void)state;
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    assert_int_equal(C_Initialize(NULL), CKR_CRYPTOKI_ALREADY_INITIALIZED);
    assert_int_equal(fake.open, 1);
}

static void test_finalize_when_done_then_nothing_works_until_initialized(void **state)
{
    CK_SESSION_HANDLE session;
    CK_SESSION_INFO info;

    (void)state;
    assert_int_equal(C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    session = fake_core_session(0);
    assert_int_equal(C_Finalize(&session), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(fake.open, 0);
    assert_int_equal(C_GetSessionInfo(session, &info), CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    assert_int_equal(C_GetSessionInfo(session, &info), CKR_SESSION_HANDLE_INVALID);
}

static void test_info_when_asked_twice_then_is_the_same(void **state)
{
    CK_INFO first, second;

    (void)state;
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    assert_int_equal(C_GetInfo(NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetInfo(&first), CKR_OK);
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    assert_int_equal(C_GetInfo(&second), CKR_OK);
    assert_memory_equal(&first, &second, sizeof(first));
    assert_memory_equal(first.manufacturerID, "hsmbridge                       ", 32);
    assert_int_equal(first.cryptokiVersion.major, 3);
}

/* ---- from within, and beside the host's OpenSSL ---- */

static CK_RV rv_during;

static void call_back_in(void *arg)
{
    CK_ULONG count;

    (void)arg;
    rv_during = C_GetSlotList(CK_FALSE, NULL, &count);
}

static void test_call_when_inside_already_then_is_refused(void **state)
{
    CK_BYTE bytes[100];

    (void)state;
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    rv_during = CKR_OK;
    fake.during = call_back_in;
    assert_int_equal(C_GenerateRandom(fake_core_session(0), bytes, sizeof(bytes)), CKR_OK);
    assert_int_equal(rv_during, CKR_FUNCTION_FAILED);
}

static void test_error_queue_when_calls_fail_and_succeed_then_is_as_before(void **state)
{
    CK_BYTE bytes[8];
    unsigned long before;

    (void)state;
    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, 42);
    before = ERR_peek_last_error();
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    assert_int_equal(C_GenerateRandom(fake_core_session(0), bytes, sizeof(bytes)), CKR_OK);
    assert_int_equal(C_GenerateRandom(0, bytes, sizeof(bytes)), CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(ERR_get_error(), before);
    assert_int_equal(ERR_get_error(), 0);
}

/* ---- fork ---- */

/* Runs it in a child; its return value is the number of the first step that went wrong. */
static void in_child(int (*steps)(CK_SESSION_HANDLE session), CK_SESSION_HANDLE session)
{
    int status = -1;
    pid_t pid = fork();

    assert_int_not_equal(pid, -1);
    if (pid == 0)
        _exit(steps(session));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}

static int initialize_in_child(CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info;

    if (C_Initialize(NULL) != CKR_OK)
        return 1;
    if (C_Initialize(NULL) != CKR_CRYPTOKI_ALREADY_INITIALIZED)
        return 2;
    if (C_GetSessionInfo(session, &info) != CKR_OK || info.state != CKS_RO_USER_FUNCTIONS)
        return 3;
    if (C_Finalize(NULL) != CKR_OK || fake.open != 0)
        return 4;
    if (C_GetSessionInfo(session, &info) != CKR_CRYPTOKI_NOT_INITIALIZED)
        return 5;
    return C_Initialize(NULL) == CKR_OK && C_Finalize(NULL) == CKR_OK ? 0 : 6;
}

static int use_in_child(CK_SESSION_HANDLE session)
{
    CK_BYTE sig[64];
    CK_ULONG len = sizeof(sig);

    if (C_SignFinal(session, sig, &len) != CKR_OK || len != 64)
        return 1;
    if (C_Initialize(NULL) != CKR_OK)
        return 2;
    return C_Finalize(NULL) == CKR_OK ? 0 : 3;
}

static void test_child_when_it_initializes_then_keeps_everything_once(void **state)
{
    CK_SESSION_HANDLE session;
    CK_SESSION_INFO info;

    (void)state;
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    session = fake_core_session(0);
    assert_int_equal(C_Login(session, CKU_USER, NULL, 0), CKR_OK);
    in_child(initialize_in_child, session);
    assert_int_equal(C_GetSessionInfo(session, &info), CKR_OK); /* the parent's lives on */
    assert_int_equal(info.state, CKS_RO_USER_FUNCTIONS);
}

static void test_child_when_it_does_not_initialize_then_goes_on_with_what_was_collected(
    void **state)
{
    CK_MECHANISM mechanism = { CKM_ECDSA_SHA256, NULL, 0 };
    CK_SESSION_HANDLE session;

    (void)state;
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    session = fake_core_session(0);
    assert_int_equal(C_SignInit(session, &mechanism,
                                fake_core_find(session, CKO_PRIVATE_KEY, "ec")),
                     CKR_OK);
    assert_int_equal(C_SignUpdate(session, (CK_BYTE *)"ab", 2), CKR_OK);
    in_child(use_in_child, session);
}

static int use_taken_in_child(CK_SESSION_HANDLE session)
{
    CK_BYTE sig[64];
    CK_ULONG len = sizeof(sig);
    CK_RV rv = C_Sign(session, sig, 1, sig, &len);

    if (rv != CKR_OPERATION_NOT_INITIALIZED) /* not CKR_OPERATION_ACTIVE for ever */
        return 1;
    return C_CloseSession(session) == CKR_OK && C_Finalize(NULL) == CKR_OK && fake.open == 0 ? 0
                                                                                             : 2;
}

static CK_SESSION_HANDLE taken;
static pid_t forked;

static void *run_taken(void *arg)
{
    (void)arg;
    return use_taken_in_child(taken) == 0 ? NULL : (void *)1;
}

/* Forks in the middle of a request. The thread that works in the session is not to be in the
 * child: the calls there are made by a new one, while the old one waits. */
static void fork_during(void *arg)
{
    pthread_t thread;
    void *result = (void *)1;

    (void)arg;
    fake.during = NULL;
    forked = fork();
    if (forked != 0)
        return;
    if (pthread_create(&thread, NULL, run_taken, NULL) == 0)
        pthread_join(thread, &result);
    _exit(result == NULL ? 0 : 1);
}

static void test_child_when_a_session_was_at_work_then_can_use_and_close_it(void **state)
{
    CK_MECHANISM mechanism = { CKM_EDDSA, NULL, 0 };
    CK_BYTE sig[64];
    CK_ULONG len = sizeof(sig);
    int status = -1;

    (void)state;
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    taken = fake_core_session(0);
    assert_int_equal(C_SignInit(taken, &mechanism, fake_core_find(taken, CKO_PRIVATE_KEY, "ed")),
                     CKR_OK);
    fake.during = fork_during;
    assert_int_equal(C_Sign(taken, (CK_BYTE *)"m", 1, sig, &len), CKR_OK);
    assert_int_equal(waitpid(forked, &status, 0), forked);
    assert_int_equal(status, 0);
}

/* ---- C_Finalize beside a call that is under way ---- */

static void *finalize_thread(void *arg)
{
    (void)arg;
    return C_Finalize(NULL) == CKR_OK ? NULL : (void *)1;
}

static void finalize_beside(void *arg)
{
    pthread_t thread;
    void *result = NULL;

    (void)arg;
    fake.during = NULL;
    assert_int_equal(pthread_create(&thread, NULL, finalize_thread, NULL), 0);
    pthread_join(thread, &result);
    assert_null(result);
    assert_int_equal(fake.open, 1); /* the call that is under way keeps it */
}

static void test_finalize_when_a_call_is_under_way_then_frees_nothing_under_it(void **state)
{
    CK_MECHANISM mechanism = { CKM_EDDSA, NULL, 0 };
    CK_SESSION_HANDLE session;
    CK_BYTE sig[64];
    CK_ULONG len = sizeof(sig);

    (void)state;
    assert_int_equal(C_Initialize(NULL), CKR_OK);
    session = fake_core_session(0);
    assert_int_equal(C_SignInit(session, &mechanism,
                                fake_core_find(session, CKO_PRIVATE_KEY, "ed")),
                     CKR_OK);
    fake.during = finalize_beside;
    assert_int_equal(C_Sign(session, (CK_BYTE *)"m", 1, sig, &len), CKR_OK);
    assert_int_equal(fake.open, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_initialize_when_without_arguments_then_takes_the_default),
        TEST(test_initialize_when_a_path_is_given_then_loads_it),
        TEST(test_initialize_when_the_parameter_is_empty_then_takes_the_default),
        TEST(test_initialize_when_the_parameter_is_not_ours_then_arguments_bad),
        TEST(test_initialize_when_no_configuration_then_general_error),
        TEST(test_initialize_when_mutexes_are_incomplete_then_arguments_bad),
        TEST(test_initialize_when_only_foreign_mutexes_may_be_used_then_cant_lock),
        TEST(test_initialize_when_called_twice_then_already_initialized),
        TEST(test_finalize_when_done_then_nothing_works_until_initialized),
        TEST(test_info_when_asked_twice_then_is_the_same),
        TEST(test_call_when_inside_already_then_is_refused),
        TEST(test_error_queue_when_calls_fail_and_succeed_then_is_as_before),
        TEST(test_child_when_it_initializes_then_keeps_everything_once),
        TEST(test_child_when_it_does_not_initialize_then_goes_on_with_what_was_collected),
        TEST(test_child_when_a_session_was_at_work_then_can_use_and_close_it),
        TEST(test_finalize_when_a_call_is_under_way_then_frees_nothing_under_it),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
