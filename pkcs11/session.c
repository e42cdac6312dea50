/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handle is a place in the table and a serial number: found in one step, never 0, and not
 * given out again before its place has been used 65536 times. It fits 32 bits, for clients and
 * remoting protocols that keep no more.
 */
#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "module.h"

#define PLACE_BITS 16
#define PLACES_MAX ((1u << PLACE_BITS) - 1) /* place + 1 fits, and is never 0 */
#define SERIAL_MASK 0xffffu

/* ---- the table; lock held ---- */

static bool table_grow(struct pkcs11_session_table *table)
{
    size_t cap = table->cap ? table->cap * 2 : 64;
    struct pkcs11_session_place *places;

    if (table->cap == PLACES_MAX)
        return false;
    if (cap > PLACES_MAX)
        cap = PLACES_MAX;
    places = realloc(table->places, cap * sizeof(*places));
    if (!places)
        return false;
    for (size_t i = table->cap; i < cap; i++)
        places[i] = (struct pkcs11_session_place){ NULL, 0, i + 1 < cap ? i + 2 : 0 };
    table->places = places;
    table->first_free = table->cap + 1;
    table->cap = cap;
    return true;
}

static bool table_add(struct pkcs11_session_table *table, struct pkcs11_session *session)
{
    struct pkcs11_session_place *place;
    size_t number;

    if (table->first_free == 0 && !table_grow(table))
        return false;
    number = table->first_free;
    place = &table->places[number - 1];
    table->first_free = place->next_free;
    place->session = session;
    session->handle = (CK_SESSION_HANDLE)(place->serial & SERIAL_MASK) << PLACE_BITS | number;
    return true;
}

static struct pkcs11_session *table_find(const struct pkcs11_session_table *table,
                                         CK_SESSION_HANDLE handle)
{
    size_t number = handle & PLACES_MAX;
    struct pkcs11_session *session;

    if (number == 0 || number > table->cap)
        return NULL;
    session = table->places[number - 1].session;
    return session && session->handle == handle ? session : NULL;
}

static void table_remove(struct pkcs11_session_table *table, const struct pkcs11_session *session)
{
    size_t number = session->handle & PLACES_MAX;
    struct pkcs11_session_place *place = &table->places[number - 1];

    place->session = NULL;
    place->serial++;
    place->next_free = table->first_free;
    table->first_free = number;
}

void pkcs11_session_free(struct pkcs11_session *session)
{
    if (!session)
        return;
    pkcs11_find_clear(&session->find);
    for (size_t i = 0; i < PKCS11_OPERATION_COUNT; i++)
        pkcs11_operation_clear(&session->operations[i]);
    free(session);
}

void pkcs11_session_table_clear(struct pkcs11_session_table *table)
{
    for (size_t i = 0; i < table->cap; i++)
        if (table->places[i].session)
            pkcs11_session_free(table->places[i].session);
    free(table->places);
    memset(table, 0, sizeof(*table));
}

void pkcs11_session_adopt(struct pkcs11_session_table *table)
{
    for (size_t i = 0; i < table->cap; i++) {
        struct pkcs11_session *session = table->places[i].session;

        if (!session || !session->busy)
            continue;
        session->busy = false;
        memset(&session->find, 0, sizeof(session->find));
        memset(session->operations, 0, sizeof(session->operations));
    }
}

/* ---- taking and giving back ---- */

CK_RV pkcs11_session_take(struct pkcs11_call *call, CK_SESSION_HANDLE handle)
{
    struct pkcs11_session *session = table_find(&call->module->sessions, handle);

    if (!session)
        return CKR_SESSION_HANDLE_INVALID;
    if (session->busy)
        return CKR_OPERATION_ACTIVE;
    session->busy = true;
    call->session = session;
    return CKR_OK;
}

struct pkcs11_session *pkcs11_session_give(struct pkcs11_call *call, CK_RV rv)
{
    struct pkcs11_session *session = call->session;

    if (rv != CKR_OK && pkcs11_rv_of_service(call->err.rc))
        session->device_error = (CK_ULONG)remote_slot_last_status();
    session->busy = false;
    call->session = NULL;
    return session->closed ? session : NULL;
}

CK_RV pkcs11_session_slot(struct pkcs11_call *call, CK_SESSION_HANDLE handle,
                          struct pkcs11_slot **ret)
{
    const struct pkcs11_session *session;

    pkcs11_module_lock();
    session = table_find(&call->module->sessions, handle);
    if (session)
        *ret = session->slot;
    pkcs11_module_unlock();
    return session ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

/* ---- opening ---- */

/*
 * Read-write sessions are given on write-protected tokens too. The specification would have
 * CKR_TOKEN_WRITE_PROTECTED, but clients that only sign open nothing else (crypto11 does), and a
 * session object may be made in any session; what would change the token is refused by itself.
 */
static CK_RV open_session(struct pkcs11_call *call, CK_SLOT_ID id, CK_FLAGS flags,
                          CK_SESSION_HANDLE *ret)
{
    struct pkcs11_session *session;
    struct pkcs11_slot *slot = NULL;
    CK_RV rv = CKR_OK;

    if (!ret)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_slot_find(call, id, &slot));
    if (!(flags & CKF_SERIAL_SESSION))
        return CKR_SESSION_PARALLEL_NOT_SUPPORTED;
    PKCS11_TRY(pkcs11_slot_token(call, id, &slot));
    session = calloc(1, sizeof(*session));
    if (!session)
        return CKR_HOST_MEMORY;
    session->slot = slot;
    session->flags = flags & (CKF_SERIAL_SESSION | CKF_RW_SESSION);
    pkcs11_module_lock();
    if (!pkcs11_slot_present(call->module, slot)) {
        rv = CKR_DEVICE_REMOVED; /* just now */
    } else if (!table_add(&call->module->sessions, session)) {
        rv = CKR_SESSION_COUNT;
    } else {
        slot->sessions++;
        slot->rw_sessions += !!(flags & CKF_RW_SESSION);
        *ret = session->handle;
    }
    pkcs11_module_unlock();
    if (rv != CKR_OK)
        free(session);
    return rv;
}

/* Notify is taken and never called: of a token that goes C_WaitForSlotEvent tells. */
CK_RV C_OpenSession(CK_SLOT_ID id, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
                    CK_SESSION_HANDLE_PTR ret)
{
    (void)application;
    (void)notify;
    return PKCS11_CALL(call, open_session(call, id, flags, ret));
}

/* ---- closing ---- */

/*
 * Lock held. Returns the session when it is to be freed, NULL when the call that works in it
 * will. With its last session a slot's user is logged out (PKCS#11 3.0 section 5.6.2).
 */
static struct pkcs11_session *session_close(struct pkcs11_module *module,
                                            struct pkcs11_session *session)
{
    struct pkcs11_slot *slot = session->slot;

    table_remove(&module->sessions, session);
    pkcs11_session_object_end(module, session);
    slot->sessions--;
    slot->rw_sessions -= !!(session->flags & CKF_RW_SESSION);
    if (slot->sessions == 0)
        pkcs11_slot_logout(module, slot);
    session->closed = true;
    return session->busy ? NULL : session;
}

static CK_RV close_session(struct pkcs11_call *call, CK_SESSION_HANDLE handle)
{
    struct pkcs11_session *session, *idle = NULL;

    pkcs11_module_lock();
    session = table_find(&call->module->sessions, handle);
    if (session)
        idle = session_close(call->module, session);
    pkcs11_module_unlock();
    if (idle)
        pkcs11_session_free(idle);
    return session ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

CK_RV C_CloseSession(CK_SESSION_HANDLE session)
{
    return PKCS11_CALL(call, close_session(call, session));
}

void pkcs11_session_close_all(struct pkcs11_module *module, const struct pkcs11_slot *slot)
{
    struct pkcs11_session_table *table = &module->sessions;

    for (size_t i = 0; i < table->cap; i++) {
        struct pkcs11_session *session = table->places[i].session;

        if (session && session->slot == slot && (session = session_close(module, session)))
            pkcs11_session_free(session);
    }
}

static CK_RV close_all_sessions(struct pkcs11_call *call, CK_SLOT_ID id)
{
    struct pkcs11_slot *slot = NULL;

    PKCS11_TRY(pkcs11_slot_find(call, id, &slot));
    pkcs11_module_lock();
    pkcs11_session_close_all(call->module, slot);
    pkcs11_module_unlock();
    return CKR_OK;
}

CK_RV C_CloseAllSessions(CK_SLOT_ID id)
{
    return PKCS11_CALL(call, close_all_sessions(call, id));
}

/* ---- about a session ---- */

CK_RV pkcs11_session_writable(struct pkcs11_call *call)
{
    const struct pkcs11_slot *slot = call->session->slot;
    bool may;

    if (!(call->session->flags & CKF_RW_SESSION))
        return CKR_SESSION_READ_ONLY;
    if (!remote_slot_writable(slot->remote))
        return CKR_TOKEN_WRITE_PROTECTED;
    pkcs11_module_lock();
    may = !remote_slot_needs_login(slot->remote) || pkcs11_slot_logged_in(slot);
    pkcs11_module_unlock();
    return may ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

static CK_STATE session_state(const struct pkcs11_session *session)
{
    bool user = pkcs11_slot_logged_in(session->slot);

    if (session->flags & CKF_RW_SESSION)
        return user ? CKS_RW_USER_FUNCTIONS : CKS_RW_PUBLIC_SESSION;
    return user ? CKS_RO_USER_FUNCTIONS : CKS_RO_PUBLIC_SESSION;
}

static CK_RV get_session_info(struct pkcs11_call *call, CK_SESSION_HANDLE handle,
                              CK_SESSION_INFO *ret)
{
    const struct pkcs11_session *session;

    if (!ret)
        return CKR_ARGUMENTS_BAD;
    pkcs11_module_lock();
    session = table_find(&call->module->sessions, handle);
    if (session) {
        ret->slotID = session->slot->id;
        ret->state = session_state(session);
        ret->flags = session->flags;
        ret->ulDeviceError = session->device_error;
    }
    pkcs11_module_unlock();
    return session ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO_PTR ret)
{
    return PKCS11_CALL(call, get_session_info(call, session, ret));
}

/* PKCS#11 3.0 section 5.6.7; kinds that are never under way are nothing to end. */
static CK_RV session_cancel(struct pkcs11_call *call, CK_FLAGS flags)
{
    static const CK_FLAGS flag_of[PKCS11_OPERATION_COUNT] = {
        [PKCS11_SIGN] = CKF_SIGN,
        [PKCS11_VERIFY] = CKF_VERIFY,
        [PKCS11_ENCRYPT] = CKF_ENCRYPT,
        [PKCS11_DECRYPT] = CKF_DECRYPT,
        [PKCS11_DIGEST] = CKF_DIGEST,
        [PKCS11_MESSAGE_ENCRYPT] = CKF_MESSAGE_ENCRYPT,
        [PKCS11_MESSAGE_DECRYPT] = CKF_MESSAGE_DECRYPT,
    };

    for (size_t i = 0; i < PKCS11_OPERATION_COUNT; i++)
        if (flags & flag_of[i])
            pkcs11_operation_clear(&call->session->operations[i]);
    if (flags & CKF_FIND_OBJECTS)
        pkcs11_find_clear(&call->session->find);
    return CKR_OK;
}

CK_RV C_SessionCancel(CK_SESSION_HANDLE session, CK_FLAGS flags)
{
    return PKCS11_SESSION_CALL(call, session, session_cancel(call, flags));
}

/* ---- operation state (section 5.6.5) ---- */

static bool under_way(const struct pkcs11_session *session)
{
    for (size_t i = 0; i < PKCS11_OPERATION_COUNT; i++)
        if (session->operations[i].active)
            return true;
    return session->find.active;
}

/* A half-done operation is a state of libcrypto's, which it does not give out. */
static CK_RV get_operation_state(struct pkcs11_call *call, const CK_ULONG *len)
{
    if (!len)
        return CKR_ARGUMENTS_BAD;
    return under_way(call->session) ? CKR_STATE_UNSAVEABLE : CKR_OPERATION_NOT_INITIALIZED;
}

CK_RV C_GetOperationState(CK_SESSION_HANDLE session, CK_BYTE_PTR state, CK_ULONG_PTR len)
{
    (void)state;
    return PKCS11_SESSION_CALL(call, session, get_operation_state(call, len));
}

/* None was ever given out. */
CK_RV C_SetOperationState(CK_SESSION_HANDLE session, CK_BYTE_PTR state, CK_ULONG len,
                          CK_OBJECT_HANDLE encryption_key, CK_OBJECT_HANDLE authentication_key)
{
    (void)len;
    (void)encryption_key;
    (void)authentication_key;
    return PKCS11_SESSION_CALL(call, session, state ? CKR_SAVED_STATE_INVALID : CKR_ARGUMENTS_BAD);
}
