/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC calls over HTTP/2 connections, with nghttp2. All of it belongs to the loop's thread; what
 * blocks goes to the pool.
 */
#ifndef KMS_HTTP2_H
#define KMS_HTTP2_H

#include "call.h"

struct kms_http2; /* all connections of the process */

struct kms_http2_options {
    int64_t timeout_ms; /* of a call, where its caller has more patience */
    size_t connections; /* at most; 0: the default */
};
struct kms_http2 *kms_http2_new(struct daemon_loop *loop, struct daemon_pool *pool,
                                const struct kms_http2_options *options, struct remote_error *err);
void kms_http2_free(struct kms_http2 *http2); /* closes what there is; NULL is fine */

/* Takes over a connection that was accepted; closes it when it cannot. */
void kms_http2_accept(struct kms_http2 *http2, int fd, struct kms_keyring *ring);
/* Writes what this round of the loop has brought about. */
void kms_http2_flush(struct kms_http2 *http2);
/* About once a second: ends connections that never said anything, and requests that never end. */
void kms_http2_tick(struct kms_http2 *http2);

/*
 * The two-phase end (RFC 9113 6.8): clients are told to stop, what they had sent by then is
 * answered, and nothing after it is taken. Connections close as they run dry.
 */
void kms_http2_drain(struct kms_http2 *http2);
bool kms_http2_is_empty(const struct kms_http2 *http2);

#endif
