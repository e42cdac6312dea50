/* SPDX-License-Identifier: Apache-2.0 */
/* Slots that need each other, or what is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "graph.h"
#include "section.h"

#define VAULT(name) "[slot " name "]\nbackend = vault\nurl = https://a\n"
#define QUORUM(name, members)                                                                      \
    "[slot " name "]\nbackend = quorum\nthreshold = 1\nmembers = " members "\n"

static struct remote_config config;

static void check(const char *text)
{
    struct remote_error err = { 0 };

    remote_config_clear(&config);
    if (remote_config_parse("t.conf", remote_slice_str(text), &config, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    assert_int_equal(remote_graph_check(&config, &err), REMOTE_OK);
}

static void assert_good(size_t index)
{
    struct remote_error err = { 0 };

    if (remote_section_status(config.slots[index], &err) != REMOTE_OK)
        fail_msg("%s", err.text);
}

static void assert_broken(size_t index, const char *what)
{
    struct remote_error err = { 0 };

    assert_int_equal(remote_section_status(config.slots[index], &err), REMOTE_E_CONFIG);
    if (strstr(err.text, what) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, what);
}

static void test_members_when_all_are_there_then_good(void **state)
{
    (void)state;
    check(QUORUM("q", "a/k b/k") VAULT("a") VAULT("b"));
    for (size_t i = 0; i < 3; i++)
        assert_good(i);
}

static void test_member_when_its_slot_is_missing_then_says_which(void **state)
{
    (void)state;
    check(VAULT("a") QUORUM("q", "a/k gone/k"));
    assert_good(0);
    assert_broken(1, "there is no slot 'gone'");
    assert_broken(1, "t.conf");
}

static void test_retired_when_its_slot_is_missing_then_says_which(void **state)
{
    (void)state;
    check(VAULT("a") QUORUM("q", "a/k") "retired = old/k\n");
    assert_broken(1, "there is no slot 'old'");
}

static void test_quorum_when_its_own_member_then_refused(void **state)
{
    (void)state;
    check(VAULT("a") QUORUM("q", "a/k q/q"));
    assert_broken(1, "slot 'q' needs this slot in turn");
    assert_good(0);
}

/* One cut is enough, and the others say what they lack when they are used. */
static size_t broken_ones(void)
{
    size_t broken = 0;

    for (size_t i = 0; i < config.slot_count; i++)
        broken += remote_section_status(config.slots[i], NULL) != REMOTE_OK;
    return broken;
}

static void test_quorums_when_in_a_circle_then_it_is_cut(void **state)
{
    (void)state;
    check(QUORUM("a", "b/b") QUORUM("b", "c/c") QUORUM("c", "a/a"));
    assert_int_equal(broken_ones(), 1);
    assert_broken(2, "slot 'a' needs this slot in turn; slots must not go round in circles");
}

static void test_quorums_when_they_share_a_member_then_no_circle(void **state)
{
    (void)state;
    check(QUORUM("top", "left/left right/right") QUORUM("left", "v/k") QUORUM("right", "v/k")
              VAULT("v"));
    assert_int_equal(broken_ones(), 0);
}

static void test_circle_when_by_way_of_a_retired_member_then_cut(void **state)
{
    (void)state;
    check(QUORUM("a", "v/k") "retired = b/b\n" QUORUM("b", "a/a") VAULT("v"));
    assert_int_equal(broken_ones(), 1);
    assert_broken(1, "slot 'a' needs this slot in turn");
}

static void test_circle_when_by_way_of_a_client_key_then_cut(void **state)
{
    (void)state;
    check(QUORUM("q", "v/k") VAULT("v") "client_cert_file = /c\n"
                                        "client_key_file = pkcs11:token=q;object=q\n");
    assert_int_equal(broken_ones(), 1);
    assert_broken(1, "slot 'q' needs this slot in turn");
}

static void test_member_when_not_slot_and_key_then_left_to_the_backend(void **state)
{
    (void)state;
    check(VAULT("a") QUORUM("q", "a"));
    assert_int_equal(broken_ones(), 0);
}

static int teardown(void **state)
{
    (void)state;
    remote_config_clear(&config);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_when_all_are_there_then_good),
        cmocka_unit_test(test_member_when_its_slot_is_missing_then_says_which),
        cmocka_unit_test(test_retired_when_its_slot_is_missing_then_says_which),
        cmocka_unit_test(test_quorum_when_its_own_member_then_refused),
        cmocka_unit_test(test_quorums_when_in_a_circle_then_it_is_cut),
        cmocka_unit_test(test_quorums_when_they_share_a_member_then_no_circle),
        cmocka_unit_test(test_circle_when_by_way_of_a_retired_member_then_cut),
        cmocka_unit_test(test_circle_when_by_way_of_a_client_key_then_cut),
        cmocka_unit_test(test_member_when_not_slot_and_key_then_left_to_the_backend),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
