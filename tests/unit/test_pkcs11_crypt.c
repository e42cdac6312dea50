/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_core.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static CK_RSA_PKCS_OAEP_PARAMS oaep = { CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0 };
static CK_MECHANISM mechanism = { CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep) };
static CK_BYTE secret[] = "sixteen bytes ok";
#define SECRET_LEN (sizeof(secret) - 1)

static CK_SESSION_HANDLE session;
static CK_BYTE sealed[256];

/* The secret encrypted, and its decryption begun. */
static void begin(void)
{
    CK_ULONG len = sizeof(sealed);

    session = fake_core_session(0);
    assert_int_equal(C_EncryptInit(session, &mechanism,
                                   fake_core_find(session, CKO_PUBLIC_KEY, "rsa")),
                     CKR_OK);
    assert_int_equal(C_Encrypt(session, secret, SECRET_LEN, sealed, &len), CKR_OK);
    assert_int_equal(len, 256);
    assert_int_equal(C_DecryptInit(session, &mechanism,
                                   fake_core_find(session, CKO_PRIVATE_KEY, "rsa")),
                     CKR_OK);
}

static void assert_ended(void)
{
    CK_BYTE out[256];
    CK_ULONG len = sizeof(out);

    assert_int_equal(C_DecryptFinal(session, out, &len), CKR_OPERATION_NOT_INITIALIZED);
}

static void test_decrypt_when_sealed_here_then_opens(void **state)
{
    CK_BYTE out[256];
    CK_ULONG len = sizeof(out);
    unsigned before;

    (void)state;
    begin();
    before = fake.requests;
    assert_int_equal(C_Decrypt(session, sealed, 256, out, &len), CKR_OK);
    assert_int_equal(len, SECRET_LEN);
    assert_memory_equal(out, secret, SECRET_LEN);
    assert_int_equal(fake.requests, before + 1);
    assert_ended();
}

static void test_pkcs1_when_used_then_opens_too(void **state)
{
    CK_MECHANISM pkcs1 = { CKM_RSA_PKCS, NULL, 0 };
    CK_SESSION_HANDLE own = fake_core_session(0);
    CK_BYTE out[256];
    CK_ULONG len = sizeof(sealed);

    (void)state;
    assert_int_equal(C_EncryptInit(own, &pkcs1, fake_core_find(own, CKO_PUBLIC_KEY, "rsa")),
                     CKR_OK);
    assert_int_equal(C_Encrypt(own, secret, SECRET_LEN, sealed, &len), CKR_OK);
    assert_int_equal(C_DecryptInit(own, &pkcs1, fake_core_find(own, CKO_PRIVATE_KEY, "rsa")),
                     CKR_OK);
    assert_int_equal(C_Decrypt(own, sealed, len, out, &len), CKR_OK);
    assert_memory_equal(out, secret, SECRET_LEN);
}

static void test_decrypt_when_the_length_is_asked_then_costs_no_request(void **state)
{
    CK_ULONG len = 0;
    unsigned before;

    (void)state;
    begin();
    before = fake.requests;
    assert_int_equal(C_Decrypt(session, sealed, 256, NULL, &len), CKR_OK);
    assert_int_equal(len, 256);
    assert_int_equal(fake.requests, before);
}

static void test_decrypt_when_the_buffer_fits_the_plaintext_exactly_then_is_enough(void **state)
{
    CK_BYTE out[SECRET_LEN];
    CK_ULONG len = sizeof(out);

    (void)state;
    begin();
    assert_int_equal(C_Decrypt(session, sealed, 256, out, &len), CKR_OK);
    assert_memory_equal(out, secret, SECRET_LEN);
}

static void test_decrypt_when_the_buffer_is_too_small_then_result_waits(void **state)
{
    CK_BYTE out[SECRET_LEN];
    CK_ULONG len = SECRET_LEN - 1;
    unsigned before;

    (void)state;
    begin();
    before = fake.requests;
    assert_int_equal(C_Decrypt(session, sealed, 256, out, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, SECRET_LEN);
    assert_int_equal(C_Decrypt(session, sealed, 256, NULL, &len), CKR_OK);
    assert_int_equal(len, SECRET_LEN); /* exact by now */
    assert_int_equal(C_Decrypt(session, sealed, 256, out, &len), CKR_OK);
    assert_memory_equal(out, secret, SECRET_LEN);
    assert_int_equal(fake.requests, before + 1);
    assert_ended();
}

static void test_decrypt_when_repeated_with_other_data_then_the_result_is_not_reused(void **state)
{
    CK_BYTE other[256], out[256];
    CK_ULONG len = 1;
    CK_RV rv;

    (void)state;
    begin();
    assert_int_equal(C_Decrypt(session, sealed, 256, out, &len), CKR_BUFFER_TOO_SMALL);
    memcpy(other, sealed, 256);
    other[200] ^= 1;
    len = sizeof(out);
    rv = C_Decrypt(session, other, 256, out, &len);
    assert_int_equal(rv, CKR_ENCRYPTED_DATA_INVALID);
    assert_ended();
}

static void test_decrypt_when_in_parts_then_opens_at_the_end(void **state)
{
    CK_BYTE out[256];
    CK_ULONG len = sizeof(out);

    (void)state;
    begin();
    assert_int_equal(C_DecryptUpdate(session, sealed, 100, NULL, &len), CKR_OK); /* asks only */
    assert_int_equal(len, 0);
    len = sizeof(out);
    assert_int_equal(C_DecryptUpdate(session, sealed, 100, out, &len), CKR_OK);
    assert_int_equal(len, 0);
    assert_int_equal(C_DecryptUpdate(session, sealed + 100, 156, out, &len), CKR_OK);
    assert_int_equal(C_DecryptFinal(session, NULL, &len), CKR_OK);
    assert_int_equal(len, 256);
    len = 2;
    assert_int_equal(C_DecryptFinal(session, out, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, SECRET_LEN);
    assert_int_equal(C_DecryptFinal(session, out, &len), CKR_OK);
    assert_memory_equal(out, secret, SECRET_LEN);
    assert_ended();
}

static void test_decrypt_when_the_ciphertext_is_wrong_then_has_one_code(void **state)
{
    CK_BYTE out[256];
    CK_ULONG len = sizeof(out);

    (void)state;
    begin();
    sealed[10] ^= 1;
    assert_int_equal(C_Decrypt(session, sealed, 256, out, &len), CKR_ENCRYPTED_DATA_INVALID);
    assert_ended();
    begin();
    assert_int_equal(C_Decrypt(session, sealed, 255, out, &len), CKR_ENCRYPTED_DATA_LEN_RANGE);
    assert_ended();
    begin();
    assert_int_equal(C_DecryptUpdate(session, sealed, 256, out, &len), CKR_OK);
    assert_int_equal(C_DecryptUpdate(session, sealed, 1, out, &len), CKR_ENCRYPTED_DATA_LEN_RANGE);
    assert_ended();
}

static void test_encrypt_when_too_long_for_the_key_then_data_len_range(void **state)
{
    CK_SESSION_HANDLE own = fake_core_session(0);
    CK_BYTE data[300] = { 0 }, out[256];
    CK_ULONG len = sizeof(out);

    (void)state;
    assert_int_equal(C_EncryptInit(own, &mechanism, fake_core_find(own, CKO_PUBLIC_KEY, "rsa")),
                     CKR_OK);
    assert_int_equal(C_Encrypt(own, data, 300, out, &len), CKR_DATA_LEN_RANGE);
    assert_int_equal(C_Encrypt(own, data, 3, out, &len), CKR_OPERATION_NOT_INITIALIZED);
}

static void test_crypt_when_arguments_are_bad_then_ends(void **state)
{
    CK_BYTE out[256];
    CK_ULONG len = sizeof(out);

    (void)state;
    begin();
    assert_int_equal(C_Decrypt(session, sealed, 256, out, NULL), CKR_ARGUMENTS_BAD);
    assert_ended();
    begin();
    assert_int_equal(C_Decrypt(session, NULL, 256, out, &len), CKR_ARGUMENTS_BAD);
    assert_ended();
    begin();
    assert_int_equal(C_DecryptUpdate(session, sealed, 1, out, NULL), CKR_ARGUMENTS_BAD);
    assert_ended();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_decrypt_when_sealed_here_then_opens),
        TEST(test_pkcs1_when_used_then_opens_too),
        TEST(test_decrypt_when_the_length_is_asked_then_costs_no_request),
        TEST(test_decrypt_when_the_buffer_fits_the_plaintext_exactly_then_is_enough),
        TEST(test_decrypt_when_the_buffer_is_too_small_then_result_waits),
        TEST(test_decrypt_when_repeated_with_other_data_then_the_result_is_not_reused),
        TEST(test_decrypt_when_in_parts_then_opens_at_the_end),
        TEST(test_decrypt_when_the_ciphertext_is_wrong_then_has_one_code),
        TEST(test_encrypt_when_too_long_for_the_key_then_data_len_range),
        TEST(test_crypt_when_arguments_are_bad_then_ends),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
