/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot's credentials in use: one grant for the whole process, renewed on use before it runs
 * out, by one caller while the others go on with the old one. Makes no request itself: the
 * exchange does, for whoever was made the leader. Locks for itself (the slot's lock).
 */
#ifndef REMOTE_LOGIN_H
#define REMOTE_LOGIN_H

#include "backend.h"
#include "fork.h"

struct remote_grant_ref { /* read-only once published */
    atomic_uint refs;
    struct remote_grant grant;
    unsigned serial;  /* tells an old one from a new one */
    int64_t renew_ms; /* monotonic; INT64_MAX: never */
    int64_t expires_ms;
};
void remote_grant_unref(struct remote_grant_ref *ref);

struct remote_login { /* guarded by the slot's lock */
    struct remote_grant_ref *current;
    unsigned next_serial;
    struct remote_secret pin;    /* of a logged-in PIN slot */
    unsigned holders;            /* enum remote_login_holder bits: who gave it */
    unsigned pin_serial;         /* counts logins and logouts: tells one PIN's flights */
    bool busy;                   /* one caller is logging in or renewing: a flight */
    unsigned busy_generation;    /* fork generation of that caller */
    uint64_t flights;            /* how many have ended; who waited for one shares its end */
    struct remote_error failure; /* of the last flight; rc REMOTE_OK: it succeeded */
};

void remote_login_init(struct remote_login *login);
void remote_login_clear(struct remote_login *login);
/*
 * Another PIN, or none, holds from now on: what the earlier one gave is forgotten, and so is what
 * a flight under way will bring. The slot's lock is held; unref what this returns without it.
 */
struct remote_grant_ref *remote_login_forget(struct remote_login *login);

/* One caller's view of a login under way; zeroed at first. */
struct remote_login_flight {
    bool waiting;
    uint64_t seen; /* WAIT: flights when the wait began */
    enum {
        REMOTE_FLIGHT_START,
        REMOTE_FLIGHT_RENEW,
        REMOTE_FLIGHT_LOGIN,
        REMOTE_FLIGHT_PROVE
    } step;
    struct remote_grant_ref *old;  /* the grant that was there; NULL: none */
    bool renewing;                 /* it is good for a while yet */
    bool refused;                  /* the service would not take it */
    struct remote_grant candidate; /* PROVE: the token being proved */
    struct remote_secret pin;      /* copy for the requests of this flight */
    unsigned pin_serial;           /* of that PIN */
};

enum remote_login_state {
    REMOTE_LOGIN_READY, /* *ret is the grant to use, NULL where the slot needs none */
    REMOTE_LOGIN_LEAD,  /* the caller makes the requests that remote_login_next() names */
    REMOTE_LOGIN_WAIT,  /* another caller is at it; ask again soon */
    REMOTE_LOGIN_FAILED /* err says why */
};

/*
 * The grant to use now. stale: the serial of a grant that the service has just refused, 0: none.
 * Never blocks. FAILED: REMOTE_E_AUTH (no credentials that work), or what the login ran into.
 */
enum remote_login_state remote_login_poll(struct remote_slot *slot, unsigned stale,
                                          struct remote_login_flight *flight,
                                          struct remote_grant_ref **ret, struct remote_error *err);
/* The grant in use; NULL: none yet, or no more. One reference. */
struct remote_grant_ref *remote_login_current(struct remote_slot *slot);
/*
 * The leader's next request: fills *op (kind, pin) and *ret_grant (RENEW, PROVE: what to use) and
 * returns true; or ends the flight, for everybody who waits, and returns false. done: the
 * operation that was asked for last, with its result; NULL at first.
 */
bool remote_login_next(struct remote_slot *slot, struct remote_login_flight *flight,
                       struct remote_op *done, const struct remote_error *done_err,
                       struct remote_op *op, const struct remote_grant **ret_grant);
/* Gives up a flight that cannot be finished, so that another caller may lead. */
void remote_login_abandon(struct remote_slot *slot, struct remote_login_flight *flight);

#endif
