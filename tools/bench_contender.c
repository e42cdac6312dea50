/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_contender.h"

#include <stdlib.h>

#include "fail.h"

#define WARM_UP_MS 300

int tools_bench_contender_open(struct tools_bench_contender *contender, size_t threads,
                               size_t blocks)
{
    struct remote_error err = { 0 };

    contender->threads = threads;
    contender->workers = calloc(threads, sizeof(*contender->workers));
    contender->rates = calloc(blocks, sizeof(*contender->rates));
    contender->p99s = calloc(blocks, sizeof(*contender->p99s));
    if (!contender->workers || !contender->rates || !contender->p99s)
        return tools_fail(TOOLS_FAILED, "out of memory");
    for (size_t i = 0; i < threads; i++) {
        contender->workers[i] = contender->side.worker_open(contender->side.context, &err);
        if (!contender->workers[i])
            return tools_fail_core(&err);
    }
    return TOOLS_OK;
}

static int run_block(struct tools_bench_contender *contender, uint64_t block_ms)
{
    struct remote_error err = { 0 };

    if (tools_bench_run(&contender->side, contender->workers, contender->threads, block_ms,
                        &contender->block, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return TOOLS_OK;
}

int tools_bench_contender_warm_up(struct tools_bench_contender *contender)
{
    return run_block(contender, WARM_UP_MS);
}

static struct tools_bench_counts counts_of(const struct tools_bench_contender *contender)
{
    struct tools_bench_counts counts = { 0 };

    if (contender->side.counts)
        contender->side.counts(contender->side.context, &counts);
    return counts;
}

int tools_bench_contender_measure(struct tools_bench_contender *contender, size_t index,
                                  uint64_t block_ms)
{
    struct tools_bench_block *block = &contender->block, *total = &contender->total;
    struct tools_bench_counts before = counts_of(contender), after;

    TOOLS_TRY(run_block(contender, block_ms));
    after = counts_of(contender);
    contender->counts.requests += after.requests - before.requests;
    contender->counts.connections += after.connections - before.connections;
    contender->rates[index] = (double)block->operations / block->seconds;
    contender->p99s[index] = tools_bench_stats_percentile(&block->latencies, 0.99);
    total->operations += block->operations;
    total->seconds += block->seconds;
    total->cpu_seconds += block->cpu_seconds;
    tools_bench_stats_merge(&total->latencies, &block->latencies);
    return TOOLS_OK;
}

void tools_bench_contender_close(struct tools_bench_contender *contender)
{
    for (size_t i = 0; contender->workers && i < contender->threads; i++)
        if (contender->workers[i])
            contender->side.worker_close(contender->workers[i]);
    free(contender->workers);
    free(contender->rates);
    free(contender->p99s);
    if (contender->side.close)
        contender->side.close(contender->side.context);
}
