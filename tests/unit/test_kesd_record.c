/* SPDX-License-Identifier: Apache-2.0 */
/* What stores keep for a key, in each of its forms; a reader takes the configured one alone. */
#include "memory.h"

#include "kesd_core.h"
#include "kesd_vectors.h"
#include "record.h"

#define SLOT "[slot web]\nbackend = memory\nurl = https://a\n"

static struct kesd_record_form clear_form, sealed_form, transit_form;

static char web[] = "web", kek[] = "kek";

static int setup(void **state)
{
    struct remote_core *core;

    if (memory_setup(state) != 0)
        return -1;
    memory_add_typed("kek", 1, REMOTE_KEY_AES, 256)->id = 1;
    core = kesd_core(SLOT);
    clear_form = (struct kesd_record_form){ .format = KESD_FORMAT_KES };
    sealed_form =
        (struct kesd_record_form){ .format = KESD_FORMAT_SEALED, .sealer = { { core, web }, kek } };
    transit_form = (struct kesd_record_form){ .format = KESD_FORMAT_KES,
                                              .transit_slot = { core, web },
                                              .transit = kek };
    return 0;
}

static void write_record(const struct kesd_record_form *form, struct remote_secret *ret)
{
    CLEANUP(kes_stored_clear) struct kes_stored stored = { 0 };
    struct remote_error err = { 0 };

    assert_ok(kes_stored_read(remote_slice_str(KESD_STORED_AES), &stored, &err), err);
    assert_ok(kesd_record_write(form, "app", &stored, ret, &err), err);
}

static enum remote_rc read_record(const struct kesd_record_form *form, struct remote_slice text,
                                  struct remote_error *err)
{
    CLEANUP(kes_stored_clear) struct kes_stored stored = { 0 };
    enum remote_rc rc = kesd_record_read(form, "app", text, &stored, err);

    if (rc == REMOTE_OK)
        assert_int_equal(stored.cipher.data[31], 31);
    else
        assert_null(stored.cipher.data);
    return rc;
}

static void test_clear_form_is_byte_for_byte_what_a_kes_writes(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret text = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    write_record(&clear_form, &text);
    assert_string_equal((char *)text.data, KESD_STORED_AES);
    assert_ok(read_record(&clear_form, remote_secret_slice(&text), &err), err);
    assert_ok(read_record(&clear_form, remote_slice_str(KESD_STORED_JSON), &err), err);
    assert_int_equal(memory.requests, 0);
}

static void test_sealed_form_opens(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret text = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    write_record(&sealed_form, &text);
    assert_ok(read_record(&sealed_form, remote_secret_slice(&text), &err), err);
}

/* The service in memory does not write as Vault does. */
static void test_transit_form_when_the_service_wrote_something_else_then_says_so(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret text = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    write_record(&transit_form, &text);
    assert_memory_equal(text.data + 1, KESD_STORED_AES, sizeof(KESD_STORED_AES) - 1);
    assert_int_equal(read_record(&transit_form, remote_secret_slice(&text), &err),
                     REMOTE_E_PROTOCOL);
    assert_says(err.text, "key 'app': not wrapped, but vault_transit names a key");
}

/* Who can write to the store must not be able to put a key there that he knows. */
static void test_reader_takes_no_other_form_than_its_own(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret sealed = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    write_record(&sealed_form, &sealed);
    assert_int_equal(read_record(&clear_form, remote_secret_slice(&sealed), &err),
                     REMOTE_E_PROTOCOL);
    assert_says(err.text, "store_format = sealed");
    assert_int_equal(read_record(&sealed_form, remote_slice_str(KESD_STORED_AES), &err),
                     REMOTE_E_PROTOCOL);
    assert_says(err.text, "store_format = kes");
    assert_int_equal(read_record(&transit_form, remote_slice_str(KESD_STORED_AES), &err),
                     REMOTE_E_PROTOCOL);
    assert_int_equal(read_record(&clear_form, remote_slice_str("vault:v2:AAAA"), &err),
                     REMOTE_E_PROTOCOL);
    assert_says(err.text, "vault_transit");
}

static void test_garbage_is_the_stores_fault_and_names_the_key(void **state)
{
    static const char *const texts[] = { "", "garbage",
                                         "hsmbridge-kes:v1:", "hsmbridge-kes:v1:AAAA",
                                         "hsmbridge-kes:v1:!" };
    struct remote_error err = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        assert_int_equal(read_record(&clear_form, remote_slice_str(texts[i]), &err),
                         REMOTE_E_PROTOCOL);
        assert_says(err.text, "key 'app'");
        assert_int_equal(read_record(&sealed_form, remote_slice_str(texts[i]), &err),
                         REMOTE_E_PROTOCOL);
        assert_says(err.text, "key 'app'");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, memory_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_clear_form_is_byte_for_byte_what_a_kes_writes),
        TEST(test_sealed_form_opens),
        TEST(test_transit_form_when_the_service_wrote_something_else_then_says_so),
        TEST(test_reader_takes_no_other_form_than_its_own),
        TEST(test_garbage_is_the_stores_fault_and_names_the_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
