/* SPDX-License-Identifier: Apache-2.0 */
/* What changes keys (remote/lifecycle.h): asked for, refused, and never done twice. */
#include "lifecycle.h"

#include <openssl/obj_mac.h>

#include "memory.h"

#define SLOT "[slot web]\nbackend = memory-life\nurl = https://a https://b\n"
#define ALL "allow = generate import rotate destroy label\n"

static const struct remote_key_spec p256 = { REMOTE_KEY_EC, 256, NID_X9_62_prime256v1, 0 };
static const struct remote_key_spec aes = { REMOTE_KEY_AES, 256, 0, 0 };

static struct remote_error err;
static struct remote_key *key;

static int setup(void **state)
{
    err = (struct remote_error){ 0 };
    key = NULL;
    return memory_setup(state);
}

static int teardown(void **state)
{
    remote_key_unref(key);
    return memory_teardown(state);
}

static enum remote_rc import(struct remote_slot *slot, const char *name)
{
    return remote_slot_import(slot, name, &aes, remote_slice_str("0123456789abcdef"), &key, &err);
}

static size_t made_or_ended(void)
{
    return memory_count(REMOTE_OP_GENERATE) + memory_count(REMOTE_OP_IMPORT) +
           memory_count(REMOTE_OP_ROTATE) + memory_count(REMOTE_OP_DESTROY) +
           memory_count(REMOTE_OP_LABEL);
}

/* ---- may it? ---- */

static void test_each_is_refused_without_a_request_until_allow_names_it(void **state)
{
    struct remote_slot *slot = memory_open(SLOT);

    (void)state;
    assert_int_equal(remote_slot_generate(slot, "k", &p256, &key, &err), REMOTE_E_FORBIDDEN_USE);
    assert_says(err.text, "slot 'web' does not allow this; add 'allow = generate'");
    assert_int_equal(import(slot, "k"), REMOTE_E_FORBIDDEN_USE);
    assert_says(err.text, "allow = import");
    assert_int_equal(remote_slot_rotate(slot, "k", &key, &err), REMOTE_E_FORBIDDEN_USE);
    assert_says(err.text, "allow = rotate");
    assert_int_equal(remote_slot_destroy(slot, "k", &err), REMOTE_E_FORBIDDEN_USE);
    assert_says(err.text, "allow = destroy");
    assert_int_equal(remote_slot_rename(slot, "k", "l", &key, &err), REMOTE_E_FORBIDDEN_USE);
    assert_says(err.text, "allow = label");
    assert_int_equal(memory.requests, 0);
}

static void test_each_is_unsupported_where_the_backend_has_no_such_operation(void **state)
{
    struct remote_slot *slot = memory_open("[slot web]\nbackend = memory\nurl = https://a\n" ALL);

    (void)state;
    assert_int_equal(remote_slot_generate(slot, "k", &p256, &key, &err), REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "slot 'web': keys in memory cannot do this");
    assert_int_equal(import(slot, "k"), REMOTE_E_UNSUPPORTED);
    assert_int_equal(remote_slot_rotate(slot, "k", &key, &err), REMOTE_E_UNSUPPORTED);
    assert_int_equal(remote_slot_destroy(slot, "k", &err), REMOTE_E_UNSUPPORTED);
    assert_int_equal(memory.requests, 0);
}

static void test_rename_is_unsupported_before_it_is_not_allowed(void **state)
{
    struct remote_slot *slot = memory_open("[slot web]\nbackend = memory\nurl = https://a\n");

    (void)state;
    assert_int_equal(remote_slot_rename(slot, "k", "l", &key, &err), REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "slot 'web': keys in memory has no way to rename a key");
}

static void test_names_have_1_to_256_bytes(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL);
    char name[REMOTE_KEY_NAME_MAX + 2];

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(remote_slot_generate(slot, "", &p256, &key, &err), REMOTE_E_PARAM);
    assert_says(err.text, "a key's name has 1 to 256 bytes, not 0");
    assert_int_equal(remote_slot_generate(slot, name, &p256, &key, &err), REMOTE_E_PARAM);
    assert_int_equal(remote_slot_rename(slot, "k", name, &key, &err), REMOTE_E_PARAM);
    assert_int_equal(remote_slot_rename(slot, "k", "", &key, &err), REMOTE_E_PARAM);
    assert_int_equal(memory.requests, 0);
}

static void test_sizes_that_the_service_does_not_make_are_unsupported(void **state)
{
    static const struct remote_key_spec small = { REMOTE_KEY_RSA, 1024, 0, 0 };
    static const struct remote_key_spec absent = { REMOTE_KEY_ED25519, 256, 0, 0 };
    static const struct remote_key_spec curve = { REMOTE_KEY_EC, 256, NID_secp256k1, 0 };
    struct remote_slot *slot = memory_open(SLOT ALL);

    (void)state;
    assert_int_equal(remote_slot_generate(slot, "k", &small, &key, &err), REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "has no rsa keys of 1024 bits");
    assert_int_equal(remote_slot_generate(slot, "k", &absent, &key, &err), REMOTE_E_UNSUPPORTED);
    assert_int_equal(remote_slot_generate(slot, "k", &curve, &key, &err), REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "no keys on this curve");
    assert_int_equal(memory.requests, 0);
}

/* ---- making ---- */

static void test_generated_key_is_what_the_service_has(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL);

    (void)state;
    assert_ok(remote_slot_generate(slot, "new", &p256, &key, &err), err);
    assert_string_equal(key->name, "new");
    assert_int_equal(key->version, 1);
    assert_int_equal(key->type, REMOTE_KEY_EC);
}

static void test_taken_names_are_refused_before_anything_is_made(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL);

    (void)state;
    memory_add_key("old", 1);
    memory_add_key("k", 1);
    assert_int_equal(remote_slot_generate(slot, "old", &p256, &key, &err), REMOTE_E_EXISTS);
    assert_says(err.text, "there is a key 'old' already; it was left alone");
    assert_int_equal(import(slot, "old"), REMOTE_E_EXISTS);
    assert_int_equal(remote_slot_rename(slot, "k", "old", &key, &err), REMOTE_E_EXISTS);
    assert_int_equal(made_or_ended(), 0);
}

static void test_taken_name_of_a_kind_that_is_not_served_is_taken_too(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL);

    (void)state;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(READ), .status = 415 });
    assert_int_equal(remote_slot_generate(slot, "odd", &p256, &key, &err), REMOTE_E_EXISTS);
    assert_int_equal(made_or_ended(), 0);
}

static void test_name_that_another_takes_meanwhile_is_not_ours(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL);

    (void)state;
    memory_add_typed("raced", 1, REMOTE_KEY_RSA, 2048);
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(READ), .times = 1, .status = 404 });
    memory_rule((struct memory_rule){
        .kinds = MEMORY_KIND(GENERATE), .status = 200, .body = "" }); /* and does nothing */
    assert_int_equal(remote_slot_generate(slot, "raced", &p256, &key, &err), REMOTE_E_EXISTS);
    assert_says(err.text, "there is another key 'raced'");
}

static void test_imported_material_goes_with_the_services_wrapping_key(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL);

    (void)state;
    assert_ok(import(slot, "mine"), err);
    assert_string_equal(memory.imported, "0123456789abcdef");
    assert_string_equal(memory.wrapped_for, "wrapping");
    assert_int_equal(memory_count(REMOTE_OP_WRAPPING_KEY), 1);
    assert_int_equal(key->type, REMOTE_KEY_AES);
}

static void test_making_is_not_repeated_once_it_may_have_been_done(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL);

    (void)state;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(GENERATE), .fate = MEMORY_CUT });
    assert_int_equal(remote_slot_generate(slot, "new", &p256, &key, &err), REMOTE_E_UNAVAILABLE);
    assert_int_equal(memory_count(REMOTE_OP_GENERATE), 1);
}

static void test_making_has_30_seconds_and_its_failure_says_so(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL "timeout = 2s\n");
    int64_t began = remote_now_ms();

    (void)state;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(GENERATE), .fate = MEMORY_HANG });
    assert_int_equal(remote_slot_generate(slot, "new", &p256, &key, &err), REMOTE_E_TIMEOUT);
    assert_true(remote_now_ms() - began >= 30000 && remote_now_ms() - began < 31000);
}

static void test_longer_timeout_of_the_slot_counts(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL "timeout = 40s\n");
    int64_t began = remote_now_ms();

    (void)state;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(GENERATE), .fate = MEMORY_HANG });
    assert_int_equal(remote_slot_generate(slot, "new", &p256, &key, &err), REMOTE_E_TIMEOUT);
    assert_true(remote_now_ms() - began >= 40000);
}

/* ---- rotating, destroying, renaming ---- */

static void test_rotated_key_has_a_new_version_that_is_seen_at_once(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL);

    (void)state;
    memory_add_key("k", 1);
    remote_key_unref(memory_find(slot, "k"));
    assert_ok(remote_slot_rotate(slot, "k", &key, &err), err);
    assert_int_equal(key->version, 2);
    remote_key_unref(key);
    key = memory_find(slot, "k");
    assert_int_equal(key->version, 2);
}

static void test_absent_key_is_neither_rotated_nor_destroyed_nor_renamed(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL);

    (void)state;
    assert_int_equal(remote_slot_rotate(slot, "k", &key, &err), REMOTE_E_NOT_FOUND);
    assert_says(err.text, "slot 'web': there is no key 'k'");
    assert_int_equal(remote_slot_destroy(slot, "k", &err), REMOTE_E_NOT_FOUND);
    assert_int_equal(remote_slot_rename(slot, "k", "l", &key, &err), REMOTE_E_NOT_FOUND);
    assert_int_equal(made_or_ended(), 0);
}

static void test_destroyed_key_is_gone_with_all_its_versions(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL);
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };

    (void)state;
    memory_add_key("k", 1);
    memory_add_key("k", 2);
    memory.guarded = true; /* until it is told that it may */
    remote_key_unref(memory_find(slot, "k"));
    assert_ok(remote_slot_destroy(slot, "k", &err), err);
    assert_int_equal(memory.key_count, 0);
    assert_ok(remote_slot_find_label(slot, "k", &keys, &err), err);
    assert_int_equal(keys.count, 0);
}

static void test_destroying_is_given_up_when_protection_stays(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL);

    (void)state;
    memory_add_key("k", 1);
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(UNPROTECT), .status = 403 });
    assert_int_equal(remote_slot_destroy(slot, "k", &err), REMOTE_E_RIGHTS);
    assert_int_equal(memory_count(REMOTE_OP_DESTROY), 0);
}

static void test_renamed_key_is_found_by_its_new_name_only(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL);
    CLEANUP(remote_key_list_clear) struct remote_key_list keys = { 0 };

    (void)state;
    memory_add_key("k", 1);
    memory_add_key("k", 2);
    remote_key_unref(memory_find(slot, "k"));
    assert_ok(remote_slot_rename(slot, "k", "l", &key, &err), err);
    assert_string_equal(key->name, "l");
    assert_int_equal(key->version, 2);
    assert_ok(remote_slot_find_label(slot, "k", &keys, &err), err);
    assert_int_equal(keys.count, 0);
    remote_key_unref(memory_find(slot, "l"));
}

static void test_key_is_not_renamed_to_its_own_name(void **state)
{
    struct remote_slot *slot = memory_open(SLOT ALL);

    (void)state;
    memory_add_key("k", 1);
    assert_int_equal(remote_slot_rename(slot, "k", "k", &key, &err), REMOTE_E_EXISTS);
}

/* ---- data keys ---- */

static struct remote_key *wrapping_key(struct remote_slot *slot, unsigned uses)
{
    memory_add_typed("box", 1, REMOTE_KEY_AES, 256)->uses = uses;
    return memory_find(slot, "box");
}

static void test_data_key_comes_clear_and_sealed_without_allow(void **state)
{
    struct remote_slot *slot = memory_open(SLOT);
    CLEANUP(remote_secret_clear) struct remote_secret clear = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    (void)state;
    key = wrapping_key(slot, REMOTE_USE_WRAP);
    assert_ok(remote_key_data_key(key, NULL, 32, &clear, &sealed, &err), err);
    assert_int_equal(clear.len, 32);
    assert_int_equal(clear.data[31], 'k');
    assert_true(remote_slice_equal(remote_buf_slice(&sealed), remote_slice_str("sealed")));
    assert_int_equal(memory_count(REMOTE_OP_DATA_KEY), 1);
}

static void test_data_key_of_another_length_is_a_protocol_error(void **state)
{
    struct remote_slot *slot = memory_open(SLOT);
    struct remote_secret clear = { 0 };
    struct remote_buf sealed = { 0 };

    (void)state;
    key = wrapping_key(slot, REMOTE_USE_WRAP);
    memory.sig_surplus = 1;
    assert_int_equal(remote_key_data_key(key, NULL, 32, &clear, &sealed, &err), REMOTE_E_PROTOCOL);
    assert_says(err.text, "a data key of 33 bytes where 32 were asked");
    assert_null(clear.data);
    assert_null(sealed.data);
}

static void test_data_key_under_a_key_that_does_not_wrap_is_refused(void **state)
{
    struct remote_slot *slot = memory_open(SLOT);
    struct remote_secret clear = { 0 };
    struct remote_buf sealed = { 0 };

    (void)state;
    key = wrapping_key(slot, REMOTE_USE_ENCRYPT);
    assert_int_equal(remote_key_data_key(key, NULL, 32, &clear, &sealed, &err),
                     REMOTE_E_FORBIDDEN_USE);
    assert_int_equal(memory_count(REMOTE_OP_DATA_KEY), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_is_refused_without_a_request_until_allow_names_it),
        TEST(test_each_is_unsupported_where_the_backend_has_no_such_operation),
        TEST(test_rename_is_unsupported_before_it_is_not_allowed),
        TEST(test_names_have_1_to_256_bytes),
        TEST(test_sizes_that_the_service_does_not_make_are_unsupported),
        TEST(test_generated_key_is_what_the_service_has),
        TEST(test_taken_names_are_refused_before_anything_is_made),
        TEST(test_taken_name_of_a_kind_that_is_not_served_is_taken_too),
        TEST(test_name_that_another_takes_meanwhile_is_not_ours),
        TEST(test_imported_material_goes_with_the_services_wrapping_key),
        TEST(test_making_is_not_repeated_once_it_may_have_been_done),
        TEST(test_making_has_30_seconds_and_its_failure_says_so),
        TEST(test_longer_timeout_of_the_slot_counts),
        TEST(test_rotated_key_has_a_new_version_that_is_seen_at_once),
        TEST(test_absent_key_is_neither_rotated_nor_destroyed_nor_renamed),
        TEST(test_destroyed_key_is_gone_with_all_its_versions),
        TEST(test_destroying_is_given_up_when_protection_stays),
        TEST(test_renamed_key_is_found_by_its_new_name_only),
        TEST(test_key_is_not_renamed_to_its_own_name),
        TEST(test_data_key_comes_clear_and_sealed_without_allow),
        TEST(test_data_key_of_another_length_is_a_protocol_error),
        TEST(test_data_key_under_a_key_that_does_not_wrap_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
