/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "grpc.h"
#include "remote/log.h"
#include "remote/slot_private.h"

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS 1000
/* A service that is away is given this many tries; one that only throttles, the deadline. */
#define ATTEMPTS_MAX 5
/* Requests of one operation that takes several: pages of a listing, say. */
#define STEPS_MAX 1000
/* How often a caller looks whether another thread's login has ended. It cannot sleep on a
 * condition: requests of other slots may be under way in the same loop. */
#define LOGIN_POLL_MS 3

struct driver {
    struct remote_unit *unit;
    const struct remote_transport *transport;
    size_t flying, parallel;
    void (*each)(void *arg, struct remote_call *call);
    void *arg;
    const int64_t *enough_ms; /* NULL: every call is wanted */
};

void remote_call_init(struct remote_call *call, struct remote_slot *slot, enum remote_op_kind kind)
{
    memset(call, 0, sizeof(*call));
    call->slot = slot;
    call->op.kind = kind;
    call->endpoint = -1;
    remote_call_allow(call, slot->policy.timeout_ms);
}

void remote_call_allow(struct remote_call *call, int64_t timeout_ms)
{
    call->timeout_ms = timeout_ms;
    call->deadline_ms = remote_now_ms() + timeout_ms;
}

static void clear_request(struct remote_call *call)
{
    remote_request_clear(&call->request);
    remote_buf_clear(&call->transfer.body);
    remote_grant_unref(call->grant);
    call->grant = NULL;
}

void remote_call_clear(struct remote_call *call)
{
    clear_request(call);
    remote_op_clear(&call->op);
}

/* Full jitter wants no secrecy, only that two processes do not march in step. */
int64_t remote_exchange_jitter(int64_t below_ms)
{
    static _Thread_local uint64_t state;

    if (state == 0)
        state = ((uint64_t)remote_now_ms() * 2654435761u) ^ (uint64_t)(uintptr_t)&state ^
                remote_fork_generation();
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int64_t)(state % (uint64_t)(below_ms + 1));
}

static int64_t backoff_ms(unsigned attempt)
{
    int64_t ceiling = BACKOFF_FIRST_MS;

    while (attempt-- > 1 && ceiling < BACKOFF_MAX_MS)
        ceiling *= 2;
    return remote_exchange_jitter(ceiling < BACKOFF_MAX_MS ? ceiling : BACKOFF_MAX_MS);
}

static void end(struct driver *driver, struct remote_call *call, enum remote_rc rc)
{
    if (rc != REMOTE_OK) {
        call->err.rc = rc;
        remote_slot_note_status(call->err.http_status);
    } else {
        call->err = (struct remote_error){ 0 };
    }
    call->rc = rc;
    call->state = REMOTE_CALL_DONE;
    clear_request(call);
    if (call->leader == NULL && driver->each != NULL)
        driver->each(driver->arg, call);
}

static void end_late(struct driver *driver, struct remote_call *call)
{
    if (call->err.rc == REMOTE_OK) /* else the last failure tells more than "timed out" */
        REMOTE_FAIL(&call->err, REMOTE_E_TIMEOUT, "slot '%s': no answer within %lld ms",
                    call->slot->name, (long long)call->timeout_ms);
    end(driver, call, call->err.rc);
}

static bool takes_grant(const struct remote_call *call)
{
    return call->op.kind != REMOTE_OP_LOGIN && call->op.kind != REMOTE_OP_HEALTH &&
           call->lent == NULL;
}

/* Blocks instead of being a request. */
static bool is_performed(const struct remote_call *call)
{
    const struct remote_backend_ops *ops = call->slot->ops;

    return ops->perform != NULL && ((ops->performs >> call->op.kind & 1u) != 0 || !ops->https);
}

/* ---- one attempt ---- */

static bool untried_endpoint(const struct remote_call *call)
{
    size_t count = call->slot->endpoints.count;

    return call->endpoint < 0 && call->request.origin == 0 &&
           (call->avoid & ((1u << count) - 1)) != (1u << count) - 1;
}

/* With another endpoint to turn to, one that hangs must not eat the whole deadline. */
static int64_t attempt_deadline(const struct remote_call *call, int64_t now)
{
    unsigned left = 0;

    if (call->endpoint >= 0 || call->request.origin != 0 ||
        call->slot->ops->ops[call->op.kind].once)
        return call->deadline_ms;
    for (size_t i = 0; i < call->slot->endpoints.count; i++)
        left += (call->avoid >> i & 1u) == 0;
    return left > 1 ? now + (call->deadline_ms - now) / 2 : call->deadline_ms;
}

static size_t choose_endpoint(const struct remote_call *call)
{
    if (call->request.origin != 0)
        return call->request.origin;
    return call->endpoint >= 0 ? (size_t)call->endpoint
                               : remote_endpoints_choose(&call->slot->endpoints, call->avoid);
}

static void prepare_transfer(struct remote_call *call, int64_t now)
{
    struct remote_transfer *transfer = &call->transfer;

    memset(transfer, 0, sizeof(*transfer));
    transfer->slot = call->slot;
    transfer->request = &call->request;
    transfer->endpoint = choose_endpoint(call);
    transfer->deadline_ms = attempt_deadline(call, now);
}

/* NULL where the operation, or the slot, takes none. */
static const struct remote_grant *grant_of(const struct remote_call *call)
{
    if (call->lent != NULL)
        return call->lent;
    return call->grant != NULL ? &call->grant->grant : NULL;
}

/* A request that ran out of memory half way must not go out: its header may lack the token. */
static enum remote_rc check_request(const struct remote_request *request, struct remote_error *err)
{
    REMOTE_TRY(remote_buf_check(&request->path, err));
    REMOTE_TRY(remote_buf_check(&request->headers, err));
    return remote_buf_check(&request->body, err);
}

static void launch(struct driver *driver, struct remote_call *call, int64_t now)
{
    const struct remote_backend_ops *ops = call->slot->ops;
    struct remote_error err = { 0 };
    enum remote_rc rc;

    if (is_performed(call)) {
        call->state = REMOTE_CALL_BLOCKING;
        return;
    }
    if (ops->ops[call->op.kind].build == NULL) {
        end(driver, call,
            REMOTE_FAIL(&call->err, REMOTE_E_UNSUPPORTED, "slot '%s': %s has no such operation",
                        call->slot->name, ops->title));
        return;
    }
    rc = ops->ops[call->op.kind].build(call->slot->conn, &call->op, grant_of(call), call->attempt,
                                       &call->request, &err);
    if (rc == REMOTE_OK)
        rc = check_request(&call->request, &err);
    if (rc == REMOTE_OK) {
        call->request.once = ops->ops[call->op.kind].once;
        prepare_transfer(call, now);
        rc = driver->transport->start(driver->unit, &call->transfer, &err);
        if (rc != REMOTE_OK) /* nothing was tried: the endpoint is neither well nor ill */
            remote_endpoints_undecided(&call->slot->endpoints, call->transfer.endpoint);
    }
    if (rc != REMOTE_OK) {
        remote_error_prefix(&err, "slot '%s'", call->slot->name);
        call->err = err;
        end(driver, call, rc);
        return;
    }
    call->attempt++;
    call->state = REMOTE_CALL_FLYING;
    driver->flying++;
    atomic_fetch_add_explicit(&call->slot->counters.requests, 1, memory_order_relaxed);
    if (call->attempt > 1)
        atomic_fetch_add_explicit(&call->slot->counters.retries, 1, memory_order_relaxed);
    else
        remote_endpoints_credit(&call->slot->endpoints);
}

/* ---- what follows a failure ---- */

static void again_at(struct remote_call *call, int64_t when)
{
    clear_request(call);
    call->state = REMOTE_CALL_WAITING;
    call->start_ms = when;
}

/* Repeats after a pause, or ends with the failure when there is no time, or no budget, for it. */
static void retry_later(struct driver *driver, struct remote_call *call, int64_t pause_ms,
                        bool costs)
{
    int64_t when = remote_now_ms() + pause_ms;

    if (when >= call->deadline_ms ||
        (costs && !remote_endpoints_may_retry(&call->slot->endpoints))) {
        end(driver, call, call->err.rc);
        return;
    }
    call->avoid = 0;
    again_at(call, when);
}

/* The service said when to come back (RFC 9110 10.2.3), or has more to do than it can. */
static void retry_when_asked(struct driver *driver, struct remote_call *call)
{
    int64_t left_ms = call->deadline_ms - remote_now_ms();
    int64_t asked_ms = (int64_t)call->err.retry_after_s * 1000;

    if (asked_ms > left_ms) {
        unsigned seconds = call->err.retry_after_s;
        enum remote_rc rc = call->err.rc;

        REMOTE_FAIL(
            &call->err, rc,
            "slot '%s': %s is %s and asks to wait %u s, longer than the %lld ms left of 'timeout'",
            call->slot->name, call->slot->endpoints.list[call->transfer.endpoint].url,
            rc == REMOTE_E_BUSY ? "throttled" : "not available", seconds, (long long)left_ms);
        call->err.retry_after_s = seconds;
        call->err.http_status = call->transfer.status;
        end(driver, call, rc);
        return;
    }
    retry_later(driver, call, asked_ms > 0 ? asked_ms : backoff_ms(call->attempt), true);
}

static void retry_unavailable(struct driver *driver, struct remote_call *call)
{
    call->avoid |= 1u << call->transfer.endpoint;
    if (untried_endpoint(call)) { /* failover costs no budget: another server takes the load */
        again_at(call, remote_now_ms());
        return;
    }
    if (call->err.retry_after_s > 0) { /* of a 503 */
        retry_when_asked(driver, call);
        return;
    }
    if (call->transfer.lasting || call->attempt >= ATTEMPTS_MAX) {
        end(driver, call, call->err.rc);
        return;
    }
    retry_later(driver, call, backoff_ms(call->attempt), call->transfer.sent);
}

/* True when the call goes on with fresh credentials. */
static bool log_in_again(struct remote_call *call)
{
    if (!takes_grant(call) || call->grant == NULL || call->stale != 0 || call->single_shot)
        return false;
    call->stale = call->grant->serial;
    memset(&call->flight, 0, sizeof(call->flight));
    again_at(call, remote_now_ms());
    return true;
}

static void after_failure(struct driver *driver, struct remote_call *call)
{
    /* A whole reply that says "not now" means that nothing was done; a lost one may mean
     * anything. */
    bool maybe_done = call->transfer.sent && call->transfer.rc != REMOTE_OK;
    bool repeatable =
        !call->single_shot && !(call->slot->ops->ops[call->op.kind].once && maybe_done);

    switch (call->err.rc) {
    case REMOTE_E_AUTH:
        if (log_in_again(call))
            return;
        break;
    case REMOTE_E_BUSY:
        if (repeatable) {
            retry_when_asked(driver, call);
            return;
        }
        break;
    case REMOTE_E_UNAVAILABLE:
    case REMOTE_E_TIMEOUT:
        if (repeatable) {
            retry_unavailable(driver, call);
            return;
        }
        break;
    default:
        break;
    }
    end(driver, call, call->err.rc);
}

/* ---- a transfer ended ---- */

static enum remote_rc judge(struct remote_call *call)
{
    struct remote_transfer *transfer = &call->transfer;
    struct remote_reply reply = { .status = transfer->status,
                                  .body = remote_buf_slice(&transfer->body),
                                  .retry_after_s = transfer->retry_after_s,
                                  .grpc_status = transfer->grpc_status,
                                  .header = transfer->header,
                                  .date = transfer->date };
    enum remote_rc rc = transfer->rc;

    if (rc != REMOTE_OK) {
        call->err = transfer->err;
        call->err.rc = rc;
    } else {
        call->err = (struct remote_error){ 0 };
        rc = call->slot->ops->ops[call->op.kind].parse(call->slot->conn, &call->op, &reply,
                                                       &call->err);
        call->err.rc = rc;
        call->err.http_status = transfer->status;
        call->err.retry_after_s = transfer->retry_after_s;
    }
    if (rc != REMOTE_OK)
        remote_error_prefix(&call->err, "slot '%s': %s", call->slot->name,
                            call->slot->endpoints.list[transfer->endpoint].url);
    return rc;
}

static void report_health(const struct remote_call *call, enum remote_rc rc)
{
    struct remote_endpoints *endpoints = &call->slot->endpoints;
    size_t index = call->transfer.endpoint;

    if (rc == REMOTE_E_UNAVAILABLE || (rc == REMOTE_E_TIMEOUT && call->transfer.rc != REMOTE_OK))
        remote_endpoints_failed(endpoints, index);
    else
        remote_endpoints_succeeded(endpoints, index);
}

/* Bytes of the path that may be told. */
static size_t told(const struct remote_request *request)
{
    const char *path = (const char *)request->path.data;

    return request->secret_query && path != NULL ? strcspn(path, "?") : request->path.len;
}

static void log_attempt(const struct remote_call *call, enum remote_rc rc)
{
    const struct remote_transfer *transfer = &call->transfer;

    if (!remote_log_enabled(REMOTE_LOG_DEBUG))
        return;
    remote_log(REMOTE_LOG_DEBUG, "slot '%s': %s %s%.*s: %s, HTTP %d%s%s, %.1f ms", call->slot->name,
               call->request.method, call->slot->endpoints.list[transfer->endpoint].url,
               (int)told(&call->request), (const char *)call->request.path.data, remote_rc_name(rc),
               transfer->status, call->request.grpc ? ", gRPC " : "",
               call->request.grpc ? remote_grpc_status_name(transfer->grpc_status) : "",
               (double)transfer->latency_us / 1000.0);
}

/* A server may not keep a caller busy for ever, not even one whose deadline is far away. */
static void next_step(struct driver *driver, struct remote_call *call)
{
    if (call->op.step + 1 == STEPS_MAX) {
        end(driver, call,
            REMOTE_FAIL(&call->err, REMOTE_E_PROTOCOL,
                        "slot '%s': %s leads from one request to the next without an end",
                        call->slot->name, call->slot->endpoints.list[call->transfer.endpoint].url));
        return;
    }
    call->op.step++;
    call->op.more = false;
    call->attempt = 0;
    call->avoid = 0;
    again_at(call, remote_now_ms());
}

static void landed(struct driver *driver, struct remote_transfer *transfer)
{
    struct remote_call *call =
        (struct remote_call *)((char *)transfer - offsetof(struct remote_call, transfer));
    enum remote_rc rc = judge(call);

    driver->flying--;
    call->latency_us = transfer->latency_us;
    call->date = transfer->date;
    report_health(call, rc);
    log_attempt(call, rc);
    if (rc != REMOTE_OK)
        after_failure(driver, call);
    else if (call->op.more)
        next_step(driver, call);
    else
        end(driver, call, REMOTE_OK);
}

/* ---- credentials ---- */

/* Starts, goes on with, or ends the login that this call leads. */
static void lead_login(struct driver *driver, struct remote_call *call)
{
    struct remote_call *login = call->login;
    struct remote_op op = { 0 };
    const struct remote_grant *lent = NULL;
    bool more = remote_login_next(call->slot, &call->flight, login ? &login->op : NULL,
                                  login ? &login->err : NULL, &op, &lent);

    if (login != NULL && login->op.kind == REMOTE_OP_PROVE) /* as login.c judges it */
        call->proved = login->rc == REMOTE_OK || login->rc == REMOTE_E_RIGHTS;
    if (login != NULL && login->rc != REMOTE_OK)
        call->err = login->err; /* tells more than "no answer in time", should this be the end */
    if (login != NULL)
        remote_call_clear(login);
    if (!more) {
        free(login);
        call->login = NULL;
        return;
    }
    if (login == NULL)
        login = malloc(sizeof(*login));
    if (login == NULL) {
        remote_login_abandon(call->slot, &call->flight);
        end(driver, call, REMOTE_FAIL(&call->err, REMOTE_E_NOMEM, "out of memory"));
        return;
    }
    remote_call_init(login, call->slot, op.kind);
    login->op.pin = op.pin;
    login->lent = lent;
    login->leader = call;
    login->deadline_ms = call->deadline_ms;
    if (call->flight.renewing) /* a renewal that hangs leaves time for the call, with the old */
        login->deadline_ms -= (call->deadline_ms - remote_now_ms()) / 2;
    call->login = login;
    atomic_fetch_add_explicit(&call->slot->counters.logins, 1, memory_order_relaxed);
}

/* True once the call has its grant; else *wake says when to look again, or the call ended. */
static bool authorize(struct driver *driver, struct remote_call *call, int64_t *wake)
{
    struct remote_grant_ref *grant = NULL;
    struct remote_error err = { 0 };

    switch (remote_login_poll(call->slot, call->stale, &call->flight, &grant, &err)) {
    case REMOTE_LOGIN_READY:
        call->grant = grant;
        if (call->op.kind != REMOTE_OP_PROVE || !call->proved)
            return true;
        end(driver, call, REMOTE_OK); /* asking the same again would say nothing new */
        *wake = 0;
        return false;
    case REMOTE_LOGIN_LEAD:
        lead_login(driver, call);
        *wake = 0;
        return false;
    case REMOTE_LOGIN_WAIT:
        *wake = remote_now_ms() + LOGIN_POLL_MS;
        return false;
    case REMOTE_LOGIN_FAILED:
    default:
        call->err = err;
        end(driver, call, err.rc);
        *wake = 0;
        return false;
    }
}

/* ---- backends that block ---- */

static struct remote_call *find_blocking(struct remote_call *const *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct remote_call *call = calls[i]->login != NULL ? calls[i]->login : calls[i];

        if (call->state == REMOTE_CALL_BLOCKING)
            return call;
    }
    return NULL;
}

/* Such a backend reconnects and repeats by itself; only credentials are the core's. */
static void perform(struct driver *driver, struct remote_call *call)
{
    int64_t started = remote_now_us();
    enum remote_rc rc;

    call->err = (struct remote_error){ 0 };
    rc = call->slot->ops->perform(call->slot->conn, &call->op, grant_of(call), call->deadline_ms,
                                  &call->err);
    call->err.rc = rc;
    call->latency_us = remote_now_us() - started;
    atomic_fetch_add_explicit(&call->slot->counters.requests, 1, memory_order_relaxed);
    if (rc != REMOTE_OK)
        remote_error_prefix(&call->err, "slot '%s'", call->slot->name);
    if (rc != REMOTE_E_AUTH || !log_in_again(call))
        end(driver, call, rc);
}

/* ---- the loop ---- */

/* Does what can be done for a call now; returns when it wants to be looked at again (0: now,
 * since `each` may have given it new work). */
static int64_t advance(struct driver *driver, struct remote_call *call)
{
    int64_t now = remote_now_ms();
    int64_t wake = INT64_MAX;

    if (call->state != REMOTE_CALL_WAITING)
        return INT64_MAX; /* the transport keeps the deadline of what is in flight */
    if (call->login != NULL) {
        wake = advance(driver, call->login);
        if (call->login->state != REMOTE_CALL_DONE)
            return wake;
        lead_login(driver, call);
        return 0;
    }
    if (now >= call->deadline_ms) {
        end_late(driver, call);
        return 0;
    }
    if (now < call->start_ms)
        return call->start_ms < call->deadline_ms ? call->start_ms : call->deadline_ms;
    if (driver->flying >= driver->parallel)
        return INT64_MAX;
    if (takes_grant(call) && call->grant == NULL && !authorize(driver, call, &wake))
        return wake;
    launch(driver, call, now);
    return call->state == REMOTE_CALL_WAITING ? 0 : INT64_MAX;
}

/* The next reply; without anything on the network, only time passes. */
static struct remote_transfer *wait_reply(struct driver *driver, int64_t until_ms)
{
    int64_t left = until_ms - remote_now_ms();

    if (driver->unit != NULL)
        return driver->transport->wait(driver->unit, until_ms);
    if (left > 0)
        nanosleep(&(struct timespec){ left / 1000, left % 1000 * 1000000 }, NULL);
    return NULL;
}

static bool has_enough(const struct driver *driver)
{
    return driver->enough_ms != NULL && remote_now_ms() >= *driver->enough_ms;
}

static void drive(struct driver *driver, struct remote_call *const *calls, size_t count)
{
    while (!has_enough(driver)) {
        int64_t wake = INT64_MAX;
        bool alive = false;

        for (size_t i = 0; i < count && !has_enough(driver); i++) {
            if (calls[i]->state == REMOTE_CALL_DONE)
                continue;
            int64_t next = advance(driver, calls[i]);

            wake = next < wake ? next : wake;
            alive = alive || calls[i]->state != REMOTE_CALL_DONE;
        }
        if (!alive || has_enough(driver))
            return;
        if (driver->enough_ms != NULL && *driver->enough_ms < wake)
            wake = *driver->enough_ms;
        struct remote_call *blocking = find_blocking(calls, count);
        struct remote_transfer *transfer = wait_reply(driver, blocking != NULL ? 0 : wake);

        for (; transfer != NULL; transfer = wait_reply(driver, 0))
            landed(driver, transfer);
        if (blocking != NULL && !has_enough(driver))
            perform(driver, blocking);
    }
}

static void give_up(struct driver *driver, struct remote_call *call)
{
    if (call->login != NULL) {
        give_up(driver, call->login);
        remote_call_clear(call->login);
        free(call->login);
        call->login = NULL;
        remote_login_abandon(call->slot, &call->flight);
    }
    if (call->state == REMOTE_CALL_DONE)
        return;
    if (call->state == REMOTE_CALL_FLYING) {
        driver->transport->cancel(driver->unit, &call->transfer);
        driver->flying--;
        remote_endpoints_undecided(&call->slot->endpoints, call->transfer.endpoint);
    }
    call->rc = REMOTE_FAIL(&call->err, REMOTE_E_UNAVAILABLE, "slot '%s': not waited for",
                           call->slot->name);
    call->state = REMOTE_CALL_DONE;
    clear_request(call);
}

static void end_all(struct driver *driver, struct remote_call *const *calls, size_t count,
                    const struct remote_error *err)
{
    for (size_t i = 0; i < count; i++) {
        calls[i]->err = *err;
        calls[i]->leader = calls[i]; /* keeps `each` from giving it more work */
        end(driver, calls[i], err->rc);
        calls[i]->leader = NULL;
    }
}

void remote_exchange_until(struct remote_call *const *calls, size_t count, size_t parallel,
                           void (*each)(void *arg, struct remote_call *call), void *arg,
                           const int64_t *enough_ms)
{
    struct driver driver = {
        .parallel = parallel, .each = each, .arg = arg, .enough_ms = enough_ms
    };
    struct remote_error err = { 0 };
    size_t first = 0;

    while (first < count && is_performed(calls[first]))
        first++;
    if (first < count) {
        driver.transport = calls[first]->slot->transport;
        if (driver.transport->acquire(calls[first]->slot, &driver.unit, &err) != REMOTE_OK) {
            end_all(&driver, calls, count, &err);
            return;
        }
    }
    drive(&driver, calls, count);
    for (size_t i = 0; i < count; i++)
        give_up(&driver, calls[i]); /* nothing to do where all have ended */
    if (driver.unit != NULL)
        driver.transport->release(driver.unit);
}

void remote_exchange(struct remote_call *const *calls, size_t count, size_t parallel,
                     void (*each)(void *arg, struct remote_call *call), void *arg)
{
    remote_exchange_until(calls, count, parallel, each, arg, NULL);
}

enum remote_rc remote_exchange_one(struct remote_call *call, struct remote_error *err)
{
    remote_exchange(&call, 1, 1, NULL, NULL);
    if (call->rc != REMOTE_OK && err != NULL)
        *err = call->err;
    return call->rc;
}
