/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of HTTP/2: their bytes, limits and ends. */
#include "h2_private.h"

#include <stdlib.h>

#define WINDOW (1 << 20)     /* bytes on their way to us on one stream: a body, and more */
#define WINDOW_ALL (4 << 20) /* and on one connection */
#define SETTINGS_MAX 64      /* entries in one frame */
#define SEND_MAX 49152       /* bytes at once; a frame more fits into what the lane keeps */
#define GRACE_MS 1000        /* a client that does not answer a PING is not waited for */
#define RESETS_MAX 1000      /* then the connection ends: CVE-2023-44487 */
#define RESETS_FORGOTTEN 10  /* with each tick */

const uint8_t kesd_h2_drain_ping[8] = { 'd', 'r', 'a', 'i', 'n' };

/* ---- bytes ---- */

/* False: the session is broken. */
static bool collect(struct kesd_h2 *h2, struct remote_buf *out)
{
    while (out->len < SEND_MAX) {
        const uint8_t *data;
        ssize_t len = nghttp2_session_mem_send(h2->session, &data);

        if (len < 0 || out->failed)
            return false;
        if (len == 0)
            return true;
        remote_buf_append(out, data, (size_t)len);
    }
    return true;
}

static bool is_over(const struct kesd_h2 *h2)
{
    return nghttp2_session_want_read(h2->session) == 0 &&
           nghttp2_session_want_write(h2->session) == 0;
}

void kesd_h2_flush(struct kesd_conn *conn)
{
    struct remote_buf *out = &conn->lane->out;

    while (conn->state == KESD_CONN_READING) {
        if (!collect(conn->h2, out)) {
            remote_buf_clear(out);
            kesd_conn_end(conn);
        } else if (out->len > 0) {
            kesd_conn_send(conn);
        } else if (is_over(conn->h2)) {
            kesd_conn_linger(conn);
        } else {
            return;
        }
    }
}

static void terminate(struct kesd_conn *conn, uint32_t why)
{
    (void)nghttp2_session_terminate_session(conn->h2->session, why);
    kesd_h2_flush(conn);
    if (conn->state == KESD_CONN_READING)
        kesd_conn_linger(conn);
}

void kesd_h2_feed(struct kesd_conn *conn, struct remote_slice bytes, bool more)
{
    ssize_t used = nghttp2_session_mem_recv(conn->h2->session, bytes.data, bytes.len);

    if (ERR_peek_error() != 0)
        ERR_clear_error(); /* SSL_get_error() would take it for one of TLS */
    if (used < 0)
        terminate(conn, NGHTTP2_PROTOCOL_ERROR);
    else if (conn->h2->resets > RESETS_MAX)
        terminate(conn, NGHTTP2_ENHANCE_YOUR_CALM);
    else if (!more)
        kesd_h2_flush(conn);
}

/* ---- time ---- */

void kesd_h2_tick(struct kesd_conn *conn, int64_t now_ms)
{
    struct kesd_h2 *h2 = conn->h2;

    h2->resets -= h2->resets < RESETS_FORGOTTEN ? h2->resets : RESETS_FORGOTTEN;
    if (!kesd_h2_end_late(h2, now_ms)) {
        terminate(conn, NGHTTP2_ENHANCE_YOUR_CALM);
        return;
    }
    if (h2->calls != NULL) { /* they have limits of their own */
        conn->deadline_ms = now_ms + KESD_IDLE_MS;
    } else if (now_ms >= conn->deadline_ms) {
        terminate(conn, NGHTTP2_NO_ERROR);
        return;
    }
    if (h2->told && now_ms - h2->told_ms > GRACE_MS)
        kesd_h2_end_phase(h2);
    kesd_h2_flush(conn);
}

/* ---- the end ---- */

/* Streams that were opened until the client heard of it are answered; a PING tells when that is. */
static void tell(struct kesd_h2 *h2)
{
    if (h2->told)
        return;
    h2->told = true;
    h2->told_ms = remote_now_ms();
    (void)nghttp2_submit_shutdown_notice(h2->session);
    (void)nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, kesd_h2_drain_ping);
}

void kesd_h2_end_phase(struct kesd_h2 *h2)
{
    if (!h2->told || h2->told_last)
        return;
    h2->told_last = true;
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h2->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
}

void kesd_h2_drain(struct kesd_conn *conn)
{
    struct kesd_h2 *h2 = conn->h2;

    tell(h2);
    for (struct kesd_h2_call *call = h2->calls; call != NULL; call = call->next)
        kesd_h2_end_following(call);
    kesd_h2_flush(conn);
}

void kesd_h2_close(struct kesd_conn *conn)
{
    struct kesd_h2 *h2 = conn->h2;

    if (h2 == NULL)
        return;
    conn->h2 = NULL;
    h2->conn = NULL;
    nghttp2_session_del(h2->session);
    h2->session = NULL;
    while (h2->calls != NULL)
        kesd_h2_leave(h2->calls);
    if (h2->working == 0)
        free(h2);
}

/* ---- the beginning ---- */

static bool start_session(struct kesd_h2 *h2, nghttp2_session_callbacks *callbacks,
                          nghttp2_option *option)
{
    const nghttp2_settings_entry entries[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, KESD_H2_STREAMS },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, KESD_HEADER_MAX },
    };

    kesd_h2_stream_callbacks(callbacks);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, kesd_h2_send_data);
    nghttp2_option_set_max_settings(option, SETTINGS_MAX);
    nghttp2_option_set_no_closed_streams(option, 1);
    return nghttp2_session_server_new2(&h2->session, callbacks, h2, option) == 0 &&
           nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries, ARRAY_SIZE(entries)) ==
               0 &&
           nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0, WINDOW_ALL) ==
               0;
}

static bool new_session(struct kesd_h2 *h2)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    bool ok = nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0 &&
              start_session(h2, callbacks, option);

    nghttp2_session_callbacks_del(callbacks); /* the session has copies */
    nghttp2_option_del(option);
    return ok;
}

bool kesd_h2_open(struct kesd_conn *conn)
{
    struct kesd_h2 *h2 = calloc(1, sizeof(*h2));

    if (h2 == NULL)
        return false;
    h2->conn = conn;
    conn->h2 = h2;
    if (!new_session(h2)) /* which the end of the connection frees */
        return false;
    kesd_h2_flush(conn);
    return true;
}
