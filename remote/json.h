/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: reading through jansson (the only includer of it in remote/), writing straight into a
 * buffer. What comes from a server is bounded before it gets here; depth is bounded here.
 */
#ifndef REMOTE_JSON_H
#define REMOTE_JSON_H

#include <stdint.h>

#include "buf.h"

typedef struct json_t remote_json; /* jansson's, opaque to the rest */

/* NULL with err REMOTE_E_PROTOCOL ("answer is not JSON: ..."). remote_json_free() it. */
remote_json *remote_json_read(struct remote_slice text, struct remote_error *err);
void remote_json_free(remote_json **json);

/* Members by path, e.g. "data.keys"; borrowed; NULL when any step is missing. */
const remote_json *remote_json_at(const remote_json *json, const char *path);
const char *remote_json_text(const remote_json *json, const char *path); /* NULL: not a string */
struct remote_slice remote_json_slice(const remote_json *json, const char *path);
bool remote_json_number(const remote_json *json, const char *path, int64_t *ret);
bool remote_json_bool(const remote_json *json, const char *path, bool otherwise);
bool remote_json_is_object(const remote_json *json);
size_t remote_json_count(const remote_json *array); /* 0 when it is no array */
const remote_json *remote_json_index(const remote_json *array, size_t index);
const char *remote_json_string(const remote_json *json); /* the value itself; NULL: no string */
/* Calls each(arg, member, value) until it returns other than REMOTE_OK. */
enum remote_rc remote_json_each(const remote_json *object,
                                enum remote_rc (*each)(void *arg, const char *member,
                                                       const remote_json *value),
                                void *arg);
bool remote_json_number_value(const remote_json *json, int64_t *ret);

/* Appends "text" with quotes and escapes (RFC 8259 section 7). */
void remote_json_append_string(struct remote_buf *buf, struct remote_slice text);
/* Appends "BASE64" with quotes. */
void remote_json_append_base64(struct remote_buf *buf, struct remote_slice bytes);

#endif
