/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for what blocks: work for key services. A job is done by a worker and then given back to
 * the thread of its loop. The queue is bounded; whoever comes when it is full is told.
 */
#ifndef DAEMON_POOL_H
#define DAEMON_POOL_H

#include "mailbox.h"

struct daemon_pool;
/* NULL: err says why. queue_max: jobs that wait for a worker. */
struct daemon_pool *daemon_pool_new(struct daemon_loop *loop, unsigned threads, size_t queue_max,
                                    struct remote_error *err);
/* False: the queue is full, or the pool ends. Any thread. */
bool daemon_pool_submit(struct daemon_pool *pool, struct daemon_job *job);
/* Ends the workers after what they are at; done() is called for every job of the pool's own loop,
 * and is in the mailbox of every other. NULL is fine. */
void daemon_pool_free(struct daemon_pool *pool);

#endif
