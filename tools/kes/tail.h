/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a log on their way to a connection: they come from any thread, and wait here until the
 * lane of the connection takes them. Lines for which a client is too slow are left out.
 */
#ifndef KESD_TAIL_H
#define KESD_TAIL_H

#include "lane.h"

struct kesd_tail;
/* ready: called in the lane's thread when lines wait. NULL: no memory. */
struct kesd_tail *kesd_tail_open(struct kesd_lane *lane, enum kesd_stream kind,
                                 void (*ready)(void *arg), void *arg);
void kesd_tail_close(struct kesd_tail *tail); /* NULL is fine */
/* Appends what waits. */
void kesd_tail_take(struct kesd_tail *tail, struct remote_buf *ret);

#endif
