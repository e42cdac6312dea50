/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that speaks HTTP/2 (RFC 9113): many requests at once, each answered when its answer
 * is there. nghttp2 reads and writes the frames. Bytes and time of the connection stay conn.c's;
 * its state is KESD_CONN_WRITING while the client has to read first, and else READING.
 */
#ifndef KESD_H2_H
#define KESD_H2_H

#include "conn_private.h"

/* After the handshake; sets conn->h2 and says who we are. False: no memory. */
bool kesd_h2_open(struct kesd_conn *conn);
/* The connection has ended; what workers have of it ends with them. */
void kesd_h2_close(struct kesd_conn *conn);

/* Takes what was read. more: other bytes are there already, and answers go together with theirs. */
void kesd_h2_feed(struct kesd_conn *conn, struct remote_slice bytes, bool more);
/* Sends what waits, as far as the client takes it. */
void kesd_h2_flush(struct kesd_conn *conn);
/* Ends requests that take too long. */
void kesd_h2_tick(struct kesd_conn *conn, int64_t now_ms);
/* Says that the connection ends, and ends it once what was asked is answered. */
void kesd_h2_drain(struct kesd_conn *conn);

#endif
