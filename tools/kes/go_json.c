/* SPDX-License-Identifier: Apache-2.0 */
#include "go_json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* What stands behind the backslash of the short escapes; 0: none. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static bool is_clear(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

static void append_ascii(struct remote_buf *ret, unsigned char c)
{
    char escape = short_escape(c);

    if (escape)
        remote_buf_printf(ret, "\\%c", escape);
    else
        remote_buf_printf(ret, "\\u%04x", (unsigned)c);
}

/* Bytes of the well-formed sequence of UTF-8 (RFC 3629 section 4) at the front; 0: there is none.
 */
static size_t sequence_len(struct remote_slice text)
{
    unsigned char first = text.data[0], low = 0x80, high = 0xbf;
    size_t len = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

    if (len == 0 || len > text.len)
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f; /* no surrogates */
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (text.data[1] < low || text.data[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((text.data[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

/* Bytes taken from the front of text, which is no ASCII. */
static size_t append_sequence(struct remote_buf *ret, struct remote_slice text)
{
    size_t len = sequence_len(text);

    if (len == 0) {
        remote_buf_append_str(ret, "\\ufffd");
        return 1;
    }
    /* Line and paragraph separator, which JavaScript takes for the end of a line. */
    if (len == 3 && memcmp(text.data, "\xe2\x80", 2) == 0 && (text.data[2] & 0xfe) == 0xa8)
        remote_buf_printf(ret, "\\u202%d", text.data[2] & 0x0f);
    else
        remote_buf_append(ret, text.data, len);
    return len;
}

void kesd_json_string(struct remote_buf *ret, struct remote_slice text)
{
    size_t at = 0;

    remote_buf_append_char(ret, '"');
    while (at < text.len) {
        size_t from = at;

        while (at < text.len && is_clear(text.data[at]))
            at++;
        remote_buf_append(ret, text.data + from, at - from);
        if (at == text.len)
            break;
        if (text.data[at] < 0x80)
            append_ascii(ret, text.data[at++]);
        else
            at += append_sequence(ret, remote_slice(text.data + at, text.len - at));
    }
    remote_buf_append_char(ret, '"');
}

void kesd_json_time(struct remote_buf *ret, int64_t seconds, int32_t ns)
{
    time_t when = (time_t)seconds;
    char text[48], fraction[16];
    size_t len;
    struct tm tm;

    if (!gmtime_r(&when, &tm) || ns < 0 || ns > 999999999) {
        remote_buf_append_str(ret, "\"0001-01-01T00:00:00Z\"");
        return;
    }
    /* "%Y" would not pad the year of Go's zero time. */
    snprintf(text, sizeof(text), "\"%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    remote_buf_append_str(ret, text);
    len = (size_t)snprintf(fraction, sizeof(fraction), ".%09d", (int)ns);
    while (len > 0 && (fraction[len - 1] == '0' || fraction[len - 1] == '.'))
        len--;
    remote_buf_append(ret, fraction, len);
    remote_buf_append_str(ret, "Z\"");
}
