/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection to the token and its pool of sessions: a session for each concurrent caller, the
 * one used last taken first. Connecting and logging in are done by one caller while the others
 * wait for how it ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsm.h"
#include "remote/gate.h"
#include "remote/slot_private.h"

/* ---- what belongs to one process ---- */

/* A token logs out when its last session ends (PKCS#11 3.0, 5.6.5). */
static void forget_login(struct hsm *hsm)
{
    hsm->logged_in = hsm->login_ours = false;
    hsm_handles_clear(&hsm->handles);
    hsm_inventory_clear(&hsm->inventory);
}

/* A child's module has to be initialized again; the parent's sessions are not the child's. */
static void forget_connection(struct hsm *hsm)
{
    hsm->epoch = 0;
    hsm->idle_count = hsm->open_count = 0;
    forget_login(hsm);
}

static void notice_fork(struct hsm *hsm)
{
    if (hsm->generation == remote_fork_generation())
        return;
    forget_connection(hsm);
    hsm->initialized = hsm->busy = false;
    hsm->waiting = 0;
    hsm->generation = remote_fork_generation();
}

void hsm_sessions_init(struct hsm *hsm)
{
    remote_lock_init(&hsm->lock, REMOTE_LOCK_POOL);
    remote_cond_init(&hsm->changed);
    hsm->generation = remote_fork_generation();
}

static void close_all(CK_FUNCTION_LIST *functions, const CK_SESSION_HANDLE *handles, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)HSM_CALL(functions, C_CloseSession, handles[i]);
}

void hsm_sessions_clear(struct hsm *hsm)
{
    notice_fork(hsm);
    if (hsm->initialized) {
        close_all(hsm->functions, hsm->idle, hsm->idle_count);
        hsm_module_finalize(hsm->functions);
    }
    if (!remote_gate_cut_off())
        hsm_module_unload(hsm->functions);
    hsm_handles_clear(&hsm->handles);
    hsm_inventory_clear(&hsm->inventory);
    remote_secret_clear(&hsm->login_pin);
    remote_secret_clear(&hsm->refused);
    free(hsm->idle);
    remote_cond_destroy(&hsm->changed);
    remote_lock_destroy(&hsm->lock);
}

/* ---- steps of which one caller at a time does one; the lock is held, and released meanwhile ----
 */

static void begin_step(struct hsm *hsm)
{
    hsm->busy = true;
    remote_lock_release(&hsm->lock);
}

static enum remote_rc end_step(struct hsm *hsm, enum remote_rc rc, const struct remote_error *why,
                               struct remote_error *err)
{
    hsm->busy = false;
    hsm->attempts++;
    hsm->failure = rc != REMOTE_OK ? *why : (struct remote_error){ 0 };
    hsm->failure.rc = rc;
    remote_cond_broadcast(&hsm->changed);
    if (rc != REMOTE_OK && err != NULL)
        *err = *why;
    return rc;
}

static enum remote_rc connect_token(struct hsm *hsm, struct remote_error *err)
{
    struct remote_error why = { 0 };
    struct hsm_link link = { 0 };
    enum remote_rc rc;

    begin_step(hsm);
    rc = hsm_link_make(hsm, &link, &why);
    remote_lock_acquire(&hsm->lock);
    if (rc == REMOTE_OK)
        hsm_link_take(hsm, &link);
    remote_buf_clear(&link.others);
    return end_step(hsm, rc, &why, err);
}

/* Waits for the step under way; its failure is ours too. */
static enum remote_rc wait_step(struct hsm *hsm, int64_t deadline_ms, struct remote_error *err)
{
    uint64_t seen = hsm->attempts;

    while (hsm->busy && hsm->attempts == seen)
        if (!remote_cond_wait(&hsm->changed, &hsm->lock, deadline_ms))
            return REMOTE_FAIL(err, REMOTE_E_TIMEOUT,
                               "another caller's connection to the HSM takes too long");
    if (hsm->attempts == seen || hsm->failure.rc == REMOTE_OK)
        return REMOTE_OK;
    if (err != NULL)
        *err = hsm->failure;
    return hsm->failure.rc;
}

/* ---- login ---- */

static bool needs_login(const struct hsm *hsm, const struct remote_grant *grant)
{
    return grant != NULL && (hsm->token_flags & CKF_LOGIN_REQUIRED) != 0 &&
           !(hsm->logged_in &&
             remote_secret_equal(&hsm->login_pin, remote_secret_slice(&grant->token)));
}

/* Tries are few: the token locks itself after the last. */
static enum remote_rc check_refused(const struct hsm *hsm, struct remote_slice pin,
                                    struct remote_error *err)
{
    if (hsm->pin_at_login || hsm->refused.data == NULL || !remote_secret_equal(&hsm->refused, pin))
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_AUTH,
                       "token '%s' has refused the PIN in 'pin_file'; it is not tried again until "
                       "that file changes",
                       hsm->label);
}

enum remote_rc hsm_pin_check(struct hsm *hsm, struct remote_slice pin, struct remote_error *err)
{
    enum remote_rc rc;

    remote_lock_acquire(&hsm->lock);
    rc = check_refused(hsm, pin, err);
    remote_lock_release(&hsm->lock);
    return rc;
}

static bool refuses_pin(CK_RV rv)
{
    return rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE ||
           rv == CKR_PIN_LOCKED || rv == CKR_PIN_EXPIRED;
}

static enum remote_rc may_log_in(const struct hsm *hsm, const struct remote_grant *grant,
                                 struct remote_error *err)
{
    if (grant->token.len == 0 && (hsm->token_flags & CKF_PROTECTED_AUTHENTICATION_PATH) == 0)
        return REMOTE_FAIL(
            err, REMOTE_E_CONFIG,
            "token '%s' wants a login; set 'pin_file', or 'pin = pin' for a PIN from "
            "the application",
            hsm->label);
    return check_refused(hsm, remote_secret_slice(&grant->token), err);
}

/* login_ours: an earlier login was ours. Ends it first: another PIN must prove itself. */
static CK_RV call_login(CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE handle,
                        const struct remote_grant *grant, bool login_ours)
{
    CK_UTF8CHAR *pin = grant->token.len > 0 ? grant->token.data : NULL;

    if (login_ours)
        (void)HSM_CALL(functions, C_Logout, handle);
    return HSM_CALL(functions, C_Login, handle, CKU_USER, pin, grant->token.len);
}

static enum remote_rc take_login(struct hsm *hsm, const struct remote_grant *grant, CK_RV rv,
                                 struct remote_error *err)
{
    struct remote_slice pin = remote_secret_slice(&grant->token);

    hsm_handles_clear(&hsm->handles); /* private objects have other handles after a login */
    hsm_inventory_clear(&hsm->inventory);
    hsm->login_ours = rv == CKR_OK;
    hsm->logged_in = rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN;
    if (hsm->logged_in)
        return remote_secret_set(&hsm->login_pin, pin.data, pin.len, err);
    if (refuses_pin(rv) && !hsm->pin_at_login)
        return remote_secret_set(&hsm->refused, pin.data, pin.len, err);
    return REMOTE_OK;
}

static enum remote_rc log_in(struct hsm_session *session, const struct remote_grant *grant,
                             struct remote_error *err)
{
    struct hsm *hsm = session->hsm;
    bool login_ours = hsm->login_ours;
    struct remote_error why = { 0 };
    enum remote_rc rc;
    CK_RV rv;

    REMOTE_TRY(may_log_in(hsm, grant, err));
    begin_step(hsm);
    rv = call_login(session->functions, session->handle, grant, login_ours);
    rc = rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN ? REMOTE_OK
                                                          : hsm_fail(session, "C_Login", rv, &why);
    if (rc == REMOTE_E_AUTH && hsm->pin_at_login)
        rc = why.rc = REMOTE_E_PIN;
    remote_lock_acquire(&hsm->lock);
    if (session->epoch == hsm->epoch && take_login(hsm, grant, rv, &why) != REMOTE_OK)
        rc = REMOTE_E_NOMEM;
    return end_step(hsm, rc, &why, err);
}

/* ---- the pool; the lock is held ---- */

/* Room for it was made when it was opened. */
static void push_idle(struct hsm *hsm, CK_SESSION_HANDLE handle)
{
    hsm->idle[hsm->idle_count++] = handle;
    if (hsm->waiting > 0)
        remote_cond_broadcast(&hsm->changed);
}

static enum remote_rc reserve_idle(struct hsm *hsm, struct remote_error *err)
{
    size_t cap = hsm->idle_cap ? hsm->idle_cap * 2 : 16;
    CK_SESSION_HANDLE *longer;

    if (hsm->open_count < hsm->idle_cap)
        return REMOTE_OK;
    longer = reallocarray(hsm->idle, cap, sizeof(*longer));
    if (longer == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    hsm->idle = longer;
    hsm->idle_cap = cap;
    return REMOTE_OK;
}

static void one_less(struct hsm *hsm)
{
    if (--hsm->open_count == 0)
        forget_login(hsm);
    if (hsm->waiting > 0)
        remote_cond_broadcast(&hsm->changed);
}

/* The lock is released meanwhile. REMOTE_E_BUSY: the token has no more, but we have some. */
static enum remote_rc open_session(struct hsm *hsm, struct hsm_session *ret,
                                   struct remote_error *err)
{
    CK_FLAGS flags = CKF_SERIAL_SESSION | (hsm->read_write ? CKF_RW_SESSION : 0);
    unsigned epoch = hsm->epoch;
    CK_RV rv;

    REMOTE_TRY(reserve_idle(hsm, err));
    hsm->open_count++;
    remote_lock_release(&hsm->lock);
    rv = HSM_CALL(ret->functions, C_OpenSession, ret->slot_id, flags, NULL, NULL, &ret->handle);
    remote_lock_acquire(&hsm->lock);
    if (rv == CKR_OK)
        return REMOTE_OK;
    if (epoch != hsm->epoch) /* counted anew since */
        return hsm_fail(ret, "C_OpenSession", rv, err);
    one_less(hsm);
    if (rv == CKR_SESSION_COUNT && hsm->open_count > 0) {
        hsm->open_max = hsm->open_count;
        return REMOTE_E_BUSY;
    }
    return hsm_fail(ret, "C_OpenSession", rv, err);
}

static enum remote_rc wait_session(struct hsm *hsm, int64_t deadline_ms, struct remote_error *err)
{
    bool woken;

    hsm->waiting++;
    woken = remote_cond_wait(&hsm->changed, &hsm->lock, deadline_ms);
    hsm->waiting--;
    if (woken || hsm->idle_count > 0 || hsm->epoch == 0)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_TIMEOUT,
                       "all %zu sessions of token '%s' were in use for the whole 'timeout'",
                       hsm->open_max, hsm->label);
}

/* REMOTE_OK without a handle: look again, things have changed. */
static enum remote_rc take_session(struct hsm *hsm, int64_t deadline_ms, struct hsm_session *ret,
                                   struct remote_error *err)
{
    enum remote_rc rc;

    *ret = (struct hsm_session){ .hsm = hsm,
                                 .functions = hsm->functions,
                                 .handle = CK_INVALID_HANDLE,
                                 .slot_id = hsm->slot_id,
                                 .epoch = hsm->epoch,
                                 .generation = hsm->generation };
    if (hsm->idle_count > 0) {
        ret->handle = hsm->idle[--hsm->idle_count];
        return REMOTE_OK;
    }
    if (hsm->open_count >= hsm->open_max)
        return wait_session(hsm, deadline_ms, err);
    rc = open_session(hsm, ret, err);
    return rc == REMOTE_E_BUSY && !ret->spoiled ? REMOTE_OK : rc;
}

struct orphans {             /* sessions to be closed without the lock */
    CK_SESSION_HANDLE *list; /* owned */
    size_t count;
    CK_SESSION_HANDLE own; /* the one that was given back */
};

/* A connection that was lost takes its idle sessions along. */
static void orphan_idle(struct hsm *hsm, struct orphans *ret)
{
    ret->list = hsm->idle;
    ret->count = hsm->idle_count;
    hsm->idle = NULL;
    hsm->idle_cap = 0;
    forget_connection(hsm);
}

static void give_back(struct hsm_session *session, struct orphans *ret)
{
    struct hsm *hsm = session->hsm;

    if (session->generation != hsm->generation || session->generation != remote_fork_generation())
        return; /* there never was one, or it is another process's */
    if (session->lost && session->epoch == hsm->epoch)
        orphan_idle(hsm, ret);
    if (session->epoch == hsm->epoch && !session->spoiled && session->handle != CK_INVALID_HANDLE) {
        push_idle(hsm, session->handle);
        return;
    }
    ret->own = session->handle;
    if (session->epoch == hsm->epoch && session->handle != CK_INVALID_HANDLE)
        one_less(hsm);
}

/* One round: REMOTE_OK with a handle is the end, without one another round follows. */
static enum remote_rc try_acquire(struct hsm *hsm, const struct remote_grant *grant,
                                  int64_t deadline_ms, struct hsm_session *ret,
                                  struct remote_error *err)
{
    ret->handle = CK_INVALID_HANDLE;
    notice_fork(hsm);
    if (remote_gate_cut_off())
        return REMOTE_FAIL(err, REMOTE_E_UNAVAILABLE,
                           "this process was forked while a call of an HSM's module hung, whose "
                           "locks it may have inherited; it cannot use the HSM, start it anew");
    if (hsm->busy)
        return wait_step(hsm, deadline_ms, err);
    if (hsm->epoch == 0)
        return connect_token(hsm, err);
    REMOTE_TRY(take_session(hsm, deadline_ms, ret, err));
    if (ret->handle == CK_INVALID_HANDLE)
        return REMOTE_OK;
    if (ret->epoch != hsm->epoch) { /* while it was being opened */
        ret->lost = true;
        return REMOTE_FAIL(err, REMOTE_E_UNAVAILABLE, "another caller lost the HSM's connection");
    }
    if (!needs_login(hsm, grant))
        return REMOTE_OK;
    if (!hsm->busy)
        return log_in(ret, grant, err);
    push_idle(hsm, ret->handle); /* another's login came between */
    ret->handle = CK_INVALID_HANDLE;
    return REMOTE_OK;
}

enum remote_rc hsm_session_acquire(struct hsm *hsm, const struct remote_grant *grant,
                                   int64_t deadline_ms, struct hsm_session *ret,
                                   struct remote_error *err)
{
    enum remote_rc rc;

    *ret = (struct hsm_session){ .hsm = hsm };
    remote_lock_acquire(&hsm->lock);
    do {
        rc = try_acquire(hsm, grant, deadline_ms, ret, err);
        if (rc == REMOTE_OK && ret->handle == CK_INVALID_HANDLE && remote_now_ms() >= deadline_ms)
            rc = REMOTE_FAIL(err, REMOTE_E_TIMEOUT, "connecting to the HSM takes too long");
    } while (rc == REMOTE_OK && ret->handle == CK_INVALID_HANDLE);
    remote_lock_release(&hsm->lock);
    if (rc != REMOTE_OK)
        hsm_session_release(ret);
    else if (grant != NULL)
        ret->pin = remote_secret_slice(&grant->token);
    return rc;
}

void hsm_session_release(struct hsm_session *session)
{
    struct hsm *hsm = session->hsm;
    struct orphans orphans = { .own = CK_INVALID_HANDLE };

    remote_lock_acquire(&hsm->lock);
    give_back(session, &orphans);
    remote_lock_release(&hsm->lock);
    close_all(session->functions, orphans.list, orphans.count);
    free(orphans.list);
    if (orphans.own != CK_INVALID_HANDLE)
        close_all(session->functions, &orphans.own, 1);
    session->handle = CK_INVALID_HANDLE;
}

/* The array stays: who has a session counts on room for it there. */
void hsm_sessions_trim(struct hsm *hsm)
{
    CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;

    do {
        bool any;

        remote_lock_acquire(&hsm->lock);
        notice_fork(hsm);
        any = hsm->idle_count > 0;
        handle = any ? hsm->idle[--hsm->idle_count] : CK_INVALID_HANDLE;
        if (any)
            one_less(hsm);
        remote_lock_release(&hsm->lock);
        if (any)
            close_all(hsm->functions, &handle, 1);
    } while (handle != CK_INVALID_HANDLE);
}
