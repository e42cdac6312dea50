/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted; kesd_metrics_write() tells it. */
#ifndef KESD_METRICS_H
#define KESD_METRICS_H

#include <stdatomic.h>

#include "api.h"

#define KESD_BUCKETS 11 /* of response times, with the one that has no bound */
#define KESD_CODES 12   /* statuses that are counted apart */

struct kesd_counters {
    atomic_int active, connections;
    atomic_ullong codes[KESD_CODES];
    atomic_ullong buckets[KESD_BUCKETS];
    atomic_ullong sum_us;
    atomic_ullong at_once, waited; /* of those requests: what they needed was at hand, or not */
    atomic_llong certificate_not_after_s; /* 0: not told */
};

/* waited: in a thread that may wait for store and slots. */
void kesd_counters_request(struct kesd_counters *counters, int status, bool waited,
                           int64_t took_us);

/* What /v1/status and /v1/metrics tell of this process. */
struct kesd_process {
    double up_s;
    int cpus, cpus_used, threads;
    uint64_t heap_bytes, stack_bytes;
};
void kesd_process_read(const struct kesd_api *api, struct kesd_process *ret);

#endif
