/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations a second, ours beside a bare libcurl loop: blocks of the two alternate, so that
 * whatever else the machine and the service do meets both; each pair gives one ratio.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_contender.h"
#include "bench_job.h"
#include "command.h"
#include "fail.h"
#include "io.h"
#include "local.h"
#include "output.h"

#define MESSAGE_LEN 32

struct bench {
    struct tools_bench_job job;
    struct tools_bench_contender contenders[2];   /* ours, the loop */
    size_t count;                                 /* of contenders */
    struct tools_bench_interval ratio, p99_ratio; /* ours over the loop's, of each pair */
};

/* ---- set-up ---- */

static int read_message(struct tools_bench_job *job)
{
    static const unsigned char message[MESSAGE_LEN] = "hsmbridge bench";

    if (job->args->in)
        return tools_io_read(job->args->in, &job->message);
    remote_buf_append(&job->message, message, sizeof(message));
    return TOOLS_OK;
}

/* A digest where the hash is made here; what is to be decrypted is a file, or sealed first. */
static int make_input(struct tools_bench_job *job)
{
    struct remote_slice message = remote_buf_slice(&job->message);
    bool decrypts = job->use != REMOTE_USE_SIGN && job->use != REMOTE_USE_ENCRYPT;
    struct remote_error err = { 0 };
    enum remote_rc rc = REMOTE_OK;

    if (job->use == REMOTE_USE_SIGN && job->choice.row->hash_here)
        rc = remote_local_hash(job->choice.row->hash, message, &job->input, &err);
    else if (decrypts && !job->args->in)
        rc = remote_key_encrypt(job->target.key, &job->choice.params, message, &job->input, &err);
    else
        remote_buf_append(&job->input, message.data, message.len);
    if (rc != REMOTE_OK)
        return tools_fail_core(&err);
    return job->input.failed || job->message.failed ? tools_fail(TOOLS_FAILED, "out of memory")
                                                    : TOOLS_OK;
}

static enum remote_use use_of(const char *action)
{
    if (!action || strcmp(action, "sign") == 0)
        return REMOTE_USE_SIGN;
    return strcmp(action, "encrypt") == 0 ? REMOTE_USE_ENCRYPT : REMOTE_USE_DECRYPT;
}

static int open_job(struct tools_bench_job *job)
{
    const struct tools_args *args = job->args;

    job->use = use_of(args->action);
    TOOLS_TRY(tools_target_key_for(args, job->use, &job->target));
    if (job->use == REMOTE_USE_DECRYPT && !(job->target.key->uses & REMOTE_USE_DECRYPT))
        job->use = REMOTE_USE_UNWRAP; /* the same request, of a key that is for keys */
    TOOLS_TRY(tools_choose(args, job->target.key, job->use, &job->choice));
    if (args->module && remote_slot_needs_login(job->target.slot))
        return tools_fail(TOOLS_USAGE, "--module does not go with a slot that takes a PIN");
    if (args->module && job->use != REMOTE_USE_SIGN)
        return tools_fail(TOOLS_USAGE, "--module is for 'bench sign'");
    TOOLS_TRY(read_message(job));
    return make_input(job);
}

typedef int open_side_fn(struct tools_bench_job *job, struct tools_bench_side *ret);

static int add_contender(struct bench *bench, open_side_fn *open_side)
{
    struct tools_bench_contender *contender = &bench->contenders[bench->count];
    const struct tools_args *args = bench->job.args;

    TOOLS_TRY(open_side(&bench->job, &contender->side));
    bench->count++; /* from here on it is closed with the rest */
    TOOLS_TRY(tools_bench_contender_open(contender, args->threads, args->pairs));
    return tools_bench_contender_warm_up(contender);
}

static void close_bench(struct bench *bench)
{
    for (size_t i = 0; i < bench->count; i++)
        tools_bench_contender_close(&bench->contenders[i]);
    remote_buf_clear(&bench->job.input);
    remote_buf_clear(&bench->job.message);
    tools_choice_clear(&bench->job.choice);
    tools_target_close(&bench->job.target);
}

/* ---- measuring ---- */

static void show_progress(size_t pair, size_t pairs)
{
    if (!isatty(STDERR_FILENO))
        return;
    if (pair < pairs)
        fprintf(stderr, "\rmeasuring: pair %zu of %zu ", pair + 1, pairs);
    else
        fputs("\r\033[K", stderr);
}

/* Who goes first changes with each pair: what the first leaves behind meets both alike. */
static int measure(struct bench *bench)
{
    const struct tools_args *args = bench->job.args;

    for (size_t pair = 0; pair < args->pairs; pair++) {
        show_progress(pair, args->pairs);
        for (size_t turn = 0; turn < bench->count; turn++) {
            size_t i = (pair + turn) % bench->count;

            TOOLS_TRY(tools_bench_contender_measure(&bench->contenders[i], pair, args->block_ms));
        }
    }
    show_progress(args->pairs, args->pairs);
    return TOOLS_OK;
}

static int compare(const double *ours, const double *theirs, size_t count,
                   struct tools_bench_interval *ret)
{
    double *ratios = calloc(count, sizeof(*ratios));

    if (!ratios)
        return tools_fail(TOOLS_FAILED, "out of memory");
    for (size_t i = 0; i < count; i++)
        ratios[i] = ours[i] / theirs[i];
    *ret = tools_bench_stats_interval(ratios, count);
    free(ratios);
    return TOOLS_OK;
}

/* ---- results ---- */

static double per_operation(const struct tools_bench_contender *contender, uint64_t count)
{
    return (double)count / (double)contender->total.operations;
}

static double micros(const struct tools_bench_contender *contender, double fraction)
{
    return tools_bench_stats_percentile(&contender->total.latencies, fraction) / 1000;
}

static void add_row(const struct tools_bench_contender *contender, struct tools_table *table)
{
    const struct tools_bench_block *total = &contender->total;
    char rate[32], p50[32], p99[32], cpu[32], requests[32], connections[32];
    bool known = contender->side.counts != NULL;

    snprintf(rate, sizeof(rate), "%.0f", (double)total->operations / total->seconds);
    snprintf(p50, sizeof(p50), "%.0f us", micros(contender, 0.5));
    snprintf(p99, sizeof(p99), "%.0f us", micros(contender, 0.99));
    snprintf(cpu, sizeof(cpu), "%.1f us", total->cpu_seconds * 1e6 / (double)total->operations);
    snprintf(requests, sizeof(requests), "%.3f",
             per_operation(contender, contender->counts.requests));
    snprintf(connections, sizeof(connections), "%.6f",
             per_operation(contender, contender->counts.connections));
    TOOLS_TABLE_ROW(table, contender->side.name, rate, p50, p99, cpu, known ? requests : NULL,
                    known ? connections : NULL);
}

static int print_table(const struct bench *bench)
{
    CLEANUP(tools_table_clear) struct tools_table table = { 0 };
    const struct tools_args *args = bench->job.args;

    printf("key %s, %s, threads %llu, pairs %llu of %llu ms blocks\n", bench->job.target.key->name,
           bench->job.choice.row->name, (unsigned long long)args->threads,
           (unsigned long long)args->pairs, (unsigned long long)args->block_ms);
    TOOLS_TABLE_ROW(&table, "SIDE", "OPS/S", "P50", "P99", "CPU/OP", "REQUESTS/OP",
                    "CONNECTIONS/OP");
    for (size_t i = 0; i < bench->count; i++)
        add_row(&bench->contenders[i], &table);
    TOOLS_TRY(tools_table_print(&table));
    if (bench->count == 2)
        printf("ratio of operations per second: %.3f (95 %%: %.3f to %.3f)\n"
               "ratio of p99: %.3f (95 %%: %.3f to %.3f)\n",
               bench->ratio.median, bench->ratio.low, bench->ratio.high, bench->p99_ratio.median,
               bench->p99_ratio.low, bench->p99_ratio.high);
    return TOOLS_OK;
}

static json_t *count_json(const struct tools_bench_contender *contender, uint64_t count)
{
    return contender->side.counts ? json_real(per_operation(contender, count)) : json_null();
}

static json_t *contender_json(const struct tools_bench_contender *contender)
{
    const struct tools_bench_block *total = &contender->total;

    return json_pack("{s:s,s:f,s:f,s:f,s:f,s:I,s:o,s:o}", "side", contender->side.name,
                     "ops_per_second", (double)total->operations / total->seconds, "p50_us",
                     micros(contender, 0.5), "p99_us", micros(contender, 0.99), "cpu_us_per_op",
                     total->cpu_seconds * 1e6 / (double)total->operations, "operations",
                     (json_int_t)total->operations, "requests_per_op",
                     count_json(contender, contender->counts.requests), "connections_per_op",
                     count_json(contender, contender->counts.connections));
}

static json_t *interval_json(const struct bench *bench, const struct tools_bench_interval *interval)
{
    if (bench->count < 2)
        return json_null();
    return json_pack("{s:f,s:f,s:f}", "median", interval->median, "low", interval->low, "high",
                     interval->high);
}

static int print_json(const struct bench *bench)
{
    const struct tools_args *args = bench->job.args;

    return tools_json_print(
        args,
        json_pack("{s:s,s:s,s:i,s:s,s:I,s:I,s:I,s:o,s:o,s:o,s:o}", "slot",
                  remote_slot_name(bench->job.target.slot), "key", bench->job.target.key->name,
                  "version", (int)bench->job.target.key->version, "mechanism",
                  bench->job.choice.row->name, "threads", (json_int_t)args->threads, "pairs",
                  (json_int_t)args->pairs, "block_ms", (json_int_t)args->block_ms, "ours",
                  contender_json(&bench->contenders[0]), "loop",
                  bench->count == 2 ? contender_json(&bench->contenders[1]) : json_null(), "ratio",
                  interval_json(bench, &bench->ratio), "p99_ratio",
                  interval_json(bench, &bench->p99_ratio)));
}

static int run_bench(struct bench *bench)
{
    const struct tools_args *args = bench->job.args;
    struct tools_bench_contender *ours = &bench->contenders[0], *loop = &bench->contenders[1];

    TOOLS_TRY(open_job(&bench->job));
    TOOLS_TRY(add_contender(bench, args->module ? tools_bench_module : tools_bench_core));
    if (!args->no_loop)
        TOOLS_TRY(add_contender(bench, tools_bench_loop));
    TOOLS_TRY(measure(bench));
    if (bench->count == 2) {
        TOOLS_TRY(compare(ours->rates, loop->rates, args->pairs, &bench->ratio));
        TOOLS_TRY(compare(ours->p99s, loop->p99s, args->pairs, &bench->p99_ratio));
    }
    return args->json ? print_json(bench) : print_table(bench);
}

static int run(const struct tools_args *args)
{
    struct bench *bench = calloc(1, sizeof(*bench)); /* its histograms are large for a stack */
    int code;

    if (!bench)
        return tools_fail(TOOLS_FAILED, "out of memory");
    bench->job.args = args;
    code = run_bench(bench);
    close_bench(bench);
    free(bench);
    return code;
}

const struct tools_command tools_cmd_bench = {
    .name = "bench",
    .purpose = "Measures operations a second beside a bare libcurl loop",
    .text =
        "Signs, or encrypts or decrypts, what --in has or 32 bytes of its own. Blocks of the two\n"
        "alternate; the ratio is the median over the pairs with its 95 % interval. The loop sends\n"
        "the same request over TLS 1.3 with keep-alive, one connection for each thread, and\n"
        "decodes the answers. It uses the key very often, so take a test key.",
    .actions = "sign encrypt decrypt",
    .options = TOOLS_KEY_OPTIONS "in mechanism salt-length threads pairs block module no-loop",
    .example = "hsmbridge bench --slot web --key bench --threads 64",
    .run = run,
};
