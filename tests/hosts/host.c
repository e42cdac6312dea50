/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

CK_FUNCTION_LIST *host_p11;

void host_fail(const char *file, int line, const char *what)
{
    dprintf(STDERR_FILENO, "%s:%d: [%ld] %s\n", file, line, (long)getpid(), what);
    _exit(1);
}

void host_expect(const char *file, int line, const char *what, CK_RV expected, CK_RV got)
{
    char text[512];

    if (got == expected)
        return;
    snprintf(text, sizeof(text), "%s is 0x%lx, not 0x%lx", what, got, expected);
    host_fail(file, line, text);
}

void host_deadline(unsigned seconds)
{
    alarm(seconds);
}

int64_t host_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the module ---- */

void *host_load(void)
{
    CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR);
    const char *path = getenv("HSMBRIDGE_MODULE");
    void *handle = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    void *symbol;

    if (!handle)
        host_fail(__FILE__, __LINE__, path ? dlerror() : "HSMBRIDGE_MODULE is not set");
    symbol = dlsym(handle, "C_GetFunctionList");
    HOST_CHECK(symbol);
    memcpy(&get, &symbol, sizeof(get));
    HOST_EXPECT(CKR_OK, get(&host_p11));
    return handle;
}

void host_begin(void)
{
    host_load();
    HOST_EXPECT(CKR_OK, host_p11->C_Initialize(NULL));
}

/* p11-kit's proxy shows the tokens of other modules, too. */
CK_SLOT_ID host_slot(void)
{
    static const char ours[] = "hsmbridge ";
    CK_SLOT_ID slots[64];
    CK_ULONG count = sizeof(slots) / sizeof(slots[0]);
    CK_TOKEN_INFO token;

    HOST_EXPECT(CKR_OK, host_p11->C_GetSlotList(CK_TRUE, slots, &count));
    for (CK_ULONG i = 0; i < count; i++)
        if (host_p11->C_GetTokenInfo(slots[i], &token) == CKR_OK &&
            memcmp(token.manufacturerID, ours, strlen(ours)) == 0)
            return slots[i];
    host_fail(__FILE__, __LINE__, "no token of hsmbridge");
}

CK_SESSION_HANDLE host_session(void)
{
    CK_SESSION_HANDLE session;

    HOST_EXPECT(CKR_OK,
                host_p11->C_OpenSession(host_slot(), CKF_SERIAL_SESSION, NULL, NULL, &session));
    return session;
}

CK_RV host_find(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, const char *label,
                CK_OBJECT_HANDLE *ret)
{
    CK_ATTRIBUTE wanted[] = { { CKA_CLASS, &class, sizeof(class) },
                              { CKA_LABEL, (void *)(uintptr_t)label, strlen(label) } };
    CK_ULONG count = 0;
    CK_RV rv = host_p11->C_FindObjectsInit(session, wanted, 2);

    if (rv != CKR_OK)
        return rv;
    rv = host_p11->C_FindObjects(session, ret, 1, &count);
    host_p11->C_FindObjectsFinal(session);
    if (rv == CKR_OK && count != 1)
        rv = CKR_OBJECT_HANDLE_INVALID;
    return rv;
}

CK_OBJECT_HANDLE host_private_key(CK_SESSION_HANDLE session, const char *label)
{
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;

    HOST_EXPECT(CKR_OK, host_find(session, CKO_PRIVATE_KEY, label, &key));
    return key;
}

CK_RV host_sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
    CK_BYTE digest[32] = "hsmbridge", signature[64];
    CK_ULONG len = sizeof(signature);
    CK_RV rv = host_p11->C_SignInit(session, &mechanism, key);

    if (rv == CKR_OK)
        rv = host_p11->C_Sign(session, digest, sizeof(digest), signature, &len);
    return rv == CKR_OK && len != sizeof(signature) ? CKR_SIGNATURE_LEN_RANGE : rv;
}

CK_RV host_list(CK_SESSION_HANDLE session, CK_ULONG *ret_count)
{
    CK_OBJECT_HANDLE found[32];
    CK_ULONG count = 1, sum = 0;
    CK_RV rv = host_p11->C_FindObjectsInit(session, NULL, 0);

    if (rv != CKR_OK)
        return rv;
    while (rv == CKR_OK && count > 0) {
        rv = host_p11->C_FindObjects(session, found, 32, &count);
        sum += count;
    }
    host_p11->C_FindObjectsFinal(session);
    *ret_count = sum;
    return rv;
}

/* ---- descriptors ---- */

static void walk_fds(void (*each)(int fd, void *arg), void *arg)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    HOST_CHECK(dir);
    while ((entry = readdir(dir)) != NULL) {
        int fd = atoi(entry->d_name);

        if (entry->d_name[0] != '.' && fd != dirfd(dir))
            each(fd, arg);
    }
    closedir(dir);
}

struct inodes {
    uint64_t *list;
    unsigned count, max;
};

static void add_socket(int fd, void *arg)
{
    struct inodes *inodes = arg;
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    struct stat st;

    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0 && address.ss_family != AF_UNIX &&
        fstat(fd, &st) == 0 && inodes->count < inodes->max)
        inodes->list[inodes->count++] = st.st_ino;
}

unsigned host_sockets(uint64_t *ret_inodes, unsigned max)
{
    struct inodes inodes = { ret_inodes, 0, max };

    walk_fds(add_socket, &inodes);
    return inodes.count;
}

static void count_fd(int fd, void *arg)
{
    (void)fd;
    ++*(unsigned *)arg;
}

unsigned host_count_fds(void)
{
    unsigned count = 0;

    walk_fds(count_fd, &count);
    return count;
}
