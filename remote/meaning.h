/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service's statuses and error texts mean, as a table that its backend writes: the first
 * row that fits counts, the last one fits everything.
 */
#ifndef REMOTE_MEANING_H
#define REMOTE_MEANING_H

#include "backend.h"

struct remote_meaning {
    int64_t status;   /* HTTP's, or the service's own code; 0: any */
    unsigned kinds;   /* REMOTE_MEANING_OF(kind) bits; 0: any */
    const char *text; /* part of the service's words; "": it said none; NULL: any */
    enum remote_rc rc;
    const char *advice; /* NULL: the service's own words say enough */
};
#define REMOTE_MEANING_OF(kind) (1u << REMOTE_OP_##kind)

/* text: the service's words; NULL: none. */
const struct remote_meaning *remote_meaning_find(const struct remote_meaning *table, int64_t status,
                                                 enum remote_op_kind kind, const char *text);

/* "advice: words (HTTP status)"; of the words the first line, quote_max bytes at most. */
enum remote_rc remote_meaning_fail(const struct remote_meaning *meaning, int status,
                                   const char *words, size_t quote_max, struct remote_error *err);

#endif
