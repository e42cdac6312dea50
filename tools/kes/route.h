/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of the API, one table: which requests are known, and what answers them. */
#ifndef KESD_ROUTE_H
#define KESD_ROUTE_H

#include "api_private.h"

enum kesd_route_flag {
    KESD_ROUTE_OPEN = 1u << 0,    /* no certificate is asked for, and no policy */
    KESD_ROUTE_COUNTED = 1u << 1, /* its answers are in the metrics */
    KESD_ROUTE_CHANGES = 1u << 2  /* it makes or ends a key: KES audits it */
};

struct kesd_route {
    const char *path; /* all that begin with it when it ends in '/' */
    const char *method;
    unsigned flags, timeout_s, max_body; /* the last two: what /v1/api tells */
    const char *what;                    /* of the name in the path: "key name", ... */
    kesd_answer *answer;
};
extern const struct kesd_route kesd_routes[];
extern const size_t kesd_route_count;

/* path: decoded. NULL: there is none. */
const struct kesd_route *kesd_route_find(struct remote_slice path);
/* Whether it is one of them but for the slash at its end. */
bool kesd_route_wants_slash(struct remote_slice path);
/* POST does for PUT. */
bool kesd_route_takes(const struct kesd_route *route, struct remote_slice method);

#endif
