/* SPDX-License-Identifier: Apache-2.0 */
#include "http2_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "metrics.h"

#define STREAMS_MAX 128        /* calls at once on one connection */
#define CONNECTIONS_MAX 64     /* an API server has one */
#define READ_MAX (64u << 10)   /* bytes at once */
#define WRITE_MAX (256u << 10) /* bytes that wait for a client to read; then it is not heard */
#define WINDOW (1 << 20)       /* bytes on their way to us on one connection */
#define SETTINGS_MAX 64        /* entries in one frame */
#define SILENCE_MS 10000       /* until a connection's first bytes */
#define PHASE_MS 1000          /* a client that does not answer a PING is not waited for */

const uint8_t kms_http2_drain_ping[8] = { 'd', 'r', 'a', 'i', 'n' };

/* ---- ends ---- */

static void conn_free(void *what)
{
    struct kms_conn *conn = what;

    remote_buf_clear(&conn->out);
    free(conn);
}

void kms_http2_release(struct kms_conn *conn)
{
    if (conn->source.fd < 0 && conn->session == NULL && conn->working == 0)
        daemon_loop_later(conn->http2->loop, conn_free, conn);
}

static void unlink_dirty(struct kms_conn *conn)
{
    struct kms_conn **at = &conn->http2->dirty;

    if (!conn->is_dirty)
        return;
    while (*at != conn)
        at = &(*at)->next_dirty;
    *at = conn->next_dirty;
    conn->is_dirty = false;
}

static void conn_close(struct kms_conn *conn)
{
    struct kms_http2 *http2 = conn->http2;

    if (conn->source.fd < 0)
        return;
    unlink_dirty(conn);
    daemon_loop_remove(http2->loop, &conn->source);
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        http2->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    http2->count--;
    kms_metrics_connections(-1);
    nghttp2_session_del(conn->session);
    conn->session = NULL;
    while (conn->calls != NULL)
        kms_stream_leave(conn->calls);
    kms_http2_release(conn);
}

void kms_http2_mark(struct kms_conn *conn)
{
    if (conn->is_dirty)
        return;
    conn->is_dirty = true;
    conn->next_dirty = conn->http2->dirty;
    conn->http2->dirty = conn;
}

/* ---- bytes ---- */

/* Everything that the session has to say, as far as it fits. False: the session is broken. */
static bool collect(struct kms_conn *conn)
{
    while (conn->out.len - conn->out_at < WRITE_MAX) {
        const uint8_t *data;
        ssize_t len = nghttp2_session_mem_send(conn->session, &data);

        if (len < 0)
            return false;
        if (len == 0)
            return true;
        remote_buf_append(&conn->out, data, (size_t)len);
        if (conn->out.failed)
            return false;
    }
    return true;
}

/* False: the connection is gone. */
static bool send_out(struct kms_conn *conn)
{
    while (conn->out_at < conn->out.len) {
        ssize_t n = send(conn->source.fd, conn->out.data + conn->out_at,
                         conn->out.len - conn->out_at, MSG_NOSIGNAL);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        conn->out_at += (size_t)n;
    }
    conn->out.len = conn->out_at = 0;
    return true;
}

static void flush(struct kms_conn *conn)
{
    bool waits;

    if (!collect(conn) || !send_out(conn)) {
        conn_close(conn);
        return;
    }
    waits = conn->out.len > 0;
    if (!waits && !nghttp2_session_want_read(conn->session) &&
        !nghttp2_session_want_write(conn->session)) {
        conn_close(conn);
        return;
    }
    /* who does not read is not heard */
    daemon_loop_watch(conn->http2->loop, &conn->source, waits ? EPOLLOUT : EPOLLIN);
}

static void on_ready(struct daemon_source *source, uint32_t events)
{
    static uint8_t room[READ_MAX]; /* the loop's thread has all connections */
    struct kms_conn *conn = (struct kms_conn *)source;
    ssize_t n;

    if ((events & EPOLLOUT) != 0) {
        kms_http2_mark(conn);
        return;
    }
    n = recv(source->fd, room, sizeof(room), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        conn_close(conn);
        return;
    }
    conn->heard = true;
    if (nghttp2_session_mem_recv(conn->session, room, (size_t)n) < 0) {
        remote_log(REMOTE_LOG_INFO, "a client of key '%s' does not speak HTTP/2: closed",
                   kms_keyring_name(conn->ring));
        (void)nghttp2_session_terminate_session(conn->session, NGHTTP2_PROTOCOL_ERROR);
        flush(conn);
        conn_close(conn);
        return;
    }
    explicit_bzero(room, (size_t)n);
    kms_http2_mark(conn);
}

void kms_http2_flush(struct kms_http2 *http2)
{
    while (http2->dirty != NULL) {
        struct kms_conn *conn = http2->dirty;

        unlink_dirty(conn);
        flush(conn);
    }
}

/* ---- connections ---- */

static int submit_settings(struct kms_conn *conn)
{
    const nghttp2_settings_entry entries[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 8192 },
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
    };

    if (nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, entries, ARRAY_SIZE(entries)))
        return -1;
    return nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
}

static bool conn_open(struct kms_conn *conn)
{
    struct kms_http2 *http2 = conn->http2;

    if (nghttp2_session_server_new2(&conn->session, http2->callbacks, conn, http2->settings) != 0)
        return false;
    if (submit_settings(conn) != 0 ||
        daemon_loop_add(http2->loop, &conn->source, EPOLLIN, NULL) != REMOTE_OK) {
        nghttp2_session_del(conn->session);
        return false;
    }
    conn->next = http2->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    http2->conns = conn;
    http2->count++;
    kms_metrics_connections(1);
    kms_http2_mark(conn);
    return true;
}

static void tell(struct kms_conn *conn);

void kms_http2_accept(struct kms_http2 *http2, int fd, struct kms_keyring *ring)
{
    struct kms_conn *conn =
        http2->count < http2->options.connections ? calloc(1, sizeof(*conn)) : NULL;

    if (conn != NULL) {
        conn->source = (struct daemon_source){ fd, 0, on_ready };
        conn->http2 = http2;
        conn->ring = ring;
        conn->opened_ms = remote_now_ms();
    }
    if (conn == NULL || !conn_open(conn)) {
        remote_log(REMOTE_LOG_WARNING, "a connection is refused: there are %zu already",
                   http2->count);
        close(fd);
        free(conn);
        return;
    }
    if (http2->draining)
        tell(conn);
}

void kms_http2_tick(struct kms_http2 *http2)
{
    int64_t now_ms = remote_now_ms();
    struct kms_conn *next;

    for (struct kms_conn *conn = http2->conns; conn != NULL; conn = next) {
        next = conn->next;
        if (!conn->heard && now_ms - conn->opened_ms > SILENCE_MS) {
            conn_close(conn);
            continue;
        }
        kms_stream_end_late(conn, now_ms);
        if (conn->told && now_ms - conn->notice_ms > PHASE_MS)
            kms_http2_end_phase(conn);
    }
    kms_http2_flush(http2);
}

/* ---- the end ---- */

/* Streams that were opened until the client heard of it are answered; a PING tells when that is. */
static void tell(struct kms_conn *conn)
{
    conn->told = true;
    conn->notice_ms = remote_now_ms();
    (void)nghttp2_submit_shutdown_notice(conn->session);
    (void)nghttp2_submit_ping(conn->session, NGHTTP2_FLAG_NONE, kms_http2_drain_ping);
    kms_http2_mark(conn);
}

void kms_http2_end_phase(struct kms_conn *conn)
{
    if (!conn->told || conn->told_last)
        return;
    conn->told_last = true;
    (void)nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(conn->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
    kms_http2_mark(conn);
}

void kms_http2_drain(struct kms_http2 *http2)
{
    http2->draining = true;
    for (struct kms_conn *conn = http2->conns; conn != NULL; conn = conn->next)
        tell(conn);
}

bool kms_http2_is_empty(const struct kms_http2 *http2)
{
    return http2->conns == NULL;
}

/* ---- all of them ---- */

static bool set_up(struct kms_http2 *http2)
{
    if (nghttp2_session_callbacks_new(&http2->callbacks) != 0 ||
        nghttp2_option_new(&http2->settings) != 0)
        return false;
    /* Old API servers send the socket's path as :authority, which HTTP does not allow. */
    nghttp2_option_set_no_http_messaging(http2->settings, 1);
    nghttp2_option_set_max_settings(http2->settings, SETTINGS_MAX);
    nghttp2_option_set_no_closed_streams(http2->settings, 1);
    kms_stream_callbacks(http2->callbacks);
    return true;
}

struct kms_http2 *kms_http2_new(struct daemon_loop *loop, struct daemon_pool *pool,
                                const struct kms_http2_options *options, struct remote_error *err)
{
    struct kms_http2 *http2 = calloc(1, sizeof(*http2));

    if (http2 == NULL || !set_up(http2)) {
        kms_http2_free(http2);
        REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        return NULL;
    }
    http2->loop = loop;
    http2->pool = pool;
    http2->options = *options;
    if (http2->options.connections == 0)
        http2->options.connections = CONNECTIONS_MAX;
    return http2;
}

void kms_http2_free(struct kms_http2 *http2)
{
    if (http2 == NULL)
        return;
    while (http2->conns != NULL)
        conn_close(http2->conns);
    nghttp2_session_callbacks_del(http2->callbacks);
    nghttp2_option_del(http2->settings);
    free(http2);
}
