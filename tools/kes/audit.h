/* SPDX-License-Identifier: Apache-2.0 */
/* The two logs that clients may read: who asked for what, and what went wrong. */
#ifndef KESD_AUDIT_H
#define KESD_AUDIT_H

#include <stdatomic.h>

#include "api.h"

struct kesd_stream_log {
    struct kesd_listener *first;
    atomic_uint listeners; /* how many, for those who ask without the lock */
    atomic_ullong events;
};

struct kesd_audit {
    struct remote_lock lock; /* of the lists */
    struct remote_cond idle; /* a listener is no longer busy */
    struct kesd_stream_log streams[KESD_STREAM_ERROR + 1];
};

void kesd_audit_init(struct kesd_audit *audit);
void kesd_audit_clear(struct kesd_audit *audit);

/* As kesd_api_listen() and kesd_api_unlisten(). */
void kesd_audit_listen(struct kesd_audit *audit, enum kesd_stream stream,
                       struct kesd_listener *listener);
void kesd_audit_unlisten(struct kesd_audit *audit, enum kesd_stream stream,
                         struct kesd_listener *listener);

struct kesd_event {
    const struct kesd_request *request;
    struct remote_slice path; /* decoded */
    const char *identity;     /* "": none */
    int status;
    int64_t took_us;
};
/* stdout: the line goes there as well as to those who listen. */
void kesd_audit_event(struct kesd_audit *audit, bool to_stdout, const struct kesd_event *event);
void kesd_audit_fault(struct kesd_audit *audit, bool to_stdout, const char *message);

#endif
