/* SPDX-License-Identifier: Apache-2.0 */
#include "mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"

struct daemon_mailbox {
    struct daemon_source wake; /* first: an eventfd that says there is something */
    struct daemon_loop *loop;
    pthread_mutex_t lock;
    struct daemon_job *first, **end;
};

void daemon_mailbox_put(struct daemon_mailbox *mailbox, struct daemon_job *job)
{
    static const uint64_t one = 1;
    bool wakes;

    pthread_mutex_lock(&mailbox->lock);
    wakes = mailbox->first == NULL; /* the loop takes all that there are */
    job->next = NULL;
    *mailbox->end = job;
    mailbox->end = &job->next;
    if (wakes && write(mailbox->wake.fd, &one, sizeof(one)) < 0)
        remote_log(REMOTE_LOG_ERROR, "eventfd: %s", strerrordesc_np(errno));
    pthread_mutex_unlock(&mailbox->lock);
}

void daemon_mailbox_empty(struct daemon_mailbox *mailbox)
{
    struct daemon_job *job, *next;

    pthread_mutex_lock(&mailbox->lock);
    job = mailbox->first;
    mailbox->first = NULL;
    mailbox->end = &mailbox->first;
    pthread_mutex_unlock(&mailbox->lock);
    for (; job != NULL; job = next) {
        next = job->next;
        job->done(job);
    }
}

static void on_wake(struct daemon_source *source, uint32_t events)
{
    uint64_t count;

    (void)events;
    if (read(source->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        remote_log(REMOTE_LOG_ERROR, "eventfd: %s", strerrordesc_np(errno));
    daemon_mailbox_empty((struct daemon_mailbox *)source);
}

static enum remote_rc open_wake(struct daemon_mailbox *mailbox, struct remote_error *err)
{
    mailbox->wake = (struct daemon_source){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 0, on_wake };
    if (mailbox->wake.fd < 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "eventfd: %s", strerrordesc_np(errno));
    return daemon_loop_add(mailbox->loop, &mailbox->wake, EPOLLIN, err);
}

struct daemon_mailbox *daemon_mailbox_new(struct daemon_loop *loop, struct remote_error *err)
{
    struct daemon_mailbox *mailbox = calloc(1, sizeof(*mailbox));

    if (mailbox == NULL) {
        REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        return NULL;
    }
    mailbox->loop = loop;
    mailbox->end = &mailbox->first;
    pthread_mutex_init(&mailbox->lock, NULL);
    if (open_wake(mailbox, err) != REMOTE_OK) {
        daemon_mailbox_free(mailbox);
        return NULL;
    }
    return mailbox;
}

void daemon_mailbox_free(struct daemon_mailbox *mailbox)
{
    if (mailbox == NULL)
        return;
    while (mailbox->first != NULL)
        daemon_mailbox_empty(mailbox);
    daemon_loop_remove(mailbox->loop, &mailbox->wake);
    pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
}
