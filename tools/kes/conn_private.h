/* SPDX-License-Identifier: Apache-2.0 */
/* Between conn.c (bytes and time), conn_answer.c (requests and answers of HTTP/1.1) and h2.c. */
#ifndef KESD_CONN_PRIVATE_H
#define KESD_CONN_PRIVATE_H

#include "conn.h"
#include "http.h"
#include "tail.h"

#define KESD_IDLE_MS 90000  /* between requests */
#define KESD_HEADER_MS 5000 /* from a request's first byte */
#define KESD_BODY_MS 15000  /* from the end of its headers */
#define KESD_WRITE_MS 15000 /* for a client to take an answer */
#define KESD_NEVER_MS                                                                              \
    (INT64_MAX / 2) /* workers have limits of their own; a follower may be silent */

enum kesd_conn_state {
    KESD_CONN_HANDSHAKE,
    KESD_CONN_READING,   /* or idle: http.state says */
    KESD_CONN_WORKING,   /* a worker has the request */
    KESD_CONN_WRITING,   /* the answer waits for the client to read */
    KESD_CONN_STREAMING, /* lines of a log follow, as they come */
    KESD_CONN_LINGERING, /* all is said; what still comes is not read */
    KESD_CONN_GONE,      /* it is closed; memory goes when nobody can come back to it */
};

struct kesd_conn {
    struct daemon_source source; /* first */
    struct daemon_job job;
    struct kesd_lane *lane;
    struct kesd_conn *prev, *next;
    SSL *ssl;
    enum kesd_conn_state state;
    int64_t deadline_ms;
    int64_t quiet_ms; /* when it was last heard of */
    bool posted;      /* the job is on its way: memory stays */
    bool lean;        /* TLS buffers are given back */
    bool close;       /* behind the answer that is written */
    struct kesd_http http;
    struct kesd_request request;
    struct kesd_response response; /* while a worker has it */
    struct remote_buf rest;        /* of what was read: the next request */
    struct remote_buf out;         /* what the client has not taken yet */
    size_t out_at;
    struct kesd_tail *tail;
    struct kesd_h2 *h2; /* NULL: HTTP/1.1 */
};

/* ---- conn.c ---- */
/* Sends the lane's `out`, and keeps what the client does not take. What then follows is decided
 * by kesd_conn_written(). */
void kesd_conn_send(struct kesd_conn *conn);
void kesd_conn_linger(struct kesd_conn *conn); /* says goodbye, and waits for the client's */
void kesd_conn_set_state(struct kesd_conn *conn, enum kesd_conn_state state, int64_t timeout_ms);
/* The job has come back. False: to a connection that is gone, and so is its memory now. */
bool kesd_conn_is_back(struct kesd_conn *conn);
/* Reads on, after an answer that was not at once. */
void kesd_conn_resume(struct kesd_conn *conn);

/* ---- conn_answer.c ---- */
/* Answers what is whole in these bytes, and keeps the rest. */
void kesd_conn_feed(struct kesd_conn *conn, struct remote_slice bytes);
void kesd_conn_written(struct kesd_conn *conn);
void kesd_conn_end_stream(struct kesd_conn *conn); /* which waits for lines */
void kesd_conn_idle(struct kesd_conn *conn);       /* waits for a request, or its rest */

#endif
