/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TLS server that answers every request with the same bytes, whatever it says: what a server's
 * figures are put beside, since machines differ and so do clients.
 *
 *   tls_fixed CERT KEY
 *
 * Prints its port, and serves until it is ended. One thread, OpenSSL and epoll, nothing else. It
 * asks for a client's certificate and looks at none.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

/* As long as a KES's answer to generate. */
#define ANSWER                                                                                     \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"                                        \
    "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 181\r\n\r\n"                           \
    "{\"plaintext\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"ciphertext\":\""            \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"   \
    "AAAAAAAAAAAA==\"}\n"

static void die(const char *text)
{
    fprintf(stderr, "tls_fixed: %s\n", text);
    exit(1);
}

static int accept_any(X509_STORE_CTX *store, void *arg)
{
    (void)arg;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static SSL_CTX *open_context(const char *cert, const char *key)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        die("no certificate and key");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, accept_any, NULL);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_num_tickets(ctx, 0);
    return ctx;
}

static int listen_anywhere(void)
{
    static const int on = 1;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        die("cannot listen");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    printf("%u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void accept_one(SSL_CTX *ctx, int epoll, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN };
    SSL *ssl = fd >= 0 ? SSL_new(ctx) : NULL;

    if (ssl == NULL)
        return;
    SSL_set_fd(ssl, fd);
    SSL_set_accept_state(ssl);
    event.data.ptr = ssl;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void serve(SSL *ssl)
{
    char request[16384];
    int n = SSL_read(ssl, request, sizeof(request) - 1);

    if (n > 0) {
        request[n] = '\0';
        if (strstr(request, "\r\n\r\n") != NULL)
            (void)SSL_write(ssl, ANSWER, sizeof(ANSWER) - 1);
        return;
    }
    if (SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ)
        return;
    ERR_clear_error();
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
}

int main(int argc, char **argv)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC), listener;
    struct epoll_event event = { .events = EPOLLIN };
    SSL_CTX *ctx;

    if (argc != 3)
        die("usage: tls_fixed CERT KEY");
    (void)signal(SIGPIPE, SIG_IGN);
    ctx = open_context(argv[1], argv[2]);
    listener = listen_anywhere();
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_one(ctx, epoll, listener);
            else
                serve(events[i].data.ptr);
        }
    }
}
