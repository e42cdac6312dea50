/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the transport over HTTP share: a server on loopback whose connections the test
 * serves, a slot for it, and one request at a time. */
#ifndef TESTS_HTTP_CASE_H
#define TESTS_HTTP_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "libctx.h"
#include "slot_private.h"

/* ---- the server: one connection after the other ---- */

static struct http_server {
    pthread_t thread;
    int listener, stop[2];
    unsigned port;
    void (*serve)(int fd); /* until the connection ends, or readable() says that it is over */
    atomic_int connections, requests;
    char request[4096]; /* the last */
} server;

static inline bool readable(int fd)
{
    struct pollfd polled[] = { { .fd = fd, .events = POLLIN },
                               { .fd = server.stop[0], .events = POLLIN } };

    return poll(polled, 2, -1) > 0 && polled[1].revents == 0;
}

static inline void *run_server(void *arg)
{
    (void)arg;
    while (readable(server.listener)) {
        int fd = accept(server.listener, NULL, NULL);

        atomic_fetch_add(&server.connections, 1);
        server.serve(fd);
        close(fd);
    }
    return NULL;
}

static inline int start_server(void (*serve)(int fd))
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);

    memset(&server, 0, sizeof(server));
    server.serve = serve;
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server.listener, (struct sockaddr *)&address, len) != 0 ||
        listen(server.listener, 16) != 0 || pipe(server.stop) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&address, &len) != 0)
        return -1;
    server.port = ntohs(address.sin_port);
    return pthread_create(&server.thread, NULL, run_server, NULL);
}

static inline void stop_server(void)
{
    if (server.listener < 0)
        return;
    close(server.stop[1]); /* the other end becomes readable */
    pthread_join(server.thread, NULL);
    close(server.stop[0]);
    close(server.listener);
    server.listener = -1;
}

/* ---- its slot ---- */

static struct remote_guard guard;
static struct remote_config config;
static struct remote_slot *slot;

/* Of the server that was started. scheme: "http"; more: further lines of the configuration. */
static inline int open_slot(const char *scheme, const char *more)
{
    static char text[512];

    snprintf(text, sizeof(text),
             "[slot web]\nbackend = vault\nurl = %s://127.0.0.1:%u\npin = token\n"
             "timeout = 3s\n%s",
             scheme, server.port, more);
    if (remote_guard_enter(&guard, NULL) != REMOTE_OK ||
        remote_config_parse("t.conf", remote_slice_str(text), &config, NULL) != REMOTE_OK)
        return -1;
    slot = remote_slot_open(NULL, config.slots[0]);
    return slot != NULL && remote_slot_status(slot, NULL) == REMOTE_OK ? 0 : -1;
}

static inline int close_slot(void **state)
{
    (void)state;
    remote_slot_close(slot);
    remote_config_clear(&config);
    remote_guard_leave(&guard);
    stop_server();
    return 0;
}

/* ---- one request ---- */

struct
try {
    struct remote_request request;
    struct remote_transfer transfer;
};

static inline void clear(struct try *try)
{
    remote_request_clear(&try->request);
    remote_buf_clear(&try->transfer.body);
    memset(try, 0, sizeof(*try));
}

/* The request's transfer, ready to be started. */
static inline struct remote_transfer *prepare(struct try *try, int64_t ms)
{
    remote_buf_clear(&try->transfer.body);
    memset(&try->transfer, 0, sizeof(try->transfer));
    try->transfer.slot = slot;
    try->transfer.request = &try->request;
    try->transfer.deadline_ms = remote_now_ms() + ms;
    return &try->transfer;
}

static inline enum remote_rc exchange(struct try *try, int64_t ms)
{
    const struct remote_transport *transport = slot->transport;
    struct remote_unit *unit = NULL;
    struct remote_error err = { 0 };

    if (try->request.method == NULL)
        try->request.method = "GET";
    if (try->request.path.len == 0)
        remote_buf_append_str(&try->request.path, "/v1/x");
    prepare(try, ms);
    assert_int_equal(transport->acquire(slot, &unit, &err), REMOTE_OK);
    assert_int_equal(transport->start(unit, &try->transfer, &err), REMOTE_OK);
    assert_ptr_equal(transport->wait(unit, INT64_MAX), &try->transfer);
    transport->release(unit);
    return try->transfer.rc;
}

static inline void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not say '%s'", text, part);
}

#define TRY CLEANUP(clear) struct try try = { 0 }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, close_slot)

#endif
