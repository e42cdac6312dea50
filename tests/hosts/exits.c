/* SPDX-License-Identifier: Apache-2.0 */
/* The ways in which processes end, and in which they load and unload modules. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "host.h"

static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE key;

static void begin(void)
{
    host_begin();
    session = host_session();
    key = host_private_key(session, "app");
    HOST_EXPECT(CKR_OK, host_sign(session, key));
}

static void without_finalize(void)
{
    begin();
}

static void after_dlclose(void)
{
    void *handle = host_load();

    HOST_EXPECT(CKR_OK, host_p11->C_Initialize(NULL));
    session = host_session();
    key = host_private_key(session, "app");
    HOST_EXPECT(CKR_OK, host_sign(session, key));
    HOST_EXPECT(CKR_OK, host_p11->C_Finalize(NULL));
    HOST_CHECK(dlclose(handle) == 0);
}

static void dlclose_without_finalize(void)
{
    void *handle = host_load();

    HOST_EXPECT(CKR_OK, host_p11->C_Initialize(NULL));
    session = host_session();
    key = host_private_key(session, "app");
    HOST_EXPECT(CKR_OK, host_sign(session, key));
    HOST_CHECK(dlclose(handle) == 0);
}

static void loaded_twice(void)
{
    CK_FUNCTION_LIST *first;
    void *one = host_load(), *two;

    first = host_p11;
    two = host_load();
    HOST_CHECK(one == two && first == host_p11);
    HOST_EXPECT(CKR_OK, host_p11->C_Initialize(NULL));
    HOST_EXPECT(CKR_CRYPTOKI_ALREADY_INITIALIZED, first->C_Initialize(NULL));
    HOST_CHECK(dlclose(two) == 0);
    session = host_session();
    HOST_EXPECT(CKR_OK, host_sign(session, host_private_key(session, "app")));
    HOST_CHECK(dlclose(one) == 0);
    HOST_EXPECT(CKR_OK, host_p11->C_Finalize(NULL)); /* -z nodelete: still there */
}

static void loaded_again(void)
{
    for (unsigned i = 0; i < 20; i++)
        after_dlclose();
}

static void child_leaves(void)
{
    int status;
    pid_t pid;

    begin();
    for (unsigned way = 0; way < 4; way++) {
        pid = fork();
        HOST_CHECK(pid >= 0);
        if (pid == 0) {
            if (way >= 2) /* the others never call the module */
                HOST_EXPECT(CKR_OK, host_sign(session, key));
            if (way % 2)
                exit(0);
            _exit(0);
        }
        HOST_CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
                   WEXITSTATUS(status) == 0);
        HOST_EXPECT(CKR_OK, host_sign(session, key));
    }
}

static void late_finalize(void)
{
    CK_RV rv = host_p11->C_Finalize(NULL);

    /* libcrypto is gone: it cannot be entered any more, but neither may it be entered halfway. */
    HOST_CHECK(rv == CKR_OK || rv == CKR_GENERAL_ERROR);
}

/* libcrypto's own atexit handler, registered later, has run before ours. */
static void finalize_at_exit(void)
{
    HOST_CHECK(atexit(late_finalize) == 0);
    begin();
}

static void finalize_after_cleanup(void)
{
    begin();
    OPENSSL_cleanup();
    late_finalize();
}

/* Whether it still works is libcrypto's business; that the process lives is ours. */
static void sign_after_cleanup(void)
{
    begin();
    OPENSSL_cleanup();
    (void)host_sign(session, key);
    late_finalize();
}

static const struct {
    const char *name;
    void (*run)(void);
} ways[] = {
    { "without-finalize", without_finalize },
    { "after-dlclose", after_dlclose },
    { "dlclose-without-finalize", dlclose_without_finalize },
    { "loaded-twice", loaded_twice },
    { "loaded-again", loaded_again },
    { "child-leaves", child_leaves },
    { "finalize-at-exit", finalize_at_exit },
    { "finalize-after-cleanup", finalize_after_cleanup },
    { "sign-after-cleanup", sign_after_cleanup },
};

int main(int argc, char **argv)
{
    host_deadline(60);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (argc < 2)
            puts(ways[i].name);
        else if (strcmp(argv[1], ways[i].name) == 0) {
            ways[i].run();
            return 0;
        }
    }
    HOST_CHECK(argc < 2); /* else there is no such way */
    return 0;
}
