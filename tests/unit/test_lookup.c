/* SPDX-License-Identifier: Apache-2.0 */
/* Finding keys by label, by id and as a list (design sections 2 and 4); requests are counted. */
#include "memory.h"

#include <stdio.h>

#include "local.h"

#define SLOT "[slot web]\nbackend = memory\nurl = https://a\ntimeout = 3s\n"

static size_t find(struct remote_slot *slot, const char *label, struct remote_key_list *keys)
{
    struct remote_error err = { 0 };

    remote_key_list_clear(keys);
    if (remote_slot_find_label(slot, label, keys, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    return keys->count;
}

static size_t find_id(struct remote_slot *slot, unsigned char id, struct remote_key_list *keys)
{
    struct remote_error err = { 0 };
    unsigned char bytes[20];

    memset(bytes, id, sizeof(bytes));
    remote_key_list_clear(keys);
    if (remote_slot_find_id(slot, remote_slice(bytes, sizeof(bytes)), keys, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    return keys->count;
}

static size_t list(struct remote_slot *slot, struct remote_key_list *keys)
{
    struct remote_error err = { 0 };

    remote_key_list_clear(keys);
    if (remote_slot_list(slot, NULL, keys, &err) != REMOTE_OK)
        fail_msg("%s", err.text);
    return keys->count;
}

/* As if `certificates` had loaded one for the key with this id. */
static void add_cert(struct remote_slot *slot, unsigned char id)
{
    slot->certs = realloc(slot->certs, (slot->cert_count + 1) * sizeof(*slot->certs));
    slot->certs[slot->cert_count] = calloc(1, sizeof(struct remote_cert));
    memset(slot->certs[slot->cert_count++]->id, id, 20);
}

static void assert_label(struct remote_slot *slot, struct remote_key *key, const char *expected)
{
    struct remote_buf label = { 0 };

    remote_slot_label(slot, key, &label);
    assert_string_equal((const char *)label.data, expected);
    remote_buf_clear(&label);
}

/* ---- by label ---- */

static void test_label_reads_that_key_alone_and_once(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    memory_add_key("a", 1);
    memory_add_key("b", 1);
    assert_int_equal(find(slot, "b", &keys), 1);
    assert_string_equal(keys.keys[0]->name, "b");
    assert_int_equal(memory.requests, 1);
    assert_int_equal(memory.log[0].kind, REMOTE_OP_READ);
    assert_int_equal(find(slot, "b", &keys), 1);
    assert_int_equal(memory.requests, 1);
    remote_key_list_clear(&keys);
}

static void test_label_shows_the_newest_enabled_version(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    for (unsigned v = 1; v <= 3; v++)
        memory_add_key("k", v)->disabled = v == 3;
    assert_int_equal(find(slot, "k", &keys), 1);
    assert_int_equal(keys.keys[0]->version, 2);
    assert_label(slot, keys.keys[0], "k");
    remote_key_list_clear(&keys);
}

static void test_label_with_a_version_shows_exactly_that_one(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    for (unsigned v = 1; v <= 3; v++)
        memory_add_key("k", v);
    assert_int_equal(find(slot, "k@v2", &keys), 1);
    assert_int_equal(keys.keys[0]->version, 2);
    assert_label(slot, keys.keys[0], "k@v2");
    assert_int_equal(find(slot, "k@v4", &keys), 0);
    assert_int_equal(memory.requests, 1);
    remote_key_list_clear(&keys);
}

static void test_label_that_only_looks_like_a_version_is_a_name(void **state)
{
    static const char *const names[] = { "k@v0", "k@v", "k@v1x", "k@1", "k@v99999999999" };
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        memory_add_key(names[i], 1);
        assert_int_equal(find(slot, names[i], &keys), 1);
        assert_string_equal(keys.keys[0]->name, names[i]);
    }
    remote_key_list_clear(&keys);
}

static void test_label_pins_the_version_that_a_certificate_carries(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    for (unsigned v = 1; v <= 4; v++) /* ids 1..4 */
        memory_add_key("k", v);
    add_cert(slot, 1);
    add_cert(slot, 3);
    assert_int_equal(find(slot, "k", &keys), 1);
    assert_int_equal(keys.keys[0]->version, 3); /* the newest that has one */
    assert_label(slot, keys.keys[0], "k");
    assert_int_equal(find(slot, "k@v4", &keys), 1);
    assert_label(slot, keys.keys[0], "k@v4");
    remote_key_list_clear(&keys);
}

static void test_versions_all_shows_the_pinned_one_first_and_labels_the_others(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT "versions = all\n");

    (void)state;
    for (unsigned v = 1; v <= 3; v++)
        memory_add_key("k", v);
    add_cert(slot, 2);
    assert_int_equal(find(slot, "k", &keys), 3);
    assert_label(slot, keys.keys[0], "k");
    assert_int_equal(keys.keys[0]->version, 2);
    assert_label(slot, keys.keys[1], "k@v3");
    assert_label(slot, keys.keys[2], "k@v1");
    remote_key_list_clear(&keys);
}

static void test_name_of_several_types_shows_one_of_each(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    memory_add_typed("k", 1, REMOTE_KEY_AES, 256);
    memory_add_typed("k", 2, REMOTE_KEY_AES, 256);
    memory_add_typed("k", 3, REMOTE_KEY_GENERIC, 256);
    assert_int_equal(find(slot, "k", &keys), 2);
    assert_int_equal(keys.keys[0]->version, 2);
    assert_label(slot, keys.keys[0], "k");
    assert_int_equal(keys.keys[1]->version, 3);
    assert_label(slot, keys.keys[1], "k"); /* each is what the name means among its kind */
    remote_key_list_clear(&keys);
}

static void test_name_of_several_types_when_one_is_hidden_shows_the_other(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT "key_types = aes\n");

    (void)state;
    memory_add_typed("k", 1, REMOTE_KEY_AES, 256);
    memory_add_typed("k", 2, REMOTE_KEY_GENERIC, 256);
    assert_int_equal(find(slot, "k", &keys), 1);
    assert_int_equal(keys.keys[0]->type, REMOTE_KEY_AES);
    remote_key_list_clear(&keys);
}

static void test_label_outside_of_keys_is_hidden_without_a_request(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT "keys = tls-* code\n");

    (void)state;
    memory_add_key("tls-web", 1);
    memory_add_key("code", 1);
    memory_add_key("other", 1);
    assert_int_equal(find(slot, "other", &keys), 0);
    assert_int_equal(find(slot, "", &keys), 0);
    assert_int_equal(find(slot, "@v1", &keys), 0);
    assert_int_equal(memory.requests, 0);
    assert_int_equal(find(slot, "tls-web", &keys), 1);
    assert_int_equal(find(slot, "code", &keys), 1);
    remote_key_list_clear(&keys);
}

static void test_key_types_hide_the_others(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT "key_types = rsa aes\n");

    (void)state;
    memory_add_key("e", 1);
    memory_add_typed("r", 1, REMOTE_KEY_RSA, 2048);
    memory_add_typed("s", 1, REMOTE_KEY_AES, 256);
    assert_int_equal(find(slot, "e", &keys), 0);
    assert_int_equal(find(slot, "e@v1", &keys), 0);
    assert_int_equal(find(slot, "r", &keys), 1);
    assert_int_equal(list(slot, &keys), 2);
    assert_int_equal(find_id(slot, 1, &keys), 0);
    remote_key_list_clear(&keys);
}

static void test_unknown_label_is_believed_for_two_seconds(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    assert_int_equal(find(slot, "k", &keys), 0);
    memory_add_key("k", 1);
    memory_advance(1999);
    assert_int_equal(find(slot, "k", &keys), 0);
    assert_int_equal(memory.requests, 1);
    memory_advance(1);
    assert_int_equal(find(slot, "k", &keys), 1);
    assert_int_equal(memory.requests, 2);
    remote_key_list_clear(&keys);
}

static void test_known_key_is_read_again_when_the_cache_expires(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT "cache = 1m\n");

    (void)state;
    memory_add_key("k", 1);
    find(slot, "k", &keys);
    memory_add_key("k", 2);
    memory_advance(59999);
    assert_int_equal(find(slot, "k", &keys), 1);
    assert_int_equal(keys.keys[0]->version, 1);
    memory_advance(1);
    assert_int_equal(find(slot, "k", &keys), 1);
    assert_int_equal(keys.keys[0]->version, 2);
    assert_int_equal(memory.requests, 2);
    remote_key_list_clear(&keys);
}

static void test_refresh_forgets_the_cache_but_not_the_keys_in_use(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);
    struct remote_key *old;

    (void)state;
    memory_add_key("k", 1);
    old = memory_find(slot, "k");
    memory_add_key("k", 2);
    remote_slot_refresh(slot);
    assert_int_equal(find(slot, "k", &keys), 1);
    assert_int_equal(keys.keys[0]->version, 2);
    assert_int_equal(old->version, 1);
    assert_string_equal(old->name, "k");
    remote_key_unref(old);
    remote_key_list_clear(&keys);
}

static void test_stale_key_serves_while_the_service_cannot_be_asked(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT "cache = 1m\n");
    size_t requests;

    (void)state;
    memory_add_key("k", 1);
    find(slot, "k", &keys);
    memory_advance(60000);
    memory_rule((struct memory_rule){ .fate = MEMORY_REFUSE, .lasting = true });
    assert_int_equal(find(slot, "k", &keys), 1);
    requests = memory.requests;
    assert_int_equal(find(slot, "k", &keys), 1);
    assert_int_equal(memory.requests, requests); /* not asked at every look-up */
    memory_advance(10000);
    assert_int_equal(find(slot, "k", &keys), 1);
    assert_int_equal(memory.requests, requests + 1);
    remote_key_list_clear(&keys);
}

static void test_stale_key_that_is_gone_is_gone(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT "cache = 1m\n");

    (void)state;
    memory_add_key("k", 1);
    find(slot, "k", &keys);
    memory.key_count = 0;
    memory_advance(60000);
    assert_int_equal(find(slot, "k", &keys), 0);
}

static void test_stale_key_with_a_short_cache_is_not_served_longer_than_it_says(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT "cache = 0s\n");

    (void)state;
    memory_add_key("k", 1);
    find(slot, "k", &keys);
    find(slot, "k", &keys);
    assert_int_equal(memory.requests, 2);
    remote_key_list_clear(&keys);
}

static void test_label_when_the_service_is_away_and_nothing_is_known_is_the_error(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    memory_rule((struct memory_rule){ .fate = MEMORY_REFUSE, .lasting = true });
    assert_int_equal(remote_slot_find_label(slot, "k", &keys, &err), REMOTE_E_UNAVAILABLE);
    assert_says(err.text, "slot 'web': https://a: cannot connect");
    assert_int_equal(keys.count, 0);
}

static void test_label_of_a_key_that_cannot_be_served_is_not_found(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    memory_rule((struct memory_rule){ .name = "odd", .status = 415 });
    assert_int_equal(find(slot, "odd", &keys), 0);
}

/* ---- by id ---- */

static void test_id_finds_exactly_its_version(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    for (unsigned v = 1; v <= 3; v++)
        memory_add_key("k", v);
    assert_int_equal(find_id(slot, 2, &keys), 1);
    assert_int_equal(keys.keys[0]->version, 2);
    assert_label(slot, keys.keys[0], "k@v2");
    remote_key_list_clear(&keys);
}

static void test_id_that_is_cached_costs_no_request(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    memory_add_key("a", 1);
    memory_add_key("b", 1);
    find(slot, "b", &keys);
    assert_int_equal(find_id(slot, 2, &keys), 1);
    assert_int_equal(memory.requests, 1);
    remote_key_list_clear(&keys);
}

static void test_id_that_is_cached_but_old_reads_its_key_alone(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT "cache = 1m\n");

    (void)state;
    memory_add_key("a", 1);
    memory_add_key("b", 1);
    list(slot, &keys);
    memory_advance(60000);
    memory.requests = 0;
    assert_int_equal(find_id(slot, 2, &keys), 1);
    assert_int_equal(memory.requests, 1);
    assert_string_equal(memory.log[0].name, "b");
    remote_key_list_clear(&keys);
}

static void test_id_miss_lists_once_and_not_again_for_a_while(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    memory_add_key("a", 1);
    assert_int_equal(find_id(slot, 99, &keys), 0);
    assert_int_equal(find_id(slot, 98, &keys), 0);
    memory_advance(1900);
    assert_int_equal(find_id(slot, 97, &keys), 0);
    assert_int_equal(memory_count(REMOTE_OP_LIST), 1);
    memory_advance(200);
    assert_int_equal(find_id(slot, 99, &keys), 0);
    assert_int_equal(memory_count(REMOTE_OP_LIST), 2);
}

static void test_id_with_plain_names_reads_them_and_lists_nothing(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT "keys = a b\n");

    (void)state;
    memory_add_key("a", 1);
    memory_add_key("b", 1);
    memory_add_key("c", 1);
    assert_int_equal(find_id(slot, 2, &keys), 1);
    assert_int_equal(find_id(slot, 3, &keys), 0);
    assert_int_equal(memory_count(REMOTE_OP_LIST), 0);
    remote_key_list_clear(&keys);
}

/* ---- a whole listing ---- */

static void test_list_is_sorted_and_cached(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    memory_add_key("c", 1);
    memory_add_key("a", 1);
    memory_add_key("b", 1);
    assert_int_equal(list(slot, &keys), 3);
    assert_string_equal(keys.keys[0]->name, "a");
    assert_string_equal(keys.keys[2]->name, "c");
    assert_int_equal(memory.requests, 4);
    assert_int_equal(list(slot, &keys), 3);
    assert_int_equal(find(slot, "a", &keys), 1);
    assert_int_equal(memory.requests, 4);
    remote_key_list_clear(&keys);
}

struct steps {
    size_t calls, done, total;
};

static void count_step(void *arg, size_t done, size_t total)
{
    struct steps *steps = arg;

    steps->calls++;
    steps->done = done;
    steps->total = total;
}

static void test_list_has_at_most_32_reads_in_flight_and_tells_its_progress(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };
    struct remote_slot *slot = memory_open(SLOT);
    struct steps steps = { 0 };
    struct remote_progress progress = { count_step, &steps };
    int64_t start = remote_now_ms();

    (void)state;
    memory.latency_ms = 10;
    memory.page = 100;
    for (unsigned i = 0; i < 320; i++) {
        char name[16];

        snprintf(name, sizeof(name), "k%u", i);
        memory_add_key(name, 1);
    }
    assert_ok(remote_slot_list(slot, &progress, &keys, &err), err);
    assert_int_equal(keys.count, 320);
    assert_int_equal(memory.in_flight_max, 32);
    assert_int_equal(memory_count(REMOTE_OP_LIST), 4); /* pages */
    assert_int_equal(memory_count(REMOTE_OP_READ), 320);
    assert_int_equal(remote_now_ms() - start, 4 * 10 + 10 * 10);
    assert_int_equal(steps.calls, 320);
    assert_int_equal(steps.done, 320);
    assert_int_equal(steps.total, 320);
    remote_key_list_clear(&keys);
}

static void test_list_of_plain_names_needs_no_right_to_list(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT "keys = a b missing\n");

    (void)state;
    memory_add_key("a", 1);
    memory_add_key("b", 1);
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(LIST), .status = 403 });
    assert_int_equal(list(slot, &keys), 2);
    assert_int_equal(memory_count(REMOTE_OP_LIST), 0);
    remote_key_list_clear(&keys);
}

static void test_list_of_globs_and_names_goes_on_without_the_right_to_list(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT "keys = a* b\n");

    (void)state;
    memory_add_key("a", 1);
    memory_add_key("b", 1);
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(LIST), .status = 403 });
    assert_int_equal(list(slot, &keys), 1);
    assert_string_equal(keys.keys[0]->name, "b");
    remote_key_list_clear(&keys);
}

static void test_list_of_globs_without_the_right_to_list_is_the_error(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(LIST), .status = 403 });
    assert_int_equal(remote_slot_list(slot, NULL, &keys, &err), REMOTE_E_RIGHTS);
    assert_says(err.text, "slot 'web': https://a: memory says 403");
}

static void test_list_leaves_out_what_may_not_be_read(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    memory_add_key("a", 1);
    memory_add_key("b", 1);
    memory_add_key("c", 1);
    memory_rule((struct memory_rule){ .name = "a", .status = 403 });
    memory_rule((struct memory_rule){ .name = "b", .status = 500 }); /* makes no sense */
    assert_int_equal(list(slot, &keys), 1);
    assert_string_equal(keys.keys[0]->name, "c");
    remote_key_list_clear(&keys);
}

static void test_list_when_the_service_goes_away_in_its_middle_is_the_error(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    memory_add_key("a", 1);
    memory_add_key("b", 1);
    memory_rule((struct memory_rule){ .name = "b", .fate = MEMORY_REFUSE });
    assert_int_equal(remote_slot_list(slot, NULL, &keys, &err), REMOTE_E_UNAVAILABLE);
    assert_int_equal(keys.count, 0);
}

static void test_earlier_list_serves_while_a_new_one_fails(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT "cache = 1m\n");
    size_t requests;

    (void)state;
    memory_add_key("a", 1);
    list(slot, &keys);
    memory_advance(60000);
    memory_rule((struct memory_rule){ .fate = MEMORY_REFUSE, .lasting = true });
    assert_int_equal(list(slot, &keys), 1);
    requests = memory.requests;
    assert_int_equal(list(slot, &keys), 1);
    assert_int_equal(memory.requests, requests);
    remote_key_list_clear(&keys);
}

static void test_list_anew_drops_what_is_gone(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT "cache = 1m\n");

    (void)state;
    memory_add_key("a", 1);
    memory_add_key("b", 1);
    assert_int_equal(list(slot, &keys), 2);
    memory.key_count = 1;
    memory_advance(60000);
    assert_int_equal(list(slot, &keys), 1);
    remote_key_list_clear(&keys);
}

static void test_list_ends_within_its_own_time_limit(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_error err = { 0 };
    struct remote_slot *slot = memory_open(SLOT "list_timeout = 5s\n");
    int64_t start = remote_now_ms();

    (void)state;
    for (unsigned i = 0; i < 400; i++) {
        char name[16];

        snprintf(name, sizeof(name), "k%u", i);
        memory_add_key(name, 1);
    }
    memory.latency_ms = 1000;
    assert_int_equal(remote_slot_list(slot, NULL, &keys, &err), REMOTE_E_TIMEOUT);
    assert_true(remote_now_ms() - start <= 5000);
    assert_int_equal(keys.count, 0);
}

/* ---- single flight ---- */

struct crowd {
    struct remote_slot *slot;
    bool whole;
    atomic_size_t found;
};

static void look_up(void *arg, size_t index)
{
    struct crowd *crowd = arg;
    struct remote_key_list keys = { 0 };
    enum remote_rc rc;

    (void)index;
    rc = crowd->whole ? remote_slot_list(crowd->slot, NULL, &keys, NULL)
                      : remote_slot_find_label(crowd->slot, "k", &keys, NULL);
    if (rc == REMOTE_OK)
        atomic_fetch_add(&crowd->found, keys.count);
    remote_key_list_clear(&keys);
}

static void test_many_threads_read_a_key_once(void **state)
{
    struct crowd crowd = { 0 };

    (void)state;
    memory.real_time = true;
    memory.latency_ms = 50;
    memory_add_key("k", 1);
    crowd.slot = memory_open(SLOT);
    memory_threads(64, look_up, &crowd);
    assert_int_equal(crowd.found, 64);
    assert_int_equal(memory.requests, 1);
}

static void test_many_threads_list_once(void **state)
{
    struct crowd crowd = { .whole = true };

    (void)state;
    memory.real_time = true;
    memory.latency_ms = 50;
    memory_add_key("k", 1);
    memory_add_key("l", 1);
    crowd.slot = memory_open(SLOT);
    memory_threads(64, look_up, &crowd);
    assert_int_equal(crowd.found, 128);
    assert_int_equal(memory.requests, 3);
}

/* A reader that stayed behind in the parent. */
static void test_read_under_way_in_a_parent_is_not_waited_for(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);
    struct remote_cache_entry *entry;

    (void)state;
    memory_add_key("k", 1);
    entry = remote_cache_obtain(&slot->cache, "k");
    entry->reading = true;
    entry->reading_generation = remote_fork_generation() + 1;
    slot->listing = true;
    slot->listing_generation = remote_fork_generation() + 1;
    assert_int_equal(find(slot, "k", &keys), 1);
    assert_int_equal(list(slot, &keys), 1);
    remote_key_list_clear(&keys);
}

static void test_siblings_are_the_other_enabled_versions_newest_first(void **state)
{
    struct remote_key_list keys = { 0 };
    struct remote_slot *slot = memory_open(SLOT);
    struct remote_key *key;

    (void)state;
    for (unsigned v = 1; v <= 5; v++)
        memory_add_key("k", v)->disabled = v == 2;
    key = memory_find(slot, "k@v4");
    remote_lookup_siblings(slot, key, &keys);
    assert_int_equal(keys.count, 3);
    assert_int_equal(keys.keys[0]->version, 5);
    assert_int_equal(keys.keys[1]->version, 3);
    assert_int_equal(keys.keys[2]->version, 1);
    remote_key_list_clear(&keys);
    remote_key_unref(key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, memory_setup, memory_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_label_reads_that_key_alone_and_once),
        TEST(test_label_shows_the_newest_enabled_version),
        TEST(test_label_with_a_version_shows_exactly_that_one),
        TEST(test_label_that_only_looks_like_a_version_is_a_name),
        TEST(test_label_pins_the_version_that_a_certificate_carries),
        TEST(test_versions_all_shows_the_pinned_one_first_and_labels_the_others),
        TEST(test_name_of_several_types_shows_one_of_each),
        TEST(test_name_of_several_types_when_one_is_hidden_shows_the_other),
        TEST(test_label_outside_of_keys_is_hidden_without_a_request),
        TEST(test_key_types_hide_the_others),
        TEST(test_unknown_label_is_believed_for_two_seconds),
        TEST(test_known_key_is_read_again_when_the_cache_expires),
        TEST(test_refresh_forgets_the_cache_but_not_the_keys_in_use),
        TEST(test_stale_key_serves_while_the_service_cannot_be_asked),
        TEST(test_stale_key_that_is_gone_is_gone),
        TEST(test_stale_key_with_a_short_cache_is_not_served_longer_than_it_says),
        TEST(test_label_when_the_service_is_away_and_nothing_is_known_is_the_error),
        TEST(test_label_of_a_key_that_cannot_be_served_is_not_found),
        TEST(test_id_finds_exactly_its_version),
        TEST(test_id_that_is_cached_costs_no_request),
        TEST(test_id_that_is_cached_but_old_reads_its_key_alone),
        TEST(test_id_miss_lists_once_and_not_again_for_a_while),
        TEST(test_id_with_plain_names_reads_them_and_lists_nothing),
        TEST(test_list_is_sorted_and_cached),
        TEST(test_list_has_at_most_32_reads_in_flight_and_tells_its_progress),
        TEST(test_list_of_plain_names_needs_no_right_to_list),
        TEST(test_list_of_globs_and_names_goes_on_without_the_right_to_list),
        TEST(test_list_of_globs_without_the_right_to_list_is_the_error),
        TEST(test_list_leaves_out_what_may_not_be_read),
        TEST(test_list_when_the_service_goes_away_in_its_middle_is_the_error),
        TEST(test_earlier_list_serves_while_a_new_one_fails),
        TEST(test_list_anew_drops_what_is_gone),
        TEST(test_list_ends_within_its_own_time_limit),
        TEST(test_many_threads_read_a_key_once),
        TEST(test_many_threads_list_once),
        TEST(test_read_under_way_in_a_parent_is_not_waited_for),
        TEST(test_siblings_are_the_other_enabled_versions_newest_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
