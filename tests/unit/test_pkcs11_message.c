/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_keys.h"

#include "remote/hsmbridge.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_core_start, fake_core_stop)

static CK_BYTE text[] = "a message of 28 bytes, about";
#define LEN 28
static CK_BYTE iv[12], tag[16];
static CK_GCM_MESSAGE_PARAMS params;
static CK_MECHANISM gcm = { CKM_AES_GCM, NULL, 0 };
static CK_SESSION_HANDLE session;
static CK_BYTE out[64], back[64];
static CK_ULONG len;

static void begin(CK_OBJECT_HANDLE key)
{
    params = (CK_GCM_MESSAGE_PARAMS){ iv, 12, 0, CKG_GENERATE, tag, 128 };
    memset(iv, 0, sizeof(iv));
    assert_int_equal(C_MessageEncryptInit(session, &gcm, key), CKR_OK);
    assert_int_equal(C_MessageDecryptInit(session, &gcm, key), CKR_OK);
}

static CK_RV encrypt(void)
{
    len = sizeof(out);
    return C_EncryptMessage(session, &params, sizeof(params), (CK_BYTE *)"aad", 3, text, LEN, out,
                            &len);
}

static CK_RV decrypt(void)
{
    len = sizeof(back);
    return C_DecryptMessage(session, &params, sizeof(params), (CK_BYTE *)"aad", 3, out, LEN, back,
                            &len);
}

static void round_trips(void)
{
    CK_BYTE first[12];

    assert_int_equal(encrypt(), CKR_OK);
    assert_int_equal(len, LEN);
    memcpy(first, iv, 12);
    assert_int_equal(encrypt(), CKR_OK); /* many under one Init */
    assert_memory_not_equal(first, iv, 12);
    assert_int_equal(decrypt(), CKR_OK);
    assert_int_equal(len, LEN);
    assert_memory_equal(back, text, LEN);
    tag[3] ^= 1;
    assert_int_equal(decrypt(), CKR_AEAD_DECRYPT_FAILED);
    tag[3] ^= 1;
    assert_int_equal(decrypt(), CKR_OK); /* a bad one ends nothing */
    assert_int_equal(C_MessageDecryptFinal(session), CKR_OK);
    assert_int_equal(C_MessageDecryptFinal(session), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(decrypt(), CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_MessageEncryptFinal(session), CKR_OK);
}

static void test_messages_when_under_a_key_of_the_service_then_it_chooses_the_iv(void **state)
{
    unsigned before;

    (void)state;
    session = fake_core_session(0);
    begin(fake_core_find(session, CKO_SECRET_KEY, "box"));
    before = fake.requests;
    assert_int_equal(C_EncryptMessage(session, &params, sizeof(params), NULL, 0, text, LEN, NULL,
                                      &len),
                     CKR_OK);
    assert_int_equal(len, LEN);
    len = LEN - 1;
    assert_int_equal(C_EncryptMessage(session, &params, sizeof(params), NULL, 0, text, LEN, out,
                                      &len),
                     CKR_BUFFER_TOO_SMALL);
    assert_int_equal(fake.requests, before);
    round_trips();
}

static void test_messages_when_under_a_session_key_then_made_here(void **state)
{
    (void)state;
    session = fake_core_session(0);
    begin(aes_of(session, 3));
    round_trips();
    assert_int_equal(fake.requests, 0);
}

static void test_service_key_when_the_parameters_do_not_fit_then_param_invalid(void **state)
{
    static const CK_GCM_MESSAGE_PARAMS bad[] = {
        { iv, 12, 0, CKG_NO_GENERATE, tag, 128 },
        { iv, 12, 8, CKG_GENERATE, tag, 128 },
        { iv, 12, 0, CKG_GENERATE_COUNTER, tag, 128 },
        { iv, 11, 0, CKG_GENERATE, tag, 128 },
        { iv, 12, 0, CKG_GENERATE, tag, 96 },
        { iv, 0, 0, CKG_GENERATE, tag, 128 },
        { NULL, 12, 0, CKG_GENERATE, tag, 128 },
        { iv, 12, 0, CKG_GENERATE, NULL, 128 },
        { iv, 12, 0, CKG_GENERATE_COUNTER_XOR, tag, 128 },
    };
    CK_GCM_PARAMS whole = { iv, 12, 96, NULL, 0, 128 };
    CK_MECHANISM own_iv = { CKM_AES_GCM, &whole, sizeof(whole) };
    CK_MECHANISM aead = { CKM_HSMBRIDGE_AEAD, NULL, 0 };
    CK_OBJECT_HANDLE box;
    unsigned before;

    (void)state;
    session = fake_core_session(0);
    box = fake_core_find(session, CKO_SECRET_KEY, "box");
    begin(box);
    before = fake.requests;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        params = bad[i];
        assert_int_equal(encrypt(), CKR_MECHANISM_PARAM_INVALID);
    }
    assert_int_equal(C_EncryptMessage(session, &params, 8, NULL, 0, text, LEN, out, &len),
                     CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(C_EncryptMessage(session, NULL, 0, NULL, 0, text, LEN, out, &len),
                     CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(C_EncryptInit(session, &own_iv, box), CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(C_MessageEncryptFinal(session), CKR_OK);
    assert_int_equal(C_MessageEncryptInit(session, &own_iv, box), CKR_MECHANISM_PARAM_INVALID);
    assert_int_equal(C_MessageEncryptInit(session, &aead, box), CKR_MECHANISM_INVALID);
    assert_int_equal(fake.requests, before);
}

static void test_decrypt_when_in_one_piece_and_under_a_service_key_then_opens(void **state)
{
    CK_GCM_PARAMS whole = { iv, 12, 96, (CK_BYTE *)"aad", 3, 128 };
    CK_MECHANISM mechanism = { CKM_AES_GCM, &whole, sizeof(whole) };
    CK_OBJECT_HANDLE box;

    (void)state;
    session = fake_core_session(0);
    box = fake_core_find(session, CKO_SECRET_KEY, "box");
    begin(box);
    assert_int_equal(encrypt(), CKR_OK);
    memcpy(out + LEN, tag, 16);
    assert_int_equal(C_DecryptInit(session, &mechanism, box), CKR_OK);
    assert_int_equal(C_Decrypt(session, out, LEN + 16, NULL, &len), CKR_OK);
    assert_int_equal(len, LEN);
    assert_int_equal(C_Decrypt(session, out, LEN + 16, back, &len), CKR_OK);
    assert_memory_equal(back, text, LEN);
    whole.ulIvLen = 11;
    assert_int_equal(C_DecryptInit(session, &mechanism, box), CKR_MECHANISM_PARAM_INVALID);
}

static void test_aead_when_under_a_service_key_then_is_the_services_own_text(void **state)
{
    CK_MECHANISM aead = { CKM_HSMBRIDGE_AEAD, "aad", 3 }, other = { CKM_HSMBRIDGE_AEAD, "x", 1 };
    CK_OBJECT_HANDLE box;
    CK_BYTE sealed[256];
    CK_ULONG need = 0;

    (void)state;
    session = fake_core_session(0);
    box = fake_core_find(session, CKO_SECRET_KEY, "box");
    assert_int_equal(C_EncryptInit(session, &aead, box), CKR_OK);
    assert_int_equal(C_Encrypt(session, text, LEN, NULL, &need), CKR_OK);
    len = need;
    assert_true(need <= sizeof(sealed));
    assert_int_equal(C_Encrypt(session, text, LEN, sealed, &len), CKR_OK);
    assert_memory_equal(sealed, "fake:", 5);
    need = len;
    assert_int_equal(C_DecryptInit(session, &aead, box), CKR_OK);
    len = sizeof(back);
    assert_int_equal(C_Decrypt(session, sealed, need, back, &len), CKR_OK);
    assert_memory_equal(back, text, LEN);
    assert_int_equal(C_DecryptInit(session, &other, box), CKR_OK);
    assert_int_equal(C_Decrypt(session, sealed, need, back, &len), CKR_ENCRYPTED_DATA_INVALID);
}

/* ---- in parts ---- */

static void test_parts_when_under_a_session_key_then_stream(void **state)
{
    CK_ULONG done = 0;

    (void)state;
    session = fake_core_session(0);
    begin(aes_of(session, 3));
    len = sizeof(out);
    assert_int_equal(C_EncryptMessageNext(session, &params, sizeof(params), text, 10, out, &len, 0),
                     CKR_OPERATION_NOT_INITIALIZED);
    assert_int_equal(C_EncryptMessageBegin(session, &params, sizeof(params), NULL, 0), CKR_OK);
    assert_int_equal(C_EncryptMessageBegin(session, &params, sizeof(params), NULL, 0),
                     CKR_OPERATION_ACTIVE);
    assert_int_equal(encrypt(), CKR_OPERATION_ACTIVE);
    len = 9;
    assert_int_equal(C_EncryptMessageNext(session, &params, sizeof(params), text, 10, out, &len, 0),
                     CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, 10);
    assert_int_equal(C_EncryptMessageNext(session, &params, sizeof(params), text, 10, out, &len, 0),
                     CKR_OK);
    done = len;
    len = sizeof(out) - done;
    assert_int_equal(C_EncryptMessageNext(session, &params, sizeof(params), text + 10, LEN - 10,
                                          out + done, &len, CKF_END_OF_MESSAGE),
                     CKR_OK);
    assert_int_equal(done + len, LEN);
    assert_int_equal(C_DecryptMessageBegin(session, &params, sizeof(params), NULL, 0), CKR_OK);
    len = sizeof(back);
    assert_int_equal(C_DecryptMessageNext(session, &params, sizeof(params), out, 5, back, &len, 0),
                     CKR_OK);
    assert_int_equal(len, 0); /* nothing before the tag */
    assert_int_equal(C_DecryptMessageNext(session, &params, sizeof(params), out + 5, LEN - 5, back,
                                          &len, CKF_END_OF_MESSAGE),
                     CKR_BUFFER_TOO_SMALL);
    assert_int_equal(len, LEN);
    assert_int_equal(C_DecryptMessageNext(session, &params, sizeof(params), out + 5, LEN - 5, back,
                                          &len, CKF_END_OF_MESSAGE),
                     CKR_OK);
    assert_memory_equal(back, text, LEN);
}

static void test_parts_when_under_a_service_key_then_only_decrypt(void **state)
{
    (void)state;
    session = fake_core_session(0);
    begin(fake_core_find(session, CKO_SECRET_KEY, "box"));
    assert_int_equal(C_EncryptMessageBegin(session, &params, sizeof(params), NULL, 0),
                     CKR_FUNCTION_NOT_SUPPORTED);
    assert_int_equal(encrypt(), CKR_OK);
    assert_int_equal(C_DecryptMessageBegin(session, &params, sizeof(params), (CK_BYTE *)"aad", 3),
                     CKR_OK);
    len = sizeof(back);
    assert_int_equal(C_DecryptMessageNext(session, &params, sizeof(params), out, LEN, back, &len,
                                          CKF_END_OF_MESSAGE),
                     CKR_OK);
    assert_memory_equal(back, text, LEN);
}

static void test_session_key_when_bits_are_fixed_then_they_stay(void **state)
{
    (void)state;
    session = fake_core_session(0);
    begin(aes_of(session, 3));
    params.ulIvFixedBits = 36;
    memset(iv, 0xa5, sizeof(iv));
    assert_int_equal(encrypt(), CKR_OK);
    assert_memory_equal(iv, "\xa5\xa5\xa5\xa5", 4);
    assert_int_equal(iv[4] & 0xf0, 0xa0);
    params.ulIvFixedBits = 97;
    assert_int_equal(encrypt(), CKR_MECHANISM_PARAM_INVALID);
    params = (CK_GCM_MESSAGE_PARAMS){ iv, 12, 0, CKG_NO_GENERATE, tag, 128 };
    memset(iv, 7, sizeof(iv));
    assert_int_equal(encrypt(), CKR_OK);
    assert_int_equal(iv[0], 7);
    assert_int_equal(decrypt(), CKR_OK);
}

static void test_message_when_empty_then_has_a_tag_all_the_same(void **state)
{
    (void)state;
    session = fake_core_session(0);
    begin(aes_of(session, 3));
    len = 0;
    assert_int_equal(C_EncryptMessage(session, &params, sizeof(params), NULL, 0, NULL, 0, out,
                                      &len),
                     CKR_OK);
    len = 0;
    assert_int_equal(C_DecryptMessage(session, &params, sizeof(params), NULL, 0, NULL, 0, back,
                                      &len),
                     CKR_OK);
    tag[0] ^= 1;
    assert_int_equal(C_DecryptMessage(session, &params, sizeof(params), NULL, 0, NULL, 0, back,
                                      &len),
                     CKR_AEAD_DECRYPT_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_messages_when_under_a_key_of_the_service_then_it_chooses_the_iv),
        TEST(test_messages_when_under_a_session_key_then_made_here),
        TEST(test_service_key_when_the_parameters_do_not_fit_then_param_invalid),
        TEST(test_decrypt_when_in_one_piece_and_under_a_service_key_then_opens),
        TEST(test_aead_when_under_a_service_key_then_is_the_services_own_text),
        TEST(test_parts_when_under_a_session_key_then_stream),
        TEST(test_parts_when_under_a_service_key_then_only_decrypt),
        TEST(test_session_key_when_bits_are_fixed_then_they_stay),
        TEST(test_message_when_empty_then_has_a_tag_all_the_same),
    };

    return cmocka_run_group_tests(tests, fake_core_make, fake_core_free);
}
