/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_keys.h"

#include "pkcs11/module.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static void test_core_type_when_asked_then_only_types_of_session_keys_have_one(void **state)
{
    static const struct {
        CK_KEY_TYPE ckk;
        enum remote_key_type type;
    } rows[] = { { CKK_AES, REMOTE_KEY_AES },
                 { CKK_CHACHA20, REMOTE_KEY_CHACHA20 },
                 { CKK_GENERIC_SECRET, REMOTE_KEY_GENERIC },
                 { CKK_SHA_1_HMAC, REMOTE_KEY_GENERIC },
                 { CKK_SHA3_512_HMAC, REMOTE_KEY_GENERIC } };
    enum remote_key_type type = REMOTE_KEY_TYPE_COUNT;

    (void)state;
    assert_false(pkcs11_secret_core_type(CKK_RSA, &type));
    assert_false(pkcs11_secret_core_type(CKK_DES3, &type));
    assert_int_equal(type, REMOTE_KEY_TYPE_COUNT);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_true(pkcs11_secret_core_type(rows[i].ckk, &type));
        assert_int_equal(type, rows[i].type);
    }
}

/* The flags that decide what a key may do are kept apart from the values: they must agree. */
static void test_flags_when_given_or_not_then_values_and_uses_agree(void **state)
{
    static CK_BYTE bytes[16];
    static CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
    CK_SESSION_HANDLE session = fake_core_session(0);

    (void)state;
    for (int given = 0; given < 3; given++) { /* not at all, CK_FALSE, CK_TRUE */
        CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, aes_type),
                                      BYTES(CKA_VALUE, bytes, 16), VALUE(CKA_ENCRYPT, no) };
        bool may = given != 1;
        CK_OBJECT_HANDLE key;

        if (given == 2)
            attributes[3].pValue = &yes;
        assert_int_equal(C_CreateObject(session, attributes, given == 0 ? 3 : 4, &key), CKR_OK);
        assert_int_equal(flag_of(session, key, CKA_ENCRYPT), may);
        assert_true(flag_of(session, key, CKA_DECRYPT));
        assert_int_equal(C_EncryptInit(session, &ecb, key),
                         may ? CKR_OK : CKR_KEY_FUNCTION_NOT_PERMITTED);
        assert_int_equal(C_EncryptInit(session, NULL, key), may ? CKR_OK : CKR_ARGUMENTS_BAD);
    }
}

static void test_flags_when_set_or_copied_then_new_ones_hold_at_once(void **state)
{
    static CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1), copy;
    CK_ATTRIBUTE off = VALUE(CKA_ENCRYPT, no), on = VALUE(CKA_ENCRYPT, yes);

    (void)state;
    assert_int_equal(C_SetAttributeValue(session, key, &off, 1), CKR_OK);
    assert_int_equal(C_EncryptInit(session, &ecb, key), CKR_KEY_FUNCTION_NOT_PERMITTED);
    assert_int_equal(C_CopyObject(session, key, &on, 1, &copy), CKR_OK);
    assert_int_equal(C_EncryptInit(session, &ecb, copy), CKR_OK);
    assert_false(flag_of(session, key, CKA_ENCRYPT));
    assert_true(flag_of(session, copy, CKA_ENCRYPT));
}

static void test_allowed_mechanisms_when_given_then_no_other_is(void **state)
{
    static CK_BYTE bytes[16];
    static CK_MECHANISM_TYPE allowed[] = { CKM_AES_GCM, CKM_AES_ECB };
    static CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 }, wrap = { CKM_AES_KEY_WRAP, NULL, 0 };
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, aes_type),
                                  BYTES(CKA_VALUE, bytes, 16),
                                  VALUE(CKA_ALLOWED_MECHANISMS, allowed) };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key;

    (void)state;
    assert_int_equal(C_CreateObject(session, attributes, 4, &key), CKR_OK);
    assert_int_equal(C_EncryptInit(session, &wrap, key), CKR_MECHANISM_INVALID);
    assert_int_equal(C_EncryptInit(session, &ecb, key), CKR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_core_type_when_asked_then_only_types_of_session_keys_have_one),
        TEST(test_flags_when_given_or_not_then_values_and_uses_agree),
        TEST(test_flags_when_set_or_copied_then_new_ones_hold_at_once),
        TEST(test_allowed_mechanisms_when_given_then_no_other_is),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
