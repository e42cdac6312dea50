/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads over fewer sessions, each doing what clients do; meant for ThreadSanitizer too. */
#include <pthread.h>
#include <unistd.h>

#include "fake_core.h"

#define THREADS 16
#define SESSIONS 24
#define ROUNDS 60

static CK_SESSION_HANDLE sessions[SESSIONS];

/* What a shared session may answer, since another thread may work in it, or have closed it. */
static bool expected(CK_RV rv)
{
    return rv == CKR_OK || rv == CKR_OPERATION_ACTIVE || rv == CKR_OPERATION_NOT_INITIALIZED ||
           rv == CKR_USER_ALREADY_LOGGED_IN || rv == CKR_USER_NOT_LOGGED_IN;
}

static bool sign_in(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM mechanism = { CKM_EDDSA, NULL, 0 };
    CK_BYTE sig[64];
    CK_ULONG len = sizeof(sig);

    return expected(C_SignInit(session, &mechanism, key)) &&
           expected(C_Sign(session, (CK_BYTE *)"m", 1, sig, &len));
}

static bool find_in(CK_SESSION_HANDLE session)
{
    CK_OBJECT_HANDLE handles[4];
    CK_ULONG count;

    return expected(C_FindObjectsInit(session, NULL, 0)) &&
           expected(C_FindObjects(session, handles, 4, &count)) &&
           expected(C_FindObjectsFinal(session));
}

static bool look_at(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_BYTE label[16];
    CK_ATTRIBUTE attribute = { CKA_LABEL, label, sizeof(label) };
    CK_SESSION_INFO info;
    CK_TOKEN_INFO token;

    return C_GetAttributeValue(session, key, &attribute, 1) == CKR_OK &&
           C_GetSessionInfo(session, &info) == CKR_OK && C_GetTokenInfo(0, &token) == CKR_OK;
}

/* In a session of its own nothing but success will do. */
static bool own_session(CK_OBJECT_HANDLE key)
{
    CK_MECHANISM mechanism = { CKM_EDDSA, NULL, 0 };
    CK_SESSION_HANDLE session;
    CK_BYTE sig[64];
    CK_ULONG len = sizeof(sig);

    return C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session) == CKR_OK &&
           C_SignInit(session, &mechanism, key) == CKR_OK &&
           C_Sign(session, (CK_BYTE *)"m", 1, sig, &len) == CKR_OK &&
           C_CloseSession(session) == CKR_OK;
}

/* Made in a shared session, seen by all, and perhaps gone with its session by now. */
static bool session_key_in(CK_SESSION_HANDLE session)
{
    static CK_ULONG len = 16;
    CK_MECHANISM gen = { CKM_AES_KEY_GEN, NULL, 0 };
    CK_BYTE changed[] = "changed";
    CK_ATTRIBUTE attributes[] = { { CKA_VALUE_LEN, &len, sizeof(len) } };
    CK_ATTRIBUTE label = { CKA_LABEL, changed, sizeof(changed) };
    CK_OBJECT_HANDLE key;
    CK_RV rv = C_GenerateKey(session, &gen, attributes, 1, &key);

    if (rv != CKR_OK)
        return rv == CKR_OPERATION_ACTIVE;
    return expected(C_SetAttributeValue(session, key, &label, 1)) &&
           expected(C_DestroyObject(session, key));
}

static void *client(void *arg)
{
    CK_OBJECT_HANDLE key = *(CK_OBJECT_HANDLE *)arg;
    bool ok = true;

    for (unsigned i = 0; ok && i < ROUNDS; i++) {
        CK_SESSION_HANDLE session = sessions[(i * 7 + (uintptr_t)pthread_self() / 4096) % SESSIONS];

        ok = sign_in(session, key) && find_in(session) && look_at(session, key) &&
             session_key_in(session) && own_session(key) &&
             expected(C_Login(session, CKU_USER, NULL, 0)) && expected(C_Logout(session));
    }
    return ok ? arg : NULL;
}

static void test_threads_when_they_share_sessions_then_every_answer_is_a_known_one(void **state)
{
    pthread_t threads[THREADS];
    CK_OBJECT_HANDLE key;
    CK_TOKEN_INFO info;

    (void)state;
    for (size_t i = 0; i < SESSIONS; i++)
        sessions[i] = fake_core_session(0);
    key = fake_core_find(sessions[0], CKO_PRIVATE_KEY, "ed");
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, client, &key), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *result = NULL;

        pthread_join(threads[i], &result);
        assert_ptr_equal(result, &key);
    }
    assert_int_equal(C_GetTokenInfo(0, &info), CKR_OK);
    assert_int_equal(info.ulSessionCount, SESSIONS);
}

/* Works until the module is taken away. */
static void *worker(void *arg)
{
    CK_SESSION_HANDLE session;
    CK_RV rv = C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session);

    for (bool ok = true; ok && rv != CKR_CRYPTOKI_NOT_INITIALIZED;) {
        static CK_ULONG len = 16;
        CK_MECHANISM gen = { CKM_AES_KEY_GEN, NULL, 0 }, ecb = { CKM_AES_ECB, NULL, 0 };
        CK_ATTRIBUTE attributes[] = { { CKA_VALUE_LEN, &len, sizeof(len) } };
        CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
        CK_BYTE block[16] = { 0 };
        CK_ULONG out_len = 16;

        rv = C_GenerateKey(session, &gen, attributes, 1, &key);
        rv = rv ? rv : C_EncryptInit(session, &ecb, key);
        rv = rv ? rv : C_Encrypt(session, block, 16, block, &out_len);
        rv = rv ? rv : C_DestroyObject(session, key);
        ok = rv == CKR_OK || rv == CKR_CRYPTOKI_NOT_INITIALIZED;
    }
    return rv == CKR_CRYPTOKI_NOT_INITIALIZED ? arg : NULL;
}

static void test_finalize_when_calls_are_under_way_then_each_ends_in_order(void **state)
{
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, worker, state), 0);
    usleep(30000);
    assert_int_equal(C_Finalize(NULL), CKR_OK);
    for (size_t i = 0; i < THREADS; i++) {
        void *result = NULL;

        pthread_join(threads[i], &result);
        assert_ptr_equal(result, state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_threads_when_they_share_sessions_then_every_answer_is_a_known_one, fake_core_start,
            fake_core_stop),
        cmocka_unit_test_setup_teardown(
            test_finalize_when_calls_are_under_way_then_each_ends_in_order, fake_core_start,
            fake_core_stop),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
