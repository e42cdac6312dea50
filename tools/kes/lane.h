/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread with its event loop and its connections. A connection stays with its lane; what others
 * have for it comes through the mailbox. All functions but those that say so belong to the thread.
 */
#ifndef KESD_LANE_H
#define KESD_LANE_H

#include <stdatomic.h>
#include <time.h>

#include "api.h"
#include "pool.h"
#include "tls.h"

struct kesd_service { /* what all lanes share */
    struct kesd_api *api;
    struct kesd_tls *tls;
    struct daemon_pool *pool; /* for requests that wait for somebody */
};

#define KESD_LANE_ROOM 16384 /* what one TLS record holds */

struct kesd_conn;
struct kesd_lane {
    const struct kesd_service *service;
    struct daemon_loop *loop;
    struct daemon_mailbox *mailbox;
    struct kesd_conn *conns;
    atomic_size_t count;     /* of them; read by whoever chooses a lane for a new one */
    struct daemon_job drain; /* the order to do so */
    int64_t drain_timeout_ms, drained_by_ms;
    bool draining;
    /* Of whichever connection is served just now. */
    unsigned char in[KESD_LANE_ROOM];
    struct remote_buf out;
    time_t date_s;
    char date[40]; /* "Date: ...\r\n" of that second */
};

enum remote_rc kesd_lane_init(struct kesd_lane *lane, const struct kesd_service *service,
                              struct remote_error *err) REMOTE_MUST_CHECK;
void kesd_lane_clear(struct kesd_lane *lane); /* the loop has ended, and so has the pool */

const char *kesd_lane_date(struct kesd_lane *lane);
/* Ends what waits and says so, and the loop when all has ended, at most timeout_ms from now. Once;
 * any thread. */
void kesd_lane_drain(struct kesd_lane *lane, int64_t timeout_ms);
/* Until it is drained. tick: besides the lane's own, about every KESD_TICK_MS; may be NULL. */
#define KESD_TICK_MS 250
void kesd_lane_run(struct kesd_lane *lane, int64_t spin_us, void (*tick)(void *arg), void *arg);

#endif
