/* SPDX-License-Identifier: Apache-2.0 */
/* What h2.c (sessions), h2_stream.c (requests) and h2_answer.c (answers) share. */
#ifndef KESD_H2_PRIVATE_H
#define KESD_H2_PRIVATE_H

#include <nghttp2/nghttp2.h>

#include "h2.h"

#define KESD_H2_STREAMS 128 /* requests at once on one connection */

struct kesd_h2 {
    struct kesd_conn *conn; /* NULL: it has ended, and workers hold this memory */
    nghttp2_session *session;
    struct kesd_h2_call *calls; /* of streams that are open */
    size_t working;             /* calls that workers have, of whatever streams */
    size_t bodies;              /* bytes of requests in memory */
    size_t resets;              /* streams that came to nothing; forgotten with time */
    int64_t told_ms;
    bool told, told_last; /* that it ends: the two phases of RFC 9113, 6.8 */
};

enum kesd_h2_phase {
    KESD_H2_HEADERS,  /* come */
    KESD_H2_BODY,     /* comes */
    KESD_H2_WORKING,  /* a worker has it */
    KESD_H2_ANSWERED, /* the answer is on its way */
    KESD_H2_FOLLOWING /* lines of a log follow */
};

struct kesd_h2_call {
    struct daemon_job job; /* first */
    struct kesd_h2 *h2;
    struct kesd_api *api; /* for the worker */
    struct kesd_h2_call *prev, *next;
    int32_t stream;
    enum kesd_h2_phase phase;
    int64_t since_ms;                   /* of the phase, or of the last bytes of an answer */
    bool gone;                          /* the stream is; a worker has the call still */
    bool ended;                         /* the client has said all */
    bool has_length, expects, too_wide; /* its headers; too_wide: more than we read */
    size_t header_bytes;
    char method[16]; /* none that we know is as long */
    struct remote_buf target, body;
    struct kesd_request request;
    struct kesd_response response;
    size_t sent; /* of response.body */
    struct kesd_tail *tail;
};

/* ---- h2.c ---- */
/* The client knows that it is to go elsewhere: no stream after those it has opened is taken. */
void kesd_h2_end_phase(struct kesd_h2 *h2);
extern const uint8_t kesd_h2_drain_ping[8];

/* ---- h2_stream.c ---- */
void kesd_h2_stream_callbacks(nghttp2_session_callbacks *callbacks);
/* The stream is gone. */
void kesd_h2_leave(struct kesd_h2_call *call);
/* Ends those that take too long. False: the whole connection waits for the rest of a header. */
bool kesd_h2_end_late(struct kesd_h2 *h2, int64_t now_ms);

/* ---- h2_answer.c ---- */
/* Submits call->response. */
void kesd_h2_answer(struct kesd_h2_call *call);
void kesd_h2_refuse(struct kesd_h2_call *call, int status, const char *text);
/* A log that is followed ends here. */
void kesd_h2_end_following(struct kesd_h2_call *call);
int kesd_h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                      size_t len, nghttp2_data_source *source, void *arg);

#endif
