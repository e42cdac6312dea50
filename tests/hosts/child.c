/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children that are made without the handlers of pthread_atfork(3): by clone(2), which works on
 * in the child, and by posix_spawn(3) and vfork(2), which run another program; that one must
 * not inherit a connection.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

#define SOCKETS_MAX 64

static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE key;

static void await(pid_t pid)
{
    int status;

    HOST_CHECK(waitpid(pid, &status, 0) == pid);
    HOST_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void clone_and_sign(void)
{
    uint64_t before[SOCKETS_MAX], now[SOCKETS_MAX];
    unsigned count = host_sockets(before, SOCKETS_MAX);
    long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

    HOST_CHECK(pid >= 0);
    if (pid == 0) {
        host_deadline(20);
        HOST_EXPECT(CKR_OK, host_sign(session, key));
        HOST_CHECK(host_sockets(now, SOCKETS_MAX) == 1 && count == 1 && now[0] != before[0]);
        HOST_EXPECT(CKR_OK, host_p11->C_Finalize(NULL));
        _exit(0);
    }
    await((pid_t)pid);
    HOST_CHECK(host_sockets(now, SOCKETS_MAX) == 1 && now[0] == before[0]);
    HOST_EXPECT(CKR_OK, host_sign(session, key));
}

/* This program again, which then only looks at what it has inherited. */
static char *self[] = { "/proc/self/exe", "inherited", NULL };
extern char **environ;

static void spawn(void)
{
    pid_t pid;

    HOST_CHECK(posix_spawn(&pid, self[0], NULL, NULL, self, environ) == 0);
    await(pid);
    HOST_EXPECT(CKR_OK, host_sign(session, key));
}

static void vfork_and_exec(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        execv(self[0], self);
        _exit(127);
    }
    await(pid);
    HOST_EXPECT(CKR_OK, host_sign(session, key));
}

/* Neither may the program that is run in the place of this one have them. */
int main(int argc, char **argv)
{
    uint64_t before[SOCKETS_MAX], now[SOCKETS_MAX];

    host_deadline(60);
    if (argc > 0 && argv[argc - 1] && strcmp(argv[argc - 1], self[1]) == 0)
        return host_sockets(now, SOCKETS_MAX) == 0 ? 0 : 1;
    host_begin();
    session = host_session();
    key = host_private_key(session, "app");
    HOST_EXPECT(CKR_OK, host_sign(session, key));
    HOST_CHECK(host_sockets(before, SOCKETS_MAX) == 1);
    for (unsigned i = 0; i < 5; i++) {
        clone_and_sign();
        spawn();
        vfork_and_exec();
    }
    HOST_CHECK(host_sockets(now, SOCKETS_MAX) == 1 && now[0] == before[0]);
    HOST_EXPECT(CKR_OK, host_p11->C_Finalize(NULL));
    return 0;
}
