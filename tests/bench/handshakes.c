/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full TLS 1.3 handshakes a second with a server on this machine: PORT THREADS MILLISECONDS.
 * The certificate's chain is not judged; the signature of the handshake is, by libssl.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define THREADS_MAX 256

static SSL_CTX *tls;
static struct sockaddr_in server;
static int64_t end_ns;
static atomic_ulong handshakes;

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static __attribute__((noreturn)) void fail(const char *what)
{
    fprintf(stderr, "handshakes: %s\n", what);
    exit(1);
}

/* Ends with a reset, so that no port stays taken for a minute. */
static int open_socket(void)
{
    struct linger linger = { 1, 0 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) != 0 ||
        connect(fd, (struct sockaddr *)&server, sizeof(server)) != 0)
        fail("cannot connect");
    return fd;
}

static void shake_hands(void)
{
    int fd = open_socket();
    SSL *ssl = SSL_new(tls);

    if (!ssl || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
        fail("a handshake failed");
    SSL_free(ssl);
    close(fd);
}

static void *work(void *arg)
{
    (void)arg;
    while (now_ns() < end_ns) {
        shake_hands();
        atomic_fetch_add(&handshakes, 1);
    }
    return NULL;
}

static void set_up(const char *port)
{
    tls = SSL_CTX_new(TLS_client_method());
    if (!tls || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set1_groups_list(tls, "X25519") != 1)
        fail("no TLS 1.3");
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(port));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS_MAX];
    int64_t begin;
    int count;

    if (argc != 4 || (count = atoi(argv[2])) < 1 || count > THREADS_MAX)
        fail("usage: handshakes PORT THREADS MILLISECONDS");
    set_up(argv[1]);
    begin = now_ns();
    end_ns = begin + (int64_t)atoi(argv[3]) * 1000000;
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, work, NULL) != 0)
            fail("no thread");
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("%.1f\n", (double)atomic_load(&handshakes) * 1e9 / (double)(now_ns() - begin));
    return 0;
}
