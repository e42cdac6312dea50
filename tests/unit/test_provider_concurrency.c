/* SPDX-License-Identifier: Apache-2.0 */
/* One key in many threads, and in children of a process that has threads. */
#include "provider_tls.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8
#define ROUNDS 12

static const char *const labels[] = { "rsa", "ec", "ed" };

struct work {
    EVP_PKEY *keys[3], *halves[3];
    atomic_uint failures;
};

static const struct host_signing *how(size_t key)
{
    static const struct host_signing digest = { "SHA256", 0, 0, NULL }, none = { NULL, 0, 0, NULL };

    return key == 2 ? &none : &digest;
}

/* cmocka's assertions are for the main thread. */
static bool sign_once(const struct work *work, size_t key)
{
    unsigned char sig[512];
    size_t len = host_sign(work->keys[key], how(key), sig);

    return len > 0 && host_verify(work->halves[key], how(key), sig, len) &&
           host_verify(work->keys[key], how(key), sig, len);
}

static void *run(void *arg)
{
    struct work *work = arg;

    for (size_t i = 0; i < ROUNDS; i++) {
        EVP_PKEY *fresh = host_key_of(host.ctx, "hsmbridge:slot=web;object=ec");

        if (fresh == NULL || EVP_PKEY_eq(fresh, work->keys[1]) != 1 || !sign_once(work, i % 3))
            atomic_fetch_add(&work->failures, 1);
        EVP_PKEY_free(fresh);
    }
    return NULL;
}

static void open_work(struct work *work)
{
    for (size_t i = 0; i < 3; i++) {
        work->keys[i] = host_key(labels[i]);
        work->halves[i] = host_default_half(work->keys[i]);
    }
    atomic_init(&work->failures, 0);
}

static void close_work(struct work *work)
{
    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY_free(work->keys[i]);
        EVP_PKEY_free(work->halves[i]);
    }
}

static void run_threads(struct work *work)
{
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, run, work) != 0)
            abort();
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void test_keys_when_shared_by_threads_then_all_sign(void **state)
{
    struct work work;

    (void)state;
    open_work(&work);
    run_threads(&work);
    assert_int_equal(work.failures, 0);
    assert_int_equal(fake.open, 1);
    close_work(&work);
}

static pid_t start_child(struct work *work)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    alarm(50);
    run_threads(work);
    _exit(work->failures == 0 ? 0 : 1);
}

/*
 * As nginx does it: keys are loaded and used before the workers are made. (A fork while other
 * threads are inside the host's own libcrypto would leave its locks taken in the child, with or
 * without us.)
 */
static void test_keys_when_loaded_before_a_fork_then_children_sign(void **state)
{
    struct work work;
    pid_t children[3];

    (void)state;
    open_work(&work);
    run_threads(&work);
    for (size_t i = 0; i < ARRAY_SIZE(children); i++)
        children[i] = start_child(&work);
    run_threads(&work);
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        int status = -1;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(work.failures, 0);
    close_work(&work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOST_TEST(test_keys_when_shared_by_threads_then_all_sign),
        HOST_TEST_WITH(test_keys_when_shared_by_threads_then_all_sign, host_start_ours),
        HOST_TEST(test_keys_when_loaded_before_a_fork_then_children_sign),
    };

    return HOST_GROUP(tests);
}
