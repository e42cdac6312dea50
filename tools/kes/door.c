/* SPDX-License-Identifier: Apache-2.0 */
#include "door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "conn.h"
#include "tcp.h"

#define ACCEPTS_A_ROUND 64
#define TELL_MS 60000

/* An IPv4 client of a socket for both families is written as what it is. */
static void peer_text(const struct sockaddr_storage *address, char *ret, size_t size)
{
    static const char mapped[] = "::ffff:";
    char text[INET6_ADDRSTRLEN] = "";
    const char *begin = text;

    if (address->ss_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text,
                        sizeof(text));
    else if (address->ss_family == AF_INET)
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text,
                        sizeof(text));
    if (strncmp(text, mapped, strlen(mapped)) == 0 && strchr(text, '.') != NULL)
        begin += strlen(mapped);
    snprintf(ret, size, "%s", begin);
}

/* The one with the fewest connections: a few busy ones are most of the load of such a server, and
 * neither SO_REUSEPORT nor EPOLLEXCLUSIVE spreads a few evenly. */
static struct kesd_lane *choose_lane(const struct kesd_door *door)
{
    struct kesd_lane *best = &door->lanes[0];

    for (size_t i = 1; i < door->lane_count; i++) {
        struct kesd_lane *lane = &door->lanes[i];

        if (atomic_load_explicit(&lane->count, memory_order_relaxed) <
            atomic_load_explicit(&best->count, memory_order_relaxed))
            best = lane;
    }
    return best;
}

/* Descriptors or memory are used up. The socket stays ready, so it is left alone until the next
 * tick: what waits there is not lost. */
static void pause_door(struct kesd_door *door)
{
    int64_t now_ms = remote_now_ms();

    daemon_loop_watch(door->loop, &door->source, 0);
    if (door->told_ms != 0 && now_ms - door->told_ms < TELL_MS)
        return;
    door->told_ms = now_ms;
    remote_log(REMOTE_LOG_WARNING, "no more connections can be taken: %s", strerrordesc_np(errno));
}

static void on_ready(struct daemon_source *source, uint32_t events)
{
    struct kesd_door *door = (struct kesd_door *)source;

    (void)events;
    for (int i = 0; i < ACCEPTS_A_ROUND; i++) {
        struct sockaddr_storage address = { 0 };
        socklen_t len = sizeof(address);
        int fd =
            accept4(source->fd, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        char peer[64];

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                pause_door(door);
            return;
        }
        peer_text(&address, peer, sizeof(peer));
        (void)kesd_conn_new(choose_lane(door), fd, peer);
    }
}

void kesd_door_tick(struct kesd_door *door)
{
    if (door->source.fd >= 0)
        daemon_loop_watch(door->loop, &door->source, EPOLLIN);
}

static enum remote_rc listen_at(const char *address, int *ret, struct remote_error *err)
{
    CLEANUP(daemon_inherit_clear) struct daemon_inherited inherited = { .count = 0 };
    struct daemon_tcp_name name;

    daemon_inherit_from_manager(&inherited);
    *ret = daemon_inherit_tcp(&inherited, NULL, 0);
    if (*ret >= 0)
        return REMOTE_OK;
    REMOTE_TRY(daemon_tcp_parse(address, &name, err));
    return daemon_tcp_listen(name.host, name.port, &inherited, ret, err);
}

enum remote_rc kesd_door_open(struct kesd_door *door, struct daemon_loop *loop, const char *address,
                              struct remote_error *err)
{
    static const int on = 1;
    int fd;

    REMOTE_TRY(listen_at(address, &fd, err));
    /* Linux gives both to what is accepted. Without the first an answer waits for an ACK. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    door->loop = loop;
    door->source = (struct daemon_source){ fd, 0, on_ready };
    return daemon_loop_add(loop, &door->source, EPOLLIN, err);
}

void kesd_door_close(struct kesd_door *door)
{
    if (door->loop != NULL)
        daemon_loop_remove(door->loop, &door->source);
}
