/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/sha.h>

#include "fake_core.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static CK_BYTE message[] = "to be signed";
#define MESSAGE_LEN (sizeof(message) - 1)

static void start(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_CLASS class,
                  const char *label)
{
    assert_int_equal(C_SignInit(session, mechanism, fake_core_find(session, class, label)), CKR_OK);
}

static CK_RV verify(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_CLASS class,
                    const char *label, CK_BYTE *data, CK_ULONG data_len, CK_BYTE *sig, CK_ULONG len)
{
    assert_int_equal(C_VerifyInit(session, mechanism, fake_core_find(session, class, label)),
                     CKR_OK);
    return C_Verify(session, data, data_len, sig, len);
}

/* Every kind of row: hashed and raw, with and without a parameter, whole and in parts. */
static void test_sign_when_by_any_mechanism_then_the_public_half_verifies(void **state)
{
    CK_RSA_PKCS_PSS_PARAMS pss = { CKM_SHA384, CKG_MGF1_SHA384, 48 };
    struct {
        CK_MECHANISM mechanism;
        const char *key;
        CK_ULONG size;
    } cases[] = {
        { { CKM_RSA_PKCS, NULL, 0 }, "rsa", 256 },
        { { CKM_SHA256_RSA_PKCS, NULL, 0 }, "rsa", 256 },
        { { CKM_SHA384_RSA_PKCS_PSS, &pss, sizeof(pss) }, "rsa", 256 },
        { { CKM_ECDSA, NULL, 0 }, "ec", 64 },
        { { CKM_ECDSA_SHA256, NULL, 0 }, "ec", 64 },
        { { CKM_EDDSA, NULL, 0 }, "ed", 64 },
        { { CKM_SHA256_HMAC, NULL, 0 }, "mac", 32 },
    };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE sig[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool secret = strcmp(cases[i].key, "mac") == 0;
        CK_OBJECT_CLASS signer = secret ? CKO_SECRET_KEY : CKO_PRIVATE_KEY;
        CK_OBJECT_CLASS verifier = secret ? CKO_SECRET_KEY : CKO_PUBLIC_KEY;

        for (int parts = 0; parts < 2; parts++) {
            CK_ULONG len = sizeof(sig);

            start(session, &cases[i].mechanism, signer, cases[i].key);
            if (parts) {
                assert_int_equal(C_SignUpdate(session, message, 3), CKR_OK);
                assert_int_equal(C_SignUpdate(session, NULL, 0), CKR_OK);
                assert_int_equal(C_SignUpdate(session, message + 3, MESSAGE_LEN - 3), CKR_OK);
                assert_int_equal(C_SignFinal(session, sig, &len), CKR_OK);
            } else {
                assert_int_equal(C_Sign(session, message, MESSAGE_LEN, sig, &len), CKR_OK);
            }
            assert_int_equal(len, cases[i].size);
            assert_int_equal(verify(session, &cases[i].mechanism, verifier, cases[i].key, message,
                                    MESSAGE_LEN, sig, len),
                             CKR_OK);
        }
    }
}

/* The hash is made here and the raw form takes it: both are the same signature. */
static void test_sign_when_hashed_here_then_equals_the_raw_form_of_the_digest(void **state)
{
    CK_MECHANISM hashed = { CKM_ECDSA_SHA256, NULL, 0 }, raw = { CKM_ECDSA, NULL, 0 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE sig[64], digest[SHA256_DIGEST_LENGTH];
    CK_ULONG len = sizeof(sig);

    (void)state;
    start(session, &hashed, CKO_PRIVATE_KEY, "ec");
    assert_int_equal(C_Sign(session, message, MESSAGE_LEN, sig, &len), CKR_OK);
    SHA256(message, MESSAGE_LEN, digest);
    assert_int_equal(verify(session, &raw, CKO_PUBLIC_KEY, "ec", digest, sizeof(digest), sig, len),
                     CKR_OK);
}

static void test_length_when_asked_then_costs_no_request_and_keeps_the_operation(void **state)
{
    CK_MECHANISM mechanism = { CKM_SHA256_RSA_PKCS, NULL, 0 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE sig[256];
    CK_ULONG len = 0;
    unsigned before;

    (void)state;
    start(session, &mechanism, CKO_PRIVATE_KEY, "rsa");
    before = fake.requests;
    assert_int_equal(C_Sign(session, message, MESSAGE_LEN, NULL, &len), CKR_OK);
    assert_int_equal(len, 256);
    len = 255;
    assert_int_equal(C_Sign(session, message, MESSAGE_LEN, sig, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, 256);
    assert_int_equal(fake.requests, before);
    assert_int_equal(C_Sign(session, message, MESSAGE_LEN, sig, &len), CKR_OK);
    assert_int_equal(fake.requests, before + 1);
    assert_int_equal(C_Sign(session, message, MESSAGE_LEN, sig, &len),
                     CKR_OPERATION_NOT_INITIALIZED);
}

static void test_length_when_asked_at_the_end_of_parts_then_keeps_what_was_collected(void **state)
{
    CK_MECHANISM mechanism = { CKM_ECDSA_SHA256, NULL, 0 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE sig[64];
    CK_ULONG len = 0;

    (void)state;
    start(session, &mechanism, CKO_PRIVATE_KEY, "ec");
    assert_int_equal(C_SignUpdate(session, message, MESSAGE_LEN), CKR_OK);
    assert_int_equal(C_SignFinal(session, NULL, &len), CKR_OK);
    assert_int_equal(len, 64);
    len = 1;
    assert_int_equal(C_SignFinal(session, sig, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(C_SignFinal(session, sig, &len), CKR_OK);
    assert_int_equal(verify(session, &mechanism, CKO_PUBLIC_KEY, "ec", message, MESSAGE_LEN, sig,
                            len),
                     CKR_OK);
}

static void test_input_when_too_long_then_is_refused_at_once_and_ends(void **state)
{
    CK_MECHANISM mechanism = { CKM_RSA_PKCS, NULL, 0 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE block[246] = { 0 }, sig[256];
    CK_ULONG len = sizeof(sig);
    unsigned before;

    (void)state;
    start(session, &mechanism, CKO_PRIVATE_KEY, "rsa");
    before = fake.requests;
    assert_int_equal(C_SignUpdate(session, block, 245), CKR_OK); /* k - 11 */
    assert_int_equal(C_SignUpdate(session, block, 1), CKR_DATA_LEN_RANGE);
    assert_int_equal(C_SignFinal(session, sig, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(fake.requests, before);
    start(session, &mechanism, CKO_PRIVATE_KEY, "rsa");
    assert_int_equal(C_Sign(session, block, 246, sig, &len), CKR_DATA_LEN_RANGE);
}

static void test_sign_when_arguments_are_bad_then_ends(void **state)
{
    CK_MECHANISM mechanism = { CKM_ECDSA_SHA256, NULL, 0 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE sig[64];
    CK_ULONG len = sizeof(sig);

    (void)state;
    start(session, &mechanism, CKO_PRIVATE_KEY, "ec");
    assert_int_equal(C_Sign(session, message, MESSAGE_LEN, sig, NULL), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_Sign(session, message, MESSAGE_LEN, sig, &len),
                     CKR_OPERATION_NOT_INITIALIZED);
    start(session, &mechanism, CKO_PRIVATE_KEY, "ec");
    assert_int_equal(C_Sign(session, NULL, 5, sig, &len), CKR_ARGUMENTS_BAD);
    start(session, &mechanism, CKO_PRIVATE_KEY, "ec");
    assert_int_equal(C_SignUpdate(session, NULL, 5), CKR_ARGUMENTS_BAD);
    assert_int_equal(C_SignFinal(session, sig, &len), CKR_OPERATION_NOT_INITIALIZED);
}

static void test_single_part_when_parts_were_given_then_ends_the_operation(void **state)
{
    CK_MECHANISM mechanism = { CKM_ECDSA_SHA256, NULL, 0 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE sig[64];
    CK_ULONG len = sizeof(sig);

    (void)state;
    start(session, &mechanism, CKO_PRIVATE_KEY, "ec");
    assert_int_equal(C_SignUpdate(session, message, 1), CKR_OK);
    assert_int_equal(C_Sign(session, message, 1, sig, &len), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_SignFinal(session, sig, &len), CKR_OPERATION_NOT_INITIALIZED);
}

static void test_sign_when_the_service_fails_then_gives_its_code_and_ends(void **state)
{
    static const struct {
        enum remote_rc rc;
        CK_RV rv;
    } cases[] = {
        { REMOTE_E_TIMEOUT, CKR_DEVICE_ERROR },  { REMOTE_E_UNAVAILABLE, CKR_DEVICE_ERROR },
        { REMOTE_E_PROTOCOL, CKR_DEVICE_ERROR }, { REMOTE_E_BUSY, CKR_DEVICE_ERROR },
        { REMOTE_E_AUTH, CKR_DEVICE_ERROR },     { REMOTE_E_RIGHTS, CKR_FUNCTION_REJECTED },
        { REMOTE_E_NOMEM, CKR_HOST_MEMORY },
    };
    CK_MECHANISM mechanism = { CKM_ECDSA_SHA256, NULL, 0 };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE sig[64];
    CK_ULONG len = sizeof(sig);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        fake.fail = REMOTE_OK;
        start(session, &mechanism, CKO_PRIVATE_KEY, "ec");
        fake.fail = cases[i].rc;
        assert_int_equal(C_Sign(session, message, MESSAGE_LEN, sig, &len), cases[i].rv);
        assert_int_equal(C_Sign(session, message, MESSAGE_LEN, sig, &len),
                         CKR_OPERATION_NOT_INITIALIZED);
    }
}

static void test_sign_when_the_pin_has_died_then_asks_for_login(void **state)
{
    CK_MECHANISM mechanism = { CKM_ECDSA_SHA256, NULL, 0 };
    CK_SESSION_HANDLE session = fake_core_session(1);
    CK_BYTE sig[96];
    CK_ULONG len = sizeof(sig);

    (void)state;
    assert_int_equal(C_Login(session, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
    start(session, &mechanism, CKO_PRIVATE_KEY, "hidden");
    fake.fail = REMOTE_E_AUTH;
    assert_int_equal(C_Sign(session, message, MESSAGE_LEN, sig, &len), CKR_USER_NOT_LOGGED_IN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sign_when_by_any_mechanism_then_the_public_half_verifies),
        TEST(test_sign_when_hashed_here_then_equals_the_raw_form_of_the_digest),
        TEST(test_length_when_asked_then_costs_no_request_and_keeps_the_operation),
        TEST(test_length_when_asked_at_the_end_of_parts_then_keeps_what_was_collected),
        TEST(test_input_when_too_long_then_is_refused_at_once_and_ends),
        TEST(test_sign_when_arguments_are_bad_then_ends),
        TEST(test_single_part_when_parts_were_given_then_ends_the_operation),
        TEST(test_sign_when_the_service_fails_then_gives_its_code_and_ends),
        TEST(test_sign_when_the_pin_has_died_then_asks_for_login),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
