/* SPDX-License-Identifier: Apache-2.0 */
/* The unix sockets that API servers connect to. */
#ifndef KMS_SOCKET_H
#define KMS_SOCKET_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "buf.h"

struct kms_address {
    struct sockaddr_un name;
    socklen_t len;
    bool abstract;
    char text[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 8]; /* for messages */
};
/* "unix:///run/kms.sock", "unix:/run/kms.sock", "/run/kms.sock", "unix:///@name", "@name". */
enum remote_rc kms_address_parse(const char *text, struct kms_address *ret,
                                 struct remote_error *err) REMOTE_MUST_CHECK;

struct kms_socket_options {
    mode_t mode;
    uid_t owner; /* (uid_t)-1: as it is */
    gid_t group; /* (gid_t)-1: as it is */
};

struct kms_listener {
    struct kms_address address;
    int fd;    /* -1: none */
    bool ours; /* made here, so it is taken away at the end */
    dev_t dev;
    ino_t inode;
};
/*
 * Listens. A socket of somebody who still answers is refused, one that nobody has is replaced; what
 * is no socket is never touched. A directory that is missing is made, for its owner alone.
 */
enum remote_rc kms_socket_listen(const struct kms_address *address,
                                 const struct kms_socket_options *options, struct kms_listener *ret,
                                 struct remote_error *err) REMOTE_MUST_CHECK;
/* One that somebody else made and gave us; must be a listening unix socket. */
enum remote_rc kms_socket_inherit(int fd, struct kms_listener *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* The file that it is bound to is taken away at the end, while it is still the same one. */
void kms_socket_own(struct kms_listener *listener);
/* Closes it; takes the file away when it is the one that was made here. */
void kms_socket_close(struct kms_listener *listener);

/* Who is at the other end; (uid_t)-1: not known. */
uid_t kms_socket_peer(int fd);
/* "0600"; "kube" or "0:0" or "kube:kube". */
enum remote_rc kms_socket_mode_parse(const char *text, mode_t *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
enum remote_rc kms_socket_owner_parse(const char *text, struct kms_socket_options *ret,
                                      struct remote_error *err) REMOTE_MUST_CHECK;

#endif
