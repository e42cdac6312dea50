/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines, retries, failover and re-login (design section 6), in virtual time. */
#include "memory.h"

#define ONE "[slot web]\nbackend = memory\nurl = https://a\ntimeout = 3s\n"
#define TWO "[slot web]\nbackend = memory\nurl = https://a https://b\ntimeout = 3s\n"
#define LOGIN "[slot web]\nbackend = memory-login\nurl = https://a\ntimeout = 3s\n"

static enum remote_rc read_key(struct remote_slot *slot, struct remote_error *err)
{
    struct remote_call call;
    enum remote_rc rc;

    remote_call_init(&call, slot, REMOTE_OP_READ);
    call.op.name = "k";
    memset(err, 0, sizeof(*err));
    rc = remote_exchange_one(&call, err);
    remote_call_clear(&call);
    return rc;
}

static struct remote_slot *open_with_key(const char *text)
{
    memory_add_key("k", 1);
    return memory_open(text);
}

/* ---- deadlines and backoff ---- */

static void test_deadline_when_nothing_answers_is_kept_over_all_retries(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;
    int64_t start = remote_now_ms();

    (void)state;
    memory_rule((struct memory_rule){ .fate = MEMORY_HANG });
    assert_int_equal(read_key(slot, &err), REMOTE_E_TIMEOUT);
    assert_int_equal(remote_now_ms() - start, 3000);
    assert_says(err.text, "slot 'web': https://a: timed out");
    assert_int_equal(memory.requests, 1);
}

static void test_deadline_of_a_call_of_its_own_is_what_its_failure_names(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err = { 0 };
    struct remote_call call;

    (void)state;
    remote_call_init(&call, slot, REMOTE_OP_READ);
    remote_call_allow(&call, 30000);
    assert_int_equal(call.deadline_ms - remote_now_ms(), 30000);
    memory_advance(30000); /* as if another's login had taken all of it */
    assert_int_equal(remote_exchange_one(&call, &err), REMOTE_E_TIMEOUT);
    assert_says(err.text, "slot 'web': no answer within 30000 ms");
    remote_call_clear(&call);
}

static void test_deadline_when_every_attempt_fails_is_never_passed(void **state)
{
    struct remote_slot *slot =
        open_with_key("[slot web]\nbackend = memory\nurl = https://a\ntimeout = 100ms\n");
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .status = 503, .delay_ms = 30 });
    for (int i = 0; i < 50; i++) {
        int64_t start = remote_now_ms();

        assert_int_not_equal(read_key(slot, &err), REMOTE_OK); /* UNAVAILABLE, or cut: TIMEOUT */
        assert_true(remote_now_ms() - start <= 100);
    }
}

static void test_backoff_of_retries_is_full_jitter_that_doubles(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;
    int64_t longest[4] = { 0 }, shortest[4] = { 9999, 9999, 9999, 9999 };

    (void)state;
    memory_rule((struct memory_rule){ .fate = MEMORY_REFUSE }); /* not sent: costs no budget */
    for (int round = 0; round < 200; round++) {
        memory.requests = 0;
        assert_int_equal(read_key(slot, &err), REMOTE_E_UNAVAILABLE);
        assert_int_equal(memory.requests, 5); /* attempts that a service which is away is given */
        for (int i = 0; i < 4; i++) {
            int64_t pause = memory.log[i + 1].at_ms - memory.log[i].at_ms;

            longest[i] = pause > longest[i] ? pause : longest[i];
            shortest[i] = pause < shortest[i] ? pause : shortest[i];
        }
    }
    for (int i = 0; i < 4; i++) { /* in 200 rounds both ends of the range are come near to */
        int64_t ceiling = 50 << i;

        assert_true(longest[i] <= ceiling && longest[i] > ceiling * 8 / 10);
        assert_true(shortest[i] < ceiling * 2 / 10);
    }
}

static void test_attempt_number_is_told_to_build(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .status = 503, .times = 2 });
    assert_int_equal(read_key(slot, &err), REMOTE_OK);
    assert_int_equal(memory.requests, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(memory.log[i].attempt, i);
}

static void test_retries_of_a_failing_service_stay_under_a_fifth(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;
    struct remote_stats stats;

    (void)state;
    memory_rule((struct memory_rule){ .status = 503 });
    for (int i = 0; i < 1000; i++)
        assert_int_equal(read_key(slot, &err), REMOTE_E_UNAVAILABLE);
    remote_slot_stats(slot, &stats);
    /* a reserve of 20, then one for every five calls */
    assert_true(stats.retries <= 20 + 200);
    assert_true(stats.retries >= 200);
    assert_int_equal(stats.requests, 1000 + stats.retries);
}

static void test_single_shot_is_never_repeated(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_call call;

    (void)state;
    memory_rule((struct memory_rule){ .fate = MEMORY_REFUSE });
    remote_call_init(&call, slot, REMOTE_OP_HEALTH);
    call.single_shot = true;
    assert_int_equal(remote_exchange_one(&call, NULL), REMOTE_E_UNAVAILABLE);
    assert_int_equal(memory.requests, 1);
    remote_call_clear(&call);
}

/* ---- throttled ---- */

static void test_busy_without_retry_after_backs_off_and_succeeds(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .status = 429, .times = 3 });
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory.requests, 4);
    assert_true(remote_now_ms() - memory.log[0].at_ms <= 50 + 100 + 200);
}

static void test_busy_with_retry_after_waits_that_long(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .status = 429, .retry_after_s = 2, .times = 1 });
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory.requests, 2);
    assert_int_equal(memory.log[1].at_ms - memory.log[0].at_ms, 2000);
}

static void test_busy_with_longer_than_is_left_fails_at_once_and_says_how_long(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;
    int64_t start = remote_now_ms();

    (void)state;
    memory_rule((struct memory_rule){ .status = 429, .retry_after_s = 7, .delay_ms = 500 });
    assert_int_equal(read_key(slot, &err), REMOTE_E_BUSY);
    assert_int_equal(remote_now_ms() - start, 500);
    assert_says(err.text, "slot 'web': https://a is throttled and asks to wait 7 s, longer than "
                          "the 2500 ms left");
    assert_int_equal(err.retry_after_s, 7);
    assert_int_equal(err.http_status, 429);
    assert_int_equal(remote_slot_last_status(), 429);
    assert_int_equal(memory.requests, 1);
}

static void test_unavailable_with_retry_after_longer_than_is_left_fails_at_once(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;
    int64_t start = remote_now_ms();

    (void)state;
    memory_rule((struct memory_rule){ .status = 503, .retry_after_s = 30 });
    assert_int_equal(read_key(slot, &err), REMOTE_E_UNAVAILABLE);
    assert_int_equal(remote_now_ms(), start);
    assert_says(err.text, "30 s");
    assert_int_equal(err.retry_after_s, 30);
}

static void test_unavailable_with_retry_after_waits_that_long(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .status = 503, .retry_after_s = 1, .times = 1 });
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory.log[1].at_ms - memory.log[0].at_ms, 1000);
}

/* ---- several endpoints ---- */

static void test_failover_when_the_first_is_dead_goes_to_the_second_at_once(void **state)
{
    struct remote_slot *slot = open_with_key(TWO);
    struct remote_error err;
    int64_t start = remote_now_ms();

    (void)state;
    memory_rule((struct memory_rule){ .endpoints = 1, .fate = MEMORY_REFUSE });
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(remote_now_ms(), start);
    assert_int_equal(memory.log[0].endpoint, 0);
    assert_int_equal(memory.log[1].endpoint, 1);
    assert_ok(read_key(slot, &err), err); /* the first is left alone for a while */
    assert_int_equal(memory.requests, 3);
    assert_int_equal(memory.log[2].endpoint, 1);
}

static void test_failover_when_the_first_has_a_lasting_fault_goes_on_too(void **state)
{
    struct remote_slot *slot = open_with_key(TWO);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .endpoints = 1, .fate = MEMORY_REFUSE, .lasting = true });
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory.requests, 2);
}

static void test_lasting_fault_of_the_only_endpoint_is_not_repeated(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .fate = MEMORY_REFUSE, .lasting = true });
    assert_int_equal(read_key(slot, &err), REMOTE_E_UNAVAILABLE);
    assert_int_equal(memory.requests, 1);
}

static void test_hang_of_the_first_leaves_time_for_the_second(void **state)
{
    struct remote_slot *slot = open_with_key(TWO);
    struct remote_error err;
    int64_t start = remote_now_ms();

    (void)state;
    memory_rule((struct memory_rule){ .endpoints = 1, .fate = MEMORY_HANG });
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(remote_now_ms() - start, 1500); /* half of it */
    assert_int_equal(memory.log[1].endpoint, 1);
    assert_int_equal(memory.log[1].deadline_ms - start, 3000);
}

static void test_single_dead_endpoint_is_tried_by_every_call(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .fate = MEMORY_REFUSE, .times = 15 });
    for (int i = 0; i < 3; i++)
        assert_int_equal(read_key(slot, &err), REMOTE_E_UNAVAILABLE);
    assert_ok(read_key(slot, &err), err); /* the weather has cleared: no circuit stands between */
}

static void test_both_endpoints_dead_ends_with_what_the_last_said(void **state)
{
    struct remote_slot *slot = open_with_key(TWO);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .fate = MEMORY_REFUSE });
    assert_int_equal(read_key(slot, &err), REMOTE_E_UNAVAILABLE);
    assert_true(memory_count_at(REMOTE_OP_READ, 0) >= 2);
    assert_true(memory_count_at(REMOTE_OP_READ, 1) >= 2);
    assert_says(err.text, "cannot connect");
}

static void test_fixed_endpoint_is_never_left_for_another(void **state)
{
    struct remote_slot *slot = open_with_key(TWO);
    struct remote_call call;

    (void)state;
    memory_rule((struct memory_rule){ .endpoints = 2, .fate = MEMORY_REFUSE });
    remote_call_init(&call, slot, REMOTE_OP_HEALTH);
    call.endpoint = 1;
    assert_int_equal(remote_exchange_one(&call, NULL), REMOTE_E_UNAVAILABLE);
    assert_int_equal(memory_count_at(REMOTE_OP_HEALTH, 0), 0);
    remote_call_clear(&call);
}

/* ---- operations that may be done once only (LOGIN is such a one) ---- */

static enum remote_rc log_in(struct remote_slot *slot, struct remote_error *err)
{
    struct remote_call call;
    enum remote_rc rc;

    memset(err, 0, sizeof(*err));
    remote_call_init(&call, slot, REMOTE_OP_LOGIN);
    rc = remote_exchange_one(&call, err);
    remote_call_clear(&call);
    return rc;
}

static void test_once_when_the_outcome_is_unknown_is_not_repeated(void **state)
{
    struct remote_slot *slot = memory_open(LOGIN);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .fate = MEMORY_CUT });
    assert_int_equal(log_in(slot, &err), REMOTE_E_UNAVAILABLE);
    assert_int_equal(memory.requests, 1);
}

static void test_once_when_it_hangs_is_not_repeated(void **state)
{
    struct remote_slot *slot = memory_open(LOGIN);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .fate = MEMORY_HANG });
    assert_int_equal(log_in(slot, &err), REMOTE_E_TIMEOUT);
    assert_int_equal(memory.requests, 1);
}

static void test_once_when_nothing_was_sent_is_repeated(void **state)
{
    struct remote_slot *slot = memory_open(LOGIN);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .fate = MEMORY_REFUSE, .times = 1 });
    assert_ok(log_in(slot, &err), err);
    assert_int_equal(memory.requests, 2);
}

static void test_once_when_the_service_said_not_now_is_repeated(void **state)
{
    struct remote_slot *slot = memory_open(LOGIN);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .status = 503, .times = 1 });
    memory_rule((struct memory_rule){ .status = 429, .times = 1 });
    assert_ok(log_in(slot, &err), err);
    assert_int_equal(memory.requests, 3);
}

/* ---- stale credentials ---- */

static void test_refused_grant_is_replaced_once_and_the_call_repeated(void **state)
{
    struct remote_slot *slot = open_with_key(LOGIN);
    struct remote_error err;

    (void)state;
    assert_ok(read_key(slot, &err), err);
    memory_revoke();
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 2);
    assert_int_equal(memory_count(REMOTE_OP_READ), 3);
    assert_string_equal(memory.log[memory.requests - 1].token, "t2");
}

static void test_refused_grant_after_the_relogin_is_an_error(void **state)
{
    struct remote_slot *slot = open_with_key(LOGIN);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(READ), .status = 401 });
    assert_int_equal(read_key(slot, &err), REMOTE_E_AUTH);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 2);
    assert_int_equal(memory_count(REMOTE_OP_READ), 2);
    assert_int_equal(err.http_status, 401);
}

static void test_login_that_hangs_ends_with_the_deadline_of_the_call(void **state)
{
    struct remote_slot *slot = open_with_key(LOGIN);
    struct remote_error err;
    int64_t start = remote_now_ms();

    (void)state;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(LOGIN), .fate = MEMORY_HANG });
    assert_int_equal(read_key(slot, &err), REMOTE_E_TIMEOUT);
    assert_int_equal(remote_now_ms() - start, 3000);
    assert_int_equal(memory_count(REMOTE_OP_READ), 0);
}

static void test_refusal_by_rights_is_final(void **state)
{
    struct remote_slot *slot = open_with_key(LOGIN);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(READ), .status = 403 });
    assert_int_equal(read_key(slot, &err), REMOTE_E_RIGHTS);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 1);
    assert_int_equal(memory_count(REMOTE_OP_READ), 1);
}

static void test_operation_that_the_backend_lacks_is_unsupported(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;

    (void)state;
    assert_int_equal(log_in(slot, &err), REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "slot 'web': keys in memory has no such operation");
    assert_int_equal(memory.requests, 0);
}

/* ---- many calls at once ---- */

#define CALLS 40
#define WORK 200

struct fan {
    struct remote_call calls[CALLS], *pointers[CALLS];
    size_t given, ended, failed;
};

static void next_work(void *arg, struct remote_call *call)
{
    struct fan *fan = arg;
    struct remote_slot *slot = call->slot;

    fan->ended++;
    fan->failed += call->rc != REMOTE_OK;
    remote_call_clear(call);
    if (fan->given == WORK)
        return;
    fan->given++;
    remote_call_init(call, slot, REMOTE_OP_READ);
    call->op.name = "k";
}

static void test_many_calls_of_several_slots_share_one_loop_within_the_limit(void **state)
{
    struct fan *fan = calloc(1, sizeof(*fan));
    int64_t start = remote_now_ms();

    (void)state;
    memory_add_key("k", 1);
    memory_open(ONE "[slot b]\nbackend = memory\nurl = https://c\n"
                    "[slot c]\nbackend = memory-login\nurl = https://d\n");
    memory.latency_ms = 10;
    for (fan->given = 0; fan->given < CALLS; fan->given++) {
        remote_call_init(&fan->calls[fan->given], memory_slot(fan->given % 3), REMOTE_OP_READ);
        fan->calls[fan->given].op.name = "k";
        fan->pointers[fan->given] = &fan->calls[fan->given];
    }
    remote_exchange(fan->pointers, CALLS, 8, next_work, fan);
    assert_int_equal(fan->ended, WORK);
    assert_int_equal(fan->failed, 0);
    assert_int_equal(memory_count(REMOTE_OP_READ), WORK);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 1); /* of the third slot, for all its calls */
    assert_int_equal(memory.in_flight_max, 8);
    assert_true(remote_now_ms() - start <= (WORK / 8 + 3) * 10);
    free(fan);
}

static void test_one_hung_call_among_many_fails_alone(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_call calls[4], *pointers[4];

    (void)state;
    memory_rule((struct memory_rule){ .name = "hung", .fate = MEMORY_HANG });
    for (size_t i = 0; i < 4; i++) {
        remote_call_init(&calls[i], slot, REMOTE_OP_READ);
        calls[i].op.name = i == 1 ? "hung" : "k";
        pointers[i] = &calls[i];
    }
    remote_exchange(pointers, 4, 4, NULL, NULL);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(calls[i].rc, i == 1 ? REMOTE_E_TIMEOUT : REMOTE_OK);
        remote_call_clear(&calls[i]);
    }
}

static void test_no_calls_at_all_is_nothing_to_do(void **state)
{
    (void)state;
    remote_exchange(NULL, 0, 1, NULL, NULL);
    assert_int_equal(memory.requests, 0);
}

static void test_latency_and_results_are_handed_on(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_call call;

    (void)state;
    remote_call_init(&call, slot, REMOTE_OP_READ);
    call.op.name = "k";
    assert_int_equal(remote_exchange_one(&call, NULL), REMOTE_OK);
    assert_int_equal(call.latency_us, 1000);
    assert_int_equal(call.op.keys.count, 1);
    assert_int_equal(call.err.rc, REMOTE_OK);
    remote_call_clear(&call);
    assert_int_equal(call.op.keys.count, 0);
}

/* ---- several requests, several origins ---- */

static void test_steps_are_taken_until_the_backend_has_enough(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;

    (void)state;
    memory.steps = 3;
    memory_rule((struct memory_rule){ .status = 503, .times = 1 }); /* a step is repeated alone */
    assert_int_equal(read_key(slot, &err), REMOTE_OK);
    assert_int_equal(memory.requests, 4);
    assert_int_equal(memory.log[1].attempt, 1);
    assert_int_equal(memory.log[2].attempt, 0); /* of the next step */
}

static void test_steps_share_one_deadline(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;
    int64_t start = remote_now_ms();

    (void)state;
    memory.steps = 1000;
    memory.latency_ms = 400;
    assert_int_equal(read_key(slot, &err), REMOTE_E_TIMEOUT);
    assert_true(remote_now_ms() - start <= 3000);
}

static void test_steps_without_an_end_are_a_protocol_error(void **state)
{
    struct remote_slot *slot = open_with_key(ONE);
    struct remote_error err;

    (void)state;
    memory.steps = ~0u;
    memory.latency_ms = 0;
    assert_int_equal(read_key(slot, &err), REMOTE_E_PROTOCOL);
    assert_int_equal(memory.requests, 1000);
    assert_says(err.text, "slot 'web': https://a leads from one request to the next");
}

static void test_another_origin_is_asked_without_failover(void **state)
{
    struct remote_slot *slot = open_with_key(TWO);
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_endpoints_add(&slot->endpoints, slot->section, "authority",
                                          "https://login", false, &memory.origin, &err),
                     REMOTE_OK);
    assert_int_equal(memory.origin, 2);
    assert_int_equal(read_key(slot, &err), REMOTE_OK);
    assert_int_equal(memory_count_at(REMOTE_OP_READ, 2), 1);
    memory_rule((struct memory_rule){ .fate = MEMORY_REFUSE });
    assert_int_equal(read_key(slot, &err), REMOTE_E_UNAVAILABLE);
    assert_int_equal(memory_count_at(REMOTE_OP_READ, 0) + memory_count_at(REMOTE_OP_READ, 1), 0);
    assert_says(err.text, "slot 'web': https://login");
}

/* ---- enough before all have ended ---- */

#define PAIR                                                                                       \
    "[slot fast]\nbackend = memory\nurl = https://a\n"                                             \
    "[slot slow]\nbackend = memory-login\nurl = https://b https://c\n"

struct until { /* of one remote_exchange_until() */
    int64_t enough_ms, grace_ms;
    size_t told;
};

static void note_until(void *arg, struct remote_call *call)
{
    struct until *until = arg;

    until->told++;
    if (call->rc == REMOTE_OK)
        until->enough_ms = remote_now_ms() + until->grace_ms;
}

/* A call of the slot that answers, and one of the slot that does not. */
static void run_until(struct until *until, struct remote_call calls[2])
{
    struct remote_call *pointers[] = { &calls[0], &calls[1] };

    until->enough_ms = INT64_MAX;
    for (size_t i = 0; i < 2; i++) {
        remote_call_init(&calls[i], memory_slot(i), REMOTE_OP_READ);
        calls[i].op.name = i == 0 ? "k" : "slow";
    }
    remote_exchange_until(pointers, 2, 2, note_until, until, &until->enough_ms);
    for (size_t i = 0; i < 2; i++)
        remote_call_clear(&calls[i]);
}

static void open_pair(void)
{
    memory_add_key("slow", 1);
    open_with_key(PAIR);
    memory.latency_ms = 5;
}

static void test_until_when_enough_then_what_flies_is_cancelled(void **state)
{
    struct remote_call calls[2];
    struct until until = { 0 };
    int64_t start;

    (void)state;
    open_pair();
    memory_rule((struct memory_rule){ .name = "slow", .fate = MEMORY_HANG });
    memory.latency_ms = 0;
    start = remote_now_ms();
    memory_rule((struct memory_rule){ .name = "k", .delay_ms = 20 });
    run_until(&until, calls);
    assert_int_equal(remote_now_ms() - start, 20);
    assert_int_equal(until.told, 1);
    assert_int_equal(calls[0].rc, REMOTE_OK);
    assert_int_equal(calls[1].rc, REMOTE_E_UNAVAILABLE);
    assert_says(calls[1].err.text, "slot 'slow': not waited for");
    assert_int_equal(memory.in_flight, 0);
}

static void test_until_when_cancelled_then_the_endpoint_is_not_blamed(void **state)
{
    struct remote_call calls[2], call;
    struct until until = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    open_pair();
    memory_rule((struct memory_rule){ .name = "slow", .endpoints = 1, .fate = MEMORY_HANG });
    for (int i = 0; i < 10; i++)
        run_until(&until, calls);
    memory_forget_rules();
    memory.requests = 0;
    remote_call_init(&call, memory_slot(1), REMOTE_OP_READ);
    call.op.name = "slow";
    assert_ok(remote_exchange_one(&call, &err), err);
    remote_call_clear(&call);
    assert_int_equal(memory_count_at(REMOTE_OP_READ, 0), 1); /* the first is still the first */
}

static void test_until_when_the_time_lies_ahead_then_others_have_it(void **state)
{
    struct remote_call calls[2];
    struct until until = { .grace_ms = 100 };
    int64_t start;

    (void)state;
    open_pair();
    memory_rule((struct memory_rule){
        .kinds = MEMORY_KIND(READ), .name = "slow", .times = 1, .delay_ms = 50 });
    run_until(&until, calls);
    assert_int_equal(calls[1].rc, REMOTE_OK);
    assert_int_equal(until.told, 2);
    memory_rule((struct memory_rule){ .name = "slow", .fate = MEMORY_HANG });
    start = remote_now_ms();
    run_until(&until, calls);
    assert_int_equal(calls[1].rc, REMOTE_E_UNAVAILABLE);
    assert_int_equal(remote_now_ms() - start, 105);
}

static void test_until_when_a_login_is_cancelled_then_another_caller_leads(void **state)
{
    struct remote_call calls[2], call;
    struct until until = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    open_pair();
    memory_rule(
        (struct memory_rule){ .kinds = MEMORY_KIND(LOGIN), .times = 1, .fate = MEMORY_HANG });
    run_until(&until, calls);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 1);
    assert_int_equal(calls[1].rc, REMOTE_E_UNAVAILABLE);
    remote_call_init(&call, memory_slot(1), REMOTE_OP_READ);
    call.op.name = "slow";
    assert_ok(remote_exchange_one(&call, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 2);
    remote_call_clear(&call);
}

static void test_until_when_enough_from_the_first_then_no_request_is_made(void **state)
{
    struct remote_call call, *pointer = &call;
    int64_t enough_ms = 0;

    (void)state;
    open_pair();
    remote_call_init(&call, memory_slot(0), REMOTE_OP_READ);
    call.op.name = "k";
    remote_exchange_until(&pointer, 1, 1, NULL, NULL, &enough_ms);
    assert_int_equal(call.rc, REMOTE_E_UNAVAILABLE);
    assert_int_equal(memory.requests, 0);
    remote_call_clear(&call);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, memory_setup, memory_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_steps_are_taken_until_the_backend_has_enough),
        TEST(test_steps_share_one_deadline),
        TEST(test_steps_without_an_end_are_a_protocol_error),
        TEST(test_another_origin_is_asked_without_failover),
        TEST(test_deadline_when_nothing_answers_is_kept_over_all_retries),
        TEST(test_deadline_of_a_call_of_its_own_is_what_its_failure_names),
        TEST(test_deadline_when_every_attempt_fails_is_never_passed),
        TEST(test_backoff_of_retries_is_full_jitter_that_doubles),
        TEST(test_attempt_number_is_told_to_build),
        TEST(test_retries_of_a_failing_service_stay_under_a_fifth),
        TEST(test_single_shot_is_never_repeated),
        TEST(test_busy_without_retry_after_backs_off_and_succeeds),
        TEST(test_busy_with_retry_after_waits_that_long),
        TEST(test_busy_with_longer_than_is_left_fails_at_once_and_says_how_long),
        TEST(test_unavailable_with_retry_after_longer_than_is_left_fails_at_once),
        TEST(test_unavailable_with_retry_after_waits_that_long),
        TEST(test_failover_when_the_first_is_dead_goes_to_the_second_at_once),
        TEST(test_failover_when_the_first_has_a_lasting_fault_goes_on_too),
        TEST(test_lasting_fault_of_the_only_endpoint_is_not_repeated),
        TEST(test_hang_of_the_first_leaves_time_for_the_second),
        TEST(test_single_dead_endpoint_is_tried_by_every_call),
        TEST(test_both_endpoints_dead_ends_with_what_the_last_said),
        TEST(test_fixed_endpoint_is_never_left_for_another),
        TEST(test_once_when_the_outcome_is_unknown_is_not_repeated),
        TEST(test_once_when_it_hangs_is_not_repeated),
        TEST(test_once_when_nothing_was_sent_is_repeated),
        TEST(test_once_when_the_service_said_not_now_is_repeated),
        TEST(test_refused_grant_is_replaced_once_and_the_call_repeated),
        TEST(test_refused_grant_after_the_relogin_is_an_error),
        TEST(test_login_that_hangs_ends_with_the_deadline_of_the_call),
        TEST(test_refusal_by_rights_is_final),
        TEST(test_operation_that_the_backend_lacks_is_unsupported),
        TEST(test_many_calls_of_several_slots_share_one_loop_within_the_limit),
        TEST(test_one_hung_call_among_many_fails_alone),
        TEST(test_no_calls_at_all_is_nothing_to_do),
        TEST(test_latency_and_results_are_handed_on),
        TEST(test_until_when_enough_then_what_flies_is_cancelled),
        TEST(test_until_when_cancelled_then_the_endpoint_is_not_blamed),
        TEST(test_until_when_the_time_lies_ahead_then_others_have_it),
        TEST(test_until_when_a_login_is_cancelled_then_another_caller_leads),
        TEST(test_until_when_enough_from_the_first_then_no_request_is_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
