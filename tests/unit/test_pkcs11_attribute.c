/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_core.h"
#include "pkcs11/attribute.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static CK_BYTE value[4096];

/* Reads one attribute into `value`; its length. */
static size_t read_one(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
    CK_ATTRIBUTE attribute = { type, value, sizeof(value) };

    assert_int_equal(C_GetAttributeValue(session, object, &attribute, 1), CKR_OK);
    return attribute.ulValueLen;
}

static bool read_bool(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
    assert_int_equal(read_one(session, object, type), sizeof(CK_BBOOL));
    return value[0] == CK_TRUE;
}

static CK_ULONG read_ulong(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                           CK_ATTRIBUTE_TYPE type)
{
    CK_ULONG number;

    assert_int_equal(read_one(session, object, type), sizeof(number));
    memcpy(&number, value, sizeof(number));
    return number;
}

/* Every attribute of the class is answered, none with CKR_ATTRIBUTE_TYPE_INVALID. */
static void assert_all(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                       const CK_ATTRIBUTE_TYPE *types, size_t count, CK_RV expected)
{
    for (size_t i = 0; i < count; i++) {
        CK_ATTRIBUTE attribute = { types[i], NULL, 0 };
        CK_RV rv = C_GetAttributeValue(session, object, &attribute, 1);

        if (rv != expected)
            print_error("attribute 0x%lx\n", types[i]);
        assert_int_equal(rv, expected);
    }
}
#define ASSERT_ALL(session, object, types, expected)                                               \
    assert_all(session, object, types, ARRAY_SIZE(types), expected)

static const CK_ATTRIBUTE_TYPE storage[] = { CKA_CLASS,     CKA_TOKEN,       CKA_PRIVATE,
                                             CKA_LABEL,     CKA_MODIFIABLE,  CKA_COPYABLE,
                                             CKA_UNIQUE_ID, CKA_DESTROYABLE, CKA_ID };
static const CK_ATTRIBUTE_TYPE key[] = {
    CKA_KEY_TYPE, CKA_START_DATE,        CKA_END_DATE,          CKA_DERIVE,
    CKA_LOCAL,    CKA_KEY_GEN_MECHANISM, CKA_ALLOWED_MECHANISMS
};
static const CK_ATTRIBUTE_TYPE public_key[] = {
    CKA_SUBJECT, CKA_ENCRYPT, CKA_VERIFY,        CKA_VERIFY_RECOVER,
    CKA_WRAP,    CKA_TRUSTED, CKA_WRAP_TEMPLATE, CKA_PUBLIC_KEY_INFO,
};
static const CK_ATTRIBUTE_TYPE private_key[] = {
    CKA_SUBJECT,           CKA_SENSITIVE,
    CKA_DECRYPT,           CKA_SIGN,
    CKA_SIGN_RECOVER,      CKA_UNWRAP,
    CKA_EXTRACTABLE,       CKA_ALWAYS_SENSITIVE,
    CKA_NEVER_EXTRACTABLE, CKA_WRAP_WITH_TRUSTED,
    CKA_UNWRAP_TEMPLATE,   CKA_ALWAYS_AUTHENTICATE,
    CKA_PUBLIC_KEY_INFO,   CKA_DERIVE_TEMPLATE,
};
static const CK_ATTRIBUTE_TYPE secret_key[] = {
    CKA_SENSITIVE,        CKA_ENCRYPT,
    CKA_DECRYPT,          CKA_SIGN,
    CKA_VERIFY,           CKA_WRAP,
    CKA_UNWRAP,           CKA_EXTRACTABLE,
    CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE,
    CKA_CHECK_VALUE,      CKA_WRAP_WITH_TRUSTED,
    CKA_TRUSTED,          CKA_WRAP_TEMPLATE,
    CKA_UNWRAP_TEMPLATE,  CKA_DERIVE_TEMPLATE,
    CKA_VALUE_LEN,
};
static const CK_ATTRIBUTE_TYPE certificate[] = {
    CKA_CERTIFICATE_TYPE,
    CKA_TRUSTED,
    CKA_CERTIFICATE_CATEGORY,
    CKA_CHECK_VALUE,
    CKA_START_DATE,
    CKA_END_DATE,
    CKA_PUBLIC_KEY_INFO,
    CKA_SUBJECT,
    CKA_ISSUER,
    CKA_SERIAL_NUMBER,
    CKA_VALUE,
    CKA_URL,
    CKA_HASH_OF_SUBJECT_PUBLIC_KEY,
    CKA_HASH_OF_ISSUER_PUBLIC_KEY,
    CKA_JAVA_MIDP_SECURITY_DOMAIN,
    0x8c, /* CKA_NAME_HASH_ALGORITHM */
};
static const CK_ATTRIBUTE_TYPE rsa_secrets[] = { CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
                                                 CKA_PRIME_2,          CKA_EXPONENT_1,
                                                 CKA_EXPONENT_2,       CKA_COEFFICIENT };
static const CK_ATTRIBUTE_TYPE hidden_value[] = { CKA_VALUE };
static const CK_ATTRIBUTE_TYPE rsa_public[] = { CKA_MODULUS, CKA_MODULUS_BITS,
                                                CKA_PUBLIC_EXPONENT };
static const CK_ATTRIBUTE_TYPE ec_public[] = { CKA_EC_PARAMS, CKA_EC_POINT };

static void test_private_key_when_asked_then_answers_all_of_its_class(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE rsa = fake_core_find(session, CKO_PRIVATE_KEY, "rsa");
    CK_OBJECT_HANDLE ec = fake_core_find(session, CKO_PRIVATE_KEY, "ec");

    (void)state;
    ASSERT_ALL(session, rsa, storage, CKR_OK);
    ASSERT_ALL(session, rsa, key, CKR_OK);
    ASSERT_ALL(session, rsa, private_key, CKR_OK);
    ASSERT_ALL(session, rsa, rsa_public, CKR_OK);
    ASSERT_ALL(session, rsa, rsa_secrets, CKR_ATTRIBUTE_SENSITIVE);
    ASSERT_ALL(session, rsa, ec_public, CKR_ATTRIBUTE_TYPE_INVALID);
    ASSERT_ALL(session, ec, private_key, CKR_OK);
    ASSERT_ALL(session, ec, ec_public, CKR_OK);
    ASSERT_ALL(session, ec, hidden_value, CKR_ATTRIBUTE_SENSITIVE);
    ASSERT_ALL(session, ec, rsa_public, CKR_ATTRIBUTE_TYPE_INVALID);
    assert_int_equal(read_ulong(session, rsa, CKA_KEY_TYPE), CKK_RSA);
    assert_true(read_bool(session, rsa, CKA_SIGN));
    assert_true(read_bool(session, rsa, CKA_DECRYPT));
    assert_true(read_bool(session, ec, CKA_SIGN));
    assert_false(read_bool(session, ec, CKA_DECRYPT));
    assert_true(read_bool(session, ec, CKA_SENSITIVE));
    assert_false(read_bool(session, ec, CKA_EXTRACTABLE));
    assert_false(read_bool(session, ec, CKA_PRIVATE));
}

static void test_private_key_when_the_slot_has_a_pin_then_is_private(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(1);

    (void)state;
    assert_int_equal(C_Login(session, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
    assert_true(
        read_bool(session, fake_core_find(session, CKO_PRIVATE_KEY, "hidden"), CKA_PRIVATE));
    assert_false(
        read_bool(session, fake_core_find(session, CKO_PUBLIC_KEY, "hidden"), CKA_PRIVATE));
}

static void test_public_key_when_asked_then_answers_all_of_its_class(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE rsa = fake_core_find(session, CKO_PUBLIC_KEY, "rsa");
    CK_OBJECT_HANDLE ec = fake_core_find(session, CKO_PUBLIC_KEY, "ec");
    CK_OBJECT_HANDLE ed = fake_core_find(session, CKO_PUBLIC_KEY, "ed");

    (void)state;
    ASSERT_ALL(session, rsa, storage, CKR_OK);
    ASSERT_ALL(session, rsa, key, CKR_OK);
    ASSERT_ALL(session, rsa, public_key, CKR_OK);
    ASSERT_ALL(session, rsa, rsa_public, CKR_OK);
    ASSERT_ALL(session, rsa, rsa_secrets, CKR_ATTRIBUTE_TYPE_INVALID);
    ASSERT_ALL(session, ec, ec_public, CKR_OK);
    assert_int_equal(read_ulong(session, rsa, CKA_MODULUS_BITS), 2048);
    assert_int_equal(read_one(session, ec, CKA_EC_PARAMS), 10);
    assert_memory_equal(value, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10);
    assert_int_equal(read_one(session, ec, CKA_EC_POINT), 67);
    assert_memory_equal(value, "\x04\x41\x04", 3); /* OCTET STRING, uncompressed point */
    assert_int_equal(read_ulong(session, ed, CKA_KEY_TYPE), CKK_EC_EDWARDS);
    assert_int_equal(read_one(session, ed, CKA_EC_POINT), 34);
}

static void test_secret_key_when_asked_then_answers_all_of_its_class(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE mac = fake_core_find(session, CKO_SECRET_KEY, "mac");

    (void)state;
    ASSERT_ALL(session, mac, storage, CKR_OK);
    ASSERT_ALL(session, mac, key, CKR_OK);
    ASSERT_ALL(session, mac, secret_key, CKR_OK);
    ASSERT_ALL(session, mac, hidden_value, CKR_ATTRIBUTE_SENSITIVE);
    assert_int_equal(read_ulong(session, mac, CKA_KEY_TYPE), CKK_GENERIC_SECRET);
    assert_int_equal(read_ulong(session, mac, CKA_VALUE_LEN), 32);
    assert_int_equal(read_one(session, mac, CKA_ID), 20);
    assert_int_equal(read_one(session, mac, CKA_UNIQUE_ID), strlen("s:mac@v3"));
    assert_memory_equal(value, "s:mac@v3", strlen("s:mac@v3"));
}

static CK_OBJECT_HANDLE find_cert(CK_SESSION_HANDLE session, const char *label)
{
    return fake_core_find(session, CKO_CERTIFICATE, label);
}

static void test_certificate_when_asked_then_answers_all_of_its_class(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE leaf = find_cert(session, "web.example"), ca = find_cert(session, "Test CA");

    (void)state;
    ASSERT_ALL(session, leaf, storage, CKR_OK);
    ASSERT_ALL(session, leaf, certificate, CKR_OK);
    assert_int_equal(read_ulong(session, leaf, CKA_CERTIFICATE_TYPE), CKC_X_509);
    assert_int_equal(read_ulong(session, leaf, CKA_CERTIFICATE_CATEGORY),
                     CK_CERTIFICATE_CATEGORY_TOKEN_USER);
    assert_int_equal(read_ulong(session, ca, CKA_CERTIFICATE_CATEGORY),
                     CK_CERTIFICATE_CATEGORY_AUTHORITY);
    assert_int_equal(read_one(session, leaf, CKA_SERIAL_NUMBER), 3);
    assert_memory_equal(value, "\x02\x01\x07", 3);
    assert_int_equal(read_one(session, leaf, CKA_START_DATE), 8);
    assert_memory_equal(value, "20240102", 8);
    assert_int_equal(read_one(session, leaf, CKA_END_DATE), 8);
    assert_memory_equal(value, "20991231", 8);
    assert_true(read_one(session, leaf, CKA_VALUE) > 200);
    assert_memory_equal(value, "\x30\x82", 2);
}

/* SunPKCS11 pairs by CKA_ID, and follows CKA_ISSUER to CKA_SUBJECT for the chain. */
static void test_certificate_when_its_key_exists_then_they_pair_and_lead_to_the_issuer(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE leaf = find_cert(session, "web.example"), ca = find_cert(session, "Test CA");
    CK_OBJECT_HANDLE private = fake_core_find(session, CKO_PRIVATE_KEY, "ec");
    CK_BYTE copy[256];
    size_t len;

    (void)state;
    assert_int_equal(read_one(session, private, CKA_ID), 20);
    memcpy(copy, value, 20);
    assert_int_equal(read_one(session, leaf, CKA_ID), 20);
    assert_memory_equal(value, copy, 20);
    len = read_one(session, leaf, CKA_ISSUER);
    memcpy(copy, value, len);
    assert_int_equal(read_one(session, ca, CKA_SUBJECT), len);
    assert_memory_equal(value, copy, len);
    len = read_one(session, leaf, CKA_SUBJECT);
    memcpy(copy, value, len);
    assert_int_equal(read_one(session, private, CKA_SUBJECT), len);
    assert_memory_equal(value, copy, len);
}

static void test_certificate_when_its_key_has_been_seen_then_goes_by_its_label(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE leaf = find_cert(session, "web.example");

    (void)state;
    assert_int_equal(read_one(session, leaf, CKA_LABEL), strlen("web.example"));
    fake_core_find(session, CKO_PRIVATE_KEY, "ec");
    assert_int_equal(read_one(session, leaf, CKA_LABEL), 2);
    assert_memory_equal(value, "ec", 2);
    assert_int_equal(find_cert(session, "ec"), leaf);
}

static bool allows(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_MECHANISM_TYPE type)
{
    size_t len = read_one(session, object, CKA_ALLOWED_MECHANISMS);
    CK_MECHANISM_TYPE found;

    for (size_t at = 0; at < len; at += sizeof(found)) {
        memcpy(&found, value + at, sizeof(found));
        if (found == type)
            return true;
    }
    return false;
}

static void test_allowed_mechanisms_when_asked_then_are_those_of_key_and_class(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE rsa = fake_core_find(session, CKO_PRIVATE_KEY, "rsa");
    CK_OBJECT_HANDLE ec = fake_core_find(session, CKO_PRIVATE_KEY, "ec");
    CK_OBJECT_HANDLE mac = fake_core_find(session, CKO_SECRET_KEY, "mac");

    (void)state;
    assert_true(allows(session, rsa, CKM_RSA_PKCS));
    assert_true(allows(session, rsa, CKM_RSA_PKCS_PSS));
    assert_true(allows(session, rsa, CKM_RSA_PKCS_OAEP));
    assert_false(allows(session, rsa, CKM_SHA1_RSA_PKCS)); /* the slot cannot */
    assert_false(allows(session, rsa, CKM_ECDSA));
    assert_true(allows(session, ec, CKM_ECDSA));
    assert_true(allows(session, mac, CKM_SHA256_HMAC));
}

static void test_template_when_values_are_missing_then_arguments_bad(void **state)
{
    CK_ATTRIBUTE missing = { CKA_LABEL, NULL, 3 }, empty = { CKA_LABEL, NULL, 0 };

    (void)state;
    assert_int_equal(pkcs11_attribute_check_template(&missing, 1), CKR_ARGUMENTS_BAD);
    assert_int_equal(pkcs11_attribute_check_template(&empty, 1), CKR_OK);
    assert_int_equal(pkcs11_attribute_check_template(NULL, 0), CKR_OK);
    assert_int_equal(pkcs11_attribute_check_template(NULL, 1), CKR_ARGUMENTS_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_private_key_when_asked_then_answers_all_of_its_class),
        TEST(test_private_key_when_the_slot_has_a_pin_then_is_private),
        TEST(test_public_key_when_asked_then_answers_all_of_its_class),
        TEST(test_secret_key_when_asked_then_answers_all_of_its_class),
        TEST(test_certificate_when_asked_then_answers_all_of_its_class),
        TEST(test_certificate_when_its_key_exists_then_they_pair_and_lead_to_the_issuer),
        TEST(test_certificate_when_its_key_has_been_seen_then_goes_by_its_label),
        TEST(test_allowed_mechanisms_when_asked_then_are_those_of_key_and_class),
        TEST(test_template_when_values_are_missing_then_arguments_bad),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
