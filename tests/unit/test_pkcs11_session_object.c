/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_keys.h"

#include "pkcs11/module.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)
#define MANY 300

static size_t count(CK_SESSION_HANDLE session)
{
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_TOKEN, no) };

    return fake_core_count(session, attributes, 1);
}

static void test_handle_when_given_out_then_is_told_from_others_and_fits_32_bits(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1), box = fake_core_find(session, CKO_SECRET_KEY, "box");

    (void)state;
    assert_true(pkcs11_session_object_is(key));
    assert_false(pkcs11_session_object_is(box));
    assert_false(pkcs11_session_object_is(CK_INVALID_HANDLE));
    assert_true(key <= UINT32_MAX);
}

static void test_handle_when_its_object_is_gone_then_is_not_the_next_ones(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE out[64];
    CK_ATTRIBUTE label = BYTES(CKA_LABEL, out, sizeof(out));
    CK_OBJECT_HANDLE first = aes_of(session, 1);

    (void)state;
    assert_int_equal(C_DestroyObject(session, first), CKR_OK);
    for (int i = 0; i < MANY; i++) {
        CK_OBJECT_HANDLE next = aes_of(session, 2);

        assert_int_not_equal(next, first);
        assert_int_equal(C_DestroyObject(session, next), CKR_OK);
    }
    assert_int_equal(C_GetAttributeValue(session, first, &label, 1), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(C_DestroyObject(session, first), CKR_OBJECT_HANDLE_INVALID);
}

static void test_table_when_it_grows_then_every_key_keeps_its_handle(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE keys[MANY];
    CK_BYTE out[64];

    (void)state;
    for (int i = 0; i < MANY; i++)
        keys[i] = aes_of(session, i % 256);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(attribute_of(session, keys[i], CKA_VALUE, out), 32);
        assert_int_equal(out[31], i % 256);
    }
}

static void test_object_when_another_session_of_the_slot_looks_then_is_there(void **state)
{
    CK_SESSION_HANDLE owner = fake_core_session(0), other = fake_core_session(0);
    CK_SESSION_HANDLE elsewhere = fake_core_session(1);
    CK_OBJECT_HANDLE key = aes_of(owner, 3);
    CK_BYTE out[64];
    CK_ATTRIBUTE value = BYTES(CKA_VALUE, out, sizeof(out));

    (void)state;
    assert_int_equal(attribute_of(other, key, CKA_VALUE, out), 32);
    assert_int_equal(C_GetAttributeValue(elsewhere, key, &value, 1), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(count(elsewhere), 0);
    assert_int_equal(C_CloseSession(owner), CKR_OK); /* whose it is */
    assert_int_equal(C_GetAttributeValue(other, key, &value, 1), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(count(other), 0);
}

static void test_objects_when_one_session_of_two_closes_then_the_others_stay(void **state)
{
    CK_SESSION_HANDLE first = fake_core_session(0), second = fake_core_session(0);

    (void)state;
    for (int i = 0; i < 10; i++) {
        aes_of(first, i);
        aes_of(second, i);
    }
    assert_int_equal(count(second), 20);
    assert_int_equal(C_CloseSession(first), CKR_OK);
    assert_int_equal(count(second), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_handle_when_given_out_then_is_told_from_others_and_fits_32_bits),
        TEST(test_handle_when_its_object_is_gone_then_is_not_the_next_ones),
        TEST(test_table_when_it_grows_then_every_key_keeps_its_handle),
        TEST(test_object_when_another_session_of_the_slot_looks_then_is_there),
        TEST(test_objects_when_one_session_of_two_closes_then_the_others_stay),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
