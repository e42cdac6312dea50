/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_keys.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)
#define LEN 32

static CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 }, sha256 = { CKM_SHA256, NULL, 0 },
                    hmac = { CKM_SHA256_HMAC, NULL, 0 };
static CK_BYTE text[LEN] = "two blocks of sixteen bytes each";

/* What one part after the other would give. */
static void alone(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_BYTE sealed[LEN],
                  CK_BYTE digest[32])
{
    CK_ULONG len = LEN;

    assert_int_equal(C_EncryptInit(session, &ecb, key), CKR_OK);
    assert_int_equal(C_Encrypt(session, text, LEN, sealed, &len), CKR_OK);
    len = 32;
    assert_int_equal(C_DigestInit(session, &sha256), CKR_OK);
    assert_int_equal(C_Digest(session, text, LEN, digest, &len), CKR_OK);
}

static void end_digest(CK_SESSION_HANDLE session, const CK_BYTE expected[32])
{
    CK_BYTE digest[32];
    CK_ULONG len = sizeof(digest);

    assert_int_equal(C_DigestFinal(session, digest, &len), CKR_OK);
    assert_memory_equal(digest, expected, sizeof(digest));
}

static void test_digest_encrypt_when_in_place_then_both_see_the_plaintext(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1);
    CK_BYTE sealed[LEN], digest[32], data[LEN];
    CK_ULONG len = LEN;

    (void)state;
    alone(session, key, sealed, digest);
    memcpy(data, text, LEN);
    assert_int_equal(C_EncryptInit(session, &ecb, key), CKR_OK);
    assert_int_equal(C_DigestInit(session, &sha256), CKR_OK);
    assert_int_equal(C_DigestEncryptUpdate(session, data, LEN, data, &len), CKR_OK);
    assert_int_equal(len, LEN);
    assert_memory_equal(data, sealed, LEN);
    end_digest(session, digest);
}

static void test_decrypt_digest_when_done_then_the_plaintext_is_digested(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1);
    CK_BYTE sealed[LEN], digest[32], out[LEN];
    CK_ULONG len = LEN;

    (void)state;
    alone(session, key, sealed, digest);
    assert_int_equal(C_DecryptInit(session, &ecb, key), CKR_OK);
    assert_int_equal(C_DigestInit(session, &sha256), CKR_OK);
    assert_int_equal(C_DecryptDigestUpdate(session, sealed, LEN, out, &len), CKR_OK);
    assert_memory_equal(out, text, LEN);
    end_digest(session, digest);
}

static void test_dual_when_buffer_is_too_small_then_neither_has_seen_the_part(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1);
    CK_BYTE sealed[LEN], digest[32], out[LEN];
    CK_ULONG len = LEN - 1;

    (void)state;
    alone(session, key, sealed, digest);
    assert_int_equal(C_EncryptInit(session, &ecb, key), CKR_OK);
    assert_int_equal(C_DigestInit(session, &sha256), CKR_OK);
    assert_int_equal(C_DigestEncryptUpdate(session, text, LEN, out, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, LEN);
    assert_int_equal(C_DigestEncryptUpdate(session, text, LEN, NULL, &len), CKR_OK);
    assert_int_equal(C_DigestEncryptUpdate(session, text, LEN, out, &len), CKR_OK);
    assert_memory_equal(out, sealed, LEN);
    end_digest(session, digest);
}

static void test_sign_encrypt_when_opened_again_then_its_mac_verifies(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1), mac = key_of(session, CKK_GENERIC_SECRET, text, LEN);
    CK_BYTE sealed[LEN], out[LEN], tag[32];
    CK_ULONG len = LEN, tag_len = sizeof(tag);

    (void)state;
    assert_int_equal(C_EncryptInit(session, &ecb, key), CKR_OK);
    assert_int_equal(C_SignInit(session, &hmac, mac), CKR_OK);
    assert_int_equal(C_SignEncryptUpdate(session, text, LEN, sealed, &len), CKR_OK);
    assert_int_equal(C_SignFinal(session, tag, &tag_len), CKR_OK);
    assert_int_equal(C_DecryptInit(session, &ecb, key), CKR_OK);
    assert_int_equal(C_VerifyInit(session, &hmac, mac), CKR_OK);
    assert_int_equal(C_DecryptVerifyUpdate(session, sealed, LEN, out, &len), CKR_OK);
    assert_memory_equal(out, text, LEN);
    assert_int_equal(C_VerifyFinal(session, tag, tag_len), CKR_OK);
}

static void test_dual_when_one_of_the_two_is_not_begun_then_says_so(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_BYTE out[LEN];
    CK_ULONG len = LEN;

    (void)state;
    assert_int_equal(C_DigestInit(session, &sha256), CKR_OK);
    assert_int_equal(C_DigestEncryptUpdate(session, text, LEN, out, &len),
                     CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_EncryptInit(session, &ecb, aes_of(session, 1)), CKR_OK);
    assert_int_equal(C_SignEncryptUpdate(session, text, LEN, out, &len),
                     CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_DecryptVerifyUpdate(session, text, LEN, out, &len),
                     CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_DigestEncryptUpdate(session, text, LEN, out, &len), CKR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_digest_encrypt_when_in_place_then_both_see_the_plaintext),
        TEST(test_decrypt_digest_when_done_then_the_plaintext_is_digested),
        TEST(test_dual_when_buffer_is_too_small_then_neither_has_seen_the_part),
        TEST(test_sign_encrypt_when_opened_again_then_its_mac_verifies),
        TEST(test_dual_when_one_of_the_two_is_not_begun_then_says_so),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
