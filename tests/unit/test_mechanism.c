/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mechanism.h"

#include "hsmbridge.h"

static const struct remote_mechanism *find(CK_MECHANISM_TYPE ckm)
{
    const struct remote_mechanism *row = remote_mechanism_find(ckm, REMOTE_KEY_TYPE_COUNT, 0);

    assert_non_null(row);
    return row;
}

/* Reads a parameter that must be refused; gives the text. */
static const char *refusal(CK_MECHANISM_TYPE ckm, const void *parameter, size_t len)
{
    static struct remote_error err;
    struct remote_params params = { .salt_len = 4711 };

    assert_int_equal(remote_mechanism_params(find(ckm), parameter, len, &params, &err),
                     REMOTE_E_PARAM);
    assert_int_equal(params.salt_len, 4711); /* untouched */
    return err.text;
}

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not say '%s'", text, part);
}

static void test_hash_tables_agree_both_ways(void **state)
{
    static const size_t sizes[REMOTE_HASH_COUNT] = { 0, 20, 28, 32, 48, 64, 28, 32, 48, 64 };

    (void)state;
    for (enum remote_hash hash = REMOTE_HASH_SHA1; hash < REMOTE_HASH_COUNT; hash++) {
        assert_int_equal(remote_hash_of_ckm(remote_hash_ckm(hash)), hash);
        assert_int_equal(remote_hash_of_mgf(remote_hash_mgf(hash)), hash);
        assert_int_equal(remote_hash_size(hash), sizes[hash]);
    }
    assert_int_equal(remote_hash_size(REMOTE_HASH_NONE), 0);
    assert_int_equal(remote_hash_size(REMOTE_HASH_COUNT), 0);
    assert_int_equal(remote_hash_of_ckm(CKM_MD5), REMOTE_HASH_NONE);
    assert_int_equal(remote_hash_of_mgf(0), REMOTE_HASH_NONE);
    assert_string_equal(remote_hash_name(REMOTE_HASH_SHA256), "SHA2-256");
    assert_string_equal(remote_hash_name(REMOTE_HASH_SHA3_512), "SHA3-512");
}

static void test_key_types_have_the_words_of_the_configuration(void **state)
{
    (void)state;
    assert_string_equal(remote_key_type_name(REMOTE_KEY_GENERIC), "hmac");
    assert_string_equal(remote_key_type_name(REMOTE_KEY_ED25519), "ed25519");
    assert_string_equal(remote_key_type_name(REMOTE_KEY_TYPE_COUNT), "unknown");
    assert_true(remote_key_type_symmetric(REMOTE_KEY_CHACHA20));
    assert_false(remote_key_type_symmetric(REMOTE_KEY_EC));
}

static void test_rows_are_whole_and_no_two_answer_the_same_question(void **state)
{
    (void)state;
    for (size_t i = 0; i < remote_mechanism_count; i++) {
        const struct remote_mechanism *row = &remote_mechanisms[i];

        assert_int_not_equal(row->alg, REMOTE_ALG_NONE);
        assert_true(row->key < REMOTE_KEY_TYPE_COUNT);
        assert_int_not_equal(row->uses, 0);
        assert_int_not_equal(row->served & (REMOTE_SERVED_THERE | REMOTE_SERVED_HERE), 0);
        assert_true(!row->hash_here || row->hash != REMOTE_HASH_NONE);
        for (size_t j = 0; j < i; j++)
            assert_false(remote_mechanisms[j].ckm == row->ckm &&
                         remote_mechanisms[j].key == row->key &&
                         (remote_mechanisms[j].uses & row->uses) != 0);
    }
}

static void test_find_tells_signing_from_encrypting(void **state)
{
    (void)state;
    assert_int_equal(remote_mechanism_find(CKM_RSA_PKCS, REMOTE_KEY_RSA, REMOTE_USE_SIGN)->alg,
                     REMOTE_ALG_RSA_PKCS1);
    assert_int_equal(remote_mechanism_find(CKM_RSA_PKCS, REMOTE_KEY_RSA, REMOTE_USE_DECRYPT)->alg,
                     REMOTE_ALG_RSA_PKCS1_ENC);
    assert_null(remote_mechanism_find(CKM_RSA_PKCS, REMOTE_KEY_EC, REMOTE_USE_SIGN));
    assert_null(remote_mechanism_find(CKM_ECDSA, REMOTE_KEY_EC, REMOTE_USE_ENCRYPT));
    assert_null(remote_mechanism_find(CKM_RSA_X_509, REMOTE_KEY_TYPE_COUNT, 0));
    assert_int_equal(find(CKM_SHA_1_HMAC)->key, REMOTE_KEY_GENERIC);
}

static void test_by_name_takes_any_common_spelling(void **state)
{
    const struct remote_mechanism *row = find(CKM_SHA256_RSA_PKCS_PSS);

    (void)state;
    assert_ptr_equal(remote_mechanism_by_name("SHA256-RSA-PKCS-PSS"), row);
    assert_ptr_equal(remote_mechanism_by_name("CKM_SHA256_RSA_PKCS_PSS"), row);
    assert_ptr_equal(remote_mechanism_by_name("ckm-sha256_rsa-pkcs_pss"), row);
    for (size_t i = 0; i < remote_mechanism_count; i++)
        assert_int_equal(remote_mechanism_by_name(remote_mechanisms[i].name)->ckm,
                         remote_mechanisms[i].ckm);
    assert_null(remote_mechanism_by_name("SHA256-RSA-PKCS-PS"));
    assert_null(remote_mechanism_by_name("SHA256-RSA-PKCS-PSSS"));
    assert_null(remote_mechanism_by_name("CKM_"));
    assert_null(remote_mechanism_by_name(""));
}

static void test_pss_parameter_is_read(void **state)
{
    CK_RSA_PKCS_PSS_PARAMS pss = { CKM_SHA384, CKG_MGF1_SHA256, 17 };
    unsigned char odd[sizeof(pss) + 1]; /* an application may place it at any address */
    struct remote_params params;

    (void)state;
    memcpy(odd + 1, &pss, sizeof(pss));
    assert_int_equal(remote_mechanism_params(find(CKM_RSA_PKCS_PSS), odd + 1, sizeof(pss), &params,
                                             NULL),
                     REMOTE_OK);
    assert_int_equal(params.alg, REMOTE_ALG_RSA_PSS);
    assert_int_equal(params.hash, REMOTE_HASH_SHA384);
    assert_int_equal(params.mgf_hash, REMOTE_HASH_SHA256);
    assert_int_equal(params.salt_len, 17);
}

static void test_pss_parameter_that_makes_no_sense_is_refused(void **state)
{
    CK_RSA_PKCS_PSS_PARAMS pss = { CKM_SHA256, CKG_MGF1_SHA256, 32 };
    CK_RSA_PKCS_PSS_PARAMS md5 = { CKM_MD5, CKG_MGF1_SHA256, 32 };
    CK_RSA_PKCS_PSS_PARAMS mgf = { CKM_SHA256, 99, 32 };
    CK_RSA_PKCS_PSS_PARAMS salt = { CKM_SHA256, CKG_MGF1_SHA256, (CK_ULONG)-1 };

    (void)state;
    assert_says(refusal(CKM_RSA_PKCS_PSS, NULL, 0), "needs a parameter: CK_RSA_PKCS_PSS_PARAMS");
    assert_says(refusal(CKM_SHA256_RSA_PKCS_PSS, NULL, 0), "SHA256-RSA-PKCS-PSS needs");
    assert_says(refusal(CKM_RSA_PKCS_PSS, &pss, sizeof(pss) - 1), "has 23 bytes");
    assert_says(refusal(CKM_RSA_PKCS_PSS, &md5, sizeof(md5)), "hashAlg 0x210");
    assert_says(refusal(CKM_RSA_PKCS_PSS, &mgf, sizeof(mgf)), "mgf 0x63");
    assert_says(refusal(CKM_RSA_PKCS_PSS, &salt, sizeof(salt)), "sLen");
    assert_says(refusal(CKM_SHA512_RSA_PKCS_PSS, &pss, sizeof(pss)),
                "hashAlg is SHA2-256, it must be SHA2-512");
}

static void test_oaep_label_becomes_aad(void **state)
{
    unsigned char label[] = "label";
    CK_RSA_PKCS_OAEP_PARAMS oaep = { CKM_SHA256, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, label, 5 };
    struct remote_params params;

    (void)state;
    assert_int_equal(remote_mechanism_params(find(CKM_RSA_PKCS_OAEP), &oaep, sizeof(oaep), &params,
                                             NULL),
                     REMOTE_OK);
    assert_int_equal(params.hash, REMOTE_HASH_SHA256);
    assert_int_equal(params.mgf_hash, REMOTE_HASH_SHA1);
    assert_ptr_equal(params.aad.data, label);
    assert_int_equal(params.aad.len, 5);
}

static void test_oaep_without_source_and_label_is_taken(void **state)
{
    CK_RSA_PKCS_OAEP_PARAMS oaep = { CKM_SHA_1, CKG_MGF1_SHA1, 0, NULL, 0 };
    struct remote_params params;

    (void)state;
    assert_int_equal(remote_mechanism_params(find(CKM_RSA_PKCS_OAEP), &oaep, sizeof(oaep), &params,
                                             NULL),
                     REMOTE_OK);
    assert_int_equal(params.aad.len, 0);
}

static void test_oaep_parameter_that_makes_no_sense_is_refused(void **state)
{
    unsigned char label[] = "label";
    CK_RSA_PKCS_OAEP_PARAMS source = { CKM_SHA256, CKG_MGF1_SHA256, 0, label, 5 };
    CK_RSA_PKCS_OAEP_PARAMS null = { CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 5 };
    CK_RSA_PKCS_OAEP_PARAMS huge = { CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, label,
                                     1ul << 40 };

    (void)state;
    assert_says(refusal(CKM_RSA_PKCS_OAEP, &source, sizeof(source)), "CKZ_DATA_SPECIFIED");
    assert_says(refusal(CKM_RSA_PKCS_OAEP, &null, sizeof(null)), "is not there");
    assert_says(refusal(CKM_RSA_PKCS_OAEP, &huge, sizeof(huge)), "too long");
    assert_says(refusal(CKM_RSA_PKCS_OAEP, NULL, 0), "CK_RSA_PKCS_OAEP_PARAMS");
}

static void test_eddsa_is_plain_ed25519_only(void **state)
{
    unsigned char context[] = "context";
    CK_EDDSA_PARAMS plain = { CK_FALSE, 0, NULL };
    CK_EDDSA_PARAMS hashed = { CK_TRUE, 0, NULL };
    CK_EDDSA_PARAMS bound = { CK_FALSE, 7, context };
    struct remote_params params;

    (void)state;
    assert_int_equal(remote_mechanism_params(find(CKM_EDDSA), NULL, 0, &params, NULL), REMOTE_OK);
    assert_int_equal(params.alg, REMOTE_ALG_EDDSA);
    assert_int_equal(remote_mechanism_params(find(CKM_EDDSA), &plain, sizeof(plain), &params, NULL),
                     REMOTE_OK);
    assert_says(refusal(CKM_EDDSA, &hashed, sizeof(hashed)), "prehashed");
    assert_says(refusal(CKM_EDDSA, &bound, sizeof(bound)), "context");
    assert_says(refusal(CKM_EDDSA, &plain, 1), "has 1 bytes");
}

static void test_surplus_parameter_is_refused(void **state)
{
    struct remote_params params;

    (void)state;
    assert_says(refusal(CKM_ECDSA_SHA256, "x", 1), "ECDSA-SHA256 takes no parameter");
    assert_int_equal(remote_mechanism_params(find(CKM_ECDSA_SHA256), "", 0, &params, NULL),
                     REMOTE_OK);
    assert_int_equal(params.hash, REMOTE_HASH_SHA256);
}

static void read_must(CK_MECHANISM_TYPE ckm, const void *parameter, size_t len,
                      struct remote_params *ret)
{
    assert_int_equal(remote_mechanism_params(find(ckm), parameter, len, ret, NULL), REMOTE_OK);
}

static void test_gcm_parameter_is_read_in_both_forms(void **state)
{
    unsigned char iv[12] = { 1 }, aad[3] = { 2 };
    CK_GCM_PARAMS whole = { iv, 12, 0, aad, 3, 128 }, bits = { iv, 12, 96, aad, 3, 127 };
    CK_GCM_PARAMS nowhere = { NULL, 12, 96, aad, 3, 128 }, no_aad = { iv, 12, 96, NULL, 3, 128 };
    CK_NSS_GCM_PARAMS old = { iv, 12, aad, 3, 96 };
    struct remote_params params;

    (void)state;
    read_must(CKM_AES_GCM, &whole, sizeof(whole), &params);
    assert_ptr_equal(params.iv.data, iv);
    assert_int_equal(params.iv.len, 12);
    assert_ptr_equal(params.aad.data, aad);
    assert_int_equal(params.tag_len, 16);
    read_must(CKM_AES_GCM, &old, sizeof(old), &params);
    assert_int_equal(params.aad.len, 3);
    assert_int_equal(params.tag_len, 12);
    assert_says(refusal(CKM_AES_GCM, &bits, sizeof(bits)), "127 bits");
    assert_says(refusal(CKM_AES_GCM, &nowhere, sizeof(nowhere)), "an IV of 12 bytes is not there");
    assert_says(refusal(CKM_AES_GCM, &no_aad, sizeof(no_aad)), "associated data of 3 bytes");
    assert_says(refusal(CKM_AES_GCM, NULL, 0), "CK_GCM_PARAMS");
}

static void test_iv_and_counter_are_read(void **state)
{
    unsigned char iv[16] = { 7 };
    CK_AES_CTR_PARAMS ctr = { 32, { 9 } }, none = { 0, { 9 } }, many = { 129, { 9 } };
    struct remote_params params;

    (void)state;
    read_must(CKM_AES_CBC, iv, 16, &params);
    assert_ptr_equal(params.iv.data, iv);
    assert_says(refusal(CKM_AES_CBC_PAD, iv, 15), "AES-CBC-PAD: the parameter has 15 bytes");
    assert_says(refusal(CKM_AES_ECB, iv, 16), "takes no parameter");
    read_must(CKM_AES_CTR, &ctr, sizeof(ctr), &params);
    assert_int_equal(params.counter_bits, 32);
    assert_int_equal(params.iv.len, 16);
    assert_int_equal(params.iv.data[0], 9);
    assert_says(refusal(CKM_AES_CTR, &none, sizeof(none)), "ulCounterBits is 0");
    assert_says(refusal(CKM_AES_CTR, &many, sizeof(many)), "ulCounterBits is 129");
    read_must(CKM_AES_KEY_WRAP, NULL, 0, &params);
    assert_int_equal(params.iv.len, 0);
    read_must(CKM_AES_KEY_WRAP_KWP, iv, 4, &params);
    assert_int_equal(params.iv.len, 4);
}

static void test_mac_length_is_read(void **state)
{
    CK_MAC_GENERAL_PARAMS ten = 10, none = 0, many = 33;
    struct remote_params params;

    (void)state;
    read_must(CKM_SHA256_HMAC_GENERAL, &ten, sizeof(ten), &params);
    assert_int_equal(params.tag_len, 10);
    assert_int_equal(params.hash, REMOTE_HASH_SHA256);
    assert_says(refusal(CKM_SHA256_HMAC_GENERAL, &none, sizeof(none)), "a MAC of 0 bytes");
    assert_says(refusal(CKM_SHA256_HMAC_GENERAL, &many, sizeof(many)), "1 to 32");
}

static void test_associated_data_is_the_parameter_of_our_own_mechanism(void **state)
{
    struct remote_params params;

    (void)state;
    read_must(CKM_HSMBRIDGE_AEAD, "aad", 3, &params);
    assert_int_equal(params.aad.len, 3);
    read_must(CKM_HSMBRIDGE_AEAD, NULL, 0, &params);
    assert_int_equal(params.aad.len, 0);
    assert_says(refusal(CKM_HSMBRIDGE_AEAD, NULL, 3), "is not there");
    assert_says(refusal(CKM_HSMBRIDGE_DATA_KEY, "x", 1), "CK_HSMBRIDGE_DATA_KEY_PARAMS");
}

/* What remote_mechanism_find() rests on when it tries the last row first. */
static void test_table_when_type_and_use_are_given_then_no_two_rows_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < remote_mechanism_count; i++)
        for (size_t j = i + 1; j < remote_mechanism_count; j++)
            assert_false(remote_mechanisms[i].ckm == remote_mechanisms[j].ckm &&
                         remote_mechanisms[i].key == remote_mechanisms[j].key &&
                         (remote_mechanisms[i].uses & remote_mechanisms[j].uses) != 0);
}

static void test_find_when_asked_in_any_order_then_every_row_is_found(void **state)
{
    (void)state;
    for (size_t round = 0; round < 2; round++)
        for (size_t i = remote_mechanism_count; i-- > 0;) {
            const struct remote_mechanism *row = &remote_mechanisms[i];
            enum remote_use use = (enum remote_use)(row->uses & -row->uses);

            assert_ptr_equal(remote_mechanism_find(row->ckm, row->key, use), row);
            assert_ptr_equal(remote_mechanism_find(row->ckm, row->key, use), row);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_tables_agree_both_ways),
        cmocka_unit_test(test_key_types_have_the_words_of_the_configuration),
        cmocka_unit_test(test_rows_are_whole_and_no_two_answer_the_same_question),
        cmocka_unit_test(test_find_tells_signing_from_encrypting),
        cmocka_unit_test(test_by_name_takes_any_common_spelling),
        cmocka_unit_test(test_pss_parameter_is_read),
        cmocka_unit_test(test_pss_parameter_that_makes_no_sense_is_refused),
        cmocka_unit_test(test_oaep_label_becomes_aad),
        cmocka_unit_test(test_oaep_without_source_and_label_is_taken),
        cmocka_unit_test(test_oaep_parameter_that_makes_no_sense_is_refused),
        cmocka_unit_test(test_eddsa_is_plain_ed25519_only),
        cmocka_unit_test(test_surplus_parameter_is_refused),
        cmocka_unit_test(test_gcm_parameter_is_read_in_both_forms),
        cmocka_unit_test(test_iv_and_counter_are_read),
        cmocka_unit_test(test_mac_length_is_read),
        cmocka_unit_test(test_associated_data_is_the_parameter_of_our_own_mechanism),
        cmocka_unit_test(test_table_when_type_and_use_are_given_then_no_two_rows_fit),
        cmocka_unit_test(test_find_when_asked_in_any_order_then_every_row_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
