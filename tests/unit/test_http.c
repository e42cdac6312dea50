/* SPDX-License-Identifier: Apache-2.0 */
/* The transport over HTTP, against a small server on loopback that answers as it is told. */
#include "http_case.h"

#include <signal.h>
#include <sys/wait.h>

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static struct {
    const char *answer; /* to each request; NULL: none, ever */
    bool close_after;
    atomic_int delay_ms; /* before each answer */
} told;

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
        if (told.answer == NULL)
            continue;
        usleep(1000 * (useconds_t)atomic_load(&told.delay_ms));
        if (send(fd, told.answer, strlen(told.answer), MSG_NOSIGNAL) < 0 || told.close_after)
            return;
    }
}

static int setup(void **state)
{
    (void)state;
    told.answer = GOOD;
    told.close_after = false;
    told.delay_ms = 0;
    return start_server(serve) == 0 ? open_slot("http", "insecure_transport = yes\n") : -1;
}

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
    told.answer = "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\n"
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
    told.answer = "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(try.transfer.retry_after_s, 7);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&later));
    snprintf(answer, sizeof(answer),
             "HTTP/1.1 503 Gone\r\nretry-after: %s\r\nContent-Length: 0\r\n\r\n", date);
    told.answer = answer;
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_true(try.transfer.retry_after_s >= 98 && try.transfer.retry_after_s <= 100);
    told.answer = "HTTP/1.1 429 Slow\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(try.transfer.retry_after_s, 0);
    told.answer = "HTTP/1.1 429 Slow\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(try.transfer.retry_after_s, 86400);
}

static void test_date_is_read_where_it_is_asked_for(void **state)
{
    TRY;

    (void)state;
    told.answer = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 07:16:35 GMT\r\n"
                  "Content-Length: 0\r\n\r\n";
    try.request.want_date = true;
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(try.transfer.date, 1795418195);
}

static void test_answer_that_is_too_large_is_a_protocol_error(void **state)
{
    TRY;

    (void)state;
    told.answer = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n12345678901";
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
    told.answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc";
    told.close_after = true;
    assert_int_equal(exchange(&try, 2000), REMOTE_E_UNAVAILABLE);
    assert_true(try.transfer.sent);
    assert_says(try.transfer.err.text, "the connection was closed in mid-answer");
}

static void test_answer_whose_header_is_cut_short_is_unavailable(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nX-One: 1\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-One: 1\r\n",
    };
    TRY;

    (void)state;
    told.close_after = true;
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        told.answer = answers[i];
        assert_int_equal(exchange(&try, 2000), REMOTE_E_UNAVAILABLE);
        assert_says(try.transfer.err.text, "the connection was closed in mid-answer");
    }
}

static void test_trailers_end_an_answer_as_a_header_does(void **state)
{
    TRY;

    (void)state;
    told.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n";
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_string_equal((char *)try.transfer.body.data, "ok");
}

static void test_what_is_not_http_is_a_protocol_error(void **state)
{
    TRY;

    (void)state;
    told.answer = "SSH-2.0-OpenSSH_9.2\r\n";
    told.close_after = true;
    assert_int_equal(exchange(&try, 2000), REMOTE_E_PROTOCOL);
}

static void test_server_that_never_answers_ends_with_the_deadline(void **state)
{
    TRY;
    int64_t start = remote_now_ms();

    (void)state;
    told.answer = NULL;
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
    told.close_after = true;
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
    told.answer = NULL;
    assert_int_equal(exchange(&try, 50), REMOTE_E_TIMEOUT);
    assert_int_equal(slot->transport->acquire(slot, &unit, &err), REMOTE_OK);
    try.transfer.deadline_ms = remote_now_ms() + 2000;
    assert_int_equal(slot->transport->start(unit, &try.transfer, &err), REMOTE_OK);
    assert_null(slot->transport->wait(unit, remote_now_ms() + 50));
    slot->transport->cancel(unit, &try.transfer);
    slot->transport->release(unit);
    told.answer = GOOD;
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
}

/* Asks, and gives the request up before there is an answer. */
static void give_up(struct try *try)
{
    struct remote_unit *unit = NULL;
    struct remote_error err = { 0 };
    int before = server.requests;

    assert_int_equal(slot->transport->acquire(slot, &unit, &err), REMOTE_OK);
    assert_int_equal(slot->transport->start(unit, prepare(try, 2000), &err), REMOTE_OK);
    while (server.requests == before)
        assert_null(slot->transport->wait(unit, remote_now_ms() + 5));
    slot->transport->cancel(unit, &try->transfer);
    slot->transport->release(unit);
}

static void test_answer_that_nobody_waited_for_leaves_its_connection(void **state)
{
    TRY;

    (void)state;
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    for (int i = 0; i < 3; i++) {
        told.delay_ms = 30;
        give_up(&try);
        usleep(150000); /* the answer has come when the unit is used next */
        told.delay_ms = 0;
        assert_int_equal(exchange(&try, 2000), REMOTE_OK);
        assert_string_equal((char *)try.transfer.body.data, "ok");
    }
    assert_int_equal(server.connections, 1);
}

static void test_answer_that_nobody_waited_for_and_is_late_gets_no_second_connection(void **state)
{
    TRY;

    (void)state;
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    told.delay_ms = 300;
    give_up(&try);
    told.delay_ms = 0;
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(server.connections, 2); /* the first was closed for it */
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_int_equal(server.connections, 2);
}

static void test_answer_that_nobody_waited_for_may_be_of_any_size(void **state)
{
    static char huge[(3 << 20) + 100];
    TRY;

    (void)state;
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    snprintf(huge, 64, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", 3u << 20);
    memset(huge + strlen(huge), 'x', 3 << 20);
    told.answer = huge;
    told.delay_ms = 30;
    give_up(&try);
    usleep(100000);
    told.answer = GOOD;
    told.delay_ms = 0;
    assert_int_equal(exchange(&try, 2000), REMOTE_OK);
    assert_string_equal((char *)try.transfer.body.data, "ok");
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
        TEST(test_answer_whose_header_is_cut_short_is_unavailable),
        TEST(test_trailers_end_an_answer_as_a_header_does),
        TEST(test_what_is_not_http_is_a_protocol_error),
        TEST(test_server_that_never_answers_ends_with_the_deadline),
        TEST(test_dead_server_is_unavailable_and_nothing_was_sent),
        TEST(test_connection_that_died_while_idle_is_replaced),
        TEST(test_cancelled_transfer_leaves_the_unit_usable),
        TEST(test_answer_that_nobody_waited_for_leaves_its_connection),
        TEST(test_answer_that_nobody_waited_for_and_is_late_gets_no_second_connection),
        TEST(test_answer_that_nobody_waited_for_may_be_of_any_size),
        TEST(test_signals_and_mask_are_as_before),
        TEST(test_child_uses_no_connection_of_its_parent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
