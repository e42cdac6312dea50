/* SPDX-License-Identifier: Apache-2.0 */
#include "making.h"

#include <string.h>

#define WAIT_MS 60000 /* who makes a key has a deadline of its own */

void kesd_makings_init(struct kesd_makings *makings)
{
    makings->first = NULL;
    remote_lock_init(&makings->lock, REMOTE_LOCK_FRONT);
    remote_cond_init(&makings->ended);
}

void kesd_makings_clear(struct kesd_makings *makings)
{
    remote_cond_destroy(&makings->ended);
    remote_lock_destroy(&makings->lock);
}

static bool is_made(const struct kesd_makings *makings, const char *name)
{
    const struct kesd_making *making = makings->first;

    while (making != NULL && strcmp(making->name, name) != 0)
        making = making->next;
    return making != NULL;
}

void kesd_making_begin(struct kesd_makings *makings, struct kesd_making *making)
{
    remote_lock_acquire(&makings->lock);
    while (is_made(makings, making->name))
        (void)remote_cond_wait(&makings->ended, &makings->lock, remote_now_ms() + WAIT_MS);
    making->next = makings->first;
    makings->first = making;
    remote_lock_release(&makings->lock);
}

void kesd_making_end(struct kesd_makings *makings, const struct kesd_making *making)
{
    struct kesd_making **at = &makings->first;

    remote_lock_acquire(&makings->lock);
    while (*at != making)
        at = &(*at)->next;
    *at = making->next;
    remote_cond_broadcast(&makings->ended);
    remote_lock_release(&makings->lock);
}
