/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets to listen at. */
#ifndef DAEMON_TCP_H
#define DAEMON_TCP_H

#include "inherit.h"

/* host, a number, or NULL or "" for every address; "::" is every address, too. One that somebody
 * else made is taken first. */
enum remote_rc daemon_tcp_listen(const char *host, const char *port,
                                 struct daemon_inherited *inherited, int *ret,
                                 struct remote_error *err) REMOTE_MUST_CHECK;

struct daemon_tcp_name {
    char host[64], port[8];
};
/* "127.0.0.1:7373", "[::1]:7373", ":7373". */
enum remote_rc daemon_tcp_parse(const char *text, struct daemon_tcp_name *ret,
                                struct remote_error *err) REMOTE_MUST_CHECK;

#endif
