/* SPDX-License-Identifier: Apache-2.0 */
/* One side of a comparison: its workers, and what its blocks came to. */
#ifndef TOOLS_BENCH_CONTENDER_H
#define TOOLS_BENCH_CONTENDER_H

#include "bench_run.h"

struct tools_bench_contender {
    struct tools_bench_side side;
    size_t threads;
    void **workers;
    double *rates, *p99s;             /* one for each block */
    struct tools_bench_block block;   /* the newest */
    struct tools_bench_block total;   /* all of them */
    struct tools_bench_counts counts; /* during the blocks, without the warm-up */
};

/* Opens a worker for each thread. side is set; close it in any case. */
int tools_bench_contender_open(struct tools_bench_contender *contender, size_t threads,
                               size_t blocks);
/* Connects and fills caches; what it does is not counted. */
int tools_bench_contender_warm_up(struct tools_bench_contender *contender);
int tools_bench_contender_measure(struct tools_bench_contender *contender, size_t index,
                                  uint64_t block_ms);
void tools_bench_contender_close(struct tools_bench_contender *contender);

#endif
