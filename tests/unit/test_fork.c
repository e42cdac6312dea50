/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fork.h"

#define FORKS 100
#define WORKERS 8

/* Runs in a child, which dies of SIGALRM when it hangs. Returns its exit status. */
static int in_child(int (*run)(void *), void *arg)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        alarm(20);
        _exit(run(arg));
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int generation_differs(void *arg)
{
    const unsigned *parent = arg;

    return remote_fork_generation() != *parent ? 0 : 1;
}

static void test_generation_in_a_child_is_another(void **state)
{
    unsigned generation = remote_fork_generation();

    (void)state;
    assert_int_equal(remote_fork_generation(), generation);
    assert_int_equal(in_child(generation_differs, &generation), 0);
    assert_int_equal(remote_fork_generation(), generation);
}

static int forks_again(void *arg)
{
    unsigned own = remote_fork_generation();

    (void)arg;
    return in_child(generation_differs, &own);
}

static void test_generation_in_a_grandchild_differs_from_its_parents(void **state)
{
    (void)state;
    assert_int_equal(in_child(forks_again, NULL), 0);
}

/* _Fork() runs no atfork handlers, as vfork() and clone() do not. */
static void test_generation_without_handlers_differs_by_pid(void **state)
{
    unsigned generation = remote_fork_generation();
    int status = 0;
    pid_t pid = _Fork();

    (void)state;
    if (pid == 0)
        _exit(generation_differs(&generation));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static struct remote_lock static_lock = REMOTE_LOCK_STATIC(REMOTE_LOCK_LOG);
static struct remote_lock slot_lock, pool_lock;
static atomic_bool stop;

/* Holds locks most of the time, and makes and destroys one, as opening a slot does. */
static void *work(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        struct remote_lock own;

        remote_lock_acquire(&slot_lock);
        remote_lock_init(&own, REMOTE_LOCK_POOL); /* allowed while a lock is held */
        remote_lock_acquire(&pool_lock);
        remote_lock_enroll(&static_lock);
        remote_lock_acquire(&static_lock);
        remote_lock_release(&static_lock);
        remote_lock_release(&pool_lock);
        remote_lock_destroy(&own); /* allowed: its level is higher than what is held */
        remote_lock_release(&slot_lock);
    }
    return NULL;
}

static int takes_all_locks(void *arg)
{
    struct remote_lock own;

    (void)arg;
    remote_lock_acquire(&slot_lock);
    remote_lock_acquire(&pool_lock);
    remote_lock_acquire(&static_lock);
    remote_lock_release(&static_lock);
    remote_lock_release(&pool_lock);
    remote_lock_release(&slot_lock);
    remote_lock_init(&own, REMOTE_LOCK_FRONT);
    remote_lock_destroy(&own);
    return 0;
}

static void test_fork_while_threads_hold_locks_leaves_them_free_in_both(void **state)
{
    pthread_t workers[WORKERS];

    (void)state;
    remote_lock_init(&slot_lock, REMOTE_LOCK_SLOT);
    remote_lock_init(&pool_lock, REMOTE_LOCK_POOL);
    atomic_store(&stop, false);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&workers[i], NULL, work, NULL), 0);
    for (int i = 0; i < FORKS; i++)
        assert_int_equal(in_child(takes_all_locks, NULL), 0);
    atomic_store(&stop, true);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    assert_int_equal(takes_all_locks(NULL), 0);
    remote_lock_destroy(&pool_lock);
    remote_lock_destroy(&slot_lock);
}

static void *fork_often(void *arg)
{
    int *failed = arg;

    for (int i = 0; i < FORKS / 4; i++)
        *failed |= in_child(takes_all_locks, NULL);
    return NULL;
}

static void test_fork_in_several_threads_at_once_ends(void **state)
{
    pthread_t forkers[4];
    int failed[4] = { 0 };

    (void)state;
    remote_lock_init(&slot_lock, REMOTE_LOCK_SLOT);
    remote_lock_init(&pool_lock, REMOTE_LOCK_POOL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&forkers[i], NULL, fork_often, &failed[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(forkers[i], NULL);
        assert_int_equal(failed[i], 0);
    }
    remote_lock_destroy(&pool_lock);
    remote_lock_destroy(&slot_lock);
}

static void test_destroy_twice_or_of_a_zeroed_lock_does_nothing(void **state)
{
    struct remote_lock lock = { 0 };

    (void)state;
    remote_lock_destroy(NULL);
    remote_lock_destroy(&lock);
    remote_lock_init(&lock, REMOTE_LOCK_SLOT);
    remote_lock_destroy(&lock);
    remote_lock_destroy(&lock);
    assert_false(lock.enrolled);
}

struct waiting {
    struct remote_lock lock;
    struct remote_cond cond;
    bool waits, woken;
};

static void test_cond_wait_past_its_deadline_says_so(void **state)
{
    struct waiting waiting = { 0 };
    int64_t began = remote_now_ms();
    bool in_time = true;

    (void)state;
    remote_lock_init(&waiting.lock, REMOTE_LOCK_SLOT);
    remote_lock_acquire(&waiting.lock);
    remote_cond_init(&waiting.cond);
    while (in_time)
        in_time = remote_cond_wait(&waiting.cond, &waiting.lock, began + 50);
    assert_true(remote_now_ms() >= began + 50);
    assert_false(remote_cond_wait(&waiting.cond, &waiting.lock, -1)); /* never a busy loop */
    remote_cond_destroy(&waiting.cond);
    remote_lock_release(&waiting.lock);
    remote_lock_destroy(&waiting.lock);
}

static void *wait_for_wakeup(void *arg)
{
    struct waiting *waiting = arg;
    bool in_time = true;

    remote_lock_acquire(&waiting->lock);
    waiting->waits = true;
    while (in_time && !waiting->woken)
        in_time = remote_cond_wait(&waiting->cond, &waiting->lock, remote_now_ms() + 10000);
    remote_lock_release(&waiting->lock);
    return in_time ? waiting : NULL;
}

/* What a child does with a condition on which a thread of its parent waits. */
static int uses_inherited_cond(void *arg)
{
    struct waiting *waiting = arg;

    remote_lock_acquire(&waiting->lock);
    remote_cond_broadcast(&waiting->cond);
    remote_cond_wait(&waiting->cond, &waiting->lock, remote_now_ms() + 10);
    remote_cond_broadcast(&waiting->cond);
    remote_cond_destroy(&waiting->cond);
    remote_lock_release(&waiting->lock);
    return 0;
}

static int destroys_inherited_cond(void *arg)
{
    struct waiting *waiting = arg;

    remote_lock_acquire(&waiting->lock);
    remote_cond_destroy(&waiting->cond);
    remote_lock_release(&waiting->lock);
    return 0;
}

static void test_cond_with_lost_waiters_works_in_a_child(void **state)
{
    struct waiting waiting = { 0 };
    bool waits = false;
    pthread_t waiter;
    void *in_time;

    (void)state;
    remote_lock_init(&waiting.lock, REMOTE_LOCK_SLOT);
    remote_lock_acquire(&waiting.lock);
    remote_cond_init(&waiting.cond);
    remote_lock_release(&waiting.lock);
    assert_int_equal(pthread_create(&waiter, NULL, wait_for_wakeup, &waiting), 0);
    while (!waits) {
        remote_lock_acquire(&waiting.lock);
        waits = waiting.waits;
        remote_lock_release(&waiting.lock);
    }
    assert_int_equal(in_child(uses_inherited_cond, &waiting), 0);
    assert_int_equal(in_child(destroys_inherited_cond, &waiting), 0);
    remote_lock_acquire(&waiting.lock);
    waiting.woken = true;
    remote_cond_broadcast(&waiting.cond);
    remote_lock_release(&waiting.lock);
    pthread_join(waiter, &in_time);
    assert_ptr_equal(in_time, &waiting);
    remote_lock_acquire(&waiting.lock);
    remote_cond_destroy(&waiting.cond);
    remote_lock_release(&waiting.lock);
    remote_lock_destroy(&waiting.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generation_in_a_child_is_another),
        cmocka_unit_test(test_generation_in_a_grandchild_differs_from_its_parents),
        cmocka_unit_test(test_generation_without_handlers_differs_by_pid),
        cmocka_unit_test(test_fork_while_threads_hold_locks_leaves_them_free_in_both),
        cmocka_unit_test(test_fork_in_several_threads_at_once_ends),
        cmocka_unit_test(test_destroy_twice_or_of_a_zeroed_lock_does_nothing),
        cmocka_unit_test(test_cond_wait_past_its_deadline_says_so),
        cmocka_unit_test(test_cond_with_lost_waiters_works_in_a_child),
    };

    alarm(50);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
