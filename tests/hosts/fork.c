/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forks, one after the other and eight at a time, while 64 threads sign and list. Every child
 * goes on with its parent's session and key handle; some initialise, some finalise. No child
 * may hang or keep a connection of its parent's, and no connection of the parent's may break:
 * a single byte that a child writes into one ends it, since TLS counts its records.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

#define THREADS 64
#define AT_A_TIME 8
#define SOCKETS_MAX 1024
#define CHILD_SECONDS 20

static atomic_bool stop;
static atomic_uint working; /* threads that have made their first connection */

static void pause_ms(long ms)
{
    struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&time, NULL);
}

/* ---- the parent's threads ---- */

static void *work(void *arg)
{
    bool lists = (uintptr_t)arg % 4 == 0;
    CK_SESSION_HANDLE session = host_session();
    CK_OBJECT_HANDLE key = host_private_key(session, "app");
    CK_ULONG count;

    atomic_fetch_add(&working, 1);
    while (!atomic_load(&stop)) {
        if (lists) {
            HOST_EXPECT(CKR_OK, host_list(session, &count));
            HOST_CHECK(count == 4);
        } else {
            HOST_EXPECT(CKR_OK, host_sign(session, key));
        }
        pause_ms(30 + (long)((uintptr_t)arg % 16));
    }
    HOST_EXPECT(CKR_OK, host_p11->C_CloseSession(session));
    return NULL;
}

/* ---- a child ---- */

static void check_sockets_gone(const uint64_t *before, unsigned count)
{
    static uint64_t now[SOCKETS_MAX];
    unsigned now_count = host_sockets(now, SOCKETS_MAX);

    for (unsigned i = 0; i < now_count; i++)
        for (unsigned j = 0; j < count; j++)
            HOST_CHECK(now[i] != before[j]);
}

static void child(unsigned number, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    static uint64_t inherited[SOCKETS_MAX];
    unsigned count = host_sockets(inherited, SOCKETS_MAX);
    CK_ULONG listed;

    host_deadline(CHILD_SECONDS);
    if (number % 2 == 0) {
        HOST_EXPECT(CKR_OK, host_p11->C_Initialize(NULL));
        HOST_EXPECT(CKR_CRYPTOKI_ALREADY_INITIALIZED, host_p11->C_Initialize(NULL));
    }
    HOST_EXPECT(CKR_OK, host_sign(session, key));
    check_sockets_gone(inherited, count);
    if (number % 8 == 0) {
        HOST_EXPECT(CKR_OK, host_list(session, &listed));
        HOST_CHECK(listed == 4);
    }
    if (number % 4 < 2) {
        HOST_EXPECT(CKR_OK, host_p11->C_Finalize(NULL));
        HOST_EXPECT(CKR_CRYPTOKI_NOT_INITIALIZED, host_sign(session, key));
    }
    _exit(0);
}

/* ---- the parent ---- */

static void reap(void)
{
    int status;

    HOST_CHECK(wait(&status) > 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        host_fail(__FILE__, __LINE__, "a child hung");
    HOST_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void fork_often(unsigned children, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    unsigned alive = 0;

    for (unsigned i = 0; i < children; i++) {
        pid_t pid;

        if (alive == AT_A_TIME) {
            reap();
            alive--;
        }
        pid = fork();
        HOST_CHECK(pid >= 0);
        if (pid == 0)
            child(i, session, key);
        alive++;
    }
    while (alive-- > 0)
        reap();
}

static void check_sockets_live(const uint64_t *before, unsigned count)
{
    static uint64_t now[SOCKETS_MAX];
    unsigned now_count = host_sockets(now, SOCKETS_MAX);

    for (unsigned i = 0; i < count; i++) {
        bool lives = false;

        for (unsigned j = 0; j < now_count; j++)
            lives = lives || now[j] == before[i];
        HOST_CHECK(lives);
    }
}

int main(int argc, char **argv)
{
    static uint64_t before[SOCKETS_MAX];
    unsigned children = argc > 1 ? (unsigned)atoi(argv[1]) : 200, count;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    pthread_t threads[THREADS];

    host_deadline(150);
    host_begin();
    session = host_session();
    key = host_private_key(session, "app");
    HOST_EXPECT(CKR_OK, host_sign(session, key));
    for (uintptr_t i = 0; i < THREADS; i++)
        HOST_CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    while (atomic_load(&working) < THREADS)
        pause_ms(10);
    count = host_sockets(before, SOCKETS_MAX);
    HOST_CHECK(count > 0);
    fork_often(children, session, key);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < THREADS; i++)
        HOST_CHECK(pthread_join(threads[i], NULL) == 0);
    check_sockets_live(before, count);
    HOST_EXPECT(CKR_OK, host_sign(session, key));
    HOST_EXPECT(CKR_OK, host_p11->C_Finalize(NULL));
    return 0;
}
