/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "temp_dir.h"

#include "store.h"

#define THREADS 8

static struct kesd_store *store;

static int setup(void **state)
{
    return temp_dir_make(state) == 0 &&
                   kesd_store_open_directory(temp_dir, &store, NULL) == REMOTE_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    store->ops->close(store);
    return temp_dir_remove(state);
}

static enum remote_rc create(const char *name, const char *text)
{
    return store->ops->create(store, name, remote_slice_str(text), NULL);
}

static void assert_reads(const char *name, const char *text)
{
    CLEANUP(remote_secret_clear) struct remote_secret read = { 0 };

    assert_int_equal(store->ops->read(store, name, &read, NULL), REMOTE_OK);
    assert_string_equal((char *)read.data, text);
}

static size_t count_files(void)
{
    DIR *dir = opendir(temp_dir);
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count - 2; /* . and .. */
}

static void test_create_when_new_then_one_file_for_its_owner_alone(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(create("key", "text"), REMOTE_OK);
    assert_int_equal(stat(path_of("key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(count_files(), 1);
    assert_reads("key", "text");
}

static void test_create_when_there_then_it_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(create("key", "one"), REMOTE_OK);
    assert_int_equal(create("key", "two"), REMOTE_E_EXISTS);
    assert_reads("key", "one");
    assert_int_equal(count_files(), 1);
    assert_int_equal(symlink("nowhere", path_of("link")), 0);
    assert_int_equal(create("link", "two"), REMOTE_E_EXISTS);
}

static void *race(void *arg)
{
    char text[] = "a whole text that says who wrote it: ?";

    text[sizeof(text) - 2] = (char)('0' + *(int *)arg);
    *(int *)arg = create("raced", text) == REMOTE_OK;
    return NULL;
}

static void test_create_when_many_at_once_then_one_wins(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        pthread_t threads[THREADS];
        int numbers[THREADS], winners = 0;

        for (int i = 0; i < THREADS; i++) {
            numbers[i] = i;
            assert_int_equal(pthread_create(&threads[i], NULL, race, &numbers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            winners += numbers[i];
        }
        assert_int_equal(winners, 1);
        assert_int_equal(count_files(), 1);
        assert_int_equal(store->ops->remove(store, "raced", NULL), REMOTE_OK);
    }
}

static void test_list_when_there_are_other_files_then_only_what_can_be_keys(void **state)
{
    CLEANUP(kesd_names_clear) struct kesd_names names = { 0 };

    (void)state;
    assert_int_equal(create("b", "1"), REMOTE_OK);
    assert_int_equal(create("a", "2"), REMOTE_OK);
    make_file("-x", "", 0600);
    make_file("a.bak", "", 0600);
    make_file(".hsmbridge-kes-AbCdEf", "", 0600);
    assert_int_equal(mkdir(path_of("folder"), 0700), 0);
    assert_int_equal(store->ops->list(store, &names, NULL), REMOTE_OK);
    kesd_names_choose(&names, "", 10);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.names[0], "a");
    assert_string_equal(names.names[1], "b");
}

static void test_key_when_absent_then_not_found(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret read = { 0 };

    (void)state;
    assert_int_equal(store->ops->read(store, "none", &read, NULL), REMOTE_E_NOT_FOUND);
    assert_int_equal(store->ops->remove(store, "none", NULL), REMOTE_E_NOT_FOUND);
    assert_int_equal(store->ops->probe(store, NULL), REMOTE_OK);
}

/* A real KES says 404 here, which clients take for a key that was deleted. */
static void test_everything_when_the_directory_is_gone_then_unavailable(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret read = { 0 };
    CLEANUP(kesd_names_clear) struct kesd_names names = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(rmdir(temp_dir), 0);
    assert_int_equal(store->ops->read(store, "key", &read, &err), REMOTE_E_UNAVAILABLE);
    assert_non_null(strstr(err.text, temp_dir));
    assert_int_equal(create("key", "text"), REMOTE_E_UNAVAILABLE);
    assert_int_equal(store->ops->remove(store, "key", NULL), REMOTE_E_UNAVAILABLE);
    assert_int_equal(store->ops->list(store, &names, NULL), REMOTE_E_UNAVAILABLE);
    assert_int_equal(store->ops->probe(store, NULL), REMOTE_E_UNAVAILABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_create_when_new_then_one_file_for_its_owner_alone),
        TEST(test_create_when_there_then_it_is_left_alone),
        TEST(test_create_when_many_at_once_then_one_wins),
        TEST(test_list_when_there_are_other_files_then_only_what_can_be_keys),
        TEST(test_key_when_absent_then_not_found),
        TEST(test_everything_when_the_directory_is_gone_then_unavailable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
