/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fork: every long-lived lock of ours is registered here with its level, so that one
 * pthread_atfork handler takes them in one order before a fork and releases them in both
 * processes after it. The child also gets a new generation, which is how the parts notice
 * that their sockets, leaders and waiters belonged to another process.
 *
 * Locks are taken in ascending level; two locks of one level are never held together.
 * None is ever held over a request or a callback.
 */
#ifndef REMOTE_FORK_H
#define REMOTE_FORK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

enum remote_lock_level {
    REMOTE_LOCK_FRONT,    /* a front end's tables */
    REMOTE_LOCK_REGISTRY, /* core instances by path */
    REMOTE_LOCK_SLOT,     /* one slot's cache, credentials, coalescing */
    REMOTE_LOCK_POOL,     /* one slot's idle connections and endpoints' state */
    REMOTE_LOCK_LOG
};

struct remote_lock {
    pthread_mutex_t mutex;
    enum remote_lock_level level;
    struct remote_lock *prev, *next; /* the registry of fork.c */
    atomic_bool enrolled;            /* is in it */
    bool forking;                    /* held by a fork under way */
};

/* A static lock: REMOTE_LOCK_STATIC(level), registered on first remote_lock_enroll(). */
#define REMOTE_LOCK_STATIC(lvl)                                                                    \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, (lvl), NULL, NULL, false, false                                 \
    }
void remote_lock_enroll(struct remote_lock *lock); /* idempotent; for static locks */

/*
 * init and enroll may be called whatever else is held. destroy counts as taking the lock: only
 * locks of lower levels may be held. It does nothing to a zeroed or destroyed lock.
 */
void remote_lock_init(struct remote_lock *lock, enum remote_lock_level level);
void remote_lock_destroy(struct remote_lock *lock);
void remote_lock_acquire(struct remote_lock *lock);
void remote_lock_release(struct remote_lock *lock);

/*
 * A condition on CLOCK_MONOTONIC whose waiters may have been lost by a fork: it is made anew
 * on first use in a child. The lock is held in all three calls.
 */
struct remote_cond {
    pthread_cond_t cond;
    unsigned generation;
};
void remote_cond_init(struct remote_cond *cond);
void remote_cond_destroy(struct remote_cond *cond);
/* False once the monotonic clock has passed deadline_ms. Spurious wake-ups happen. */
bool remote_cond_wait(struct remote_cond *cond, struct remote_lock *lock, int64_t deadline_ms);
void remote_cond_broadcast(struct remote_cond *cond);

/*
 * Differs between a process and its child, made by fork or clone; a vfork child is its parent
 * until it execs. Cheap: two loads, where the kernel wipes a page for children.
 */
unsigned remote_fork_generation(void);

#endif
