/* SPDX-License-Identifier: Apache-2.0 */
/* The file with the names of keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ehsm.h"
#include "libctx.h"
#include "slot_private.h"
#include "temp_dir.h"

#define APPID "8d5dd3b8-3996-40f5-9785-dcb8265981ba"
#define KEYID "aac3e45a-d3dc-4791-89b6-4ada0e38e6ef"
#define OTHER "c671f89b-d068-4a79-9eeb-d3b11a8f155e"

static struct remote_guard guard;
static struct remote_config config;
static struct remote_slot *slot;
static char path[PATH_MAX + 16];

static int setup(void **state)
{
    if (temp_dir_make(state) != 0 || remote_guard_enter(&guard, NULL) != REMOTE_OK)
        return -1;
    snprintf(path, sizeof(path), "%s/names", temp_dir);
    return 0;
}

static int teardown(void **state)
{
    remote_slot_close(slot);
    slot = NULL;
    remote_config_clear(&config);
    remote_guard_leave(&guard);
    unlink(path);
    return temp_dir_remove(state);
}

static struct ehsm *open_slot(const char *lines)
{
    static char text[2 * PATH_MAX];
    FILE *out = lines ? fopen(path, "w") : NULL;

    if (lines != NULL) {
        assert_non_null(out);
        fputs(lines, out);
        fclose(out);
    }
    snprintf(text, sizeof(text),
             "[slot e]\nbackend = ehsm\nurl = https://127.0.0.1:1\npin = apikey\nappid = " APPID
             "\nnames_file = %s\n",
             path);
    assert_int_equal(remote_config_parse("t", remote_slice_str(text), &config, NULL), REMOTE_OK);
    slot = remote_slot_open(NULL, config.slots[0]);
    assert_non_null(slot);
    return (struct ehsm *)slot->conn;
}

static void check_keyid(struct ehsm *ehsm, const char *name, const char *expected)
{
    char keyid[EHSM_UUID_LEN + 1] = "";
    enum remote_rc rc = ehsm_keyid_of(ehsm, name, keyid, NULL);

    assert_int_equal(rc, expected ? REMOTE_OK : REMOTE_E_NOT_FOUND);
    if (expected != NULL)
        assert_string_equal(keyid, expected);
}

static void check_name(struct ehsm *ehsm, const char *keyid, const char *expected)
{
    struct remote_buf name = { 0 };

    ehsm_name_of(ehsm, keyid, &name);
    assert_string_equal((const char *)name.data, expected);
    remote_buf_clear(&name);
}

static void test_name_when_in_the_file_then_found_both_ways(void **state)
{
    struct ehsm *ehsm = open_slot("# ours\n" KEYID " db key\n\nnot a line\n" OTHER " web");

    (void)state;
    check_keyid(ehsm, "db key", KEYID);
    check_keyid(ehsm, "web", OTHER);
    check_keyid(ehsm, OTHER, OTHER);
    check_keyid(ehsm, "line", NULL);
    check_name(ehsm, KEYID, "db key");
    check_name(ehsm, APPID, APPID);
}

static void test_lines_when_several_for_one_then_the_last_counts(void **state)
{
    struct ehsm *ehsm =
        open_slot(KEYID " old\n" OTHER " taken\n" KEYID " new\n" KEYID " taken\n" OTHER "\n");

    (void)state;
    check_keyid(ehsm, "taken", KEYID);
    check_keyid(ehsm, "new", NULL);
    check_name(ehsm, KEYID, "taken");
    check_name(ehsm, OTHER, OTHER);
}

static void test_name_when_two_keys_have_it_then_the_later_line(void **state)
{
    struct ehsm *ehsm = open_slot(OTHER " same\n" KEYID " same\n");

    (void)state;
    check_keyid(ehsm, "same", KEYID);
    check_name(ehsm, OTHER, OTHER);
}

static void test_name_when_given_then_in_the_file_and_found_at_once(void **state)
{
    struct ehsm *ehsm = open_slot(NULL);

    (void)state;
    assert_non_null(ehsm);
    check_name(ehsm, KEYID, KEYID);
    assert_int_equal(ehsm_names_give(ehsm, KEYID, "web", NULL), REMOTE_OK);
    check_keyid(ehsm, "web", KEYID);
    assert_int_equal(ehsm_names_give(ehsm, KEYID, NULL, NULL), REMOTE_OK);
    check_keyid(ehsm, "web", NULL);
}

static void test_name_when_it_will_not_do_then_says_what_would(void **state)
{
    static const char *const bad[] = { "", " a", "a ", "a\nb", KEYID };
    struct ehsm *ehsm = open_slot("");
    struct remote_error err = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(ehsm_names_check(ehsm, bad[i], &err), REMOTE_E_PARAM);
    assert_non_null(strstr(err.text, "will not do as a name"));
    assert_int_equal(ehsm_names_check(ehsm, "web server", &err), REMOTE_OK);
}

static void test_file_when_others_may_write_it_then_the_slot_is_broken(void **state)
{
    (void)state;
    (void)open_slot("");
    remote_slot_close(slot);
    remote_config_clear(&config);
    assert_int_equal(chmod(path, 0666), 0);
    assert_null(open_slot(NULL));
    assert_non_null(strstr(slot->broken.text, "names_file"));
    assert_non_null(strstr(slot->broken.text, "chmod o-w"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_name_when_in_the_file_then_found_both_ways),
        TEST(test_lines_when_several_for_one_then_the_last_counts),
        TEST(test_name_when_two_keys_have_it_then_the_later_line),
        TEST(test_name_when_given_then_in_the_file_and_found_at_once),
        TEST(test_name_when_it_will_not_do_then_says_what_would),
        TEST(test_file_when_others_may_write_it_then_the_slot_is_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
