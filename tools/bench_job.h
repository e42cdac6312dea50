/* SPDX-License-Identifier: Apache-2.0 */
/* What a benchmark does over and over, and the ways to do it. */
#ifndef TOOLS_BENCH_JOB_H
#define TOOLS_BENCH_JOB_H

#include "bench_run.h"
#include "choose.h"
#include "target.h"

struct tools_bench_job {
    const struct tools_args *args;
    struct tools_target target;
    struct tools_choice choice;
    enum remote_use use;       /* REMOTE_USE_SIGN, _ENCRYPT; _DECRYPT or what the key has of it */
    struct remote_buf input;   /* what the core takes: a digest, a message, a ciphertext */
    struct remote_buf message; /* what C_Sign gets; input is its digest where we hash */
};

/* Signs, encrypts or decrypts through the core. */
int tools_bench_core(struct tools_bench_job *job, struct tools_bench_side *ret);
/* Signs through C_Sign of a PKCS#11 module, with one session for each thread. */
int tools_bench_module(struct tools_bench_job *job, struct tools_bench_side *ret);
/*
 * Sends the same request with nothing but libcurl and jansson: an easy handle for each thread,
 * keep-alive, TLS 1.3, the answer decoded down to the bytes. Opened when ours has run: the request
 * carries the credential that the core has by then.
 */
int tools_bench_loop(struct tools_bench_job *job, struct tools_bench_side *ret);

#endif
