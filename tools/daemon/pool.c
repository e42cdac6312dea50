/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "libctx.h"

struct queue {
    struct daemon_job *first, **end;
};

struct daemon_pool {
    struct daemon_mailbox *home; /* of jobs that have none */
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct queue waiting;
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
        daemon_mailbox_put(job->home != NULL ? job->home : pool->home, job);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static enum remote_rc start(struct daemon_pool *pool, unsigned threads, struct remote_error *err)
{
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
    pool->waiting_max = queue_max;
    queue_init(&pool->waiting);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pool->home = daemon_mailbox_new(loop, err);
    if (pool->home == NULL || start(pool, threads, err) != REMOTE_OK) {
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
    daemon_mailbox_free(pool->home);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
