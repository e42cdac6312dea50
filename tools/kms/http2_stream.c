/* SPDX-License-Identifier: Apache-2.0 */
/* Calls on the streams of a connection: what arrives of them, and their answers. */
#include "http2_private.h"

#include <stdio.h>
#include <string.h>

#include "metrics.h"

#define BODIES_MAX (64u << 20) /* bytes of requests that are not answered yet, altogether */
#define REQUEST_MS 30000       /* until a request is whole */

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
    kms_http2_mark(conn);
}

/* What is no gRPC at all is answered in HTTP's words. */
static void refuse(struct kms_conn *conn, const struct kms_call *call, const char *status)
{
    const nghttp2_nv fields[] = { field(":status", status) };

    (void)nghttp2_submit_response(conn->session, call->stream, fields, 1, NULL);
    kms_http2_mark(conn);
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
void kms_stream_leave(struct kms_call *call)
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

static void work(struct daemon_job *job)
{
    kms_call_work((struct kms_call *)job);
}

static void done(struct daemon_job *job)
{
    struct kms_call *call = (struct kms_call *)job;
    struct kms_conn *conn = call->conn;

    conn->working--;
    call->working = false;
    if (atomic_load(&call->abandoned)) {
        call_end(call);
        kms_http2_release(conn);
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
    if (daemon_pool_submit(conn->http2->pool, &call->job))
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

void kms_stream_end_late(struct kms_conn *conn, int64_t now_ms)
{
    for (struct kms_call *call = conn->calls; call != NULL; call = call->next)
        if (!call->counted && call->status == KMS_GRPC_OK &&
            now_ms - call->started_us / 1000 > REQUEST_MS)
            cut_short(conn, call, KMS_GRPC_DEADLINE_EXCEEDED,
                      "the request took too long to arrive");
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

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct kms_conn *conn = arg;
    struct kms_call *call;

    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 &&
        memcmp(frame->ping.opaque_data, kms_http2_drain_ping, sizeof(kms_http2_drain_ping)) == 0)
        kms_http2_end_phase(conn);
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
    kms_stream_leave(call);
    return 0;
}

void kms_stream_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
