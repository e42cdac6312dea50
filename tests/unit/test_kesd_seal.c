/* SPDX-License-Identifier: Apache-2.0 */
/* Records that are sealed with a key of a slot. */
#include "memory.h"

#include "kesd_core.h"
#include "seal.h"

#define SLOT "[slot web]\nbackend = memory\nurl = https://a\nversions = all\n"
#define TEXT "the text of a key"

static struct remote_core *core;
static char web[] = "web", kek[] = "kek", other[] = "other", nobody[] = "nobody";

static struct kesd_sealer sealer_of(char *key)
{
    return (struct kesd_sealer){ { core, web }, key };
}

static int setup(void **state)
{
    if (memory_setup(state) != 0)
        return -1;
    memory_add_typed("kek", 1, REMOTE_KEY_AES, 256)->id = 1;
    core = kesd_core(SLOT);
    return 0;
}

static void seal(const char *name, struct remote_secret *ret)
{
    struct kesd_sealer sealer = sealer_of(kek);
    struct remote_error err = { 0 };

    assert_ok(kesd_seal(&sealer, name, remote_slice_str(TEXT), ret, &err), err);
}

static enum remote_rc unseal(char *key, const char *name, struct remote_slice sealed,
                             struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret text = { 0 };
    struct kesd_sealer sealer = sealer_of(key);
    enum remote_rc rc = kesd_unseal(&sealer, name, sealed, &text, err);

    if (rc == REMOTE_OK)
        assert_string_equal((char *)text.data, TEXT);
    else
        assert_null(text.data);
    return rc;
}

static void test_record_is_text_that_says_what_it_is_and_opens(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret sealed = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    seal("app", &sealed);
    assert_memory_equal(sealed.data, "hsmbridge-kes:v1:", 17);
    assert_true(kesd_is_sealed(remote_secret_slice(&sealed)));
    assert_int_equal(strlen((char *)sealed.data), sealed.len);
    assert_null(strstr((char *)sealed.data, "dGhlIHRleHQ")); /* the text's base64 */
    assert_ok(unseal(kek, "app", remote_secret_slice(&sealed), &err), err);
    assert_int_equal(memory_count(REMOTE_OP_ENCRYPT), 1);
    assert_int_equal(memory_count(REMOTE_OP_DECRYPT), 1);
    assert_int_equal(memory_count(REMOTE_OP_READ), 1); /* of the sealing key, at first */
}

static void test_record_under_another_name_does_not_open(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret sealed = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    seal("app", &sealed);
    assert_int_equal(unseal(kek, "apq", remote_secret_slice(&sealed), &err), REMOTE_E_DATA);
    assert_says(err.text, "'kek'");
}

static void test_record_when_any_byte_is_changed_does_not_open(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret sealed = { 0 };

    (void)state;
    seal("app", &sealed);
    for (size_t i = 0; i < sealed.len; i++) {
        unsigned char was = sealed.data[i];

        sealed.data[i] = was == 'A' ? 'B' : 'A';
        assert_int_not_equal(unseal(kek, "app", remote_secret_slice(&sealed), NULL), REMOTE_OK);
        sealed.data[i] = was;
        assert_int_not_equal(unseal(kek, "app", remote_slice(sealed.data, i), NULL), REMOTE_OK);
    }
    assert_int_equal(unseal(kek, "app", remote_secret_slice(&sealed), NULL), REMOTE_OK);
}

static void test_record_after_a_rotation_opens_with_the_version_that_sealed_it(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret old = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret new = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    seal("app", &old);
    memory_add_typed("kek", 2, REMOTE_KEY_AES, 256)->id = 2;
    remote_slot_refresh(memory_slot(0));
    seal("app", &new);
    assert_ok(unseal(kek, "app", remote_secret_slice(&old), &err), err);
    assert_ok(unseal(kek, "app", remote_secret_slice(&new), &err), err);
    assert_int_equal(memory_count(REMOTE_OP_DECRYPT), 2); /* nothing was tried in vain */
}

static void test_record_of_another_sealing_key_says_which(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret sealed = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    memory_add_typed("other", 7, REMOTE_KEY_AES, 256)->id = 9;
    seal("app", &sealed);
    assert_int_equal(unseal(other, "app", remote_secret_slice(&sealed), &err), REMOTE_E_DATA);
    assert_says(err.text, "sealed with the key 'kek', but 'other' is configured");
}

static void test_sealing_key_when_absent_then_says_so(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret sealed = { 0 };
    struct kesd_sealer sealer = sealer_of(nobody);
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(kesd_seal(&sealer, "app", remote_slice_str(TEXT), &sealed, &err),
                     REMOTE_E_CONFIG);
    assert_says(err.text, "slot 'web' has no key 'nobody'");
}

static void test_slot_when_away_then_it_is_not_the_record(void **state)
{
    CLEANUP(remote_secret_clear) struct remote_secret sealed = { 0 };

    (void)state;
    seal("app", &sealed);
    memory_rule((struct memory_rule){ .fate = MEMORY_REFUSE });
    assert_int_equal(unseal(kek, "app", remote_secret_slice(&sealed), NULL), REMOTE_E_UNAVAILABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, memory_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_record_is_text_that_says_what_it_is_and_opens),
        TEST(test_record_under_another_name_does_not_open),
        TEST(test_record_when_any_byte_is_changed_does_not_open),
        TEST(test_record_after_a_rotation_opens_with_the_version_that_sealed_it),
        TEST(test_record_of_another_sealing_key_says_which),
        TEST(test_sealing_key_when_absent_then_says_so),
        TEST(test_slot_when_away_then_it_is_not_the_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
