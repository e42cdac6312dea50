/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KES cleans a path before it decodes it: an encoded slash or dot is part of a name, and the name
 * is then refused.
 */
#include "path.h"

#include <string.h>

/* RFC 9112 section 3.2.2: servers take a whole URL too. */
static struct remote_slice without_authority(struct remote_slice target)
{
    static const char scheme[] = "https://";
    const unsigned char *end;
    size_t from = sizeof(scheme) - 1;

    if (target.len < from || strncasecmp((const char *)target.data, scheme, from) != 0)
        return target;
    end = memchr(target.data + from, '/', target.len - from);
    if (!end)
        return remote_slice("/", 1);
    return remote_slice(end, target.len - (size_t)(end - target.data));
}

static bool is_dots(struct remote_slice segment)
{
    return segment.len <= 2 && memcmp(segment.data, "..", segment.len) == 0;
}

/* Calls for no cleaning: no segment but perhaps the last is empty, and none is "." or "..". */
static bool is_clean(struct remote_slice path)
{
    size_t from = 1;

    for (size_t at = 1; at <= path.len; at++) {
        bool last = at == path.len;

        if (!last && path.data[at] != '/')
            continue;
        if (is_dots(remote_slice(path.data + from, at - from)) && !(last && at == from))
            return false;
        from = at + 1;
    }
    return true;
}

static void append_segment(struct remote_buf *room, struct remote_slice segment)
{
    static const char dotdot[] = "..";

    if (remote_slice_equal(segment, remote_slice_str(dotdot))) {
        while (room->len > 0 && room->data[room->len - 1] != '/')
            room->len--;
        if (room->len > 0)
            room->len--;
    } else if (!is_dots(segment)) {
        remote_buf_append_char(room, '/');
        remote_buf_append(room, segment.data, segment.len);
    }
}

static struct remote_slice clean(struct remote_slice path, struct remote_buf *room)
{
    size_t from = 1;

    for (size_t at = 1; at <= path.len; at++) {
        if (at < path.len && path.data[at] != '/')
            continue;
        append_segment(room, remote_slice(path.data + from, at - from));
        from = at + 1;
    }
    if (room->len == 0 || path.data[path.len - 1] == '/')
        remote_buf_append_char(room, '/');
    return remote_buf_slice(room);
}

enum kesd_path kesd_path_read(struct remote_slice target, struct remote_buf *room,
                              struct remote_slice *ret_path, struct remote_slice *ret_query)
{
    struct remote_slice path = without_authority(target);
    const unsigned char *query = path.len > 0 ? memchr(path.data, '?', path.len) : NULL;

    *ret_query = remote_slice(path.data + path.len, 0);
    if (query) {
        *ret_query = remote_slice(query, path.len - (size_t)(query - path.data));
        path.len = (size_t)(query - path.data);
    }
    if (path.len == 0 || path.data[0] != '/')
        return KESD_PATH_BAD;
    if (!is_clean(path)) {
        *ret_path = clean(path, room);
        return room->failed ? KESD_PATH_BAD : KESD_PATH_MOVED;
    }
    *ret_path = path;
    if (!memchr(path.data, '%', path.len))
        return KESD_PATH_OK;
    if (!remote_percent_decode(path, room))
        return KESD_PATH_BAD;
    *ret_path = remote_buf_slice(room);
    return KESD_PATH_OK;
}
