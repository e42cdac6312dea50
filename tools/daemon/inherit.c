/* SPDX-License-Identifier: Apache-2.0 */
#include "inherit.h"

#include <string.h>
#include <unistd.h>

#include "activation.h"

void daemon_inherit_from_manager(struct daemon_inherited *inherited)
{
    inherited->count += daemon_activation_fds(inherited->fds + inherited->count,
                                              DAEMON_INHERIT_MAX - inherited->count);
}

void daemon_inherit_clear(struct daemon_inherited *inherited)
{
    for (size_t i = 0; i < inherited->count; i++)
        if (inherited->fds[i] >= 0)
            close(inherited->fds[i]);
    inherited->count = 0;
}

static bool is_at(const struct daemon_listener *listener, const struct daemon_address *address)
{
    return strcmp(listener->address.text, address->text) == 0;
}

bool daemon_inherit_unix(struct daemon_inherited *inherited, const struct daemon_address *address,
                         struct daemon_listener *ret)
{
    for (size_t i = 0; i < inherited->count; i++) {
        struct daemon_listener listener;

        if (inherited->fds[i] < 0 ||
            daemon_socket_inherit(inherited->fds[i], &listener, NULL) != REMOTE_OK ||
            (address != NULL && !is_at(&listener, address)))
            continue;
        if (inherited->ours[i])
            daemon_socket_own(&listener);
        inherited->fds[i] = -1;
        *ret = listener;
        return true;
    }
    return false;
}

static bool is_tcp_at(int fd, const struct sockaddr *address, socklen_t len)
{
    struct sockaddr_storage theirs;
    socklen_t size = sizeof(theirs);

    if (getsockname(fd, (struct sockaddr *)&theirs, &size) < 0)
        return false;
    if (address == NULL)
        return theirs.ss_family == AF_INET || theirs.ss_family == AF_INET6;
    return size == len && memcmp(&theirs, address, len) == 0;
}

int daemon_inherit_tcp(struct daemon_inherited *inherited, const struct sockaddr *address,
                       socklen_t len)
{
    for (size_t i = 0; i < inherited->count; i++) {
        int fd = inherited->fds[i];

        if (fd < 0 || !is_tcp_at(fd, address, len))
            continue;
        inherited->fds[i] = -1;
        return fd;
    }
    return -1;
}
