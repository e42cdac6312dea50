/* SPDX-License-Identifier: Apache-2.0 */
/* Which members are asked, when, and how long they are waited for; in virtual time. */
#include "quorum_case.h"

#define TWO MEMBERS QUORUM("q", ABC, "2")

static size_t asked(const char *key, enum remote_op_kind kind)
{
    size_t count = 0;

    for (size_t i = 0; i < memory.requests; i++)
        count += memory.log[i].kind == kind && strcmp(memory.log[i].name, key) == 0;
    return count;
}

static int64_t time_to_open(const struct remote_buf *sealed)
{
    int64_t start_ms = remote_now_ms();

    assert_opens("q", sealed);
    return remote_now_ms() - start_ms;
}

/* Every member is known and equally fast, so that a, b are asked first. */
static void warm_up(struct remote_buf *sealed)
{
    seal_text("q", sealed);
    for (size_t i = 0; i < 3; i++)
        atomic_store(&quorum_of("q")->members[i].latency_us, 5000);
    memory.requests = 0;
}

static void test_seal_then_all_members_are_asked_at_once(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    int64_t start_ms;

    (void)state;
    start(TWO);
    warm_up(&sealed);
    start_ms = remote_now_ms();
    seal_text("q", &sealed);
    assert_int_equal(memory.in_flight_max, 3);
    assert_int_equal(memory.requests, 3);
    assert_int_equal(remote_now_ms() - start_ms, 5);
}

static void test_open_then_only_as_many_as_needed_are_asked(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    warm_up(&sealed);
    assert_int_equal(time_to_open(&sealed), 5);
    assert_int_equal(memory.requests, 2);
    assert_int_equal(asked("kc", REMOTE_OP_DECRYPT), 0);
}

static void test_open_then_the_fastest_are_asked(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    warm_up(&sealed);
    atomic_store(&quorum_of("q")->members[0].latency_us, 90000);
    assert_opens("q", &sealed);
    assert_int_equal(asked("ka", REMOTE_OP_DECRYPT), 0);
    assert_int_equal(memory.requests, 2);
}

static void test_open_when_a_member_was_slow_once_then_it_is_tried_again_some_day(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    warm_up(&sealed);
    atomic_store(&quorum_of("q")->members[0].latency_us, 90000);
    for (int i = 0; i < 2000 && asked("ka", REMOTE_OP_DECRYPT) == 0; i++) {
        memory.requests = 0;
        assert_opens("q", &sealed);
    }
    assert_int_equal(asked("ka", REMOTE_OP_DECRYPT), 1);
}

static void test_open_when_one_hangs_then_it_costs_the_hedge_and_only_once(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    log_to_file();
    warm_up(&sealed);
    memory_rule((struct memory_rule){ .name = "kb", .fate = MEMORY_HANG });
    assert_int_equal(time_to_open(&sealed), 100 + 5);
    assert_int_equal(log_lines("member 'b/kb': no answer within 105 ms"), 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(time_to_open(&sealed), 5);
    assert_int_equal(asked("kb", REMOTE_OP_DECRYPT), 1);
    memory_advance(30000);
    atomic_store(&quorum_of("q")->members[1].latency_us, 1); /* it was the fastest before */
    assert_int_equal(time_to_open(&sealed), 100 + 5);
    assert_int_equal(asked("kb", REMOTE_OP_DECRYPT), 2);
    assert_int_equal(log_lines("member 'b/kb'"), 1); /* said once */
    memory_forget_rules();
    memory_advance(30000);
    atomic_store(&quorum_of("q")->members[1].latency_us, 1);
    assert_int_equal(time_to_open(&sealed), 5);
    assert_int_equal(log_lines("member 'b/kb' answers again"), 1);
}

static void test_open_when_a_slow_member_is_all_there_is_then_it_is_waited_for(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    warm_up(&sealed);
    memory_rule((struct memory_rule){ .name = "kb", .delay_ms = 2000 });
    memory_rule((struct memory_rule){ .name = "kc", .fate = MEMORY_HANG });
    assert_int_equal(time_to_open(&sealed), 2005);
}

static void test_open_when_one_answers_wrongly_then_the_next_is_asked_at_once(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    warm_up(&sealed);
    memory_rule((struct memory_rule){ .name = "ka", .kinds = MEMORY_KIND(DECRYPT), .status = 400 });
    assert_int_equal(time_to_open(&sealed), 5 + 5);
}

static void test_open_when_all_that_were_asked_hang_then_as_many_more_are_asked(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(MEMBERS QUORUM("q", "a/ka b/kb c/kc d/kd", "2"));
    warm_up(&sealed);
    atomic_store(&quorum_of("q")->members[3].latency_us, 5000);
    memory_rule((struct memory_rule){ .name = "ka", .fate = MEMORY_HANG });
    memory_rule((struct memory_rule){ .name = "kb", .fate = MEMORY_HANG });
    assert_int_equal(time_to_open(&sealed), 100 + 5);
}

static void test_open_when_too_few_answer_then_fails_at_the_slots_deadline(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_error err = { 0 };
    int64_t start_ms;

    (void)state;
    start(TWO "timeout = 2s\n");
    warm_up(&sealed);
    memory_rule((struct memory_rule){ .fate = MEMORY_HANG });
    start_ms = remote_now_ms();
    assert_int_equal(try_open("q", &sealed, &err), REMOTE_E_TIMEOUT);
    assert_int_equal(remote_now_ms() - start_ms, 2000);
}

static void test_seal_when_wrap_min_have_answered_then_the_rest_has_the_hedge(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    int64_t start_ms;

    (void)state;
    start(TWO "wrap_min = 2\n");
    warm_up(&sealed);
    memory_rule((struct memory_rule){ .name = "kc", .fate = MEMORY_HANG });
    start_ms = remote_now_ms();
    seal_text("q", &sealed);
    assert_int_equal(remote_now_ms() - start_ms, 5 + 100);
    assert_int_equal(parts_in(&sealed), 2);
    memory_forget_rules();
    memory_rule((struct memory_rule){ .name = "kc", .delay_ms = 50 });
    seal_text("q", &sealed); /* late, but in time */
    assert_int_equal(parts_in(&sealed), 3);
}

static void test_open_when_nothing_is_known_of_the_keys_then_they_are_read(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    warm_up(&sealed);
    remote_core_close(core);
    core = NULL;
    start(TWO);
    memory.requests = 0;
    assert_int_equal(time_to_open(&sealed), 10);
    assert_int_equal(memory_count(REMOTE_OP_READ), 2);
    assert_int_equal(memory_count(REMOTE_OP_DECRYPT), 2);
}

static void test_open_when_the_keys_were_read_long_ago_then_not_again(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    warm_up(&sealed);
    memory_advance(3600 * 1000);
    assert_int_equal(time_to_open(&sealed), 5);
    assert_int_equal(memory_count(REMOTE_OP_READ), 0);
}

static void test_open_when_a_member_has_no_such_key_then_another_is_asked(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    warm_up(&sealed);
    reload_to(MEMBER("a") "keys = other\n" MEMBER("b") MEMBER("c") QUORUM("q", ABC, "2"));
    log_to_file();
    assert_opens("q", &sealed);
    assert_int_equal(log_lines("member 'a/ka': it has no key of that name"), 1);
}

static void test_open_when_a_members_slot_is_broken_then_another_is_asked(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    start(TWO);
    warm_up(&sealed);
    reload_to(MEMBER("a") "timeout = never\n" MEMBER("b") MEMBER("c") QUORUM("q", ABC, "2"));
    log_to_file();
    assert_int_equal(time_to_open(&sealed), 5);
    assert_int_equal(log_lines("member 'a/ka'"), 1);
    assert_int_equal(log_lines("timeout"), 1);
}

static void run_thread(void *arg, size_t index)
{
    struct remote_buf *sealed = arg;
    CLEANUP(remote_buf_clear) struct remote_buf mine = { 0 };

    for (int i = 0; i < 20; i++) {
        if ((index & 1u) == 0)
            assert_opens("q", sealed);
        else
            seal_text("q", &mine);
    }
}

static void test_threads_when_32_seal_and_open_then_all_do(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    memory.real_time = true;
    memory.latency_ms = 1;
    start(TWO);
    seal_text("q", &sealed);
    memory_rule((struct memory_rule){ .name = "kb", .times = 5, .status = 503 });
    memory_threads(32, run_thread, &sealed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_seal_then_all_members_are_asked_at_once),
        TEST(test_open_then_only_as_many_as_needed_are_asked),
        TEST(test_open_then_the_fastest_are_asked),
        TEST(test_open_when_a_member_was_slow_once_then_it_is_tried_again_some_day),
        TEST(test_open_when_one_hangs_then_it_costs_the_hedge_and_only_once),
        TEST(test_open_when_a_slow_member_is_all_there_is_then_it_is_waited_for),
        TEST(test_open_when_one_answers_wrongly_then_the_next_is_asked_at_once),
        TEST(test_open_when_all_that_were_asked_hang_then_as_many_more_are_asked),
        TEST(test_open_when_too_few_answer_then_fails_at_the_slots_deadline),
        TEST(test_seal_when_wrap_min_have_answered_then_the_rest_has_the_hedge),
        TEST(test_open_when_nothing_is_known_of_the_keys_then_they_are_read),
        TEST(test_open_when_the_keys_were_read_long_ago_then_not_again),
        TEST(test_open_when_a_member_has_no_such_key_then_another_is_asked),
        TEST(test_open_when_a_members_slot_is_broken_then_another_is_asked),
        TEST(test_threads_when_32_seal_and_open_then_all_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
