/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C_Initialize to C_Finalize, the way into every call between them, and fork (design section 7):
 * a child keeps sessions, handles, logins and collected operations, and what its parent's other
 * threads had in hand when it was made is dropped on its first call.
 */
#include "module.h"

#include <stdlib.h>
#include <string.h>

#include "build-config.h"

static struct remote_lock lock = REMOTE_LOCK_STATIC(REMOTE_LOCK_FRONT);
static struct pkcs11_module *current; /* NULL: not initialised */
static struct remote_cond finalized;  /* `current` has become NULL */

void pkcs11_module_lock(void)
{
    remote_lock_acquire(&lock);
}

void pkcs11_module_unlock(void)
{
    remote_lock_release(&lock);
}

bool pkcs11_module_is_current(const struct pkcs11_module *module)
{
    return current == module;
}

void pkcs11_module_wait(int64_t until_ms)
{
    remote_cond_wait(&finalized, &lock, until_ms);
}

void pkcs11_module_pad(CK_UTF8CHAR *field, size_t size, const char *text)
{
    size_t len = strnlen(text, size);

    memset(field, ' ', size);
    memcpy(field, text, len);
}

static void module_free(struct pkcs11_module *module)
{
    pkcs11_session_table_clear(&module->sessions);
    pkcs11_session_object_table_clear(&module->session_objects);
    pkcs11_object_table_clear(&module->objects);
    for (size_t i = 0; i < module->slot_count; i++)
        pkcs11_slot_free(module->slots[i]);
    while (module->former) {
        struct pkcs11_slot *slot = module->former;

        module->former = slot->next_former;
        pkcs11_slot_free(slot);
    }
    remote_core_close(module->core); /* last: keys, slots and certificates belong to it */
    free(module);
}

/* Lock held. The first call in a child: nobody else's calls are under way here. */
static void module_adopt(struct pkcs11_module *module, unsigned generation)
{
    if (module->generation == generation)
        return;
    module->generation = generation;
    module->refs = 1;
    pkcs11_session_adopt(&module->sessions);
}

/* Lock held. */
static CK_RV module_take(struct pkcs11_call *call, unsigned generation)
{
    if (!current)
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    module_adopt(current, generation);
    current->refs++;
    call->module = current;
    return CKR_OK;
}

static void module_drop(struct pkcs11_module *module)
{
    bool last;

    pkcs11_module_lock();
    last = --module->refs == 0;
    pkcs11_module_unlock();
    if (last)
        module_free(module);
}

/* The guard alone, for the one call that works without a module. */
static CK_RV enter_guard(struct pkcs11_call *call)
{
    enum remote_rc rc;

    call->module = NULL;
    call->session = NULL;
    remote_error_clear(&call->err);
    rc = remote_guard_enter(&call->guard, &call->err);
    if (rc == REMOTE_OK)
        return CKR_OK;
    if (rc != REMOTE_E_USAGE)
        return CKR_GENERAL_ERROR;
    call->err.text[0] = '\0'; /* the guard has said it */
    return CKR_FUNCTION_FAILED;
}

CK_RV pkcs11_module_enter(struct pkcs11_call *call)
{
    unsigned generation;
    CK_RV rv;

    PKCS11_TRY(enter_guard(call));
    generation = remote_fork_generation();
    pkcs11_module_lock();
    rv = module_take(call, generation);
    pkcs11_module_unlock();
    return rv;
}

/* Under one lock: with a session key the locks are what a small message costs. */
CK_RV pkcs11_module_enter_session(struct pkcs11_call *call, CK_SESSION_HANDLE handle)
{
    unsigned generation;
    CK_RV rv;

    PKCS11_TRY(enter_guard(call));
    generation = remote_fork_generation();
    pkcs11_module_lock();
    rv = module_take(call, generation);
    if (rv == CKR_OK)
        rv = pkcs11_session_take(call, handle);
    pkcs11_module_unlock();
    return rv;
}

static void leave_module(struct pkcs11_call *call, CK_RV rv)
{
    struct pkcs11_session *closed = NULL;
    bool last;

    pkcs11_module_lock();
    if (call->session)
        closed = pkcs11_session_give(call, rv);
    last = --call->module->refs == 0;
    pkcs11_module_unlock();
    pkcs11_session_free(closed);
    if (last)
        module_free(call->module);
}

CK_RV pkcs11_module_leave(struct pkcs11_call *call, const char *func, CK_RV rv)
{
    if (call->module)
        leave_module(call, rv);
    remote_guard_leave(&call->guard);
    return pkcs11_done(func, rv, &call->err);
}

/* ---- C_Initialize ---- */

static CK_RV bad_parameter(struct pkcs11_call *call, const char *text)
{
    REMOTE_FAIL(&call->err, REMOTE_E_USAGE,
                "the module's parameter is '%.100s'; it takes 'config=/ABSOLUTE/PATH'", text);
    return CKR_ARGUMENTS_BAD;
}

/*
 * The text behind pReserved: p11-kit's x-init-reserved, pkcs11-provider's init-args, NSS's
 * parameters="". *ret_path is NULL when it names nothing, else free() it.
 */
static CK_RV read_parameter(struct pkcs11_call *call, const char *text, char **ret_path)
{
    static const char blanks[] = " \t\r\n", config[] = "config=";
    const char *begin = text + strspn(text, blanks);
    size_t len = strlen(begin);
    char *path;

    while (len > 0 && strchr(blanks, begin[len - 1]))
        len--;
    if (len == 0)
        return CKR_OK;
    if (strncmp(begin, config, strlen(config)) != 0 || begin[strlen(config)] != '/')
        return bad_parameter(call, text);
    path = strndup(begin + strlen(config), len - strlen(config));
    if (!path)
        return CKR_HOST_MEMORY;
    *ret_path = path;
    return CKR_OK;
}

/* PKCS#11 3.0 section 5.4.1: all four mutex functions or none. */
static CK_RV check_locking(const CK_C_INITIALIZE_ARGS *args)
{
    int given =
        !!args->CreateMutex + !!args->DestroyMutex + !!args->LockMutex + !!args->UnlockMutex;

    if (given != 0 && given != 4)
        return CKR_ARGUMENTS_BAD;
    /* Without either we lock all the same: the application promises one thread, and many that
     * promise it have more. Its own mutexes alone would not survive a fork, nor may a callback
     * run inside the guard. p11-kit answers the same. */
    return given && !(args->flags & CKF_OS_LOCKING_OK) ? CKR_CANT_LOCK : CKR_OK;
}

static CK_RV read_arguments(struct pkcs11_call *call, const CK_C_INITIALIZE_ARGS *args,
                            char **ret_path)
{
    if (!args)
        return CKR_OK;
    PKCS11_TRY(check_locking(args));
    /* NSS's header calls the standard's pReserved LibraryParameters; the pReserved that follows
     * there is not part of the standard's structure and must not be read. */
    if (!args->LibraryParameters)
        return CKR_OK;
    return read_parameter(call, (const char *)args->LibraryParameters, ret_path);
}

/* Takes over core, also on failure. */
static struct pkcs11_module *module_new(struct remote_core *core)
{
    struct pkcs11_module *module = calloc(1, sizeof(*module));
    size_t count;

    if (!module) {
        remote_core_close(core);
        return NULL;
    }
    module->core = core;
    module->refs = 1;
    module->generation = module->owner = remote_fork_generation();
    module->core_generation = remote_core_generation(core); /* first: what follows is as new */
    count = remote_core_slot_count(core);
    for (size_t i = 0; i < count; i++) {
        module->slots[i] = pkcs11_slot_new(remote_core_slot(core, i), i);
        if (!module->slots[i]) {
            module_free(module);
            return NULL;
        }
        module->slot_count++;
    }
    return module;
}

/* Lock held. Once for all: a caller may still be leaving its wait. */
static void initialise_cond(void)
{
    static bool done;

    if (!done)
        remote_cond_init(&finalized);
    done = true;
}

/* True when C_Initialize has its answer without loading anything. */
static bool already_initialised(CK_RV *ret_rv)
{
    unsigned generation = remote_fork_generation();
    bool known;

    pkcs11_module_lock();
    known = current != NULL;
    if (known) {
        *ret_rv = current->owner == generation ? CKR_CRYPTOKI_ALREADY_INITIALIZED : CKR_OK;
        current->owner = generation;
    }
    pkcs11_module_unlock();
    return known;
}

static CK_RV load(struct pkcs11_call *call, const char *path)
{
    struct remote_core *core = NULL;
    struct pkcs11_module *module;
    bool won;
    enum remote_rc rc = remote_core_open(path, &core, &call->err);

    if (rc != REMOTE_OK) /* p11-kit and others then go on without us */
        return rc == REMOTE_E_NOMEM ? CKR_HOST_MEMORY : CKR_GENERAL_ERROR;
    module = module_new(core);
    if (!module)
        return CKR_HOST_MEMORY;
    pkcs11_module_lock();
    won = current == NULL;
    if (won) {
        current = module;
        initialise_cond();
    }
    pkcs11_module_unlock();
    if (!won)
        module_drop(module); /* another thread was faster */
    return won ? CKR_OK : CKR_CRYPTOKI_ALREADY_INITIALIZED;
}

static CK_RV initialize(struct pkcs11_call *call, const CK_C_INITIALIZE_ARGS *args)
{
    CLEANUP(remote_str_free) char *path = NULL;
    CK_RV rv;

    PKCS11_TRY(read_arguments(call, args, &path));
    remote_lock_enroll(&lock);
    return already_initialised(&rv) ? rv : load(call, path);
}

CK_RV C_Initialize(CK_VOID_PTR args)
{
    struct pkcs11_call call;
    CK_RV rv = enter_guard(&call);

    if (rv == CKR_OK)
        rv = initialize(&call, args);
    return pkcs11_module_leave(&call, __func__, rv);
}

/* ---- C_Finalize ---- */

/*
 * Takes the module away from everybody; calls that are under way keep it until they leave. In a
 * child this ends the child's state only, and no token is revoked: siblings share it.
 */
static CK_RV finalize(struct pkcs11_call *call, const void *reserved)
{
    bool mine;

    if (reserved)
        return CKR_ARGUMENTS_BAD;
    pkcs11_module_lock();
    mine = current == call->module; /* else another thread has finalised it just now */
    if (mine) {
        current = NULL;
        remote_cond_broadcast(&finalized);
        for (size_t i = 0; i < call->module->slot_count; i++)
            pkcs11_slot_logout(call->module, call->module->slots[i]);
    }
    pkcs11_module_unlock();
    if (!mine)
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    module_drop(call->module); /* C_Initialize's reference; the call has its own */
    return CKR_OK;
}

CK_RV C_Finalize(CK_VOID_PTR reserved)
{
    return PKCS11_CALL(call, finalize(call, reserved));
}

static CK_RV get_info(CK_INFO *ret)
{
    if (!ret)
        return CKR_ARGUMENTS_BAD;
    memset(ret, 0, sizeof(*ret));
    ret->cryptokiVersion = (CK_VERSION){ 3, 0 };
    pkcs11_module_pad(ret->manufacturerID, sizeof(ret->manufacturerID),
                      REMOTE_IDENTITY_MANUFACTURER);
    pkcs11_module_pad(ret->libraryDescription, sizeof(ret->libraryDescription),
                      REMOTE_IDENTITY_LIBRARY);
    ret->libraryVersion = (CK_VERSION){ HSMBRIDGE_VERSION_MAJOR, HSMBRIDGE_VERSION_MINOR };
    return CKR_OK;
}

CK_RV C_GetInfo(CK_INFO_PTR ret)
{
    return PKCS11_CALL(call, get_info(ret));
}
