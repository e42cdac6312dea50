/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs from several threads on their way into a loop's, and back from workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "pool.h"

#define SENDERS 4
#define JOBS 500 /* of each */

struct letter {
    struct daemon_job job; /* first */
    unsigned sender, number;
};

static struct {
    struct daemon_loop *loop;
    struct daemon_mailbox *mailbox;
    pthread_t thread; /* the loop's */
    unsigned next[SENDERS], count, worked;
    struct letter letters[SENDERS][JOBS];
} post;

static void nothing(void *arg)
{
    (void)arg;
}

static void arrive(struct daemon_job *job)
{
    struct letter *letter = (struct letter *)job;

    assert_true(pthread_equal(pthread_self(), post.thread));
    assert_int_equal(letter->number, post.next[letter->sender]);
    post.next[letter->sender]++;
    if (++post.count == SENDERS * JOBS)
        daemon_loop_stop(post.loop);
}

static void *send_all(void *arg)
{
    struct letter *letters = arg;

    for (unsigned i = 0; i < JOBS; i++)
        daemon_mailbox_put(post.mailbox, &letters[i].job);
    return NULL;
}

static void open_post(void)
{
    post.loop = daemon_loop_new(NULL);
    post.mailbox = daemon_mailbox_new(post.loop, NULL);
    post.thread = pthread_self();
    post.count = post.worked = 0;
    for (unsigned s = 0; s < SENDERS; s++) {
        post.next[s] = 0;
        for (unsigned i = 0; i < JOBS; i++)
            post.letters[s][i] = (struct letter){ { NULL, arrive, NULL, NULL }, s, i };
    }
}

static void run(void)
{
    const struct daemon_loop_hooks hooks = { nothing, nothing, NULL, 1000, 0 };

    daemon_loop_run(post.loop, &hooks);
}

static void close_post(void)
{
    daemon_mailbox_free(post.mailbox);
    daemon_loop_free(post.loop);
}

static void test_jobs_of_a_thread_arrive_in_order(void **state)
{
    pthread_t threads[SENDERS];

    (void)state;
    open_post();
    for (unsigned s = 0; s < SENDERS; s++)
        assert_int_equal(pthread_create(&threads[s], NULL, send_all, post.letters[s]), 0);
    run();
    for (unsigned s = 0; s < SENDERS; s++)
        pthread_join(threads[s], NULL);
    assert_int_equal(post.count, SENDERS * JOBS);
    close_post();
}

static void test_what_is_left_is_done_at_the_end(void **state)
{
    (void)state;
    open_post();
    send_all(post.letters[0]);
    close_post();
    assert_int_equal(post.count, JOBS);
}

static void work(struct daemon_job *job)
{
    (void)job;
    __atomic_add_fetch(&post.worked, 1, __ATOMIC_RELAXED);
}

/* The pool's own loop is another one, which does not even run. */
static void test_job_with_a_home_comes_back_there(void **state)
{
    struct daemon_loop *other = daemon_loop_new(NULL);
    struct daemon_pool *pool = daemon_pool_new(other, 1, SENDERS * JOBS, NULL);

    (void)state;
    open_post();
    for (unsigned s = 0; s < SENDERS; s++) {
        for (unsigned i = 0; i < JOBS; i++) {
            post.letters[s][i].job.work = work;
            post.letters[s][i].job.home = post.mailbox;
            assert_true(daemon_pool_submit(pool, &post.letters[s][i].job));
        }
    }
    run();
    assert_int_equal(post.worked, SENDERS * JOBS);
    daemon_pool_free(pool);
    daemon_loop_free(other);
    close_post();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_of_a_thread_arrive_in_order),
        cmocka_unit_test(test_what_is_left_is_done_at_the_end),
        cmocka_unit_test(test_job_with_a_home_comes_back_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
