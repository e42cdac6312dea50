/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs in four threads until standard input ends, while the server drops connections. SIGPIPE
 * keeps the disposition that kills; a thread that samples it all the time sees no other, and
 * every call leaves its thread's signal mask, and the signals pending, as they were.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host.h"

#define THREADS 4

static atomic_bool stop;
static atomic_uint good, failed;

static void check_disposition(void)
{
    struct sigaction action;

    HOST_CHECK(sigaction(SIGPIPE, NULL, &action) == 0);
    HOST_CHECK(action.sa_handler == SIG_DFL);
}

static void *sample(void *arg)
{
    while (!atomic_load(&stop)) {
        check_disposition();
        usleep(20);
    }
    return arg;
}

/* Half of the threads block a signal of their own, and one has SIGPIPE blocked already. */
static void *work(void *arg)
{
    unsigned number = (unsigned)(uintptr_t)arg;
    CK_SESSION_HANDLE session = host_session();
    CK_OBJECT_HANDLE key = host_private_key(session, "app");
    sigset_t before, after, pending;

    sigemptyset(&before);
    if (number % 2)
        sigaddset(&before, SIGUSR1);
    if (number == 3)
        sigaddset(&before, SIGPIPE);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    while (!atomic_load(&stop)) {
        atomic_fetch_add(host_sign(session, key) == CKR_OK ? &good : &failed, 1);
        pthread_sigmask(SIG_SETMASK, NULL, &after);
        HOST_CHECK(memcmp(&before, &after, sizeof(before)) == 0);
        HOST_CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 0);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS + 1];
    char byte;

    host_deadline(60);
    HOST_CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    host_begin();
    check_disposition();
    HOST_CHECK(pthread_create(&threads[THREADS], NULL, sample, NULL) == 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        HOST_CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    atomic_store(&stop, true);
    for (unsigned i = 0; i <= THREADS; i++)
        HOST_CHECK(pthread_join(threads[i], NULL) == 0);
    HOST_EXPECT(CKR_OK, host_p11->C_Finalize(NULL));
    check_disposition();
    printf("%u %u\n", good, failed);
    return 0;
}
