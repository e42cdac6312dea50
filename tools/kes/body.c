/* SPDX-License-Identifier: Apache-2.0 */
#include "body.h"

#include <string.h>

/* Arrays and objects in one another; a request has one of each at most, the real limit is 10000. */
#define DEPTH_MAX 100
#define NAME_ROOM 16 /* bytes: longer than any member's name */

struct reader {
    const unsigned char *at, *end;
};

/* ---- tokens ---- */

static void skip_blanks(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

/* Behind blanks; takes the character if it is there. */
static bool take(struct reader *r, char c)
{
    skip_blanks(r);
    if (r->at == r->end || *r->at != (unsigned char)c)
        return false;
    r->at++;
    return true;
}

static bool take_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return false;
    r->at += len;
    return true;
}

static bool take_digits(struct reader *r)
{
    const unsigned char *from = r->at;

    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > from;
}

/* RFC 8259 section 6 */
static bool skip_number(struct reader *r)
{
    (void)take_word(r, "-");
    if (!take_word(r, "0") && !take_digits(r))
        return false;
    if (take_word(r, ".") && !take_digits(r))
        return false;
    if (take_word(r, "e") || take_word(r, "E")) {
        if (!take_word(r, "+"))
            (void)take_word(r, "-");
        return take_digits(r);
    }
    return true;
}

static bool read_hex4(const unsigned char *at, const unsigned char *end, unsigned *ret)
{
    unsigned value = 0;

    if (end - at < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        unsigned char c = at[i], low = (unsigned char)(c | 0x20);

        if (c >= '0' && c <= '9')
            value = value << 4 | (unsigned)(c - '0');
        else if (low >= 'a' && low <= 'f')
            value = value << 4 | (unsigned)(low - 'a' + 10);
        else
            return false;
    }
    *ret = value;
    return true;
}

/* Takes a string; ret: what is between its quotes, escapes and all. RFC 8259 section 7 */
static bool take_string(struct reader *r, struct remote_slice *ret, bool *ret_escaped)
{
    const unsigned char *from;
    bool escaped = false;
    unsigned unit;

    if (!take(r, '"'))
        return false;
    for (from = r->at; r->at < r->end && *r->at != '"'; r->at++) {
        if (*r->at < 0x20)
            return false;
        if (*r->at != '\\')
            continue;
        escaped = true;
        if (++r->at == r->end || !*r->at || !strchr("\"\\/bfnrtu", *r->at))
            return false;
        if (*r->at == 'u' && !read_hex4(r->at + 1, r->end, &unit))
            return false;
    }
    if (r->at == r->end)
        return false;
    *ret = remote_slice(from, (size_t)(r->at - from));
    *ret_escaped = escaped;
    r->at++;
    return true;
}

/* ---- escapes ---- */

static void append_rune(struct remote_buf *ret, unsigned rune)
{
    unsigned shift = 0;

    if (rune < 0x80) {
        remote_buf_append_char(ret, (char)rune);
        return;
    }
    if (rune < 0x800) {
        remote_buf_append_char(ret, (char)(0xc0 | rune >> 6));
    } else if (rune < 0x10000) {
        remote_buf_append_char(ret, (char)(0xe0 | rune >> 12));
        shift = 6;
    } else {
        remote_buf_append_char(ret, (char)(0xf0 | rune >> 18));
        shift = 12;
    }
    for (;; shift -= 6) {
        remote_buf_append_char(ret, (char)(0x80 | (rune >> shift & 0x3f)));
        if (shift == 0)
            return;
    }
}

/* at: the 'u' of an escape that take_string() let pass. Returns where it ends. */
static const unsigned char *append_unit(struct remote_buf *ret, const unsigned char *at,
                                        const unsigned char *end)
{
    unsigned rune = 0xfffd, low;

    (void)read_hex4(at + 1, end, &rune);
    at += 5;
    if (rune < 0xd800 || rune > 0xdfff) {
        append_rune(ret, rune);
    } else if (rune < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u' &&
               read_hex4(at + 2, end, &low) && low >= 0xdc00 && low <= 0xdfff) {
        append_rune(ret, 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00));
        at += 6;
    } else {
        append_rune(ret, 0xfffd); /* a surrogate alone */
    }
    return at;
}

static void append_unescaped(struct remote_buf *ret, struct remote_slice text)
{
    static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
    const unsigned char *at = text.data, *end = text.data + text.len;

    while (at < end) {
        const char *letter;

        if (*at != '\\') {
            remote_buf_append_char(ret, (char)*at++);
            continue;
        }
        at++;
        if (*at == 'u') {
            at = append_unit(ret, at, end);
            continue;
        }
        letter = strchr(letters, *at);
        remote_buf_append_char(ret, letter ? meant[letter - letters] : (char)*at);
        at++;
    }
}

/* ---- values that are of no interest ---- */

static bool skip_value(struct reader *r, unsigned depth);

/* Behind the opening bracket. */
static bool skip_items(struct reader *r, char close, unsigned depth)
{
    struct remote_slice name;
    bool escaped;

    if (take(r, close))
        return true;
    do {
        if (close == '}' && (!take_string(r, &name, &escaped) || !take(r, ':')))
            return false;
        if (!skip_value(r, depth))
            return false;
    } while (take(r, ','));
    return take(r, close);
}

static bool skip_value(struct reader *r, unsigned depth)
{
    struct remote_slice text;
    bool escaped;

    skip_blanks(r);
    if (r->at == r->end || depth == 0)
        return false;
    switch (*r->at) {
    case '{':
        r->at++;
        return skip_items(r, '}', depth - 1);
    case '[':
        r->at++;
        return skip_items(r, ']', depth - 1);
    case '"':
        return take_string(r, &text, &escaped);
    default:
        return take_word(r, "null") || take_word(r, "true") || take_word(r, "false") ||
               skip_number(r);
    }
}

/* ---- bytes ---- */

/* The character that has the high bits of this one, so that the surplus bits of a group are 0. */
static unsigned char without_bits(unsigned char c, size_t bits)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? strchr(alphabet, c) : NULL;

    return found ? (unsigned char)alphabet[(size_t)(found - alphabet) >> bits << bits] : c;
}

/*
 * What Go's decoder takes and ours, which is strict, does not: line breaks anywhere, and surplus
 * bits (RFC 4648 section 3.5).
 */
static bool decode_lenient(struct remote_slice text, struct remote_buf *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf strict = { 0 };
    size_t padding = 0;

    if (text.len == 0)
        return true;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '\n' && text.data[i] != '\r')
            remote_buf_append_char(&strict, (char)text.data[i]);
    while (padding < 2 && padding < strict.len && strict.data[strict.len - 1 - padding] == '=')
        padding++;
    if (padding > 0 && padding < strict.len) {
        unsigned char *last = &strict.data[strict.len - 1 - padding];

        *last = without_bits(*last, padding * 2);
    }
    return !strict.failed && remote_base64_decode(remote_buf_slice(&strict), ret);
}

static bool read_base64(struct reader *r, struct remote_buf *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    struct remote_slice text;
    bool escaped;

    if (!take_string(r, &text, &escaped))
        return false;
    if (!escaped && remote_base64_decode(text, ret))
        return true;
    append_unescaped(&plain, text);
    return !plain.failed && decode_lenient(remote_buf_slice(&plain), ret);
}

/* A number from 0 to 255 without fraction or exponent, or null, which is 0. */
static bool read_byte(struct reader *r, struct remote_buf *ret)
{
    const unsigned char *from;
    unsigned value = 0;

    skip_blanks(r);
    from = r->at;
    if (!take_word(r, "null")) {
        if (!skip_number(r) || r->at - from > 3)
            return false;
        for (; from < r->at; from++) {
            if (*from < '0' || *from > '9')
                return false;
            value = value * 10 + (unsigned)(*from - '0');
        }
    }
    if (value > 255)
        return false;
    remote_buf_append_char(ret, (char)value);
    return !ret->failed;
}

/* Behind the opening bracket. */
static bool read_array(struct reader *r, struct remote_buf *ret)
{
    if (take(r, ']'))
        return true;
    do {
        if (!read_byte(r, ret))
            return false;
    } while (take(r, ','));
    return take(r, ']');
}

/* ---- members ---- */

static bool read_text(struct reader *r, struct remote_buf *ret)
{
    struct remote_slice text;
    bool escaped;

    if (!take_string(r, &text, &escaped))
        return false;
    append_unescaped(ret, text);
    return !ret->failed;
}

static bool read_member(struct reader *r, const struct kesd_member *member)
{
    skip_blanks(r);
    if (take_word(r, "null")) {
        if (!member->is_text) /* of Go's types only a slice can be nothing */
            remote_buf_truncate(member->value, 0);
        return true;
    }
    remote_buf_truncate(member->value, 0); /* of two with one name the last counts */
    if (member->is_text)
        return read_text(r, member->value);
    return take(r, '[') ? read_array(r, member->value) : read_base64(r, member->value);
}

static const struct kesd_member *find(struct remote_slice name, const struct kesd_member *members,
                                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(members[i].name) == name.len &&
            strncasecmp(members[i].name, (const char *)name.data, name.len) == 0)
            return &members[i];
    return NULL;
}

static bool read_pair(struct reader *r, const struct kesd_member *members, size_t count)
{
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    const struct kesd_member *member;
    struct remote_slice name;
    bool escaped;

    if (!take_string(r, &name, &escaped) || !take(r, ':'))
        return false;
    if (escaped && name.len <= NAME_ROOM * 6) { /* "\u0063" is a letter */
        append_unescaped(&plain, name);
        name = remote_buf_slice(&plain);
    }
    member = find(name, members, count);
    return member ? read_member(r, member) : skip_value(r, DEPTH_MAX);
}

bool kesd_body_read(struct remote_slice body, const struct kesd_member *members, size_t count)
{
    struct reader r = { body.data, body.data + body.len };

    for (size_t i = 0; i < count; i++)
        remote_buf_truncate(members[i].value, 0);
    skip_blanks(&r);
    if (take_word(&r, "null"))
        return true;
    if (!take(&r, '{'))
        return false;
    if (take(&r, '}'))
        return true;
    do {
        if (!read_pair(&r, members, count))
            return false;
    } while (take(&r, ','));
    return take(&r, '}');
}
