/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way into a loop's thread from any other: what is put in is taken out there, in order. The
 * loop is woken once for all that has come together meanwhile.
 */
#ifndef DAEMON_MAILBOX_H
#define DAEMON_MAILBOX_H

#include "loop.h"

struct daemon_mailbox;
struct daemon_job {                       /* embedded in what it belongs to */
    void (*work)(struct daemon_job *job); /* in a worker, inside the guard: see pool.h */
    void (*done)(struct daemon_job *job); /* in the loop's thread */
    struct daemon_job *next;
    struct daemon_mailbox *home; /* whose thread that is; NULL: that of the pool's loop */
};

struct daemon_mailbox *daemon_mailbox_new(struct daemon_loop *loop, struct remote_error *err);
/* Calls job->done() in the loop's thread, later. Any thread. */
void daemon_mailbox_put(struct daemon_mailbox *mailbox, struct daemon_job *job);
/* Calls done() for what is there; the loop's thread, or any once the loop has ended. */
void daemon_mailbox_empty(struct daemon_mailbox *mailbox);
void daemon_mailbox_free(struct daemon_mailbox *mailbox); /* empties it first; NULL is fine */

#endif
