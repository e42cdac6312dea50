/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"

#define EVENTS_A_ROUND 64

struct later {
    void (*free_it)(void *what);
    void *what;
    struct later *next;
};

struct daemon_loop {
    int epoll;
    bool stopped;
    struct later *later;
};

struct daemon_loop *daemon_loop_new(struct remote_error *err)
{
    struct daemon_loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL) {
        REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        return NULL;
    }
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        REMOTE_FAIL(err, REMOTE_E_CONFIG, "epoll: %s", strerrordesc_np(errno));
        free(loop);
        return NULL;
    }
    return loop;
}

static void bury(struct daemon_loop *loop)
{
    struct later *next;

    for (struct later *l = loop->later; l != NULL; l = next) {
        next = l->next;
        l->free_it(l->what);
        free(l);
    }
    loop->later = NULL;
}

void daemon_loop_free(struct daemon_loop *loop)
{
    if (loop == NULL)
        return;
    bury(loop);
    close(loop->epoll);
    free(loop);
}

enum remote_rc daemon_loop_add(struct daemon_loop *loop, struct daemon_source *source,
                               uint32_t events, struct remote_error *err)
{
    struct epoll_event event = { .events = events, .data.ptr = source };

    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event) < 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "epoll: %s", strerrordesc_np(errno));
    source->events = events;
    return REMOTE_OK;
}

void daemon_loop_watch(struct daemon_loop *loop, struct daemon_source *source, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = source };

    if (source->fd < 0 || source->events == events)
        return;
    (void)epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event); /* it is there: cannot fail */
    source->events = events;
}

void daemon_loop_remove(struct daemon_loop *loop, struct daemon_source *source)
{
    if (source->fd < 0)
        return;
    (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
    close(source->fd);
    source->fd = -1;
}

void daemon_loop_later(struct daemon_loop *loop, void (*free_it)(void *what), void *what)
{
    struct later *later = malloc(sizeof(*later));

    if (later == NULL)
        return; /* lost, but never used after it was freed */
    *later = (struct later){ free_it, what, loop->later };
    loop->later = later;
}

/* Milliseconds until the next tick. */
static int wait_ms(int64_t next_tick_ms)
{
    int64_t left = next_tick_ms - remote_now_ms();

    return left < 0 ? 0 : (int)left;
}

/* Looks for events for a while, then sleeps until there are some, or the tick is due. */
static int wait_for_events(struct daemon_loop *loop, struct epoll_event *events, int64_t spin_us,
                           int64_t next_tick_ms)
{
    int64_t until_us = spin_us > 0 ? remote_now_us() + spin_us : 0;

    while (until_us > 0 && remote_now_us() < until_us) {
        int count = epoll_wait(loop->epoll, events, EVENTS_A_ROUND, 0);

        if (count > 0)
            return count;
    }
    return epoll_wait(loop->epoll, events, EVENTS_A_ROUND, wait_ms(next_tick_ms));
}

void daemon_loop_run(struct daemon_loop *loop, const struct daemon_loop_hooks *hooks)
{
    struct epoll_event events[EVENTS_A_ROUND];
    int64_t next_tick_ms = remote_now_ms() + hooks->interval_ms;

    while (!loop->stopped) {
        int count = wait_for_events(loop, events, hooks->spin_us, next_tick_ms);

        for (int i = 0; i < count; i++) {
            struct daemon_source *source = events[i].data.ptr;

            if (source->fd >= 0) /* an earlier event of this round may have ended it */
                source->ready(source, events[i].events);
        }
        hooks->after(hooks->arg);
        if (remote_now_ms() >= next_tick_ms) {
            hooks->tick(hooks->arg);
            next_tick_ms = remote_now_ms() + hooks->interval_ms;
        }
        bury(loop);
    }
}

void daemon_loop_stop(struct daemon_loop *loop)
{
    loop->stopped = true;
}
