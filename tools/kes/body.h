/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of requests, as leniently as KES reads them: unknown members are skipped, names are of
 * either case, null is absent, bytes behind the first value are of no interest, bytes come as
 * base64 (line breaks in it are skipped) or as an array of numbers. Not through jansson, which
 * copies every text, refuses some of this, and would take longer than the key's work.
 */
#ifndef KESD_BODY_H
#define KESD_BODY_H

#include "remote.h"

struct kesd_member {
    const char *name; /* in lower case */
    bool is_text;     /* a string as it is; else bytes */
    struct remote_buf *value;
};

/* Values of members that are absent become empty. False: not the body that was expected. */
bool kesd_body_read(struct remote_slice body, const struct kesd_member *members, size_t count);

#endif
