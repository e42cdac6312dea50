/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as JSON, walked as the backends walk it; and as text that is written into JSON. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum remote_rc count(void *arg, const char *member, const remote_json *value)
{
    size_t *total = arg;
    int64_t number;

    *total += strlen(member) + remote_json_count(value);
    remote_json_number_value(value, &number);
    return *total > 100000 ? REMOTE_E_PROTOCOL : REMOTE_OK;
}

static void walk(const remote_json *json)
{
    static const char *const paths[] = {
        "", "data", "data.keys", "data.keys.1", "a..b", "data.batch_results", "errors", ".", "auth."
    };
    size_t total = 0;

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        const remote_json *at = remote_json_at(json, paths[i]);
        struct remote_slice text = remote_json_slice(json, paths[i]);
        int64_t number;

        if (text.data != NULL && text.data[text.len] != '\0')
            abort();
        remote_json_number(json, paths[i], &number);
        remote_json_bool(json, paths[i], false);
        for (size_t k = 0; k < remote_json_count(at); k++)
            remote_json_string(remote_json_index(at, k));
        if (remote_json_is_object(at) && remote_json_each(at, count, &total) == REMOTE_E_NOMEM)
            abort();
    }
}

/* What is written as a string reads back the same, when it is UTF-8 without NUL. */
static void write_and_read(struct remote_slice text)
{
    CLEANUP(remote_buf_clear) struct remote_buf written = { 0 };
    CLEANUP(remote_json_free) remote_json *json = NULL;

    remote_buf_append_str(&written, "{\"a\":");
    remote_json_append_string(&written, text);
    remote_buf_append_char(&written, '}');
    json = remote_json_read(remote_buf_slice(&written), NULL);
    if (json != NULL && !remote_slice_equal(remote_json_slice(json, "a"), text))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct remote_error err = { 0 };

    json = remote_json_read(remote_slice(data, size), &err);
    if ((json == NULL) != (err.rc == REMOTE_E_PROTOCOL))
        abort();
    walk(json);
    write_and_read(remote_slice(data, size));
    return 0;
}
