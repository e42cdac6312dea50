/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that runs on while its configuration changes: 8 threads sign on slot 0, whose section
 * stays as it is, and none of them may ever fail; the main thread waits for the events of a second
 * slot that comes, changes and goes. The three arguments are configurations that take the place of
 * HSMBRIDGE_CONFIG's file one after the other.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host.h"

#define THREADS 8
#define STEADY 0
#define OTHER 1

static atomic_bool stop;
static atomic_uint signed_count;

static CK_SESSION_HANDLE open_session(CK_SLOT_ID slot)
{
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;

    HOST_EXPECT(CKR_OK, host_p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
    return session;
}

static void *sign_on(void *arg)
{
    CK_SESSION_HANDLE session = open_session(STEADY);

    while (!atomic_load(&stop)) {
        HOST_EXPECT(CKR_OK, host_sign(session, host_private_key(session, "app")));
        atomic_fetch_add(&signed_count, 1);
    }
    HOST_EXPECT(CKR_OK, host_p11->C_CloseSession(session));
    return arg;
}

static void await_signatures(void)
{
    unsigned before = atomic_load(&signed_count);

    while (atomic_load(&signed_count) - before < 4 * THREADS)
        usleep(1000); /* the deadline ends it */
}

static void change_to(const char *configuration)
{
    CK_SLOT_ID slot = CK_UNAVAILABLE_INFORMATION;

    await_signatures();
    HOST_EXPECT(CKR_NO_EVENT, host_p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL));
    HOST_CHECK(rename(configuration, getenv("HSMBRIDGE_CONFIG")) == 0);
    HOST_EXPECT(CKR_OK, host_p11->C_WaitForSlotEvent(0, &slot, NULL));
    HOST_CHECK(slot == OTHER);
    HOST_EXPECT(CKR_NO_EVENT, host_p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL));
    await_signatures();
}

static bool has_token(CK_SLOT_ID slot)
{
    CK_SLOT_INFO info;

    HOST_EXPECT(CKR_OK, host_p11->C_GetSlotInfo(slot, &info));
    return info.flags & CKF_TOKEN_PRESENT;
}

static CK_ULONG slot_count(CK_BBOOL present)
{
    CK_ULONG count = 0;

    HOST_EXPECT(CKR_OK, host_p11->C_GetSlotList(present, NULL, &count));
    return count;
}

static CK_SESSION_HANDLE use_other(void)
{
    CK_SESSION_HANDLE session = open_session(OTHER);

    HOST_CHECK(has_token(OTHER));
    HOST_CHECK(slot_count(CK_TRUE) == 2);
    HOST_EXPECT(CKR_OK, host_sign(session, host_private_key(session, "other")));
    return session;
}

static void see_it_go(CK_SESSION_HANDLE session)
{
    HOST_EXPECT(CKR_SESSION_HANDLE_INVALID, host_sign(session, 1));
    HOST_EXPECT(CKR_SESSION_HANDLE_INVALID, host_p11->C_CloseSession(session));
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    CK_SESSION_HANDLE session;

    HOST_CHECK(argc == 4);
    host_deadline(100);
    host_begin();
    HOST_CHECK(slot_count(CK_FALSE) == 1);
    for (unsigned i = 0; i < THREADS; i++)
        HOST_CHECK(pthread_create(&threads[i], NULL, sign_on, NULL) == 0);
    change_to(argv[1]);
    session = use_other();
    change_to(argv[2]);
    see_it_go(session);
    session = use_other();
    change_to(argv[3]);
    see_it_go(session);
    HOST_CHECK(!has_token(OTHER));
    HOST_CHECK(slot_count(CK_FALSE) == 2 && slot_count(CK_TRUE) == 1);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < THREADS; i++)
        HOST_CHECK(pthread_join(threads[i], NULL) == 0);
    HOST_EXPECT(CKR_OK, host_p11->C_Finalize(NULL));
    return 0;
}
