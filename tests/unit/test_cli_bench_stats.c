/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench_stats.h"
#include "buf.h"

static void assert_near(double actual, double expected, double tolerance)
{
    double off = actual > expected ? actual - expected : expected - actual;

    if (off > tolerance * expected)
        fail_msg("%f is not within %f of %f", actual, tolerance, expected);
}

static struct tools_bench_histogram histogram;

static int clear(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof(histogram));
    return 0;
}

static void test_percentile_when_values_are_spread_then_it_is_exact_to_two_percent(void **state)
{
    (void)state;
    for (uint64_t ns = 1; ns <= 100000; ns++)
        tools_bench_stats_record(&histogram, ns * 100);
    assert_int_equal(histogram.count, 100000);
    assert_near(tools_bench_stats_percentile(&histogram, 0.5), 5e6, 0.016);
    assert_near(tools_bench_stats_percentile(&histogram, 0.99), 9.9e6, 0.016);
    assert_near(tools_bench_stats_percentile(&histogram, 1), 1e7, 0.016);
}

static void test_percentile_when_one_value_is_far_out_then_only_the_last_percent_sees_it(
    void **state)
{
    (void)state;
    for (int i = 0; i < 999; i++)
        tools_bench_stats_record(&histogram, 1000);
    tools_bench_stats_record(&histogram, 1000000000);
    assert_near(tools_bench_stats_percentile(&histogram, 0.99), 1000, 0.016);
    assert_near(tools_bench_stats_percentile(&histogram, 0.9999), 1e9, 0.016);
}

static void test_record_when_values_are_extreme_then_they_have_a_bucket(void **state)
{
    (void)state;
    tools_bench_stats_record(&histogram, 0);
    assert_true(tools_bench_stats_percentile(&histogram, 0.5) < 1);
    tools_bench_stats_record(&histogram, UINT64_MAX);
    assert_near(tools_bench_stats_percentile(&histogram, 1), 1.8447e19, 0.016);
}

static void test_percentile_when_nothing_was_recorded_then_it_is_zero(void **state)
{
    (void)state;
    assert_true(tools_bench_stats_percentile(&histogram, 0.99) < 1);
}

static void test_merge_when_two_histograms_are_joined_then_both_count(void **state)
{
    static struct tools_bench_histogram other;

    (void)state;
    tools_bench_stats_record(&histogram, 10);
    tools_bench_stats_record(&other, 1000000);
    tools_bench_stats_merge(&histogram, &other);
    assert_int_equal(histogram.count, 2);
    assert_near(tools_bench_stats_percentile(&histogram, 1), 1e6, 0.016);
}

/* The ranks of the table in Hollander and Wolfe: 6 values: 1..6, 20 values: 6..15. */
static void test_interval_takes_the_ranks_of_the_binomial(void **state)
{
    static const struct {
        size_t count;
        double low, high, median;
    } cases[] = { { 6, 1, 6, 3.5 }, { 20, 6, 15, 10.5 }, { 25, 8, 18, 13 }, { 100, 40, 61, 50.5 } };

    (void)state;
    for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
        double values[100];
        struct tools_bench_interval interval;

        for (size_t i = 0; i < cases[c].count; i++) /* in falling order: it must sort */
            values[i] = (double)(cases[c].count - i);
        interval = tools_bench_stats_interval(values, cases[c].count);
        assert_near(interval.low, cases[c].low, 1e-9);
        assert_near(interval.high, cases[c].high, 1e-9);
        assert_near(interval.median, cases[c].median, 1e-9);
    }
}

static void test_interval_when_there_are_very_many_values_then_it_is_narrow(void **state)
{
    double *values = calloc(10000, sizeof(*values));
    struct tools_bench_interval interval;

    (void)state;
    assert_non_null(values);
    for (size_t i = 0; i < 10000; i++)
        values[i] = (double)(i + 1);
    interval = tools_bench_stats_interval(values, 10000);
    free(values);
    assert_near(interval.low, 4902, 0.001); /* 5000 - 1.96 * sqrt(10000) / 2 */
    assert_near(interval.high, 5099, 0.001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(
            test_percentile_when_values_are_spread_then_it_is_exact_to_two_percent, clear),
        cmocka_unit_test_setup(
            test_percentile_when_one_value_is_far_out_then_only_the_last_percent_sees_it, clear),
        cmocka_unit_test_setup(test_record_when_values_are_extreme_then_they_have_a_bucket, clear),
        cmocka_unit_test_setup(test_percentile_when_nothing_was_recorded_then_it_is_zero, clear),
        cmocka_unit_test_setup(test_merge_when_two_histograms_are_joined_then_both_count, clear),
        cmocka_unit_test(test_interval_takes_the_ranks_of_the_binomial),
        cmocka_unit_test(test_interval_when_there_are_very_many_values_then_it_is_narrow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
