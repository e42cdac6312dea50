/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport over HTTPS: libcurl's multi interface, one handle a caller at a time with a
 * connection cache of its own. No connection is shared between threads, no lock is held over a
 * request, and no thread is ours. SIGPIPE stays the host's: since 7.88 libcurl sends TLS records
 * with MSG_NOSIGNAL, and CURLOPT_NOSIGNAL keeps it from touching the disposition.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_private.h"
#include "remote/gate.h"
#include "remote/local/engines.h"
#include "remote/log.h"

#define IDLE_UNITS_MAX 256
/* With addresses at hand, a resolver is not waited for longer than this. */
#define RESOLVE_PATIENCE_MS 1000

struct remote_http {
    struct remote_lock lock; /* REMOTE_LOCK_POOL */
    struct remote_unit *all, *idle;
    size_t idle_count;
    unsigned generation;
};

/* Handles of a parent's connections: reachable, never used, never cleaned up. Cleaning up would
 * write a close_notify into the parent's streams. */
static struct remote_unit *_Atomic abandoned;

/* ---- libcurl itself ---- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_state;

static void init_curl(void)
{
    struct remote_engines engines;

    remote_engines_hide(&engines);
    curl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
    remote_engines_show(&engines);
}

/*
 * On first use and outside every lock of ours: it reads the host's openssl.cnf, which may name
 * our own provider. Never undone, since the host may use libcurl, too.
 */
static enum remote_rc need_curl(struct remote_error *err)
{
    pthread_once(&curl_once, init_curl);
    if (curl_state != CURLE_OK)
        return REMOTE_FAIL(err, REMOTE_E_UNAVAILABLE, "libcurl does not start: %s",
                           curl_easy_strerror(curl_state));
    return REMOTE_OK;
}

/* ---- sockets ---- */

/*
 * A fork must find every socket in its unit's record: one that is open without being recorded
 * would stay open in the child, and one that is recorded after it was closed could be somebody
 * else's descriptor by then, which the child would close. So both change under a lock that the
 * fork waits for. Neither call blocks.
 */
static int replace_socket(struct remote_unit *unit, int before, int after)
{
    for (size_t i = 0; i < REMOTE_UNIT_SOCKETS; i++) {
        if (unit->sockets[i] == before) {
            unit->sockets[i] = after;
            return after;
        }
    }
    return -1;
}

int remote_unit_open_socket(struct remote_unit *unit, int family, int type, int protocol)
{
    struct remote_lock *lock = &unit->owner->http->lock;
    int fd;

    remote_lock_acquire(lock);
    fd = socket(family, type | SOCK_CLOEXEC, protocol);
    if (fd >= 0 && replace_socket(unit, -1, fd) < 0) {
        close(fd); /* a unit never has this many; a child could not close it */
        fd = -1;
    }
    remote_lock_release(lock);
    return fd;
}

int remote_unit_close_socket(struct remote_unit *unit, int fd)
{
    struct remote_lock *lock = &unit->owner->http->lock;
    int rc;

    remote_lock_acquire(lock);
    (void)replace_socket(unit, fd, -1);
    rc = close(fd);
    remote_lock_release(lock);
    return rc;
}

/* ---- units ---- */

static void unlink_unit(struct remote_http *http, struct remote_unit *unit)
{
    struct remote_unit **at = &http->all;

    while (*at != unit)
        at = &(*at)->next_all;
    *at = unit->next_all;
}

/* It stays among the pool's until its sockets are closed, for a fork to find them. */
static void unit_free(struct remote_unit *unit)
{
    struct remote_http *http = unit->owner->http;

    while (unit->handles != NULL) {
        struct remote_handle *handle = unit->handles;

        unit->handles = handle->next;
        remote_handle_free(handle);
    }
    curl_multi_cleanup(unit->multi);
    remote_lock_acquire(&http->lock);
    unlink_unit(http, unit);
    remote_lock_release(&http->lock);
    free(unit);
}

static struct remote_unit *unit_new(struct remote_slot *slot)
{
    struct remote_unit *unit = calloc(1, sizeof(*unit));

    if (unit == NULL)
        return NULL;
    unit->transport = &remote_transport_http;
    unit->owner = slot;
    unit->done_tail = &unit->done;
    for (size_t i = 0; i < REMOTE_UNIT_SOCKETS; i++)
        unit->sockets[i] = -1;
    unit->multi = curl_multi_init();
    /* libcurl's own limit follows the number of transfers at the moment, which between two of
     * them may be small: a listing would close what it is about to use. Requests of HTTP/2 do not
     * share connections, so that one that is closed ends one request. */
    if (curl_multi_setopt(unit->multi, CURLMOPT_MAXCONNECTS, REMOTE_UNIT_SOCKETS / 2L) !=
            CURLM_OK ||
        curl_multi_setopt(unit->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) != CURLM_OK) {
        curl_multi_cleanup(unit->multi);
        free(unit);
        return NULL;
    }
    return unit;
}

/* In a child: the sockets are closed, the handles left alone. */
static void abandon_inherited(struct remote_http *http)
{
    while (http->all != NULL) {
        struct remote_unit *unit = http->all;

        http->all = unit->next_all;
        for (size_t i = 0; i < REMOTE_UNIT_SOCKETS; i++) {
            if (unit->sockets[i] >= 0)
                close(unit->sockets[i]);
            unit->sockets[i] = -1;
        }
        unit->next_all = atomic_load(&abandoned);
        while (!atomic_compare_exchange_weak(&abandoned, &unit->next_all, unit))
            ;
    }
    http->idle = NULL;
    http->idle_count = 0;
    http->generation = remote_fork_generation();
}

static bool is_old(const struct remote_unit *unit, int64_t now)
{
    if (now - unit->idle_since_ms >= REMOTE_IDLE_LIMIT_S * 1000)
        return true;
    for (const struct remote_handle *h = unit->handles; h != NULL; h = h->next)
        if (remote_handle_is_stale(h))
            return true;
    return false;
}

/* Takes out the idle units whose connections are not to be used any more. */
static struct remote_unit *take_old(struct remote_http *http, int64_t now)
{
    struct remote_unit **at = &http->idle, *old = NULL;

    while (*at != NULL) {
        struct remote_unit *unit = *at;

        if (!is_old(unit, now)) {
            at = &unit->next_idle;
            continue;
        }
        *at = unit->next_idle;
        unit->next_idle = old;
        old = unit;
        http->idle_count--;
    }
    return old;
}

static void free_idle_list(struct remote_unit *unit)
{
    while (unit != NULL) {
        struct remote_unit *next = unit->next_idle;

        unit_free(unit);
        unit = next;
    }
}

static void read_finished(struct remote_unit *unit);

/* What has come since the unit was used last. */
static void read_late(struct remote_unit *unit)
{
    int running;

    curl_multi_perform(unit->multi, &running);
    read_finished(unit);
    remote_late_check(unit);
}

static enum remote_rc http_acquire(struct remote_slot *slot, struct remote_unit **ret,
                                   struct remote_error *err)
{
    struct remote_http *http = slot->http;
    struct remote_unit *unit, *old;

    REMOTE_TRY(need_curl(err));
    remote_lock_acquire(&http->lock);
    if (http->generation != remote_fork_generation())
        abandon_inherited(http);
    old = take_old(http, remote_now_ms());
    unit = http->idle; /* the last used: its connection is the warmest */
    if (unit != NULL) {
        http->idle = unit->next_idle;
        http->idle_count--;
    }
    remote_lock_release(&http->lock);
    if (unit == NULL && (unit = unit_new(slot)) != NULL) {
        remote_lock_acquire(&http->lock);
        unit->next_all = http->all;
        http->all = unit;
        remote_lock_release(&http->lock);
    }
    if (unit == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    free_idle_list(old);
    if (remote_late_is_any(unit))
        read_late(unit);
    *ret = unit;
    return REMOTE_OK;
}

static void http_release(struct remote_unit *unit)
{
    struct remote_http *http = unit->owner->http;
    bool keep;

    remote_lock_acquire(&http->lock);
    keep = http->idle_count < IDLE_UNITS_MAX;
    if (keep) {
        http->idle_count++;
        unit->next_idle = http->idle;
        http->idle = unit;
        unit->idle_since_ms = remote_now_ms();
    }
    remote_lock_release(&http->lock); /* it may be another thread's from here on */
    if (!keep)
        unit_free(unit);
}

/* ---- transfers ---- */

static struct remote_handle *idle_handle(struct remote_unit *unit, struct remote_slot *slot,
                                         size_t endpoint)
{
    for (struct remote_handle *h = unit->handles; h != NULL; h = h->next) {
        if (h->transfer != NULL || h->slot != slot || h->endpoint != endpoint)
            continue;
        if (h->late) /* two would be one connection more than callers */
            remote_late_give_up(h);
        return h;
    }
    return remote_handle_new(unit, slot, endpoint);
}

static enum remote_rc http_start(struct remote_unit *unit, struct remote_transfer *transfer,
                                 struct remote_error *err)
{
    struct remote_handle *handle = idle_handle(unit, transfer->slot, transfer->endpoint);

    if (handle == NULL || remote_handle_begin(handle, transfer, 0) != REMOTE_OK)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "libcurl cannot start a request (out of memory?)");
    return REMOTE_OK;
}

static void http_cancel(struct remote_unit *unit, struct remote_transfer *transfer)
{
    struct remote_handle *handle = transfer->handle;

    if (remote_late_begin(handle))
        return;
    remote_handle_close_behind(handle);
    curl_multi_remove_handle(unit->multi, handle->easy);
    handle->transfer = NULL;
}

static void count_connection(struct remote_handle *handle, bool reached)
{
    long connects = 0;
    char *address = NULL;

    curl_easy_getinfo(handle->easy, CURLINFO_NUM_CONNECTS, &connects);
    if (connects == 0)
        return;
    atomic_fetch_add_explicit(&handle->slot->counters.connections, (unsigned long long)connects,
                              memory_order_relaxed);
    if (reached && curl_easy_getinfo(handle->easy, CURLINFO_PRIMARY_IP, &address) == CURLE_OK &&
        address != NULL && address[0] != '\0')
        remote_endpoints_learn(&handle->slot->endpoints, handle->endpoint, address);
}

static void finish(struct remote_handle *handle, CURLcode code)
{
    struct remote_unit *unit = handle->unit;
    struct remote_transfer *transfer = handle->transfer;
    curl_off_t sent = 0;
    long status = 0;

    curl_easy_getinfo(handle->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(handle->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
    transfer->status = (int)status;
    transfer->sent = sent > 0;
    transfer->latency_us = remote_now_us() - handle->started_us;
    if (code == CURLE_OK && !handle->head_read) /* libcurl is content with half a header */
        code = CURLE_PARTIAL_FILE;
    remote_http_judge(handle, code, transfer);
    count_connection(handle, code == CURLE_OK);
    curl_multi_remove_handle(unit->multi, handle->easy);
    handle->transfer = NULL;
    transfer->next = NULL;
    *unit->done_tail = transfer;
    unit->done_tail = &transfer->next;
}

/* True: the transfer goes on. */
static bool begin_again(struct remote_handle *handle, unsigned how)
{
    struct remote_transfer *transfer = handle->transfer;

    curl_multi_remove_handle(handle->unit->multi, handle->easy);
    handle->transfer = NULL;
    if (remote_handle_begin(handle, transfer, how) == REMOTE_OK)
        return true;
    handle->transfer = transfer;
    return false;
}

/* A name that does not resolve, or not in time, is tried once more with the last good addresses. */
static bool retry_with_addresses(struct remote_handle *handle)
{
    char known[REMOTE_RESOLVE_TEXT_MAX];

    remote_endpoints_resolve(&handle->slot->endpoints, handle->endpoint, true, known,
                             sizeof(known));
    if (known[0] == '\0' || strcmp(known, handle->resolve_text) == 0)
        return false;
    remote_log(REMOTE_LOG_INFO, "slot '%s': '%s' does not resolve; using its last good address",
               handle->slot->name, handle->slot->endpoints.list[handle->endpoint].host);
    return begin_again(handle, REMOTE_BEGIN_FALLBACK | REMOTE_BEGIN_ANEW);
}

/* No connection was there to be used again, or it ended without an answer. */
static bool retry_anew(struct remote_handle *handle)
{
    return handle->reuse_only && begin_again(handle, REMOTE_BEGIN_ANEW);
}

static void read_finished(struct remote_unit *unit)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(unit->multi, &left)) != NULL) {
        struct remote_handle *handle = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &handle);
        if (handle->late) {
            count_connection(handle, code == CURLE_OK);
            remote_late_end(handle);
            continue;
        }
        if (code == CURLE_COULDNT_CONNECT && retry_anew(handle))
            continue;
        if (code == CURLE_COULDNT_RESOLVE_HOST && retry_with_addresses(handle))
            continue;
        finish(handle, code);
    }
}

/*
 * When a transfer runs out of time, as far as libcurl does not see to it: connect_timeout is for
 * TCP alone, the resolver has a patience of its own, and see remote_handle_close_behind().
 */
static int64_t timer_of(const struct remote_handle *handle)
{
    int64_t end = handle->transfer->request->grpc ? handle->transfer->deadline_ms : INT64_MAX;
    curl_off_t lookup = 0, connected = 0;
    int64_t due = INT64_MAX;

    curl_easy_getinfo(handle->easy, CURLINFO_NAMELOOKUP_TIME_T, &lookup);
    curl_easy_getinfo(handle->easy, CURLINFO_CONNECT_TIME_T, &connected);
    if (handle->connecting_ms != 0 && connected == 0 && !handle->tls_begun)
        due = handle->connecting_ms + handle->slot->policy.connect_timeout_ms;
    else if (handle->connecting_ms == 0 && lookup == 0 && handle->resolve_text[0] == '\0' &&
             handle->slot->endpoints.list[handle->endpoint].address_count > 0)
        due = handle->started_us / 1000 + RESOLVE_PATIENCE_MS;
    return due < end ? due : end;
}

static void ran_out(struct remote_handle *handle, int64_t now)
{
    if (handle->transfer->request->grpc && handle->transfer->deadline_ms <= now) {
        remote_handle_close_behind(handle);
        finish(handle, CURLE_OPERATION_TIMEDOUT);
    } else if (handle->connecting_ms != 0) {
        snprintf(handle->error, sizeof(handle->error), "no TCP connection within %lld ms",
                 (long long)handle->slot->policy.connect_timeout_ms);
        finish(handle, CURLE_COULDNT_CONNECT);
    } else if (!retry_with_addresses(handle)) {
        finish(handle, CURLE_COULDNT_RESOLVE_HOST);
    }
}

/* Returns when the next timer runs out. */
static int64_t check_timers(struct remote_unit *unit)
{
    int64_t now = remote_now_ms(), next = INT64_MAX;

    for (struct remote_handle *handle = unit->handles; handle != NULL; handle = handle->next) {
        int64_t due = handle->transfer != NULL ? timer_of(handle) : INT64_MAX;

        if (due <= now)
            ran_out(handle, now);
        else if (due < next)
            next = due;
    }
    return next;
}

static struct remote_transfer *take_done(struct remote_unit *unit)
{
    struct remote_transfer *transfer = unit->done;

    if (transfer != NULL) {
        unit->done = transfer->next;
        if (unit->done == NULL)
            unit->done_tail = &unit->done;
    }
    return transfer;
}

/* The one place where a request is waited for. */
static void poll_unit(struct remote_unit *unit, int wait_ms)
{
    unsigned depth = remote_gate_step_out();

    curl_multi_poll(unit->multi, NULL, 0, wait_ms, NULL);
    remote_gate_step_in(depth);
}

static struct remote_transfer *http_wait(struct remote_unit *unit, int64_t until_ms)
{
    for (;;) {
        struct remote_transfer *transfer = take_done(unit);
        int64_t wake, now;
        int running;

        if (transfer != NULL)
            return transfer;
        curl_multi_perform(unit->multi, &running);
        read_finished(unit);
        if (unit->done != NULL)
            continue;
        wake = check_timers(unit);
        if (unit->done != NULL)
            continue;
        now = remote_now_ms();
        if (now >= until_ms)
            return NULL;
        wake = wake < until_ms ? wake : until_ms;
        poll_unit(unit, wake - now < 1000 ? (int)(wake - now) : 1000);
    }
}

/* ---- a slot's transport ---- */

static enum remote_rc http_open(struct remote_slot *slot, const struct remote_section *section,
                                struct remote_error *err)
{
    bool tls = false;

    if (slot->ops->own_endpoints)
        remote_endpoints_begin(&slot->endpoints);
    else
        REMOTE_TRY(remote_endpoints_open(&slot->endpoints, section, err));
    for (size_t i = 0; i < slot->endpoints.count; i++)
        tls = tls || slot->endpoints.list[i].tls;
    if (tls)
        REMOTE_TRY(remote_tls_open(&slot->tls, section, slot->core, err));
    slot->http = calloc(1, sizeof(*slot->http));
    if (slot->http == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    remote_lock_init(&slot->http->lock, REMOTE_LOCK_POOL);
    slot->http->generation = remote_fork_generation();
    return REMOTE_OK;
}

enum remote_rc remote_slot_add_origin(struct remote_slot *slot,
                                      const struct remote_section *section, const char *option,
                                      const char *url, bool near, unsigned *ret,
                                      struct remote_error *err)
{
    unsigned index = 0;

    REMOTE_TRY(remote_endpoints_add(&slot->endpoints, section, option, url, near, &index, err));
    if (slot->endpoints.list[index].tls && !remote_tls_is_open(&slot->tls))
        REMOTE_TRY(remote_tls_open(&slot->tls, section, slot->core, err));
    *ret = index;
    return REMOTE_OK;
}

enum remote_rc remote_slot_add_endpoint(struct remote_slot *slot,
                                        const struct remote_section *section, const char *option,
                                        const char *url, struct remote_error *err)
{
    REMOTE_TRY(remote_endpoints_append(&slot->endpoints, section, option, url, err));
    if (slot->endpoints.list[slot->endpoints.count - 1].tls && !remote_tls_is_open(&slot->tls))
        REMOTE_TRY(remote_tls_open(&slot->tls, section, slot->core, err));
    return REMOTE_OK;
}

static void http_close(struct remote_slot *slot)
{
    struct remote_http *http = slot->http;

    if (http != NULL) {
        if (http->generation != remote_fork_generation())
            abandon_inherited(http);
        while (http->all != NULL)
            unit_free(http->all);
        remote_lock_destroy(&http->lock);
        free(http);
        slot->http = NULL;
    }
    remote_tls_close(&slot->tls);
    remote_endpoints_close(&slot->endpoints);
}

static void http_trim(struct remote_slot *slot)
{
    struct remote_http *http = slot->http;
    struct remote_unit *idle;

    remote_lock_acquire(&http->lock);
    if (http->generation != remote_fork_generation())
        abandon_inherited(http);
    idle = http->idle;
    http->idle = NULL;
    http->idle_count = 0;
    remote_lock_release(&http->lock);
    free_idle_list(idle);
}

const struct remote_transport remote_transport_http = {
    .acquire = http_acquire,
    .release = http_release,
    .start = http_start,
    .cancel = http_cancel,
    .wait = http_wait,
    .open = http_open,
    .close = http_close,
    .trim = http_trim,
};
