/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a connection, and its time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn_private.h"
#include "h2.h"
#include "reply.h"
#include "tls_client.h"

#define HANDSHAKE_MS 5000
#define LINGER_MS 2000
#define GRACE_MS 1000  /* at the end, since the last answer */
#define LEAN_MS 1000   /* silence after which buffers are given back */
#define READS_A_TURN 8 /* then others have theirs */
#define OUT_KEPT 65536 /* bytes of the lane's buffer that stay */

static struct kesd_conn *of_job(struct daemon_job *job)
{
    return (struct kesd_conn *)(void *)((char *)job - offsetof(struct kesd_conn, job));
}

/* ---- the end ---- */

static void conn_free(void *what)
{
    struct kesd_conn *conn = what;

    SSL_free(conn->ssl);
    kesd_http_clear(&conn->http);
    remote_buf_clear(&conn->rest);
    remote_buf_clear(&conn->out);
    free(conn);
}

static void unlink_conn(struct kesd_conn *conn)
{
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        conn->lane->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    atomic_fetch_sub_explicit(&conn->lane->count, 1, memory_order_relaxed);
    kesd_metrics_connections(conn->lane->service->api, -1);
}

static void bury(struct kesd_conn *conn)
{
    daemon_loop_later(conn->lane->loop, conn_free, conn);
}

void kesd_conn_end(struct kesd_conn *conn)
{
    if (conn->state == KESD_CONN_GONE)
        return;
    conn->state = KESD_CONN_GONE;
    kesd_tail_close(conn->tail);
    conn->tail = NULL;
    kesd_h2_close(conn);
    daemon_loop_remove(conn->lane->loop, &conn->source);
    unlink_conn(conn);
    if (!conn->posted)
        bury(conn);
}

bool kesd_conn_is_back(struct kesd_conn *conn)
{
    conn->posted = false;
    if (conn->state != KESD_CONN_GONE)
        return true;
    bury(conn);
    return false;
}

void kesd_conn_set_state(struct kesd_conn *conn, enum kesd_conn_state state, int64_t timeout_ms)
{
    conn->state = state;
    conn->quiet_ms = remote_now_ms();
    conn->deadline_ms = conn->quiet_ms + timeout_ms;
    if (state == KESD_CONN_WRITING)
        daemon_loop_watch(conn->lane->loop, &conn->source, EPOLLOUT);
    else if (state != KESD_CONN_WORKING) /* which is mostly over before anything comes */
        daemon_loop_watch(conn->lane->loop, &conn->source, EPOLLIN);
}

/*
 * Closing a socket with bytes unread makes a reset, which can overtake the answer or the alert on
 * its way to the client: so the client closes first, or has two seconds. RFC 9112, 9.6.
 */
void kesd_conn_linger(struct kesd_conn *conn)
{
    if (SSL_is_init_finished(conn->ssl))
        (void)SSL_shutdown(conn->ssl);
    ERR_clear_error();
    (void)shutdown(conn->source.fd, SHUT_WR);
    kesd_conn_set_state(conn, KESD_CONN_LINGERING, LINGER_MS);
}

static void discard(struct kesd_conn *conn)
{
    ssize_t n = recv(conn->source.fd, conn->lane->in, sizeof(conn->lane->in), 0);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        kesd_conn_end(conn);
}

/* ---- writing ---- */

enum outcome { ALL_WRITTEN, SOME_LEFT, BROKEN };

static enum outcome write_some(struct kesd_conn *conn, struct remote_slice bytes, size_t *at)
{
    while (*at < bytes.len) {
        int n = SSL_write(conn->ssl, bytes.data + *at, (int)(bytes.len - *at));

        if (n > 0) {
            *at += (size_t)n;
            continue;
        }
        n = SSL_get_error(conn->ssl, n);
        ERR_clear_error();
        return n == SSL_ERROR_WANT_WRITE ? SOME_LEFT : BROKEN;
    }
    return ALL_WRITTEN;
}

static void empty_lane(struct kesd_lane *lane)
{
    if (lane->out.cap > OUT_KEPT || lane->out.failed)
        remote_buf_clear(&lane->out);
    else
        remote_buf_truncate(&lane->out, 0); /* wipes */
}

void kesd_conn_send(struct kesd_conn *conn)
{
    struct kesd_lane *lane = conn->lane;
    struct remote_slice bytes = remote_buf_slice(&lane->out);
    size_t at = 0;
    enum outcome outcome = lane->out.failed ? BROKEN : write_some(conn, bytes, &at);

    if (outcome == SOME_LEFT) {
        remote_buf_append(&conn->out, bytes.data + at, bytes.len - at);
        outcome = conn->out.failed ? BROKEN : SOME_LEFT;
    }
    empty_lane(lane);
    if (outcome == BROKEN) {
        kesd_conn_end(conn);
    } else if (outcome == SOME_LEFT) {
        kesd_conn_set_state(conn, KESD_CONN_WRITING, KESD_WRITE_MS);
    } else {
        kesd_conn_written(conn);
    }
}

static void write_on(struct kesd_conn *conn)
{
    enum outcome outcome = write_some(conn, remote_buf_slice(&conn->out), &conn->out_at);

    if (outcome == SOME_LEFT)
        return;
    if (outcome == BROKEN) {
        kesd_conn_end(conn);
        return;
    }
    remote_buf_clear(&conn->out);
    conn->out_at = 0;
    kesd_conn_written(conn);
    if (conn->state == KESD_CONN_READING)
        kesd_conn_resume(conn);
}

/* ---- reading ---- */

static void on_turn(struct daemon_job *job)
{
    struct kesd_conn *conn = of_job(job);

    if (kesd_conn_is_back(conn) && conn->state == KESD_CONN_READING)
        kesd_conn_resume(conn);
}

/* It goes on after those who wait: epoll knows nothing of bytes that TLS holds already. */
static void yield_turn(struct kesd_conn *conn)
{
    conn->job = (struct daemon_job){ NULL, on_turn, NULL, conn->lane->mailbox };
    conn->posted = true;
    daemon_mailbox_put(conn->lane->mailbox, &conn->job);
}

static void wait_for_more(struct kesd_conn *conn)
{
    daemon_loop_watch(conn->lane->loop, &conn->source, EPOLLIN);
    if (conn->h2 != NULL)
        kesd_h2_flush(conn);
}

static void read_failed(struct kesd_conn *conn, int n)
{
    int error = SSL_get_error(conn->ssl, n);

    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ)
        wait_for_more(conn);
    else if (error == SSL_ERROR_WANT_WRITE) /* an answer to the client's key update */
        daemon_loop_watch(conn->lane->loop, &conn->source, EPOLLIN | EPOLLOUT);
    else if (error == SSL_ERROR_ZERO_RETURN)
        kesd_conn_linger(conn);
    else
        kesd_conn_end(conn);
}

static void take(struct kesd_conn *conn, struct remote_slice bytes)
{
    if (conn->h2 != NULL)
        kesd_h2_feed(conn, bytes, SSL_has_pending(conn->ssl) != 0);
    else
        kesd_conn_feed(conn, bytes);
}

static void read_requests(struct kesd_conn *conn)
{
    struct kesd_lane *lane = conn->lane;

    conn->lean = false;
    for (int turn = 0; turn < READS_A_TURN; turn++) {
        int n = SSL_read(conn->ssl, lane->in, sizeof(lane->in));

        if (n <= 0) {
            read_failed(conn, n);
            return;
        }
        take(conn, remote_slice(lane->in, (size_t)n));
        if (conn->state != KESD_CONN_READING)
            return;
        if (!SSL_has_pending(conn->ssl)) {
            daemon_loop_watch(lane->loop, &conn->source, EPOLLIN);
            return;
        }
    }
    yield_turn(conn);
}

void kesd_conn_resume(struct kesd_conn *conn)
{
    CLEANUP(remote_buf_clear) struct remote_buf rest = conn->rest;

    conn->rest = (struct remote_buf){ 0 };
    if (rest.failed) {
        kesd_conn_end(conn);
        return;
    }
    if (conn->h2 != NULL)
        kesd_h2_flush(conn);
    else if (rest.len > 0)
        kesd_conn_feed(conn, remote_buf_slice(&rest));
    if (conn->state == KESD_CONN_READING)
        read_requests(conn);
}

/* ---- the handshake ---- */

static bool is_plain_http(void)
{
    int reason = ERR_GET_REASON(ERR_peek_error());

    return ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL &&
           (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST);
}

static void handshake_failed(struct kesd_conn *conn)
{
    unsigned long error = ERR_peek_error();
    const char *reason = ERR_reason_error_string(error);

    if (is_plain_http())
        (void)send(conn->source.fd, kesd_reply_no_tls, strlen(kesd_reply_no_tls),
                   MSG_NOSIGNAL | MSG_DONTWAIT);
    else if (reason != NULL && ERR_GET_REASON(error) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
        remote_log(REMOTE_LOG_INFO, "%s: TLS: %s", conn->request.peer, reason);
    kesd_conn_linger(conn);
}

static void meet(struct kesd_conn *conn)
{
    kesd_tls_identify(conn->ssl, &conn->request);
    kesd_conn_idle(conn);
    if (kesd_tls_has_h2(conn->ssl) && !kesd_h2_open(conn))
        kesd_conn_end(conn);
    if (conn->state == KESD_CONN_READING)
        read_requests(conn);
}

static void shake_hands(struct kesd_conn *conn)
{
    int n = SSL_do_handshake(conn->ssl), error;

    if (n == 1) {
        meet(conn);
        return;
    }
    error = SSL_get_error(conn->ssl, n);
    if (error == SSL_ERROR_WANT_READ)
        daemon_loop_watch(conn->lane->loop, &conn->source, EPOLLIN);
    else if (error == SSL_ERROR_WANT_WRITE)
        daemon_loop_watch(conn->lane->loop, &conn->source, EPOLLOUT);
    else
        handshake_failed(conn);
    ERR_clear_error();
}

/* ---- events ---- */

/* The client has no say now: it can only have gone. */
static void while_working(struct kesd_conn *conn, uint32_t events)
{
    if ((events & (EPOLLHUP | EPOLLERR)) != 0)
        kesd_conn_end(conn);
    else
        daemon_loop_watch(conn->lane->loop, &conn->source, 0);
}

/* What a client says to a stream is not heard, but for its end. */
static void while_streaming(struct kesd_conn *conn)
{
    int n = SSL_read(conn->ssl, conn->lane->in, sizeof(conn->lane->in));

    if (n <= 0)
        read_failed(conn, n);
}

static void on_ready(struct daemon_source *source, uint32_t events)
{
    struct kesd_conn *conn = (struct kesd_conn *)source;

    switch (conn->state) {
    case KESD_CONN_HANDSHAKE:
        shake_hands(conn);
        break;
    case KESD_CONN_READING:
        if (!conn->posted)
            read_requests(conn);
        break;
    case KESD_CONN_WORKING:
        while_working(conn, events);
        break;
    case KESD_CONN_WRITING:
        write_on(conn);
        break;
    case KESD_CONN_STREAMING:
        while_streaming(conn);
        break;
    default:
        discard(conn);
    }
}

/* Gives back 33 kB while nobody speaks: most connections are idle most of the time. */
static void grow_lean(struct kesd_conn *conn, int64_t now_ms)
{
    if (conn->lean || conn->state != KESD_CONN_READING || conn->http.state != KESD_HTTP_EMPTY ||
        now_ms - conn->quiet_ms < LEAN_MS)
        return;
    conn->lean = true;
    (void)SSL_free_buffers(conn->ssl);
}

void kesd_conn_tick(struct kesd_conn *conn, int64_t now_ms)
{
    if (conn->h2 != NULL && conn->state == KESD_CONN_READING)
        kesd_h2_tick(conn, now_ms);
    if (now_ms < conn->deadline_ms)
        grow_lean(conn, now_ms);
    else if (conn->state == KESD_CONN_READING)
        kesd_conn_linger(conn);
    else
        kesd_conn_end(conn);
}

/*
 * Whoever was served just now may have sent the next request already, and an end would take it
 * along: clients do not repeat a POST then. It is answered, and the answer says that it was the
 * last one.
 */
static void drain_idle(struct kesd_conn *conn)
{
    int64_t until_ms = conn->quiet_ms + GRACE_MS;

    if (remote_now_ms() >= until_ms)
        kesd_conn_linger(conn);
    else if (until_ms < conn->deadline_ms)
        conn->deadline_ms = until_ms;
}

void kesd_conn_drain(struct kesd_conn *conn)
{
    if (conn->state == KESD_CONN_HANDSHAKE) {
        kesd_conn_end(conn);
    } else if (conn->h2 != NULL) {
        kesd_h2_drain(conn);
    } else if (conn->state == KESD_CONN_STREAMING) {
        kesd_conn_end_stream(conn);
    } else if (conn->state == KESD_CONN_READING && conn->http.state == KESD_HTTP_EMPTY) {
        drain_idle(conn);
    }
}

struct kesd_conn *kesd_conn_next(const struct kesd_conn *conn)
{
    return conn->next;
}

/* ---- the beginning ---- */

static void begin(struct daemon_job *job)
{
    struct kesd_conn *conn = of_job(job);
    struct kesd_lane *lane = conn->lane;

    conn->posted = false;
    conn->next = lane->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    lane->conns = conn;
    kesd_metrics_connections(lane->service->api, 1);
    conn->ssl = kesd_tls_accept(lane->service->tls, conn->source.fd);
    if (conn->ssl == NULL || lane->draining ||
        daemon_loop_add(lane->loop, &conn->source, EPOLLIN, NULL) != REMOTE_OK) {
        kesd_conn_end(conn);
        return;
    }
    kesd_conn_set_state(conn, KESD_CONN_HANDSHAKE, HANDSHAKE_MS);
    shake_hands(conn); /* the client speaks first, and most often it has by now */
}

bool kesd_conn_new(struct kesd_lane *lane, int fd, const char *peer)
{
    struct kesd_conn *conn = calloc(1, sizeof(*conn));

    if (conn == NULL) {
        close(fd);
        return false;
    }
    conn->source = (struct daemon_source){ fd, 0, on_ready };
    conn->lane = lane;
    snprintf(conn->request.peer, sizeof(conn->request.peer), "%s", peer);
    kesd_http_init(&conn->http);
    conn->job = (struct daemon_job){ NULL, begin, NULL, lane->mailbox };
    conn->posted = true;
    atomic_fetch_add_explicit(&lane->count, 1, memory_order_relaxed);
    daemon_mailbox_put(lane->mailbox, &conn->job);
    return true;
}
