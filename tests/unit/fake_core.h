/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A core without a network, for tests of the PKCS#11 module: it answers the contract of slot.h
 * and key.h with a few keys that really sign, counts what would have been requests, and fails
 * or calls back when a test says so. Linked instead of the core's own slot and key files.
 *
 *   slot 0 "web":    no PIN, random, read-only; certificates of "ec" (with its issuer)
 *                    keys rsa, ec (version 2; version 1 shows as ec@v1), ed, mac, box (AES)
 *   slot 1 "pin":    PIN "1234", no random, writable as far as fake.allow says; key hidden (EC) and
 * its certificate slot 2 "broken": configuration error
 */
#ifndef FAKE_CORE_H
#define FAKE_CORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "remote/remote.h"

struct fake {
    atomic_uint requests;
    atomic_uint looks; /* at the configuration's files */
    unsigned open;     /* cores */
    unsigned logouts;
    char *named;         /* what remote_core_open() was given */
    enum remote_rc fail; /* what requests answer, REMOTE_OK: their result */
    int http_status;
    unsigned allow;            /* of the writable slot: enum remote_allow */
    bool makes_no_keys;        /* the service has no such request */
    void (*during)(void *arg); /* called in the middle of a request */
    void *during_arg;
};
extern struct fake fake;

/* Group fixtures: keys are made once. */
int fake_core_make(void **state);
int fake_core_free(void **state);

/* Test fixtures: C_Initialize with a fresh fake; C_Finalize, and nothing is left open. */
int fake_core_start(void **state);
int fake_core_stop(void **state);

/* Steps that tests share; each asserts success. */
CK_SESSION_HANDLE fake_core_session(CK_SLOT_ID slot);
/* The only object of this class and label. */
CK_OBJECT_HANDLE fake_core_find(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class,
                                const char *label);
void fake_core_enable(const char *name, unsigned version, bool enabled);
/* Whether the service gives the key's bytes out: zeroes. */
void fake_core_release(const char *name, bool released);
/* What a reload of the configuration does to slots; the module sees it when it looks. */
void fake_core_remove(CK_SLOT_ID slot, bool removed);
void fake_core_change(void); /* slot 0 gets another token without keys, or the first one back */
void fake_core_add(void);    /* slot 3 "late" */
size_t fake_core_count(CK_SESSION_HANDLE session, CK_ATTRIBUTE *attributes, CK_ULONG count);

#endif
