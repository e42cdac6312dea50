/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process takes another's place without a moment in between: it asks for the listening sockets
 * at ADDRESS.handover, begins to serve, and says so; then the other one ends. Only the same user,
 * or root, may ask.
 */
#ifndef KMS_HANDOVER_H
#define KMS_HANDOVER_H

#include "inherit.h"
#include "loop.h"

/* ---- the process that goes ---- */
struct kms_handover;
struct kms_handover_hooks {
    /* What to give: fills in copies of descriptors, which stay the caller's. */
    void (*offer)(void *arg, struct kms_inherited *ret);
    void (*taken)(void *arg); /* the successor serves */
    void *arg;
};
/* Waits at ADDRESS.handover; a fault there is logged, and means that nobody can take over. */
struct kms_handover *kms_handover_new(struct kms_loop *loop, const struct kms_address *address,
                                      const struct kms_handover_hooks *hooks);
void kms_handover_free(struct kms_handover *handover); /* NULL is fine */

/* ---- the process that comes ---- */
/* Adds what it is given. *ret_fd: for kms_handover_ready(); -1: nobody is there to take over from.
 */
enum remote_rc kms_handover_ask(const struct kms_address *address, struct kms_inherited *inherited,
                                int *ret_fd, struct remote_error *err) REMOTE_MUST_CHECK;
void kms_handover_ready(int fd); /* closes it; -1 is fine */

#endif
