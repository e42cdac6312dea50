/* SPDX-License-Identifier: Apache-2.0 */
#include "encode.h"
#include "local_keys.h"

#include <openssl/err.h>

#define BYTES(text) remote_slice(text, sizeof(text) - 1)
#define DIGEST32 "0123456789abcdef0123456789abcdef"

static struct pair rsa, ec256, ec384, ec521, ed;

static int make_pairs(void **state)
{
    if (enter_guard(state) != 0)
        return -1;
    pair_init(&rsa, make_rsa(2048));
    pair_init(&ec256, make_ec("P-256"));
    pair_init(&ec384, make_ec("P-384"));
    pair_init(&ec521, make_ec("P-521"));
    pair_init(&ed, make_ed25519());
    return 0;
}

static int free_pairs(void **state)
{
    pair_clear(&rsa);
    pair_clear(&ec256);
    pair_clear(&ec384);
    pair_clear(&ec521);
    pair_clear(&ed);
    return leave_guard(state);
}

/* A good signature verifies; with a bit of it or of the input changed it does not. */
static void check_verify(struct pair *pair, const struct remote_params *params,
                         struct remote_slice input)
{
    CLEANUP(remote_buf_clear) struct remote_buf sig = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf other = { 0 };
    struct remote_error err = { 0 };

    pair_sign(pair, params, input, &sig);
    assert_int_equal(remote_local_verify(&pair->key, params, input, remote_buf_slice(&sig), &err),
                     REMOTE_OK);
    remote_buf_append(&other, input.data, input.len);
    other.data[0] ^= 1;
    assert_int_equal(remote_local_verify(&pair->key, params, remote_buf_slice(&other),
                                         remote_buf_slice(&sig), &err),
                     REMOTE_E_DATA);
    assert_string_equal(err.text, "the signature is wrong");
    sig.data[sig.len / 2 - 1] ^= 1;
    assert_int_equal(remote_local_verify(&pair->key, params, input, remote_buf_slice(&sig), &err),
                     REMOTE_E_DATA);
    assert_int_equal(remote_local_verify(&pair->key, params, input,
                                         remote_slice(sig.data, sig.len - 1), &err),
                     REMOTE_E_LENGTH);
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_verify_of_rsa_with_every_hash(void **state)
{
    (void)state;
    for (enum remote_hash hash = REMOTE_HASH_SHA1; hash < REMOTE_HASH_COUNT; hash++) {
        struct remote_params pkcs1 = { .alg = REMOTE_ALG_RSA_PKCS1, .hash = hash };
        struct remote_params pss = {
            .alg = REMOTE_ALG_RSA_PSS, .hash = hash, .mgf_hash = REMOTE_HASH_SHA256, .salt_len = 20
        };
        CLEANUP(remote_buf_clear) struct remote_buf digest = { 0 };

        assert_int_equal(remote_local_hash(hash, BYTES("text"), &digest, NULL), REMOTE_OK);
        check_verify(&rsa, &pkcs1, remote_buf_slice(&digest));
        check_verify(&rsa, &pss, remote_buf_slice(&digest));
    }
}

static void test_verify_of_a_raw_rsa_block_compares_it(void **state)
{
    struct remote_params params = { .alg = REMOTE_ALG_RSA_PKCS1 };

    (void)state;
    check_verify(&rsa, &params, BYTES("any block, as TLS 1.1 signs MD5 and SHA-1 together"));
}

static void test_verify_of_pss_with_another_salt_length_is_wrong(void **state)
{
    struct remote_params params = { .alg = REMOTE_ALG_RSA_PSS,
                                    .hash = REMOTE_HASH_SHA256,
                                    .mgf_hash = REMOTE_HASH_SHA256,
                                    .salt_len = 32 };
    CLEANUP(remote_buf_clear) struct remote_buf sig = { 0 };

    (void)state;
    pair_sign(&rsa, &params, BYTES(DIGEST32), &sig);
    params.salt_len = 31;
    assert_int_equal(remote_local_verify(&rsa.key, &params, BYTES(DIGEST32), remote_buf_slice(&sig),
                                         NULL),
                     REMOTE_E_DATA);
    params.salt_len = 32;
    params.mgf_hash = REMOTE_HASH_SHA1;
    assert_int_equal(remote_local_verify(&rsa.key, &params, BYTES(DIGEST32), remote_buf_slice(&sig),
                                         NULL),
                     REMOTE_E_DATA);
    params.mgf_hash = REMOTE_HASH_NONE;
    assert_int_equal(remote_local_verify(&rsa.key, &params, BYTES(DIGEST32), remote_buf_slice(&sig),
                                         NULL),
                     REMOTE_E_PARAM);
}

static void test_verify_of_ecdsa_takes_digests_of_any_length(void **state)
{
    static const char text[] = DIGEST32 DIGEST32 DIGEST32;
    static const size_t lengths[] = { 1, 20, 32, 36, 48, 64, 96 };
    struct remote_params params = { .alg = REMOTE_ALG_ECDSA };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        check_verify(&ec256, &params, remote_slice(text, lengths[i]));
        check_verify(&ec384, &params, remote_slice(text, lengths[i]));
        check_verify(&ec521, &params, remote_slice(text, lengths[i]));
    }
}

static void test_verify_of_a_digest_of_the_wrong_length_is_refused(void **state)
{
    struct remote_params params = { .alg = REMOTE_ALG_ECDSA, .hash = REMOTE_HASH_SHA384 };
    unsigned char sig[64] = { 1 };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_local_verify(&ec256.key, &params, BYTES(DIGEST32),
                                         remote_slice(sig, 64), &err),
                     REMOTE_E_LENGTH);
    assert_string_equal(err.text, "a SHA2-384 digest has 48 bytes, not 32");
    params.hash = REMOTE_HASH_NONE;
    assert_int_equal(remote_local_verify(&ec256.key, &params, BYTES(""), remote_slice(sig, 64),
                                         &err),
                     REMOTE_E_LENGTH);
}

static void test_verify_of_eddsa_takes_the_message(void **state)
{
    struct remote_params params = { .alg = REMOTE_ALG_EDDSA };
    CLEANUP(remote_buf_clear) struct remote_buf sig = { 0 };

    (void)state;
    check_verify(&ed, &params, BYTES("a message"));
    pair_sign(&ed, &params, BYTES(""), &sig);
    assert_int_equal(remote_local_verify(&ed.key, &params, remote_slice(NULL, 0),
                                         remote_buf_slice(&sig), NULL),
                     REMOTE_OK);
}

/* GM/T 0003.5-2012, annex A.2. */
static void test_verify_of_sm2_when_of_the_standards_example_then_good(void **state)
{
    static const char spki[] = "3059301306072a8648ce3d020106082a811ccf5501822d034200"
                               "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
                               "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
    static const char signature[] =
        "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
        "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";
    struct remote_params params = { .alg = REMOTE_ALG_SM2 };
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 }, sig = { 0 };
    struct remote_key key = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_true(remote_hex_decode(remote_slice_str(spki), &der));
    assert_true(remote_hex_decode(remote_slice_str(signature), &sig));
    assert_int_equal(remote_local_set_spki(&key, remote_buf_slice(&der), NULL), REMOTE_OK);
    assert_int_equal(key.type, REMOTE_KEY_SM2);
    assert_int_equal(key.curve, NID_sm2);
    assert_int_equal(remote_local_verify(&key, &params, BYTES("message digest"),
                                         remote_buf_slice(&sig), &err),
                     REMOTE_OK);
    assert_int_equal(remote_local_verify(&key, &params, BYTES("message digesu"),
                                         remote_buf_slice(&sig), &err),
                     REMOTE_E_DATA);
    key_clear(&key);
}

static void test_verify_with_a_key_of_another_kind_is_unsupported(void **state)
{
    struct remote_params params = { .alg = REMOTE_ALG_ECDSA };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_local_verify(&rsa.key, &params, BYTES(DIGEST32), BYTES(""), &err),
                     REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "a key of type rsa");
}

static size_t decrypt(const struct remote_params *params, struct remote_slice sealed,
                      unsigned char *out, size_t size)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(remote_libctx(), rsa.pkey, NULL);
    size_t len = size;

    assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
    if (params->alg == REMOTE_ALG_RSA_OAEP) {
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING);
        EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, remote_hash_name(params->hash), NULL);
        EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, remote_hash_name(params->mgf_hash), NULL);
        EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, OPENSSL_memdup(params->aad.data, params->aad.len),
                                         (int)params->aad.len);
    }
    assert_int_equal(EVP_PKEY_decrypt(ctx, out, &len, sealed.data, sealed.len), 1);
    EVP_PKEY_CTX_free(ctx);
    return len;
}

static void test_encrypt_is_opened_by_the_private_key(void **state)
{
    static const struct remote_params ways[] = {
        { .alg = REMOTE_ALG_RSA_PKCS1_ENC },
        { .alg = REMOTE_ALG_RSA_OAEP,
          .hash = REMOTE_HASH_SHA256,
          .mgf_hash = REMOTE_HASH_SHA1,
          .aad = { (const unsigned char *)"label", 5 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
        unsigned char plain[256];

        assert_int_equal(remote_local_encrypt(&rsa.key, &ways[i], BYTES("plain"), &sealed, NULL),
                         REMOTE_OK);
        assert_int_equal(sealed.len, 256);
        assert_int_equal(decrypt(&ways[i], remote_buf_slice(&sealed), plain, sizeof(plain)), 5);
        assert_memory_equal(plain, "plain", 5);
    }
}

static void test_encrypt_of_too_much_names_what_fits(void **state)
{
    struct remote_params pkcs1 = { .alg = REMOTE_ALG_RSA_PKCS1_ENC };
    struct remote_params oaep = { .alg = REMOTE_ALG_RSA_OAEP,
                                  .hash = REMOTE_HASH_SHA256,
                                  .mgf_hash = REMOTE_HASH_SHA256 };
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_error err = { 0 };
    unsigned char zeros[256] = { 0 };

    (void)state;
    assert_int_equal(remote_local_encrypt(&rsa.key, &pkcs1, remote_slice(zeros, 246), &sealed,
                                          &err),
                     REMOTE_E_LENGTH);
    assert_says(err.text, "this key takes 245");
    assert_int_equal(remote_local_encrypt(&rsa.key, &oaep, remote_slice(zeros, 191), &sealed, &err),
                     REMOTE_E_LENGTH);
    assert_says(err.text, "this key takes 190");
    assert_int_equal(remote_local_encrypt(&ec256.key, &pkcs1, BYTES("x"), &sealed, &err),
                     REMOTE_E_UNSUPPORTED);
    assert_null(sealed.data);
    assert_int_equal(remote_local_encrypt(&rsa.key, &oaep, remote_slice(zeros, 190), &sealed, &err),
                     REMOTE_OK);
}

static void test_digest_in_pieces_equals_one_in_one(void **state)
{
    (void)state;
    for (enum remote_hash hash = REMOTE_HASH_SHA1; hash < REMOTE_HASH_COUNT; hash++) {
        CLEANUP(remote_digest_clear) struct remote_digest digest = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf pieces = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf whole = { 0 };

        assert_int_equal(remote_digest_init(&digest, hash, NULL), REMOTE_OK);
        assert_int_equal(remote_digest_update(&digest, BYTES("ab"), NULL), REMOTE_OK);
        assert_int_equal(remote_digest_update(&digest, BYTES(""), NULL), REMOTE_OK);
        assert_int_equal(remote_digest_update(&digest, BYTES("c"), NULL), REMOTE_OK);
        assert_int_equal(remote_digest_final(&digest, &pieces, NULL), REMOTE_OK);
        assert_int_equal(remote_local_hash(hash, BYTES("abc"), &whole, NULL), REMOTE_OK);
        assert_int_equal(pieces.len, remote_hash_size(hash));
        assert_true(remote_slice_equal(remote_buf_slice(&pieces), remote_buf_slice(&whole)));
        assert_int_equal(remote_digest_final(&digest, &pieces, NULL), REMOTE_E_USAGE);
        assert_int_equal(remote_digest_update(&digest, BYTES("c"), NULL), REMOTE_E_USAGE);
    }
}

static void test_digest_of_a_known_text_is_the_published_one(void **state)
{
    CLEANUP(remote_buf_clear) struct remote_buf hash = { 0 };

    (void)state; /* FIPS 180-2 appendix A.1 */
    assert_int_equal(remote_local_hash(REMOTE_HASH_SHA1, BYTES("abc"), &hash, NULL), REMOTE_OK);
    assert_memory_equal(hash.data,
                        "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2"
                        "\x6c\x9c\xd0\xd8\x9d",
                        20);
    assert_int_equal(remote_local_hash(REMOTE_HASH_NONE, BYTES("abc"), &hash, NULL),
                     REMOTE_E_CRYPTO);
}

static void test_random_bytes_differ(void **state)
{
    unsigned char one[32] = { 0 }, two[32] = { 0 };

    (void)state;
    assert_int_equal(remote_local_random(one, sizeof(one), NULL), REMOTE_OK);
    assert_int_equal(remote_local_random(two, sizeof(two), NULL), REMOTE_OK);
    assert_memory_not_equal(one, two, sizeof(one));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify_of_rsa_with_every_hash),
        cmocka_unit_test(test_verify_of_a_raw_rsa_block_compares_it),
        cmocka_unit_test(test_verify_of_pss_with_another_salt_length_is_wrong),
        cmocka_unit_test(test_verify_of_ecdsa_takes_digests_of_any_length),
        cmocka_unit_test(test_verify_of_a_digest_of_the_wrong_length_is_refused),
        cmocka_unit_test(test_verify_of_eddsa_takes_the_message),
        cmocka_unit_test(test_verify_of_sm2_when_of_the_standards_example_then_good),
        cmocka_unit_test(test_verify_with_a_key_of_another_kind_is_unsupported),
        cmocka_unit_test(test_encrypt_is_opened_by_the_private_key),
        cmocka_unit_test(test_encrypt_of_too_much_names_what_fits),
        cmocka_unit_test(test_digest_in_pieces_equals_one_in_one),
        cmocka_unit_test(test_digest_of_a_known_text_is_the_published_one),
        cmocka_unit_test(test_random_bytes_differ),
    };

    return cmocka_run_group_tests(tests, make_pairs, free_pairs);
}
