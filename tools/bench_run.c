/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_run.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "buf.h"
#include "libctx.h"

/* Where threads wait until all of them are there, or until it is clear that they never will. */
enum gate_state { GATE_SHUT, GATE_OPEN, GATE_CANCELLED };
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    enum gate_state state;
};

struct lane { /* one thread's part */
    const struct tools_bench_side *side;
    void *worker;
    uint64_t block_ns;
    struct gate *gate;
    uint64_t began_ns, ended_ns;
    struct tools_bench_histogram latencies;
    struct remote_error err;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* An operation that began in time is counted with all its time: nothing is cut off. */
static void repeat(struct lane *lane)
{
    uint64_t last = now_ns();

    lane->began_ns = last;
    while (last - lane->began_ns < lane->block_ns) {
        uint64_t now;

        if (lane->side->once(lane->worker, &lane->err) != REMOTE_OK)
            break;
        now = now_ns();
        tools_bench_stats_record(&lane->latencies, now - last);
        last = now;
    }
    lane->ended_ns = now_ns();
}

static void gate_set(struct gate *gate, enum gate_state state)
{
    pthread_mutex_lock(&gate->mutex);
    gate->state = state;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

static bool gate_pass(struct gate *gate)
{
    bool open;

    pthread_mutex_lock(&gate->mutex);
    while (gate->state == GATE_SHUT)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    open = gate->state == GATE_OPEN;
    pthread_mutex_unlock(&gate->mutex);
    return open;
}

static void *run_lane(void *arg)
{
    struct lane *lane = arg;
    CLEANUP(remote_guard_leave) struct remote_guard guard = { 0 };

    if (lane->side->guarded)
        lane->err.rc = remote_guard_enter(&guard, &lane->err);
    if (gate_pass(lane->gate) && lane->err.rc == REMOTE_OK)
        repeat(lane);
    return NULL;
}

static enum remote_rc sum_up(const struct lane *lanes, size_t threads,
                             struct tools_bench_block *ret, struct remote_error *err)
{
    uint64_t began = UINT64_MAX, ended = 0;

    *ret = (struct tools_bench_block){ 0 };
    for (size_t i = 0; i < threads; i++) {
        if (lanes[i].err.rc != REMOTE_OK) {
            *err = lanes[i].err;
            return err->rc;
        }
        began = lanes[i].began_ns < began ? lanes[i].began_ns : began;
        ended = lanes[i].ended_ns > ended ? lanes[i].ended_ns : ended;
        tools_bench_stats_merge(&ret->latencies, &lanes[i].latencies);
    }
    ret->operations = ret->latencies.count;
    ret->seconds = (double)(ended - began) / 1e9;
    return REMOTE_OK;
}

static enum remote_rc start_and_join(struct lane *lanes, size_t threads, struct gate *gate,
                                     struct remote_error *err)
{
    pthread_t *ids = calloc(threads, sizeof(*ids));
    size_t started = 0;

    while (ids && started < threads &&
           pthread_create(&ids[started], NULL, run_lane, &lanes[started]) == 0)
        started++;
    gate_set(gate, started == threads ? GATE_OPEN : GATE_CANCELLED);
    for (size_t i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    free(ids);
    if (started < threads)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "cannot start %zu threads", threads);
    return REMOTE_OK;
}

enum remote_rc tools_bench_run(const struct tools_bench_side *side, void *const *workers,
                               size_t threads, uint64_t block_ms, struct tools_bench_block *ret,
                               struct remote_error *err)
{
    struct gate gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, GATE_SHUT };
    struct lane *lanes = calloc(threads, sizeof(*lanes));
    double cpu = cpu_seconds();
    enum remote_rc rc;

    if (!lanes)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    for (size_t i = 0; i < threads; i++)
        lanes[i] = (struct lane){
            .side = side, .worker = workers[i], .block_ns = block_ms * 1000000u, .gate = &gate
        };
    rc = start_and_join(lanes, threads, &gate, err);
    if (rc == REMOTE_OK)
        rc = sum_up(lanes, threads, ret, err);
    if (rc == REMOTE_OK)
        ret->cpu_seconds = cpu_seconds() - cpu;
    free(lanes);
    return rc;
}
