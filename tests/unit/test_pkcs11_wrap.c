/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_keys.h"

#include "remote/hsmbridge.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static CK_RSA_PKCS_OAEP_PARAMS oaep = { CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0 };
static CK_BYTE iv[16] = { 5 };
static CK_BYTE value[32] = "0123456789abcdef0123456789abcde";

static CK_OBJECT_HANDLE wrapped_key(CK_SESSION_HANDLE session)
{
    return key_of(session, CKK_AES, value, sizeof(value));
}

static CK_RV unwrap(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE with,
                    CK_BYTE *bytes, CK_ULONG len, CK_OBJECT_HANDLE *ret)
{
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, aes_type),
                                  VALUE(CKA_EXTRACTABLE, yes), VALUE(CKA_SENSITIVE, no) };

    return C_UnwrapKey(session, mechanism, with, bytes, len, attributes, 4, ret);
}

/* There and back again; and what was changed on the way does not open. */
static void round_trip(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE with,
                       CK_OBJECT_HANDLE back, unsigned requests)
{
    CK_OBJECT_HANDLE key = wrapped_key(session), again = 0;
    CK_BYTE bytes[512], out[64];
    CK_ULONG need = 0, len;
    unsigned before = fake.requests;
    CK_RV rv;

    assert_int_equal(C_WrapKey(session, mechanism, with, key, NULL, &need), CKR_OK);
    assert_true(need >= 32);
    len = 1;
    assert_int_equal(C_WrapKey(session, mechanism, with, key, bytes, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, need);
    assert_int_equal(fake.requests, before);
    assert_int_equal(C_WrapKey(session, mechanism, with, key, bytes, &len), CKR_OK);
    assert_true(len <= need);
    assert_int_equal(fake.requests, before + (with == back ? requests : 0));
    assert_int_equal(unwrap(session, mechanism, back, bytes, len, &again), CKR_OK);
    assert_int_equal(attribute_of(session, again, CKA_VALUE, out), 32);
    assert_memory_equal(out, value, 32);
    assert_false(flag_of(session, again, CKA_LOCAL));
    assert_false(flag_of(session, again, CKA_NEVER_EXTRACTABLE));
    bytes[len / 2] ^= 1;
    again = 77;
    rv = unwrap(session, mechanism, back, bytes, len, &again);
    if (mechanism->mechanism != CKM_AES_CBC_PAD) /* which authenticates nothing */
        assert_int_equal(rv, CKR_WRAPPED_KEY_INVALID);
    assert_int_equal(rv == CKR_OK ? 77 : again, 77);
}

static void test_wrap_when_under_any_key_then_opens_again(void **state)
{
    CK_MECHANISM kw = { CKM_AES_KEY_WRAP, NULL, 0 }, kwp = { CKM_AES_KEY_WRAP_KWP, NULL, 0 };
    CK_MECHANISM cbc = { CKM_AES_CBC_PAD, iv, 16 }, pkcs1 = { CKM_RSA_PKCS, NULL, 0 };
    CK_MECHANISM with_oaep = { CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep) };
    CK_MECHANISM aead = { CKM_HSMBRIDGE_AEAD, NULL, 0 }, bound = { CKM_HSMBRIDGE_AEAD, "x", 1 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE kek = aes_of(session, 7), box, public, private;

    (void)state;
    box = fake_core_find(session, CKO_SECRET_KEY, "box");
    public = fake_core_find(session, CKO_PUBLIC_KEY, "rsa");
    private = fake_core_find(session, CKO_PRIVATE_KEY, "rsa");
    round_trip(session, &kw, kek, kek, 0);
    round_trip(session, &kwp, kek, kek, 0);
    round_trip(session, &cbc, kek, kek, 0);
    round_trip(session, &aead, box, box, 1);
    round_trip(session, &bound, box, box, 1);
    round_trip(session, &with_oaep, public, private, 0);
    round_trip(session, &pkcs1, public, private, 0);
}

static void test_wrap_when_the_key_may_not_leave_then_unextractable(void **state)
{
    CK_MECHANISM kw = { CKM_AES_KEY_WRAP, NULL, 0 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE kek = aes_of(session, 7), key = wrapped_key(session);
    CK_ULONG len = 0;
    CK_BYTE out[64];

    (void)state;
    assert_int_equal(set_flag(session, key, CKA_WRAP_WITH_TRUSTED, CK_TRUE), CKR_OK);
    assert_int_equal(C_WrapKey(session, &kw, kek, key, NULL, &len), CKR_KEY_NOT_WRAPPABLE);
    assert_int_equal(set_flag(session, key, CKA_EXTRACTABLE, CK_FALSE), CKR_OK);
    len = sizeof(out);
    assert_int_equal(C_WrapKey(session, &kw, kek, key, out, &len), CKR_KEY_UNEXTRACTABLE);
    assert_int_equal(C_WrapKey(session, &kw, kek, fake_core_find(session, CKO_SECRET_KEY, "box"),
                               out, &len),
                     CKR_KEY_UNEXTRACTABLE);
    assert_int_equal(C_WrapKey(session, &kw, kek, fake_core_find(session, CKO_PRIVATE_KEY, "ec"),
                               out, &len),
                     CKR_KEY_UNEXTRACTABLE);
}

static void test_wrap_when_the_wrapping_key_is_wrong_then_says_how(void **state)
{
    CK_MECHANISM kw = { CKM_AES_KEY_WRAP, NULL, 0 }, ecdsa = { CKM_ECDSA, NULL, 0 };
    CK_MECHANISM odd = { CKM_AES_KEY_WRAP, iv, 5 }, ctr = { CKM_AES_CTR, iv, 16 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE kek = aes_of(session, 7), key = wrapped_key(session), again;
    CK_OBJECT_HANDLE mac = key_of(session, CKK_GENERIC_SECRET, value, 20);
    CK_BYTE out[64];
    CK_ULONG len = sizeof(out);

    (void)state;
    assert_int_equal(C_WrapKey(session, &kw, 999, key, out, &len), CKR_WRAPPING_KEY_HANDLE_INVALID);
    assert_int_equal(C_WrapKey(session, &kw, kek, 999, out, &len), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(C_WrapKey(session, &kw, mac, key, out, &len),
                     CKR_WRAPPING_KEY_TYPE_INCONSISTENT);
    assert_int_equal(C_WrapKey(session, &ecdsa, kek, key, out, &len), CKR_MECHANISM_INVALID);
    assert_int_equal(C_WrapKey(session, &ctr, kek, key, out, &len), CKR_MECHANISM_INVALID);
    assert_int_equal(C_WrapKey(session, &odd, kek, key, out, &len), CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(C_WrapKey(session, NULL, kek, key, out, &len), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_WrapKey(session, &kw, kek, key, out, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_WrapKey(session, &kw, kek, key_of(session, CKK_GENERIC_SECRET, value, 20),
                               out, &len),
                     CKR_KEY_SIZE_RANGE);
    assert_int_equal(set_flag(session, kek, CKA_WRAP, CK_FALSE), CKR_OK);
    assert_int_equal(C_WrapKey(session, &kw, kek, key, out, &len), CKR_KEY_FUNCTION_NOT_PERMITTED);
    assert_int_equal(unwrap(session, &kw, 999, out, 40, &again), CKR_UNWRAPPING_KEY_HANDLE_INVALID);
    assert_int_equal(unwrap(session, &kw, mac, out, 40, &again),
                     CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT);
}

static void test_unwrap_when_the_template_is_wrong_then_costs_no_request(void **state)
{
    CK_MECHANISM aead = { CKM_HSMBRIDGE_AEAD, NULL, 0 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE box = fake_core_find(session, CKO_SECRET_KEY, "box"), again;
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, aes_type),
                                  BYTES(CKA_VALUE, value, 16) };
    CK_BYTE bytes[64] = { 0 };
    unsigned before = fake.requests;

    (void)state;
    assert_int_equal(C_UnwrapKey(session, &aead, box, bytes, 64, attributes, 1, &again),
                     CKR_TEMPLATE_INCOMPLETE);
    assert_int_equal(C_UnwrapKey(session, &aead, box, bytes, 64, attributes + 1, 1, &again),
                     CKR_TEMPLATE_INCOMPLETE);
    assert_int_equal(C_UnwrapKey(session, &aead, box, bytes, 64, attributes, 3, &again),
                     CKR_ATTRIBUTE_READ_ONLY);
    assert_int_equal(C_UnwrapKey(session, &aead, box, NULL, 64, attributes, 2, &again),
                     CKR_ARGUMENTS_BAD);
    assert_int_equal(C_UnwrapKey(session, &aead, box, bytes, 64, attributes, 2, NULL),
                     CKR_ARGUMENTS_BAD);
    assert_int_equal(C_UnwrapKey(session, &aead, box, bytes, 0, attributes, 2, &again),
                     CKR_WRAPPED_KEY_LEN_RANGE);
    assert_int_equal(fake.requests, before);
}

static void test_unwrap_when_what_comes_out_is_no_such_key_then_invalid(void **state)
{
    CK_MECHANISM kwp = { CKM_AES_KEY_WRAP_KWP, NULL, 0 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE kek = aes_of(session, 7), again = 77;
    CK_BYTE out[64];
    CK_ULONG len = sizeof(out), stated = 16;
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, generic_type),
                                  VALUE(CKA_VALUE_LEN, stated) };

    (void)state;
    assert_int_equal(C_WrapKey(session, &kwp, kek, key_of(session, CKK_GENERIC_SECRET, value, 20),
                               out, &len),
                     CKR_OK);
    assert_int_equal(unwrap(session, &kwp, kek, out, len, &again), CKR_WRAPPED_KEY_INVALID);
    assert_int_equal(unwrap(session, &kwp, kek, out, len - 1, &again), CKR_WRAPPED_KEY_LEN_RANGE);
    assert_int_equal(C_UnwrapKey(session, &kwp, kek, out, len, attributes, 3, &again),
                     CKR_TEMPLATE_INCONSISTENT);
    assert_int_equal(again, 77);
    assert_int_equal(C_UnwrapKey(session, &kwp, kek, out, len, attributes, 2, &again), CKR_OK);
}

static void test_unwrap_when_to_the_token_then_is_an_import(void **state)
{
    CK_MECHANISM kwp = { CKM_AES_KEY_WRAP_KWP, NULL, 0 };
    CK_SESSION_HANDLE session;
    CK_ATTRIBUTE attributes[] = { VALUE(CKA_CLASS, secret_class), VALUE(CKA_KEY_TYPE, aes_type),
                                  VALUE(CKA_TOKEN, yes), BYTES(CKA_LABEL, "byok", 4) };
    CK_OBJECT_HANDLE kek, again = 0;
    CK_BYTE out[64];
    CK_ULONG len = sizeof(out);

    (void)state;
    assert_int_equal(C_OpenSession(1, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
                     CKR_OK);
    assert_int_equal(C_Login(session, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
    kek = aes_of(session, 7);
    assert_int_equal(C_WrapKey(session, &kwp, kek, wrapped_key(session), out, &len), CKR_OK);
    assert_int_equal(C_UnwrapKey(session, &kwp, kek, out, len, attributes, 3, &again),
                     CKR_TEMPLATE_INCOMPLETE);
    assert_int_equal(C_UnwrapKey(session, &kwp, kek, out, len, attributes, 4, &again), CKR_OK);
    assert_int_equal(again, fake_core_find(session, CKO_SECRET_KEY, "byok"));
    assert_int_equal(C_DestroyObject(session, again), CKR_OK);
    fake.allow = 0;
    assert_int_equal(C_UnwrapKey(session, &kwp, kek, out, len, attributes, 4, &again),
                     CKR_ACTION_PROHIBITED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_wrap_when_under_any_key_then_opens_again),
        TEST(test_wrap_when_the_key_may_not_leave_then_unextractable),
        TEST(test_wrap_when_the_wrapping_key_is_wrong_then_says_how),
        TEST(test_unwrap_when_the_template_is_wrong_then_costs_no_request),
        TEST(test_unwrap_when_what_comes_out_is_no_such_key_then_invalid),
        TEST(test_unwrap_when_to_the_token_then_is_an_import),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
