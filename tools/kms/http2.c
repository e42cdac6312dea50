/* SPDX-License-Identifier: Apache-2.0 */
#include "http2.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>

#include "metrics.h"

#define STREAMS_MAX 128        /* calls at once on one connection */
#define CONNECTIONS_MAX 64     /* an API server has one */
#define BODIES_MAX (64u << 20) /* bytes of requests that are not answered yet, altogether */
#define READ_MAX (64u << 10)   /* bytes at once */
#define WRITE_MAX (256u << 10) /* bytes that wait for a client to read; then it is not heard */
#define WINDOW (1 << 20)       /* bytes on their way to us on one connection */
#define SETTINGS_MAX 64        /* entries in one frame */
#define SILENCE_MS 10000       /* until a connection's first bytes */
#define REQUEST_MS 30000       /* until a request is whole */
#define PHASE_MS 1000          /* a client that does not answer a PING is not waited for */

static const uint8_t drain_ping[8] = { 'd', 'r', 'a', 'i', 'n' };

struct kms_http2 {
    struct kms_loop *loop;
    struct kms_pool *pool;
    struct kms_http2_options options;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *settings;
    struct kms_conn *conns, *dirty;
    size_t count, bodies;
    bool draining;
};

struct kms_conn {
    struct kms_source source; /* first */
    struct kms_http2 *http2;
    struct kms_keyring *ring;
    nghttp2_session *session;
    struct remote_buf out;
    size_t out_at;
    int64_t opened_ms, notice_ms;
    bool heard, is_dirty, told, told_last;
    struct kms_call *calls; /* of streams that are open */
    size_t working;         /* calls that workers have: they hold the connection's memory */
    struct kms_conn *prev, *next, *next_dirty;
};

/* ---- ends ---- */

static void conn_free(void *what)
{
    struct kms_conn *conn = what;

    remote_buf_clear(&conn->out);
    free(conn);
}

static void release(struct kms_conn *conn)
{
    if (conn->source.fd < 0 && conn->session == NULL && conn->working == 0)
        kms_loop_later(conn->http2->loop, conn_free, conn);
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

static void call_leave(struct kms_call *call);

static void conn_close(struct kms_conn *conn)
{
    struct kms_http2 *http2 = conn->http2;

    if (conn->source.fd < 0)
        return;
    unlink_dirty(conn);
    kms_loop_remove(http2->loop, &conn->source);
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
        call_leave(conn->calls);
    release(conn);
}

static void mark(struct kms_conn *conn)
{
    if (conn->is_dirty)
        return;
    conn->is_dirty = true;
    conn->next_dirty = conn->http2->dirty;
    conn->http2->dirty = conn;
}

/* ---- answers ---- */

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                         strlen(value), NGHTTP2_NV_FLAG_NO_COPY_NAME };
}

static ssize_t read_reply(nghttp2_session *session, int32_t stream, uint8_t *data, size_t size,
                          uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct kms_call *call = source->ptr;
    size_t left = call->reply.len - call->sent;
    const nghttp2_nv trailer = field("grpc-status", "0");

    (void)arg;
    if (left > size)
        left = size;
    memcpy(data, call->reply.data + call->sent, left);
    call->sent += left;
    if (call->sent == call->reply.len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(session, stream, &trailer, 1) != 0)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return (ssize_t)left;
}

/* A failure is all in one header (grpc/doc/PROTOCOL-HTTP2.md, "Trailers-Only"). */
static int submit_failure(struct kms_conn *conn, const struct kms_call *call)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    char number[8];
    nghttp2_nv fields[5];

    kms_grpc_message_append(&text, call->text);
    if (text.failed)
        return NGHTTP2_ERR_NOMEM;
    snprintf(number, sizeof(number), "%d", (int)call->status);
    fields[0] = field(":status", "200");
    fields[1] = field("content-type", "application/grpc");
    fields[2] = field("grpc-status", number);
    fields[3] = field("grpc-message", text.data != NULL ? (const char *)text.data : "");
    fields[4] = field("grpc-accept-encoding", "identity");
    return nghttp2_submit_response(conn->session, call->stream, fields, 5, NULL);
}

static int submit_reply(struct kms_conn *conn, struct kms_call *call)
{
    const nghttp2_nv fields[] = { field(":status", "200"),
                                  field("content-type", "application/grpc") };
    const nghttp2_data_provider body = { .source.ptr = call, .read_callback = read_reply };

    return nghttp2_submit_response(conn->session, call->stream, fields, 2, &body);
}

static void answer(struct kms_conn *conn, struct kms_call *call)
{
    int failed =
        call->status == KMS_GRPC_OK ? submit_reply(conn, call) : submit_failure(conn, call);

    kms_call_note(call);
    if (failed != 0)
        (void)nghttp2_submit_rst_stream(conn->session, NGHTTP2_FLAG_NONE, call->stream,
                                        NGHTTP2_INTERNAL_ERROR);
    mark(conn);
}

/* What is no gRPC at all is answered in HTTP's words. */
static void refuse(struct kms_conn *conn, const struct kms_call *call, const char *status)
{
    const nghttp2_nv fields[] = { field(":status", status) };

    (void)nghttp2_submit_response(conn->session, call->stream, fields, 1, NULL);
    mark(conn);
}

/* ---- calls ---- */

static void drop_body(struct kms_call *call)
{
    call->conn->http2->bodies -= call->body.len;
    remote_buf_clear(&call->body);
}

static void call_end(struct kms_call *call)
{
    if (call->counted)
        kms_metrics_in_flight(-1);
    drop_body(call);
    kms_call_free(call);
}

/* Its stream is gone; a worker that has it gives it back to done(). */
static void call_leave(struct kms_call *call)
{
    struct kms_conn *conn = call->conn;

    if (call->prev != NULL)
        call->prev->next = call->next;
    else
        conn->calls = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    if (call->working)
        atomic_store(&call->abandoned, true);
    else
        call_end(call);
}

static void work(struct kms_job *job)
{
    kms_call_work((struct kms_call *)job);
}

static void done(struct kms_job *job)
{
    struct kms_call *call = (struct kms_call *)job;
    struct kms_conn *conn = call->conn;

    conn->working--;
    call->working = false;
    if (atomic_load(&call->abandoned)) {
        call_end(call);
        release(conn);
        return;
    }
    answer(conn, call);
}

static void dispatch(struct kms_conn *conn, struct kms_call *call)
{
    bool quick = false;

    call->counted = true;
    kms_metrics_in_flight(1);
    if (!kms_call_accept(call, &quick)) {
        answer(conn, call);
        return;
    }
    if (quick) {
        kms_call_work(call);
        answer(conn, call);
        return;
    }
    call->job.work = work;
    call->job.done = done;
    call->working = true;
    conn->working++;
    if (kms_pool_submit(conn->http2->pool, &call->job))
        return;
    conn->working--;
    call->working = false;
    kms_call_fail(call, KMS_GRPC_RESOURCE_EXHAUSTED, "too many calls wait already");
    answer(conn, call);
}

/* Whatever else of the request arrives is not wanted. */
static void cut_short(struct kms_conn *conn, struct kms_call *call, enum kms_grpc_status status,
                      const char *text)
{
    drop_body(call);
    kms_call_fail(call, status, text);
    answer(conn, call);
    call->cut = true;
}

/* ---- nghttp2's callbacks ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct kms_conn *conn = arg;
    struct kms_call *call;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    call = kms_call_new(conn, frame->hd.stream_id, conn->ring, conn->http2->options.timeout_ms);
    if (call == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    call->next = conn->calls;
    if (call->next != NULL)
        call->next->prev = call;
    conn->calls = call;
    (void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct kms_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)flags, (void)arg;
    if (call != NULL && frame->hd.type == NGHTTP2_HEADERS &&
        frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        kms_call_header(call, remote_slice(name, name_len), remote_slice(value, value_len));
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t len, void *arg)
{
    struct kms_conn *conn = arg;
    struct kms_call *call = nghttp2_session_get_stream_user_data(session, stream);

    (void)flags;
    if (call == NULL || call->status != KMS_GRPC_OK)
        return 0;
    if (conn->http2->bodies + len > BODIES_MAX)
        cut_short(conn, call, KMS_GRPC_RESOURCE_EXHAUSTED, "too much is being sent at once");
    else if (!kms_call_body(call, remote_slice(data, len)))
        cut_short(conn, call, KMS_GRPC_RESOURCE_EXHAUSTED, "the message is longer than 1 MiB");
    else
        conn->http2->bodies += len;
    return 0;
}

static void end_phase(struct kms_conn *conn);

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct kms_conn *conn = arg;
    struct kms_call *call;

    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 &&
        memcmp(frame->ping.opaque_data, drain_ping, sizeof(drain_ping)) == 0)
        end_phase(conn);
    if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call == NULL || call->status != KMS_GRPC_OK)
        return 0;
    if (!call->post)
        refuse(conn, call, "405");
    else if (!call->grpc)
        refuse(conn, call, "415");
    else
        dispatch(conn, call);
    return 0;
}

/* Not together with the answer: a stream that is reset drops what waits to be sent on it. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    const struct kms_call *call;

    (void)arg;
    if (frame->hd.type != NGHTTP2_HEADERS || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call != NULL && call->cut)
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *arg)
{
    struct kms_call *call = nghttp2_session_get_stream_user_data(session, stream);

    (void)error, (void)arg;
    if (call == NULL)
        return 0;
    (void)nghttp2_session_set_stream_user_data(session, stream, NULL);
    call_leave(call);
    return 0;
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
    kms_loop_watch(conn->http2->loop, &conn->source, waits ? EPOLLOUT : EPOLLIN);
}

static void on_ready(struct kms_source *source, uint32_t events)
{
    static uint8_t room[READ_MAX]; /* the loop's thread has all connections */
    struct kms_conn *conn = (struct kms_conn *)source;
    ssize_t n;

    if ((events & EPOLLOUT) != 0) {
        mark(conn);
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
    mark(conn);
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
        kms_loop_add(http2->loop, &conn->source, EPOLLIN, NULL) != REMOTE_OK) {
        nghttp2_session_del(conn->session);
        return false;
    }
    conn->next = http2->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    http2->conns = conn;
    http2->count++;
    kms_metrics_connections(1);
    mark(conn);
    return true;
}

static void tell(struct kms_conn *conn);

void kms_http2_accept(struct kms_http2 *http2, int fd, struct kms_keyring *ring)
{
    struct kms_conn *conn =
        http2->count < http2->options.connections ? calloc(1, sizeof(*conn)) : NULL;

    if (conn != NULL) {
        conn->source = (struct kms_source){ fd, 0, on_ready };
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

static void end_late_requests(struct kms_conn *conn, int64_t now_ms)
{
    for (struct kms_call *call = conn->calls; call != NULL; call = call->next)
        if (!call->counted && call->status == KMS_GRPC_OK &&
            now_ms - call->started_us / 1000 > REQUEST_MS)
            cut_short(conn, call, KMS_GRPC_DEADLINE_EXCEEDED,
                      "the request took too long to arrive");
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
        end_late_requests(conn, now_ms);
        if (conn->told && now_ms - conn->notice_ms > PHASE_MS)
            end_phase(conn);
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
    (void)nghttp2_submit_ping(conn->session, NGHTTP2_FLAG_NONE, drain_ping);
    mark(conn);
}

static void end_phase(struct kms_conn *conn)
{
    if (!conn->told || conn->told_last)
        return;
    conn->told_last = true;
    (void)nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(conn->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
    mark(conn);
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
    nghttp2_session_callbacks_set_on_begin_headers_callback(http2->callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(http2->callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(http2->callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(http2->callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(http2->callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(http2->callbacks, on_stream_close);
    return true;
}

struct kms_http2 *kms_http2_new(struct kms_loop *loop, struct kms_pool *pool,
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
