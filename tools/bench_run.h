/* SPDX-License-Identifier: Apache-2.0 */
/* One block of a benchmark: N threads that repeat an operation until the time is up. */
#ifndef TOOLS_BENCH_RUN_H
#define TOOLS_BENCH_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "bench_stats.h"
#include "error.h"

struct tools_bench_counts { /* since the side was opened */
    uint64_t requests, connections;
};

/* What is measured. A worker belongs to one thread at a time and lives for the whole run. */
struct tools_bench_side {
    const char *name;
    bool guarded; /* its threads enter the guard (libctx.h) around their block */
    void *context;
    /* NULL after setting err. Workers are opened and closed by the main thread. */
    void *(*worker_open)(void *context, struct remote_error *err);
    enum remote_rc (*once)(void *worker, struct remote_error *err);
    void (*worker_close)(void *worker);
    void (*counts)(void *context, struct tools_bench_counts *ret); /* NULL: not known */
    void (*close)(void *context);
};

struct tools_bench_block {
    uint64_t operations;
    double seconds, cpu_seconds; /* cpu: of the whole process */
    struct tools_bench_histogram latencies;
};

/* Runs one block; workers: one for each thread. The first error of any thread ends it. */
enum remote_rc tools_bench_run(const struct tools_bench_side *side, void *const *workers,
                               size_t threads, uint64_t block_ms, struct tools_bench_block *ret,
                               struct remote_error *err);

#endif
