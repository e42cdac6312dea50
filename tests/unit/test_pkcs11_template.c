/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_keys.h"

#include "pkcs11/module.h"

static CK_ULONG number = CKO_SECRET_KEY;

static void test_find_when_there_or_not_then_says_where(void **state)
{
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_TOKEN, yes), VALUE(CKA_CLASS, number) };
    struct pkcs11_template template = { attributes, 2 }, empty = { NULL, 0 };

    (void)state;
    assert_ptr_equal(pkcs11_template_find(&template, CKA_CLASS), &attributes[1]);
    assert_null(pkcs11_template_find(&template, CKA_LABEL));
    assert_null(pkcs11_template_find(&empty, CKA_LABEL));
}

static void test_check_when_it_cannot_be_read_then_arguments_bad(void **state)
{
    CK_ATTRIBUTE hollow[] = { BYTES(CKA_LABEL, NULL, 1) };
    struct pkcs11_template none = { NULL, 1 }, promised = { hollow, 1 }, empty = { NULL, 0 };

    (void)state;
    assert_int_equal(pkcs11_template_check(&none), CKR_ARGUMENTS_BAD);
    assert_int_equal(pkcs11_template_check(&promised), CKR_ARGUMENTS_BAD);
    assert_int_equal(pkcs11_template_check(&empty), CKR_OK);
}

static void test_check_when_named_twice_then_inconsistent(void **state)
{
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_TOKEN, yes), VALUE(CKA_CLASS, number),
                                  VALUE(CKA_TOKEN, yes) };
    struct pkcs11_template template = { attributes, 3 };

    (void)state;
    assert_int_equal(pkcs11_template_check(&template), CKR_TEMPLATE_INCONSISTENT);
    template.count = 2;
    assert_int_equal(pkcs11_template_check(&template), CKR_OK);
}

static void test_bool_when_absent_or_wrong_then_result_is_left_alone(void **state)
{
    static CK_BYTE two = 2;
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_TOKEN, no), VALUE(CKA_SIGN, two),
                                  VALUE(CKA_VERIFY, number), BYTES(CKA_WRAP, NULL, 0) };
    struct pkcs11_template template = { attributes, 4 };
    bool value = true;

    (void)state;
    assert_int_equal(pkcs11_template_bool(&template, CKA_SIGN, &value),
                     CKR_ATTRIBUTE_VALUE_INVALID);
    assert_int_equal(pkcs11_template_bool(&template, CKA_VERIFY, &value),
                     CKR_ATTRIBUTE_VALUE_INVALID);
    assert_int_equal(pkcs11_template_bool(&template, CKA_WRAP, &value),
                     CKR_ATTRIBUTE_VALUE_INVALID);
    assert_int_equal(pkcs11_template_bool(&template, CKA_ENCRYPT, &value), CKR_OK);
    assert_true(value);
    assert_int_equal(pkcs11_template_bool(&template, CKA_TOKEN, &value), CKR_OK);
    assert_false(value);
}

static void test_ulong_when_absent_or_of_another_size_then_result_is_left_alone(void **state)
{
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, number), VALUE(CKA_VALUE_LEN, yes) };
    struct pkcs11_template template = { attributes, 2 };
    CK_ULONG value = 77;

    (void)state;
    assert_int_equal(pkcs11_template_ulong(&template, CKA_VALUE_LEN, &value),
                     CKR_ATTRIBUTE_VALUE_INVALID);
    assert_int_equal(pkcs11_template_ulong(&template, CKA_KEY_TYPE, &value), CKR_OK);
    assert_int_equal(value, 77);
    assert_int_equal(pkcs11_template_ulong(&template, CKA_CLASS, &value), CKR_OK);
    assert_int_equal(value, CKO_SECRET_KEY);
}

static void test_begin_when_read_then_says_class_and_token(void **state)
{
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, number), VALUE(CKA_TOKEN, yes) };
    struct pkcs11_template whole = { attributes, 2 }, no_class = { attributes + 1, 1 };
    CK_ULONG class = 77;
    bool token = false;

    (void)state;
    assert_int_equal(pkcs11_template_begin(&no_class, &class, &token), CKR_TEMPLATE_INCOMPLETE);
    assert_int_equal(class, 77);
    assert_int_equal(pkcs11_template_begin(&whole, &class, &token), CKR_OK);
    assert_int_equal(class, CKO_SECRET_KEY);
    assert_true(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_when_there_or_not_then_says_where),
        cmocka_unit_test(test_check_when_it_cannot_be_read_then_arguments_bad),
        cmocka_unit_test(test_check_when_named_twice_then_inconsistent),
        cmocka_unit_test(test_bool_when_absent_or_wrong_then_result_is_left_alone),
        cmocka_unit_test(test_ulong_when_absent_or_of_another_size_then_result_is_left_alone),
        cmocka_unit_test(test_begin_when_read_then_says_class_and_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
