/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <string.h>

#include <jansson.h>

#include "encode.h"

remote_json *remote_json_read(struct remote_slice text, struct remote_error *err)
{
    json_error_t why;
    json_t *json = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &why);

    /* jansson's text may quote the document, which may hold a token: only its place is told. */
    if (json == NULL)
        REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer is not JSON (at byte %d of %zu)",
                    why.position, text.len);
    return json;
}

void remote_json_free(remote_json **json)
{
    json_decref(*json);
    *json = NULL;
}

const remote_json *remote_json_at(const remote_json *json, const char *path)
{
    while (json != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        char member[64];

        if (len >= sizeof(member))
            return NULL;
        memcpy(member, path, len);
        member[len] = '\0';
        json = json_object_get(json, member);
        path += len + (path[len] == '.');
    }
    return json;
}

const char *remote_json_string(const remote_json *json)
{
    return json_string_value(json);
}

const char *remote_json_text(const remote_json *json, const char *path)
{
    return json_string_value(remote_json_at(json, path));
}

struct remote_slice remote_json_slice(const remote_json *json, const char *path)
{
    const json_t *at = remote_json_at(json, path);

    return remote_slice(json_string_value(at), json_string_length(at));
}

bool remote_json_number_value(const remote_json *json, int64_t *ret)
{
    if (!json_is_integer(json))
        return false;
    *ret = json_integer_value(json);
    return true;
}

bool remote_json_number(const remote_json *json, const char *path, int64_t *ret)
{
    return remote_json_number_value(remote_json_at(json, path), ret);
}

bool remote_json_bool(const remote_json *json, const char *path, bool otherwise)
{
    const json_t *at = remote_json_at(json, path);

    return json_is_boolean(at) ? json_is_true(at) : otherwise;
}

bool remote_json_is_object(const remote_json *json)
{
    return json_is_object(json);
}

size_t remote_json_count(const remote_json *array)
{
    return json_array_size(array);
}

const remote_json *remote_json_index(const remote_json *array, size_t index)
{
    return json_array_get(array, index);
}

enum remote_rc remote_json_each(const remote_json *object,
                                enum remote_rc (*each)(void *arg, const char *member,
                                                       const remote_json *value),
                                void *arg)
{
    json_t *writable = (json_t *)(uintptr_t)object; /* jansson's iterators want it so */

    for (void *at = json_object_iter(writable); at != NULL;
         at = json_object_iter_next(writable, at))
        REMOTE_TRY(each(arg, json_object_iter_key(at), json_object_iter_value(at)));
    return REMOTE_OK;
}

void remote_json_append_string(struct remote_buf *buf, struct remote_slice text)
{
    remote_buf_append_char(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = text.data[i];

        if (c == '"' || c == '\\') {
            remote_buf_append_char(buf, '\\');
            remote_buf_append_char(buf, (char)c);
        } else if (c < 0x20 || c == 0x7f) {
            remote_buf_printf(buf, "\\u%04x", c);
        } else {
            remote_buf_append_char(buf, (char)c);
        }
    }
    remote_buf_append_char(buf, '"');
}

void remote_json_append_base64(struct remote_buf *buf, struct remote_slice bytes)
{
    remote_buf_append_char(buf, '"');
    remote_base64_append(buf, bytes);
    remote_buf_append_char(buf, '"');
}
