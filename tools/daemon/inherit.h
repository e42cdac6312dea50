/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets that somebody else made: a service manager, or the process whose place is
 * taken. Whoever is to listen looks here first.
 */
#ifndef DAEMON_INHERIT_H
#define DAEMON_INHERIT_H

#include <sys/socket.h>

#include "socket.h"

#define DAEMON_INHERIT_MAX (2 * 16 + 2) /* sockets of keys, and of health and metrics */

struct daemon_inherited {
    int fds[DAEMON_INHERIT_MAX];
    bool ours[DAEMON_INHERIT_MAX]; /* its file is taken away at the end */
    size_t count;
};

/* LISTEN_FDS. */
void daemon_inherit_from_manager(struct daemon_inherited *inherited);
void daemon_inherit_clear(struct daemon_inherited *inherited); /* closes what nobody took */

/* address NULL: the next unix socket. False: there is none. */
bool daemon_inherit_unix(struct daemon_inherited *inherited, const struct daemon_address *address,
                         struct daemon_listener *ret);
/* The descriptor of a TCP socket with this address, or of the next one when address is NULL; -1:
 * there is none. */
int daemon_inherit_tcp(struct daemon_inherited *inherited, const struct sockaddr *address,
                       socklen_t len);

#endif
