/* SPDX-License-Identifier: Apache-2.0 */
/* The one request that the bare loop repeats: the same as the backend's for the same operation. */
#ifndef TOOLS_BENCH_REQUEST_H
#define TOOLS_BENCH_REQUEST_H

#include "bench_job.h"

/* The URL and the body; TOOLS_USAGE for a backend that the loop does not speak. */
int tools_bench_request(const struct tools_bench_job *job, struct remote_buf *ret_url,
                        struct remote_buf *ret_body);
/* The token of --token-file, else the one that the slot is configured with. */
int tools_bench_token(const struct tools_bench_job *job, struct remote_secret *ret);

#endif
