/* SPDX-License-Identifier: Apache-2.0 */
/* The server as a whole: threads, the listening socket, signals, reload and end. */
#ifndef KESD_SERVER_H
#define KESD_SERVER_H

#include "options.h"
#include "remote.h"

struct kesd_server;
/* Listens, but answers nobody yet. options and core outlive it; inside the guard. */
enum remote_rc kesd_server_new(const struct kesd_options *options, struct remote_core *core,
                               struct kesd_server **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Until SIGTERM or SIGINT. */
enum remote_rc kesd_server_run(struct kesd_server *server, struct remote_error *err)
    REMOTE_MUST_CHECK;
void kesd_server_free(struct kesd_server *server); /* NULL is fine */

#endif
