/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that keys are being made under. Stores and services that take one wish for another, or the
 * second in place of the first, would give several clients different keys of one name: so within
 * a process each name is made by one thread at a time. Other processes are the store's affair.
 */
#ifndef KESD_MAKING_H
#define KESD_MAKING_H

#include "remote.h"

struct kesd_making { /* one that is under way; the thread's own */
    const char *name;
    struct kesd_making *next;
};

struct kesd_makings {
    struct remote_lock lock;
    struct remote_cond ended;
    struct kesd_making *first;
};

void kesd_makings_init(struct kesd_makings *makings);
void kesd_makings_clear(struct kesd_makings *makings); /* none is under way */

/* making: its name is set, and stays until the end. Waits for the thread that makes that name. */
void kesd_making_begin(struct kesd_makings *makings, struct kesd_making *making);
void kesd_making_end(struct kesd_makings *makings, const struct kesd_making *making);

#endif
