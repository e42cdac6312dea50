/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host programs share: each is a process that the module has to live in, and checks
 * one subject from the inside. The module is the file that HSMBRIDGE_MODULE names, its
 * configuration the one of HSMBRIDGE_CONFIG. A host says nothing while all is well, so that the
 * test that drives it can also hold the module to that; what fails goes to stderr and ends it.
 */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/ck.h"

extern CK_FUNCTION_LIST *host_p11; /* set by host_load() */

#define HOST_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            host_fail(__FILE__, __LINE__, #condition);                                             \
    } while (0)
#define HOST_EXPECT(expected, call) host_expect(__FILE__, __LINE__, #call, (expected), (call))

void host_fail(const char *file, int line, const char *what) __attribute__((noreturn));
void host_expect(const char *file, int line, const char *what, CK_RV expected, CK_RV got);

/* Ends the process by SIGALRM when it is not done by then: a hang is a failure. */
void host_deadline(unsigned seconds);
int64_t host_now_ms(void);

void *host_load(void);      /* dlopen(); returns its handle */
void host_begin(void);      /* host_load() and C_Initialize() */
CK_SLOT_ID host_slot(void); /* the first of ours */
CK_SESSION_HANDLE host_session(void);
/* The one object of this class with this label. */
CK_RV host_find(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, const char *label,
                CK_OBJECT_HANDLE *ret);
CK_OBJECT_HANDLE host_private_key(CK_SESSION_HANDLE session, const char *label);
/* ECDSA P-256 over a fixed digest. */
CK_RV host_sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key);
/* All handles there are: walks the whole token. */
CK_RV host_list(CK_SESSION_HANDLE session, CK_ULONG *ret_count);

/* Inodes of this process's TCP sockets; returns how many, at most max. */
unsigned host_sockets(uint64_t *ret_inodes, unsigned max);
unsigned host_count_fds(void);

#endif
