/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets to listen at. */
#ifndef DAEMON_SOCKET_H
#define DAEMON_SOCKET_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "buf.h"

struct daemon_address {
    struct sockaddr_un name;
    socklen_t len;
    bool abstract;
    char text[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 8]; /* for messages */
};
/* "unix:///run/kms.sock", "unix:/run/kms.sock", "/run/kms.sock", "unix:///@name", "@name". */
enum remote_rc daemon_address_parse(const char *text, struct daemon_address *ret,
                                    struct remote_error *err) REMOTE_MUST_CHECK;

struct daemon_socket_options {
    mode_t mode;
    uid_t owner; /* (uid_t)-1: as it is */
    gid_t group; /* (gid_t)-1: as it is */
};

struct daemon_listener {
    struct daemon_address address;
    int fd;    /* -1: none */
    bool ours; /* made here, so it is taken away at the end */
    dev_t dev;
    ino_t inode;
};
/*
 * Listens. A socket of somebody who still answers is refused, one that nobody has is replaced; what
 * is no socket is never touched. A directory that is missing is made, for its owner alone.
 */
enum remote_rc daemon_socket_listen(const struct daemon_address *address,
                                    const struct daemon_socket_options *options,
                                    struct daemon_listener *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* One that somebody else made and gave us; must be a listening unix socket. */
enum remote_rc daemon_socket_inherit(int fd, struct daemon_listener *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* The file that it is bound to is taken away at the end, while it is still the same one. */
void daemon_socket_own(struct daemon_listener *listener);
/* Closes it; takes the file away when it is the one that was made here. */
void daemon_socket_close(struct daemon_listener *listener);

/* Who is at the other end; (uid_t)-1: not known. */
uid_t daemon_socket_peer(int fd);
/* "0600"; "kube" or "0:0" or "kube:kube". */
enum remote_rc daemon_socket_mode_parse(const char *text, mode_t *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
enum remote_rc daemon_socket_owner_parse(const char *text, struct daemon_socket_options *ret,
                                         struct remote_error *err) REMOTE_MUST_CHECK;

#endif
