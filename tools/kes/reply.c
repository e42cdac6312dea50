/* SPDX-License-Identifier: Apache-2.0 */
#include "reply.h"

#include <string.h>

const char kesd_reply_no_tls[] = "HTTP/1.0 400 Bad Request\r\n\r\n"
                                 "Client sent an HTTP request to an HTTPS server.\n";
const char kesd_reply_continue[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* clang-format off */
static const struct {
    int status;
    const char *line;
} lines[] = {
    { 200, "HTTP/1.1 200 OK\r\n" },
    { 307, "HTTP/1.1 307 Temporary Redirect\r\n" },
    { 400, "HTTP/1.1 400 Bad Request\r\n" },
    { 403, "HTTP/1.1 403 Forbidden\r\n" },
    { 404, "HTTP/1.1 404 Not Found\r\n" },
    { 405, "HTTP/1.1 405 Method Not Allowed\r\n" },
    { 406, "HTTP/1.1 406 Not Acceptable\r\n" },
    { 409, "HTTP/1.1 409 Conflict\r\n" },
    { 431, "HTTP/1.1 431 Request Header Fields Too Large\r\n" },
    { 500, "HTTP/1.1 500 Internal Server Error\r\n" },
    { 502, "HTTP/1.1 502 Bad Gateway\r\n" },
    { 503, "HTTP/1.1 503 Service Unavailable\r\n" },
    { 504, "HTTP/1.1 504 Gateway Timeout\r\n" },
};
/* clang-format on */

static void append_status(struct remote_buf *out, int status)
{
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        if (lines[i].status == status) {
            remote_buf_append_str(out, lines[i].line);
            return;
        }
    }
    remote_buf_printf(out, "HTTP/1.1 %d \r\n", status); /* the reason may be empty: RFC 9112, 4 */
}

static void append_header(struct remote_buf *out, const char *name, const char *value)
{
    remote_buf_append_str(out, name);
    remote_buf_append_str(out, value);
    remote_buf_append_str(out, "\r\n");
}

void kesd_reply_append(struct remote_buf *out, const struct kesd_response *response,
                       const char *date, bool head, bool close)
{
    append_status(out, response->status);
    if (response->type != NULL)
        append_header(out, "Content-Type: ", response->type);
    if (response->location[0] != '\0')
        append_header(out, "Location: ", response->location);
    if (response->extra != NULL)
        remote_buf_append_str(out, response->extra);
    if (close)
        remote_buf_append_str(out, "Connection: close\r\n");
    remote_buf_append_str(out, date);
    remote_buf_append_str(out, "Content-Length: ");
    remote_buf_append_number(out, response->body.len);
    remote_buf_append_str(out, "\r\n\r\n");
    if (!head)
        remote_buf_append(out, response->body.data, response->body.len);
}

void kesd_reply_append_stream(struct remote_buf *out, const char *date)
{
    append_status(out, 200);
    append_header(out, "Content-Type: ", "application/x-ndjson");
    append_header(out, "Transfer-Encoding: ", "chunked");
    remote_buf_append_str(out, date);
    remote_buf_append_str(out, "\r\n");
}

void kesd_reply_append_chunk(struct remote_buf *out, struct remote_slice bytes)
{
    remote_buf_printf(out, "%zx\r\n", bytes.len);
    remote_buf_append(out, bytes.data, bytes.len);
    remote_buf_append_str(out, "\r\n");
}

void kesd_reply_append_end(struct remote_buf *out)
{
    remote_buf_append_str(out, "0\r\n\r\n");
}

void kesd_reply_append_fault(struct remote_buf *out, int status, const char *text, const char *date)
{
    append_status(out, status);
    append_header(out, "Content-Type: ", "text/plain; charset=utf-8");
    append_header(out, "Connection: ", "close");
    remote_buf_append_str(out, date);
    remote_buf_append_str(out, "Content-Length: ");
    remote_buf_append_number(out, strlen(text));
    remote_buf_append_str(out, "\r\n\r\n");
    remote_buf_append_str(out, text);
}
