/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions. A call that changes a session's operations takes the session, works without a lock
 * and gives it back; meanwhile others get CKR_OPERATION_ACTIVE. Closing a taken session makes
 * its handle invalid at once and leaves the memory to the call that holds it.
 */
#ifndef PKCS11_SESSION_H
#define PKCS11_SESSION_H

#include "operation.h"

struct pkcs11_call;
struct pkcs11_module;
struct pkcs11_slot;

struct pkcs11_find { /* a snapshot of handles, handed out page by page */
    bool active;
    CK_OBJECT_HANDLE *handles;
    size_t count, cap, next;
};

struct pkcs11_session {
    CK_SESSION_HANDLE handle;
    struct pkcs11_slot *slot;
    CK_FLAGS flags;        /* as opened */
    bool busy, closed;     /* lock */
    bool has_objects;      /* lock; session objects were made in it */
    CK_ULONG device_error; /* lock; HTTP status when the service last failed a call */
    /* the rest belongs to the call that took the session */
    struct pkcs11_find find;
    struct pkcs11_operation operations[PKCS11_OPERATION_COUNT];
};

struct pkcs11_session_place {
    struct pkcs11_session *session; /* NULL: free */
    unsigned serial;                /* of the next handle given out for this place */
    size_t next_free;               /* index + 1 */
};
struct pkcs11_session_table {
    struct pkcs11_session_place *places;
    size_t cap;
    size_t first_free; /* index + 1; 0: none */
};

/* CKR_SESSION_HANDLE_INVALID; CKR_OPERATION_ACTIVE: another thread works in it. Lock held. */
CK_RV pkcs11_session_take(struct pkcs11_call *call, CK_SESSION_HANDLE handle);
/* The session when it was closed meanwhile, for pkcs11_session_free(); else NULL. Lock held. */
struct pkcs11_session *pkcs11_session_give(struct pkcs11_call *call, CK_RV rv);
void pkcs11_session_free(struct pkcs11_session *session); /* NULL is fine */

/* For calls that need the slot alone and may run beside others in the same session. */
CK_RV pkcs11_session_slot(struct pkcs11_call *call, CK_SESSION_HANDLE handle,
                          struct pkcs11_slot **ret);

/* Lock held. */
void pkcs11_session_close_all(struct pkcs11_module *module, const struct pkcs11_slot *slot);

/*
 * Whether the taken session may change its token at all. CKR_SESSION_READ_ONLY,
 * CKR_TOKEN_WRITE_PROTECTED, CKR_USER_NOT_LOGGED_IN.
 */
CK_RV pkcs11_session_writable(struct pkcs11_call *call);

/*
 * In a forked child: the threads that were at work in taken sessions do not exist, and what
 * they had in hand may be half changed: those operations are dropped untouched. Lock held.
 */
void pkcs11_session_adopt(struct pkcs11_session_table *table);
void pkcs11_session_table_clear(struct pkcs11_session_table *table);

void pkcs11_find_clear(struct pkcs11_find *find); /* find.c */

#endif
