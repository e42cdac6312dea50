/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_job.h"
#include "fail.h"

static void *open_worker(void *context, struct remote_error *err)
{
    (void)err;
    return context;
}

static enum remote_rc work_once(void *worker, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    struct tools_bench_job *job = worker;
    struct remote_key *key = job->target.key;
    struct remote_slice input = remote_buf_slice(&job->input);

    if (job->use == REMOTE_USE_SIGN)
        return remote_key_sign(key, &job->choice.params, input, &out, err);
    if (job->use == REMOTE_USE_ENCRYPT)
        return remote_key_encrypt(key, &job->choice.params, input, &out, err);
    return remote_key_decrypt(key, &job->choice.params, input, &out, err);
}

static void close_nothing(void *context)
{
    (void)context; /* the job is the command's */
}

static void get_counts(void *context, struct tools_bench_counts *ret)
{
    struct tools_bench_job *job = context;
    struct remote_stats stats = { 0 };

    remote_slot_stats(job->target.slot, &stats);
    *ret = (struct tools_bench_counts){ stats.requests, stats.connections };
}

int tools_bench_core(struct tools_bench_job *job, struct tools_bench_side *ret)
{
    *ret = (struct tools_bench_side){
        .name = "hsmbridge",
        .guarded = true,
        .context = job,
        .worker_open = open_worker,
        .once = work_once,
        .worker_close = close_nothing,
        .counts = get_counts,
        .close = close_nothing,
    };
    return TOOLS_OK;
}
