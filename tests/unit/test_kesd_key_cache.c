/* SPDX-License-Identifier: Apache-2.0 */
/* Keys at hand: how long, and who fetches them. The clock is memory.h's. */
#include "memory.h"

#include <stdio.h>

#include "kesd_vectors.h"
#include "key_cache.h"

static struct kesd_key_room *room;
static struct kesd_key_cache *cache;

static struct { /* the store */
    atomic_uint loads;
    enum remote_rc rc;
    void (*during)(void);
} source;

static enum remote_rc load(void *arg, const char *name, struct kesd_kept_key **ret,
                           struct remote_error *err)
{
    CLEANUP(kes_stored_clear) struct kes_stored stored = { 0 };

    (void)arg;
    atomic_fetch_add(&source.loads, 1);
    if (source.during != NULL)
        source.during();
    if (source.rc != REMOTE_OK)
        return REMOTE_FAIL(err, source.rc, "the store has no %s now", name);
    assert_int_equal(kes_stored_read(remote_slice_str(KESD_STORED_AES), &stored, NULL), REMOTE_OK);
    return kesd_kept_key_new(room, &stored, ret, err);
}

static void open_cache(int64_t any_ms, int64_t unused_ms, int64_t offline_ms)
{
    const struct kesd_cache_source from = {
        .load = load, .any_ms = any_ms, .unused_ms = unused_ms, .offline_ms = offline_ms
    };

    assert_int_equal(kesd_key_cache_new(&from, &cache, NULL), REMOTE_OK);
}

static int setup(void **state)
{
    atomic_store(&source.loads, 0);
    source.rc = REMOTE_OK;
    source.during = NULL;
    return memory_setup(state) == 0 && kesd_key_room_new(&room, NULL) == REMOTE_OK ? 0 : -1;
}

static int teardown(void **state)
{
    kesd_key_cache_free(cache);
    cache = NULL;
    kesd_key_room_free(room);
    return memory_teardown(state);
}

static enum remote_rc use(const char *name)
{
    struct kesd_kept_key *key = NULL;
    struct remote_error err = { 0 };
    enum remote_rc rc = kesd_key_cache_get(cache, name, &key, &err);

    if (rc == REMOTE_OK)
        assert_int_equal(key->bytes[31], 31);
    else
        assert_says(err.text, name);
    kesd_kept_key_unref(key);
    return rc;
}

static void assert_used(const char *name, unsigned loads)
{
    assert_int_equal(use(name), REMOTE_OK);
    assert_int_equal(atomic_load(&source.loads), loads);
}

static void test_key_when_used_again_then_not_read_again_for_any(void **state)
{
    (void)state;
    open_cache(5000, 0, 0);
    assert_false(kesd_key_cache_is_near(cache, "a"));
    assert_used("a", 1);
    assert_true(kesd_key_cache_is_near(cache, "a"));
    memory_advance(4899);
    assert_true(kesd_key_cache_is_near(cache, "a"));
    memory_advance(100);
    assert_false(
        kesd_key_cache_is_near(cache, "a")); /* not for long: whoever may not wait is told */
    assert_used("a", 1);
    memory_advance(1);
    assert_used("a", 2);
}

static void test_key_when_nobody_uses_it_then_read_again_before_any(void **state)
{
    (void)state;
    open_cache(5000, 1000, 0);
    assert_used("a", 1);
    for (int i = 0; i < 4; i++) {
        memory_advance(900);
        assert_used("a", 1);
    }
    memory_advance(1000);
    assert_used("a", 2);
}

static void test_key_when_any_is_zero_then_read_for_every_use(void **state)
{
    (void)state;
    open_cache(0, 0, 0);
    assert_used("a", 1);
    assert_used("a", 2);
    assert_false(kesd_key_cache_is_near(cache, "a"));
}

static void test_store_when_away_then_a_key_does_for_offline_and_is_asked_once_a_second(
    void **state)
{
    (void)state;
    open_cache(1000, 0, 10000);
    assert_used("a", 1);
    memory_advance(1000);
    source.rc = REMOTE_E_UNAVAILABLE;
    assert_used("a", 2); /* asked in vain */
    assert_true(kesd_key_cache_is_near(cache, "a"));
    assert_used("a", 2);
    memory_advance(1000);
    assert_used("a", 3);
    assert_int_equal(use("b"), REMOTE_E_UNAVAILABLE);
    memory_advance(9000);
    assert_int_equal(use("a"), REMOTE_E_UNAVAILABLE);
    source.rc = REMOTE_OK;
    assert_int_equal(use("a"), REMOTE_OK);
}

static void test_key_when_gone_from_the_store_then_offline_does_not_keep_it(void **state)
{
    (void)state;
    open_cache(1000, 0, 10000);
    assert_used("a", 1);
    memory_advance(1000);
    source.rc = REMOTE_E_NOT_FOUND;
    assert_int_equal(use("a"), REMOTE_E_NOT_FOUND);
    source.rc = REMOTE_E_UNAVAILABLE;
    assert_int_equal(use("a"), REMOTE_E_UNAVAILABLE);
}

static void test_key_when_dropped_then_read_again(void **state)
{
    (void)state;
    open_cache(5000, 0, 5000);
    assert_used("a", 1);
    kesd_key_cache_drop(cache, "a");
    kesd_key_cache_drop(cache, "never there");
    source.rc = REMOTE_E_NOT_FOUND;
    assert_int_equal(use("a"), REMOTE_E_NOT_FOUND);
}

static void drop_now(void)
{
    kesd_key_cache_drop(cache, "a");
}

/* What was read before the key was deleted must not come back. */
static void test_key_when_dropped_while_it_is_read_then_not_kept(void **state)
{
    (void)state;
    open_cache(5000, 0, 0);
    source.during = drop_now;
    assert_used("a", 1);
    source.during = NULL;
    assert_false(kesd_key_cache_is_near(cache, "a"));
    assert_used("a", 2);
}

static struct kesd_kept_key *make_key(void)
{
    struct kesd_kept_key *key = NULL;

    assert_int_equal(load(NULL, "", &key, NULL), REMOTE_OK);
    return key;
}

static void put_now(void)
{
    struct kesd_kept_key *key;

    source.during = NULL;
    key = make_key();
    kesd_key_cache_put(cache, "a", key);
    kesd_kept_key_unref(key);
    source.rc = REMOTE_E_NOT_FOUND; /* what the reader saw before */
}

static void test_key_when_made_while_it_is_read_then_kept(void **state)
{
    (void)state;
    open_cache(5000, 0, 0);
    source.during = put_now;
    assert_int_equal(use("a"), REMOTE_E_NOT_FOUND);
    assert_true(kesd_key_cache_is_near(cache, "a"));
    assert_used("a", 2);
}

static void test_tick_when_time_is_over_then_the_bytes_are_wiped(void **state)
{
    struct kesd_kept_key *key = NULL;
    const unsigned char *bytes;

    (void)state;
    open_cache(1000, 0, 0);
    assert_int_equal(kesd_key_cache_get(cache, "a", &key, NULL), REMOTE_OK);
    bytes = key->bytes;
    kesd_kept_key_unref(key);
    kesd_key_cache_tick(cache);
    assert_int_equal(bytes[31], 31);
    memory_advance(1000);
    kesd_key_cache_tick(cache);
    assert_int_equal(bytes[31], 0); /* the room still has the page */
}

static void test_cache_when_full_then_keeps_those_used_last(void **state)
{
    char name[16];

    (void)state;
    open_cache(1000000, 0, 0);
    for (unsigned i = 0; i < 2 * KESD_CACHE_MAX; i++) {
        snprintf(name, sizeof(name), "k%u", i);
        assert_int_equal(use(name), REMOTE_OK);
        memory_advance(1);
        assert_int_equal(use("first"), REMOTE_OK);
    }
    assert_int_equal(atomic_load(&source.loads), 2 * KESD_CACHE_MAX + 1); /* "first" once */
    assert_false(kesd_key_cache_is_near(cache, "k0"));
    assert_true(kesd_key_cache_is_near(cache, name));
}

static void use_together(void *arg, size_t index)
{
    (void)arg, (void)index;
    for (int i = 0; i < 200; i++)
        assert_int_equal(use("a"), REMOTE_OK);
}

static void take_a_while(void)
{
    const struct timespec pause = { .tv_nsec = 50000000 };

    nanosleep(&pause, NULL);
}

static void test_key_when_many_want_it_at_once_then_one_reads_it(void **state)
{
    (void)state;
    memory.real_time = true;
    open_cache(600000, 0, 0);
    source.during = take_a_while;
    memory_threads(8, use_together, NULL);
    assert_int_equal(atomic_load(&source.loads), 1);
}

static void fail_together(void *arg, size_t index)
{
    (void)arg, (void)index;
    assert_int_equal(use("a"), REMOTE_E_UNAVAILABLE);
}

static void test_reading_when_it_fails_then_all_who_waited_hear_why(void **state)
{
    (void)state;
    memory.real_time = true;
    open_cache(600000, 0, 0);
    source.during = take_a_while;
    source.rc = REMOTE_E_UNAVAILABLE;
    memory_threads(8, fail_together, NULL);
    assert_in_range(atomic_load(&source.loads), 1, 8);
    assert_false(kesd_key_cache_is_near(cache, "a"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_key_when_used_again_then_not_read_again_for_any),
        TEST(test_key_when_nobody_uses_it_then_read_again_before_any),
        TEST(test_key_when_any_is_zero_then_read_for_every_use),
        TEST(test_store_when_away_then_a_key_does_for_offline_and_is_asked_once_a_second),
        TEST(test_key_when_gone_from_the_store_then_offline_does_not_keep_it),
        TEST(test_key_when_dropped_then_read_again),
        TEST(test_key_when_dropped_while_it_is_read_then_not_kept),
        TEST(test_key_when_made_while_it_is_read_then_kept),
        TEST(test_tick_when_time_is_over_then_the_bytes_are_wiped),
        TEST(test_cache_when_full_then_keeps_those_used_last),
        TEST(test_key_when_many_want_it_at_once_then_one_reads_it),
        TEST(test_reading_when_it_fails_then_all_who_waited_hear_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
