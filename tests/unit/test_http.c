/* SPDX-License-Identifier: Apache-2.0 */
/* The transport over HTTP, against a small server on loopback that answers as it is told. */
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
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "libctx.h"
#include "slot_private.h"

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* ---- the server: one connection at a time, each request gets the answer that is set ---- */

static struct server {
    pthread_t thread;
    int listener, stop[2];
    unsigned port;
    const char *answer; /* NULL: none, ever */
    bool close_after;
    atomic_int connections, requests;
    char request[4096]; /* the last */
} server;

static bool readable(int fd)
{
    struct pollfd polled[] = { { .fd = fd, .events = POLLIN },
                               { .fd = server.stop[0], .events = POLLIN } };

    return poll(polled, 2, -1) > 0 && polled[1].revents == 0;
}

static bool read_request(int fd)
{
    size_t len = 0;
    const char *end, *length;

    for (;;) {
        ssize_t got;

        if (!readable(fd) ||
            (got = read(fd, server.request + len, sizeof(server.request) - 1 - len)) <= 0)
            return false;
        len += (size_t)got;
        server.request[len] = '\0';
        end = strstr(server.request, "\r\n\r\n");
        length = strstr(server.request, "Content-Length: ");
        if (end != NULL && len >= (size_t)(end + 4 - server.request) +
                                      (length != NULL ? strtoul(length + 16, NULL, 10) : 0))
            return true;
    }
}

static void serve(int fd)
{
    while (read_request(fd)) {
        atomic_fetch_add(&server.requests, 1);
        if (server.answer == NULL)
            continue;
        if (send(fd, server.answer, strlen(server.answer), MSG_NOSIGNAL) < 0 || server.close_after)
            return;
    }
}

static void *run_server(void *arg)
{
    (void)arg;
    while (readable(server.listener)) {
        int fd = accept(server.listener, NULL, NULL);

        atomic_fetch_add(&server.connections, 1);
        serve(fd);
        close(fd);
    }
    return NULL;
}

static struct remote_guard guard;
static struct remote_config config;
static struct remote_slot *slot;

static int setup(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    static char text[256];

    (void)state;
    memset(&server, 0, sizeof(server));
    server.answer = GOOD;
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server.listener, (struct sockaddr *)&address, len) != 0 ||
        listen(server.listener, 16) != 0 || pipe(server.stop) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&address, &len) != 0)
        return -1;
    server.port = ntohs(address.sin_port);
    if (pthread_create(&server.thread, NULL, run_server, NULL) != 0 ||
        remote_guard_enter(&guard, NULL) != REMOTE_OK)
        return -1;
    snprintf(text, sizeof(text),
             "[slot web]\nbackend = vault\nurl = http://127.0.0.1:%u\ninsecure_transport = yes\n"
             "pin = token\ntimeout = 3s\n",
             server.port);
    if (remote_config_parse("t.conf", remote_slice_str(text), &config, NULL) != REMOTE_OK)
        return -1;
    slot = remote_slot_open(NULL, config.slots[0]);
    return slot != NULL && remote_slot_status(slot, NULL) == REMOTE_OK ? 0 : -1;
}

static void stop_server(void)
{
    if (server.listener < 0)
        return;
    close(server.stop[1]); /* the other end becomes readable */
    pthread_join(server.thread, NULL);
    close(server.stop[0]);
    close(server.listener);
    server.listener = -1;
}

static int teardown(void **state)
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

static void clear(struct try *try)
{
    remote_request_clear(&try->request);
    remote_buf_clear(&try->transfer.body);
    memset(try, 0, sizeof(*try));
}

static enum remote_rc exchange(struct try *try, int64_t ms)
{
    const struct remote_transport *transport = slot->transport;
    struct remote_unit *unit = NULL;
    struct remote_error err = { 0 };

    if (try->request.method == NULL)
        try->request.method = "GET";
    if (try->request.path.len == 0)
        remote_buf_append_str(&try->request.path, "/v1/x");
    remote_buf_clear(&try->transfer.body);
    memset(&try->transfer, 0, sizeof(try->transfer));
    try->transfer.slot = slot;
    try->transfer.request = &try->request;
    try->transfer.deadline_ms = remote_now_ms() + ms;
    assert_int_equal(transport->acquire(slot, &unit, &err), REMOTE_OK);
    assert_int_equal(transport->start(unit, &try->transfer, &err), REMOTE_OK);
    assert_ptr_equal(transport->wait(unit, INT64_MAX), &try->transfer);
    transport->release(unit);
    return try->transfer.rc;
}

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not say '%s'", text, part);
}

#define TRY CLEANUP(clear) struct try try = { 0 }

/* ---- tests ---- */

static void test_request_arrives_whole_and_the_answer_comes_back(void **state)
{
    TRY;

    (void)state;
    try.request.method = "POST";
    remote_buf_append_str(&try.request.path, "/v1/transit/sign/k");
    remote_buf_append_str(&try.request.body, "{\"input\":\"AQID\"}");
    remote_buf_append_str(&try.request.headers, "X-Vault-Token: hvs.x\nContent-Type: a/b\n");
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(try.transfer.status, 200);
    assert_string_equal((char *)try.transfer.body.data, "ok");
    assert_true(try.transfer.sent);
    assert_true(try.transfer.latency_us > 0);
    assert_says(server.request, "POST /v1/transit/sign/k HTTP/1.1\r\n");
    assert_says(server.request, "\r\nX-Vault-Token: hvs.x\r\n");
    assert_says(server.request, "\r\nContent-Type: a/b\r\n");
    assert_says(server.request, "\r\n\r\n{\"input\":\"AQID\"}");
    assert_null(strstr(server.request, "Expect:"));
}

static void test_method_that_is_not_of_http_is_sent_as_it_is(void **state)
{
    TRY;

    (void)state;
    try.request.method = "LIST";
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_says(server.request, "LIST /v1/x HTTP/1.1\r\n");
}

static void test_connection_is_kept_for_the_next_request(void **state)
{
    TRY;
    struct remote_stats stats;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(server.requests, 10);
    assert_int_equal(server.connections, 1);
    remote_slot_stats(slot, &stats);
    assert_int_equal(stats.connections, 1);
}

static void test_headers_of_one_request_are_not_those_of_the_next(void **state)
{
    TRY;

    (void)state;
    remote_buf_append_str(&try.request.headers, "X-Vault-Token: hvs.x\n");
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    clear(&try);
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_null(strstr(server.request, "X-Vault-Token"));
}

static void test_statuses_are_handed_on_and_redirects_not_followed(void **state)
{
    TRY;

    (void)state;
    server.answer = "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\n"
                    "Content-Length: 0\r\n\r\n";
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(try.transfer.status, 307);
    assert_int_equal(server.requests, 1);
}

static void test_retry_after_is_read_in_seconds_and_as_a_date(void **state)
{
    TRY;
    char answer[256], date[64];
    time_t later = time(NULL) + 100;

    (void)state;
    server.answer = "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(try.transfer.retry_after_s, 7);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&later));
    snprintf(answer, sizeof(answer),
             "HTTP/1.1 503 Gone\r\nretry-after: %s\r\nContent-Length: 0\r\n\r\n", date);
    server.answer = answer;
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_true(try.transfer.retry_after_s >= 98 && try.transfer.retry_after_s <= 100);
    server.answer = "HTTP/1.1 429 Slow\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(try.transfer.retry_after_s, 0);
    server.answer = "HTTP/1.1 429 Slow\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(try.transfer.retry_after_s, 86400);
}

static void test_date_is_read_where_it_is_asked_for(void **state)
{
    TRY;

    (void)state;
    server.answer = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 07:16:35 GMT\r\n"
                    "Content-Length: 0\r\n\r\n";
    try.request.want_date = true;
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(try.transfer.date, 1795418195);
}

static void test_answer_that_is_too_large_is_a_protocol_error(void **state)
{
    TRY;

    (void)state;
    server.answer = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n12345678901";
    try.request.reply_max = 10;
    assert_int_equal(exchange(&try, 2000), REMOTE_E_PROTOCOL);
    assert_says(try.transfer.err.text, "the answer is larger than 10 bytes");
    try.request.reply_max = 11;
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
}

static void test_answer_that_is_cut_short_is_unavailable_and_was_sent(void **state)
{
    TRY;

    (void)state;
    server.answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc";
    server.close_after = true;
    assert_int_equal(exchange(&try, 2000), REMOTE_E_UNAVAILABLE);
    assert_true(try.transfer.sent);
    assert_says(try.transfer.err.text, "the connection was closed in mid-answer");
}

static void test_what_is_not_http_is_a_protocol_error(void **state)
{
    TRY;

    (void)state;
    server.answer = "SSH-2.0-OpenSSH_9.2\r\n";
    server.close_after = true;
    assert_int_equal(exchange(&try, 2000), REMOTE_E_PROTOCOL);
}

static void test_server_that_never_answers_ends_with_the_deadline(void **state)
{
    TRY;
    int64_t start = remote_now_ms();

    (void)state;
    server.answer = NULL;
    assert_int_equal(exchange(&try, 300), REMOTE_E_TIMEOUT);
    assert_true(remote_now_ms() - start >= 290 && remote_now_ms() - start < 1000);
    assert_true(try.transfer.sent);
    assert_says(try.transfer.err.text, "timed out waiting for the answer");
}

static void test_dead_server_is_unavailable_and_nothing_was_sent(void **state)
{
    TRY;

    (void)state;
    stop_server();
    assert_int_equal(exchange(&try, 2000), REMOTE_E_UNAVAILABLE);
    assert_false(try.transfer.sent);
    assert_false(try.transfer.lasting);
    assert_says(try.transfer.err.text, "cannot connect");
}

static void test_connection_that_died_while_idle_is_replaced(void **state)
{
    TRY;

    (void)state;
    server.close_after = true;
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(server.connections, 2);
}

static void test_cancelled_transfer_leaves_the_unit_usable(void **state)
{
    TRY;
    struct remote_unit *unit = NULL;
    struct remote_error err = { 0 };

    (void)state;
    server.answer = NULL;
    assert_int_equal(exchange(&try, 50), REMOTE_E_TIMEOUT);
    assert_int_equal(slot->transport->acquire(slot, &unit, &err), REMOTE_OK);
    try.transfer.deadline_ms = remote_now_ms() + 2000;
    assert_int_equal(slot->transport->start(unit, &try.transfer, &err), REMOTE_OK);
    assert_null(slot->transport->wait(unit, remote_now_ms() + 50));
    slot->transport->cancel(unit, &try.transfer);
    slot->transport->release(unit);
    server.answer = GOOD;
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
}

static void test_signals_and_mask_are_as_before(void **state)
{
    TRY;
    struct sigaction action;
    sigset_t before, after;

    (void)state;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&after, SIGPIPE), sigismember(&before, SIGPIPE));
    assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
    assert_true(action.sa_handler == SIG_DFL);
}

/* The parent's connection lives on, and the child makes its own. */
static void test_child_uses_no_connection_of_its_parent(void **state)
{
    TRY;
    int status = -1;
    pid_t pid;

    (void)state;
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    pid = fork();
    if (pid == 0) {
        alarm(10);
        /* the server serves one connection at a time: the parent's, so this one waits */
        _exit(exchange(&try, 200) == REMOTE_E_TIMEOUT ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(server.requests, 2); /* none came in through the parent's connection */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_request_arrives_whole_and_the_answer_comes_back),
        TEST(test_method_that_is_not_of_http_is_sent_as_it_is),
        TEST(test_connection_is_kept_for_the_next_request),
        TEST(test_headers_of_one_request_are_not_those_of_the_next),
        TEST(test_statuses_are_handed_on_and_redirects_not_followed),
        TEST(test_retry_after_is_read_in_seconds_and_as_a_date),
        TEST(test_date_is_read_where_it_is_asked_for),
        TEST(test_answer_that_is_too_large_is_a_protocol_error),
        TEST(test_answer_that_is_cut_short_is_unavailable_and_was_sent),
        TEST(test_what_is_not_http_is_a_protocol_error),
        TEST(test_server_that_never_answers_ends_with_the_deadline),
        TEST(test_dead_server_is_unavailable_and_nothing_was_sent),
        TEST(test_connection_that_died_while_idle_is_replaced),
        TEST(test_cancelled_transfer_leaves_the_unit_usable),
        TEST(test_signals_and_mask_are_as_before),
        TEST(test_child_uses_no_connection_of_its_parent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
