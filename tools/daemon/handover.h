/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process takes another's place without a moment in between: it asks for the listening sockets
 * at ADDRESS.handover, begins to serve, and says so; then the other one ends. Only the same user,
 * or root, may ask.
 */
#ifndef DAEMON_HANDOVER_H
#define DAEMON_HANDOVER_H

#include "inherit.h"
#include "loop.h"

/* ---- the process that goes ---- */
struct daemon_handover;
struct daemon_handover_hooks {
    /* What to give: fills in copies of descriptors, which stay the caller's. */
    void (*offer)(void *arg, struct daemon_inherited *ret);
    void (*taken)(void *arg); /* the successor serves */
    void *arg;
};
/* Waits at ADDRESS.handover; a fault there is logged, and means that nobody can take over. */
struct daemon_handover *daemon_handover_new(struct daemon_loop *loop,
                                            const struct daemon_address *address,
                                            const struct daemon_handover_hooks *hooks);
void daemon_handover_free(struct daemon_handover *handover); /* NULL is fine */

/* ---- the process that comes ---- */
/* Adds what it is given. *ret_fd: for daemon_handover_ready(); -1: nobody is there to take over
 * from.
 */
enum remote_rc daemon_handover_ask(const struct daemon_address *address,
                                   struct daemon_inherited *inherited, int *ret_fd,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
void daemon_handover_ready(int fd); /* closes it; -1 is fine */

#endif
