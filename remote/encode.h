/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648 sections 4 and 5) and hex. Strict: no blanks, no missing or surplus padding. */
#ifndef REMOTE_ENCODE_H
#define REMOTE_ENCODE_H

#include "buf.h"

void remote_base64_append(struct remote_buf *buf, struct remote_slice bytes);    /* padded */
void remote_base64url_append(struct remote_buf *buf, struct remote_slice bytes); /* not padded */
/* Appends the decoded bytes; false (and buf as before) when text is not well formed. */
bool remote_base64_decode(struct remote_slice text, struct remote_buf *buf);
bool remote_base64url_decode(struct remote_slice text, struct remote_buf *buf);

void remote_hex_append(struct remote_buf *buf, struct remote_slice bytes); /* lower case */
bool remote_hex_decode(struct remote_slice text, struct remote_buf *buf);  /* either case */

/* "-----BEGIN LABEL-----" and its end, with lines of 64 characters between (RFC 7468). */
void remote_pem_append(struct remote_buf *buf, const char *label, struct remote_slice der);

/* Percent-encodes everything but unreserved characters (RFC 3986 2.3): for one path segment. */
void remote_percent_append(struct remote_buf *buf, struct remote_slice bytes);
/* Appends the decoded bytes; false (and buf as before) for a '%' without two hex digits. */
bool remote_percent_decode(struct remote_slice text, struct remote_buf *buf);

#endif
