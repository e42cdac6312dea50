/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_core.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static void test_handle_when_found_again_then_is_the_same_in_every_session(void **state)
{
    CK_SESSION_HANDLE first = fake_core_session(0), other = fake_core_session(0);
    CK_OBJECT_HANDLE private = fake_core_find(first, CKO_PRIVATE_KEY, "ec");

    (void)state;
    assert_int_not_equal(private, CK_INVALID_HANDLE);
    assert_int_equal(fake_core_find(other, CKO_PRIVATE_KEY, "ec"), private);
    assert_int_not_equal(fake_core_find(other, CKO_PUBLIC_KEY, "ec"), private);
    assert_int_not_equal(fake_core_find(other, CKO_PRIVATE_KEY, "ec@v1"), private);
    assert_int_equal(C_CloseSession(first), CKR_OK);
    assert_int_equal(fake_core_find(other, CKO_PRIVATE_KEY, "ec"), private);
}

static CK_RV read_label(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    CK_ATTRIBUTE label = { CKA_LABEL, NULL, 0 };

    return C_GetAttributeValue(session, object, &label, 1);
}

static void test_handle_when_of_another_slot_or_unknown_then_is_invalid(void **state)
{
    CK_SESSION_HANDLE web = fake_core_session(0), pin = fake_core_session(1);
    CK_OBJECT_HANDLE key = fake_core_find(web, CKO_PRIVATE_KEY, "ec");
    CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };

    (void)state;
    assert_int_equal(read_label(pin, key), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(C_SignInit(pin, &mechanism, key), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(read_label(web, 0), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(read_label(web, ~0UL), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(read_label(0, key), CKR_SESSION_HANDLE_INVALID);
}

static void test_private_object_when_logged_out_then_is_gone_and_new_after_login(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(1);
    CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
    CK_OBJECT_HANDLE private, public;

    (void)state;
    assert_int_equal(C_Login(session, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
    private = fake_core_find(session, CKO_PRIVATE_KEY, "hidden");
    public = fake_core_find(session, CKO_PUBLIC_KEY, "hidden");
    assert_int_equal(C_Logout(session), CKR_OK);
    assert_int_equal(read_label(session, private), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(C_SignInit(session, &mechanism, private), CKR_USER_NOT_LOGGED_IN);
    assert_int_equal(read_label(session, public), CKR_OK);
    assert_int_equal(C_Login(session, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
    assert_int_equal(C_SignInit(session, &mechanism, private), CKR_KEY_HANDLE_INVALID);
    assert_int_not_equal(fake_core_find(session, CKO_PRIVATE_KEY, "hidden"), private);
    assert_int_equal(fake_core_find(session, CKO_PUBLIC_KEY, "hidden"), public);
}

static void test_key_when_gone_during_use_then_its_handles_die(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE private = fake_core_find(session, CKO_PRIVATE_KEY, "ec");
    CK_OBJECT_HANDLE public = fake_core_find(session, CKO_PUBLIC_KEY, "ec");
    CK_OBJECT_HANDLE older = fake_core_find(session, CKO_PRIVATE_KEY, "ec@v1");
    CK_MECHANISM mechanism = { CKM_ECDSA_SHA256, NULL, 0 };
    CK_BYTE sig[64];
    CK_ULONG len = sizeof(sig);

    (void)state;
    assert_int_equal(C_SignInit(session, &mechanism, private), CKR_OK);
    fake.fail = REMOTE_E_NOT_FOUND;
    assert_int_equal(C_Sign(session, (CK_BYTE *)"m", 1, sig, &len), CKR_FUNCTION_FAILED);
    assert_int_equal(C_SignInit(session, &mechanism, private), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(read_label(session, public), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(read_label(session, older), CKR_OK);
    fake.fail = REMOTE_OK;
    assert_int_not_equal(fake_core_find(session, CKO_PRIVATE_KEY, "ec"), private);
}

/* ---- C_GetAttributeValue ---- */

static void test_attributes_when_mixed_then_all_are_answered_and_the_worst_returned(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = fake_core_find(session, CKO_PRIVATE_KEY, "rsa");
    CK_BYTE small[1], exponent[8], secret[300];
    CK_ATTRIBUTE attributes[] = {
        { CKA_PRIVATE_EXPONENT, secret, sizeof(secret) },
        { CKA_LABEL, small, sizeof(small) },
        { CKA_OWNER, small, sizeof(small) },
        { CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent) },
        { CKA_MODULUS, NULL, 0 },
    };

    (void)state;
    assert_int_equal(C_GetAttributeValue(session, key, attributes, 5), CKR_ATTRIBUTE_SENSITIVE);
    assert_int_equal(attributes[0].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    assert_int_equal(attributes[1].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    assert_int_equal(attributes[2].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    assert_int_equal(attributes[3].ulValueLen, 3);
    assert_memory_equal(exponent, "\x01\x00\x01", 3);
    assert_int_equal(attributes[4].ulValueLen, 256);
    attributes[1].ulValueLen = attributes[2].ulValueLen = sizeof(small);
    assert_int_equal(C_GetAttributeValue(session, key, attributes + 1, 3),
                     CKR_ATTRIBUTE_TYPE_INVALID);
    attributes[1].ulValueLen = sizeof(small);
    assert_int_equal(C_GetAttributeValue(session, key, attributes + 1, 1), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(C_GetAttributeValue(session, key, NULL, 1), CKR_ARGUMENTS_BAD);
}

static void test_attributes_when_read_then_cost_no_request(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = fake_core_find(session, CKO_PUBLIC_KEY, "ec");
    CK_ATTRIBUTE point = { CKA_EC_POINT, NULL, 0 };
    unsigned before = fake.requests;

    (void)state;
    assert_int_equal(C_GetAttributeValue(session, key, &point, 1), CKR_OK);
    assert_int_equal(fake.requests, before);
}

static void test_object_size_when_asked_then_is_unavailable(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = fake_core_find(session, CKO_PRIVATE_KEY, "ec");
    CK_ULONG size = 0;

    (void)state;
    assert_int_equal(C_GetObjectSize(session, key, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GetObjectSize(session, 0, &size), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(C_GetObjectSize(session, key, &size), CKR_OK);
    assert_int_equal(size, CK_UNAVAILABLE_INFORMATION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_handle_when_found_again_then_is_the_same_in_every_session),
        TEST(test_handle_when_of_another_slot_or_unknown_then_is_invalid),
        TEST(test_private_object_when_logged_out_then_is_gone_and_new_after_login),
        TEST(test_key_when_gone_during_use_then_its_handles_die),
        TEST(test_attributes_when_mixed_then_all_are_answered_and_the_worst_returned),
        TEST(test_attributes_when_read_then_cost_no_request),
        TEST(test_object_size_when_asked_then_is_unavailable),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
