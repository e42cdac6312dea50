/* SPDX-License-Identifier: Apache-2.0 */
#include "login.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "slot_private.h"

/* After a renewal that failed while the grant is still good: when to try again. */
#define RENEW_AGAIN_MS 5000

void remote_grant_unref(struct remote_grant_ref *ref)
{
    if (ref != NULL && atomic_fetch_sub(&ref->refs, 1) == 1) {
        remote_secret_clear(&ref->grant.token);
        free(ref);
    }
}

void remote_login_init(struct remote_login *login)
{
    memset(login, 0, sizeof(*login));
    login->next_serial = 1;
}

void remote_login_clear(struct remote_login *login)
{
    remote_grant_unref(login->current);
    remote_secret_clear(&login->pin);
    memset(login, 0, sizeof(*login));
}

struct remote_grant_ref *remote_login_forget(struct remote_login *login)
{
    struct remote_grant_ref *old = login->current;

    login->current = NULL;
    login->pin_serial++;
    return old;
}

static bool slot_takes_grants(const struct remote_slot *slot)
{
    return slot->ops->grant != NULL || slot->ops->ops[REMOTE_OP_LOGIN].build != NULL;
}

/* ---- poll ---- */

static void take_lead(struct remote_login *login, struct remote_login_flight *flight)
{
    login->busy = true;
    login->busy_generation = remote_fork_generation();
    flight->pin_serial = login->pin_serial;
    if (login->current != NULL) {
        flight->old = login->current;
        atomic_fetch_add(&flight->old->refs, 1);
    }
}

static enum remote_login_state lead(struct remote_slot *slot, struct remote_login_flight *flight,
                                    struct remote_error *err)
{
    struct remote_login *login = &slot->login;

    if (slot->policy.needs_pin && login->pin.data == NULL) {
        REMOTE_FAIL(err, REMOTE_E_AUTH, "slot '%s': not logged in; log in with the PIN first",
                    slot->name);
        return REMOTE_LOGIN_FAILED;
    }
    memset(flight, 0, sizeof(*flight));
    if (login->pin.data != NULL &&
        remote_secret_set(&flight->pin, login->pin.data, login->pin.len, err) != REMOTE_OK)
        return REMOTE_LOGIN_FAILED;
    take_lead(login, flight);
    return REMOTE_LOGIN_LEAD;
}

static enum remote_login_state lead_refused(struct remote_slot *slot, unsigned stale,
                                            struct remote_login_flight *flight,
                                            struct remote_error *err)
{
    enum remote_login_state state = lead(slot, flight, err);

    flight->refused =
        state == REMOTE_LOGIN_LEAD && flight->old != NULL && flight->old->serial == stale;
    return state;
}

static enum remote_login_state poll_locked(struct remote_slot *slot, unsigned stale,
                                           struct remote_login_flight *flight,
                                           struct remote_grant_ref **ret, struct remote_error *err)
{
    struct remote_login *login = &slot->login;
    int64_t now = remote_now_ms();
    bool usable = login->current != NULL && login->current->serial != stale &&
                  now < login->current->expires_ms;

    if (login->busy && login->busy_generation != remote_fork_generation())
        login->busy = false; /* its caller stayed behind in the parent */
    if (usable && now >= login->current->renew_ms && !login->busy) {
        enum remote_login_state state = lead(slot, flight, err);

        flight->renewing = state == REMOTE_LOGIN_LEAD;
        return state;
    }
    if (usable) {
        atomic_fetch_add(&login->current->refs, 1);
        *ret = login->current;
        return REMOTE_LOGIN_READY;
    }
    if (flight->waiting && flight->seen != login->flights &&
        login->failure.rc != REMOTE_OK) { /* what it ran into holds for those who waited, too */
        *err = login->failure;
        return REMOTE_LOGIN_FAILED;
    }
    if (login->busy) {
        if (!flight->waiting) {
            flight->waiting = true;
            flight->seen = login->flights;
        }
        return REMOTE_LOGIN_WAIT;
    }
    return lead_refused(slot, stale, flight, err);
}

enum remote_login_state remote_login_poll(struct remote_slot *slot, unsigned stale,
                                          struct remote_login_flight *flight,
                                          struct remote_grant_ref **ret, struct remote_error *err)
{
    enum remote_login_state state;

    if (!slot_takes_grants(slot)) {
        *ret = NULL;
        return REMOTE_LOGIN_READY;
    }
    remote_lock_acquire(&slot->lock);
    state = poll_locked(slot, stale, flight, ret, err);
    remote_lock_release(&slot->lock);
    return state;
}

struct remote_grant_ref *remote_login_current(struct remote_slot *slot)
{
    struct remote_grant_ref *current;

    remote_lock_acquire(&slot->lock);
    current = slot->login.current;
    if (current != NULL)
        atomic_fetch_add(&current->refs, 1);
    remote_lock_release(&slot->lock);
    return current;
}

/* ---- the leader's steps ---- */

/* The leader has ended flight number `ended`, and shares its end with those who waited. */
static void drop_flight(struct remote_login_flight *flight, uint64_t ended)
{
    remote_grant_unref(flight->old);
    remote_secret_clear(&flight->candidate.token);
    remote_secret_clear(&flight->pin);
    *flight = (struct remote_login_flight){ .waiting = true, .seen = ended };
}

static struct remote_grant_ref *make_ref(struct remote_grant *grant)
{
    struct remote_grant_ref *ref = calloc(1, sizeof(*ref));
    int64_t now = remote_now_ms();

    if (ref == NULL)
        return NULL;
    atomic_init(&ref->refs, 1);
    ref->grant = *grant;
    memset(grant, 0, sizeof(*grant));
    if (ref->grant.lifetime_s > 0 && ref->grant.lifetime_s < INT64_MAX / 2000) {
        ref->expires_ms = now + ref->grant.lifetime_s * 1000;
        ref->renew_ms = now + ref->grant.lifetime_s * 1000 * 2 / 3;
    } else {
        ref->expires_ms = ref->renew_ms = INT64_MAX;
    }
    return ref;
}

static void finish_flight(struct remote_slot *slot, struct remote_login_flight *flight,
                          struct remote_grant_ref *fresh, const struct remote_error *failure)
{
    struct remote_login *login = &slot->login;
    struct remote_grant_ref *old = NULL;
    uint64_t ended;

    remote_lock_acquire(&slot->lock);
    if (flight->pin_serial != login->pin_serial) { /* a logout came between: not for us */
        old = fresh;
        login->failure = (struct remote_error){ 0 };
    } else if (fresh != NULL) {
        old = login->current;
        fresh->serial = login->next_serial++;
        login->current = fresh;
        login->failure = (struct remote_error){ 0 };
    } else {
        login->failure = *failure;
    }
    login->busy = false;
    ended = login->flights++;
    remote_lock_release(&slot->lock);
    remote_grant_unref(old);
    drop_flight(flight, ended);
}

static bool publish(struct remote_slot *slot, struct remote_login_flight *flight,
                    struct remote_grant *grant)
{
    struct remote_grant_ref *fresh = make_ref(grant);
    struct remote_error err = { 0 };

    if (fresh == NULL)
        REMOTE_FAIL(&err, REMOTE_E_NOMEM, "out of memory");
    finish_flight(slot, flight, fresh, &err);
    return false;
}

static bool old_is_good(const struct remote_login_flight *flight)
{
    return flight->renewing && remote_now_ms() < flight->old->expires_ms;
}

/* Keeps the grant that could not be renewed for as long as it lasts. */
static bool keep_old(struct remote_slot *slot, struct remote_login_flight *flight,
                     const struct remote_error *why)
{
    struct remote_login *login = &slot->login;
    uint64_t ended;

    remote_log(REMOTE_LOG_WARNING, "slot '%s': credential not renewed, trying again: %s",
               slot->name, why->text);
    remote_lock_acquire(&slot->lock);
    if (login->current == flight->old)
        login->current->renew_ms = remote_now_ms() + RENEW_AGAIN_MS;
    login->busy = false;
    ended = login->flights++;
    login->failure = (struct remote_error){ 0 };
    remote_lock_release(&slot->lock);
    drop_flight(flight, ended);
    return false;
}

static bool fail(struct remote_slot *slot, struct remote_login_flight *flight,
                 const struct remote_error *why)
{
    if (old_is_good(flight))
        return keep_old(slot, flight, why);
    finish_flight(slot, flight, NULL, why);
    return false;
}

static bool ask(struct remote_login_flight *flight, enum remote_op_kind kind, struct remote_op *op)
{
    op->kind = kind;
    op->pin = remote_secret_slice(&flight->pin);
    return true;
}

/* A grant that needs no request, else a login. */
static bool log_in(struct remote_slot *slot, struct remote_login_flight *flight,
                   struct remote_op *op, const struct remote_grant **ret_grant)
{
    const struct remote_backend_ops *ops = slot->ops;
    struct remote_error err = { 0 };
    enum remote_rc rc = REMOTE_E_UNSUPPORTED;

    if (ops->grant != NULL)
        rc = ops->grant(slot->conn, remote_secret_slice(&flight->pin), &flight->candidate, &err);
    if (rc == REMOTE_E_UNSUPPORTED && ops->ops[REMOTE_OP_LOGIN].build != NULL) {
        flight->step = REMOTE_FLIGHT_LOGIN;
        return ask(flight, REMOTE_OP_LOGIN, op);
    }
    if (rc != REMOTE_OK) {
        remote_error_prefix(&err, "slot '%s'", slot->name);
        return fail(slot, flight, &err);
    }
    if (flight->refused && remote_secret_equal(&flight->candidate.token,
                                               remote_secret_slice(&flight->old->grant.token))) {
        REMOTE_FAIL(&err, REMOTE_E_AUTH,
                    "slot '%s': the service refuses the configured token (expired or revoked) and "
                    "there is no newer one; supply a fresh token",
                    slot->name);
        return fail(slot, flight, &err);
    }
    if (ops->ops[REMOTE_OP_PROVE].build == NULL)
        return publish(slot, flight, &flight->candidate);
    flight->step = REMOTE_FLIGHT_PROVE;
    *ret_grant = &flight->candidate;
    return ask(flight, REMOTE_OP_PROVE, op);
}

static bool begin(struct remote_slot *slot, struct remote_login_flight *flight,
                  struct remote_op *op, const struct remote_grant **ret_grant)
{
    if (flight->renewing && flight->old->grant.renewable &&
        slot->ops->ops[REMOTE_OP_RENEW].build != NULL) {
        flight->step = REMOTE_FLIGHT_RENEW;
        *ret_grant = &flight->old->grant;
        return ask(flight, REMOTE_OP_RENEW, op);
    }
    return log_in(slot, flight, op, ret_grant);
}

static bool transient(enum remote_rc rc)
{
    return rc == REMOTE_E_UNAVAILABLE || rc == REMOTE_E_TIMEOUT || rc == REMOTE_E_BUSY;
}

static bool after_renew(struct remote_slot *slot, struct remote_login_flight *flight,
                        struct remote_op *done, const struct remote_error *err,
                        struct remote_op *op, const struct remote_grant **ret_grant)
{
    if (err->rc == REMOTE_OK)
        return publish(slot, flight, &done->grant);
    if (transient(err->rc))
        return fail(slot, flight, err);
    return log_in(slot, flight, op, ret_grant); /* refused: its maximum lifetime has come */
}

static bool after_prove(struct remote_slot *slot, struct remote_login_flight *flight,
                        struct remote_op *done, const struct remote_error *err)
{
    if (err->rc == REMOTE_E_RIGHTS) /* a token may be good without the right to look at itself */
        return publish(slot, flight, &flight->candidate);
    if (err->rc != REMOTE_OK)
        return fail(slot, flight, err);
    flight->candidate.lifetime_s = done->grant.lifetime_s;
    flight->candidate.renewable = done->grant.renewable;
    return publish(slot, flight, &flight->candidate);
}

bool remote_login_next(struct remote_slot *slot, struct remote_login_flight *flight,
                       struct remote_op *done, const struct remote_error *done_err,
                       struct remote_op *op, const struct remote_grant **ret_grant)
{
    switch (flight->step) {
    case REMOTE_FLIGHT_RENEW:
        return after_renew(slot, flight, done, done_err, op, ret_grant);
    case REMOTE_FLIGHT_PROVE:
        return after_prove(slot, flight, done, done_err);
    case REMOTE_FLIGHT_LOGIN:
        if (done_err->rc == REMOTE_OK)
            return publish(slot, flight, &done->grant);
        return fail(slot, flight, done_err);
    case REMOTE_FLIGHT_START:
    default:
        return begin(slot, flight, op, ret_grant);
    }
}

void remote_login_abandon(struct remote_slot *slot, struct remote_login_flight *flight)
{
    const struct remote_error nothing_wrong = { 0 };

    finish_flight(slot, flight, NULL, &nothing_wrong);
}

int64_t remote_slot_login_left_ms(struct remote_slot *slot)
{
    int64_t expires_ms;

    remote_lock_acquire(&slot->lock);
    expires_ms = slot->login.current != NULL ? slot->login.current->expires_ms : INT64_MAX;
    remote_lock_release(&slot->lock);
    return expires_ms == INT64_MAX ? INT64_MAX : expires_ms - remote_now_ms();
}
