/* SPDX-License-Identifier: Apache-2.0 */
/* What `hsmbridge check` found: rows, what to do about each fault, and the exit code. */
#ifndef TOOLS_CHECK_REPORT_H
#define TOOLS_CHECK_REPORT_H

#include "args.h"
#include "output.h"
#include "remote.h"

#define TOOLS_CHECK_UNKNOWN INT64_MIN

struct tools_check_finding {
    const char *slot, *what;
    enum remote_rc rc; /* REMOTE_OK: well */
    bool skipped;      /* not tried; detail says why */
    bool warning;      /* it works, but should not stay so */
    const char *detail;
    const char *advice;                /* of a fault or a warning */
    int64_t latency_us, clock_skew_ms; /* of an endpoint; else TOOLS_CHECK_UNKNOWN */
};

struct tools_check_report {
    struct tools_table table;
    struct remote_buf advice;
    json_t *findings;
    int code; /* the gravest so far */
};

void tools_check_report_init(struct tools_check_report *report);
void tools_check_report_add(struct tools_check_report *report,
                            const struct tools_check_finding *finding);
/* A certificate, by how long it is valid. */
void tools_check_report_certificate(struct tools_check_report *report, const char *slot,
                                    const struct remote_cert *cert);
/* Returns the exit code. */
int tools_check_report_print(const struct tools_args *args, const char *source,
                             struct tools_check_report *report);
void tools_check_report_clear(struct tools_check_report *report);

#endif
