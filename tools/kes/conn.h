/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client: handshake, requests one after the other, and the end. All functions belong to the
 * thread of the lane, but for the first one.
 */
#ifndef KESD_CONN_H
#define KESD_CONN_H

#include "lane.h"

/*
 * Takes the descriptor and brings it to the lane. peer: for the audit log. Any thread. False: no
 * memory, and the descriptor is closed.
 */
bool kesd_conn_new(struct kesd_lane *lane, int fd, const char *peer);

struct kesd_conn *kesd_conn_next(const struct kesd_conn *conn);
/* Ends what has been silent for too long. */
void kesd_conn_tick(struct kesd_conn *conn, int64_t now_ms);
/* Ends it once what was asked is answered. */
void kesd_conn_drain(struct kesd_conn *conn);
void kesd_conn_end(struct kesd_conn *conn); /* now */

#endif
