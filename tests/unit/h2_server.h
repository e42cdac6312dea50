/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 as the server of http_case.h speaks it, frame by frame (RFC 9113): what a real server
 * would not send can be told it, too. */
#ifndef TESTS_H2_SERVER_H
#define TESTS_H2_SERVER_H

#include <signal.h>

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#include "http_case.h"

#define H2_PREFACE_LEN 24
#define H2_FRAME_HEAD 9

/* How each request is answered: the parts that are not NULL, one after the other. */
static struct h2_answer {
    const char *head;         /* "name: value\n" lines; NULL: no answer, ever */
    struct remote_slice body; /* in frames of at most 16384 bytes */
    const char *trailers;
    bool open;       /* no END_STREAM on the last of them */
    unsigned reset;  /* then RST_STREAM with this code; 0: none */
    unsigned goaway; /* the last stream that counts in a GOAWAY before the answer; 0: none */
    bool refuse;     /* GOAWAY that takes no stream, instead of an answer */
    size_t cut;      /* so many bytes from the end are not sent */
    bool close_after;
    const char *http1;       /* the answer of a server that knows no HTTP/2 */
    struct remote_slice raw; /* all that the server says on a connection, from its SETTINGS on */
} told;

static SSL_CTX *h2_tls; /* NULL: none */
static atomic_int h2_message_len;

static inline void h2_frame(struct remote_buf *out, unsigned type, unsigned flags, unsigned stream,
                            const void *payload, size_t len)
{
    const unsigned char head[H2_FRAME_HEAD] = {
        (unsigned char)(len >> 16),    (unsigned char)(len >> 8),    (unsigned char)len,
        (unsigned char)type,           (unsigned char)flags,         (unsigned char)(stream >> 24),
        (unsigned char)(stream >> 16), (unsigned char)(stream >> 8), (unsigned char)stream
    };

    remote_buf_append(out, head, sizeof(head));
    if (len > 0)
        remote_buf_append(out, payload, len);
}

/* Literals without indexing and without Huffman (RFC 7541 6.2.2), of less than 127 bytes each. */
static inline void h2_headers(struct remote_buf *out, unsigned flags, unsigned stream,
                              const char *lines)
{
    CLEANUP(remote_buf_clear) struct remote_buf block = { 0 };

    while (*lines != '\0') {
        size_t name = strcspn(lines + 1, ":") + 1, len = strcspn(lines, "\n");

        remote_buf_append_char(&block, 0);
        remote_buf_append_char(&block, (char)name);
        remote_buf_append(&block, lines, name);
        remote_buf_append_char(&block, (char)(len - name - 2));
        remote_buf_append(&block, lines + name + 2, len - name - 2);
        lines += len + 1;
    }
    h2_frame(out, NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, stream, block.data, block.len);
}

static inline void h2_body(struct remote_buf *out, unsigned flags, unsigned stream,
                           struct remote_slice body)
{
    for (size_t at = 0, len; at < body.len; at += len) {
        len = body.len - at < 16384 ? body.len - at : 16384;
        h2_frame(out, NGHTTP2_DATA, at + len == body.len ? flags : 0, stream, body.data + at, len);
    }
}

static inline void h2_goaway(struct remote_buf *out, unsigned last)
{
    const unsigned char payload[8] = { 0, 0, 0, (unsigned char)last };

    h2_frame(out, NGHTTP2_GOAWAY, 0, 0, payload, sizeof(payload));
}

static inline void h2_make_answer(struct remote_buf *out, unsigned stream)
{
    unsigned end = told.open ? 0 : NGHTTP2_FLAG_END_STREAM;
    const unsigned char code[4] = { 0, 0, 0, (unsigned char)told.reset };

    remote_buf_append(out, told.raw.data, told.raw.len);
    if (told.refuse)
        h2_goaway(out, 0);
    if (told.goaway != 0)
        h2_goaway(out, told.goaway);
    if (told.head != NULL)
        h2_headers(out, told.body.len > 0 || told.trailers != NULL ? 0 : end, stream, told.head);
    h2_body(out, told.trailers != NULL ? 0 : end, stream, told.body);
    if (told.trailers != NULL)
        h2_headers(out, end, stream, told.trailers);
    if (told.reset != 0)
        h2_frame(out, NGHTTP2_RST_STREAM, 0, stream, code, sizeof(code));
    remote_buf_truncate(out, out->len - (told.cut < out->len ? told.cut : out->len));
}

/* False: the connection, or the test, is over. */
static inline bool h2_read(BIO *bio, void *to, size_t len)
{
    int fd = (int)BIO_get_fd(bio, NULL);

    for (size_t at = 0; at < len;) {
        int got = BIO_pending(bio) > 0 || readable(fd)
                      ? BIO_read(bio, (unsigned char *)to + at, (int)(len - at))
                      : -1;

        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

static inline bool h2_send(BIO *bio, const struct remote_buf *out)
{
    return out->len == 0 || BIO_write(bio, out->data, (int)out->len) == (int)out->len;
}

/* "name: value\n" lines into server.request. */
static inline void h2_note_request(nghttp2_hd_inflater *inflater, const unsigned char *block,
                                   size_t len, bool priority)
{
    size_t at = priority ? 5 : 0, used = 0;

    while (at < len) {
        nghttp2_nv field;
        int flags = 0;
        ssize_t step = nghttp2_hd_inflate_hd2(inflater, &field, &flags, block + at, len - at, 1);

        if (step < 0)
            return;
        at += (size_t)step;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && used < sizeof(server.request))
            used += (size_t)snprintf(server.request + used, sizeof(server.request) - used,
                                     "%s: %s\n", field.name, field.value);
    }
    nghttp2_hd_inflate_end_headers(inflater);
}

static inline bool h2_answer_frame(BIO *bio, nghttp2_hd_inflater *inflater,
                                   const unsigned char head[H2_FRAME_HEAD],
                                   const unsigned char *payload, size_t len)
{
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    bool ends = false;

    if (head[3] == NGHTTP2_SETTINGS && (head[4] & NGHTTP2_FLAG_ACK) == 0 && told.raw.len == 0)
        h2_frame(&out, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
    if (head[3] == NGHTTP2_HEADERS) {
        h2_note_request(inflater, payload, len, (head[4] & NGHTTP2_FLAG_PRIORITY) != 0);
        atomic_store(&h2_message_len, 0);
    }
    if (head[3] == NGHTTP2_DATA)
        atomic_fetch_add(&h2_message_len, (int)len);
    if (head[3] == NGHTTP2_HEADERS || head[3] == NGHTTP2_DATA)
        ends = (head[4] & NGHTTP2_FLAG_END_STREAM) != 0;
    if (ends) {
        atomic_fetch_add(&server.requests, 1);
        h2_make_answer(&out, (unsigned)head[7] << 8 | head[8]);
    }
    return h2_send(bio, &out) && !(ends && told.close_after);
}

/* Windows that no test fills. */
static inline bool h2_greet(BIO *bio)
{
    static const unsigned char window[6] = { 0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0x40 };
    static const unsigned char more[4] = { 0x40 };
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };

    h2_frame(&out, NGHTTP2_SETTINGS, 0, 0, window, sizeof(window));
    h2_frame(&out, NGHTTP2_WINDOW_UPDATE, 0, 0, more, sizeof(more));
    return h2_send(bio, &out);
}

static inline void h2_talk(BIO *bio)
{
    static unsigned char payload[1 << 15];
    unsigned char head[H2_FRAME_HEAD];
    nghttp2_hd_inflater *inflater = NULL;

    nghttp2_hd_inflate_new(&inflater);
    while (h2_read(bio, head, sizeof(head))) {
        size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];

        if (len > sizeof(payload) || !h2_read(bio, payload, len) ||
            !h2_answer_frame(bio, inflater, head, payload, len))
            break;
    }
    nghttp2_hd_inflate_del(inflater);
}

static inline void h2_serve(int fd)
{
    BIO *bio = BIO_new_socket(fd, BIO_NOCLOSE);
    unsigned char preface[H2_PREFACE_LEN];
    sigset_t pipe_only;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE); /* of this thread alone: the client may raise none */
    pthread_sigmask(SIG_BLOCK, &pipe_only, NULL);
    if (h2_tls != NULL)
        bio = BIO_push(BIO_new_ssl(h2_tls, 0), bio);
    if (told.http1 != NULL) {
        if (h2_read(bio, preface, sizeof(preface))) /* the beginning of a request of HTTP/1.1 */
            BIO_puts(bio, told.http1);
    } else if (h2_read(bio, preface, sizeof(preface)) && (told.raw.len > 0 || h2_greet(bio)))
        h2_talk(bio);
    shutdown(fd, SHUT_WR); /* a close with bytes unread would take the answer away again */
    while (poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 50) > 0 &&
           read(fd, preface, sizeof(preface)) > 0)
        ;
    BIO_free_all(bio);
}

#endif
