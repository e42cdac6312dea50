/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: descriptors, and a tick. One thread runs it, and all functions here belong to
 * that thread.
 */
#ifndef KMS_LOOP_H
#define KMS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct kms_source { /* embedded in what it belongs to */
    int fd;         /* -1: not in the loop */
    uint32_t events;
    void (*ready)(struct kms_source *source, uint32_t events); /* EPOLLIN, EPOLLOUT, ... */
};

struct kms_loop;
struct kms_loop *kms_loop_new(struct remote_error *err); /* NULL: err says why */
void kms_loop_free(struct kms_loop *loop); /* NULL is fine; sources are gone by then */

/* source->fd and ready are set. */
enum remote_rc kms_loop_add(struct kms_loop *loop, struct kms_source *source, uint32_t events,
                            struct remote_error *err) REMOTE_MUST_CHECK;
void kms_loop_watch(struct kms_loop *loop, struct kms_source *source, uint32_t events);
/* Closes the descriptor. The source's memory must live until kms_loop_later() frees it. */
void kms_loop_remove(struct kms_loop *loop, struct kms_source *source);
/* Calls free_it(what) once no event of this round can reach it any more. */
void kms_loop_later(struct kms_loop *loop, void (*free_it)(void *what), void *what);

/* tick: called about every interval_ms, and after every round of events `after` is. */
struct kms_loop_hooks {
    void (*tick)(void *arg);
    void (*after)(void *arg);
    void *arg;
    int interval_ms;
};
/* Until kms_loop_stop(). */
void kms_loop_run(struct kms_loop *loop, const struct kms_loop_hooks *hooks);
void kms_loop_stop(struct kms_loop *loop);

#endif
