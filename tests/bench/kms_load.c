/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of a KMS plugin without a pause, so many in flight on one connection, as an API server's
 * are.
 *
 *   kms_load SOCKET METHOD HEX_OF_MESSAGE IN_FLIGHT MILLISECONDS
 *
 * Prints {"calls", "errors", "seconds", "p50_us", "p99_us", "worst_us"}.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>

#define TIMES_MAX 4000000
#define STREAM_MAX 16384 /* calls in flight are told apart by their stream, modulo this */

static struct {
    int fd;
    nghttp2_session *session;
    const char *path;
    unsigned char message[4096];
    size_t message_len;
    int64_t until_us;
    unsigned in_flight;
    size_t calls, errors;
    int64_t started_us[STREAM_MAX];
    bool failed[STREAM_MAX];
    uint32_t times[TIMES_MAX];
} load;

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void die(const char *text)
{
    fprintf(stderr, "kms_load: %s\n", text);
    exit(1);
}

static size_t index_of(int32_t stream)
{
    return (size_t)stream / 2 % STREAM_MAX;
}

static ssize_t give(nghttp2_session *session, int32_t stream, uint8_t *data, size_t size,
                    uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)session, (void)stream, (void)source, (void)arg;
    if (size < load.message_len)
        die("the message does not fit a frame");
    memcpy(data, load.message, load.message_len);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)load.message_len;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                         strlen(value), NGHTTP2_NV_FLAG_NONE };
}

static void start_call(void)
{
    const nghttp2_nv fields[] = { field(":method", "POST"),
                                  field(":scheme", "http"),
                                  field(":path", load.path),
                                  field(":authority", "localhost"),
                                  field("content-type", "application/grpc"),
                                  field("te", "trailers"),
                                  field("grpc-timeout", "2999659u") };
    const nghttp2_data_provider body = { .read_callback = give };
    int32_t stream = nghttp2_submit_request(load.session, NULL, fields,
                                            sizeof(fields) / sizeof(fields[0]), &body, NULL);

    if (stream < 0)
        die(nghttp2_strerror(stream));
    load.started_us[index_of(stream)] = now_us();
    load.failed[index_of(stream)] = true; /* until the status says otherwise */
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    (void)session, (void)flags, (void)arg;
    if (name_len == 11 && memcmp(name, "grpc-status", 11) == 0)
        load.failed[index_of(frame->hd.stream_id)] = value_len != 1 || value[0] != '0';
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *arg)
{
    int64_t now = now_us(), took = now - load.started_us[index_of(stream)];

    (void)session, (void)error, (void)arg;
    if (load.calls < TIMES_MAX)
        load.times[load.calls] = (uint32_t)took;
    load.calls++;
    load.errors += load.failed[index_of(stream)];
    if (now < load.until_us)
        start_call();
    else
        load.in_flight--;
    return 0;
}

static void send_all(const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(load.fd, data, len, MSG_NOSIGNAL);

        if (n < 0)
            die("the connection broke");
        data += n;
        len -= (size_t)n;
    }
}

/* All frames that are due in one write, as gRPC's own clients do. */
static void flush(void)
{
    static uint8_t out[1 << 20];
    const uint8_t *data;
    size_t used = 0;

    for (;;) {
        ssize_t len = nghttp2_session_mem_send(load.session, &data);

        if (len < 0)
            die(nghttp2_strerror((int)len));
        if (len == 0 || used + (size_t)len > sizeof(out)) {
            send_all(out, used);
            used = 0;
        }
        if (len == 0)
            return;
        memcpy(out + used, data, (size_t)len);
        used += (size_t)len;
    }
}

static void run(void)
{
    static uint8_t room[65536];

    flush();
    while (load.in_flight > 0) {
        ssize_t n = recv(load.fd, room, sizeof(room), 0);

        if (n <= 0)
            die("the connection ended");
        if (nghttp2_session_mem_recv(load.session, room, (size_t)n) < 0)
            die("the answer is not HTTP/2");
        flush();
    }
}

static void connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    load.fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (load.fd < 0 || connect(load.fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        die("cannot connect");
}

static void open_session(void)
{
    nghttp2_session_callbacks *callbacks;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        die("out of memory");
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    if (nghttp2_session_client_new(&load.session, callbacks, NULL) != 0 ||
        nghttp2_submit_settings(load.session, NGHTTP2_FLAG_NONE, NULL, 0) != 0)
        die("no session");
    nghttp2_session_callbacks_del(callbacks);
}

static void read_message(const char *hex)
{
    size_t len = strlen(hex) / 2;

    if (len + 5 > sizeof(load.message))
        die("the message is too long");
    load.message[3] = (unsigned char)(len >> 8);
    load.message[4] = (unsigned char)len;
    for (size_t i = 0; i < len; i++) {
        unsigned byte;

        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            die("the message is not hex");
        load.message[5 + i] = (unsigned char)byte;
    }
    load.message_len = len + 5;
}

static int by_size(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}

int main(int argc, char **argv)
{
    int64_t began;
    size_t count;

    if (argc != 6)
        die("usage: kms_load SOCKET METHOD HEX_OF_MESSAGE IN_FLIGHT MILLISECONDS");
    connect_to(argv[1]);
    load.path = argv[2];
    read_message(argv[3]);
    open_session();
    began = now_us();
    load.until_us = began + 1000 * atoll(argv[5]);
    load.in_flight = (unsigned)atoi(argv[4]);
    for (unsigned i = 0; i < load.in_flight; i++)
        start_call();
    run();
    count = load.calls < TIMES_MAX ? load.calls : TIMES_MAX;
    qsort(load.times, count, sizeof(load.times[0]), by_size);
    printf("{\"calls\": %zu, \"errors\": %zu, \"seconds\": %.3f, \"p50_us\": %u, \"p99_us\": %u, "
           "\"worst_us\": %u}\n",
           load.calls, load.errors, (double)(now_us() - began) / 1e6, load.times[count / 2],
           load.times[count - 1 - count / 100], load.times[count - 1]);
    nghttp2_session_del(load.session);
    return 0;
}
