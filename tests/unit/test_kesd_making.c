/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "making.h"

#define THREADS 8
#define ROUNDS 200

struct scene {
    struct kesd_makings makings;
    atomic_int inside, most, begun;
};

static void *make_again_and_again(void *arg)
{
    struct scene *scene = arg;

    for (int i = 0; i < ROUNDS; i++) {
        struct kesd_making making = { .name = "app" };
        int inside;

        kesd_making_begin(&scene->makings, &making);
        inside = atomic_fetch_add(&scene->inside, 1) + 1;
        if (inside > atomic_load(&scene->most))
            atomic_store(&scene->most, inside);
        atomic_fetch_sub(&scene->inside, 1);
        kesd_making_end(&scene->makings, &making);
    }
    return NULL;
}

static void test_begin_when_threads_make_one_name_then_one_at_a_time(void **state)
{
    struct scene scene = { 0 };
    pthread_t threads[THREADS];

    (void)state;
    kesd_makings_init(&scene.makings);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_again_and_again, &scene), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(scene.most, 1);
    assert_null(scene.makings.first);
    kesd_makings_clear(&scene.makings);
}

static void *make_once(void *arg)
{
    struct scene *scene = arg;
    struct kesd_making making = { .name = "app" };

    kesd_making_begin(&scene->makings, &making);
    atomic_fetch_add(&scene->begun, 1);
    kesd_making_end(&scene->makings, &making);
    return NULL;
}

static void test_begin_when_another_name_is_made_then_does_not_wait(void **state)
{
    struct kesd_making first = { .name = "app" }, other = { .name = "app2" };
    struct scene scene = { 0 };
    pthread_t thread;

    (void)state;
    kesd_makings_init(&scene.makings);
    kesd_making_begin(&scene.makings, &first);
    kesd_making_begin(&scene.makings, &other);
    assert_int_equal(pthread_create(&thread, NULL, make_once, &scene), 0);
    kesd_making_end(&scene.makings, &other);
    nanosleep(&(struct timespec){ 0, 50 * 1000 * 1000 }, NULL);
    assert_int_equal(scene.begun, 0); /* the other's end is none of its name */
    kesd_making_end(&scene.makings, &first);
    pthread_join(thread, NULL);
    assert_int_equal(scene.begun, 1);
    kesd_makings_clear(&scene.makings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begin_when_threads_make_one_name_then_one_at_a_time),
        cmocka_unit_test(test_begin_when_another_name_is_made_then_does_not_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
