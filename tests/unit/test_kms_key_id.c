/* SPDX-License-Identifier: Apache-2.0 */
/* A key_id never comes again for another key. */
#include "memory.h"

#include "key_id.h"

#define SLOT "[slot web]\nbackend = memory\nurl = https://a\n"

static struct remote_key *key_of(const char *name, unsigned version)
{
    memory_add_typed(name, version, REMOTE_KEY_AES, 256);
    return memory_find(memory_open(SLOT), name);
}

static void assert_changes(struct remote_key *key, const char *before)
{
    char after[KMS_KEY_ID + 1];

    assert_int_equal(kms_key_id(key, after, NULL), REMOTE_OK);
    assert_int_equal(strlen(after), KMS_KEY_ID);
    assert_string_not_equal(after, before);
}

static void test_key_id_is_the_same_for_the_same_version(void **state)
{
    struct remote_key *key = key_of("kek", 1);
    char one[KMS_KEY_ID + 1], two[KMS_KEY_ID + 1];

    (void)state;
    assert_int_equal(kms_key_id(key, one, NULL), REMOTE_OK);
    assert_int_equal(kms_key_id(key, two, NULL), REMOTE_OK);
    assert_string_equal(one, two);
    assert_int_equal(strspn(one, "0123456789abcdef"), KMS_KEY_ID);
    remote_key_unref(key);
}

static void test_key_id_changes_with_everything_that_tells_a_version(void **state)
{
    struct remote_key *key = key_of("kek", 1);
    char before[KMS_KEY_ID + 1];

    (void)state;
    assert_int_equal(kms_key_id(key, before, NULL), REMOTE_OK);
    key->version = 2;
    assert_changes(key, before);
    key->version = 1;
    key->created = 1700000000; /* deleted and made again */
    assert_changes(key, before);
    key->created = 0;
    key->version_id = strdup("1f");
    assert_changes(key, before);
    free(key->version_id);
    key->version_id = NULL;
    remote_buf_append_str(&key->spki, "public");
    assert_changes(key, before);
    remote_buf_clear(&key->spki);
    key->name[0] = 'K';
    assert_changes(key, before);
    remote_key_unref(key);
}

static void test_key_id_of_azure_is_for_azure_only(void **state)
{
    struct remote_key *key = key_of("kek", 1);
    char id[KMS_KEY_ID + 1] = "?";

    (void)state;
    assert_int_equal(kms_key_id_azure(key, id, NULL), REMOTE_OK);
    assert_string_equal(id, "");
    remote_key_unref(key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, memory_setup, memory_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_key_id_is_the_same_for_the_same_version),
        TEST(test_key_id_changes_with_everything_that_tells_a_version),
        TEST(test_key_id_of_azure_is_for_azure_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
