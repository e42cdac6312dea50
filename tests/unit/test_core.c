/* SPDX-License-Identifier: Apache-2.0 */
/* Core instances (design sections 1 and 3): shared by path, counted, slots apart. */
#include "memory.h"

#include <sys/wait.h>

#include "temp_dir.h"

static struct {
    char path[PATH_MAX + 64], other[PATH_MAX + 64];
} place;

static void write_file(const char *path, const char *text)
{
    make_file(strrchr(path, '/') + 1, text, 0600);
}

static int setup(void **state)
{
    if (temp_dir_make(state) != 0)
        return -1;
    strcpy(place.path, path_of("one.conf"));
    strcpy(place.other, path_of("two.conf"));
    return memory_setup(state);
}

static int teardown(void **state)
{
    return memory_teardown(state) | temp_dir_remove(state);
}

#define SLOT(name) "[slot " name "]\nbackend = memory\nurl = https://a\n"
#define PIN(name) "[slot " name "]\nbackend = memory-login\nurl = https://a\npin = password\n"

static struct remote_core *open_core(const char *path)
{
    struct remote_core *core = NULL;
    struct remote_error err = { 0 };

    assert_ok(remote_core_open(path, &core, &err), err);
    return core;
}

static void test_same_path_is_the_same_instance_until_the_last_closes_it(void **state)
{
    struct remote_core *first, *second;
    struct remote_slot *slot;

    (void)state;
    memory_add_key("k", 1);
    write_file(place.path, SLOT("web"));
    first = open_core(place.path);
    second = open_core(place.path);
    assert_ptr_equal(first, second);
    slot = remote_core_find_slot(first, "web");
    remote_key_unref(memory_find(slot, "k"));
    remote_core_close(first);
    assert_ptr_equal(remote_core_find_slot(second, "web"), slot); /* with its cache */
    remote_key_unref(memory_find(slot, "k"));
    assert_int_equal(memory.requests, 1);
    remote_core_close(second);
    first = open_core(place.path);
    remote_key_unref(memory_find(remote_core_find_slot(first, "web"), "k"));
    assert_int_equal(memory.requests, 2);
    remote_core_close(first);
}

static void test_released_instance_stays_until_its_path_is_opened_again(void **state)
{
    struct remote_core *core, *shared;

    (void)state;
    write_file(place.path, SLOT("web"));
    core = open_core(place.path);
    shared = open_core(place.path);
    remote_core_release(shared); /* a count like any other */
    assert_non_null(remote_core_find_slot(core, "web"));
    remote_core_release(core);
    write_file(place.path, SLOT("new"));
    core = open_core(place.path);
    assert_null(remote_core_find_slot(core, "web"));
    assert_non_null(remote_core_find_slot(core, "new"));
    remote_core_close(core);
    remote_core_release(NULL);
}

static void test_other_path_is_another_instance(void **state)
{
    struct remote_core *first, *second;

    (void)state;
    write_file(place.path, SLOT("web"));
    write_file(place.other, SLOT("web") SLOT("mail"));
    first = open_core(place.path);
    second = open_core(place.other);
    assert_ptr_not_equal(first, second);
    assert_int_equal(remote_core_slot_count(first), 1);
    assert_int_equal(remote_core_slot_count(second), 2);
    assert_string_equal(remote_slot_name(remote_core_slot(second, 1)), "mail");
    assert_null(remote_core_slot(second, 2));
    assert_null(remote_core_find_slot(first, "mail"));
    assert_string_equal(remote_core_source(first), place.path);
    remote_core_close(first); /* out of the order of opening */
    remote_core_close(second);
    remote_core_close(NULL);
}

static void test_unreadable_configuration_opens_nothing(void **state)
{
    struct remote_core *core = NULL;
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_core_open(place.path, &core, &err), REMOTE_E_CONFIG);
    assert_says(err.text, place.path);
    assert_null(core);
    write_file(place.path, "nonsense\n");
    assert_int_equal(remote_core_open(place.path, &core, &err), REMOTE_E_CONFIG);
    write_file(place.path, SLOT("web")); /* a failure is not remembered */
    remote_core_close(open_core(place.path));
}

static void test_opening_makes_no_request(void **state)
{
    (void)state;
    write_file(place.path, SLOT("a") SLOT("b") PIN("c"));
    remote_core_close(open_core(place.path));
    assert_int_equal(memory.requests, 0);
}

static void test_one_pin_slot_needs_no_pin_shared(void **state)
{
    struct remote_core *core;

    (void)state;
    write_file(place.path, SLOT("web") PIN("p"));
    core = open_core(place.path);
    assert_int_equal(remote_slot_status(remote_core_slot(core, 1), NULL), REMOTE_OK);
    remote_core_close(core);
}

static void test_two_pin_slots_need_pin_shared(void **state)
{
    struct remote_core *core;
    struct remote_error err = { 0 };

    (void)state;
    write_file(place.path, SLOT("web") PIN("p") PIN("q") "pin_shared = yes\n");
    core = open_core(place.path);
    assert_int_equal(remote_slot_status(remote_core_slot(core, 0), &err), REMOTE_OK);
    assert_int_equal(remote_slot_status(remote_core_slot(core, 1), &err), REMOTE_E_CONFIG);
    assert_says(err.text, "[slot p] pin: 2 slots take a PIN");
    assert_says(err.text, "set pin_shared = yes in each");
    assert_int_equal(remote_slot_status(remote_core_slot(core, 2), &err), REMOTE_OK);
    remote_core_close(core);
}

static void test_broken_slot_is_counted_and_the_others_work(void **state)
{
    struct remote_core *core;
    struct remote_error err = { 0 };

    (void)state;
    memory_add_key("k", 1);
    write_file(place.path, "[slot bad]\nbackend = memory\n" SLOT("web"));
    core = open_core(place.path);
    assert_int_equal(remote_core_slot_count(core), 2);
    assert_int_equal(remote_slot_status(remote_core_slot(core, 0), &err), REMOTE_E_CONFIG);
    remote_key_unref(memory_find(remote_core_slot(core, 1), "k"));
    remote_core_close(core);
}

static void test_logins_of_one_slot_are_not_those_of_another(void **state)
{
    struct remote_core *core;
    struct remote_error err = { 0 };

    (void)state;
    write_file(place.path, PIN("p") "pin_shared = yes\n" PIN("q") "pin_shared = yes\n");
    core = open_core(place.path);
    assert_ok(remote_slot_login(remote_core_slot(core, 0), remote_slice_str("pin-right"), &err),
              err);
    assert_true(remote_slot_logged_in(remote_core_slot(core, 0)));
    assert_false(remote_slot_logged_in(remote_core_slot(core, 1)));
    remote_core_close(core);
    core = open_core(place.path); /* the last reference took the PIN with it */
    assert_false(remote_slot_logged_in(remote_core_slot(core, 0)));
    remote_core_close(core);
}

static void open_and_close(void *arg, size_t index)
{
    (void)arg, (void)index;
    for (int i = 0; i < 20; i++) {
        struct remote_core *core = NULL;

        if (remote_core_open(place.path, &core, NULL) != REMOTE_OK ||
            remote_core_find_slot(core, "web") == NULL)
            abort();
        remote_core_close(core);
    }
}

static void test_many_threads_open_and_close_one_path(void **state)
{
    (void)state;
    memory.real_time = true;
    write_file(place.path, SLOT("web"));
    memory_threads(16, open_and_close, NULL);
}

static void test_child_reloads_for_itself(void **state)
{
    struct remote_core *core;
    int status = -1;
    pid_t child;

    (void)state;
    write_file(place.path, SLOT("web"));
    core = open_core(place.path);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        write_file(place.path, SLOT("web") SLOT("new"));
        _exit(remote_core_reload(core, true, NULL) == REMOTE_OK && remote_core_slot_count(core) == 2
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(remote_core_slot_count(core), 1);
    assert_int_equal(remote_core_reload(core, true, NULL), REMOTE_OK);
    assert_int_equal(remote_core_slot_count(core), 2);
    remote_core_close(core);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_same_path_is_the_same_instance_until_the_last_closes_it),
        TEST(test_other_path_is_another_instance),
        TEST(test_unreadable_configuration_opens_nothing),
        TEST(test_released_instance_stays_until_its_path_is_opened_again),
        TEST(test_opening_makes_no_request),
        TEST(test_one_pin_slot_needs_no_pin_shared),
        TEST(test_two_pin_slots_need_pin_shared),
        TEST(test_broken_slot_is_counted_and_the_others_work),
        TEST(test_logins_of_one_slot_are_not_those_of_another),
        TEST(test_many_threads_open_and_close_one_path),
        TEST(test_child_reloads_for_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
