/* SPDX-License-Identifier: Apache-2.0 */
#include "encode.h"

#include <string.h>

static const char base64_std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_digits[] = "0123456789abcdef";

/* One group of one to three bytes as four characters. */
static void encode_group(const unsigned char *bytes, size_t count, const char *alphabet, char *ret)
{
    unsigned group = (unsigned)bytes[0] << 16;

    if (count > 1)
        group |= (unsigned)bytes[1] << 8;
    if (count > 2)
        group |= bytes[2];
    for (unsigned i = 0; i < 4; i++)
        ret[i] = i <= count ? alphabet[group >> (18 - 6 * i) & 63] : '=';
}

static void encode(struct remote_buf *buf, struct remote_slice bytes, const char *alphabet,
                   bool pad)
{
    size_t whole = bytes.len / 3, rest = bytes.len % 3;
    char *out = (char *)remote_buf_reserve(buf, 4 * (whole + 1));

    if (out == NULL)
        return;
    for (size_t i = 0; i < whole; i++)
        encode_group(bytes.data + 3 * i, 3, alphabet, out + 4 * i);
    buf->len += 4 * whole;
    if (rest == 0)
        return;
    encode_group(bytes.data + 3 * whole, rest, alphabet, out + 4 * whole);
    if (!pad)
        out[4 * whole + rest + 1] = '\0';
    buf->len += pad ? 4 : rest + 1;
}

void remote_base64_append(struct remote_buf *buf, struct remote_slice bytes)
{
    encode(buf, bytes, base64_std, true);
}

void remote_base64url_append(struct remote_buf *buf, struct remote_slice bytes)
{
    encode(buf, bytes, base64_url, false);
}

/* The six bits of a character, or -1. */
static int sextet(unsigned char c, const char *alphabet)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (unsigned char)alphabet[62])
        return 62;
    return c == (unsigned char)alphabet[63] ? 63 : -1;
}

/* Decodes two to four characters into one byte less; false when they are not canonical. */
static bool decode_group(const unsigned char *text, size_t count, const char *alphabet,
                         unsigned char *ret)
{
    unsigned group = 0;

    for (size_t i = 0; i < 4; i++) {
        int bits = i < count ? sextet(text[i], alphabet) : 0;

        if (bits < 0)
            return false;
        group = group << 6 | (unsigned)bits;
    }
    /* RFC 4648 section 3.5: surplus bits are zero, so that one value has one spelling. */
    if (count < 4 && (group & (count == 3 ? 0xffu : 0xffffu)) != 0)
        return false;
    for (size_t i = 0; i + 1 < count; i++)
        ret[i] = (unsigned char)(group >> (16 - 8 * i));
    return true;
}

/* text without padding */
static bool decode(struct remote_slice text, const char *alphabet, struct remote_buf *buf)
{
    size_t before = buf->len, rest = text.len % 4;
    unsigned char *out;

    if (rest == 1)
        return false;
    out = remote_buf_reserve(buf, text.len / 4 * 3 + 2);
    if (!out)
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        size_t count = text.len - i < 4 ? rest : 4;

        if (!decode_group(text.data + i, count, alphabet, out)) {
            /* The bytes decoded so far are counted, so that truncating wipes them. */
            remote_buf_truncate(buf, before);
            return false;
        }
        out += count - 1;
        buf->len += count - 1;
    }
    return true;
}

bool remote_base64_decode(struct remote_slice text, struct remote_buf *buf)
{
    size_t padding = 0;

    if (text.len % 4 != 0)
        return false;
    while (padding < 2 && text.len > padding && text.data[text.len - 1 - padding] == '=')
        padding++;
    return decode(remote_slice(text.data, text.len - padding), base64_std, buf);
}

bool remote_base64url_decode(struct remote_slice text, struct remote_buf *buf)
{
    return decode(text, base64_url, buf);
}

void remote_hex_append(struct remote_buf *buf, struct remote_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        remote_buf_append_char(buf, hex_digits[bytes.data[i] >> 4]);
        remote_buf_append_char(buf, hex_digits[bytes.data[i] & 15]);
    }
}

static int nibble(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool remote_hex_decode(struct remote_slice text, struct remote_buf *buf)
{
    size_t before = buf->len;
    unsigned char *out;

    if (text.len % 2 != 0)
        return false;
    out = remote_buf_reserve(buf, text.len / 2);
    if (!out)
        return false;
    for (size_t i = 0; i < text.len; i += 2) {
        int high = nibble(text.data[i]), low = nibble(text.data[i + 1]);

        if (high < 0 || low < 0) {
            remote_buf_truncate(buf, before);
            return false;
        }
        out[i / 2] = (unsigned char)(high << 4 | low);
        buf->len++;
    }
    return true;
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void remote_percent_append(struct remote_buf *buf, struct remote_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (is_unreserved(bytes.data[i]))
            remote_buf_append(buf, bytes.data + i, 1);
        else
            remote_buf_printf(buf, "%%%02X", bytes.data[i]);
    }
}

bool remote_percent_decode(struct remote_slice text, struct remote_buf *buf)
{
    size_t before = buf->len;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '%') {
            remote_buf_append(buf, text.data + i, 1);
        } else if (text.len - i > 2 && remote_hex_decode(remote_slice(text.data + i + 1, 2), buf)) {
            i += 2;
        } else {
            remote_buf_truncate(buf, before);
            return false;
        }
    }
    return true;
}

#define PEM_LINE 64

void remote_pem_append(struct remote_buf *buf, const char *label, struct remote_slice der)
{
    CLEANUP(remote_buf_clear) struct remote_buf base64 = { 0 };

    remote_base64_append(&base64, der);
    remote_buf_printf(buf, "-----BEGIN %s-----\n", label);
    for (size_t at = 0; at < base64.len; at += PEM_LINE) {
        size_t left = base64.len - at;

        remote_buf_append(buf, base64.data + at, left < PEM_LINE ? left : PEM_LINE);
        remote_buf_append_char(buf, '\n');
    }
    remote_buf_printf(buf, "-----END %s-----\n", label);
    buf->failed = buf->failed || base64.failed;
}
