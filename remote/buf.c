/* SPDX-License-Identifier: Apache-2.0 */
/* Wipes with explicit_bzero(), not OPENSSL_cleanse(): this file needs no guard (libctx.h). */
#include "buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct remote_slice remote_slice_str(const char *text)
{
    return remote_slice(text, strlen(text));
}

bool remote_slice_equal(struct remote_slice a, struct remote_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool remote_slice_equal_secret(struct remote_slice ours, struct remote_slice theirs)
{
    volatile unsigned char difference = ours.len != theirs.len; /* volatile: no early exit */

    for (size_t i = 0; i < theirs.len; i++) {
        unsigned char own = i < ours.len ? ours.data[i] : 0;

        difference = (unsigned char)(difference | (own ^ theirs.data[i]));
    }
    return difference == 0;
}

/* Not realloc(): it may move the bytes and leave a copy behind that nobody wipes. */
static bool grow(struct remote_buf *buf, size_t needed)
{
    size_t cap = buf->cap < 64 ? 64 : buf->cap;
    unsigned char *data;

    while (cap < needed)
        cap = cap > SIZE_MAX / 2 ? needed : cap * 2;
    data = malloc(cap);
    if (!data)
        return false;
    if (buf->data) {
        memcpy(data, buf->data, buf->len);
        explicit_bzero(buf->data, buf->cap);
        free(buf->data);
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

/* Room for len bytes and the NUL. */
static bool make_room(struct remote_buf *buf, size_t len)
{
    if (buf->failed)
        return false;
    if (len >= SIZE_MAX - buf->len ||
        (buf->len + len + 1 > buf->cap && !grow(buf, buf->len + len + 1)))
        buf->failed = true;
    return !buf->failed;
}

unsigned char *remote_buf_reserve(struct remote_buf *buf, size_t len)
{
    if (!make_room(buf, len))
        return NULL;
    /* Zeroed, so that a NUL follows whatever part of it the caller fills. */
    memset(buf->data + buf->len, 0, len + 1);
    return buf->data + buf->len;
}

void remote_buf_append(struct remote_buf *buf, const void *data, size_t len)
{
    if (!make_room(buf, len))
        return;
    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void remote_buf_append_str(struct remote_buf *buf, const char *text)
{
    remote_buf_append(buf, text, strlen(text));
}

void remote_buf_append_char(struct remote_buf *buf, char c)
{
    remote_buf_append(buf, &c, 1);
}

void remote_buf_append_number(struct remote_buf *buf, uint64_t number)
{
    char digits[20]; /* of 2^64 */
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    remote_buf_append(buf, digits + at, sizeof(digits) - at);
}

void remote_buf_printf(struct remote_buf *buf, const char *fmt, ...)
{
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0) {
        buf->failed = true;
        return;
    }
    if (!make_room(buf, (size_t)len))
        return;
    va_start(args, fmt);
    vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, fmt, args);
    va_end(args);
    buf->len += (size_t)len;
}

void remote_buf_truncate(struct remote_buf *buf, size_t len)
{
    if (len >= buf->len)
        return;
    explicit_bzero(buf->data + len, buf->len - len);
    buf->len = len;
}

void remote_buf_clear(struct remote_buf *buf)
{
    if (!buf)
        return;
    if (buf->data) {
        explicit_bzero(buf->data, buf->cap);
        free(buf->data);
    }
    *buf = (struct remote_buf){ 0 };
}

struct remote_slice remote_buf_slice(const struct remote_buf *buf)
{
    return remote_slice(buf->data, buf->len);
}

enum remote_rc remote_buf_check(const struct remote_buf *buf, struct remote_error *err)
{
    return buf->failed ? REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory") : REMOTE_OK;
}

static enum remote_rc map_pages(size_t len, struct remote_secret *ret, struct remote_error *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), cap;
    void *pages;

    if (len >= SIZE_MAX - page)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    cap = (len + page) / page * page; /* at least one byte more than len, for the NUL */
    pages = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    /* Both are best effort: an unprivileged process may lock little, and goes on without. */
    (void)madvise(pages, cap, MADV_DONTDUMP);
    (void)mlock(pages, cap);
    *ret = (struct remote_secret){ .data = pages, .cap = cap };
    return REMOTE_OK;
}

enum remote_rc remote_secret_set(struct remote_secret *secret, const void *data, size_t len,
                                 struct remote_error *err)
{
    struct remote_secret pages = *secret; /* used again when they suffice: mlock() is not cheap */

    if (len >= secret->cap)
        REMOTE_TRY(map_pages(len, &pages, err));
    if (data && len > 0)
        memmove(pages.data, data, len); /* data may be part of the secret itself */
    else
        explicit_bzero(pages.data, len);
    explicit_bzero(pages.data + len, pages.cap - len);
    pages.len = len;
    if (pages.data != secret->data)
        remote_secret_clear(secret);
    *secret = pages;
    return REMOTE_OK;
}

void remote_secret_clear(struct remote_secret *secret)
{
    if (!secret)
        return;
    if (secret->data) {
        explicit_bzero(secret->data, secret->cap);
        munmap(secret->data, secret->cap); /* unlocks too */
    }
    *secret = (struct remote_secret){ 0 };
}

struct remote_slice remote_secret_slice(const struct remote_secret *secret)
{
    return remote_slice(secret->data, secret->len);
}

bool remote_secret_equal(const struct remote_secret *a, struct remote_slice b)
{
    return remote_slice_equal_secret(remote_secret_slice(a), b);
}

void remote_str_free(char **text)
{
    if (!text)
        return;
    free(*text);
    *text = NULL;
}
