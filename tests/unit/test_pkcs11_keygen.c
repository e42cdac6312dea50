/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_keys.h"

#include "remote/hsmbridge.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static CK_MECHANISM aes_gen = { CKM_AES_KEY_GEN, NULL, 0 };
static CK_ULONG len32 = 32;

static void test_generate_when_a_length_is_given_then_makes_a_key_without_a_request(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_VALUE_LEN, len32) };
    CK_MECHANISM_TYPE made_by;
    CK_OBJECT_HANDLE key = 0, other = 0;
    CK_BYTE a[64], b[64];

    (void)state;
    assert_int_equal(C_GenerateKey(session, &aes_gen, attributes, 1, &key), CKR_OK);
    assert_int_equal(C_GenerateKey(session, &aes_gen, attributes, 1, &other), CKR_OK);
    assert_true(flag_of(session, key, CKA_LOCAL));
    assert_true(flag_of(session, key, CKA_ALWAYS_SENSITIVE));
    assert_true(flag_of(session, key, CKA_NEVER_EXTRACTABLE));
    assert_int_equal(attribute_of(session, key, CKA_KEY_GEN_MECHANISM, a), sizeof(made_by));
    memcpy(&made_by, a, sizeof(made_by));
    assert_int_equal(made_by, CKM_AES_KEY_GEN);
    attribute_of(session, key, CKA_CHECK_VALUE, a);
    attribute_of(session, other, CKA_CHECK_VALUE, b);
    assert_memory_not_equal(a, b, 3);
    assert_int_equal(fake.requests, 0);
}

static CK_RV generate(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_ULONG len)
{
    CK_MECHANISM mechanism = { type, NULL, 0 };
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_VALUE_LEN, len) };
    CK_OBJECT_HANDLE key;

    return C_GenerateKey(session, &mechanism, attributes, 1, &key);
}

static void test_generate_when_the_length_is_impossible_then_value_invalid(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);

    (void)state;
    assert_int_equal(generate(session, CKM_AES_KEY_GEN, 16), CKR_OK);
    assert_int_equal(generate(session, CKM_AES_KEY_GEN, 24), CKR_OK);
    assert_int_equal(generate(session, CKM_AES_KEY_GEN, 0), CKR_ATTRIBUTE_VALUE_INVALID);
    assert_int_equal(generate(session, CKM_AES_KEY_GEN, 17), CKR_ATTRIBUTE_VALUE_INVALID);
    assert_int_equal(generate(session, CKM_AES_KEY_GEN, (CK_ULONG)-1), CKR_ATTRIBUTE_VALUE_INVALID);
    assert_int_equal(generate(session, CKM_GENERIC_SECRET_KEY_GEN, 1), CKR_OK);
    assert_int_equal(generate(session, CKM_GENERIC_SECRET_KEY_GEN, 4096), CKR_OK);
    assert_int_equal(generate(session, CKM_GENERIC_SECRET_KEY_GEN, 4097),
                     CKR_ATTRIBUTE_VALUE_INVALID);
    assert_int_equal(generate(session, CKM_CHACHA20_KEY_GEN, 32), CKR_OK);
    assert_int_equal(generate(session, CKM_CHACHA20_KEY_GEN, 16), CKR_ATTRIBUTE_VALUE_INVALID);
}

static void test_generate_when_arguments_are_wrong_then_says_how(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_MECHANISM des = { CKM_DES3_KEY_GEN, NULL, 0 }, surplus = { CKM_AES_KEY_GEN, "x", 1 };
    CK_MECHANISM pair = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 }, sign = { CKM_ECDSA, NULL, 0 };
    CK_ATTRIBUTE len = VALUE(CKA_VALUE_LEN, len32);
    CK_ATTRIBUTE type[] = { len, VALUE(CKA_KEY_TYPE, generic_type) };
    CK_ATTRIBUTE value[] = { len, BYTES(CKA_VALUE, "0123456789abcdef", 16) };
    CK_OBJECT_HANDLE key = 77;

    (void)state;
    assert_int_equal(C_GenerateKey(session, NULL, &len, 1, &key), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GenerateKey(session, &aes_gen, &len, 1, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GenerateKey(session, &aes_gen, NULL, 1, &key), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GenerateKey(session, &aes_gen, NULL, 0, &key), CKR_TEMPLATE_INCOMPLETE);
    assert_int_equal(C_GenerateKey(session, &des, &len, 1, &key), CKR_MECHANISM_INVALID);
    assert_int_equal(C_GenerateKey(session, &pair, &len, 1, &key), CKR_MECHANISM_INVALID);
    assert_int_equal(C_GenerateKey(session, &sign, &len, 1, &key), CKR_MECHANISM_INVALID);
    assert_int_equal(C_GenerateKey(session, &surplus, &len, 1, &key), CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(C_GenerateKey(session, &aes_gen, type, 2, &key), CKR_TEMPLATE_INCONSISTENT);
    assert_int_equal(C_GenerateKey(session, &aes_gen, value, 2, &key), CKR_ATTRIBUTE_READ_ONLY);
    assert_int_equal(key, 77);
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

static void test_token_key_when_generated_then_is_in_the_service(void **state)
{
    CK_SESSION_HANDLE session = writable();
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_VALUE_LEN, len32), VALUE(CKA_TOKEN, yes),
                                  BYTES(CKA_LABEL, "new", 3) };
    CK_OBJECT_HANDLE key = 0;

    (void)state;
    assert_int_equal(C_GenerateKey(session, &aes_gen, attributes, 2, &key),
                     CKR_TEMPLATE_INCOMPLETE);
    assert_int_equal(C_GenerateKey(session, &aes_gen, attributes, 3, &key), CKR_OK);
    assert_int_equal(key, fake_core_find(session, CKO_SECRET_KEY, "new"));
    assert_int_equal(C_GenerateKey(session, &aes_gen, attributes, 3, &key),
                     CKR_ATTRIBUTE_VALUE_INVALID); /* the name is taken */
    assert_int_equal(C_DestroyObject(session, key), CKR_OK);
    fake.allow = REMOTE_ALLOW_IMPORT;
    assert_int_equal(C_GenerateKey(session, &aes_gen, attributes, 3, &key), CKR_ACTION_PROHIBITED);
}

static void test_token_key_when_the_service_makes_none_then_not_supported(void **state)
{
    CK_SESSION_HANDLE session = writable();
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_VALUE_LEN, len32), VALUE(CKA_TOKEN, yes),
                                  BYTES(CKA_LABEL, "new", 3) };
    CK_BBOOL here = CK_FALSE;
    CK_OBJECT_HANDLE key;

    (void)state;
    fake.makes_no_keys = true;
    assert_int_equal(C_GenerateKey(session, &aes_gen, attributes, 3, &key),
                     CKR_FUNCTION_NOT_SUPPORTED);
    attributes[1].pValue = &here;
    assert_int_equal(C_GenerateKey(session, &aes_gen, attributes, 2, &key), CKR_OK); /* here */
}

static CK_ULONG bits = 2048;
static CK_BYTE p256[] = "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";

static void test_pair_when_generated_then_both_halves_are_there(void **state)
{
    CK_SESSION_HANDLE session = writable();
    CK_MECHANISM rsa = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
    CK_MECHANISM ec = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
    CK_ATTRIBUTE public[] = { VALUE(CKA_MODULUS_BITS, bits), VALUE(CKA_TOKEN, yes),
                              BYTES(CKA_PUBLIC_EXPONENT, "\1\0\1", 3) };
    CK_ATTRIBUTE curve[] = { BYTES(CKA_EC_PARAMS, p256, sizeof(p256) - 1), VALUE(CKA_TOKEN, yes) };
    CK_ATTRIBUTE private[] = { BYTES(CKA_LABEL, "pair", 4), VALUE(CKA_TOKEN, yes),
                               VALUE(CKA_SIGN, yes), VALUE(CKA_PRIVATE, yes),
                               VALUE(CKA_SENSITIVE, yes) };
    CK_OBJECT_HANDLE open = 0, hidden = 0;

    (void)state;
    assert_int_equal(C_GenerateKeyPair(session, &rsa, public, 3, private, 5, &open, &hidden),
                     CKR_OK);
    assert_int_equal(open, fake_core_find(session, CKO_PUBLIC_KEY, "pair"));
    assert_int_equal(hidden, fake_core_find(session, CKO_PRIVATE_KEY, "pair"));
    assert_int_equal(C_DestroyObject(session, hidden), CKR_OK);
    assert_int_equal(C_DestroyObject(session, open), CKR_OBJECT_HANDLE_INVALID);
    assert_int_equal(C_GenerateKeyPair(session, &ec, curve, 2, private, 5, &open, &hidden), CKR_OK);
    assert_int_equal(C_DestroyObject(session, hidden), CKR_OK);
}

static void test_pair_when_the_templates_are_wrong_then_says_how(void **state)
{
    CK_SESSION_HANDLE session = writable();
    CK_MECHANISM rsa = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
    CK_MECHANISM ec = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
    CK_ATTRIBUTE public[] = { VALUE(CKA_TOKEN, yes), VALUE(CKA_MODULUS_BITS, bits),
                              BYTES(CKA_LABEL, "other", 5) };
    CK_ATTRIBUTE curve[] = { VALUE(CKA_TOKEN, yes), BYTES(CKA_EC_PARAMS, "\6\1\1", 3) };
    CK_ATTRIBUTE private[] = { VALUE(CKA_TOKEN, yes), BYTES(CKA_LABEL, "pair", 4),
                               BYTES(CKA_ID, "x", 1) };
    CK_ATTRIBUTE loose[] = { VALUE(CKA_TOKEN, yes), BYTES(CKA_LABEL, "pair", 4),
                             VALUE(CKA_EXTRACTABLE, yes) };
    CK_OBJECT_HANDLE a, b;
    unsigned before = fake.requests;
#define PAIR(mechanism, p, np, q, nq) C_GenerateKeyPair(session, mechanism, p, np, q, nq, &a, &b)

    (void)state;
    assert_int_equal(PAIR(&rsa, public, 1, private, 2), CKR_TEMPLATE_INCOMPLETE);   /* no bits */
    assert_int_equal(PAIR(&rsa, public, 2, private, 1), CKR_TEMPLATE_INCOMPLETE);   /* no name */
    assert_int_equal(PAIR(&rsa, public, 3, private, 2), CKR_TEMPLATE_INCONSISTENT); /* two names */
    assert_int_equal(PAIR(&rsa, public, 2, private + 1, 1), CKR_TEMPLATE_INCONSISTENT);
    assert_int_equal(PAIR(&rsa, public, 2, private, 3), CKR_ATTRIBUTE_READ_ONLY);
    assert_int_equal(PAIR(&rsa, public, 2, loose, 3), CKR_TEMPLATE_INCONSISTENT);
    assert_int_equal(PAIR(&ec, curve, 2, private, 2), CKR_CURVE_NOT_SUPPORTED);
    assert_int_equal(PAIR(&ec, curve, 1, private, 2), CKR_TEMPLATE_INCOMPLETE);
    assert_int_equal(PAIR(&ec, public, 2, private, 2), CKR_ATTRIBUTE_TYPE_INVALID);
    assert_int_equal(PAIR(&aes_gen, public, 2, private, 2), CKR_MECHANISM_INVALID);
    bits = 1024;
    assert_int_equal(PAIR(&rsa, public, 2, private, 2), CKR_KEY_SIZE_RANGE);
    bits = 2048;
    assert_int_equal(PAIR(NULL, public, 2, private, 2), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_GenerateKeyPair(session, &rsa, public, 2, private, 2, NULL, &b),
                     CKR_ARGUMENTS_BAD);
    assert_int_equal(fake.requests, before);
}

/* ---- data keys ---- */

static void test_data_key_when_made_then_its_sealed_part_opens_to_the_same(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE box = fake_core_find(session, CKO_SECRET_KEY, "box"), key = 0, again = 0;
    CK_BYTE sealed[256], a[64], b[64];
    CK_HSMBRIDGE_DATA_KEY_PARAMS params = { box, NULL, 0 };
    CK_MECHANISM mechanism = { CKM_HSMBRIDGE_DATA_KEY, &params, sizeof(params) };
    CK_MECHANISM aead = { CKM_HSMBRIDGE_AEAD, NULL, 0 };
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_KEY_TYPE, aes_type), VALUE(CKA_VALUE_LEN, len32) };
    CK_ATTRIBUTE opened[] = { VALUE(CKA_KEY_TYPE, aes_type), VALUE(CKA_CLASS, secret_class) };
    unsigned before = fake.requests;

    (void)state;
    assert_int_equal(C_GenerateKey(session, &mechanism, attributes, 2, &key), CKR_OK);
    assert_int_equal(key, 0);
    assert_true(params.ulSealedLen > 32);
    params.pSealed = sealed;
    params.ulSealedLen--;
    assert_int_equal(C_GenerateKey(session, &mechanism, attributes, 2, &key), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(fake.requests, before);
    assert_int_equal(C_GenerateKey(session, &mechanism, attributes, 2, &key), CKR_OK);
    assert_int_equal(fake.requests, before + 1);
    assert_false(flag_of(session, key, CKA_LOCAL));
    assert_int_equal(C_UnwrapKey(session, &aead, box, sealed, params.ulSealedLen, opened, 2,
                                 &again),
                     CKR_OK);
    attribute_of(session, key, CKA_CHECK_VALUE, a);
    attribute_of(session, again, CKA_CHECK_VALUE, b);
    assert_memory_equal(a, b, 3);
}

static void test_data_key_when_the_wish_is_wrong_then_says_how(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE sealed[256];
    CK_ULONG len = 17;
    CK_HSMBRIDGE_DATA_KEY_PARAMS params = { 0, sealed, sizeof(sealed) };
    CK_MECHANISM mechanism = { CKM_HSMBRIDGE_DATA_KEY, &params, sizeof(params) };
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_VALUE_LEN, len), VALUE(CKA_KEY_TYPE, generic_type) };
    CK_OBJECT_HANDLE key;

    (void)state;
    assert_int_equal(C_GenerateKey(session, &mechanism, attributes, 2, &key),
                     CKR_KEY_HANDLE_INVALID);
    params.hKey = fake_core_find(session, CKO_SECRET_KEY, "mac");
    assert_int_equal(C_GenerateKey(session, &mechanism, attributes, 2, &key),
                     CKR_KEY_TYPE_INCONSISTENT);
    params.hKey = fake_core_find(session, CKO_SECRET_KEY, "box");
    assert_int_equal(C_GenerateKey(session, &mechanism, attributes, 2, &key),
                     CKR_ATTRIBUTE_VALUE_INVALID); /* the service makes 16 or 32 bytes */
    assert_int_equal(C_GenerateKey(session, &mechanism, attributes, 1, &key),
                     CKR_TEMPLATE_INCOMPLETE);
    mechanism.ulParameterLen--;
    assert_int_equal(C_GenerateKey(session, &mechanism, attributes, 2, &key),
                     CKR_MECHANISM_PARAM_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_generate_when_a_length_is_given_then_makes_a_key_without_a_request),
        TEST(test_generate_when_the_length_is_impossible_then_value_invalid),
        TEST(test_generate_when_arguments_are_wrong_then_says_how),
        TEST(test_token_key_when_generated_then_is_in_the_service),
        TEST(test_token_key_when_the_service_makes_none_then_not_supported),
        TEST(test_pair_when_generated_then_both_halves_are_there),
        TEST(test_pair_when_the_templates_are_wrong_then_says_how),
        TEST(test_data_key_when_made_then_its_sealed_part_opens_to_the_same),
        TEST(test_data_key_when_the_wish_is_wrong_then_says_how),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
