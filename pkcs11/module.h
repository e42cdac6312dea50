/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state between C_Initialize and C_Finalize, and the way into it. Every C_ function is a
 * thin line around a static one:
 *
 *     CK_RV C_Sign(CK_SESSION_HANDLE session, ...)
 *     {
 *         return PKCS11_SESSION_CALL(call, session, sign(call, ...));
 *     }
 *
 * The macro enters the guard once, takes the module (and the session), and leaves them on the
 * way out whatever the static function did; that one returns where it likes.
 */
#ifndef PKCS11_MODULE_H
#define PKCS11_MODULE_H

#include "error.h"
#include "object.h"
#include "session.h"
#include "session_object.h"

struct pkcs11_slot { /* a configured slot, with the token that is, or was, in it */
    CK_SLOT_ID id;
    struct remote_slot *remote; /* borrowed from the core */
    /* the rest under the module's lock */
    bool present; /* as applications have been told */
    bool event;   /* ... and that it has changed, they have not */
    bool logged_in;
    CK_ULONG sessions, rw_sessions;
    struct remote_key **cert_keys; /* for each certificate there may be, the key it belongs to, once
                                      seen */
    struct pkcs11_slot *next_former;
};

struct pkcs11_module {
    unsigned refs;       /* C_Initialize's, and one for each call that is under way */
    unsigned generation; /* of the process whose calls `refs` and the busy flags count */
    unsigned owner;      /* of the process that last called C_Initialize */
    struct remote_core *core;
    struct pkcs11_slot *slots[REMOTE_SLOTS_MAX]; /* the index is the ID; changed under the lock */
    size_t slot_count;
    struct pkcs11_slot *former; /* whose tokens gave way to others; calls may still use them */
    unsigned core_generation;   /* of the core's slots that `slots` shows */
    struct pkcs11_session_table sessions;
    struct pkcs11_object_table objects;
    struct pkcs11_session_object_table session_objects;
};

struct pkcs11_call { /* one C_ function that is under way, in one thread */
    struct remote_guard guard;
    struct pkcs11_module *module;   /* counted; C_Finalize does not free it under us */
    struct pkcs11_session *session; /* taken, else NULL */
    struct remote_error err;
};

/*
 * CKR_FUNCTION_FAILED: this thread is inside already. The specification has no code for a call
 * out of our own libcrypto back into us; the generic ones are this and CKR_GENERAL_ERROR, and
 * that one tells applications to give up on the whole library.
 * CKR_CRYPTOKI_NOT_INITIALIZED, CKR_GENERAL_ERROR (no private context) and CKR_OK else.
 */
CK_RV pkcs11_module_enter(struct pkcs11_call *call);
/* The same, and takes the session: CKR_SESSION_HANDLE_INVALID, CKR_OPERATION_ACTIVE. */
CK_RV pkcs11_module_enter_session(struct pkcs11_call *call, CK_SESSION_HANDLE handle);
CK_RV pkcs11_module_leave(struct pkcs11_call *call, const char *func, CK_RV rv);

/* The one lock of this front end: tables and flags only, never over a request. */
void pkcs11_module_lock(void);
void pkcs11_module_unlock(void);

/* Not finalised since. Lock held. */
bool pkcs11_module_is_current(const struct pkcs11_module *module);

/* Until then, or until C_Finalize has taken the module away. Lock held, and given up meanwhile. */
void pkcs11_module_wait(int64_t until_ms);

/* Blank-padded, not NUL-terminated (PKCS#11 3.0 section 3.2); cut when too long. */
void pkcs11_module_pad(CK_UTF8CHAR *field, size_t size, const char *text);

#define PKCS11_ENTERED_CALL(call, entering, expression)                                            \
    ({                                                                                             \
        struct pkcs11_call entered_, *const call = &entered_;                                      \
        CK_RV rv_ = (entering);                                                                    \
        if (rv_ == CKR_OK)                                                                         \
            rv_ = (expression);                                                                    \
        pkcs11_module_leave(call, __func__, rv_);                                                  \
    })
#define PKCS11_CALL(call, expression)                                                              \
    PKCS11_ENTERED_CALL(call, pkcs11_module_enter(call), expression)
#define PKCS11_SESSION_CALL(call, handle, expression)                                              \
    PKCS11_ENTERED_CALL(call, pkcs11_module_enter_session(call, (handle)), expression)

/* For static functions that return CK_RV; the sibling of REMOTE_TRY. */
#define PKCS11_TRY(expression)                                                                     \
    do {                                                                                           \
        CK_RV tried_ = (expression);                                                               \
        if (tried_ != CKR_OK)                                                                      \
            return tried_;                                                                         \
    } while (0)

/* ---- slot_event.c ---- */
struct pkcs11_slot *pkcs11_slot_new(struct remote_slot *remote, CK_SLOT_ID id); /* NULL: memory */
void pkcs11_slot_free(struct pkcs11_slot *slot);
/* Shows what has become of the slots, once the configuration has changed. */
void pkcs11_slot_look(struct pkcs11_call *call);

/* ---- slot.c ---- */
/* CKR_SLOT_ID_INVALID */
CK_RV pkcs11_slot_find(struct pkcs11_call *call, CK_SLOT_ID id, struct pkcs11_slot **ret);
/* The same, and CKR_TOKEN_NOT_PRESENT when its configuration is broken, or gone. */
CK_RV pkcs11_slot_token(struct pkcs11_call *call, CK_SLOT_ID id, struct pkcs11_slot **ret);
/* Whether its token is the one in the slot, and there. Lock held. */
bool pkcs11_slot_present(const struct pkcs11_module *module, const struct pkcs11_slot *slot);
/* Login belongs to the process. Lock held. */
bool pkcs11_slot_logged_in(const struct pkcs11_slot *slot);
/* Forgets PIN and private handles; nothing to do when not logged in. Lock held. */
void pkcs11_slot_logout(struct pkcs11_module *module, struct pkcs11_slot *slot);

#endif
