/* SPDX-License-Identifier: Apache-2.0 */
/* A token key whose service gives it out: "box", of zeroes. */
#include "fake_core.h"

static int start(void **state)
{
    int failed = fake_core_start(state);

    fake_core_release("box", true);
    return failed;
}

static int stop(void **state)
{
    fake_core_release("box", false);
    return fake_core_stop(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

static CK_BYTE iv[16];
static CK_MECHANISM cbc = { CKM_AES_CBC, iv, sizeof(iv) };

static CK_BBOOL flag_of(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type)
{
    CK_BBOOL value = 2;
    CK_ATTRIBUTE attribute = { type, &value, sizeof(value) };

    assert_int_equal(C_GetAttributeValue(session, key, &attribute, 1), CKR_OK);
    return value;
}

static void test_key_when_used_then_by_its_bytes_as_a_session_key(void **state)
{
    /* AES-256 of a zero block under a zero key: FIPS 197's cipher, NIST's known answer */
    static const CK_BYTE expected[] = { 0xdc, 0x95, 0xc0, 0x78, 0xa2, 0x40, 0x89, 0x89,
                                        0xad, 0x48, 0xa2, 0x14, 0x92, 0x84, 0x20, 0x87 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = fake_core_find(session, CKO_SECRET_KEY, "box");
    CK_BYTE plain[16] = { 0 }, sealed[16];
    CK_ULONG len = sizeof(sealed);

    (void)state;
    assert_int_equal(C_EncryptInit(session, &cbc, key), CKR_OK);
    assert_int_equal(C_Encrypt(session, plain, sizeof(plain), sealed, &len), CKR_OK);
    assert_int_equal(len, sizeof(expected));
    assert_memory_equal(sealed, expected, sizeof(expected));
}

static void test_attributes_when_asked_then_only_the_value_costs_a_request(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = fake_core_find(session, CKO_SECRET_KEY, "box");
    CK_BYTE value[32] = { 1 }, zeroes[32] = { 0 };
    CK_ATTRIBUTE attribute = { CKA_VALUE, value, sizeof(value) };
    unsigned before = fake.requests;

    (void)state;
    assert_int_equal(flag_of(session, key, CKA_SENSITIVE), CK_FALSE);
    assert_int_equal(flag_of(session, key, CKA_EXTRACTABLE), CK_TRUE);
    assert_int_equal(flag_of(session, key, CKA_TOKEN), CK_TRUE);
    assert_int_equal(fake.requests, before);
    assert_int_equal(C_GetAttributeValue(session, key, &attribute, 1), CKR_OK);
    assert_int_equal(attribute.ulValueLen, sizeof(zeroes));
    assert_memory_equal(value, zeroes, sizeof(zeroes));
    assert_int_equal(fake.requests, before + 1);
}

static void test_search_when_by_value_then_finds_nothing_and_fetches_nothing(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE zeroes[32] = { 0 };
    CK_ATTRIBUTE wanted[] = { { CKA_LABEL, "box", 3 }, { CKA_VALUE, zeroes, sizeof(zeroes) } };
    unsigned before = fake.requests, search;

    (void)state;
    assert_int_equal(fake_core_count(session, wanted, 1), 1);
    search = fake.requests - before;
    assert_int_equal(fake_core_count(session, wanted, 2), 0);
    assert_int_equal(fake.requests, before + 2 * search);
}

static void test_use_when_the_service_has_lost_it_then_the_handle_dies(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = fake_core_find(session, CKO_SECRET_KEY, "box");
    CK_ATTRIBUTE label = { CKA_LABEL, NULL, 0 };

    (void)state;
    fake.fail = REMOTE_E_UNAVAILABLE;
    assert_int_equal(C_EncryptInit(session, &cbc, key), CKR_DEVICE_ERROR);
    assert_int_equal(C_GetAttributeValue(session, key, &label, 1), CKR_OK);
    fake.fail = REMOTE_E_NOT_FOUND;
    assert_int_equal(C_EncryptInit(session, &cbc, key), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(C_GetAttributeValue(session, key, &label, 1), CKR_OBJECT_HANDLE_INVALID);
}

static void test_keys_when_they_stay_in_their_service_then_as_before(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key;
    CK_BYTE value[32];
    CK_ATTRIBUTE attribute = { CKA_VALUE, value, sizeof(value) };

    (void)state;
    fake_core_release("box", false);
    key = fake_core_find(session, CKO_SECRET_KEY, "box");
    assert_int_equal(flag_of(session, key, CKA_SENSITIVE), CK_TRUE);
    assert_int_equal(flag_of(session, key, CKA_EXTRACTABLE), CK_FALSE);
    assert_int_equal(C_GetAttributeValue(session, key, &attribute, 1), CKR_ATTRIBUTE_SENSITIVE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_key_when_used_then_by_its_bytes_as_a_session_key),
        TEST(test_attributes_when_asked_then_only_the_value_costs_a_request),
        TEST(test_search_when_by_value_then_finds_nothing_and_fetches_nothing),
        TEST(test_use_when_the_service_has_lost_it_then_the_handle_dies),
        TEST(test_keys_when_they_stay_in_their_service_then_as_before),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
