/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a key now, whatever is cached. */
#include "memory.h"

#define SLOT "[slot web]\nbackend = memory\nurl = https://a\ntimeout = 3s\ncache = 5m\n"

static void test_read_asks_the_service_and_tells_every_version(void **state)
{
    struct remote_slot *slot = memory_open(SLOT);
    struct remote_key_list shown = { 0 }, all = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    memory_add_key("k", 1);
    remote_key_unref(memory_find(slot, "k"));
    memory_add_key("k", 2);
    assert_ok(remote_slot_read(slot, "k", &shown, &all, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_READ), 2);
    assert_int_equal(shown.count, 1);
    assert_int_equal(shown.keys[0]->version, 2);
    assert_int_equal(all.count, 2);
    assert_int_equal(all.keys[0]->version, 1);
    remote_key_list_clear(&shown);
    remote_key_list_clear(&all);
}

static void test_read_of_a_service_that_is_away_fails_and_what_was_known_stays(void **state)
{
    struct remote_slot *slot = memory_open(SLOT);
    struct remote_key_list shown = { 0 }, all = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    memory_add_key("k", 1);
    remote_key_unref(memory_find(slot, "k"));
    memory_rule((struct memory_rule){ .fate = MEMORY_REFUSE });
    assert_int_equal(remote_slot_read(slot, "k", &shown, &all, &err), REMOTE_E_UNAVAILABLE);
    assert_int_equal(shown.count + all.count, 0);
    remote_key_unref(memory_find(slot, "k"));
}

static void test_read_of_a_key_that_is_gone_finds_nothing_from_then_on(void **state)
{
    struct remote_slot *slot = memory_open(SLOT);
    struct remote_key_list shown = { 0 }, all = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    memory_add_key("k", 1);
    remote_key_unref(memory_find(slot, "k"));
    memory.key_count = 0;
    assert_ok(remote_slot_read(slot, "k", &shown, &all, &err), err);
    assert_int_equal(shown.count + all.count, 0);
    assert_ok(remote_slot_find_label(slot, "k", &shown, &err), err);
    assert_int_equal(shown.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, memory_setup, memory_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_read_asks_the_service_and_tells_every_version),
        TEST(test_read_of_a_service_that_is_away_fails_and_what_was_known_stays),
        TEST(test_read_of_a_key_that_is_gone_finds_nothing_from_then_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
