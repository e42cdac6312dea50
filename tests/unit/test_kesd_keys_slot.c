/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of a slot. The service in memory knows no associated data: integration tests ask real ones.
 */
#include "memory.h"

#include "kesd_core.h"
#include "keys.h"

#define SLOT "[slot web]\nbackend = memory-life\nurl = https://a\nallow = generate import destroy\n"
#define WHO "60746e72f32d9626386d19b4d6243f34ba247eef6bcb35d51932be63d76f35ba"

static struct kesd_keys *keys;

static void open_keys(const char *text)
{
    static char web[] = "web";
    struct kesd_settings settings = { .store = KESD_STORE_SLOT, .slot = web };
    struct remote_error err = { 0 };

    assert_ok(kesd_keys_new(kesd_core(text), &settings, &keys, &err), err);
}

static int teardown(void **state)
{
    kesd_keys_free(keys);
    keys = NULL;
    return memory_teardown(state);
}

static void test_key_when_made_then_it_is_the_slots(void **state)
{
    struct remote_error err = { 0 };
    struct kesd_info info;

    (void)state;
    open_keys(SLOT);
    assert_ok(kesd_keys_create(keys, "app", WHO, &err), err);
    assert_int_equal(memory.key_count, 1);
    assert_int_equal(memory.keys[0].type, REMOTE_KEY_AES);
    assert_int_equal(memory.keys[0].bits, 256);
    assert_int_equal(kesd_keys_create(keys, "app", WHO, NULL), REMOTE_E_EXISTS);
    assert_ok(kesd_keys_describe(keys, "app", &info, &err), err);
    assert_int_equal(info.algorithm, KESD_AES256);
    assert_string_equal(info.created_by, "");
    assert_false(kesd_keys_is_near(keys, "app"));
    assert_ok(kesd_keys_delete(keys, "app", &err), err);
    assert_int_equal(kesd_keys_describe(keys, "app", &info, NULL), REMOTE_E_NOT_FOUND);
}

static void test_create_when_the_slot_does_not_allow_it_then_says_so(void **state)
{
    struct remote_error err = { 0 };

    (void)state;
    open_keys("[slot web]\nbackend = memory-life\nurl = https://a\n");
    assert_int_equal(kesd_keys_create(keys, "app", WHO, &err), REMOTE_E_FORBIDDEN_USE);
    assert_says(err.text, "allow = generate");
}

static void create_together(void *arg, size_t index)
{
    atomic_uint *winners = arg;

    (void)index;
    if (kesd_keys_create(keys, "app", WHO, NULL) == REMOTE_OK)
        atomic_fetch_add(winners, 1);
}

/* The service would take every one of them for a wish for a new version. */
static void test_create_when_many_at_once_then_one_wins(void **state)
{
    atomic_uint winners = 0;

    (void)state;
    memory.real_time = true;
    open_keys(SLOT);
    memory_threads(8, create_together, &winners);
    assert_int_equal(atomic_load(&winners), 1);
    assert_int_equal(memory.key_count, 1);
}

static void test_ciphertext_says_version_and_opens_after_a_rotation(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret plain = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret opened = { 0 };
    struct remote_slice context = remote_slice_str("bucket");
    struct remote_error err = { 0 };

    (void)state;
    open_keys(SLOT);
    memory_add_typed("app", 1, REMOTE_KEY_AES, 256)->id = 1;
    assert_ok(kesd_keys_generate(keys, "app", context, &plain, &sealed, &err), err);
    assert_int_equal(plain.len, KESD_KEY_LEN);
    assert_memory_equal(sealed.data, "hsmbkes\x01\x01\x00\x00\x00\x01", 13);
    memory_add_typed("app", 2, REMOTE_KEY_AES, 256)->id = 2;
    remote_slot_refresh(memory_slot(0));
    assert_ok(kesd_keys_decrypt(keys, "app", remote_buf_slice(&sealed), context, &opened, &err),
              err);
    assert_true(remote_secret_equal(&opened, remote_secret_slice(&plain)));
    assert_int_equal(memory_count(REMOTE_OP_DECRYPT), 1);
}

static void test_ciphertext_when_changed_or_not_ours_then_not_authentic(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret opened = { 0 };
    struct remote_slice none = remote_slice(NULL, 0);
    struct remote_error err = { 0 };

    (void)state;
    open_keys(SLOT);
    memory_add_typed("app", 1, REMOTE_KEY_AES, 256)->id = 1;
    assert_ok(kesd_keys_encrypt(keys, "app", remote_slice_str("text"), none, &sealed, &err), err);
    for (size_t i = 0; i < 14; i++) {
        if (i >= 9 && i < 13)
            continue; /* the version is where to look first, no more */
        sealed.data[i] ^= 4;
        assert_int_equal(kesd_keys_decrypt(keys, "app", remote_buf_slice(&sealed), none, &opened,
                                           &err),
                         REMOTE_E_DATA);
        assert_string_equal(err.text, "decryption failed: ciphertext is not authentic");
        sealed.data[i] ^= 4;
    }
    for (size_t len = 0; len < 14; len++)
        assert_int_equal(kesd_keys_decrypt(keys, "app", remote_slice(sealed.data, len), none,
                                           &opened, NULL),
                         REMOTE_E_DATA);
    assert_null(opened.data);
    assert_int_equal(kesd_keys_decrypt(keys, "none", remote_buf_slice(&sealed), none, &opened,
                                       NULL),
                     REMOTE_E_NOT_FOUND);
}

static void test_empty_text_comes_back(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret opened = { 0 };
    struct remote_slice none = remote_slice(NULL, 0);
    struct remote_error err = { 0 };

    (void)state;
    open_keys(SLOT);
    memory_add_typed("app", 1, REMOTE_KEY_AES, 256)->id = 1;
    assert_ok(kesd_keys_encrypt(keys, "app", none, none, &sealed, &err), err);
    assert_ok(kesd_keys_decrypt(keys, "app", remote_buf_slice(&sealed), none, &opened, &err), err);
    assert_int_equal(opened.len, 0);
}

static void test_hmac_is_of_a_key_that_makes_one(void **state)
{
    unsigned char mac[KESD_KEY_LEN], expected[KESD_KEY_LEN];
    struct remote_error err = { 0 };

    (void)state;
    open_keys(SLOT);
    memory_add_typed("app", 1, REMOTE_KEY_AES, 256)->id = 1;
    memory_add_typed("mac", 1, REMOTE_KEY_GENERIC, 256)->id = 2;
    assert_int_equal(kesd_keys_hmac(keys, "app", remote_slice_str("m"), mac, &err),
                     REMOTE_E_UNSUPPORTED);
    assert_int_equal(kesd_keys_hmac(keys, "none", remote_slice_str("m"), mac, NULL),
                     REMOTE_E_NOT_FOUND);
    assert_ok(kesd_keys_hmac(keys, "mac", remote_slice_str("m"), mac, &err), err);
    memory_signature("mac", 1, remote_slice_str("m"), expected, sizeof(expected));
    assert_memory_equal(mac, expected, sizeof(mac));
}

static void test_import_is_the_services_or_refused(void **state)
{
    static const unsigned char bytes[KESD_KEY_LEN] = "0123456789abcdef0123456789abcde";
    struct remote_slice key = remote_slice(bytes, sizeof(bytes));
    struct remote_error err = { 0 };

    (void)state;
    open_keys(SLOT);
    assert_ok(kesd_keys_import(keys, "app", WHO, KESD_AES256, key, &err), err);
    assert_memory_equal(memory.imported, bytes, 31);
    assert_int_equal(kesd_keys_import(keys, "app", WHO, KESD_AES256, key, NULL), REMOTE_E_EXISTS);
    assert_int_equal(kesd_keys_import(keys, "c", WHO, KESD_CHACHA20, key, NULL),
                     REMOTE_E_UNSUPPORTED);
}

static void test_list_is_of_cipher_keys_alone(void **state)
{
    CLEANUP(kesd_names_clear) struct kesd_names names = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    open_keys(SLOT);
    memory_add_typed("b", 1, REMOTE_KEY_AES, 256)->id = 1;
    memory_add_typed("a", 1, REMOTE_KEY_AES, 256)->id = 2;
    memory_add_typed("mac", 1, REMOTE_KEY_GENERIC, 256)->id = 3;
    memory_add_key("ec", 1);
    assert_ok(kesd_keys_list(keys, "", 10, &names, &err), err);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.names[0], "a");
    assert_string_equal(names.names[1], "b");
}

static void test_probe_asks_each_endpoint_until_one_is_well(void **state)
{
    struct remote_error err = { 0 };
    int64_t ms;

    (void)state;
    open_keys("[slot web]\nbackend = memory\nurl = https://a https://b\n");
    assert_ok(kesd_keys_probe(keys, &ms, &err), err);
    assert_int_equal(memory.requests, 1);
    memory_rule((struct memory_rule){ .endpoints = 1, .status = 503 });
    assert_ok(kesd_keys_probe(keys, &ms, &err), err);
    assert_int_equal(memory.requests, 3);
    memory_rule((struct memory_rule){ .status = 503 });
    assert_int_equal(kesd_keys_probe(keys, &ms, &err), REMOTE_E_UNAVAILABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, memory_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_key_when_made_then_it_is_the_slots),
        TEST(test_create_when_the_slot_does_not_allow_it_then_says_so),
        TEST(test_create_when_many_at_once_then_one_wins),
        TEST(test_ciphertext_says_version_and_opens_after_a_rotation),
        TEST(test_ciphertext_when_changed_or_not_ours_then_not_authentic),
        TEST(test_empty_text_comes_back),
        TEST(test_hmac_is_of_a_key_that_makes_one),
        TEST(test_import_is_the_services_or_refused),
        TEST(test_list_is_of_cipher_keys_alone),
        TEST(test_probe_asks_each_endpoint_until_one_is_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
