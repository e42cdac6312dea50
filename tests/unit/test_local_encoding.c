/* SPDX-License-Identifier: Apache-2.0 */
#include "local_keys.h"

#define BYTES(text) remote_slice(text, sizeof(text) - 1)
#define SHA256_HEAD "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
#define SHA256_HEAD_NO_NULL "\x30\x2f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x20"
#define DIGEST32 "0123456789abcdef0123456789abcdef"

static void test_digestinfo_is_taken_apart_with_and_without_null(void **state)
{
    enum remote_hash hash = REMOTE_HASH_NONE;
    struct remote_slice digest;

    (void)state;
    assert_true(remote_local_digestinfo(BYTES(SHA256_HEAD DIGEST32), &hash, &digest));
    assert_int_equal(hash, REMOTE_HASH_SHA256);
    assert_true(remote_slice_equal(digest, BYTES(DIGEST32)));
    hash = REMOTE_HASH_NONE;
    assert_true(remote_local_digestinfo(BYTES(SHA256_HEAD_NO_NULL DIGEST32), &hash, &digest));
    assert_int_equal(hash, REMOTE_HASH_SHA256);
}

/* The block that libcrypto pads for each hash is one that we take apart, and put together. */
static void test_digestinfo_of_every_hash_is_known(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, make_rsa(2048));
    for (enum remote_hash hash = REMOTE_HASH_SHA1; hash < REMOTE_HASH_COUNT; hash++) {
        struct remote_params params = { .alg = REMOTE_ALG_RSA_PKCS1, .hash = hash };
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(remote_libctx(), pair.pkey, NULL);
        CLEANUP(remote_buf_clear) struct remote_buf digest = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf sig = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf again = { 0 };
        enum remote_hash found = REMOTE_HASH_NONE;
        struct remote_slice found_digest;
        unsigned char block[256];
        size_t len = sizeof(block);

        assert_int_equal(remote_local_hash(hash, BYTES("text"), &digest, NULL), REMOTE_OK);
        pair_sign(&pair, &params, remote_buf_slice(&digest), &sig);
        assert_int_equal(EVP_PKEY_verify_recover_init(ctx), 1);
        assert_int_equal(EVP_PKEY_verify_recover(ctx, block, &len, sig.data, sig.len), 1);
        assert_true(remote_local_digestinfo(remote_slice(block, len), &found, &found_digest));
        assert_int_equal(found, hash);
        assert_true(remote_slice_equal(found_digest, remote_buf_slice(&digest)));
        remote_local_append_digestinfo(&again, hash, found_digest);
        assert_true(remote_slice_equal(remote_buf_slice(&again), remote_slice(block, len)));
        EVP_PKEY_CTX_free(ctx);
    }
    pair_clear(&pair);
}

static void test_digestinfo_that_is_not_strict_is_refused(void **state)
{
    static const struct remote_slice wrong[] = {
        { (const unsigned char *)"", 0 },
        { (const unsigned char *)DIGEST32, 32 }, /* a bare digest: its length decides nothing */
        { (const unsigned char *)SHA256_HEAD DIGEST32 "x", 52 },
        { (const unsigned char *)SHA256_HEAD DIGEST32, 50 },
        /* digest one byte short, lengths adjusted */
        { (const unsigned char *)"\x30\x30\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05"
                                 "\x00\x04\x1f" DIGEST32,
          50 },
        /* parameters that are not NULL */
        { (const unsigned char *)"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04"
                                 "\x00\x04\x20" DIGEST32,
          51 },
        /* an unknown hash */
        { (const unsigned char *)"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x7f\x05"
                                 "\x00\x04\x20" DIGEST32,
          51 },
        /* a long form of the length */
        { (const unsigned char *)"\x30\x81\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"
                                 "\x05\x00\x04\x20" DIGEST32,
          52 },
    };
    enum remote_hash hash = REMOTE_HASH_COUNT;
    struct remote_slice digest;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_false(remote_local_digestinfo(wrong[i], &hash, &digest));
    assert_int_equal(hash, REMOTE_HASH_COUNT); /* untouched */
}

static void test_ecdsa_goes_to_der_and_back(void **state)
{
    static const char *const raw[] = { "\x01\x02\x03\x04", "\x00\x02\x00\x04", "\xff\xfe\x80\x00" };
    static const char *const der[] = { "\x30\x08\x02\x02\x01\x02\x02\x02\x03\x04",
                                       "\x30\x06\x02\x01\x02\x02\x01\x04",
                                       "\x30\x0a\x02\x03\x00\xff\xfe\x02\x03\x00\x80\x00" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(raw); i++) {
        CLEANUP(remote_buf_clear) struct remote_buf there = { 0 };
        CLEANUP(remote_buf_clear) struct remote_buf back = { 0 };
        size_t len = 2 + (size_t)der[i][1];

        assert_int_equal(remote_local_ecdsa_to_der(remote_slice(raw[i], 4), &there, NULL),
                         REMOTE_OK);
        assert_true(remote_slice_equal(remote_buf_slice(&there), remote_slice(der[i], len)));
        assert_int_equal(remote_local_ecdsa_from_der(remote_buf_slice(&there), 2, &back, NULL),
                         REMOTE_OK);
        assert_true(remote_slice_equal(remote_buf_slice(&back), remote_slice(raw[i], 4)));
    }
}

static void test_ecdsa_that_is_not_a_signature_is_refused(void **state)
{
    static const struct remote_slice wrong[] = {
        { (const unsigned char *)"", 0 },
        { (const unsigned char *)"\x30\x06\x02\x01\x01\x02\x01\x00", 8 },     /* s = 0 */
        { (const unsigned char *)"\x30\x06\x02\x01\x01\x02\x01\x80", 8 },     /* negative */
        { (const unsigned char *)"\x30\x06\x02\x01\x01\x02\x01\x01x", 9 },    /* something behind */
        { (const unsigned char *)"\x30\x07\x02\x01\x01\x02\x02\x00\x01", 9 }, /* padded */
        { (const unsigned char *)"\x30\x08\x02\x03\x01\x01\x01\x02\x01\x01", 10 }, /* too large */
        { (const unsigned char *)"\x30\x03\x02\x01\x01", 5 },
        { (const unsigned char *)"\x30\x09\x02\x01\x01\x02\x01\x01\x02\x01\x01", 11 },
    };
    CLEANUP(remote_buf_clear) struct remote_buf out = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(remote_local_ecdsa_from_der(wrong[i], 2, &out, &err), REMOTE_E_DATA);
    assert_says(err.text, "two numbers up to 2 bytes");
    assert_int_equal(remote_local_ecdsa_to_der(BYTES(""), &out, &err), REMOTE_E_DATA);
    assert_int_equal(remote_local_ecdsa_to_der(BYTES("\x01\x02\x03"), &out, &err), REMOTE_E_DATA);
    assert_says(err.text, "3 bytes is not r||s");
    assert_int_equal(remote_local_ecdsa_to_der(BYTES("\x01\x00"), &out, &err), REMOTE_E_DATA);
    assert_int_equal(remote_local_ecdsa_from_der(wrong[0], 67, &out, &err), REMOTE_E_USAGE);
    assert_null(out.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digestinfo_is_taken_apart_with_and_without_null),
        cmocka_unit_test(test_digestinfo_of_every_hash_is_known),
        cmocka_unit_test(test_digestinfo_that_is_not_strict_is_refused),
        cmocka_unit_test(test_ecdsa_goes_to_der_and_back),
        cmocka_unit_test(test_ecdsa_that_is_not_a_signature_is_refused),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
