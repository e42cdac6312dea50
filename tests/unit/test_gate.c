/* SPDX-License-Identifier: Apache-2.0 */
#include "gate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "fork.h"

#define MOMENT_US 100000

/* Its enrolment registers the handlers of fork.c. */
static struct remote_lock lock = REMOTE_LOCK_STATIC(REMOTE_LOCK_FRONT);

static int enroll(void **state)
{
    (void)state;
    remote_lock_enroll(&lock);
    return 0;
}

/* A thread that is inside for a moment; the gate behind it is open again. */
struct visitor {
    pthread_t thread;
    atomic_bool inside, left;
    bool steps_out; /* goes on waiting, outside, until `home` */
    atomic_bool home;
};

static void *visit(void *arg)
{
    struct visitor *visitor = arg;

    remote_gate_enter();
    atomic_store(&visitor->inside, true);
    usleep(MOMENT_US);
    atomic_store(&visitor->left, true);
    if (visitor->steps_out) {
        unsigned depth = remote_gate_step_out();

        while (!atomic_load(&visitor->home))
            usleep(1000);
        remote_gate_step_in(depth);
    }
    remote_gate_leave();
    return NULL;
}

static void start(struct visitor *visitor)
{
    assert_int_equal(pthread_create(&visitor->thread, NULL, visit, visitor), 0);
    while (!atomic_load(&visitor->inside))
        usleep(1000);
}

static void finish(struct visitor *visitor)
{
    atomic_store(&visitor->home, true);
    assert_int_equal(pthread_join(visitor->thread, NULL), 0);
}

/* The child goes in and out, and forks itself; 0 when all of that works. */
static int child_uses_gate(void)
{
    int status = 0;
    pid_t pid;

    alarm(5);
    remote_gate_enter();
    remote_gate_leave();
    pid = fork();
    if (pid == 0)
        _exit(0);
    return waitpid(pid, &status, 0) == pid ? status : 1;
}

static void check_child(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_fork_when_a_thread_is_inside_then_waits_until_it_is_out(void **state)
{
    struct visitor visitor = { 0 };
    pid_t pid;

    (void)state;
    start(&visitor);
    pid = fork();
    if (pid == 0)
        _exit(atomic_load(&visitor.left) ? child_uses_gate() : 2);
    assert_true(atomic_load(&visitor.left));
    check_child(pid);
    finish(&visitor);
}

static void test_fork_when_a_thread_has_stepped_out_then_does_not_wait_for_it(void **state)
{
    struct visitor visitor = { .steps_out = true };
    pid_t pid;

    (void)state;
    start(&visitor);
    pid = fork();
    if (pid == 0)
        _exit(child_uses_gate());
    assert_false(atomic_load(&visitor.home));
    check_child(pid);
    finish(&visitor);
}

static void test_fork_when_made_from_inside_then_both_are_inside_still(void **state)
{
    pid_t pid;

    (void)state;
    remote_gate_enter();
    remote_gate_enter();
    pid = fork();
    if (pid == 0) {
        int inside = remote_gate_step_out() == 2 ? 0 : 3;

        _exit(inside ? inside : child_uses_gate());
    }
    check_child(pid);
    assert_int_equal(remote_gate_step_out(), 2);
}

struct waiter {
    struct remote_cond cond;
    bool ready, go; /* under the lock */
};

static void *wait_inside(void *arg)
{
    struct waiter *waiter = arg;

    remote_gate_enter();
    remote_lock_acquire(&lock);
    waiter->ready = true;
    while (!waiter->go)
        (void)remote_cond_wait(&waiter->cond, &lock, remote_now_ms() + 10000);
    remote_lock_release(&lock);
    remote_gate_leave();
    return NULL;
}

static void await_ready(struct waiter *waiter)
{
    bool ready = false;

    while (!ready) {
        remote_lock_acquire(&lock); /* free again only once it waits */
        ready = waiter->ready;
        remote_lock_release(&lock);
    }
}

static void test_cond_wait_when_inside_then_a_fork_does_not_wait_for_it(void **state)
{
    struct waiter waiter = { .ready = false };
    pthread_t thread;
    pid_t pid;

    (void)state;
    remote_cond_init(&waiter.cond);
    assert_int_equal(pthread_create(&thread, NULL, wait_inside, &waiter), 0);
    await_ready(&waiter);
    alarm(5); /* ends a fork that waits all the same */
    pid = fork();
    if (pid == 0)
        _exit(child_uses_gate());
    alarm(0);
    check_child(pid);
    remote_lock_acquire(&lock);
    waiter.go = true;
    remote_cond_broadcast(&waiter.cond);
    remote_lock_release(&lock);
    assert_int_equal(pthread_join(thread, NULL), 0);
    remote_cond_destroy(&waiter.cond);
}

/* ---- in another module's code ---- */

struct traveller {
    pthread_t thread;
    atomic_bool gone;
    int moment_ms;
};

static void *travel(void *arg)
{
    struct traveller *traveller = arg;
    unsigned depth;

    remote_gate_enter();
    depth = remote_gate_go_abroad();
    atomic_store(&traveller->gone, true);
    usleep((useconds_t)traveller->moment_ms * 1000);
    remote_gate_come_home(depth);
    remote_gate_leave();
    return NULL;
}

/* Forks while a thread is abroad for so long; returns how long the fork took. */
static int64_t fork_meanwhile(int moment_ms, bool *ret_cut_off)
{
    struct traveller traveller = { .moment_ms = moment_ms };
    int64_t begin, took;
    int status = 0;
    pid_t pid;

    assert_int_equal(pthread_create(&traveller.thread, NULL, travel, &traveller), 0);
    while (!atomic_load(&traveller.gone))
        usleep(1000);
    begin = remote_now_ms();
    pid = fork();
    if (pid == 0) {
        int status_of_use = child_uses_gate();

        _exit(status_of_use != 0 ? 2 : remote_gate_cut_off());
    }
    took = remote_now_ms() - begin;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    assert_false(remote_gate_cut_off()); /* in the parent all goes on */
    assert_int_equal(pthread_join(traveller.thread, NULL), 0);
    *ret_cut_off = WEXITSTATUS(status) == 1;
    return took;
}

static void test_fork_when_a_thread_is_abroad_then_waits_for_its_return(void **state)
{
    bool cut_off = true;

    (void)state;
    assert_true(fork_meanwhile(300, &cut_off) >= 200);
    assert_false(cut_off);
}

static void test_fork_when_a_thread_hangs_abroad_then_child_is_made_and_cut_off(void **state)
{
    bool cut_off = false;

    (void)state;
    alarm(30);
    assert_true(fork_meanwhile(6000, &cut_off) < 5000);
    assert_true(cut_off);
    alarm(0);
}

static void test_fork_when_made_abroad_itself_then_does_not_wait(void **state)
{
    unsigned depth;
    int64_t begin = remote_now_ms();
    pid_t pid;

    (void)state;
    remote_gate_enter();
    depth = remote_gate_go_abroad();
    pid = fork();
    if (pid == 0)
        _exit(remote_gate_cut_off());
    assert_true(remote_now_ms() - begin < 900);
    check_child(pid);
    remote_gate_come_home(depth);
    remote_gate_leave();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fork_when_a_thread_is_inside_then_waits_until_it_is_out),
        cmocka_unit_test(test_fork_when_a_thread_has_stepped_out_then_does_not_wait_for_it),
        cmocka_unit_test(test_fork_when_made_from_inside_then_both_are_inside_still),
        cmocka_unit_test(test_cond_wait_when_inside_then_a_fork_does_not_wait_for_it),
        cmocka_unit_test(test_fork_when_a_thread_is_abroad_then_waits_for_its_return),
        cmocka_unit_test(test_fork_when_a_thread_hangs_abroad_then_child_is_made_and_cut_off),
        cmocka_unit_test(test_fork_when_made_abroad_itself_then_does_not_wait),
    };

    return cmocka_run_group_tests(tests, enroll, NULL);
}
