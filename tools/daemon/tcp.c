/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 1024

static enum remote_rc resolve(const char *host, const char *port, struct addrinfo **ret,
                              struct remote_error *err)
{
    const struct addrinfo numeric = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                      .ai_socktype = SOCK_STREAM };

    if (getaddrinfo(host, port, &numeric, ret) == 0)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_USAGE,
                       "'%.60s' is not an address to listen at; 127.0.0.1 or :: would be", host);
}

static int open_socket(const struct addrinfo *info)
{
    static const int on = 1, off = 0;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (info->ai_family == AF_INET6) /* "::" is for both */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    close(fd);
    return -1;
}

enum remote_rc daemon_tcp_listen(const char *host, const char *port,
                                 struct daemon_inherited *inherited, int *ret,
                                 struct remote_error *err)
{
    const char *name = host != NULL && host[0] != '\0' ? host : "::";
    struct addrinfo *info = NULL;
    int fd;

    REMOTE_TRY(resolve(name, port, &info, err));
    fd = daemon_inherit_tcp(inherited, info->ai_addr, info->ai_addrlen);
    if (fd < 0)
        fd = open_socket(info);
    freeaddrinfo(info);
    if (fd < 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "cannot listen at [%s]:%s: %s", name, port,
                           strerrordesc_np(errno));
    *ret = fd;
    return REMOTE_OK;
}

static bool is_port(const char *text)
{
    return text[0] != '\0' && strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text);
}

enum remote_rc daemon_tcp_parse(const char *text, struct daemon_tcp_name *ret,
                                struct remote_error *err)
{
    const char *colon = strrchr(text, ':'), *begin = text, *end = colon;

    if (colon != NULL && text[0] == '[' && colon[-1] == ']') {
        begin++;
        end--;
    }
    if (colon == NULL || !is_port(colon + 1) || (size_t)(end - begin) >= sizeof(ret->host) ||
        (begin == text && memchr(begin, ':', (size_t)(end - begin)) != NULL))
        return REMOTE_FAIL(err, REMOTE_E_USAGE,
                           "'%.60s' is not an address and a port; 0.0.0.0:7373 or [::]:7373 would "
                           "be",
                           text);
    memcpy(ret->host, begin, (size_t)(end - begin));
    ret->host[end - begin] = '\0';
    memcpy(ret->port, colon + 1, strlen(colon));
    return REMOTE_OK;
}
