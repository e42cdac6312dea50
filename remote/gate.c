/* SPDX-License-Identifier: Apache-2.0 */
#include "gate.h"

#include <pthread.h>

/* A fork must get its turn while many threads come and go: glibc prefers readers unless told. */
#define FORKS_FIRST PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP

static pthread_rwlock_t gate = FORKS_FIRST;
static _Thread_local unsigned inside;

void remote_gate_enter(void)
{
    if (inside++ == 0)
        pthread_rwlock_rdlock(&gate);
}

void remote_gate_leave(void)
{
    if (--inside == 0)
        pthread_rwlock_unlock(&gate);
}

unsigned remote_gate_step_out(void)
{
    unsigned depth = inside;

    inside = 0;
    if (depth > 0)
        pthread_rwlock_unlock(&gate);
    return depth;
}

void remote_gate_step_in(unsigned depth)
{
    if (depth > 0)
        pthread_rwlock_rdlock(&gate);
    inside = depth;
}

void remote_gate_close(void)
{
    pthread_rwlock_wrlock(&gate);
}

/* The child's gate is made anew: it counts threads, waiting before it, that the child has not. */
void remote_gate_open(bool child)
{
    static const pthread_rwlock_t fresh = FORKS_FIRST;

    if (child)
        gate = fresh;
    else
        pthread_rwlock_unlock(&gate);
}
