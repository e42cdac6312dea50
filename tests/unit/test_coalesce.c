/* SPDX-License-Identifier: Apache-2.0 */
/* Joining operations into batches (design section 6), with threads and in real time. */
#include "memory.h"

#include <sys/wait.h>
#include <unistd.h>

#define SLOT "[slot web]\nbackend = memory\nurl = https://a\ntimeout = 3s\nversions = all\n"
#define THREADS 72

static const struct remote_params ecdsa = { .alg = REMOTE_ALG_ECDSA, .hash = REMOTE_HASH_SHA256 };
static const struct remote_params raw = { .alg = REMOTE_ALG_ECDSA, .hash = REMOTE_HASH_NONE };

struct work { /* what each thread signs, and what came of it */
    struct remote_key *keys[4];
    size_t key_count;
    bool mix_params;
    enum remote_rc rc[THREADS];
    struct remote_error err[THREADS];
    bool right[THREADS];
    int64_t took_ms[THREADS];
};

static void digest_of(size_t index, unsigned char *digest)
{
    memset(digest, 0, 32);
    digest[0] = (unsigned char)index;
    digest[1] = 1;
}

static void sign(void *arg, size_t index)
{
    struct work *work = arg;
    struct remote_key *key = work->keys[index % work->key_count];
    const struct remote_params *params = work->mix_params && index / 4 % 2 ? &raw : &ecdsa;
    struct remote_buf sig = { 0 };
    unsigned char digest[32], expected[64];
    int64_t start = remote_now_ms();

    digest_of(index, digest);
    work->rc[index] =
        remote_key_sign(key, params, remote_slice(digest, 32), &sig, &work->err[index]);
    work->took_ms[index] = remote_now_ms() - start;
    memory_signature(key->name, key->version, remote_slice(digest, 32), expected, 64);
    work->right[index] = sig.len == 64 && memcmp(sig.data, expected, 64) == 0;
    remote_buf_clear(&sig);
}

static size_t count_right(const struct work *work, size_t count)
{
    size_t right = 0;

    for (size_t i = 0; i < count; i++)
        right += work->rc[i] == REMOTE_OK && work->right[i];
    return right;
}

static size_t largest_batch(void)
{
    size_t most = 0;

    for (size_t i = 0; i < memory.requests; i++)
        most = memory.log[i].items > most ? memory.log[i].items : most;
    return most;
}

static struct remote_slot *begin(struct work *work)
{
    struct remote_slot *slot;

    memset(work, 0, sizeof(*work));
    memory.real_time = true;
    memory.batch_max = 32;
    memory_add_key("k", 1);
    slot = memory_open(SLOT);
    work->keys[0] = memory_find(slot, "k");
    work->key_count = 1;
    memory.requests = 0; /* the look-up's */
    return slot;
}

static void end(struct work *work)
{
    for (size_t i = 0; i < work->key_count; i++)
        remote_key_unref(work->keys[i]);
}

static void wait_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* Closes the gate, and opens it once everybody had time to queue. */
static void opener(void *arg)
{
    (void)arg;
    wait_ms(150);
    memory_gate(false);
}

struct gated {
    struct work *work;
    size_t threads;
};

static void sign_or_open(void *arg, size_t index)
{
    struct gated *gated = arg;

    if (index == gated->threads)
        opener(NULL);
    else
        sign(gated->work, index);
}

static void sign_gated(struct work *work, size_t threads)
{
    struct gated gated = { work, threads };

    memory_gate(true);
    memory_threads(threads + 1, sign_or_open, &gated);
}

/* ---- how batches form ---- */

static void test_one_thread_alone_sends_no_batch(void **state)
{
    struct work work;
    struct remote_slot *slot = begin(&work);
    struct remote_stats stats;

    (void)state;
    for (size_t i = 0; i < 20; i++)
        sign(&work, i);
    assert_int_equal(count_right(&work, 20), 20);
    assert_int_equal(memory.requests, 20);
    remote_slot_stats(slot, &stats);
    assert_int_equal(stats.batches, 0);
    end(&work);
}

static void test_two_in_flight_go_alone_and_what_follows_in_batches_of_32_at_most(void **state)
{
    struct work work;
    struct remote_slot *slot = begin(&work);
    struct remote_stats stats;

    (void)state;
    sign_gated(&work, THREADS);
    assert_int_equal(count_right(&work, THREADS), THREADS);
    assert_int_equal(memory.log[0].items, 1);
    assert_int_equal(memory.log[1].items, 1);
    assert_int_equal(largest_batch(), 32);
    assert_true(memory.requests <= 8); /* 2 + 32 + 32 + 6, and a few who came late */
    assert_true(memory.in_flight_max <= 2);
    remote_slot_stats(slot, &stats);
    assert_true(stats.batches >= 2);
    assert_true(stats.batched_items >= 64);
    end(&work);
}

static void test_batch_holds_no_more_than_the_backend_takes(void **state)
{
    struct work work;

    (void)state;
    begin(&work);
    memory.batch_max = 5;
    sign_gated(&work, 22);
    assert_int_equal(count_right(&work, 22), 22);
    assert_int_equal(largest_batch(), 5);
    end(&work);
}

static void test_no_batches_where_the_backend_takes_none(void **state)
{
    struct work work;

    (void)state;
    begin(&work);
    memory.batch_max = 1;
    sign_gated(&work, 16);
    assert_int_equal(count_right(&work, 16), 16);
    assert_int_equal(memory.requests, 16);
    assert_int_equal(memory.in_flight_max, 16);
    end(&work);
}

static void test_only_the_same_key_version_and_parameters_share_a_batch(void **state)
{
    struct work work;
    struct remote_slot *slot;

    (void)state;
    slot = begin(&work);
    memory_add_key("l", 1);
    memory_add_key("l", 2);
    work.keys[1] = memory_find(slot, "l@v1");
    work.keys[2] = memory_find(slot, "l@v2");
    work.keys[3] = remote_key_ref(work.keys[0]);
    work.key_count = 4;
    work.mix_params = true;
    memory.requests = 0;
    sign_gated(&work, 64); /* 3 versions x 2 kinds of parameters = 6 groups */
    assert_int_equal(count_right(&work, 64), 64); /* another version signs otherwise */
    assert_true(memory.requests >= 6 * 3 && memory.requests < 64);
    assert_true(largest_batch() <= 14); /* what one group has, less two that went alone */
    end(&work);
}

static void test_large_inputs_go_alone(void **state)
{
    struct work work;
    struct remote_slot *slot;
    struct remote_key *key;
    unsigned char large[16385] = { 0 };
    const struct remote_params params = { .alg = REMOTE_ALG_HMAC, .hash = REMOTE_HASH_SHA256 };
    struct remote_buf mac = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    slot = begin(&work);
    memory_add_typed("h", 1, REMOTE_KEY_GENERIC, 256);
    key = memory_find(slot, "h");
    assert_ok(remote_key_sign(key, &params, remote_slice(large, sizeof(large)), &mac, &err), err);
    assert_int_equal(mac.len, 32);
    remote_buf_clear(&mac);
    remote_key_unref(key);
    end(&work);
}

/* ---- failures ---- */

static void test_one_failed_item_fails_alone(void **state)
{
    struct work work;

    (void)state;
    begin(&work);
    memory.item_bad = "\x07\x01"; /* what thread 7 signs */
    sign_gated(&work, 40);
    assert_int_equal(count_right(&work, 40), 39);
    assert_int_equal(work.rc[7], REMOTE_E_PARAM);
    assert_says(work.err[7].text, "key 'k': ");
    assert_says(work.err[7].text, "memory refuses this item");
    end(&work);
}

static void test_batch_that_is_forbidden_is_sent_one_by_one_and_batching_ends(void **state)
{
    struct work work;

    (void)state;
    begin(&work);
    memory_rule((struct memory_rule){ .batches = true, .status = 403 });
    sign_gated(&work, 20);
    assert_int_equal(count_right(&work, 20), 20);
    assert_true(atomic_load(&work.keys[0]->no_batch));
    memory.requests = 0;
    sign_gated(&work, 20);
    assert_int_equal(count_right(&work, 20), 20);
    assert_int_equal(largest_batch(), 1);
    end(&work);
}

static void test_batch_that_is_refused_as_a_whole_is_sent_one_by_one(void **state)
{
    struct work work;

    (void)state;
    begin(&work);
    memory_rule((struct memory_rule){ .batches = true, .status = 400, .times = 1 });
    sign_gated(&work, 20);
    assert_int_equal(count_right(&work, 20), 20);
    assert_false(atomic_load(&work.keys[0]->no_batch));
    memory.requests = 0;
    sign_gated(&work, 20);
    assert_true(largest_batch() > 1);
    end(&work);
}

static void test_batch_that_meets_an_unavailable_service_is_repeated_as_a_whole(void **state)
{
    struct work work;

    (void)state;
    begin(&work);
    memory_rule((struct memory_rule){ .batches = true, .status = 503, .times = 1 });
    sign_gated(&work, 20);
    assert_int_equal(count_right(&work, 20), 20);
    assert_true(memory.requests <= 8);
    end(&work);
}

static void test_batch_that_fails_for_good_fails_every_item_with_the_reason(void **state)
{
    struct work work;
    size_t failed = 0;

    (void)state;
    begin(&work);
    memory_rule((struct memory_rule){ .batches = true, .status = 500 });
    sign_gated(&work, 20);
    for (size_t i = 0; i < 20; i++) {
        if (work.rc[i] == REMOTE_OK)
            continue;
        failed++;
        assert_int_equal(work.rc[i], REMOTE_E_PROTOCOL);
        assert_says(work.err[i].text, "key 'k': slot 'web': https://a: memory says 500");
        assert_int_equal(work.err[i].http_status, 500);
    }
    assert_true(failed >= 16 && failed <= 18);
    end(&work);
}

/* ---- deadlines ---- */

struct leaving {
    struct work work;
    struct remote_slot *slot;
    int64_t timeout_ms[4];
};

/* 0 and 1 are in flight; 2 waits and will lead; 3 joins it with a short deadline of its own. */
static void sign_in_turn(void *arg, size_t index)
{
    struct leaving *leaving = arg;
    struct work *work = &leaving->work;
    struct remote_buf sig = { 0 };
    unsigned char digest[32], expected[64];
    int64_t start;

    wait_ms((long)index * 40);
    digest_of(index, digest);
    start = remote_now_ms();
    work->rc[index] =
        remote_coalesce_run(leaving->slot, REMOTE_OP_SIGN, work->keys[0], &ecdsa,
                            remote_slice(digest, 32), 32, start + leaving->timeout_ms[index], &sig,
                            &work->err[index]);
    work->took_ms[index] = remote_now_ms() - start;
    memory_signature("k", 1, remote_slice(digest, 32), expected, 64);
    work->right[index] = sig.len == 64 && memcmp(sig.data, expected, 64) == 0;
    remote_buf_clear(&sig);
}

static void test_follower_whose_deadline_passes_leaves_a_batch_under_way(void **state)
{
    struct leaving leaving = { .timeout_ms = { 3000, 3000, 3000, 250 } };

    (void)state;
    leaving.slot = begin(&leaving.work);
    memory_rule((struct memory_rule){ .times = 2, .delay_ms = 250 });
    memory_rule((struct memory_rule){ .batches = true, .delay_ms = 500 });
    memory_threads(4, sign_in_turn, &leaving);
    assert_int_equal(count_right(&leaving.work, 3), 3);
    assert_int_equal(leaving.work.rc[3], REMOTE_E_TIMEOUT);
    assert_says(leaving.work.err[3].text, "slot 'web': no answer within");
    assert_true(leaving.work.took_ms[3] >= 250 && leaving.work.took_ms[3] < 500);
    assert_int_equal(largest_batch(), 2);
    end(&leaving.work);
}

static void test_follower_whose_deadline_passes_leaves_the_queue(void **state)
{
    struct leaving leaving = { .timeout_ms = { 3000, 3000, 3000, 250 } };

    (void)state;
    leaving.slot = begin(&leaving.work);
    memory_rule((struct memory_rule){ .times = 2, .delay_ms = 600 });
    memory_threads(4, sign_in_turn, &leaving);
    assert_int_equal(count_right(&leaving.work, 3), 3);
    assert_int_equal(leaving.work.rc[3], REMOTE_E_TIMEOUT);
    assert_int_equal(largest_batch(), 1); /* 2 went on alone: 3 had left */
    end(&leaving.work);
}

static void test_batch_has_the_latest_deadline_of_its_items(void **state)
{
    struct leaving leaving = { .timeout_ms = { 3000, 3000, 400, 2000 } };
    const struct memory_request *last = NULL;

    (void)state;
    leaving.slot = begin(&leaving.work);
    memory_rule((struct memory_rule){ .times = 2, .delay_ms = 300 });
    memory_rule((struct memory_rule){ .batches = true, .delay_ms = 300 });
    memory_threads(4, sign_in_turn, &leaving);
    for (size_t i = 0; i < memory.requests; i++)
        last = memory.log[i].items == 2 ? &memory.log[i] : last;
    assert_non_null(last);
    assert_true(last->deadline_ms - last->at_ms > 1000); /* that of 3, not of 2 who leads */
    assert_int_equal(leaving.work.rc[3], REMOTE_OK);
    end(&leaving.work);
}

/* ---- fork ---- */

static bool two_in_flight(void)
{
    return memory.in_flight >= 2;
}

/* A child has neither the requests nor the waiters of its parent: it must not queue for them. */
static void fork_amid(void *arg, size_t index)
{
    struct work *work = arg;
    pid_t pid;
    int status = -1;

    if (index < 3) {
        sign(work, index);
        return;
    }
    memory_until(two_in_flight);
    wait_ms(50);
    pid = fork();
    if (pid == 0) {
        alarm(10);
        memory.gate_closed = false;
        sign(work, 4);
        _exit(count_right(work, 5) == 1 ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    work->right[5] = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    memory_gate(false);
}

static void test_child_forgets_what_its_parent_had_in_flight(void **state)
{
    struct work work;

    (void)state;
    begin(&work);
    memory_gate(true);
    memory_threads(4, fork_amid, &work);
    assert_true(work.right[5]);
    assert_int_equal(count_right(&work, 3), 3);
    end(&work);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, memory_setup, memory_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_thread_alone_sends_no_batch),
        TEST(test_two_in_flight_go_alone_and_what_follows_in_batches_of_32_at_most),
        TEST(test_batch_holds_no_more_than_the_backend_takes),
        TEST(test_no_batches_where_the_backend_takes_none),
        TEST(test_only_the_same_key_version_and_parameters_share_a_batch),
        TEST(test_large_inputs_go_alone),
        TEST(test_one_failed_item_fails_alone),
        TEST(test_batch_that_is_forbidden_is_sent_one_by_one_and_batching_ends),
        TEST(test_batch_that_is_refused_as_a_whole_is_sent_one_by_one),
        TEST(test_batch_that_meets_an_unavailable_service_is_repeated_as_a_whole),
        TEST(test_batch_that_fails_for_good_fails_every_item_with_the_reason),
        TEST(test_follower_whose_deadline_passes_leaves_a_batch_under_way),
        TEST(test_follower_whose_deadline_passes_leaves_the_queue),
        TEST(test_batch_has_the_latest_deadline_of_its_items),
        TEST(test_child_forgets_what_its_parent_had_in_flight),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
