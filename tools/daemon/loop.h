/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: descriptors, and a tick. One thread runs it, and all functions here belong to
 * that thread.
 */
#ifndef DAEMON_LOOP_H
#define DAEMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct daemon_source { /* embedded in what it belongs to */
    int fd;            /* -1: not in the loop */
    uint32_t events;
    void (*ready)(struct daemon_source *source, uint32_t events); /* EPOLLIN, EPOLLOUT, ... */
};

struct daemon_loop;
struct daemon_loop *daemon_loop_new(struct remote_error *err); /* NULL: err says why */
void daemon_loop_free(struct daemon_loop *loop); /* NULL is fine; sources are gone by then */

/* source->fd and ready are set. */
enum remote_rc daemon_loop_add(struct daemon_loop *loop, struct daemon_source *source,
                               uint32_t events, struct remote_error *err) REMOTE_MUST_CHECK;
void daemon_loop_watch(struct daemon_loop *loop, struct daemon_source *source, uint32_t events);
/* Closes the descriptor. The source's memory must live until daemon_loop_later() frees it. */
void daemon_loop_remove(struct daemon_loop *loop, struct daemon_source *source);
/* Calls free_it(what) once no event of this round can reach it any more. */
void daemon_loop_later(struct daemon_loop *loop, void (*free_it)(void *what), void *what);

/* tick: called about every interval_ms, and after every round of events `after` is. spin_us: how
 * long to look for events before the thread sleeps; waking it costs more than that. */
struct daemon_loop_hooks {
    void (*tick)(void *arg);
    void (*after)(void *arg);
    void *arg;
    int interval_ms;
    int64_t spin_us;
};
/* Until daemon_loop_stop(). */
void daemon_loop_run(struct daemon_loop *loop, const struct daemon_loop_hooks *hooks);
void daemon_loop_stop(struct daemon_loop *loop);

#endif
