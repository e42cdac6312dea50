/* SPDX-License-Identifier: Apache-2.0 */
/* Where clients come in: the listening socket, and which lane a new connection gets. It belongs to
 * the thread of its loop. */
#ifndef KESD_DOOR_H
#define KESD_DOOR_H

#include "inherit.h"
#include "lane.h"

struct kesd_door {
    struct daemon_source source; /* first */
    struct daemon_loop *loop;
    struct kesd_lane *lanes;
    size_t lane_count;
    int64_t told_ms; /* when it was last said that no more fit */
};

/* A socket that a service manager passes on is taken, whatever its address. */
enum remote_rc kesd_door_open(struct kesd_door *door, struct daemon_loop *loop, const char *address,
                              struct remote_error *err) REMOTE_MUST_CHECK;
void kesd_door_close(struct kesd_door *door);
void kesd_door_tick(struct kesd_door *door);

#endif
