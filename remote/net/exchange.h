/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where requests are driven: any number of calls, of several slots, at once, in
 * the calling thread; what a backend can only do by blocking, once the rest is in flight.
 * Deadlines, retries with full jitter, failover over endpoints, Retry-After, and one re-login after
 * a stale credential are decided here and nowhere else.
 */
#ifndef REMOTE_EXCHANGE_H
#define REMOTE_EXCHANGE_H

#include "remote/backend.h"
#include "remote/login.h"
#include "transport.h"

struct remote_call {
    struct remote_slot *slot;
    struct remote_op op;
    int64_t deadline_ms; /* monotonic, over retries, failover and login */
    int64_t timeout_ms;  /* how long that was when the call began; for messages */
    int endpoint;        /* >= 0: this endpoint only, no failover (health); -1: choose */
    bool single_shot;    /* no retries at all */
    /* results */
    enum remote_rc rc;
    struct remote_error err; /* prefixed with the slot's name and the endpoint */
    int64_t latency_us;      /* of the last attempt */
    int64_t date;            /* of the last reply */
    /* exchange.c's own */
    struct remote_transfer transfer;
    struct remote_request request;
    struct remote_grant_ref *grant;  /* of this attempt */
    const struct remote_grant *lent; /* a login's own request: the grant to use */
    struct remote_login_flight flight;
    struct remote_call *login;  /* this call leads a login: its request */
    struct remote_call *leader; /* this call is a login's request: whose */
    bool proved;                /* the login that this call led has proved its grant */
    enum { REMOTE_CALL_WAITING, REMOTE_CALL_FLYING, REMOTE_CALL_BLOCKING, REMOTE_CALL_DONE } state;
    int64_t start_ms; /* WAITING: not before */
    unsigned attempt; /* that were begun */
    unsigned avoid;   /* endpoints that failed this call */
    unsigned stale;   /* serial of the grant that was refused; 0: none */
};

/* Zeroes and fills a call with the slot's timeout as its deadline. */
void remote_call_init(struct remote_call *call, struct remote_slot *slot, enum remote_op_kind kind);
/* Another deadline than the slot's timeout gives, from now on. */
void remote_call_allow(struct remote_call *call, int64_t timeout_ms);
void remote_call_clear(struct remote_call *call); /* results; wipes */

/*
 * Runs them all, at most `parallel` in flight, and returns when every call has its rc. `each`
 * (may be NULL) is told of every call that ended, in the calling thread, under no lock; it may
 * take the result, clear the call and init it anew for more work: then it goes on.
 */
void remote_exchange(struct remote_call *const *calls, size_t count, size_t parallel,
                     void (*each)(void *arg, struct remote_call *call), void *arg);
/*
 * The same, but returns at the monotonic time *enough_ms, which `each` may change: calls that have
 * not ended by then are given up, with REMOTE_E_UNAVAILABLE and no word to `each`. Their
 * connections are closed, for the answers may still come; nobody's endpoint is blamed.
 */
void remote_exchange_until(struct remote_call *const *calls, size_t count, size_t parallel,
                           void (*each)(void *arg, struct remote_call *call), void *arg,
                           const int64_t *enough_ms);
/* A pause of up to so long, before something is tried again that others try as well. */
int64_t remote_exchange_jitter(int64_t below_ms);
/* One call; returns its rc and copies its error. */
enum remote_rc remote_exchange_one(struct remote_call *call, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
