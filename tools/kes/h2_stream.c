/* SPDX-License-Identifier: Apache-2.0 */
/* Requests on the streams of a connection, as they come, and who answers them. */
#include "h2_private.h"

#include <stdlib.h>
#include <string.h>

#define BODIES_MAX (16u << 20) /* bytes of requests that are at hand, on one connection */
#define FIELD_COST 32          /* beside its text: RFC 9113, 6.5.2 */

/* ---- calls ---- */

static void drop_body(struct kesd_h2_call *call)
{
    call->h2->bodies -= call->body.len;
    remote_buf_clear(&call->body);
}

static void call_free(struct kesd_h2_call *call)
{
    drop_body(call);
    kesd_tail_close(call->tail);
    kesd_response_clear(&call->response);
    remote_buf_clear(&call->target);
    free(call);
}

void kesd_h2_leave(struct kesd_h2_call *call)
{
    if (call->prev != NULL)
        call->prev->next = call->next;
    else
        call->h2->calls = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    if (call->phase == KESD_H2_WORKING)
        call->gone = true;
    else
        call_free(call);
}

static struct kesd_h2_call *call_new(struct kesd_h2 *h2, int32_t stream)
{
    struct kesd_h2_call *call = calloc(1, sizeof(*call));

    if (call == NULL)
        return NULL;
    call->h2 = h2;
    call->stream = stream;
    call->since_ms = remote_now_ms();
    call->request = h2->conn->request; /* whose it is: a worker may have it for longer */
    call->next = h2->calls;
    if (call->next != NULL)
        call->next->prev = call;
    h2->calls = call;
    return call;
}

/* ---- workers ---- */

static void work(struct daemon_job *job)
{
    struct kesd_h2_call *call = (struct kesd_h2_call *)job;

    (void)kesd_api_answer(call->api, &call->request, true, &call->response);
}

static void done(struct daemon_job *job)
{
    struct kesd_h2_call *call = (struct kesd_h2_call *)job;
    struct kesd_h2 *h2 = call->h2;

    h2->working--;
    if (!call->gone) {
        drop_body(call);
        kesd_h2_answer(call);
        kesd_h2_flush(h2->conn);
        return;
    }
    call_free(call);
    if (h2->conn == NULL && h2->working == 0)
        free(h2);
}

/* Who resets streams does not get more workers by that. */
static void let_work(struct kesd_h2_call *call)
{
    struct kesd_h2 *h2 = call->h2;
    struct kesd_lane *lane = h2->conn->lane;

    call->api = lane->service->api;
    call->job = (struct daemon_job){ work, done, NULL, lane->mailbox };
    call->phase = KESD_H2_WORKING;
    h2->working++;
    if (h2->working <= KESD_H2_STREAMS && daemon_pool_submit(lane->service->pool, &call->job))
        return;
    h2->working--;
    drop_body(call);
    kesd_h2_refuse(call, 503, "too many requests wait already");
}

/* ---- requests ---- */

static void dispatch(struct kesd_h2_call *call)
{
    struct kesd_request *request = &call->request;

    request->method = remote_slice_str(call->method);
    request->target = remote_buf_slice(&call->target);
    request->body = remote_buf_slice(&call->body);
    request->empty = !request->body_too_long && request->body.len == 0 &&
                     (call->has_length || call->phase == KESD_H2_HEADERS);
    if (!kesd_api_answer(call->h2->conn->lane->service->api, request, false, &call->response)) {
        let_work(call);
        return;
    }
    drop_body(call);
    kesd_h2_answer(call);
}

static void on_whole(struct kesd_h2_call *call)
{
    call->ended = true;
    if (call->phase <= KESD_H2_BODY)
        dispatch(call);
}

static void on_headers(struct kesd_h2_call *call, bool ended)
{
    static const nghttp2_nv go_on = { (uint8_t *)(uintptr_t) ":status",
                                      (uint8_t *)(uintptr_t) "100", 7, 3, NGHTTP2_NV_FLAG_NONE };

    call->ended = ended;
    if (call->target.failed) {
        kesd_h2_refuse(call, 503, "out of memory");
    } else if (call->too_wide) {
        kesd_h2_refuse(call, 431, "431 Request Header Fields Too Large");
    } else if (!ended) {
        call->phase = KESD_H2_BODY;
        call->since_ms = remote_now_ms();
        if (call->expects)
            (void)nghttp2_submit_headers(call->h2->session, NGHTTP2_FLAG_NONE, call->stream, NULL,
                                         &go_on, 1, NULL);
    }
}

static void on_body(struct kesd_h2_call *call, const uint8_t *data, size_t len)
{
    struct kesd_h2 *h2 = call->h2;

    if (call->body.len + len > KESD_BODY_MAX) {
        drop_body(call);
        call->request.body_too_long = true;
        dispatch(call);
    } else if (h2->bodies + len > BODIES_MAX) {
        drop_body(call);
        kesd_h2_refuse(call, 503, "too much is being sent at once");
    } else {
        remote_buf_append(&call->body, data, len);
        if (call->body.failed)
            kesd_h2_refuse(call, 503, "out of memory");
        else
            h2->bodies += len;
    }
}

/* ---- time ---- */

static void give_up(struct kesd_h2_call *call, int64_t now_ms)
{
    call->since_ms = now_ms; /* once is enough */
    (void)nghttp2_submit_rst_stream(call->h2->session, NGHTTP2_FLAG_NONE, call->stream,
                                    NGHTTP2_CANCEL);
}

bool kesd_h2_end_late(struct kesd_h2 *h2, int64_t now_ms)
{
    for (struct kesd_h2_call *call = h2->calls; call != NULL; call = call->next) {
        int64_t waited_ms = now_ms - call->since_ms;

        if (call->phase == KESD_H2_HEADERS && waited_ms > KESD_HEADER_MS)
            return false; /* nothing else can come before their end */
        if ((call->phase == KESD_H2_BODY && waited_ms > KESD_BODY_MS) ||
            (call->phase == KESD_H2_ANSWERED && waited_ms > KESD_WRITE_MS))
            give_up(call, now_ms);
    }
    return true;
}

/* ---- nghttp2's callbacks ---- */

static bool is_request(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct kesd_h2_call *call;

    if (!is_request(frame))
        return 0;
    call = call_new(arg, frame->hd.stream_id);
    if (call == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    (void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    return 0;
}

static bool is(struct remote_slice name, const char *text)
{
    return remote_slice_equal(name, remote_slice_str(text));
}

static void set_method(struct kesd_h2_call *call, struct remote_slice value)
{
    size_t len = value.len < sizeof(call->method) ? value.len : sizeof(call->method) - 1;

    memcpy(call->method, value.data, len);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct kesd_h2_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct remote_slice field = remote_slice(name, name_len);

    (void)flags, (void)arg;
    if (call == NULL || !is_request(frame))
        return 0;
    call->header_bytes += name_len + value_len + FIELD_COST;
    call->too_wide = call->header_bytes > KESD_HEADER_MAX;
    if (call->too_wide)
        return 0;
    if (is(field, ":method"))
        set_method(call, remote_slice(value, value_len));
    else if (is(field, ":path"))
        remote_buf_append(&call->target, value, value_len);
    else if (is(field, "content-length"))
        call->has_length = true;
    else if (is(field, "expect"))
        call->expects = is(remote_slice(value, value_len), "100-continue");
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t len, void *arg)
{
    struct kesd_h2_call *call = nghttp2_session_get_stream_user_data(session, stream);

    (void)flags, (void)arg;
    if (call != NULL && call->phase == KESD_H2_BODY)
        on_body(call, data, len);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    struct kesd_h2_call *call;

    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 &&
        memcmp(frame->ping.opaque_data, kesd_h2_drain_ping, sizeof(kesd_h2_drain_ping)) == 0)
        kesd_h2_end_phase(arg);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    if (is_request(frame))
        on_headers(call, ended);
    if (ended)
        on_whole(call);
    return 0;
}

/* What else comes of a request that was answered before its end is not wanted: RFC 9113, 8.1. Not
 * together with the answer: a stream that is reset drops what waits to be sent on it. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    const struct kesd_h2_call *call;

    (void)arg;
    if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call != NULL && !call->ended)
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *arg)
{
    struct kesd_h2_call *call = nghttp2_session_get_stream_user_data(session, stream);
    struct kesd_h2 *h2 = arg;

    if (error != NGHTTP2_NO_ERROR)
        h2->resets++;
    if (call == NULL)
        return 0;
    (void)nghttp2_session_set_stream_user_data(session, stream, NULL);
    kesd_h2_leave(call);
    return 0;
}

void kesd_h2_stream_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
