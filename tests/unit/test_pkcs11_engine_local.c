/* SPDX-License-Identifier: Apache-2.0 */
/* Session keys at work; the ciphers themselves are tested with the core. */
#include "fake_keys.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static CK_BYTE iv[16] = { 1, 2, 3 };
static CK_BYTE text[100] = "a text of a hundred bytes, most of them zero";
static CK_GCM_PARAMS gcm = { iv, 12, 96, (CK_BYTE *)"aad", 3, 128 };
static CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 }, cbc = { CKM_AES_CBC, iv, 16 };
static CK_MECHANISM pad = { CKM_AES_CBC_PAD, iv, 16 };
static CK_MECHANISM with_gcm = { CKM_AES_GCM, &gcm, sizeof(gcm) };

static CK_ULONG encrypt(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key,
                        CK_ULONG len, CK_BYTE out[128])
{
    CK_ULONG out_len = 128;

    assert_int_equal(C_EncryptInit(session, mechanism, key), CKR_OK);
    assert_int_equal(C_Encrypt(session, text, len, out, &out_len), CKR_OK);
    return out_len;
}

/* In one piece, and in uneven parts: the same comes out, and goes back. */
static void round_trip(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key,
                       CK_ULONG len, CK_ULONG sealed_len)
{
    CK_BYTE sealed[128], parts[128], plain[128];
    CK_ULONG at = 0, out_len, done = 0;

    assert_int_equal(encrypt(session, mechanism, key, len, sealed), sealed_len);
    assert_int_equal(C_EncryptInit(session, mechanism, key), CKR_OK);
    for (CK_ULONG part = 7; at < len; at += part) {
        part = len - at < part ? len - at : part;
        out_len = sizeof(parts) - done;
        assert_int_equal(C_EncryptUpdate(session, text + at, part, parts + done, &out_len), CKR_OK);
        done += out_len;
    }
    out_len = sizeof(parts) - done;
    assert_int_equal(C_EncryptFinal(session, parts + done, &out_len), CKR_OK);
    assert_int_equal(done + out_len, sealed_len);
    assert_memory_equal(parts, sealed, sealed_len);
    assert_int_equal(C_DecryptInit(session, mechanism, key), CKR_OK);
    out_len = len; /* room for just the plaintext */
    assert_int_equal(C_Decrypt(session, sealed, sealed_len, plain, &out_len), CKR_OK);
    assert_int_equal(out_len, len);
    assert_memory_equal(plain, text, len);
}

static void test_cipher_when_in_one_piece_or_in_parts_then_is_the_same(void **state)
{
    CK_MECHANISM kw = { CKM_AES_KEY_WRAP, NULL, 0 }, kwp = { CKM_AES_KEY_WRAP_KWP, NULL, 0 };
    CK_SALSA20_CHACHA20_POLY1305_PARAMS nonce = { iv, 12, NULL, 0 };
    CK_MECHANISM chacha = { CKM_CHACHA20_POLY1305, &nonce, sizeof(nonce) };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1);

    (void)state;
    round_trip(session, &ecb, key, 96, 96);
    round_trip(session, &cbc, key, 96, 96);
    round_trip(session, &pad, key, 96, 112);
    round_trip(session, &pad, key, 95, 96);
    round_trip(session, &with_gcm, key, 99, 115);
    round_trip(session, &kw, key, 96, 104);
    round_trip(session, &kwp, key, 93, 104);
    round_trip(session, &chacha, key_of(session, CKK_CHACHA20, text, 32), 99, 115);
    assert_int_equal(fake.requests, 0);
}

static void test_cipher_when_the_buffer_is_too_small_then_stays_alive(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1);
    CK_BYTE out[128], expected[128];
    CK_ULONG len, all = encrypt(session, &pad, key, 50, expected);

    (void)state;
    assert_int_equal(C_EncryptInit(session, &pad, key), CKR_OK);
    assert_int_equal(C_Encrypt(session, text, 50, NULL, &len), CKR_OK);
    assert_int_equal(len, 64);
    len = 63;
    assert_int_equal(C_Encrypt(session, text, 50, out, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, 64);
    assert_int_equal(C_Encrypt(session, text, 50, out, &len), CKR_OK);
    assert_memory_equal(out, expected, all);
    assert_int_equal(C_EncryptInit(session, &pad, key), CKR_OK);
    len = 31;
    assert_int_equal(C_EncryptUpdate(session, text, 40, out, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, 32);
    assert_int_equal(C_EncryptUpdate(session, text, 40, out, &len), CKR_OK);
    assert_int_equal(len, 32);
    assert_int_equal(C_EncryptUpdate(session, text + 40, 10, NULL, &len), CKR_OK);
    assert_int_equal(len, 16);
    assert_int_equal(C_EncryptUpdate(session, text + 40, 10, out + 32, &len), CKR_OK);
    len = 15;
    assert_int_equal(C_EncryptFinal(session, out + 48, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, 16);
    assert_int_equal(C_EncryptFinal(session, out + 48, &len), CKR_OK);
    assert_memory_equal(out, expected, all);
    assert_int_equal(C_EncryptFinal(session, out, &len), CKR_OPERATION_NOT_INITIALIZED);
}

static void test_decrypt_when_repeated_with_other_data_then_starts_anew(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1);
    CK_BYTE first[128], second[128], out[128];
    CK_ULONG a = encrypt(session, &pad, key, 50, first),
             b = encrypt(session, &pad, key, 20, second);
    CK_ULONG len = 1;

    (void)state;
    assert_int_equal(C_DecryptInit(session, &pad, key), CKR_OK);
    assert_int_equal(C_Decrypt(session, first, a, out, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, 50);
    len = 20;
    assert_int_equal(C_Decrypt(session, second, b, out, &len), CKR_OK);
    assert_int_equal(len, 20);
    assert_memory_equal(out, text, 20);
}

static void test_cipher_when_in_place_or_overlapping_then_is_right(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1);
    CK_BYTE expected[128], same[128];
    CK_ULONG len = encrypt(session, &with_gcm, key, 64, expected), out_len;

    (void)state;
    for (size_t shift = 0; shift < 20; shift += 5) {
        memcpy(same, text, 64);
        out_len = sizeof(same) - shift;
        assert_int_equal(C_EncryptInit(session, &with_gcm, key), CKR_OK);
        assert_int_equal(C_Encrypt(session, same, 64, same + shift, &out_len), CKR_OK);
        assert_memory_equal(same + shift, expected, len);
    }
}

static void test_decrypt_when_tampered_then_has_one_code_and_gives_nothing(void **state)
{
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1);
    CK_BYTE sealed[128], out[128] = { 0 }, zero[128] = { 0 };
    CK_ULONG all = encrypt(session, &with_gcm, key, 64, sealed), len = sizeof(out);

    (void)state;
    sealed[3] ^= 1;
    assert_int_equal(C_DecryptInit(session, &with_gcm, key), CKR_OK);
    assert_int_equal(C_Decrypt(session, sealed, all, out, &len), CKR_ENCRYPTED_DATA_INVALID);
    assert_memory_equal(out, zero, sizeof(out));
    assert_int_equal(C_DecryptInit(session, &with_gcm, key), CKR_OK);
    len = sizeof(out);
    assert_int_equal(C_Decrypt(session, sealed, 15, out, &len), CKR_ENCRYPTED_DATA_LEN_RANGE);
    assert_int_equal(C_DecryptInit(session, &cbc, key), CKR_OK);
    assert_int_equal(C_Decrypt(session, sealed, 17, out, &len), CKR_ENCRYPTED_DATA_LEN_RANGE);
    assert_int_equal(C_EncryptInit(session, &cbc, key), CKR_OK);
    len = sizeof(out);
    assert_int_equal(C_Encrypt(session, text, 17, out, &len), CKR_DATA_LEN_RANGE);
}

static void test_init_when_key_or_mechanism_do_not_fit_then_says_how(void **state)
{
    CK_GCM_PARAMS no_iv = { NULL, 12, 96, NULL, 0, 128 }, tag = { iv, 12, 96, NULL, 0, 127 };
    CK_GCM_PARAMS short_tag = { iv, 12, 96, NULL, 0, 16 };
    CK_AES_CTR_PARAMS counter = { 128, { 0 } };
    CK_MECHANISM ctr = { CKM_AES_CTR, &counter, sizeof(counter) };
    CK_MECHANISM hmac = { CKM_SHA256_HMAC, NULL, 0 }, ecdsa = { CKM_ECDSA, NULL, 0 };
    CK_MECHANISM bad_iv = { CKM_AES_CBC, iv, 15 }, none = { CKM_AES_CBC, NULL, 0 };
    CK_MECHANISM_TYPE only = CKM_AES_CBC;
    CK_ATTRIBUTE allowed[] = { VALUE(CKA_ALLOWED_MECHANISMS, only), VALUE(CKA_CLASS, secret_class),
                               VALUE(CKA_KEY_TYPE, aes_type), BYTES(CKA_VALUE, text, 16) };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = aes_of(session, 1), mac = key_of(session, CKK_GENERIC_SECRET, text, 9);
    CK_OBJECT_HANDLE narrow;

    (void)state;
    assert_int_equal(C_EncryptInit(session, &ctr, key), CKR_MECHANISM_INVALID); /* policy */
    assert_int_equal(C_EncryptInit(session, &ecdsa, key), CKR_MECHANISM_INVALID);
    assert_int_equal(C_SignInit(session, &hmac, key), CKR_KEY_TYPE_INCONSISTENT);
    assert_int_equal(C_EncryptInit(session, &ecb, mac), CKR_KEY_TYPE_INCONSISTENT);
    assert_int_equal(C_EncryptInit(session, &ecb, 0x80001234), CKR_KEY_HANDLE_INVALID);
    assert_int_equal(C_EncryptInit(session, &bad_iv, key), CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(C_EncryptInit(session, &none, key), CKR_MECHANISM_PARAM_INVALID);
    with_gcm.pParameter = &no_iv;
    assert_int_equal(C_EncryptInit(session, &with_gcm, key), CKR_MECHANISM_PARAM_INVALID);
    with_gcm.pParameter = &tag;
    assert_int_equal(C_EncryptInit(session, &with_gcm, key), CKR_MECHANISM_PARAM_INVALID);
    with_gcm.pParameter = &short_tag;
    assert_int_equal(C_EncryptInit(session, &with_gcm, key), CKR_MECHANISM_PARAM_INVALID);
    with_gcm.pParameter = &gcm;
    assert_int_equal(set_flag(session, key, CKA_ENCRYPT, CK_FALSE), CKR_OK);
    assert_int_equal(C_EncryptInit(session, &ecb, key), CKR_KEY_FUNCTION_NOT_PERMITTED);
    assert_int_equal(C_DecryptInit(session, &ecb, key), CKR_OK);
    assert_int_equal(C_CreateObject(session, allowed, 4, &narrow), CKR_OK);
    assert_int_equal(C_EncryptInit(session, &ecb, narrow), CKR_MECHANISM_INVALID);
    assert_int_equal(C_EncryptInit(session, &cbc, narrow), CKR_OK);
}

/* ---- MACs ---- */

static void test_hmac_when_signed_here_then_verifies_and_others_do_not(void **state)
{
    CK_MAC_GENERAL_PARAMS kept = 10, too_many = 33;
    CK_MECHANISM whole = { CKM_SHA256_HMAC, NULL, 0 };
    CK_MECHANISM general = { CKM_SHA256_HMAC_GENERAL, &kept, sizeof(kept) };
    CK_MECHANISM bad = { CKM_SHA256_HMAC_GENERAL, &too_many, sizeof(too_many) };
    CK_SESSION_HANDLE session = fake_core_session(0);
    CK_OBJECT_HANDLE key = key_of(session, CKK_GENERIC_SECRET, "Jefe", 4);
    /* RFC 4231 4.3 */
    static CK_BYTE data[] = "what do ya want for nothing?";
    static const CK_BYTE expected[] = "\x5b\xdc\xc1\x46\xbf\x60\x75\x4e\x6a\x04";
    CK_BYTE mac[32], part[32];
    CK_ULONG len = sizeof(mac);

    (void)state;
    assert_int_equal(C_SignInit(session, &whole, key), CKR_OK);
    assert_int_equal(C_Sign(session, data, 28, NULL, &len), CKR_OK);
    assert_int_equal(len, 32);
    assert_int_equal(C_Sign(session, data, 28, mac, &len), CKR_OK);
    assert_memory_equal(mac, expected, 10);
    assert_int_equal(C_SignInit(session, &general, key), CKR_OK);
    assert_int_equal(C_SignUpdate(session, data, 10), CKR_OK);
    assert_int_equal(C_SignUpdate(session, data + 10, 18), CKR_OK);
    len = 9;
    assert_int_equal(C_SignFinal(session, part, &len), CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, 10);
    assert_int_equal(C_SignFinal(session, part, &len), CKR_OK);
    assert_memory_equal(part, expected, 10);
    assert_int_equal(C_VerifyInit(session, &general, key), CKR_OK);
    assert_int_equal(C_Verify(session, data, 28, part, 10), CKR_OK);
    assert_int_equal(C_VerifyInit(session, &general, key), CKR_OK);
    assert_int_equal(C_Verify(session, data, 28, mac, 32), CKR_SIGNATURE_LEN_RANGE);
    part[9] ^= 1;
    assert_int_equal(C_VerifyInit(session, &general, key), CKR_OK);
    assert_int_equal(C_VerifyUpdate(session, data, 28), CKR_OK);
    assert_int_equal(C_VerifyFinal(session, part, 10), CKR_SIGNATURE_INVALID);
    assert_int_equal(C_SignInit(session, &bad, key), CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(fake.requests, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cipher_when_in_one_piece_or_in_parts_then_is_the_same),
        TEST(test_cipher_when_the_buffer_is_too_small_then_stays_alive),
        TEST(test_decrypt_when_repeated_with_other_data_then_starts_anew),
        TEST(test_cipher_when_in_place_or_overlapping_then_is_right),
        TEST(test_decrypt_when_tampered_then_has_one_code_and_gives_nothing),
        TEST(test_init_when_key_or_mechanism_do_not_fit_then_says_how),
        TEST(test_hmac_when_signed_here_then_verifies_and_others_do_not),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
