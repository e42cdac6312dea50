/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "api.h"

/* ---- pieces ---- */

static void piece_reset(struct kesd_piece *piece)
{
    if (piece->held.cap > 0)
        remote_buf_clear(&piece->held);
    piece->slice = (struct remote_slice){ 0 };
}

static bool piece_hold(struct kesd_piece *piece)
{
    if (piece->slice.len == 0 || piece->held.data != NULL)
        return true;
    remote_buf_append(&piece->held, piece->slice.data, piece->slice.len);
    piece->slice = remote_buf_slice(&piece->held);
    return !piece->held.failed;
}

static bool piece_add(struct kesd_piece *piece, const char *at, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)at;

    if (piece->slice.len == 0) {
        piece->slice = remote_slice(bytes, len);
        return true;
    }
    if (piece->held.data == NULL && piece->slice.data + piece->slice.len == bytes) {
        piece->slice.len += len;
        return true;
    }
    if (!piece_hold(piece))
        return false;
    remote_buf_append(&piece->held, at, len);
    piece->slice = remote_buf_slice(&piece->held);
    return !piece->held.failed;
}

/* ---- what http-parser tells ---- */

/* The two headers that matter beside those that http-parser itself reads. */
enum { FIELD_HOST, FIELD_EXPECT, FIELD_OTHER };
static const char *const field_names[] = { "host", "expect" };
static const char expected[] = "100-continue";

static struct kesd_http *of_parser(http_parser *parser)
{
    return parser->data;
}

static int fail(struct kesd_http *http, int status, const char *text)
{
    http->state = KESD_HTTP_BAD;
    http->status = status;
    http->text = text;
    return -1;
}

static int on_begin(http_parser *parser)
{
    of_parser(parser)->state = KESD_HTTP_HEADER;
    return 0;
}

static int on_url(http_parser *parser, const char *at, size_t len)
{
    struct kesd_http *http = of_parser(parser);

    return piece_add(&http->target, at, len) ? 0 : fail(http, 503, "out of memory");
}

/* A name may come in parts: candidates fall away while it is compared. */
static int on_field(http_parser *parser, const char *at, size_t len)
{
    struct kesd_http *http = of_parser(parser);

    /* RFC 9112, 5.1: "Content-Length :" is no length to us and might be one to a proxy. As Debian
     * builds it, http-parser takes blanks for a part of the name. */
    if (memchr(at, ' ', len) != NULL)
        return fail(http, 400, "400 Bad Request");
    if (http->value_seen || http->field_at == 0) { /* the first part of the next one */
        http->field = FIELD_HOST;
        http->field_at = http->value_at = 0;
        http->value_seen = http->value_differs = false;
    }
    while (http->field < FIELD_OTHER) {
        const char *name = field_names[http->field];

        if (http->field_at + len <= strlen(name) &&
            strncasecmp(name + http->field_at, at, len) == 0)
            break;
        /* The candidates share no beginning: what was read before is not that of another. */
        http->field = http->field_at > 0 ? FIELD_OTHER : http->field + 1;
    }
    http->field_at += (unsigned)len;
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t len)
{
    struct kesd_http *http = of_parser(parser);
    unsigned field = http->field;

    if (field < FIELD_OTHER && http->field_at < strlen(field_names[field]))
        field = FIELD_OTHER; /* only the beginning of that name */
    if (field == FIELD_HOST && !http->value_seen)
        http->hosts++;
    if (field == FIELD_EXPECT) {
        if (http->value_at + len > strlen(expected) ||
            strncasecmp(expected + http->value_at, at, len) != 0)
            http->value_differs = true;
        http->wants_continue = !http->value_differs && http->value_at + len == strlen(expected);
    }
    http->value_at += (unsigned)len;
    http->value_seen = true;
    return 0;
}

static int on_headers(http_parser *parser)
{
    struct kesd_http *http = of_parser(parser);
    bool http11 = parser->http_major > 1 || (parser->http_major == 1 && parser->http_minor >= 1);

    if (http11 && http->hosts == 0)
        return fail(http, 400, "400 Bad Request: missing required Host header");
    if (http->hosts > 1)
        return fail(http, 400, "400 Bad Request: too many Host headers");
    http->state = KESD_HTTP_BODY;
    http->chunked = (parser->flags & F_CHUNKED) != 0;
    http->keep_alive = http_should_keep_alive(parser) != 0;
    http->wants_continue = http->wants_continue && http11;
    if ((parser->flags & F_CONTENTLENGTH) != 0 && parser->content_length > KESD_BODY_MAX) {
        http->body_too_long = true;
        http->state = KESD_HTTP_WHOLE;
        return -1; /* nothing more is read */
    }
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
    struct kesd_http *http = of_parser(parser);

    http->wants_continue = false;
    if (http->body.slice.len + len <= KESD_BODY_MAX)
        return piece_add(&http->body, at, len) ? 0 : fail(http, 503, "out of memory");
    piece_reset(&http->body);
    http->body_too_long = true;
    http->state = KESD_HTTP_WHOLE;
    return -1;
}

static int on_complete(http_parser *parser)
{
    struct kesd_http *http = of_parser(parser);

    http->wants_continue = false;
    http->state = KESD_HTTP_WHOLE;
    http_parser_pause(parser, 1); /* what follows is the next request */
    return 0;
}

static const http_parser_settings settings = {
    .on_message_begin = on_begin,
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

/* ---- requests ---- */

void kesd_http_next(struct kesd_http *http)
{
    piece_reset(&http->target);
    piece_reset(&http->body);
    http->state = KESD_HTTP_EMPTY;
    http->body_too_long = http->chunked = http->keep_alive = http->wants_continue = false;
    http->hosts = 0;
    http->field_at = http->value_at = 0;
    http->value_seen = false;
    http_parser_init(&http->parser, HTTP_REQUEST);
    http->parser.data = http;
}

void kesd_http_init(struct kesd_http *http)
{
    memset(http, 0, sizeof(*http));
    kesd_http_next(http);
}

void kesd_http_clear(struct kesd_http *http)
{
    piece_reset(&http->target);
    piece_reset(&http->body);
}

static void judge_fault(struct kesd_http *http)
{
    if (http->state == KESD_HTTP_BAD || http->state == KESD_HTTP_WHOLE)
        return;
    if (HTTP_PARSER_ERRNO(&http->parser) == HPE_HEADER_OVERFLOW)
        fail(http, 431, "431 Request Header Fields Too Large");
    else
        fail(http, 400, "400 Bad Request");
}

size_t kesd_http_feed(struct kesd_http *http, struct remote_slice bytes)
{
    size_t used =
        http_parser_execute(&http->parser, &settings, (const char *)bytes.data, bytes.len);

    if (HTTP_PARSER_ERRNO(&http->parser) != HPE_OK)
        judge_fault(http);
    else if (http->state == KESD_HTTP_HEADER && http->parser.nread > KESD_HEADER_MAX)
        fail(http, 431, "431 Request Header Fields Too Large");
    return used;
}

bool kesd_http_hold(struct kesd_http *http)
{
    return piece_hold(&http->target) && piece_hold(&http->body);
}

struct remote_slice kesd_http_method(const struct kesd_http *http)
{
    return remote_slice_str(http_method_str((enum http_method)http->parser.method));
}
