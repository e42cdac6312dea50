/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "buf.h"
#include "libctx.h"
#include "log.h"

struct queue {
    struct daemon_job *first, **end;
};

struct daemon_pool {
    struct daemon_source wake; /* first: an eventfd that says there are done jobs */
    struct daemon_loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct queue waiting, done;
    size_t waiting_count, waiting_max;
    unsigned idle; /* workers that wait */
    bool ending;
    unsigned count;
    pthread_t threads[];
};

static void queue_init(struct queue *queue)
{
    queue->first = NULL;
    queue->end = &queue->first;
}

static void queue_add(struct queue *queue, struct daemon_job *job)
{
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
}

static struct daemon_job *queue_take(struct queue *queue)
{
    struct daemon_job *job = queue->first;

    queue->first = job->next;
    if (queue->first == NULL)
        queue->end = &queue->first;
    return job;
}

/* The loop is woken for the first one only: it takes all that there are. */
static void hand_back(struct daemon_pool *pool, struct daemon_job *job)
{
    static const uint64_t one = 1;
    bool first = pool->done.first == NULL;

    queue_add(&pool->done, job);
    if (first && write(pool->wake.fd, &one, sizeof(one)) < 0)
        remote_log(REMOTE_LOG_ERROR, "eventfd: %s", strerrordesc_np(errno));
}

static void *worker(void *arg)
{
    CLEANUP(remote_guard_leave) struct remote_guard guard = { 0 };
    struct daemon_pool *pool = arg;

    if (remote_guard_enter(&guard, NULL) != REMOTE_OK)
        return NULL; /* main() has entered it before: only memory can be short */
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct daemon_job *job;

        while (pool->waiting.first == NULL && !pool->ending) {
            pool->idle++;
            pthread_cond_wait(&pool->work, &pool->lock);
            pool->idle--;
        }
        if (pool->waiting.first == NULL)
            break;
        job = queue_take(&pool->waiting);
        pool->waiting_count--;
        pthread_mutex_unlock(&pool->lock);
        job->work(job);
        pthread_mutex_lock(&pool->lock);
        hand_back(pool, job);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void finish_done(struct daemon_pool *pool)
{
    struct queue done;

    pthread_mutex_lock(&pool->lock);
    done = pool->done;
    if (done.first == NULL)
        queue_init(&done);
    queue_init(&pool->done);
    pthread_mutex_unlock(&pool->lock);
    while (done.first != NULL) {
        struct daemon_job *job = done.first;

        done.first = job->next;
        job->done(job);
    }
}

static void on_wake(struct daemon_source *source, uint32_t events)
{
    struct daemon_pool *pool = (struct daemon_pool *)source;
    uint64_t count;

    (void)events;
    if (read(source->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        remote_log(REMOTE_LOG_ERROR, "eventfd: %s", strerrordesc_np(errno));
    finish_done(pool);
}

static enum remote_rc start(struct daemon_pool *pool, unsigned threads, struct remote_error *err)
{
    pool->wake = (struct daemon_source){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 0, on_wake };
    if (pool->wake.fd < 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "eventfd: %s", strerrordesc_np(errno));
    REMOTE_TRY(daemon_loop_add(pool->loop, &pool->wake, EPOLLIN, err));
    for (; pool->count < threads; pool->count++) {
        int failed = pthread_create(&pool->threads[pool->count], NULL, worker, pool);

        if (failed != 0)
            return REMOTE_FAIL(err, REMOTE_E_CONFIG, "cannot start %u threads: %s", threads,
                               strerrordesc_np(failed));
    }
    return REMOTE_OK;
}

struct daemon_pool *daemon_pool_new(struct daemon_loop *loop, unsigned threads, size_t queue_max,
                                    struct remote_error *err)
{
    struct daemon_pool *pool = calloc(1, sizeof(*pool) + threads * sizeof(pool->threads[0]));

    if (pool == NULL) {
        REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        return NULL;
    }
    pool->loop = loop;
    pool->waiting_max = queue_max;
    queue_init(&pool->waiting);
    queue_init(&pool->done);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    if (start(pool, threads, err) != REMOTE_OK) {
        daemon_pool_free(pool);
        return NULL;
    }
    return pool;
}

bool daemon_pool_submit(struct daemon_pool *pool, struct daemon_job *job)
{
    bool taken;

    pthread_mutex_lock(&pool->lock);
    taken = !pool->ending && pool->waiting_count < pool->waiting_max;
    if (taken) {
        queue_add(&pool->waiting, job);
        pool->waiting_count++;
        if (pool->idle > 0)
            pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

void daemon_pool_free(struct daemon_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->count; i++)
        pthread_join(pool->threads[i], NULL);
    finish_done(pool);
    daemon_loop_remove(pool->loop, &pool->wake);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
