/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers of a connection. */
#include <string.h>

#include "conn_private.h"
#include "reply.h"

/* ---- answers ---- */

static void write_response(struct kesd_conn *conn, struct kesd_response *response)
{
    struct kesd_lane *lane = conn->lane;
    bool head = remote_slice_equal(conn->request.method, remote_slice_str("HEAD"));

    conn->close = response->close || !conn->http.keep_alive || conn->http.body_too_long ||
                  conn->http.parser.upgrade || lane->draining;
    kesd_reply_append(&lane->out, response, kesd_lane_date(lane), head, conn->close);
    kesd_response_clear(response);
    kesd_conn_send(conn);
}

static void pump(void *arg)
{
    struct kesd_conn *conn = arg;
    CLEANUP(remote_buf_clear) struct remote_buf lines = { 0 };

    if (conn->state != KESD_CONN_STREAMING)
        return; /* the client is slow: once it has read what it was sent */
    kesd_tail_take(conn->tail, &lines);
    if (lines.len == 0)
        return;
    kesd_reply_append_chunk(&conn->lane->out, remote_buf_slice(&lines));
    kesd_conn_send(conn);
}

static void open_stream(struct kesd_conn *conn, struct kesd_response *response)
{
    struct kesd_lane *lane = conn->lane;
    enum kesd_stream kind = response->stream;

    kesd_response_clear(response);
    conn->tail = kesd_tail_open(lane, kind, pump, conn);
    if (conn->tail == NULL) {
        kesd_conn_linger(conn);
        return;
    }
    kesd_reply_append_stream(&lane->out, kesd_lane_date(lane));
    kesd_conn_send(conn);
}

void kesd_conn_end_stream(struct kesd_conn *conn)
{
    conn->close = true;
    kesd_reply_append_end(&conn->lane->out);
    kesd_conn_send(conn);
}

static void respond(struct kesd_conn *conn, struct kesd_response *response)
{
    if (response->stream != KESD_NO_STREAM && !conn->lane->draining)
        open_stream(conn, response);
    else
        write_response(conn, response);
}

static void refuse(struct kesd_conn *conn, int status, const char *text)
{
    conn->close = true;
    kesd_reply_append_fault(&conn->lane->out, status, text, kesd_lane_date(conn->lane));
    kesd_conn_send(conn);
}

/* What follows when all of an answer is with the client. */
void kesd_conn_written(struct kesd_conn *conn)
{
    if (conn->h2 != NULL) {
        kesd_conn_set_state(conn, KESD_CONN_READING, KESD_IDLE_MS);
    } else if (conn->tail != NULL && !conn->close) {
        kesd_conn_set_state(conn, KESD_CONN_STREAMING, KESD_NEVER_MS);
        if (conn->lane->draining)
            kesd_conn_end_stream(conn);
        else
            pump(conn);
    } else if (conn->close) {
        kesd_conn_linger(conn);
    } else if (conn->http.state == KESD_HTTP_WHOLE) {
        kesd_http_next(&conn->http);
        kesd_conn_set_state(conn, KESD_CONN_READING, KESD_IDLE_MS);
    } else {
        kesd_conn_idle(conn); /* it was told to go on with its request */
    }
}

/* ---- requests ---- */

static struct kesd_conn *of_job(struct daemon_job *job)
{
    return (struct kesd_conn *)(void *)((char *)job - offsetof(struct kesd_conn, job));
}

static void work(struct daemon_job *job)
{
    struct kesd_conn *conn = of_job(job);

    (void)kesd_api_answer(conn->lane->service->api, &conn->request, true, &conn->response);
}

static void done(struct daemon_job *job)
{
    struct kesd_conn *conn = of_job(job);
    struct kesd_response response = conn->response;

    conn->response = (struct kesd_response){ 0 };
    if (!kesd_conn_is_back(conn)) {
        kesd_response_clear(&response);
        return;
    }
    respond(conn, &response);
    if (conn->state == KESD_CONN_READING)
        kesd_conn_resume(conn);
}

static void let_work(struct kesd_conn *conn)
{
    if (!kesd_http_hold(&conn->http)) {
        refuse(conn, 503, "out of memory");
        return;
    }
    conn->request.target = conn->http.target.slice;
    conn->request.body = conn->http.body.slice;
    conn->job = (struct daemon_job){ work, done, NULL, conn->lane->mailbox };
    conn->posted = true;
    kesd_conn_set_state(conn, KESD_CONN_WORKING, KESD_NEVER_MS);
    if (daemon_pool_submit(conn->lane->service->pool, &conn->job))
        return;
    conn->posted = false;
    refuse(conn, 503, "too many requests wait already");
}

static void answer(struct kesd_conn *conn)
{
    struct kesd_request *request = &conn->request;
    struct kesd_response response = { 0 };

    request->method = kesd_http_method(&conn->http);
    request->target = conn->http.target.slice;
    request->body = conn->http.body.slice;
    request->body_too_long = conn->http.body_too_long;
    request->empty = !conn->http.chunked && !conn->http.body_too_long && request->body.len == 0;
    if (!kesd_api_answer(conn->lane->service->api, request, false, &response)) {
        let_work(conn);
        return;
    }
    if (ERR_peek_error() != 0)
        ERR_clear_error(); /* SSL_get_error() would take it for one of TLS */
    respond(conn, &response);
}

void kesd_conn_idle(struct kesd_conn *conn)
{
    static const int64_t timeout_ms[] = {
        [KESD_HTTP_EMPTY] = KESD_IDLE_MS,
        [KESD_HTTP_HEADER] = KESD_HEADER_MS,
        [KESD_HTTP_BODY] = KESD_BODY_MS,
    };
    enum kesd_http_state state = conn->http.state;

    kesd_conn_set_state(conn, KESD_CONN_READING, timeout_ms[state]);
}

/* What was read is not a whole request. The time that the rest may take runs from its beginning,
 * whatever comes in between. */
static void wait_for_rest(struct kesd_conn *conn, enum kesd_http_state before)
{
    if (!kesd_http_hold(&conn->http)) {
        refuse(conn, 503, "out of memory");
        return;
    }
    if (conn->http.state != before)
        kesd_conn_idle(conn);
    if (!conn->http.wants_continue)
        return;
    conn->http.wants_continue = false;
    remote_buf_append_str(&conn->lane->out, kesd_reply_continue);
    kesd_conn_send(conn);
}

void kesd_conn_feed(struct kesd_conn *conn, struct remote_slice bytes)
{
    enum kesd_http_state before = conn->http.state;

    while (bytes.len > 0 && conn->state == KESD_CONN_READING) {
        size_t used = kesd_http_feed(&conn->http, bytes);

        bytes = remote_slice(bytes.data + used, bytes.len - used);
        if (conn->http.state == KESD_HTTP_BAD)
            refuse(conn, conn->http.status, conn->http.text);
        else if (conn->http.state == KESD_HTTP_WHOLE)
            answer(conn);
        else if (bytes.len > 0)
            refuse(conn, 400, "400 Bad Request"); /* it stopped without saying why */
        else
            wait_for_rest(conn, before);
        before = KESD_HTTP_EMPTY;
    }
    if (bytes.len > 0 && conn->state != KESD_CONN_GONE && conn->state != KESD_CONN_LINGERING)
        remote_buf_append(&conn->rest, bytes.data, bytes.len);
}
