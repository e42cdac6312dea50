/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PKCS#11 module that misbehaves when told to. One token "faulty" with one HMAC key "mac",
 * whose MACs are 32 bytes of 0x5a. The test finds `faulty` by dlsym() in the loaded module.
 */
#ifndef TESTS_FAULTY_H
#define TESTS_FAULTY_H

#include <stdatomic.h>

struct faulty {
    /* what to do; all zero: behave */
    _Atomic unsigned long rv;        /* what the named call answers ... */
    const char *call;                /* ... "C_Sign", ... */
    atomic_int times;                /* ... so often; -1: always */
    atomic_int hang_ms;              /* how long each C_Sign takes */
    _Atomic unsigned long length;    /* C_Sign's, 0: the right one */
    _Atomic unsigned long found;     /* C_FindObjects' count, 0: the right one */
    _Atomic unsigned long attribute; /* every attribute's length, 0: the right one */
    atomic_ulong max_sessions;       /* as CK_TOKEN_INFO says; 0: no limit */
    atomic_ulong real_sessions;      /* behind it C_OpenSession is CKR_SESSION_COUNT; 0: no limit */
    const char *start, *end;         /* the key's dates, "20260131"; NULL: it has none */
    atomic_bool stops_short;         /* C_GetAttributeValue answers none behind an absent one */
    atomic_bool no_token;            /* C_GetSlotList is empty */
    /* what happened */
    atomic_int reads; /* C_GetAttributeValue */
    atomic_int initializes, opens, signs, logins, destroys;
    atomic_int open, most_open;
    _Atomic(void *) context; /* OpenSSL's default context in C_Sign */
};

#endif
