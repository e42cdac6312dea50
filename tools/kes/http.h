/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of HTTP/1.1 (RFC 9112), one at a time, out of bytes as they come. Slices of a request
 * point into the bytes of the last call while that suffices, so that a request which comes whole is
 * copied nowhere. http-parser reads the syntax.
 */
#ifndef KESD_HTTP_H
#define KESD_HTTP_H

#include <http_parser.h>

#include "buf.h"

#define KESD_HEADER_MAX 16384 /* bytes: the request's line and its headers */

struct kesd_piece { /* bytes that may come in several parts */
    struct remote_slice slice;
    struct remote_buf held; /* where the slice points once they were copied */
};

enum kesd_http_state {
    KESD_HTTP_EMPTY,  /* nothing of a request is there */
    KESD_HTTP_HEADER, /* some */
    KESD_HTTP_BODY,   /* all headers */
    KESD_HTTP_WHOLE,  /* it is to be answered now; body_too_long: not all of it was read */
    KESD_HTTP_BAD     /* it is no request: `status` and `text` are the answer */
};

struct kesd_http {
    http_parser parser; /* its data is this struct */
    enum kesd_http_state state;
    struct kesd_piece target, body;
    bool body_too_long, chunked, keep_alive;
    bool wants_continue; /* "Expect: 100-continue", and no body yet: RFC 9110, 10.1.1 */
    unsigned hosts;
    unsigned field, field_at, value_at; /* of the header that is read: see http.c */
    bool value_seen, value_differs;
    int status;
    const char *text;
};

void kesd_http_init(struct kesd_http *http);
void kesd_http_clear(struct kesd_http *http); /* wipes */
/* Before the first byte of the next request. */
void kesd_http_next(struct kesd_http *http);
/* Returns how many bytes belonged to the request; behind a whole one the rest is another. */
size_t kesd_http_feed(struct kesd_http *http, struct remote_slice bytes);
/* Call before the bytes of the last feed go away: copies what slices point to. False: no memory. */
bool kesd_http_hold(struct kesd_http *http);

struct remote_slice kesd_http_method(const struct kesd_http *http);

#endif
