/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that a directory keeps, in both forms. */
#include "memory.h"

#include <sys/stat.h>
#include <unistd.h>

#include "kesd_core.h"
#include "kesd_vectors.h"
#include "keys.h"
#include "temp_dir.h"

#define SLOT "[slot web]\nbackend = memory\nurl = https://a\n"
#define WHO "60746e72f32d9626386d19b4d6243f34ba247eef6bcb35d51932be63d76f35ba"

static struct kesd_keys *keys;
static struct remote_core *core;

static void open_keys(enum kesd_format format)
{
    static char web[] = "web", kek[] = "kek";
    struct kesd_settings settings = { .store = KESD_STORE_DIRECTORY,
                                      .format = format,
                                      .slot = web,
                                      .sealing_key = kek,
                                      .directory = temp_dir,
                                      .cache_any_ms = 5000 };
    struct remote_error err = { 0 };

    assert_ok(kesd_keys_new(core, &settings, &keys, &err), err);
}

static int setup(void **state)
{
    if (memory_setup(state) != 0 || temp_dir_make(state) != 0)
        return -1;
    memory_add_typed("kek", 1, REMOTE_KEY_AES, 256)->id = 1;
    core = kesd_core(SLOT);
    return 0;
}

static int teardown(void **state)
{
    kesd_keys_free(keys);
    keys = NULL;
    return temp_dir_remove(state) == 0 ? memory_teardown(state) : -1;
}

static enum remote_rc open_text(const char *name, struct remote_slice sealed, const char *context,
                                const char *expected)
{
    CLEANUP(remote_secret_clear) struct remote_secret opened = { 0 };
    enum remote_rc rc =
        kesd_keys_decrypt(keys, name, sealed, remote_slice_str(context), &opened, NULL);

    if (rc == REMOTE_OK)
        assert_string_equal((char *)opened.data, expected);
    return rc;
}

static void assert_works(const char *name)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret plain = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret opened = { 0 };
    struct remote_slice context = remote_slice_str("bucket");
    struct remote_error err = { 0 };
    unsigned char mac[KESD_KEY_LEN];

    assert_ok(kesd_keys_generate(keys, name, context, &plain, &sealed, &err), err);
    assert_ok(kesd_keys_decrypt(keys, name, remote_buf_slice(&sealed), context, &opened, &err),
              err);
    assert_true(remote_secret_equal(&opened, remote_secret_slice(&plain)));
    remote_buf_clear(&sealed);
    assert_ok(kesd_keys_encrypt(keys, name, remote_slice_str("text"), context, &sealed, &err), err);
    assert_int_equal(open_text(name, remote_buf_slice(&sealed), "bucket", "text"), REMOTE_OK);
    assert_int_equal(open_text(name, remote_buf_slice(&sealed), "other", "text"), REMOTE_E_DATA);
    assert_ok(kesd_keys_hmac(keys, name, remote_slice_str("msg"), mac, &err), err);
}

static void test_key_when_made_then_it_works_and_is_described(void **state)
{
    struct remote_error err = { 0 };
    struct kesd_info info;

    (void)state;
    for (int format = KESD_FORMAT_SEALED; format <= KESD_FORMAT_KES; format++) {
        const char *name = format == KESD_FORMAT_KES ? "clear" : "sealed";

        open_keys((enum kesd_format)format);
        assert_ok(kesd_keys_create(keys, name, WHO, &err), err);
        assert_true(kesd_keys_is_near(keys, name));
        assert_int_equal(kesd_keys_create(keys, name, WHO, NULL), REMOTE_E_EXISTS);
        assert_works(name);
        assert_ok(kesd_keys_describe(keys, name, &info, &err), err);
        assert_int_equal(info.algorithm, KESD_AES256);
        assert_string_equal(info.created_by, WHO);
        assert_true(info.created_s > 1600000000);
        kesd_keys_free(keys);
        keys = NULL;
    }
}

/* What a replica, or the next process, finds. */
static void test_key_when_read_from_the_store_then_it_is_the_same(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_error err = { 0 };
    struct kesd_info info;

    (void)state;
    for (int format = KESD_FORMAT_SEALED; format <= KESD_FORMAT_KES; format++) {
        const char *name = format == KESD_FORMAT_KES ? "clear" : "sealed";

        open_keys((enum kesd_format)format);
        assert_ok(kesd_keys_create(keys, name, WHO, &err), err);
        remote_buf_clear(&sealed);
        assert_ok(kesd_keys_encrypt(keys, name, remote_slice_str("text"), remote_slice(NULL, 0),
                                    &sealed, &err),
                  err);
        kesd_keys_free(keys);
        open_keys((enum kesd_format)format);
        assert_false(kesd_keys_is_near(keys, name));
        assert_int_equal(open_text(name, remote_buf_slice(&sealed), "", "text"), REMOTE_OK);
        assert_ok(kesd_keys_describe(keys, name, &info, &err), err);
        assert_string_equal(info.created_by, WHO);
        kesd_keys_free(keys);
        keys = NULL;
    }
}

static void test_store_of_a_kes_is_taken_over(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf aes = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf chacha = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    unsigned char mac[KESD_KEY_LEN];
    struct kesd_info info;

    (void)state;
    make_file("aes", KESD_STORED_AES, 0600);
    make_file("chacha", KESD_STORED_CHACHA20, 0600);
    make_file("old", KESD_STORED_JSON, 0600);
    assert_true(remote_base64_decode(remote_slice_str(KESD_SEALED_AES), &aes));
    assert_true(remote_base64_decode(remote_slice_str(KESD_SEALED_CHACHA20), &chacha));
    open_keys(KESD_FORMAT_KES);
    assert_int_equal(open_text("aes", remote_buf_slice(&aes), "ctx", "hello"), REMOTE_OK);
    assert_int_equal(open_text("chacha", remote_buf_slice(&chacha), "ctx", "hello"), REMOTE_OK);
    assert_int_equal(open_text("old", remote_buf_slice(&aes), "ctx", "hello"), REMOTE_OK);
    assert_int_equal(kesd_keys_hmac(keys, "aes", remote_slice_str("msg"), mac, NULL), REMOTE_OK);
    remote_base64_append(&text, remote_slice(mac, sizeof(mac)));
    assert_string_equal((char *)text.data, KESD_HMAC_AES);
    assert_int_equal(kesd_keys_hmac(keys, "old", remote_slice_str("msg"), mac, NULL),
                     REMOTE_E_UNSUPPORTED);
    assert_int_equal(kesd_keys_describe(keys, "chacha", &info, NULL), REMOTE_OK);
    assert_int_equal(info.algorithm, KESD_CHACHA20);
    assert_int_equal(info.created_ns, 586308994);
}

static void test_key_when_imported_then_opens_what_it_sealed_elsewhere(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf aes = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf chacha = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    unsigned char bytes[KESD_KEY_LEN], mac[KESD_KEY_LEN];

    (void)state;
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    assert_true(remote_base64_decode(remote_slice_str(KESD_SEALED_AES), &aes));
    assert_true(remote_base64_decode(remote_slice_str(KESD_SEALED_CHACHA20), &chacha));
    open_keys(KESD_FORMAT_SEALED);
    assert_int_equal(kesd_keys_import(keys, "aes", WHO, KESD_AES256, remote_slice(bytes, 32), NULL),
                     REMOTE_OK);
    assert_int_equal(kesd_keys_import(keys, "chacha", WHO, KESD_CHACHA20, remote_slice(bytes, 32),
                                      NULL),
                     REMOTE_OK);
    assert_int_equal(kesd_keys_import(keys, "aes", WHO, KESD_AES256, remote_slice(bytes, 32), NULL),
                     REMOTE_E_EXISTS);
    assert_int_equal(kesd_keys_import(keys, "short", WHO, KESD_AES256, remote_slice(bytes, 31),
                                      NULL),
                     REMOTE_E_LENGTH);
    assert_int_equal(open_text("aes", remote_buf_slice(&aes), "ctx", "hello"), REMOTE_OK);
    assert_int_equal(open_text("chacha", remote_buf_slice(&chacha), "ctx", "hello"), REMOTE_OK);
    /* its HMAC key is its own */
    assert_int_equal(kesd_keys_hmac(keys, "aes", remote_slice_str("msg"), mac, NULL), REMOTE_OK);
    remote_base64_append(&text, remote_slice(mac, sizeof(mac)));
    assert_string_not_equal((char *)text.data, KESD_HMAC_AES);
}

static void test_key_when_deleted_then_gone_at_once(void **state)
{
    (void)state;
    open_keys(KESD_FORMAT_SEALED);
    assert_int_equal(kesd_keys_create(keys, "app", WHO, NULL), REMOTE_OK);
    assert_int_equal(kesd_keys_delete(keys, "app", NULL), REMOTE_OK);
    assert_false(kesd_keys_is_near(keys, "app"));
    assert_int_equal(open_text("app", remote_slice_str("x"), "", ""), REMOTE_E_NOT_FOUND);
    assert_int_equal(kesd_keys_delete(keys, "app", NULL), REMOTE_E_NOT_FOUND);
}

static void test_key_when_deleted_elsewhere_then_gone_within_the_cache_time(void **state)
{
    (void)state;
    open_keys(KESD_FORMAT_SEALED);
    assert_int_equal(kesd_keys_create(keys, "app", WHO, NULL), REMOTE_OK);
    assert_int_equal(unlink(path_of("app")), 0);
    assert_works("app");
    memory_advance(5000);
    assert_int_equal(open_text("app", remote_slice_str("x"), "", ""), REMOTE_E_NOT_FOUND);
}

static void test_key_when_moved_to_another_name_then_it_does_not_open(void **state)
{
    struct remote_error err = { 0 };
    struct kesd_info info;

    (void)state;
    open_keys(KESD_FORMAT_SEALED);
    assert_int_equal(kesd_keys_create(keys, "app", WHO, NULL), REMOTE_OK);
    assert_int_equal(rename(path_of("app"), path_of("root")), 0);
    assert_int_equal(kesd_keys_describe(keys, "root", &info, &err), REMOTE_E_PROTOCOL);
    assert_says(err.text, "key 'root'");
}

static void test_list_is_sorted_and_bounded(void **state)
{
    CLEANUP(kesd_names_clear) struct kesd_names names = { 0 };

    (void)state;
    open_keys(KESD_FORMAT_KES);
    assert_int_equal(kesd_keys_create(keys, "app2", WHO, NULL), REMOTE_OK);
    assert_int_equal(kesd_keys_create(keys, "app1", WHO, NULL), REMOTE_OK);
    assert_int_equal(kesd_keys_create(keys, "other", WHO, NULL), REMOTE_OK);
    assert_int_equal(kesd_keys_list(keys, "app", 1, &names, NULL), REMOTE_OK);
    assert_int_equal(names.count, 1);
    assert_string_equal(names.names[0], "app1");
    assert_string_equal(names.more, "app2");
}

static void test_probe_when_the_directory_is_gone_then_unavailable(void **state)
{
    int64_t ms = -1;

    (void)state;
    open_keys(KESD_FORMAT_KES);
    assert_int_equal(kesd_keys_probe(keys, &ms, NULL), REMOTE_OK);
    assert_int_equal(ms, 0);
    assert_int_equal(rmdir(temp_dir), 0);
    assert_int_equal(kesd_keys_probe(keys, &ms, NULL), REMOTE_E_UNAVAILABLE);
}

static void test_slot_when_not_configured_then_says_which(void **state)
{
    static char none[] = "none", kek[] = "kek";
    struct kesd_settings settings = {
        .store = KESD_STORE_DIRECTORY, .slot = none, .sealing_key = kek, .directory = temp_dir
    };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(kesd_keys_new(core, &settings, &keys, &err), REMOTE_E_CONFIG);
    assert_says(err.text, "no slot 'none'");
    assert_null(keys);
}

static void use_together(void *arg, size_t index)
{
    CLEANUP(remote_secret_clear) struct remote_secret plain = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret opened = { 0 };

    (void)arg, (void)index;
    for (int i = 0; i < 500; i++) {
        CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

        if (kesd_keys_generate(keys, "app", remote_slice(NULL, 0), &plain, &sealed, NULL) !=
                REMOTE_OK ||
            kesd_keys_decrypt(keys, "app", remote_buf_slice(&sealed), remote_slice(NULL, 0),
                              &opened, NULL) != REMOTE_OK ||
            !remote_secret_equal(&opened, remote_secret_slice(&plain)))
            abort();
        if (index == 0 && i % 50 == 0) {
            if (kesd_keys_create(keys, "other", WHO, NULL) != REMOTE_OK ||
                kesd_keys_delete(keys, "other", NULL) != REMOTE_OK)
                abort();
            kesd_keys_tick(keys);
        }
    }
}

static void test_keys_when_used_by_many_threads_then_nobody_meets_another(void **state)
{
    (void)state;
    memory.real_time = true;
    open_keys(KESD_FORMAT_KES);
    assert_int_equal(kesd_keys_create(keys, "app", WHO, NULL), REMOTE_OK);
    memory_threads(8, use_together, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_key_when_made_then_it_works_and_is_described),
        TEST(test_key_when_read_from_the_store_then_it_is_the_same),
        TEST(test_store_of_a_kes_is_taken_over),
        TEST(test_key_when_imported_then_opens_what_it_sealed_elsewhere),
        TEST(test_key_when_deleted_then_gone_at_once),
        TEST(test_key_when_deleted_elsewhere_then_gone_within_the_cache_time),
        TEST(test_key_when_moved_to_another_name_then_it_does_not_open),
        TEST(test_list_is_sorted_and_bounded),
        TEST(test_probe_when_the_directory_is_gone_then_unavailable),
        TEST(test_slot_when_not_configured_then_says_which),
        TEST(test_keys_when_used_by_many_threads_then_nobody_meets_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
