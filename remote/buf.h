/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes and who owns them: a slice borrows, a buf owns, a secret owns locked pages.
 * Whatever a buf held is wiped when it is cleared or grown: any of them may have carried
 * a plaintext. None of these types is shared between threads without a lock.
 */
#ifndef REMOTE_BUF_H
#define REMOTE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct remote_slice {
    const unsigned char *data;
    size_t len;
};

struct remote_buf {
    unsigned char *data; /* NUL-terminated behind len once anything was appended */
    size_t len, cap;
    bool failed; /* an append ran out of memory; sticky, so builders check once */
};

struct remote_secret {   /* page-aligned, kept out of core dumps, locked where allowed */
    unsigned char *data; /* NUL-terminated behind len */
    size_t len, cap;
};

static inline struct remote_slice remote_slice(const void *data, size_t len)
{
    return (struct remote_slice){ data, len };
}
/* Takes the first len bytes off *from. False: it has fewer; nothing is taken. */
static inline bool remote_slice_take(struct remote_slice *from, size_t len,
                                     struct remote_slice *ret)
{
    if (len > from->len)
        return false;
    *ret = remote_slice(from->data, len);
    *from = remote_slice(from->data + len, from->len - len);
    return true;
}
struct remote_slice remote_slice_str(const char *text);                /* without the NUL */
bool remote_slice_equal(struct remote_slice a, struct remote_slice b); /* not constant-time */
/* For MACs and other secrets: takes as long as `theirs` is, whatever the bytes are. */
bool remote_slice_equal_secret(struct remote_slice ours, struct remote_slice theirs);

void remote_buf_append(struct remote_buf *buf, const void *data, size_t len);
void remote_buf_append_str(struct remote_buf *buf, const char *text);
void remote_buf_append_char(struct remote_buf *buf, char c);
void remote_buf_append_number(struct remote_buf *buf, uint64_t number); /* decimal */
void remote_buf_printf(struct remote_buf *buf, const char *fmt, ...) REMOTE_PRINTF(2, 3);
/* Makes room for len more bytes and returns where they go; NULL when out of memory. The
 * caller writes at most len bytes and adds what it wrote to buf->len. */
unsigned char *remote_buf_reserve(struct remote_buf *buf, size_t len);
void remote_buf_truncate(struct remote_buf *buf, size_t len); /* wipes what is cut off */
void remote_buf_clear(struct remote_buf *buf);                /* wipes, frees, zeroes */
struct remote_slice remote_buf_slice(const struct remote_buf *buf);
/* REMOTE_E_NOMEM when an append failed. */
enum remote_rc remote_buf_check(const struct remote_buf *buf, struct remote_error *err);

/* Replaces what it held. data NULL: len zero bytes, for the caller to fill. */
enum remote_rc remote_secret_set(struct remote_secret *secret, const void *data, size_t len,
                                 struct remote_error *err) REMOTE_MUST_CHECK;
void remote_secret_clear(struct remote_secret *secret);
struct remote_slice remote_secret_slice(const struct remote_secret *secret);
bool remote_secret_equal(const struct remote_secret *a, struct remote_slice b); /* constant-time */

/* For CLEANUP() on a char * from malloc. */
void remote_str_free(char **text);

#endif
