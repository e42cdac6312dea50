/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from a client of the KES-compatible server before anything is known of it: a path and
 * a body. The input is a line with the target, and the body behind it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "body.h"
#include "go_json.h"
#include "name.h"
#include "path.h"
#include "route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A cleaned path stays as it is when it is cleaned again, so that a redirection ends. */
static void clean_again(struct remote_slice moved)
{
    CLEANUP(remote_buf_clear) struct remote_buf room = { 0 };
    struct remote_slice path, query;

    if (kesd_path_read(moved, &room, &path, &query) == KESD_PATH_MOVED)
        abort();
}

static void read_path(struct remote_slice target)
{
    CLEANUP(remote_buf_clear) struct remote_buf room = { 0 };
    struct remote_slice path, query;
    const struct kesd_route *route;
    char prefix[KESD_NAME_MAX + 1];

    switch (kesd_path_read(target, &room, &path, &query)) {
    case KESD_PATH_BAD:
        return;
    case KESD_PATH_MOVED:
        clean_again(path);
        return;
    case KESD_PATH_OK:
        break;
    }
    if (path.len == 0 || path.data[0] != '/' || query.len > target.len)
        abort();
    route = kesd_route_find(path);
    if (!route)
        return;
    path.data += strlen(route->path);
    path.len -= strlen(route->path);
    (void)kesd_name_is_fit(path);
    (void)kesd_pattern_read(path, prefix);
}

/* What a message says of it is JSON text: one line, no quote that ends it. */
static void say(struct remote_slice text)
{
    CLEANUP(remote_buf_clear) struct remote_buf json = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf value = { 0 };
    const struct kesd_member members[] = { { "m", true, &value } };

    remote_buf_append_str(&json, "{\"m\":");
    kesd_json_string(&json, text);
    remote_buf_append_char(&json, '}');
    if (!kesd_body_read(remote_buf_slice(&json), members, ARRAY_SIZE(members)))
        abort();
}

static void read_body(struct remote_slice body)
{
    CLEANUP(remote_buf_clear) struct remote_buf bytes = { 0 }, text = { 0 };
    const struct kesd_member members[] = { { "ciphertext", false, &bytes },
                                           { "cipher", true, &text } };

    if (kesd_body_read(body, members, ARRAY_SIZE(members)) &&
        (bytes.len > body.len || text.len > body.len * 2))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t len = end ? (size_t)(end - data) : size;
    struct remote_slice target = remote_slice(data, len);

    read_path(target);
    say(target);
    if (end)
        read_body(remote_slice(end + 1, size - len - 1));
    return 0;
}
