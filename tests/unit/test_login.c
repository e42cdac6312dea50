/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials in use (design sections 3 and 6): single flight, renewal, PINs, static tokens. */
#include "memory.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOGIN "[slot web]\nbackend = memory-login\nurl = https://a\ntimeout = 3s\n"
#define PIN LOGIN "pin = password\n"
#define THREADS 64

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

struct crowd {
    struct remote_slot *slot;
    struct remote_error err[THREADS];
    int64_t took_ms[THREADS];
};

static void read_in_crowd(void *arg, size_t index)
{
    struct crowd *crowd = arg;
    int64_t start = remote_now_ms();

    read_key(crowd->slot, &crowd->err[index]);
    crowd->took_ms[index] = remote_now_ms() - start;
}

static size_t count_failed(const struct crowd *crowd, size_t count)
{
    size_t failed = 0;

    for (size_t i = 0; i < count; i++)
        failed += crowd->err[i].rc != REMOTE_OK;
    return failed;
}

/* ---- single flight ---- */

static void test_many_threads_with_an_expired_grant_make_one_login(void **state)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    struct remote_error err;

    (void)state;
    memory.real_time = true;
    memory.lifetime_s = 100;
    crowd->slot = open_with_key(LOGIN);
    assert_ok(read_key(crowd->slot, &err), err);
    memory_advance(101000);
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(LOGIN), .delay_ms = 100 });
    memory_threads(THREADS, read_in_crowd, crowd);
    assert_int_equal(count_failed(crowd, THREADS), 0);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 2);
    free(crowd);
}

static void test_many_threads_with_a_refused_grant_make_one_login(void **state)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    struct remote_error err;

    (void)state;
    memory.real_time = true;
    crowd->slot = open_with_key(LOGIN);
    assert_ok(read_key(crowd->slot, &err), err);
    memory_revoke();
    memory_threads(THREADS, read_in_crowd, crowd);
    assert_int_equal(count_failed(crowd, THREADS), 0);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 2);
    free(crowd);
}

static void test_failed_login_is_shared_by_those_who_waited(void **state)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));

    (void)state;
    memory.real_time = true;
    crowd->slot = open_with_key(LOGIN);
    memory_rule(
        (struct memory_rule){ .kinds = MEMORY_KIND(LOGIN), .status = 401, .delay_ms = 500 });
    memory_threads(THREADS, read_in_crowd, crowd);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 1);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(crowd->err[i].rc, REMOTE_E_AUTH);
        assert_says(crowd->err[i].text, "slot 'web': https://a: memory says 401");
    }
    free(crowd);
}

static void test_login_after_a_failed_one_is_tried_anew(void **state)
{
    struct remote_slot *slot = open_with_key(LOGIN);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(LOGIN), .status = 401, .times = 1 });
    assert_int_equal(read_key(slot, &err), REMOTE_E_AUTH);
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 2);
}

/* ---- renewal ---- */

static void test_renewal_comes_at_two_thirds_of_the_lifetime(void **state)
{
    struct remote_slot *slot = open_with_key(LOGIN);
    struct remote_error err;

    (void)state;
    memory.lifetime_s = 30;
    memory.renewable = true;
    assert_ok(read_key(slot, &err), err);
    memory_advance(19999);
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_RENEW), 0);
    memory_advance(1);
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_RENEW), 1);
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_RENEW), 1);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 1);
}

static void test_grant_that_cannot_be_renewed_is_replaced_by_a_login(void **state)
{
    struct remote_slot *slot = open_with_key(LOGIN);
    struct remote_error err;

    (void)state;
    memory.lifetime_s = 30;
    assert_ok(read_key(slot, &err), err);
    memory_advance(20000);
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_RENEW), 0);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 2);
    assert_string_equal(memory.log[memory.requests - 1].token, "t2");
}

static void test_renewal_that_is_refused_leads_to_a_login(void **state)
{
    struct remote_slot *slot = open_with_key(LOGIN);
    struct remote_error err;

    (void)state;
    memory.lifetime_s = 30;
    memory.renewable = true;
    assert_ok(read_key(slot, &err), err);
    memory_advance(20000);
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(RENEW), .status = 403 });
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 2);
}

static void test_renewal_is_done_by_one_while_others_use_the_old_grant(void **state)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    struct remote_error err;
    size_t held_up = 0;

    (void)state;
    memory.real_time = true;
    memory.lifetime_s = 3000;
    memory.renewable = true;
    crowd->slot = open_with_key(LOGIN);
    assert_ok(read_key(crowd->slot, &err), err);
    memory_advance(2000001);
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(RENEW), .delay_ms = 800 });
    memory_threads(16, read_in_crowd, crowd);
    assert_int_equal(count_failed(crowd, 16), 0);
    assert_int_equal(memory_count(REMOTE_OP_RENEW), 1);
    for (size_t i = 0; i < 16; i++)
        held_up += crowd->took_ms[i] >= 800;
    assert_int_equal(held_up, 1);
    free(crowd);
}

static void test_renewal_that_fails_keeps_the_old_grant_and_is_not_tried_at_once(void **state)
{
    struct remote_slot *slot = open_with_key(LOGIN);
    struct remote_error err;
    size_t tries;

    (void)state;
    memory.lifetime_s = 30;
    memory.renewable = true;
    assert_ok(read_key(slot, &err), err);
    memory_advance(20000);
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(RENEW), .fate = MEMORY_REFUSE });
    assert_ok(read_key(slot, &err), err);
    assert_string_equal(memory.log[memory.requests - 1].token, "t1");
    tries = memory_count(REMOTE_OP_RENEW);
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_RENEW), tries);
    memory_advance(5000); /* later on it is */
    memory_forget_rules();
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_RENEW), tries + 1);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 1);
}

static void test_renewal_that_hangs_leaves_time_for_the_call(void **state)
{
    struct remote_slot *slot = open_with_key(LOGIN);
    struct remote_error err;
    int64_t start;

    (void)state;
    memory.lifetime_s = 30;
    memory.renewable = true;
    assert_ok(read_key(slot, &err), err);
    memory_advance(20000);
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(RENEW), .fate = MEMORY_HANG });
    start = remote_now_ms();
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(remote_now_ms() - start, 1500);
}

/* ---- PINs ---- */

static enum remote_rc pin_login(struct remote_slot *slot, const char *pin, struct remote_error *err)
{
    memset(err, 0, sizeof(*err));
    return remote_slot_login(slot, remote_slice_str(pin), err);
}

static void test_pin_slot_before_login_fails_without_a_request(void **state)
{
    struct remote_slot *slot = open_with_key(PIN);
    struct remote_error err;

    (void)state;
    assert_true(remote_slot_needs_login(slot));
    assert_false(remote_slot_logged_in(slot));
    assert_int_equal(read_key(slot, &err), REMOTE_E_AUTH);
    assert_says(err.text, "slot 'web': not logged in; log in with the PIN first");
    assert_int_equal(memory.requests, 0);
}

static void test_pin_of_the_right_form_is_proved_and_serves(void **state)
{
    struct remote_slot *slot = open_with_key(PIN);
    struct remote_error err;

    (void)state;
    assert_ok(pin_login(slot, "pin-right", &err), err);
    assert_true(remote_slot_logged_in(slot));
    assert_string_equal(memory.log[0].pin, "pin-right");
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 1);
    assert_int_equal(pin_login(slot, "pin-right", &err), REMOTE_E_USAGE);
    assert_says(err.text, "logged in already");
}

static void test_pin_of_another_form_is_refused_without_a_request(void **state)
{
    static const char *const pins[] = { "", "hvs.not-for-memory", "pin" };
    struct remote_slot *slot = open_with_key(PIN);
    struct remote_error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pins); i++) {
        assert_int_equal(pin_login(slot, pins[i], &err), REMOTE_E_PIN);
        assert_says(err.text, "slot 'web': the PIN is not of the form of this slot's credential "
                              "(pin = password)");
    }
    assert_int_equal(memory.requests, 0);
    assert_false(remote_slot_logged_in(slot));
}

static void test_wrong_pin_is_said_so_and_forgotten(void **state)
{
    struct remote_slot *slot = open_with_key(PIN);
    struct remote_error err;

    (void)state;
    assert_int_equal(pin_login(slot, "pin-wrong", &err), REMOTE_E_PIN);
    assert_null(strstr(err.text, "pin-wrong"));
    assert_false(remote_slot_logged_in(slot));
    assert_ok(pin_login(slot, "pin-right", &err), err);
}

static void test_pin_when_the_service_is_away_is_no_wrong_pin(void **state)
{
    struct remote_slot *slot = open_with_key(PIN);
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .fate = MEMORY_REFUSE });
    assert_int_equal(pin_login(slot, "pin-right", &err), REMOTE_E_UNAVAILABLE);
    assert_false(remote_slot_logged_in(slot));
}

static void test_logout_forgets_the_pin_and_what_it_gave(void **state)
{
    struct remote_slot *slot = open_with_key(PIN);
    struct remote_error err;
    size_t requests;

    (void)state;
    assert_ok(pin_login(slot, "pin-right", &err), err);
    remote_slot_logout(slot);
    requests = memory.requests;
    assert_false(remote_slot_logged_in(slot));
    assert_int_equal(read_key(slot, &err), REMOTE_E_AUTH);
    assert_int_equal(memory.requests, requests);
}

static void test_logout_of_a_slot_without_pin_changes_nothing(void **state)
{
    struct remote_slot *slot = open_with_key(LOGIN);
    struct remote_error err;

    (void)state;
    assert_ok(read_key(slot, &err), err);
    remote_slot_logout(slot);
    assert_true(remote_slot_logged_in(slot));
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_LOGIN), 1);
    assert_int_equal(pin_login(slot, "pin-right", &err), REMOTE_E_USAGE);
}

/* A flight as the exchange makes it, held in its middle. */
static void test_logout_while_a_login_is_under_way_drops_what_it_brings(void **state)
{
    struct remote_slot *slot = open_with_key(PIN);
    struct remote_login_flight flight = { 0 };
    struct remote_grant_ref *grant = NULL;
    const struct remote_grant *lent = NULL;
    struct remote_op op = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_ok(remote_secret_set(&slot->login.pin, "pin-right", 9, &err), err);
    assert_int_equal(remote_login_poll(slot, 0, &flight, &grant, &err), REMOTE_LOGIN_LEAD);
    assert_true(remote_login_next(slot, &flight, NULL, NULL, &op, &lent));
    assert_int_equal(op.kind, REMOTE_OP_LOGIN);
    remote_slot_logout(slot);
    assert_ok(remote_secret_set(&slot->login.pin, "pin-wrong", 9, &err), err);
    assert_ok(remote_secret_set(&op.grant.token, "t1", 2, &err), err);
    assert_false(remote_login_next(slot, &flight, &op, &err, &op, &lent));
    assert_null(slot->login.current);
    /* who asks now, leads a login of its own, with the PIN that holds now */
    assert_int_equal(remote_login_poll(slot, 0, &flight, &grant, &err), REMOTE_LOGIN_LEAD);
    assert_true(remote_secret_equal(&flight.pin, remote_slice_str("pin-wrong")));
    remote_login_abandon(slot, &flight);
    remote_op_clear(&op);
}

static void test_abandoned_flight_lets_another_caller_lead(void **state)
{
    struct remote_slot *slot = open_with_key(LOGIN);
    struct remote_login_flight first = { 0 }, second = { 0 };
    struct remote_grant_ref *grant = NULL;
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_login_poll(slot, 0, &first, &grant, &err), REMOTE_LOGIN_LEAD);
    assert_int_equal(remote_login_poll(slot, 0, &second, &grant, &err), REMOTE_LOGIN_WAIT);
    remote_login_abandon(slot, &first); /* no failure for those who wait */
    assert_int_equal(remote_login_poll(slot, 0, &second, &grant, &err), REMOTE_LOGIN_LEAD);
    remote_login_abandon(slot, &second);
}

static void test_flight_of_a_parent_is_not_waited_for_in_a_child(void **state)
{
    struct remote_slot *slot = open_with_key(LOGIN);
    struct remote_login_flight mine = { 0 };
    struct remote_grant_ref *grant = NULL;
    struct remote_error err = { 0 };

    (void)state;
    slot->login.busy = true; /* as a leader that stayed behind has left it */
    slot->login.busy_generation = remote_fork_generation() + 1;
    assert_int_equal(remote_login_poll(slot, 0, &mine, &grant, &err), REMOTE_LOGIN_LEAD);
    remote_login_abandon(slot, &mine);
}

/* ---- static tokens ---- */

#define TOKEN "[slot web]\nbackend = memory-token\nurl = https://a\ntimeout = 3s\n"

struct token_file {
    char dir[32], path[64], text[256];
};

static void write_token(const struct token_file *file, const char *token)
{
    char fresh[80];
    FILE *out;

    snprintf(fresh, sizeof(fresh), "%s.new", file->path);
    out = fopen(fresh, "w");
    assert_non_null(out);
    fprintf(out, "%s\n", token);
    fclose(out);
    assert_int_equal(chmod(fresh, 0600), 0);
    assert_int_equal(rename(fresh, file->path), 0);
}

static struct remote_slot *open_token(struct token_file *file, const char *token)
{
    strcpy(file->dir, "/tmp/hsmbridge-XXXXXX");
    assert_non_null(mkdtemp(file->dir));
    snprintf(file->path, sizeof(file->path), "%s/token", file->dir);
    write_token(file, token);
    snprintf(file->text, sizeof(file->text), TOKEN "token_file = %s\n", file->path);
    return open_with_key(file->text);
}

static void close_token(const struct token_file *file)
{
    unlink(file->path);
    assert_int_equal(rmdir(file->dir), 0);
}

static void test_token_is_proved_once_and_serves(void **state)
{
    struct token_file file;
    struct remote_slot *slot = open_token(&file, "static-1");
    struct remote_error err;

    (void)state;
    assert_ok(read_key(slot, &err), err);
    assert_ok(read_key(slot, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_PROVE), 1);
    assert_string_equal(memory.log[1].token, "static-1");
    close_token(&file);
}

static void test_token_that_is_to_be_proved_is_asked_for_once(void **state)
{
    struct token_file file;
    struct remote_slot *slot = open_token(&file, "static-1");
    struct remote_error err;

    (void)state;
    assert_ok(remote_slot_prove(slot, &err), err); /* the login that it takes is the proof */
    assert_int_equal(memory_count(REMOTE_OP_PROVE), 1);
    assert_ok(remote_slot_prove(slot, &err), err); /* now it is asked anew */
    assert_int_equal(memory_count(REMOTE_OP_PROVE), 2);
    close_token(&file);
}

static void test_token_that_may_not_look_at_itself_is_asked_for_once(void **state)
{
    struct token_file file;
    struct remote_slot *slot = open_token(&file, "static-1");
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(PROVE), .status = 403 });
    assert_ok(remote_slot_prove(slot, &err), err);
    assert_int_equal(memory_count(REMOTE_OP_PROVE), 1);
    close_token(&file);
}

static void test_token_without_the_right_to_look_at_itself_serves(void **state)
{
    struct token_file file;
    struct remote_slot *slot = open_token(&file, "static-1");
    struct remote_error err;

    (void)state;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(PROVE), .status = 403 });
    assert_ok(read_key(slot, &err), err);
    close_token(&file);
}

static void test_token_that_is_refused_in_mid_session_is_said_to_be_dead(void **state)
{
    struct token_file file;
    struct remote_slot *slot = open_token(&file, "static-1");
    struct remote_error err;

    (void)state;
    assert_ok(read_key(slot, &err), err);
    strcpy(memory.dead_token, "static-1");
    assert_int_equal(read_key(slot, &err), REMOTE_E_AUTH);
    assert_says(err.text, "slot 'web': the service refuses the configured token (expired or "
                          "revoked) and there is no newer one; supply a fresh token");
    assert_null(strstr(err.text, "static-1"));
    assert_int_equal(memory_count(REMOTE_OP_READ), 2);
    memory.dead_token[0] = '\0'; /* the weather clears */
    assert_ok(read_key(slot, &err), err);
    close_token(&file);
}

static void test_token_in_a_newer_file_is_picked_up_when_the_old_is_refused(void **state)
{
    struct token_file file;
    struct remote_slot *slot = open_token(&file, "static-1");
    struct remote_error err;

    (void)state;
    assert_ok(read_key(slot, &err), err);
    strcpy(memory.dead_token, "static-1");
    write_token(&file, "static-2");
    assert_ok(read_key(slot, &err), err);
    assert_string_equal(memory.log[memory.requests - 1].token, "static-2");
    close_token(&file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, memory_setup, memory_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_many_threads_with_an_expired_grant_make_one_login),
        TEST(test_many_threads_with_a_refused_grant_make_one_login),
        TEST(test_failed_login_is_shared_by_those_who_waited),
        TEST(test_login_after_a_failed_one_is_tried_anew),
        TEST(test_renewal_comes_at_two_thirds_of_the_lifetime),
        TEST(test_grant_that_cannot_be_renewed_is_replaced_by_a_login),
        TEST(test_renewal_that_is_refused_leads_to_a_login),
        TEST(test_renewal_is_done_by_one_while_others_use_the_old_grant),
        TEST(test_renewal_that_fails_keeps_the_old_grant_and_is_not_tried_at_once),
        TEST(test_renewal_that_hangs_leaves_time_for_the_call),
        TEST(test_pin_slot_before_login_fails_without_a_request),
        TEST(test_pin_of_the_right_form_is_proved_and_serves),
        TEST(test_pin_of_another_form_is_refused_without_a_request),
        TEST(test_wrong_pin_is_said_so_and_forgotten),
        TEST(test_pin_when_the_service_is_away_is_no_wrong_pin),
        TEST(test_logout_forgets_the_pin_and_what_it_gave),
        TEST(test_logout_of_a_slot_without_pin_changes_nothing),
        TEST(test_logout_while_a_login_is_under_way_drops_what_it_brings),
        TEST(test_abandoned_flight_lets_another_caller_lead),
        TEST(test_flight_of_a_parent_is_not_waited_for_in_a_child),
        TEST(test_token_is_proved_once_and_serves),
        TEST(test_token_that_is_to_be_proved_is_asked_for_once),
        TEST(test_token_that_may_not_look_at_itself_is_asked_for_once),
        TEST(test_token_without_the_right_to_look_at_itself_serves),
        TEST(test_token_that_is_refused_in_mid_session_is_said_to_be_dead),
        TEST(test_token_in_a_newer_file_is_picked_up_when_the_old_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
