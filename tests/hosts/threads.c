/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 64 threads over 200 sessions: every thread has three and at times works in another's, and
 * finds, signs, verifies, logs in and out; meanwhile the main thread finalises and initialises.
 * Built with ThreadSanitizer, as the module then is, this is where it looks for races; without, it
 * is a test that nothing crashes, hangs or answers with nonsense.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"

#define THREADS 64
#define SESSIONS 200
#define KEYS 2

static const char *const labels[KEYS] = { "app", "other" };
static char *pin; /* HOST_PIN */

static atomic_bool stop;
static _Atomic CK_SESSION_HANDLE sessions[SESSIONS];
static atomic_uint signed_count, verified_count;

/* ---- what may happen to a call whose session others use and close ---- */

static const CK_RV crowded[] = {
    CKR_OK,
    CKR_OPERATION_ACTIVE,          /* another thread works in the session, or has begun there */
    CKR_OPERATION_NOT_INITIALIZED, /* another thread has ended what this one began */
    CKR_SESSION_HANDLE_INVALID,    /* closed, or gone with C_Finalize */
    CKR_CRYPTOKI_NOT_INITIALIZED,
    CKR_KEY_HANDLE_INVALID, /* found before the last C_Finalize, or C_Logout */
    CKR_OBJECT_HANDLE_INVALID,
    CKR_USER_NOT_LOGGED_IN,
    CKR_USER_ALREADY_LOGGED_IN,
    CKR_SIGNATURE_INVALID, /* two threads' parts in one operation */
    CKR_SIGNATURE_LEN_RANGE,
};

static bool expected(CK_RV rv)
{
    for (size_t i = 0; i < sizeof(crowded) / sizeof(crowded[0]); i++)
        if (crowded[i] == rv)
            return true;
    return false;
}

#define MAY(call)                                                                                  \
    ({                                                                                             \
        CK_RV may_ = (call);                                                                       \
        if (!expected(may_))                                                                       \
            host_expect(__FILE__, __LINE__, #call, CKR_OK, may_);                                  \
        may_;                                                                                      \
    })

/* ---- one thing that a thread does ---- */

static _Thread_local unsigned seed;

static unsigned any(unsigned below)
{
    return (unsigned)rand_r(&seed) % below;
}

static void open_session(unsigned place)
{
    CK_SESSION_HANDLE opened, none = CK_INVALID_HANDLE;

    if (host_p11->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &opened) != CKR_OK)
        return;
    if (!atomic_compare_exchange_strong(&sessions[place], &none, opened))
        MAY(host_p11->C_CloseSession(opened));
}

static void reopen_session(unsigned place)
{
    CK_SESSION_HANDLE session = atomic_exchange(&sessions[place], CK_INVALID_HANDLE);

    if (session != CK_INVALID_HANDLE)
        MAY(host_p11->C_CloseSession(session));
    open_session(place);
}

/* False: the session may be left with an operation that nobody ends. */
static bool sign_and_verify(CK_SESSION_HANDLE session)
{
    CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
    CK_BYTE digest[32] = "threads", signature[64];
    CK_OBJECT_HANDLE private_key = 0, public_key = 0;
    CK_ULONG len = sizeof(signature);
    const char *label = labels[any(KEYS)];

    if (MAY(host_find(session, CKO_PRIVATE_KEY, label, &private_key)) != CKR_OK ||
        MAY(host_p11->C_SignInit(session, &mechanism, private_key)) != CKR_OK ||
        MAY(host_p11->C_Sign(session, digest, sizeof(digest), signature, &len)) != CKR_OK)
        return false;
    atomic_fetch_add(&signed_count, 1);
    if (MAY(host_find(session, CKO_PUBLIC_KEY, label, &public_key)) != CKR_OK ||
        MAY(host_p11->C_VerifyInit(session, &mechanism, public_key)) != CKR_OK ||
        MAY(host_p11->C_Verify(session, digest, sizeof(digest), signature, len)) != CKR_OK)
        return false;
    atomic_fetch_add(&verified_count, 1);
    return true;
}

static bool sign_in_parts(CK_SESSION_HANDLE session)
{
    CK_MECHANISM mechanism = { CKM_ECDSA_SHA256, NULL, 0 };
    CK_BYTE part[16] = "part", signature[64];
    CK_ULONG len = sizeof(signature);
    CK_OBJECT_HANDLE key = 0;

    if (MAY(host_find(session, CKO_PRIVATE_KEY, labels[any(KEYS)], &key)) != CKR_OK ||
        MAY(host_p11->C_SignInit(session, &mechanism, key)) != CKR_OK)
        return false;
    for (unsigned i = 0; i < 3; i++)
        MAY(host_p11->C_SignUpdate(session, part, sizeof(part)));
    return MAY(host_p11->C_SignFinal(session, signature, &len)) == CKR_OK;
}

static bool look_around(CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO session_info;
    CK_TOKEN_INFO token;
    CK_BYTE random[8];
    CK_ULONG count;

    if (MAY(host_list(session, &count)) != CKR_OK)
        return false;
    MAY(host_p11->C_GetSessionInfo(session, &session_info));
    MAY(host_p11->C_GetTokenInfo(0, &token));
    MAY(host_p11->C_GenerateRandom(session, random, sizeof(random)));
    return true;
}

static void log_in_or_out(CK_SESSION_HANDLE session)
{
    if (any(4) == 0)
        MAY(host_p11->C_Logout(session));
    MAY(host_p11->C_Login(session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin)));
}

/* False: the session wants to be opened anew. */
static bool do_something(CK_SESSION_HANDLE session)
{
    unsigned what = any(16);

    if (session == CK_INVALID_HANDLE || what == 0)
        return false;
    if (what == 1)
        log_in_or_out(session);
    else if (what == 2)
        return look_around(session);
    else if (what < 5)
        return sign_in_parts(session);
    else
        return sign_and_verify(session);
    return true;
}

static void *work(void *arg)
{
    unsigned number = (unsigned)(uintptr_t)arg;

    seed = number + 1;
    while (!atomic_load(&stop)) {
        unsigned place = any(8) ? number * 3 + any(3) : any(SESSIONS);

        if (!do_something(atomic_load(&sessions[place]))) {
            reopen_session(place);
            usleep(1000); /* while all are logged out, somebody has to get at logging in */
        }
    }
    return NULL;
}

/* ---- the main thread: initialises and finalises under load ---- */

static void finalize_and_initialize(void)
{
    HOST_EXPECT(CKR_OK, host_p11->C_Finalize(NULL));
    for (unsigned i = 0; i < SESSIONS; i++)
        atomic_store(&sessions[i], CK_INVALID_HANDLE);
    HOST_EXPECT(CKR_OK, host_p11->C_Initialize(NULL));
}

static void open_and_log_in(void)
{
    for (unsigned i = 0; i < SESSIONS; i++)
        open_session(i);
    log_in_or_out(atomic_load(&sessions[0]));
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 4;
    pthread_t threads[THREADS];

    pin = getenv("HOST_PIN");
    HOST_CHECK(pin);
    host_deadline(100);
    host_begin();
    open_and_log_in();
    for (uintptr_t i = 0; i < THREADS; i++)
        HOST_CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (unsigned i = 0; i < rounds; i++) {
        unsigned before = atomic_load(&signed_count), after = atomic_load(&verified_count);

        sleep(1);
        while (atomic_load(&signed_count) - before < 100 ||
               atomic_load(&verified_count) - after < 10)
            usleep(10000); /* the deadline ends it */
        finalize_and_initialize();
        open_and_log_in();
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < THREADS; i++)
        HOST_CHECK(pthread_join(threads[i], NULL) == 0);
    HOST_EXPECT(CKR_OK, host_p11->C_Finalize(NULL));
    return 0;
}
