/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a KES over mutual TLS without a pause, one in flight on each of so many keep-alive
 * connections, each with a thread of its own:
 *
 *   kes_load PORT CERT KEY CONNECTIONS MILLISECONDS METHOD PATH [BODY]
 *
 * Prints {"calls", "errors", "seconds", "p50_us", "p99_us", "worst_us"}.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define CONNECTIONS_MAX 256
#define TIMES_MAX 2000000 /* of one connection */

struct client {
    pthread_t thread;
    SSL *ssl;
    size_t calls, errors;
    uint32_t *times;
};

static struct {
    SSL_CTX *ctx;
    uint16_t port;
    char request[65536];
    int request_len;
    int64_t until_us;
    struct client clients[CONNECTIONS_MAX];
} load;

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void die(const char *text)
{
    fprintf(stderr, "kes_load: %s\n", text);
    exit(1);
}

static SSL *connect_tls(void)
{
    static const int on = 1;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(load.port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SSL *ssl = SSL_new(load.ctx);

    if (fd < 0 || ssl == NULL || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        die("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
        die("no handshake");
    return ssl;
}

/* The length of the answer, once its headers are there; 0: more is to come. */
static size_t length_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n"),
               *field = strcasestr(answer, "\r\nContent-Length:");

    if (end == NULL)
        return 0;
    if (field == NULL || field > end)
        die("an answer without a length");
    return (size_t)(end + 4 - answer) + strtoul(field + 17, NULL, 10);
}

/* True when it was a good one. */
static bool call(SSL *ssl)
{
    char answer[16384];
    size_t len = 0, whole = 0;

    if (SSL_write(ssl, load.request, load.request_len) != load.request_len)
        die("the connection broke");
    do {
        int n = SSL_read(ssl, answer + len, (int)(sizeof(answer) - 1 - len));

        if (n <= 0)
            die("the connection ended");
        len += (size_t)n;
        answer[len] = '\0';
        whole = length_of(answer);
    } while (whole == 0 || len < whole);
    return strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

static void *run(void *arg)
{
    struct client *client = arg;
    int64_t began = now_us(), ended;

    do {
        client->errors += !call(client->ssl);
        ended = now_us();
        client->times[client->calls++] = (uint32_t)(ended - began);
        began = ended;
    } while (ended < load.until_us && client->calls < TIMES_MAX);
    return NULL;
}

static void open_context(const char *cert, const char *key)
{
    load.ctx = SSL_CTX_new(TLS_client_method());
    if (load.ctx == NULL || SSL_CTX_use_certificate_chain_file(load.ctx, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(load.ctx, key, SSL_FILETYPE_PEM) != 1)
        die("no certificate and key");
    SSL_CTX_set_read_ahead(load.ctx, 1);
}

static int by_size(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}

static void print_result(size_t count, double seconds)
{
    uint32_t *times = malloc(count * (size_t)TIMES_MAX * sizeof(*times));
    size_t calls = 0, errors = 0;

    if (times == NULL)
        die("out of memory");
    for (size_t i = 0; i < count; i++) {
        memcpy(times + calls, load.clients[i].times, load.clients[i].calls * sizeof(*times));
        calls += load.clients[i].calls;
        errors += load.clients[i].errors;
    }
    qsort(times, calls, sizeof(*times), by_size);
    printf("{\"calls\": %zu, \"errors\": %zu, \"seconds\": %.3f, \"p50_us\": %u, \"p99_us\": %u, "
           "\"worst_us\": %u}\n",
           calls, errors, seconds, times[calls / 2], times[calls - 1 - calls / 100],
           times[calls - 1]);
    free(times);
}

int main(int argc, char **argv)
{
    size_t count = argc >= 8 ? strtoul(argv[4], NULL, 10) : 0;
    const char *body = argc > 8 ? argv[8] : "";
    int64_t began;

    if (count < 1 || count > CONNECTIONS_MAX)
        die("usage: kes_load PORT CERT KEY CONNECTIONS MILLISECONDS METHOD PATH [BODY]");
    (void)signal(SIGPIPE, SIG_IGN);
    load.port = (uint16_t)strtoul(argv[1], NULL, 10);
    open_context(argv[2], argv[3]);
    load.request_len = snprintf(load.request, sizeof(load.request),
                                "%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kes_load\r\n"
                                "Content-Length: %zu\r\n\r\n%s",
                                argv[6], argv[7], strlen(body), body);
    if (load.request_len >= (int)sizeof(load.request))
        die("the body is too long");
    for (size_t i = 0; i < count; i++) {
        load.clients[i].ssl = connect_tls();
        load.clients[i].times = malloc(TIMES_MAX * sizeof(uint32_t));
        if (load.clients[i].times == NULL || !call(load.clients[i].ssl))
            die("the first call failed");
    }
    began = now_us();
    load.until_us = began + 1000 * strtol(argv[5], NULL, 10);
    for (size_t i = 0; i < count; i++)
        if (pthread_create(&load.clients[i].thread, NULL, run, &load.clients[i]) != 0)
            die("no threads");
    for (size_t i = 0; i < count; i++)
        pthread_join(load.clients[i].thread, NULL);
    print_result(count, (double)(now_us() - began) / 1e6);
    return 0;
}
