/* SPDX-License-Identifier: Apache-2.0 */
#include "http1.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "tcp.h"

#define LISTENERS_MAX 2
#define CONNECTIONS_MAX 32
#define SILENCE_MS 10000

struct listener {
    struct daemon_source source; /* first */
    struct daemon_http1 *http1;
    char name[96];
};

struct daemon_http1 {
    struct daemon_loop *loop;
    struct daemon_pool *pool;
    daemon_http1_handler *handler;
    void *arg;
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
    struct connection *connections;
    size_t count;
};

struct connection {
    struct daemon_job job; /* first */
    struct daemon_source source;
    struct daemon_http1 *http1;
    struct remote_buf in, out;
    size_t out_at;
    int64_t opened_ms;
    bool working; /* a worker has it: memory stays */
    bool gone;
    struct daemon_http1_request request;
    struct connection *prev, *next;
};

static void connection_free(void *what)
{
    struct connection *connection = what;

    remote_buf_clear(&connection->in);
    remote_buf_clear(&connection->out);
    free(connection);
}

static void connection_close(struct connection *connection)
{
    struct daemon_http1 *http1 = connection->http1;

    if (!connection->gone) {
        connection->gone = true;
        daemon_loop_remove(http1->loop, &connection->source);
        if (connection->prev != NULL)
            connection->prev->next = connection->next;
        else
            http1->connections = connection->next;
        if (connection->next != NULL)
            connection->next->prev = connection->prev;
        http1->count--;
    }
    if (!connection->working)
        daemon_loop_later(http1->loop, connection_free, connection);
}

/* ---- answers ---- */

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    default:
        return "Service Unavailable";
    }
}

static void put_answer(struct connection *connection, int status, struct remote_slice body)
{
    remote_buf_printf(&connection->out,
                      "HTTP/1.1 %d %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                      "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                      status, reason_of(status), body.len);
    if (!connection->request.head)
        remote_buf_append(&connection->out, body.data, body.len);
}

static void send_out(struct connection *connection)
{
    while (connection->out_at < connection->out.len) {
        ssize_t n = send(connection->source.fd, connection->out.data + connection->out_at,
                         connection->out.len - connection->out_at, MSG_NOSIGNAL);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            daemon_loop_watch(connection->http1->loop, &connection->source, EPOLLOUT);
            return;
        }
        if (n < 0)
            break;
        connection->out_at += (size_t)n;
    }
    connection_close(connection);
}

static void work(struct daemon_job *job)
{
    struct connection *connection = (struct connection *)job;
    struct daemon_http1 *http1 = connection->http1;
    struct daemon_http1_answer answer = { .status = 200 };

    if (!http1->handler(http1->arg, connection->request.path, &answer)) {
        answer.status = 404;
        remote_buf_append_str(&answer.body, "not found\n");
    }
    put_answer(connection, answer.status, remote_buf_slice(&answer.body));
    remote_buf_clear(&answer.body);
}

static void done(struct daemon_job *job)
{
    struct connection *connection = (struct connection *)job;

    connection->working = false;
    if (connection->gone)
        connection_close(connection);
    else
        send_out(connection);
}

static void dispatch(struct connection *connection)
{
    if (connection->request.status != 200) {
        put_answer(connection, connection->request.status, (struct remote_slice){ 0 });
        send_out(connection);
        return;
    }
    daemon_loop_watch(connection->http1->loop, &connection->source, 0);
    connection->job = (struct daemon_job){ work, done, NULL };
    connection->working = true;
    if (daemon_pool_submit(connection->http1->pool, &connection->job))
        return;
    connection->working = false;
    put_answer(connection, 503, remote_slice_str("too many calls wait already\n"));
    send_out(connection);
}

/* ---- requests ---- */

static struct connection *of_source(struct daemon_source *source)
{
    return (struct connection *)(void *)((char *)source - offsetof(struct connection, source));
}

static void on_ready(struct daemon_source *source, uint32_t events)
{
    struct connection *connection = of_source(source);
    unsigned char room[2048];
    ssize_t n;

    if ((events & EPOLLOUT) != 0) {
        send_out(connection);
        return;
    }
    n = recv(source->fd, room, sizeof(room), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || connection->working) {
        connection_close(connection);
        return;
    }
    remote_buf_append(&connection->in, room, (size_t)n);
    daemon_http1_parse(remote_buf_slice(&connection->in), &connection->request);
    if (connection->request.status != 0)
        dispatch(connection);
}

static void on_accept(struct daemon_source *source, uint32_t events)
{
    struct daemon_http1 *http1 = ((struct listener *)source)->http1;
    int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct connection *connection;

    (void)events;
    if (fd < 0)
        return;
    connection = http1->count < CONNECTIONS_MAX ? calloc(1, sizeof(*connection)) : NULL;
    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->http1 = http1;
    connection->source = (struct daemon_source){ fd, 0, on_ready };
    connection->opened_ms = remote_now_ms();
    if (daemon_loop_add(http1->loop, &connection->source, EPOLLIN, NULL) != REMOTE_OK) {
        close(fd);
        free(connection);
        return;
    }
    connection->next = http1->connections;
    if (connection->next != NULL)
        connection->next->prev = connection;
    http1->connections = connection;
    http1->count++;
}

void daemon_http1_tick(struct daemon_http1 *http1)
{
    int64_t now_ms = remote_now_ms();
    struct connection *next;

    for (struct connection *c = http1->connections; c != NULL; c = next) {
        next = c->next;
        if (!c->working && now_ms - c->opened_ms > SILENCE_MS)
            connection_close(c);
    }
}

/* ---- listening ---- */

static enum remote_rc add_listener(struct daemon_http1 *http1, const char *name, int fd,
                                   struct remote_error *err)
{
    struct listener *listener = &http1->listeners[http1->listener_count];

    listener->source = (struct daemon_source){ fd, 0, on_accept };
    listener->http1 = http1;
    snprintf(listener->name, sizeof(listener->name), "%s", name);
    REMOTE_TRY(daemon_loop_add(http1->loop, &listener->source, EPOLLIN, err));
    http1->listener_count++;
    return REMOTE_OK;
}

enum remote_rc daemon_http1_listen(struct daemon_http1 *http1, const char *address, unsigned port,
                                   struct daemon_inherited *inherited, struct remote_error *err)
{
    char name[96], number[8];
    int fd;

    snprintf(name, sizeof(name), "[%s]:%u", address, port);
    for (size_t i = 0; i < http1->listener_count; i++)
        if (strcmp(http1->listeners[i].name, name) == 0)
            return REMOTE_OK;
    snprintf(number, sizeof(number), "%u", port);
    REMOTE_TRY(daemon_tcp_listen(address, number, inherited, &fd, err));
    return add_listener(http1, name, fd, err);
}

void daemon_http1_offer(const struct daemon_http1 *http1, struct daemon_inherited *ret)
{
    for (size_t i = 0; i < http1->listener_count && ret->count < DAEMON_INHERIT_MAX; i++) {
        ret->ours[ret->count] = false;
        ret->fds[ret->count++] = http1->listeners[i].source.fd;
    }
}

struct daemon_http1 *daemon_http1_new(struct daemon_loop *loop, struct daemon_pool *pool,
                                      daemon_http1_handler *handler, void *arg,
                                      struct remote_error *err)
{
    struct daemon_http1 *http1 = calloc(1, sizeof(*http1));

    if (http1 == NULL) {
        REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        return NULL;
    }
    http1->loop = loop;
    http1->pool = pool;
    http1->handler = handler;
    http1->arg = arg;
    return http1;
}

void daemon_http1_free(struct daemon_http1 *http1)
{
    if (http1 == NULL)
        return;
    for (size_t i = 0; i < http1->listener_count; i++)
        daemon_loop_remove(http1->loop, &http1->listeners[i].source);
    while (http1->connections != NULL)
        connection_close(http1->connections);
    free(http1);
}
