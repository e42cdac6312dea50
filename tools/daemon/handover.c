/* SPDX-License-Identifier: Apache-2.0 */
#include "handover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "log.h"

#define SUFFIX ".handover"
#define HELLO "hsmbridge handover 1"
#define READY 'R'
#define WAIT_S 5 /* for the other side's answer */

struct offer { /* goes with the descriptors */
    char hello[sizeof(HELLO)];
    bool ours[DAEMON_INHERIT_MAX];
};

union control { /* aligned as recvmsg(2) wants it */
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * DAEMON_INHERIT_MAX)];
};

struct daemon_handover {
    struct daemon_source source; /* first: who asks */
    struct daemon_source asker;  /* the one that was given the sockets; fd -1: nobody */
    struct daemon_loop *loop;
    struct daemon_listener listener;
    struct daemon_handover_hooks hooks;
};

static bool address_of(const struct daemon_address *address, struct daemon_address *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    remote_buf_printf(&text, "%s" SUFFIX, address->text);
    return !text.failed && daemon_address_parse((const char *)text.data, ret, NULL) == REMOTE_OK;
}

/* ---- the process that goes ---- */

static bool give(int fd, const struct daemon_inherited *sockets)
{
    struct offer offer = { HELLO, { false } };
    struct iovec part = { &offer, sizeof(offer) };
    union control control;
    size_t size = sockets->count * sizeof(int);
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = CMSG_SPACE(size) };
    struct cmsghdr *header;

    memset(&control, 0, sizeof(control));
    memcpy(offer.ours, sockets->ours, sizeof(offer.ours));
    header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), sockets->fds, size);
    return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)sizeof(offer);
}

static struct daemon_handover *of_asker(struct daemon_source *source)
{
    return (struct daemon_handover *)(void *)((char *)source -
                                              offsetof(struct daemon_handover, asker));
}

/* One that ends before it is ready has failed, and nothing changes. */
static void on_asker(struct daemon_source *source, uint32_t events)
{
    struct daemon_handover *handover = of_asker(source);
    char word = 0;
    ssize_t n = recv(source->fd, &word, 1, 0);

    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    daemon_loop_remove(handover->loop, source);
    if (n == 1 && word == READY) {
        handover->listener.ours = false; /* the successor has one of its own there */
        handover->hooks.taken(handover->hooks.arg);
    } else {
        remote_log(REMOTE_LOG_WARNING, "whoever wanted to take over has gone: serving on");
    }
}

static void on_ask(struct daemon_source *source, uint32_t events)
{
    struct daemon_handover *handover = (struct daemon_handover *)source;
    struct daemon_inherited sockets = { .count = 0 };
    int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    uid_t peer;

    (void)events;
    if (fd < 0)
        return;
    peer = daemon_socket_peer(fd);
    handover->hooks.offer(handover->hooks.arg, &sockets);
    if ((peer != 0 && peer != geteuid()) || handover->asker.fd >= 0 || !give(fd, &sockets)) {
        remote_log(REMOTE_LOG_WARNING, "user %u may not take over now", (unsigned)peer);
        close(fd);
        return;
    }
    handover->asker.fd = fd;
    if (daemon_loop_add(handover->loop, &handover->asker, EPOLLIN, NULL) != REMOTE_OK) {
        close(fd);
        handover->asker.fd = -1;
    }
}

static enum remote_rc open_control(struct daemon_handover *handover,
                                   const struct daemon_address *address, struct remote_error *err)
{
    const struct daemon_socket_options closed = { 0600, (uid_t)-1, (gid_t)-1 };
    struct daemon_address control;

    if (!address_of(address, &control))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s" SUFFIX " is too long", address->text);
    if (!control.abstract) /* a predecessor's, whose place is taken, or a dead one's */
        unlink(control.name.sun_path);
    REMOTE_TRY(daemon_socket_listen(&control, &closed, &handover->listener, err));
    handover->source.fd = handover->listener.fd;
    return daemon_loop_add(handover->loop, &handover->source, EPOLLIN, err);
}

struct daemon_handover *daemon_handover_new(struct daemon_loop *loop,
                                            const struct daemon_address *address,
                                            const struct daemon_handover_hooks *hooks)
{
    struct daemon_handover *handover = calloc(1, sizeof(*handover));
    struct remote_error err = { 0 };

    if (handover == NULL)
        return NULL;
    handover->loop = loop;
    handover->hooks = *hooks;
    handover->listener.fd = -1;
    handover->source = (struct daemon_source){ -1, 0, on_ask };
    handover->asker = (struct daemon_source){ -1, 0, on_asker };
    if (open_control(handover, address, &err) != REMOTE_OK)
        remote_log(REMOTE_LOG_WARNING, "nobody can take over: %s", err.text);
    return handover;
}

void daemon_handover_free(struct daemon_handover *handover)
{
    if (handover == NULL)
        return;
    daemon_loop_remove(handover->loop, &handover->asker);
    if (handover->source.fd >= 0) {
        int fd = dup(handover->source.fd); /* the loop closes its own; the file is still ours */

        daemon_loop_remove(handover->loop, &handover->source);
        handover->listener.fd = fd;
    }
    daemon_socket_close(&handover->listener);
    free(handover);
}

/* ---- the process that comes ---- */

static enum remote_rc receive(int fd, struct daemon_inherited *inherited, struct remote_error *err)
{
    struct offer offer;
    struct iovec part = { &offer, sizeof(offer) };
    union control control;
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control) };
    struct cmsghdr *header;
    size_t count;

    if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(offer) ||
        memcmp(offer.hello, HELLO, sizeof(HELLO)) != 0 ||
        (header = CMSG_FIRSTHDR(&message)) == NULL || header->cmsg_type != SCM_RIGHTS)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "the process that serves now does not give its sockets away; its log "
                           "says why");
    count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count && inherited->count < DAEMON_INHERIT_MAX; i++) {
        memcpy(&inherited->fds[inherited->count], CMSG_DATA(header) + i * sizeof(int), sizeof(int));
        inherited->ours[inherited->count++] = offer.ours[i];
    }
    return REMOTE_OK;
}

enum remote_rc daemon_handover_ask(const struct daemon_address *address,
                                   struct daemon_inherited *inherited, int *ret_fd,
                                   struct remote_error *err)
{
    const struct timeval wait = { WAIT_S, 0 };
    struct daemon_address control;
    enum remote_rc rc;
    int fd;

    if (!address_of(address, &control))
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "%s" SUFFIX " is too long", address->text);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "no socket: %s", strerrordesc_np(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    if (connect(fd, (const struct sockaddr *)&control.name, control.len) < 0) {
        close(fd);
        *ret_fd = -1;
        return REMOTE_OK;
    }
    rc = receive(fd, inherited, err);
    if (rc != REMOTE_OK) {
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return REMOTE_OK;
}

void daemon_handover_ready(int fd)
{
    static const char word = READY;

    if (fd < 0)
        return;
    (void)send(fd, &word, 1, MSG_NOSIGNAL);
    close(fd);
}
