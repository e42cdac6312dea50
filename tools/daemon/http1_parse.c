/* SPDX-License-Identifier: Apache-2.0 */
/* A request line and the end of its header; nothing that a header says matters here. */
#include <string.h>

#include "http1.h"

#define REQUEST_MAX 8192

static bool has_end(struct remote_slice bytes)
{
    return memmem(bytes.data, bytes.len, "\r\n\r\n", 4) != NULL ||
           memmem(bytes.data, bytes.len, "\n\n", 2) != NULL;
}

/* The word up to a blank on the first line; empty: none. */
static struct remote_slice next_word(struct remote_slice *line)
{
    const unsigned char *blank = memchr(line->data, ' ', line->len);
    struct remote_slice word = *line;

    if (blank == NULL) {
        line->len = 0;
        return word;
    }
    word.len = (size_t)(blank - line->data);
    *line = remote_slice(blank + 1, line->len - word.len - 1);
    return word;
}

static void take_line(struct remote_slice line, struct daemon_http1_request *ret)
{
    struct remote_slice method = next_word(&line), path = next_word(&line);
    const unsigned char *query;

    ret->head = remote_slice_equal(method, remote_slice_str("HEAD"));
    if (path.len == 0 || path.data[0] != '/' || line.len < 7 || memcmp(line.data, "HTTP/1.", 7)) {
        ret->status = 400;
        return;
    }
    if (!ret->head && !remote_slice_equal(method, remote_slice_str("GET"))) {
        ret->status = 405;
        return;
    }
    query = memchr(path.data, '?', path.len);
    if (query != NULL)
        path.len = (size_t)(query - path.data);
    if (path.len >= sizeof(ret->path) || memchr(path.data, '\0', path.len) != NULL) {
        ret->status = 404;
        return;
    }
    memcpy(ret->path, path.data, path.len);
    ret->path[path.len] = '\0';
    ret->status = 200;
}

void daemon_http1_parse(struct remote_slice bytes, struct daemon_http1_request *ret)
{
    const unsigned char *end;

    *ret = (struct daemon_http1_request){ 0 };
    if (bytes.len == 0 || !has_end(bytes)) {
        ret->status = bytes.len > REQUEST_MAX ? 431 : 0;
        return;
    }
    end = memchr(bytes.data, '\n', bytes.len);
    bytes.len = (size_t)(end - bytes.data);
    if (bytes.len > 0 && bytes.data[bytes.len - 1] == '\r')
        bytes.len--;
    take_line(bytes, ret);
}
