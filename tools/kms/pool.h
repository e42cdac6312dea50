/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for what blocks: work for key services. A job is done by a worker and then given back to
 * the loop's thread. The queue is bounded; whoever comes when it is full is told.
 */
#ifndef KMS_POOL_H
#define KMS_POOL_H

#include "loop.h"

struct kms_job {                       /* embedded in what it belongs to */
    void (*work)(struct kms_job *job); /* in a worker, inside the guard */
    void (*done)(struct kms_job *job); /* in the loop's thread */
    struct kms_job *next;
};

struct kms_pool;
/* NULL: err says why. queue_max: jobs that wait for a worker. */
struct kms_pool *kms_pool_new(struct kms_loop *loop, unsigned threads, size_t queue_max,
                              struct remote_error *err);
/* False: the queue is full, or the pool ends. */
bool kms_pool_submit(struct kms_pool *pool, struct kms_job *job);
/* Ends the workers after what they are at, and calls done() for every job; NULL is fine. */
void kms_pool_free(struct kms_pool *pool);

#endif
