/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration that changes while slots, keys and logins of it are in use (design section 3). */
#include "memory.h"

#include "core_private.h"
#include "log.h"
#include "temp_dir.h"

#define SLOT(name) "[slot " name "]\nbackend = memory\nurl = https://a\n"
#define PIN(name) "[slot " name "]\nbackend = memory-login\nurl = https://a\npin = password\n"

static struct remote_core *core;

static void configure(const char *text)
{
    make_file("one.conf", text, 0600);
}

static void open_core(const char *path)
{
    struct remote_error err = { 0 };

    assert_ok(remote_core_open(path, &core, &err), err);
}

static void start(const char *text)
{
    configure(text);
    open_core(path_of("one.conf"));
}

static void reload(void)
{
    struct remote_error err = { 0 };

    assert_ok(remote_core_reload(core, true, &err), err);
}

static void reload_to(const char *text)
{
    configure(text);
    reload();
}

static struct remote_slot *slot_at(size_t index)
{
    return remote_core_slot(core, index);
}

static void assert_works(size_t index)
{
    remote_key_unref(memory_find(slot_at(index), "k"));
}

static void assert_removed(size_t index)
{
    struct remote_error err = { 0 };

    assert_int_equal(remote_slot_status(slot_at(index), &err), REMOTE_E_CONFIG);
    assert_says(err.text, "was removed from the configuration");
    assert_says(err.text, remote_slot_name(slot_at(index)));
}

static enum remote_rc sign(struct remote_key *key, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf sig = { 0 };
    struct remote_params params = { .alg = REMOTE_ALG_ECDSA, .hash = REMOTE_HASH_SHA256 };
    unsigned char digest[32] = { 0 };

    return remote_key_sign(key, &params, remote_slice(digest, sizeof(digest)), &sig, err);
}

static size_t count_lines(const char *path, const char *part)
{
    char line[1024];
    FILE *file = fopen(path, "r");
    size_t count = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        count += strstr(line, part) != NULL;
    fclose(file);
    return count;
}

static int setup(void **state)
{
    if (temp_dir_make(state) != 0 || memory_setup(state) != 0)
        return -1;
    memory_add_key("k", 1);
    return 0;
}

static int teardown(void **state)
{
    remote_core_close(core);
    core = NULL;
    return remote_log_setup("none", NULL, NULL) != REMOTE_OK || memory_teardown(state) != 0 ||
           temp_dir_remove(state) != 0;
}

/* ---- slots ---- */

static void test_unchanged_slot_keeps_its_cache_and_its_login(void **state)
{
    struct remote_slot *web, *pin;
    struct remote_error err = { 0 };
    size_t requests;

    (void)state;
    start(SLOT("web") PIN("pin"));
    web = slot_at(0);
    pin = slot_at(1);
    assert_works(0);
    assert_ok(remote_slot_login(pin, remote_slice_str("pin-right"), &err), err);
    requests = memory.requests;
    reload_to("# a remark\n" PIN("pin") "\n" SLOT("new") SLOT("web"));
    assert_ptr_equal(slot_at(0), web);
    assert_ptr_equal(slot_at(1), pin);
    assert_works(0);
    assert_true(remote_slot_logged_in(pin));
    assert_int_equal(memory.requests, requests);
}

static void test_new_slot_is_behind_the_others(void **state)
{
    unsigned generation;

    (void)state;
    start(SLOT("web"));
    generation = remote_core_generation(core);
    reload_to(SLOT("new") SLOT("web"));
    assert_int_not_equal(remote_core_generation(core), generation);
    assert_int_equal(remote_core_slot_count(core), 2);
    assert_string_equal(remote_slot_name(slot_at(0)), "web");
    assert_string_equal(remote_slot_name(slot_at(1)), "new");
    assert_works(1);
}

static void test_removed_slot_keeps_its_place_and_says_so_with_its_keys(void **state)
{
    struct remote_error err = { 0 };
    struct remote_key *key;
    struct remote_slot *web;

    (void)state;
    start(SLOT("web") SLOT("mail"));
    web = slot_at(0);
    key = memory_find(web, "k");
    reload_to(SLOT("mail"));
    assert_int_equal(remote_core_slot_count(core), 2);
    assert_ptr_equal(slot_at(0), web);
    assert_removed(0);
    assert_null(remote_core_find_slot(core, "web"));
    assert_int_equal(sign(key, &err), REMOTE_E_CONFIG);
    assert_says(err.text, "slot 'web' was removed from the configuration");
    assert_works(1);
    remote_key_unref(key);
}

static void test_slot_that_comes_back_as_it_was_is_the_same_one(void **state)
{
    struct remote_error err = { 0 };
    struct remote_key *key;
    struct remote_slot *web;

    (void)state;
    start(SLOT("web"));
    web = slot_at(0);
    key = memory_find(web, "k");
    reload_to("[hsmbridge]\n");
    assert_removed(0);
    reload_to(SLOT("web"));
    assert_ptr_equal(slot_at(0), web);
    assert_ptr_equal(remote_core_find_slot(core, "web"), web);
    assert_ok(sign(key, &err), err);
    remote_key_unref(key);
}

static void test_slot_that_comes_back_otherwise_is_another_in_its_place(void **state)
{
    struct remote_slot *web;

    (void)state;
    start(SLOT("web"));
    web = slot_at(0);
    reload_to("[hsmbridge]\n");
    reload_to(SLOT("web") "timeout = 4s\n");
    assert_int_equal(remote_core_slot_count(core), 1);
    assert_ptr_not_equal(slot_at(0), web);
    assert_works(0);
}

static void test_changed_slot_is_replaced_and_keys_of_the_old_one_go_on(void **state)
{
    struct remote_error err = { 0 };
    struct remote_key *key;
    struct remote_slot *before;

    (void)state;
    start(SLOT("web") "timeout = 4s\n");
    before = slot_at(0);
    key = memory_find(before, "k");
    reload_to(SLOT("web") "timeout = 5s\n");
    assert_ptr_not_equal(slot_at(0), before);
    assert_int_equal(remote_slot_timeout_ms(slot_at(0)), 5000);
    assert_int_equal(remote_slot_timeout_ms(before), 4000);
    assert_string_equal(remote_section_text(remote_slot_section(before), "timeout", ""), "4s");
    assert_ok(sign(key, &err), err);
    assert_works(0);
    remote_key_unref(key);
}

static void test_slots_out_of_use_give_up_their_idle_connections(void **state)
{
    (void)state;
    start(SLOT("stays") SLOT("goes") SLOT("changes"));
    reload_to(SLOT("stays") SLOT("changes") "timeout = 5s\n");
    assert_int_equal(memory.trims, 2);
    reload_to(SLOT("stays") SLOT("changes") "timeout = 5s\n# no change\n");
    assert_int_equal(memory.trims, 2);
}

static void test_broken_slot_is_tried_again(void **state)
{
    struct remote_error err = { 0 };
    char text[PATH_MAX + 256];
    unsigned generation;

    (void)state;
    snprintf(text, sizeof(text), SLOT("web") "certificates = %s\n", path_of("late.pem"));
    start(text);
    assert_int_equal(remote_slot_status(slot_at(0), NULL), REMOTE_E_CONFIG);
    generation = remote_core_generation(core);
    strcat(text, "\n");
    reload_to(text);
    assert_int_equal(remote_slot_status(slot_at(0), NULL), REMOTE_E_CONFIG);
    assert_int_equal(remote_core_generation(core), generation); /* it is as broken as before */
    make_file("late.pem", "", 0644);
    strcat(text, "\n");
    reload_to(text);
    assert_int_equal(remote_slot_status(slot_at(0), &err), REMOTE_E_CONFIG);
    assert_says(err.text, "no PEM certificate in it"); /* it is there now */
}

static void test_namesakes_keep_apart(void **state)
{
    struct remote_slot *first;

    (void)state;
    start(SLOT("web"));
    first = slot_at(0);
    reload_to(SLOT("web") SLOT("web"));
    assert_int_equal(remote_core_slot_count(core), 2);
    assert_ptr_equal(slot_at(0), first);
    assert_int_equal(remote_slot_status(slot_at(1), NULL), REMOTE_E_CONFIG);
    assert_works(0);
    reload_to(SLOT("web"));
    assert_removed(1);
    assert_works(0);
}

static void test_shared_pins_are_required_of_the_new_set(void **state)
{
    struct remote_error err = { 0 };

    (void)state;
    start(PIN("p"));
    assert_int_equal(remote_slot_status(slot_at(0), NULL), REMOTE_OK);
    reload_to(PIN("p") PIN("q"));
    assert_int_equal(remote_slot_status(slot_at(0), &err), REMOTE_E_CONFIG);
    assert_says(err.text, "2 slots take a PIN");
    reload_to(PIN("p"));
    assert_int_equal(remote_slot_status(slot_at(0), NULL), REMOTE_OK);
    assert_removed(1);
}

static void test_more_names_than_there_are_places_are_left_out(void **state)
{
    char text[2 * 64], log[PATH_MAX + 64];

    (void)state;
    snprintf(log, sizeof(log), "%s", path_of("log"));
    start("[hsmbridge]\n");
    assert_int_equal(remote_log_setup(log, "error", NULL), REMOTE_OK);
    for (int i = 0; i < REMOTE_SLOTS_MAX; i++) {
        snprintf(text, sizeof(text), "[slot s%d]\nbackend = memory\nurl = https://a\n", i);
        reload_to(text);
    }
    assert_works(REMOTE_SLOTS_MAX - 1);
    reload_to(SLOT("late"));
    assert_int_equal(remote_core_slot_count(core), REMOTE_SLOTS_MAX);
    assert_int_equal(count_lines(log, "slot 'late' is left out"), 1);
    reload_to(SLOT("s0")); /* which has its place */
    assert_works(0);
}

/* ---- when ---- */

static void test_nothing_is_loaded_while_nothing_changes(void **state)
{
    unsigned generation;

    (void)state;
    start(SLOT("web"));
    generation = remote_core_generation(core);
    reload();
    reload();
    assert_int_equal(remote_core_generation(core), generation);
    assert_null(core->loaded->next);
}

static void test_look_is_taken_once_a_second(void **state)
{
    struct remote_error err = { 0 };

    (void)state;
    start(SLOT("web"));
    configure(SLOT("web") SLOT("new"));
    usleep(300000); /* so that it counts as written */
    assert_ok(remote_core_reload(core, false, &err), err);
    assert_int_equal(remote_core_slot_count(core), 1);
    memory_advance(1000);
    assert_ok(remote_core_reload(core, false, &err), err);
    assert_int_equal(remote_core_slot_count(core), 2);
}

static void test_file_that_may_still_be_written_is_left_for_the_next_look(void **state)
{
    struct remote_error err = { 0 };

    (void)state;
    start(SLOT("web"));
    memory_advance(1000);
    configure("");
    assert_ok(remote_core_reload(core, false, &err), err);
    assert_works(0);
    usleep(300000);
    assert_ok(remote_core_reload(core, false, &err), err); /* without another second's wait */
    assert_removed(0);
}

static void test_drop_ins_come_change_and_go(void **state)
{
    (void)state;
    assert_int_equal(mkdir(path_of("conf.d"), 0755), 0);
    make_file("hsmbridge.conf", SLOT("web"), 0600);
    open_core(temp_dir);
    make_file("conf.d/b.conf", SLOT("b"), 0600);
    reload();
    assert_string_equal(remote_slot_name(slot_at(1)), "b");
    make_file("conf.d/b.conf", SLOT("b") "timeout = 9s\n", 0600);
    reload();
    assert_int_equal(remote_slot_timeout_ms(slot_at(1)), 9000);
    make_file("conf.d/b.conf.bak", SLOT("no"), 0600);
    reload();
    assert_int_equal(remote_core_slot_count(core), 2);
    assert_int_equal(unlink(path_of("conf.d/b.conf")), 0);
    reload();
    assert_removed(1);
    assert_works(0);
}

static void test_file_that_is_swapped_by_a_link_is_noticed(void **state)
{
    (void)state;
    make_file("first", SLOT("web"), 0600);
    make_file("second", SLOT("web") SLOT("new"), 0600);
    assert_int_equal(symlink("first", path_of("one.conf")), 0);
    open_core(path_of("one.conf"));
    assert_int_equal(unlink(path_of("one.conf")), 0);
    assert_int_equal(symlink("second", path_of("one.conf")), 0);
    reload();
    assert_int_equal(remote_core_slot_count(core), 2);
}

/* ---- what cannot be used ---- */

static void test_configuration_that_does_not_load_leaves_the_old_one(void **state)
{
    struct remote_error err = { 0 };
    char log[PATH_MAX + 64];

    (void)state;
    snprintf(log, sizeof(log), "%s", path_of("log"));
    start(SLOT("web"));
    assert_int_equal(remote_log_setup(log, "error", NULL), REMOTE_OK);
    configure("nonsense\n");
    assert_int_equal(remote_core_reload(core, true, &err), REMOTE_E_CONFIG);
    assert_says(err.text, "one.conf:1:");
    usleep(300000);
    for (int i = 0; i < 3; i++) {
        memory_advance(1000);
        assert_int_equal(remote_core_reload(core, false, &err), REMOTE_OK);
    }
    assert_works(0);
    assert_int_equal(count_lines(log, "what is configured stays as it was"), 1);
    assert_int_equal(remote_core_reload(core, true, &err), REMOTE_E_CONFIG); /* who asks is told */
    reload_to(SLOT("web") SLOT("new"));
    assert_works(1);
}

static void test_file_that_is_gone_leaves_all_as_it_was(void **state)
{
    struct remote_error err = { 0 };

    (void)state;
    start(SLOT("web"));
    assert_int_equal(unlink(path_of("one.conf")), 0);
    assert_int_equal(remote_core_reload(core, true, &err), REMOTE_E_CONFIG);
    assert_works(0);
    assert_says(remote_core_source(core), "one.conf");
}

static void test_file_that_others_may_write_is_not_taken_until_that_is_mended(void **state)
{
    (void)state;
    start(SLOT("web"));
    make_file("one.conf", SLOT("evil"), 0666);
    assert_int_equal(remote_core_reload(core, true, NULL), REMOTE_E_CONFIG);
    assert_int_equal(remote_core_slot_count(core), 1);
    assert_int_equal(chmod(path_of("one.conf"), 0600), 0);
    reload();
    assert_int_equal(remote_core_slot_count(core), 2);
}

static void test_log_follows_its_section_only_when_that_changed(void **state)
{
    char log[PATH_MAX + 64], text[2 * PATH_MAX];

    (void)state;
    snprintf(log, sizeof(log), "%s", path_of("log"));
    start(SLOT("web"));
    snprintf(text, sizeof(text), "[hsmbridge]\nlog = %s\nlog_level = info\n" SLOT("web"), log);
    reload_to(text);
    remote_log(REMOTE_LOG_INFO, "to the file");
    assert_int_equal(count_lines(log, "to the file"), 1);
    assert_int_equal(remote_log_setup("none", NULL, NULL), REMOTE_OK); /* as a program may */
    strcat(text, SLOT("new"));
    reload_to(text);
    remote_log(REMOTE_LOG_INFO, "to nowhere");
    assert_int_equal(count_lines(log, "to nowhere"), 0);
}

/* ---- threads ---- */

static atomic_bool stop;

static void sign_until_stopped(struct remote_slot *slot)
{
    while (!atomic_load(&stop)) {
        struct remote_error err = { 0 };
        struct remote_key *key = memory_find(slot, "k");

        if (sign(key, &err) != REMOTE_OK)
            abort();
        remote_key_unref(key);
    }
}

static void walk_until_stopped(void)
{
    while (!atomic_load(&stop)) {
        size_t count = remote_core_slot_count(core);

        for (size_t i = 0; i < count; i++) {
            struct remote_slot *slot = remote_core_slot(core, i);
            CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };

            if (remote_slot_find_label(slot, "k", &keys, NULL) == REMOTE_OK && keys.count > 0)
                (void)sign(keys.keys[0], NULL);
        }
        (void)remote_core_find_slot(core, "changes");
        (void)remote_core_reload(core, false, NULL);
    }
}

static void run(void *arg, size_t index)
{
    static const char *const texts[] = {
        SLOT("stays"),
        SLOT("stays") SLOT("changes"),
        SLOT("stays") SLOT("changes") "timeout = 5s\n",
    };

    (void)arg;
    if (index == 0) {
        for (int i = 0; i < 60; i++)
            reload_to(texts[i % 3]);
        atomic_store(&stop, true);
    } else if (index % 2) {
        sign_until_stopped(slot_at(0));
    } else {
        walk_until_stopped();
    }
}

static void test_threads_use_slots_while_they_come_change_and_go(void **state)
{
    (void)state;
    memory.real_time = true;
    start(SLOT("stays"));
    atomic_store(&stop, false);
    memory_threads(9, run, NULL);
    assert_works(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_unchanged_slot_keeps_its_cache_and_its_login),
        TEST(test_new_slot_is_behind_the_others),
        TEST(test_removed_slot_keeps_its_place_and_says_so_with_its_keys),
        TEST(test_slot_that_comes_back_as_it_was_is_the_same_one),
        TEST(test_slot_that_comes_back_otherwise_is_another_in_its_place),
        TEST(test_changed_slot_is_replaced_and_keys_of_the_old_one_go_on),
        TEST(test_slots_out_of_use_give_up_their_idle_connections),
        TEST(test_broken_slot_is_tried_again),
        TEST(test_namesakes_keep_apart),
        TEST(test_shared_pins_are_required_of_the_new_set),
        TEST(test_more_names_than_there_are_places_are_left_out),
        TEST(test_nothing_is_loaded_while_nothing_changes),
        TEST(test_look_is_taken_once_a_second),
        TEST(test_file_that_may_still_be_written_is_left_for_the_next_look),
        TEST(test_drop_ins_come_change_and_go),
        TEST(test_file_that_is_swapped_by_a_link_is_noticed),
        TEST(test_configuration_that_does_not_load_leaves_the_old_one),
        TEST(test_file_that_is_gone_leaves_all_as_it_was),
        TEST(test_file_that_others_may_write_is_not_taken_until_that_is_mended),
        TEST(test_log_follows_its_section_only_when_that_changed),
        TEST(test_threads_use_slots_while_they_come_change_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
