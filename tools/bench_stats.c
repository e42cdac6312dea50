/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_stats.h"

#include <math.h>
#include <stdlib.h>

#define SUB_COUNT (1u << TOOLS_BENCH_SUB_BITS)

/* Values below SUB_COUNT have a bucket each; then every octave has SUB_COUNT of them. */
static size_t bucket_of(uint64_t ns)
{
    unsigned top, shift;

    if (ns < SUB_COUNT)
        return (size_t)ns;
    top = 63u - (unsigned)__builtin_clzll(ns);
    shift = top - TOOLS_BENCH_SUB_BITS;
    return ((size_t)(shift + 1) << TOOLS_BENCH_SUB_BITS) + (size_t)((ns >> shift) - SUB_COUNT);
}

/* The middle of a bucket. */
static double value_of(size_t bucket)
{
    size_t octave = bucket >> TOOLS_BENCH_SUB_BITS, sub = bucket & (SUB_COUNT - 1);

    if (octave == 0)
        return (double)sub;
    return ldexp((double)(SUB_COUNT + sub) + 0.5, (int)octave - 1);
}

void tools_bench_stats_record(struct tools_bench_histogram *histogram, uint64_t ns)
{
    histogram->buckets[bucket_of(ns)]++;
    histogram->count++;
}

void tools_bench_stats_merge(struct tools_bench_histogram *into,
                             const struct tools_bench_histogram *from)
{
    for (size_t i = 0; i < TOOLS_BENCH_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    into->count += from->count;
}

double tools_bench_stats_percentile(const struct tools_bench_histogram *histogram, double fraction)
{
    uint64_t wanted = (uint64_t)ceil(fraction * (double)histogram->count), seen = 0;

    for (size_t i = 0; i < TOOLS_BENCH_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted && seen > 0)
            return value_of(i);
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/*
 * How many values may be left out at each end: the greatest k with P(X < k) <= 0.025 for X
 * binomial (count, 1/2); then [x(k), x(count+1-k)] covers the median with at least 95 %.
 */
static size_t order_of_low(size_t count)
{
    double log_p = -(double)count * log(2), sum = 0;
    size_t k = 0;

    for (;;) { /* log_p: of P(X = k); logarithms, since 2^-count underflows for long runs */
        sum += exp(log_p);
        if (sum > 0.025)
            return k;
        log_p += log((double)(count - k)) - log((double)(k + 1));
        k++;
    }
}

struct tools_bench_interval tools_bench_stats_interval(double *values, size_t count)
{
    size_t k = order_of_low(count);
    size_t low = k > 0 ? k - 1 : 0;

    qsort(values, count, sizeof(values[0]), compare);
    return (struct tools_bench_interval){
        .median = (values[(count - 1) / 2] + values[count / 2]) / 2,
        .low = values[low],
        .high = values[count - 1 - low],
    };
}
