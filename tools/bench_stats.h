/* SPDX-License-Identifier: Apache-2.0 */
/* Latencies and ratios of a benchmark: percentiles, medians and their intervals. */
#ifndef TOOLS_BENCH_STATS_H
#define TOOLS_BENCH_STATS_H

#include <stddef.h>
#include <stdint.h>

/*
 * A histogram of nanoseconds with 64 buckets for each power of two: recording is one
 * increment, memory does not grow with the run, and a percentile is exact to 1.6 %.
 */
#define TOOLS_BENCH_SUB_BITS 6
#define TOOLS_BENCH_BUCKETS ((64 - TOOLS_BENCH_SUB_BITS + 1) << TOOLS_BENCH_SUB_BITS)

struct tools_bench_histogram {
    uint64_t count;
    uint32_t buckets[TOOLS_BENCH_BUCKETS];
};
void tools_bench_stats_record(struct tools_bench_histogram *histogram, uint64_t ns);
void tools_bench_stats_merge(struct tools_bench_histogram *into,
                             const struct tools_bench_histogram *from);
/* fraction 0.5: the median. In nanoseconds; 0 when nothing was recorded. */
double tools_bench_stats_percentile(const struct tools_bench_histogram *histogram, double fraction);

/*
 * Median of independent values with its interval of at least 95 % from the order statistics:
 * no assumption on how the values are spread. It needs six values; sorts them in place.
 */
struct tools_bench_interval {
    double median, low, high;
};
struct tools_bench_interval tools_bench_stats_interval(double *values, size_t count);

#endif
