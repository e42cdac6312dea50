/* SPDX-License-Identifier: Apache-2.0 */
#include "tail.h"

#include <pthread.h>
#include <stdlib.h>

#define WAITING_MAX 65536 /* bytes */

struct kesd_tail {
    struct kesd_listener listener; /* first */
    struct daemon_job job;
    struct kesd_lane *lane;
    enum kesd_stream kind;
    void (*ready)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    struct remote_buf lines;
    bool posted; /* the job is in the mailbox */
    bool closed;
};

static void destroy(struct kesd_tail *tail)
{
    remote_buf_clear(&tail->lines);
    pthread_mutex_destroy(&tail->lock);
    free(tail);
}

static void on_line(struct kesd_listener *listener, struct remote_slice line)
{
    struct kesd_tail *tail = (struct kesd_tail *)listener;
    bool posts = false;

    pthread_mutex_lock(&tail->lock);
    if (tail->lines.len + line.len <= WAITING_MAX) {
        remote_buf_append(&tail->lines, line.data, line.len);
        posts = !tail->posted;
        tail->posted = true;
    }
    pthread_mutex_unlock(&tail->lock);
    if (posts)
        daemon_mailbox_put(tail->lane->mailbox, &tail->job);
}

static void on_post(struct daemon_job *job)
{
    struct kesd_tail *tail =
        (struct kesd_tail *)(void *)((char *)job - offsetof(struct kesd_tail, job));

    pthread_mutex_lock(&tail->lock);
    tail->posted = false;
    pthread_mutex_unlock(&tail->lock);
    if (tail->closed)
        destroy(tail);
    else
        tail->ready(tail->arg);
}

struct kesd_tail *kesd_tail_open(struct kesd_lane *lane, enum kesd_stream kind,
                                 void (*ready)(void *arg), void *arg)
{
    struct kesd_tail *tail = calloc(1, sizeof(*tail));

    if (tail == NULL)
        return NULL;
    *tail = (struct kesd_tail){ .listener = { .line = on_line },
                                .job = { .done = on_post },
                                .lane = lane,
                                .kind = kind,
                                .ready = ready,
                                .arg = arg };
    pthread_mutex_init(&tail->lock, NULL);
    kesd_api_listen(lane->service->api, kind, &tail->listener);
    return tail;
}

void kesd_tail_close(struct kesd_tail *tail)
{
    bool posted;

    if (tail == NULL)
        return;
    kesd_api_unlisten(tail->lane->service->api, tail->kind, &tail->listener);
    posted = tail->posted; /* nobody else is left who could change it */
    tail->closed = true;
    if (!posted)
        destroy(tail);
}

void kesd_tail_take(struct kesd_tail *tail, struct remote_buf *ret)
{
    pthread_mutex_lock(&tail->lock);
    remote_buf_append(ret, tail->lines.data, tail->lines.len);
    remote_buf_clear(&tail->lines);
    pthread_mutex_unlock(&tail->lock);
}
