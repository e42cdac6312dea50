/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/wait.h>
#include <unistd.h>

#include "fake_keys.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static CK_BYTE bytes16[16] = "0123456789abcde";

/* ---- C_CreateObject ---- */

static void test_create_when_the_template_is_whole_then_all_attributes_are_there(void **state)
{
    static const CK_ATTRIBUTE_TYPE types[] = { CKA_CLASS,
                                               CKA_TOKEN,
                                               CKA_PRIVATE,
                                               CKA_MODIFIABLE,
                                               CKA_LABEL,
                                               CKA_COPYABLE,
                                               CKA_DESTROYABLE,
                                               CKA_UNIQUE_ID,
                                               CKA_ID,
                                               CKA_KEY_TYPE,
                                               CKA_START_DATE,
                                               CKA_END_DATE,
                                               CKA_DERIVE,
                                               CKA_LOCAL,
                                               CKA_KEY_GEN_MECHANISM,
                                               CKA_ALLOWED_MECHANISMS,
                                               CKA_SENSITIVE,
                                               CKA_ENCRYPT,
                                               CKA_DECRYPT,
                                               CKA_SIGN,
                                               CKA_VERIFY,
                                               CKA_WRAP,
                                               CKA_UNWRAP,
                                               CKA_EXTRACTABLE,
                                               CKA_ALWAYS_SENSITIVE,
                                               CKA_NEVER_EXTRACTABLE,
                                               CKA_CHECK_VALUE,
                                               CKA_WRAP_WITH_TRUSTED,
                                               CKA_TRUSTED,
                                               CKA_WRAP_TEMPLATE,
                                               CKA_UNWRAP_TEMPLATE,
                                               CKA_DERIVE_TEMPLATE,
                                               CKA_VALUE,
                                               CKA_VALUE_LEN };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = key_of(session, CKK_AES, bytes16, 16);
    CK_BYTE out[64];
    CK_ULONG number;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        attribute_of(session, key, types[i], out);
    assert_int_equal(attribute_of(session, key, CKA_VALUE, out), 16);
    assert_memory_equal(out, bytes16, 16);
    assert_int_equal(attribute_of(session, key, CKA_VALUE_LEN, out), sizeof(number));
    memcpy(&number, out, sizeof(number));
    assert_int_equal(number, 16);
    assert_int_equal(attribute_of(session, key, CKA_CHECK_VALUE, out), 3);
    assert_false(flag_of(session, key, CKA_TOKEN));
    assert_false(flag_of(session, key, CKA_LOCAL));
    assert_false(flag_of(session, key, CKA_ALWAYS_SENSITIVE));
    assert_false(flag_of(session, key, CKA_NEVER_EXTRACTABLE));
    assert_true(flag_of(session, key, CKA_ENCRYPT));
    assert_false(flag_of(session, key, CKA_SIGN));
    assert_int_equal(C_GetObjectSize(session, key, &number), CKR_OK);
    assert_int_equal(number, 16);
    assert_int_equal(fake.requests, 0);
}

static CK_RV create(CK_SESSION_HANDLE session, const CK_ATTRIBUTE *more, CK_ULONG count)
{
    CK_ATTRIBUTE attributes[12] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, aes_type),
                                    BYTES(CKA_VALUE, bytes16, 16) };
    CK_OBJECT_HANDLE handle = 77;
    CK_RV rv;

    for (CK_ULONG i = 0; i < count; i++)
        attributes[3 + i] = more[i];
    rv = C_CreateObject(session, attributes, 3 + count, &handle);
    if (rv != CKR_OK)
        assert_int_equal(handle, 77);
    return rv;
}

static void test_create_when_an_attribute_is_wrong_then_says_how(void **state)
{
    static CK_BYTE two = 2, kcv[3] = { 1, 2, 3 };
    static CK_ULONG len = 16, mechanism = CKM_AES_KEY_GEN;
    static const struct {
        CK_ATTRIBUTE attribute;
        CK_RV rv;
    } cases[] = {
        { VALUE(0x87654321, len), CKR_ATTRIBUTE_TYPE_INVALID },
        { VALUE(CKA_MODULUS, len), CKR_ATTRIBUTE_TYPE_INVALID },
        { VALUE(CKA_ENCRYPT, two), CKR_ATTRIBUTE_VALUE_INVALID },
        { VALUE(CKA_ENCRYPT, len), CKR_ATTRIBUTE_VALUE_INVALID },
        { BYTES(CKA_ENCRYPT, NULL, 0), CKR_ATTRIBUTE_VALUE_INVALID },
        { BYTES(CKA_ENCRYPT, NULL, 1), CKR_ARGUMENTS_BAD },
        { BYTES(CKA_START_DATE, "2024010", 7), CKR_ATTRIBUTE_VALUE_INVALID },
        { BYTES(CKA_START_DATE, "2024x101", 8), CKR_ATTRIBUTE_VALUE_INVALID },
        { BYTES(CKA_START_DATE, "20240101", 8), CKR_OK },
        { BYTES(CKA_WRAP_TEMPLATE, "12345678", 8), CKR_ATTRIBUTE_VALUE_INVALID },
        { BYTES(CKA_ALLOWED_MECHANISMS, "1234567", 7), CKR_ATTRIBUTE_VALUE_INVALID },
        { VALUE(CKA_CHECK_VALUE, kcv), CKR_ATTRIBUTE_VALUE_INVALID },
        { VALUE(CKA_LOCAL, yes), CKR_ATTRIBUTE_READ_ONLY },
        { VALUE(CKA_ALWAYS_SENSITIVE, yes), CKR_ATTRIBUTE_READ_ONLY },
        { VALUE(CKA_NEVER_EXTRACTABLE, no), CKR_ATTRIBUTE_READ_ONLY },
        { VALUE(CKA_KEY_GEN_MECHANISM, mechanism), CKR_ATTRIBUTE_READ_ONLY },
        { VALUE(CKA_VALUE_LEN, len), CKR_ATTRIBUTE_READ_ONLY },
        { BYTES(CKA_UNIQUE_ID, "x", 1), CKR_ATTRIBUTE_READ_ONLY },
        { VALUE(CKA_TRUSTED, yes), CKR_ATTRIBUTE_READ_ONLY },
        { VALUE(CKA_TRUSTED, no), CKR_OK },
        { VALUE(CKA_KEY_TYPE, aes_type), CKR_TEMPLATE_INCONSISTENT }, /* twice */
        { VALUE(CKA_KEY_TYPE, generic_type), CKR_TEMPLATE_INCONSISTENT },
    };
    CK_SESSION_HANDLE session = fake_core_session(0);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CK_RV rv = create(session, &cases[i].attribute, 1);

        if (rv != cases[i].rv)
            print_error("case %zu\n", i);
        assert_int_equal(rv, cases[i].rv);
    }
}

static void test_create_when_something_is_missing_then_incomplete(void **state)
{
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, aes_type),
                                  BYTES(CKA_VALUE, bytes16, 16) };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE handle;

    (void)state;
    for (int left_out = 0; left_out < 3; left_out++) {
        CK_ATTRIBUTE two[2];

        for (int i = 0, n = 0; i < 3; i++)
            if (i != left_out)
                two[n++] = attributes[i];
        assert_int_equal(C_CreateObject(session, two, 2, &handle), CKR_TEMPLATE_INCOMPLETE);
    }
    assert_int_equal(C_CreateObject(session, NULL, 0, &handle), CKR_TEMPLATE_INCOMPLETE);
    assert_int_equal(C_CreateObject(session, NULL, 1, &handle), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_CreateObject(session, attributes, 3, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_CreateObject(99, attributes, 3, &handle), CKR_SESSION_HANDLE_INVALID);
}

static void test_create_when_value_or_type_is_impossible_then_value_invalid(void **state)
{
    CK_KEY_TYPE des = CKK_DES3;
    CK_OBJECT_CLASS data = CKO_DATA;
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, aes_type),
                                  BYTES(CKA_VALUE, bytes16, 15) };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE handle;

    (void)state;
    assert_int_equal(C_CreateObject(session, attributes, 3, &handle), CKR_ATTRIBUTE_VALUE_INVALID);
    attributes[2].ulValueLen = 0;
    assert_int_equal(C_CreateObject(session, attributes, 3, &handle), CKR_ATTRIBUTE_VALUE_INVALID);
    attributes[2].ulValueLen = 16;
    attributes[1].pValue = &des;
    assert_int_equal(C_CreateObject(session, attributes, 3, &handle), CKR_ATTRIBUTE_VALUE_INVALID);
    attributes[0].pValue = &data;
    assert_int_equal(C_CreateObject(session, attributes, 3, &handle), CKR_ATTRIBUTE_VALUE_INVALID);
}

static void test_value_when_sensitive_or_not_extractable_then_stays_inside(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, aes_type),
                                  BYTES(CKA_VALUE, bytes16, 16) };
    CK_BYTE out[64];
    CK_ATTRIBUTE value = { CKA_VALUE, out, sizeof(out) };
    CK_OBJECT_HANDLE key;

    (void)state;
    assert_int_equal(C_CreateObject(session, attributes, 3, &key), CKR_OK);
    assert_true(flag_of(session, key, CKA_SENSITIVE));
    assert_false(flag_of(session, key, CKA_EXTRACTABLE));
    assert_int_equal(C_GetAttributeValue(session, key, &value, 1), CKR_ATTRIBUTE_SENSITIVE);
    key = key_of(session, CKK_AES, bytes16, 16);
    value.ulValueLen = sizeof(out);
    assert_int_equal(C_GetAttributeValue(session, key, &value, 1), CKR_OK);
    assert_int_equal(set_flag(session, key, CKA_EXTRACTABLE, CK_FALSE), CKR_OK);
    assert_int_equal(C_GetAttributeValue(session, key, &value, 1), CKR_ATTRIBUTE_SENSITIVE);
}

/* ---- changing and copying ---- */

static void test_set_when_allowed_then_changes_and_ratchets_hold(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = key_of(session, CKK_AES, bytes16, 16);
    CK_ATTRIBUTE label = BYTES(CKA_LABEL, "new", 3), value = BYTES(CKA_VALUE, bytes16, 16);
    CK_BYTE out[64];

    (void)state;
    assert_int_equal(C_SetAttributeValue(session, key, &label, 1), CKR_OK);
    assert_int_equal(attribute_of(session, key, CKA_LABEL, out), 3);
    assert_memory_equal(out, "new", 3);
    assert_int_equal(set_flag(session, key, CKA_SENSITIVE, CK_TRUE), CKR_OK);
    assert_int_equal(set_flag(session, key, CKA_SENSITIVE, CK_FALSE), CKR_ATTRIBUTE_READ_ONLY);
    assert_false(flag_of(session, key, CKA_ALWAYS_SENSITIVE)); /* it was not always */
    assert_int_equal(set_flag(session, key, CKA_EXTRACTABLE, CK_FALSE), CKR_OK);
    assert_int_equal(set_flag(session, key, CKA_EXTRACTABLE, CK_TRUE), CKR_ATTRIBUTE_READ_ONLY);
    assert_int_equal(set_flag(session, key, CKA_ENCRYPT, CK_FALSE), CKR_OK);
    assert_false(flag_of(session, key, CKA_ENCRYPT));
    assert_int_equal(C_SetAttributeValue(session, key, &value, 1), CKR_ATTRIBUTE_READ_ONLY);
    assert_int_equal(set_flag(session, key, CKA_TOKEN, CK_TRUE), CKR_ATTRIBUTE_READ_ONLY);
    assert_int_equal(set_flag(session, key, CKA_LOCAL, CK_TRUE), CKR_ATTRIBUTE_READ_ONLY);
    assert_int_equal(C_SetAttributeValue(session, key, NULL, 1), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_SetAttributeValue(session, 0x80000777, &label, 1),
                     CKR_OBJECT_HANDLE_INVALID);
}

static void test_object_when_locked_by_its_flags_then_action_prohibited(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_ATTRIBUTE locked[] = { VALUE(CKA_MODIFIABLE, no), VALUE(CKA_COPYABLE, no),
                              VALUE(CKA_DESTROYABLE, no) };
    CK_OBJECT_HANDLE key = aes_of(session, 1), copy = 0, other = 0;

    (void)state;
    assert_int_equal(C_CopyObject(session, key, locked, 3, &copy), CKR_OK);
    assert_int_equal(set_flag(session, copy, CKA_SIGN, CK_TRUE), CKR_ACTION_PROHIBITED);
    assert_int_equal(C_CopyObject(session, copy, NULL, 0, &other), CKR_ACTION_PROHIBITED);
    assert_int_equal(C_DestroyObject(session, copy), CKR_ACTION_PROHIBITED);
    assert_int_equal(other, 0);
}

static void test_copy_when_made_then_is_another_object_of_the_same_key(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1), copy = 0;
    CK_ATTRIBUTE looser[] = { VALUE(CKA_SENSITIVE, no) };
    CK_ATTRIBUTE changed[] = { BYTES(CKA_LABEL, "copy", 4), VALUE(CKA_SENSITIVE, yes) };
    CK_BYTE a[64], b[64];

    (void)state;
    assert_int_equal(C_CopyObject(session, key, changed, 2, &copy), CKR_OK);
    assert_int_not_equal(copy, key);
    assert_int_equal(attribute_of(session, key, CKA_CHECK_VALUE, a), 3);
    assert_int_equal(attribute_of(session, copy, CKA_CHECK_VALUE, b), 3);
    assert_memory_equal(a, b, 3);
    assert_int_equal(attribute_of(session, copy, CKA_LABEL, b), 4);
    assert_int_not_equal(attribute_of(session, key, CKA_LABEL, a), 4);
    attribute_of(session, key, CKA_UNIQUE_ID, a);
    attribute_of(session, copy, CKA_UNIQUE_ID, b);
    assert_memory_not_equal(a, b, 4);
    assert_int_equal(C_CopyObject(session, copy, looser, 1, &key), CKR_ATTRIBUTE_READ_ONLY);
    assert_int_equal(C_CopyObject(session, copy, NULL, 0, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_CopyObject(session, fake_core_find(session, CKO_PRIVATE_KEY, "rsa"), NULL, 0,
                                  &key),
                     CKR_ACTION_PROHIBITED);
}

/* ---- life ---- */

static void test_object_when_destroyed_then_its_handle_is_dead(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1), next;
    CK_BYTE out[64];
    CK_ATTRIBUTE label = { CKA_LABEL, out, 64 };

    (void)state;
    assert_int_equal(C_DestroyObject(session, key), CKR_OK);
    assert_int_equal(C_DestroyObject(session, key), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(C_GetAttributeValue(session, key, &label, 1), CKR_OBJECT_HANDLE_INVALID);
    for (int i = 0; i < 1000; i++) {
        next = aes_of(session, 1);
        assert_int_not_equal(next, key);
        assert_int_equal(C_DestroyObject(session, next), CKR_OK);
    }
}

static void test_object_when_its_session_closes_then_goes_too(void **state)
{
    CK_SESSION_HANDLE owner = fake_core_session(0), other = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(owner, 1), stays = aes_of(other, 2);
    CK_BYTE out[64];
    CK_ATTRIBUTE label = { CKA_LABEL, out, 64 };

    (void)state;
    assert_int_equal(C_GetAttributeValue(other, key, &label, 1), CKR_OK); /* seen by all */
    assert_int_equal(C_CloseSession(owner), CKR_OK);
    label.ulValueLen = 64;
    assert_int_equal(C_GetAttributeValue(other, key, &label, 1), CKR_OBJECT_HANDLE_INVALID);
    label.ulValueLen = 64;
    assert_int_equal(C_GetAttributeValue(other, stays, &label, 1), CKR_OK);
}

static void test_operation_when_its_key_is_destroyed_then_goes_on(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1);
    CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
    CK_BYTE block[16] = { 0 };
    CK_ULONG len = 16;

    (void)state;
    assert_int_equal(C_EncryptInit(session, &ecb, key), CKR_OK);
    assert_int_equal(C_DestroyObject(session, key), CKR_OK);
    assert_int_equal(C_Encrypt(session, block, 16, block, &len), CKR_OK);
    assert_int_equal(C_EncryptInit(session, &ecb, key), CKR_KEY_HANDLE_INVALID);
}

/* What a child does with what it inherited: 0 when all is well. */
static int child(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, const CK_BYTE expected[16])
{
    CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
    CK_BYTE block[16] = { 0 };
    CK_ULONG len = 16;

    if (C_EncryptInit(session, &ecb, key) != CKR_OK ||
        C_Encrypt(session, block, 16, block, &len) != CKR_OK)
        return 1;
    if (memcmp(block, expected, 16) != 0)
        return 2;
    return C_DestroyObject(session, key) == CKR_OK ? 0 : 3; /* its own copy */
}

static void test_object_when_forked_then_parent_and_child_have_one_each(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1);
    CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
    CK_BYTE block[16] = { 0 };
    CK_ULONG len = 16;
    int status = -1;
    pid_t pid;

    (void)state;
    assert_int_equal(C_EncryptInit(session, &ecb, key), CKR_OK);
    assert_int_equal(C_Encrypt(session, block, 16, block, &len), CKR_OK);
    pid = fork();
    if (pid == 0)
        _exit(child(session, key, block));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(C_EncryptInit(session, &ecb, key), CKR_OK);
}

static void test_find_when_there_are_session_keys_then_they_are_found(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0), elsewhere = fake_core_session(1);
    CK_ATTRIBUTE ours[] = { VALUE(CKA_TOKEN, no), VALUE(CKA_CLASS, secret_class) };
    CK_ATTRIBUTE theirs[] = { VALUE(CKA_TOKEN, yes), VALUE(CKA_CLASS, secret_class) };
    CK_ATTRIBUTE label = BYTES(CKA_LABEL, "k", 1);

    (void)state;
    assert_int_equal(fake_core_count(session, ours, 2), 0);
    assert_int_equal(C_SetAttributeValue(session, aes_of(session, 1), &label, 1), CKR_OK);
    aes_of(session, 2);
    assert_int_equal(fake_core_count(session, ours, 2), 2);
    assert_int_equal(fake_core_count(elsewhere, ours, 2), 0);
    assert_int_equal(fake.requests, 0);
    assert_int_equal(fake_core_count(session, theirs, 2), 2);     /* mac, box */
    assert_int_equal(fake_core_count(session, theirs + 1, 1), 4); /* all of them */
    assert_int_equal(fake_core_count(session, &label, 1), 1);
}

static void test_private_object_when_not_logged_in_then_is_out_of_reach(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(1);
    CK_ATTRIBUTE ours[] = { VALUE(CKA_TOKEN, no) }, public[] = { VALUE(CKA_PRIVATE, no) };
    CK_OBJECT_HANDLE key, open;

    (void)state;
    assert_int_equal(create(session, NULL, 0), CKR_USER_NOT_LOGGED_IN);
    assert_int_equal(create(session, public, 1), CKR_OK);
    assert_int_equal(C_Login(session, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
    key = aes_of(session, 1);
    assert_int_equal(fake_core_count(session, ours, 1), 2);
    assert_int_equal(C_CopyObject(session, key, public, 1, &open), CKR_OK);
    assert_int_equal(C_Logout(session), CKR_OK);
    assert_int_equal(fake_core_count(session, ours, 1), 2); /* without the private one */
    assert_int_equal(C_DestroyObject(session, key), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(C_DestroyObject(session, open), CKR_OK);
}

/* ---- keys of the service ---- */

static CK_SESSION_HANDLE writable(void)
{
    CK_SESSION_HANDLE session;

    assert_int_equal(C_OpenSession(1, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
                     CKR_OK);
    assert_int_equal(C_Login(session, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
    return session;
}

static void test_token_key_when_a_secret_is_created_then_it_is_imported(void **state)
{
    CK_SESSION_HANDLE session = writable();
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, aes_type),
                                  BYTES(CKA_VALUE, bytes16, 16), VALUE(CKA_TOKEN, yes),
                                  BYTES(CKA_LABEL, "mine", 4) };
    CK_OBJECT_HANDLE key = 0;
    unsigned before = fake.requests;

    (void)state;
    assert_int_equal(C_CreateObject(session, attributes, 4, &key), CKR_TEMPLATE_INCOMPLETE);
    assert_int_equal(fake.requests, before);
    assert_int_equal(C_CreateObject(session, attributes, 5, &key), CKR_OK);
    assert_int_equal(key, fake_core_find(session, CKO_SECRET_KEY, "mine"));
    assert_true(flag_of(session, key, CKA_TOKEN));
    assert_int_equal(C_CreateObject(session, attributes, 5, &key), CKR_ATTRIBUTE_VALUE_INVALID);
    assert_int_equal(C_DestroyObject(session, key), CKR_OK);
    assert_int_equal(C_DestroyObject(session, key), CKR_OBJECT_HANDLE_INVALID);
}

static void test_token_key_when_not_allowed_then_no_request_is_made(void **state)
{
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, aes_type),
                                  BYTES(CKA_VALUE, bytes16, 16), VALUE(CKA_TOKEN, yes),
                                  BYTES(CKA_LABEL, "mine", 4) };
    CK_SESSION_HANDLE session = writable(), read_only = fake_core_session(1);
    CK_OBJECT_HANDLE key = fake_core_find(session, CKO_PRIVATE_KEY, "hidden");
    unsigned before = fake.requests;

    (void)state;
    assert_int_equal(C_CreateObject(read_only, attributes, 5, &key), CKR_SESSION_READ_ONLY);
    assert_int_equal(C_DestroyObject(read_only, key), CKR_SESSION_READ_ONLY);
    fake.allow = REMOTE_ALLOW_GENERATE;
    assert_int_equal(C_CreateObject(session, attributes, 5, &key), CKR_ACTION_PROHIBITED);
    assert_int_equal(C_DestroyObject(session, key), CKR_ACTION_PROHIBITED);
    assert_false(flag_of(session, key, CKA_DESTROYABLE));
    assert_int_equal(C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
                     CKR_OK);
    assert_int_equal(C_CreateObject(session, attributes, 5, &key), CKR_TOKEN_WRITE_PROTECTED);
    assert_int_equal(fake.requests, before);
}

static void test_token_key_when_not_logged_in_then_says_so(void **state)
{
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, aes_type),
                                  BYTES(CKA_VALUE, bytes16, 16), VALUE(CKA_TOKEN, yes),
                                  BYTES(CKA_LABEL, "mine", 4) };
    CK_SESSION_HANDLE session = writable();
    CK_OBJECT_HANDLE key;

    (void)state;
    assert_int_equal(C_Logout(session), CKR_OK);
    assert_int_equal(C_CreateObject(session, attributes, 5, &key), CKR_USER_NOT_LOGGED_IN);
}

static void test_token_key_when_only_half_or_a_certificate_is_destroyed_then_refused(void **state)
{
    CK_SESSION_HANDLE session = writable();

    (void)state;
    assert_int_equal(C_DestroyObject(session, fake_core_find(session, CKO_PUBLIC_KEY, "hidden")),
                     CKR_ACTION_PROHIBITED);
    assert_int_equal(C_DestroyObject(session, fake_core_find(session, CKO_CERTIFICATE, "hidden")),
                     CKR_ACTION_PROHIBITED);
}

static CK_RV rename_to(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, const char *label)
{
    CK_ATTRIBUTE attribute = { CKA_LABEL, (void *)label, strlen(label) };

    return C_SetAttributeValue(session, key, &attribute, 1);
}

static void test_token_key_when_labelled_then_has_another_name_and_the_same_handle(void **state)
{
    CK_SESSION_HANDLE session = writable();
    CK_OBJECT_HANDLE key = fake_core_find(session, CKO_PRIVATE_KEY, "hidden"),
                     public = fake_core_find(session, CKO_PUBLIC_KEY, "hidden");
    CK_ATTRIBUTE gone = BYTES(CKA_LABEL, "hidden", 6);
    CK_BYTE out[64];

    (void)state;
    fake.allow = REMOTE_ALLOW_LABEL;
    assert_true(flag_of(session, key, CKA_MODIFIABLE));
    assert_false(flag_of(session, public, CKA_MODIFIABLE));
    assert_int_equal(rename_to(session, key, "seen"), CKR_OK);
    assert_int_equal(attribute_of(session, key, CKA_LABEL, out), 4);
    assert_memory_equal(out, "seen", 4);
    assert_int_equal(attribute_of(session, public, CKA_LABEL, out), 4);
    assert_int_equal(fake_core_find(session, CKO_PRIVATE_KEY, "seen"), key);
    assert_int_equal(fake_core_count(session, &gone, 1), 0);
    assert_int_equal(rename_to(session, key, "seen"), CKR_OK); /* it is called that */
    assert_int_equal(rename_to(session, key, "hidden"), CKR_OK);
}

static void test_token_key_when_a_label_cannot_be_then_says_how(void **state)
{
    CK_SESSION_HANDLE session = writable(), read_only = fake_core_session(1);
    CK_OBJECT_HANDLE key = fake_core_find(session, CKO_PRIVATE_KEY, "hidden"),
                     public = fake_core_find(session, CKO_PUBLIC_KEY, "hidden");
    CK_ATTRIBUTE id = BYTES(CKA_ID, bytes16, 16), foreign = { CKA_OTP_FORMAT, NULL, 0 };
    unsigned before = fake.requests;
    char name[300];

    (void)state;
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(rename_to(session, key, "seen"), CKR_ACTION_PROHIBITED); /* not in `allow` */
    assert_false(flag_of(session, key, CKA_MODIFIABLE));
    fake.allow = REMOTE_ALLOW_LABEL;
    assert_int_equal(rename_to(read_only, key, "seen"), CKR_SESSION_READ_ONLY);
    assert_int_equal(rename_to(session, public, "seen"), CKR_ACTION_PROHIBITED);
    assert_int_equal(rename_to(session, key, ""), CKR_ATTRIBUTE_VALUE_INVALID);
    assert_int_equal(rename_to(session, key, name), CKR_ATTRIBUTE_VALUE_INVALID);
    assert_int_equal(C_SetAttributeValue(session, key, &id, 1), CKR_ATTRIBUTE_READ_ONLY);
    assert_int_equal(C_SetAttributeValue(session, key, &foreign, 1), CKR_ATTRIBUTE_TYPE_INVALID);
    assert_int_equal(fake.requests, before);
    fake.fail = REMOTE_E_EXISTS;
    assert_int_equal(rename_to(session, key, "taken"), CKR_ATTRIBUTE_VALUE_INVALID);
    fake.fail = REMOTE_E_UNSUPPORTED;
    assert_int_equal(rename_to(session, key, "seen"), CKR_ACTION_PROHIBITED);
    fake.fail = REMOTE_E_NOT_FOUND;
    assert_int_equal(rename_to(session, key, "seen"), CKR_OBJECT_HANDLE_INVALID);
    fake.fail = REMOTE_OK;
    assert_int_equal(attribute_of(session, key, CKA_LABEL, (CK_BYTE *)name), 6);
}

static void test_private_key_when_created_from_its_parts_then_it_is_imported(void **state)
{
    static const CK_BYTE p256[] = "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
    static const CK_BYTE edwards[] = "\x06\x03\x2b\x65\x70";
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_KEY_TYPE type = CKK_EC;
    CK_BYTE value[32] = { 1, 2, 3 };
    CK_ATTRIBUTE attributes[] = {
        VALUE(CKA_CLASS, class), VALUE(CKA_KEY_TYPE, type),
        VALUE(CKA_TOKEN, yes),   BYTES(CKA_LABEL, "pair", 4),
        VALUE(CKA_VALUE, value), BYTES(CKA_EC_PARAMS, p256, sizeof(p256) - 1)
    };
    CK_SESSION_HANDLE session = writable();
    CK_OBJECT_HANDLE key = 0;

    (void)state;
    assert_int_equal(C_CreateObject(session, attributes, 5, &key), CKR_TEMPLATE_INCOMPLETE);
    assert_int_equal(C_CreateObject(session, attributes, 6, &key), CKR_OK);
    assert_int_equal(key, fake_core_find(session, CKO_PRIVATE_KEY, "pair"));
    assert_int_equal(C_DestroyObject(session, key), CKR_OK);
    type = CKK_EC_EDWARDS;
    assert_int_equal(C_CreateObject(session, attributes, 6, &key), CKR_ATTRIBUTE_VALUE_INVALID);
    attributes[5].pValue = (void *)edwards;
    attributes[5].ulValueLen = sizeof(edwards) - 1;
    assert_int_equal(C_CreateObject(session, attributes, 6, &key), CKR_OK);
    assert_int_equal(C_DestroyObject(session, key), CKR_OK);
    type = CKK_RSA;
    assert_int_equal(C_CreateObject(session, attributes, 6, &key), CKR_ATTRIBUTE_TYPE_INVALID);
}

static void test_copy_when_to_the_token_then_is_an_import(void **state)
{
    CK_SESSION_HANDLE session = writable();
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_TOKEN, yes), BYTES(CKA_LABEL, "moved", 5) };
    CK_OBJECT_HANDLE key = aes_of(session, 9), copy = 0;

    (void)state;
    assert_int_equal(C_CopyObject(session, key, attributes, 1, &copy), CKR_TEMPLATE_INCOMPLETE);
    assert_int_equal(C_CopyObject(session, key, attributes, 2, &copy), CKR_OK);
    assert_int_equal(copy, fake_core_find(session, CKO_SECRET_KEY, "moved"));
    assert_int_equal(C_DestroyObject(session, copy), CKR_OK);
    assert_int_equal(set_flag(session, key, CKA_EXTRACTABLE, CK_FALSE), CKR_OK);
    assert_int_equal(C_CopyObject(session, key, attributes, 2, &copy), CKR_ACTION_PROHIBITED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_create_when_the_template_is_whole_then_all_attributes_are_there),
        TEST(test_create_when_an_attribute_is_wrong_then_says_how),
        TEST(test_create_when_something_is_missing_then_incomplete),
        TEST(test_create_when_value_or_type_is_impossible_then_value_invalid),
        TEST(test_value_when_sensitive_or_not_extractable_then_stays_inside),
        TEST(test_set_when_allowed_then_changes_and_ratchets_hold),
        TEST(test_object_when_locked_by_its_flags_then_action_prohibited),
        TEST(test_copy_when_made_then_is_another_object_of_the_same_key),
        TEST(test_object_when_destroyed_then_its_handle_is_dead),
        TEST(test_object_when_its_session_closes_then_goes_too),
        TEST(test_operation_when_its_key_is_destroyed_then_goes_on),
        TEST(test_object_when_forked_then_parent_and_child_have_one_each),
        TEST(test_find_when_there_are_session_keys_then_they_are_found),
        TEST(test_private_object_when_not_logged_in_then_is_out_of_reach),
        TEST(test_token_key_when_a_secret_is_created_then_it_is_imported),
        TEST(test_token_key_when_not_allowed_then_no_request_is_made),
        TEST(test_token_key_when_not_logged_in_then_says_so),
        TEST(test_token_key_when_only_half_or_a_certificate_is_destroyed_then_refused),
        TEST(test_token_key_when_labelled_then_has_another_name_and_the_same_handle),
        TEST(test_token_key_when_a_label_cannot_be_then_says_how),
        TEST(test_private_key_when_created_from_its_parts_then_it_is_imported),
        TEST(test_copy_when_to_the_token_then_is_an_import),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
