/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of HTTP/1.1 as bytes. */
#ifndef KESD_REPLY_H
#define KESD_REPLY_H

#include "api.h"

/* date: a whole header line. close: "Connection: close". Without a body's bytes for HEAD. */
void kesd_reply_append(struct remote_buf *out, const struct kesd_response *response,
                       const char *date, bool head, bool close);
/* The headers of a log stream; chunks and the end follow. */
void kesd_reply_append_stream(struct remote_buf *out, const char *date);
void kesd_reply_append_chunk(struct remote_buf *out, struct remote_slice bytes);
void kesd_reply_append_end(struct remote_buf *out);
/* For what is no request at all. */
void kesd_reply_append_fault(struct remote_buf *out, int status, const char *text,
                             const char *date);

/* What a client gets that speaks HTTP where TLS is: without a date or a type, as KES has it. */
extern const char kesd_reply_no_tls[];
extern const char kesd_reply_continue[];

#endif
