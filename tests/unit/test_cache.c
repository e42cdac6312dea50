/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"
#include "cache.h"

static struct remote_cache cache;

static int setup(void **state)
{
    (void)state;
    remote_cache_init(&cache);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remote_cache_clear(&cache);
    return 0;
}

/* One version, with this byte for an id. */
static void store(const char *name, unsigned char id, int64_t now_ms)
{
    struct remote_key_list keys = { 0 };
    struct remote_key *key = remote_key_new(NULL, name, 1, NULL);

    memset(key->id, id, key->id_len = 20);
    assert_int_equal(remote_key_list_add(&keys, key, NULL), REMOTE_OK);
    remote_key_unref(key);
    remote_cache_store(remote_cache_obtain(&cache, name), &keys, now_ms);
    assert_int_equal(keys.count, 0); /* it was taken over */
}

static void test_find_in_an_empty_cache_is_nothing(void **state)
{
    size_t count = 7;
    int64_t read_ms;

    (void)state;
    assert_null(remote_cache_find(&cache, "k"));
    assert_null(remote_cache_find_id(&cache, remote_slice_str("id"), &read_ms));
    assert_null(remote_cache_sorted(&cache, &count));
    assert_int_equal(count, 0);
}

static void test_obtain_makes_an_entry_once(void **state)
{
    struct remote_cache_entry *entry = remote_cache_obtain(&cache, "k");

    (void)state;
    assert_non_null(entry);
    assert_true(entry->read_ms == INT64_MIN); /* never read */
    assert_ptr_equal(remote_cache_obtain(&cache, "k"), entry);
    assert_ptr_equal(remote_cache_find(&cache, "k"), entry);
    assert_null(remote_cache_find(&cache, "K"));
    assert_int_equal(cache.entry_count, 1);
}

static void test_many_entries_are_all_found_and_sorted(void **state)
{
    struct remote_cache_entry **sorted;
    size_t count;
    char name[32];

    (void)state;
    for (int i = 9999; i >= 0; i--) {
        snprintf(name, sizeof(name), "key-%04d", i);
        assert_non_null(remote_cache_obtain(&cache, name));
    }
    sorted = remote_cache_sorted(&cache, &count);
    assert_int_equal(count, 10000);
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "key-%04zu", i);
        assert_string_equal(sorted[i]->name, name);
        assert_ptr_equal(remote_cache_find(&cache, name), sorted[i]);
    }
    free(sorted);
}

static void test_store_replaces_what_was_there(void **state)
{
    int64_t read_ms = 0;
    unsigned char id[20];

    (void)state;
    store("k", 1, 100);
    store("k", 2, 200);
    memset(id, 1, sizeof(id));
    assert_null(remote_cache_find_id(&cache, remote_slice(id, 20), &read_ms));
    memset(id, 2, sizeof(id));
    assert_non_null(remote_cache_find_id(&cache, remote_slice(id, 20), &read_ms));
    assert_int_equal(read_ms, 200);
    assert_null(remote_cache_find_id(&cache, remote_slice(id, 19), &read_ms));
}

static void test_key_in_use_outlives_its_entry(void **state)
{
    struct remote_key *key;

    (void)state;
    store("k", 1, 100);
    key = remote_key_ref(remote_cache_find(&cache, "k")->keys.keys[0]);
    store("k", 2, 200);
    assert_string_equal(key->name, "k");
    assert_int_equal(key->id[0], 1);
    remote_key_unref(key);
}

static void test_listing_marks_what_it_did_not_have_as_missing(void **state)
{
    (void)state;
    store("old", 1, 100);
    store("new", 2, 200);
    store("busy", 3, 100);
    remote_cache_find(&cache, "busy")->reading = true;
    remote_cache_expire_unlisted(&cache, 150, 300);
    assert_int_equal(remote_cache_find(&cache, "old")->keys.count, 0);
    assert_int_equal(remote_cache_find(&cache, "old")->read_ms, 300);
    assert_int_equal(remote_cache_find(&cache, "new")->keys.count, 1);
    assert_int_equal(remote_cache_find(&cache, "busy")->keys.count, 1);
}

static void test_clear_forgets_everything_and_may_be_used_again(void **state)
{
    (void)state;
    store("k", 1, 100);
    cache.listed_ms = 5;
    remote_cache_clear(&cache);
    assert_null(remote_cache_find(&cache, "k"));
    assert_true(cache.listed_ms == INT64_MIN);
    store("k", 1, 100);
    assert_non_null(remote_cache_find(&cache, "k"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_find_in_an_empty_cache_is_nothing),
        TEST(test_obtain_makes_an_entry_once),
        TEST(test_many_entries_are_all_found_and_sorted),
        TEST(test_store_replaces_what_was_there),
        TEST(test_key_in_use_outlives_its_entry),
        TEST(test_listing_marks_what_it_did_not_have_as_missing),
        TEST(test_clear_forgets_everything_and_may_be_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
