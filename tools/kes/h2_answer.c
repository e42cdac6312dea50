/* SPDX-License-Identifier: Apache-2.0 */
/* Answers on the streams of a connection, and the logs that are followed on them. */
#include "h2_private.h"

#include <stdio.h>
#include <string.h>

/* ---- headers ---- */

#define FIELDS_MAX 6

struct fields {
    nghttp2_nv list[FIELDS_MAX];
    size_t count;
};

/* The session copies both, and makes the name lower-case (RFC 9113, 8.2.1). */
static void add(struct fields *fields, struct remote_slice name, struct remote_slice value)
{
    fields->list[fields->count++] =
        (nghttp2_nv){ (uint8_t *)(uintptr_t)name.data, (uint8_t *)(uintptr_t)value.data, name.len,
                      value.len, NGHTTP2_NV_FLAG_NONE };
}

static void add_str(struct fields *fields, const char *name, const char *value)
{
    add(fields, remote_slice_str(name), remote_slice_str(value));
}

/* "Name: value\r\n" */
static void add_line(struct fields *fields, const char *line)
{
    size_t name = strcspn(line, ":");
    const char *value = line + name + strlen(": ");

    add(fields, remote_slice(line, name), remote_slice(value, strcspn(value, "\r")));
}

/* ---- bodies ---- */

static void take_lines(struct kesd_h2_call *call)
{
    if (call->sent < call->response.body.len)
        return;
    remote_buf_clear(&call->response.body);
    call->sent = 0;
    if (call->tail != NULL)
        kesd_tail_take(call->tail, &call->response.body);
}

/* Tells how much of the body the next frame has; send_data() brings it. */
static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *data, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct kesd_h2_call *call = source->ptr;
    size_t left;

    (void)session, (void)stream, (void)data, (void)arg;
    if (call->phase == KESD_H2_FOLLOWING)
        take_lines(call);
    if (call->response.body.failed)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    left = call->response.body.len - call->sent;
    if (left == 0 && call->tail != NULL)
        return NGHTTP2_ERR_DEFERRED;
    if (left <= size && call->tail == NULL)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return (ssize_t)(left <= size ? left : size);
}

/* Past the buffers of nghttp2, which would keep data keys in memory after they were sent. */
int kesd_h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                      size_t len, nghttp2_data_source *source, void *arg)
{
    struct kesd_h2_call *call = source->ptr;
    struct remote_buf *out = &call->h2->conn->lane->out;

    (void)session, (void)frame, (void)arg;
    remote_buf_append(out, head, 9); /* RFC 9113, 4.1 */
    remote_buf_append(out, call->response.body.data + call->sent, len);
    call->sent += len;
    call->since_ms = remote_now_ms();
    return out->failed ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* ---- logs ---- */

static void pump(void *arg)
{
    struct kesd_h2_call *call = arg;

    /* Fails if lines wait for the client already, and they bring these along. */
    (void)nghttp2_session_resume_data(call->h2->session, call->stream);
    kesd_h2_flush(call->h2->conn);
}

static bool follow(struct kesd_h2_call *call)
{
    enum kesd_stream kind = call->response.stream;

    kesd_response_clear(&call->response);
    call->response = (struct kesd_response){ .status = 200, .type = "application/x-ndjson" };
    call->tail = kesd_tail_open(call->h2->conn->lane, kind, pump, call);
    return call->tail != NULL;
}

void kesd_h2_end_following(struct kesd_h2_call *call)
{
    if (call->tail == NULL)
        return;
    kesd_tail_take(call->tail, &call->response.body);
    kesd_tail_close(call->tail);
    call->tail = NULL;
    call->phase = KESD_H2_ANSWERED;
    call->since_ms = remote_now_ms();
    (void)nghttp2_session_resume_data(call->h2->session, call->stream);
}

/* ---- answers ---- */

static void make_fields(const struct kesd_h2_call *call, struct fields *fields, const char *status,
                        const char *length)
{
    const struct kesd_response *response = &call->response;

    add_str(fields, ":status", status);
    if (response->type != NULL)
        add_str(fields, "content-type", response->type);
    if (response->location[0] != '\0')
        add_str(fields, "location", response->location);
    if (response->extra != NULL)
        add_line(fields, response->extra);
    add_line(fields, kesd_lane_date(call->h2->conn->lane));
    if (call->tail == NULL)
        add_str(fields, "content-length", length);
}

static void submit(struct kesd_h2_call *call)
{
    const nghttp2_data_provider body = { .source.ptr = call, .read_callback = read_body };
    bool bodiless =
        call->tail == NULL && (strcmp(call->method, "HEAD") == 0 || call->response.body.len == 0);
    struct fields fields = { .count = 0 };
    char status[12], length[24];

    snprintf(status, sizeof(status), "%d", call->response.status);
    snprintf(length, sizeof(length), "%zu", call->response.body.len);
    make_fields(call, &fields, status, length);
    call->phase = call->tail != NULL ? KESD_H2_FOLLOWING : KESD_H2_ANSWERED;
    call->since_ms = remote_now_ms();
    if (nghttp2_submit_response(call->h2->session, call->stream, fields.list, fields.count,
                                bodiless ? NULL : &body) != 0)
        (void)nghttp2_submit_rst_stream(call->h2->session, NGHTTP2_FLAG_NONE, call->stream,
                                        NGHTTP2_INTERNAL_ERROR);
}

void kesd_h2_refuse(struct kesd_h2_call *call, int status, const char *text)
{
    kesd_response_clear(&call->response);
    call->response =
        (struct kesd_response){ .status = status, .type = "text/plain; charset=utf-8" };
    remote_buf_append_str(&call->response.body, text);
    submit(call);
}

void kesd_h2_answer(struct kesd_h2_call *call)
{
    bool follows = call->response.stream != KESD_NO_STREAM && !call->h2->conn->lane->draining;

    if (follows && !follow(call))
        kesd_h2_refuse(call, 503, "out of memory");
    else
        submit(call);
}
