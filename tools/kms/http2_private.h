/* SPDX-License-Identifier: Apache-2.0 */
/* What http2.c (connections and their bytes) and http2_stream.c (calls) share. */
#ifndef KMS_HTTP2_PRIVATE_H
#define KMS_HTTP2_PRIVATE_H

#include <nghttp2/nghttp2.h>

#include "http2.h"

struct kms_http2 {
    struct daemon_loop *loop;
    struct daemon_pool *pool;
    struct kms_http2_options options;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *settings;
    struct kms_conn *conns, *dirty;
    size_t count, bodies;
    bool draining;
};

struct kms_conn {
    struct daemon_source source; /* first */
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

/* ---- http2.c ---- */
extern const uint8_t kms_http2_drain_ping[8];
/* Its session has something to say: it is asked at the end of this round. */
void kms_http2_mark(struct kms_conn *conn);
/* Frees a closed connection once no worker has a call of it any more. */
void kms_http2_release(struct kms_conn *conn);
/* The client knows that it is to go elsewhere: no stream after those it has opened is taken. */
void kms_http2_end_phase(struct kms_conn *conn);

/* ---- http2_stream.c ---- */
void kms_stream_callbacks(nghttp2_session_callbacks *callbacks);
/* Its stream is gone. */
void kms_stream_leave(struct kms_call *call);
/* Ends requests that take too long to arrive. */
void kms_stream_end_late(struct kms_conn *conn, int64_t now_ms);

#endif
