/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets that somebody else made: a service manager, or the process whose place is
 * taken. Whoever is to listen looks here first.
 */
#ifndef KMS_INHERIT_H
#define KMS_INHERIT_H

#include <sys/socket.h>

#include "socket.h"

#define KMS_INHERIT_MAX (2 * 16 + 2) /* sockets of keys, and of health and metrics */

struct kms_inherited {
    int fds[KMS_INHERIT_MAX];
    bool ours[KMS_INHERIT_MAX]; /* its file is taken away at the end */
    size_t count;
};

/* LISTEN_FDS. */
void kms_inherit_from_manager(struct kms_inherited *inherited);
void kms_inherit_clear(struct kms_inherited *inherited); /* closes what nobody took */

/* address NULL: the next unix socket. False: there is none. */
bool kms_inherit_unix(struct kms_inherited *inherited, const struct kms_address *address,
                      struct kms_listener *ret);
/* The descriptor of a TCP socket with this address; -1: there is none. */
int kms_inherit_tcp(struct kms_inherited *inherited, const struct sockaddr *address, socklen_t len);

#endif
