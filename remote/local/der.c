/* SPDX-License-Identifier: Apache-2.0 */
#include "der.h"

#define LONG_FORM 0x80
#define LENGTH_BYTES_MAX 3 /* 16 MiB, beyond anything that reaches us */

static void skip(struct remote_slice *in, size_t count)
{
    in->data += count;
    in->len -= count;
}

/* X.690 8.1.3 and 10.1 */
static bool take_length(struct remote_slice *in, size_t *ret)
{
    size_t len = 0, count;

    if (in->len == 0)
        return false;
    if (in->data[0] < LONG_FORM) {
        *ret = in->data[0];
        skip(in, 1);
        return true;
    }
    count = in->data[0] - (size_t)LONG_FORM;
    skip(in, 1);
    if (count == 0 || count > LENGTH_BYTES_MAX || count > in->len || in->data[0] == 0)
        return false;
    for (size_t i = 0; i < count; i++)
        len = len << 8 | in->data[i];
    if (len < LONG_FORM)
        return false;
    skip(in, count);
    *ret = len;
    return true;
}

bool remote_der_take(struct remote_slice *in, enum remote_der_tag tag,
                     struct remote_slice *ret_content)
{
    size_t len;

    if (in->len == 0 || in->data[0] != tag)
        return false;
    skip(in, 1);
    if (!take_length(in, &len) || len > in->len)
        return false;
    *ret_content = remote_slice(in->data, len);
    skip(in, len);
    return true;
}

bool remote_der_take_unsigned(struct remote_slice *in, struct remote_slice *ret)
{
    struct remote_slice content;

    if (!remote_der_take(in, REMOTE_DER_INTEGER, &content) || content.len == 0 ||
        content.data[0] >= 0x80)
        return false;
    if (content.data[0] == 0 && content.len > 1 && content.data[1] < 0x80)
        return false; /* not the shortest form: X.690 8.3.2 */
    *ret = remote_der_trim(content);
    return true;
}

bool remote_der_take_bits(struct remote_slice *in, struct remote_slice *ret)
{
    struct remote_slice content;

    if (!remote_der_take(in, REMOTE_DER_BIT_STRING, &content) || content.len == 0 ||
        content.data[0] != 0) /* unused bits in the last byte */
        return false;
    skip(&content, 1);
    *ret = content;
    return true;
}

static void append_header(struct remote_buf *buf, enum remote_der_tag tag, size_t len)
{
    remote_buf_append_char(buf, (char)tag);
    if (len >= LONG_FORM) {
        unsigned bytes = len > 0xffff ? 3 : len > 0xff ? 2 : 1;

        remote_buf_append_char(buf, (char)(LONG_FORM | bytes));
        while (--bytes > 0)
            remote_buf_append_char(buf, (char)(len >> 8 * bytes & 0xff));
    }
    remote_buf_append_char(buf, (char)(len & 0xff));
}

void remote_der_append(struct remote_buf *buf, enum remote_der_tag tag, struct remote_slice content)
{
    append_header(buf, tag, content.len);
    remote_buf_append(buf, content.data, content.len);
}

void remote_der_append_unsigned(struct remote_buf *buf, struct remote_slice number)
{
    struct remote_slice digits = remote_der_trim(number);
    bool padded = digits.len == 0 || digits.data[0] >= 0x80;

    append_header(buf, REMOTE_DER_INTEGER, digits.len + padded);
    if (padded)
        remote_buf_append_char(buf, '\0');
    remote_buf_append(buf, digits.data, digits.len);
}

struct remote_slice remote_der_trim(struct remote_slice number)
{
    while (number.len > 0 && number.data[0] == 0)
        skip(&number, 1);
    return number;
}
