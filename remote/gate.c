/* SPDX-License-Identifier: Apache-2.0 */
#include "gate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "clock.h"

/* A fork must get its turn while many threads come and go: glibc prefers readers unless told. */
#define FORKS_FIRST PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP

static pthread_rwlock_t gate = FORKS_FIRST;
static _Thread_local unsigned inside;

/* How long a fork waits for calls of other modules: longer than one takes that is well. */
#define ABROAD_MS 1000

static atomic_uint abroad;           /* threads in such a call */
static _Thread_local unsigned gone;  /* this one is: 1 */
static atomic_bool overdue, cut_off; /* of the fork under way; of this process */

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

unsigned remote_gate_go_abroad(void)
{
    gone = 1;
    atomic_fetch_add(&abroad, 1);
    return remote_gate_step_out();
}

/* First back from abroad: a fork that waits for this has closed the gate already. */
void remote_gate_come_home(unsigned depth)
{
    gone = 0;
    atomic_fetch_sub(&abroad, 1);
    remote_gate_step_in(depth);
}

bool remote_gate_cut_off(void)
{
    return atomic_load(&cut_off);
}

/* Nobody leaves for abroad meanwhile. The forking thread itself may be there: modules fork, too. */
static bool all_came_home(void)
{
    static const struct timespec pause = { 0, 1000000 };
    int64_t deadline = remote_now_ms() + ABROAD_MS;

    while (atomic_load(&abroad) > gone && remote_now_ms() < deadline)
        nanosleep(&pause, NULL);
    return atomic_load(&abroad) == gone;
}

void remote_gate_close(void)
{
    pthread_rwlock_wrlock(&gate);
    atomic_store(&overdue, !all_came_home());
}

/* The child's gate is made anew: it counts threads, waiting before it, that the child has not. */
void remote_gate_open(bool child)
{
    static const pthread_rwlock_t fresh = FORKS_FIRST;

    if (!child) {
        pthread_rwlock_unlock(&gate);
        return;
    }
    gate = fresh;
    atomic_store(&abroad, gone);
    if (atomic_load(&overdue))
        atomic_store(&cut_off, true);
}
