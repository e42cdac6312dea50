/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets the thread's OpenSSL error queue aside and puts it back exactly: entries, their texts
 * and positions, and the marks of ERR_set_mark() between them.
 */
#ifndef REMOTE_ERRQUEUE_H
#define REMOTE_ERRQUEUE_H

#include <stdbool.h>
#include <stdint.h>

enum remote_errqueue_how {
    REMOTE_ERRQUEUE_NOTHING, /* the queue was empty: the common case costs no copy */
    REMOTE_ERRQUEUE_STATE,   /* OpenSSL 3.0 and 3.1: the public struct err_state_st, moved */
    REMOTE_ERRQUEUE_ENTRIES  /* later: taken out and raised again through the public calls */
};

struct remote_errqueue_entry;
struct remote_errqueue {
    enum remote_errqueue_how how;
    union {
        uint64_t state[128]; /* room for a struct err_state_st; see errqueue.c */
        struct {
            struct remote_errqueue_entry *list;
            int count;
        } entries;
    } u;
};

/* Afterwards the queue is empty. False: out of memory, or libcrypto has shut down. */
bool remote_errqueue_save(struct remote_errqueue *queue);
/* The same by REMOTE_ERRQUEUE_ENTRIES whatever the version, so that a test reaches it. */
bool remote_errqueue_save_entries(struct remote_errqueue *queue);
/* Drops what is in the queue and puts back what was saved; once. */
void remote_errqueue_restore(struct remote_errqueue *queue);

#endif
