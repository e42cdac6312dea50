/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything in the core at once, for ThreadSanitizer and for deadlocks: 64 threads sign, find,
 * list and look at the slot, while grants and the cache run out, tokens are revoked, endpoints
 * fail and batches form.
 */
#include "memory.h"

#include <stdio.h>

#define THREADS 64
#define ROUNDS 40
#define KEYS 4

#define SLOT                                                                                       \
    "[slot web]\nbackend = memory-login\nurl = https://a https://b\ntimeout = 20s\nversions = "    \
    "all\ncache = 20ms\n"

struct work {
    struct remote_slot *slot;
    atomic_size_t signed_right, failed;
};

static const struct remote_params ecdsa = { .alg = REMOTE_ALG_ECDSA, .hash = REMOTE_HASH_SHA256 };

/* A token that is revoked while it is being renewed or fetched costs a call its one repeat: then
 * the next call works. */
static enum remote_rc sign_twice(struct remote_key *key, struct remote_slice digest,
                                 struct remote_buf *sig)
{
    struct remote_error err = { 0 };
    enum remote_rc rc = remote_key_sign(key, &ecdsa, digest, sig, &err);

    if (rc == REMOTE_E_AUTH)
        rc = remote_key_sign(key, &ecdsa, digest, sig, &err);
    if (rc != REMOTE_OK)
        fprintf(stderr, "%s\n", err.text);
    return rc;
}

static void sign_one(struct work *work, struct remote_key *key, size_t salt)
{
    unsigned char digest[32] = { (unsigned char)salt, (unsigned char)(salt >> 8) }, expected[64];
    struct remote_buf sig = { 0 };

    if (sign_twice(key, remote_slice(digest, 32), &sig) != REMOTE_OK) {
        atomic_fetch_add(&work->failed, 1);
        return;
    }
    memory_signature(key->name, key->version, remote_slice(digest, 32), expected, 64);
    if (sig.len == 64 && memcmp(sig.data, expected, 64) == 0)
        atomic_fetch_add(&work->signed_right, 1);
    remote_buf_clear(&sig);
}

static void find_and_sign(struct work *work, size_t index, size_t round)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };
    char label[16];

    snprintf(label, sizeof(label), "k%zu", (index + round) % KEYS);
    if (remote_slot_find_label(work->slot, label, &keys, &err) != REMOTE_OK || keys.count == 0) {
        fprintf(stderr, "%s: %s\n", label, err.text);
        atomic_fetch_add(&work->failed, 1);
    } else {
        sign_one(work, keys.keys[0], index * ROUNDS + round);
    }
    remote_key_list_clear(&keys);
}

static void look_around(struct work *work, size_t round)
{
    struct remote_key_list keys = { 0 };
    struct remote_buf label = { 0 };
    struct remote_stats stats;
    unsigned char id[20];

    memset(id, (int)(round % 8), sizeof(id));
    if (round % 2 == 0 && remote_slot_list(work->slot, NULL, &keys, NULL) != REMOTE_OK)
        atomic_fetch_add(&work->failed, 1);
    if (round % 2 == 1 &&
        remote_slot_find_id(work->slot, remote_slice(id, sizeof(id)), &keys, NULL) != REMOTE_OK)
        atomic_fetch_add(&work->failed, 1);
    if (keys.count > 0)
        remote_slot_label(work->slot, keys.keys[0], &label);
    remote_slot_stats(work->slot, &stats);
    if (round % 8 == 0)
        remote_slot_refresh(work->slot);
    remote_buf_clear(&label);
    remote_key_list_clear(&keys);
}

static void run(void *arg, size_t index)
{
    struct work *work = arg;

    for (size_t round = 0; round < ROUNDS; round++) {
        find_and_sign(work, index, round);
        if (index % 8 == 0)
            look_around(work, round);
        if (index == 1 && round % 10 == 5) /* the grant has come near its end */
            memory_advance(700);
        if (index == 2 && round % 20 == 10)
            memory_revoke();
    }
}

static void test_everything_at_once_ends_and_signs_right(void **state)
{
    struct work work = { 0 };
    struct remote_stats stats;

    (void)state;
    memory.real_time = true;
    memory.latency_ms = 1;
    memory.batch_max = 32;
    memory.lifetime_s = 1;
    memory.renewable = true;
    for (unsigned i = 0; i < KEYS * 2; i++) {
        char name[16];

        snprintf(name, sizeof(name), "k%u", i / 2);
        memory_add_key(name, 1 + i % 2);
    }
    for (unsigned i = 0; i < 10; i++) { /* now and then the first endpoint is away */
        memory_rule((struct memory_rule){ .endpoints = 2, .fate = MEMORY_ANSWER, .times = 1 });
        memory_rule((struct memory_rule){ .endpoints = 1, .fate = MEMORY_REFUSE, .times = 1 });
    }
    work.slot = memory_open(SLOT);
    memory_threads(THREADS, run, &work);
    assert_int_equal(work.failed, 0);
    assert_int_equal(work.signed_right, THREADS * ROUNDS);
    remote_slot_stats(work.slot, &stats);
    assert_true(stats.batches > 0);
    assert_true(stats.logins > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everything_at_once_ends_and_signs_right, memory_setup,
                                        memory_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
