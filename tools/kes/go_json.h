/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as KES writes it, byte by byte: encoding/json of Go, which escapes what HTML would
 * misread, with times as RFC 3339 has them.
 */
#ifndef KESD_GO_JSON_H
#define KESD_GO_JSON_H

#include "remote.h"

/* "text" with quotes and escapes; broken UTF-8 becomes U+FFFD. */
void kesd_json_string(struct remote_buf *ret, struct remote_slice text);
/* "2026-11-23T07:22:30.12Z" with quotes: no zeros at the end of a fraction, none for a whole. */
void kesd_json_time(struct remote_buf *ret, int64_t seconds, int32_t ns);

#endif
