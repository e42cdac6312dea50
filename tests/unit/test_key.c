/* SPDX-License-Identifier: Apache-2.0 */
/* What may be done with a key, and what is sent for it (design sections 2 and 5). */
#include "memory.h"

#include <stdio.h>

#define SLOT "[slot web]\nbackend = memory\nurl = https://a\ntimeout = 3s\nversions = all\n"

static const struct remote_params ecdsa = { .alg = REMOTE_ALG_ECDSA, .hash = REMOTE_HASH_SHA256 };
static const struct remote_params raw_ecdsa = { .alg = REMOTE_ALG_ECDSA };
static const struct remote_params pkcs1 = { .alg = REMOTE_ALG_RSA_PKCS1 };
static const struct remote_params hmac = { .alg = REMOTE_ALG_HMAC, .hash = REMOTE_HASH_SHA256 };
static const struct remote_params gcm = { .alg = REMOTE_ALG_AES_GCM };
static const struct remote_params aead = { .alg = REMOTE_ALG_AEAD };
static const struct remote_params pkcs1_enc = { .alg = REMOTE_ALG_RSA_PKCS1_ENC };

static unsigned char bytes[70000];

static struct remote_slice input(size_t len)
{
    return remote_slice(bytes, len);
}

static struct remote_key *open_key(enum remote_key_type type, unsigned bits)
{
    memory_add_typed("k", 1, type, bits);
    return memory_find(memory_open(SLOT), "k");
}

/* ---- check ---- */

static void test_check_outside_its_dates_lets_open_but_not_sign_or_seal(void **state)
{
    struct remote_key *key = open_key(REMOTE_KEY_RSA, 2048);
    struct remote_params params = { .alg = REMOTE_ALG_RSA_PKCS1, .hash = REMOTE_HASH_SHA256 };
    struct remote_error err = { 0 };

    (void)state;
    key->not_after = 1600000000;
    assert_false(remote_key_usable(key));
    assert_int_equal(remote_key_check(key, &params, REMOTE_USE_SIGN, &err), REMOTE_E_FORBIDDEN_USE);
    assert_says(err.text, "version 1 of key 'k' expired on 2020-09-13 12:26:40Z");
    assert_int_equal(remote_key_check(key, &params, REMOTE_USE_VERIFY, &err), REMOTE_OK);
    assert_int_equal(remote_key_check(key, &pkcs1_enc, REMOTE_USE_DECRYPT, &err), REMOTE_OK);
    assert_int_equal(remote_key_check(key, &pkcs1_enc, REMOTE_USE_ENCRYPT, &err),
                     REMOTE_E_FORBIDDEN_USE);
    key->not_after = 0;
    key->not_before = 4000000000;
    assert_int_equal(remote_key_check(key, &params, REMOTE_USE_SIGN, &err), REMOTE_E_FORBIDDEN_USE);
    assert_says(err.text, "may not be used before 2096-10-02");
    key->not_before = 1;
    assert_true(remote_key_usable(key));
    assert_int_equal(remote_key_check(key, &params, REMOTE_USE_SIGN, &err), REMOTE_OK);
    remote_key_unref(key);
}

static void test_check_names_the_key_and_what_is_wrong(void **state)
{
    static const struct {
        enum remote_alg alg;
        enum remote_use use;
        enum remote_rc rc;
        const char *text;
    } cases[] = {
        { REMOTE_ALG_ECDSA, REMOTE_USE_SIGN, REMOTE_OK, "" },
        { REMOTE_ALG_RSA_PKCS1, REMOTE_USE_SIGN, REMOTE_E_UNSUPPORTED,
          "slot 'web': key 'k' is of type ec, which this mechanism is not for" },
        { REMOTE_ALG_NONE, REMOTE_USE_SIGN, REMOTE_E_UNSUPPORTED, "which this mechanism is not" },
        { REMOTE_ALG_ECDSA, REMOTE_USE_DECRYPT, REMOTE_E_FORBIDDEN_USE,
          "slot 'web': key 'k' is not for decrypt" },
        { REMOTE_ALG_ECDSA, REMOTE_USE_VERIFY, REMOTE_OK, "" },
    };
    struct remote_key *key = open_key(REMOTE_KEY_EC, 256);

    (void)state;
    key->uses = REMOTE_USE_SIGN;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct remote_params params = { .alg = cases[i].alg, .hash = REMOTE_HASH_SHA256 };
        struct remote_error err = { 0 };

        assert_int_equal(remote_key_check(key, &params, cases[i].use, &err), cases[i].rc);
        assert_says(err.text, cases[i].text);
    }
    assert_int_equal(memory.requests, 1); /* the look-up's */
    remote_key_unref(key);
}

static void test_check_of_a_disabled_version_forbids_use_but_not_verification(void **state)
{
    struct remote_key *key = open_key(REMOTE_KEY_EC, 256);
    struct remote_error err = { 0 };

    (void)state;
    key->enabled = false;
    assert_int_equal(remote_key_check(key, &ecdsa, REMOTE_USE_SIGN, &err), REMOTE_E_FORBIDDEN_USE);
    assert_says(err.text, "slot 'web': version 1 of key 'k' is disabled");
    assert_int_equal(remote_key_check(key, &ecdsa, REMOTE_USE_VERIFY, &err), REMOTE_OK);
    remote_key_unref(key);
}

static void test_check_asks_the_backend_for_algorithm_and_parameters(void **state)
{
    struct remote_key *key = open_key(REMOTE_KEY_RSA, 2048);
    struct remote_params params = { .alg = REMOTE_ALG_RSA_PSS,
                                    .hash = REMOTE_HASH_SHA1,
                                    .salt_len = 20 };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_key_check(key, &params, REMOTE_USE_SIGN, &err), REMOTE_E_UNSUPPORTED);
    assert_says(err.text, "key 'k': keys in memory has no such algorithm");
    params.hash = REMOTE_HASH_SHA256;
    params.salt_len = 0;
    assert_int_equal(remote_key_check(key, &params, REMOTE_USE_SIGN, &err), REMOTE_E_PARAM);
    assert_says(err.text, "memory wants a salt");
    params.salt_len = 32;
    assert_int_equal(remote_key_check(key, &params, REMOTE_USE_SIGN, &err), REMOTE_OK);
    remote_key_unref(key);
}

/* ---- lengths ---- */

static void test_lengths_that_do_not_fit_are_refused_without_a_request(void **state)
{
    static const struct {
        struct remote_params params;
        enum remote_key_type type;
        unsigned bits;
        size_t good, bad;
        const char *text;
    } cases[] = {
        { { .alg = REMOTE_ALG_ECDSA, .hash = REMOTE_HASH_SHA256 },
          REMOTE_KEY_EC,
          256,
          32,
          31,
          "31 bytes of input where exactly 32 fit" },
        { { .alg = REMOTE_ALG_ECDSA }, REMOTE_KEY_EC, 256, 128, 129, "at most 128 fit" },
        { { .alg = REMOTE_ALG_ECDSA }, REMOTE_KEY_EC, 256, 1, 0, "an empty digest" },
        { { .alg = REMOTE_ALG_RSA_PKCS1 }, REMOTE_KEY_RSA, 2048, 245, 246, "at most 245 fit" },
        { { .alg = REMOTE_ALG_RSA_PKCS1, .hash = REMOTE_HASH_SHA512 },
          REMOTE_KEY_RSA,
          2048,
          64,
          65,
          "exactly 64 fit" },
        { { .alg = REMOTE_ALG_HMAC, .hash = REMOTE_HASH_SHA256 },
          REMOTE_KEY_GENERIC,
          256,
          65536,
          65537,
          "at most 65536 fit" },
    };

    (void)state;
    memory_open(SLOT);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char name[8] = { 'k', (char)('0' + i) };
        struct remote_error err = { 0 };
        struct remote_buf sig = { 0 };
        struct remote_key *key;
        size_t requests;

        memory_add_typed(name, 1, cases[i].type, cases[i].bits);
        key = memory_find(memory_slot(0), name);
        requests = memory.requests;
        assert_int_equal(remote_key_sign(key, &cases[i].params, input(cases[i].bad), &sig, &err),
                         REMOTE_E_LENGTH);
        assert_says(err.text, cases[i].text);
        assert_null(sig.data);
        assert_int_equal(memory.requests, requests);
        assert_ok(remote_key_sign(key, &cases[i].params, input(cases[i].good), &sig, &err), err);
        assert_int_equal(sig.len, remote_key_output_size(key, &cases[i].params));
        remote_buf_clear(&sig);
        remote_key_unref(key);
    }
}

static void test_output_size_of_each_type(void **state)
{
    struct remote_key key = { .type = REMOTE_KEY_EC, .bits = 521 };

    (void)state;
    assert_int_equal(remote_key_output_size(&key, &ecdsa), 132);
    key = (struct remote_key){ .type = REMOTE_KEY_RSA, .bits = 3072 };
    assert_int_equal(remote_key_output_size(&key, &pkcs1), 384);
    key = (struct remote_key){ .type = REMOTE_KEY_ED25519, .bits = 256 };
    assert_int_equal(remote_key_output_size(&key, &ecdsa), 64);
    key = (struct remote_key){ .type = REMOTE_KEY_GENERIC, .bits = 256 };
    assert_int_equal(remote_key_output_size(&key, &hmac), 32);
    key = (struct remote_key){ .type = REMOTE_KEY_AES, .bits = 256 };
    assert_int_equal(remote_key_output_size(&key, &gcm), 0);
}

static void test_input_max_of_rsa_encryption(void **state)
{
    struct remote_key key = { .type = REMOTE_KEY_RSA, .bits = 2048 };
    const struct remote_params oaep = { .alg = REMOTE_ALG_RSA_OAEP, .hash = REMOTE_HASH_SHA256 };

    (void)state;
    assert_int_equal(remote_key_input_max(&key, &pkcs1_enc, REMOTE_USE_ENCRYPT), 245);
    assert_int_equal(remote_key_input_max(&key, &pkcs1_enc, REMOTE_USE_DECRYPT), 256);
    assert_int_equal(remote_key_input_max(&key, &oaep, REMOTE_USE_ENCRYPT), 190);
    assert_int_equal(remote_key_input_max(&key, &oaep, REMOTE_USE_DECRYPT), 256);
}

/* ---- sign ---- */

static void test_sign_pins_its_version(void **state)
{
    struct remote_error err = { 0 };
    struct remote_buf sig = { 0 };
    struct remote_key *key = open_key(REMOTE_KEY_EC, 256);

    (void)state;
    memory_add_key("k", 2); /* rotated behind our back */
    assert_ok(remote_key_sign(key, &ecdsa, input(32), &sig, &err), err);
    assert_int_equal(memory.log[memory.requests - 1].version, 1);
    remote_buf_clear(&sig);
    remote_key_unref(key);
}

static void test_signature_of_another_size_is_a_protocol_error(void **state)
{
    struct remote_error err = { 0 };
    struct remote_buf sig = { 0 };
    struct remote_key *key = open_key(REMOTE_KEY_EC, 256);

    (void)state;
    memory.sig_surplus = 1;
    assert_int_equal(remote_key_sign(key, &raw_ecdsa, input(20), &sig, &err), REMOTE_E_PROTOCOL);
    assert_says(err.text, "slot 'web': key 'k': the service answered a signature of 65 bytes where "
                          "64 are due");
    assert_null(sig.data);
    remote_key_unref(key);
}

static void test_errors_name_key_slot_and_endpoint(void **state)
{
    struct remote_error err = { 0 };
    struct remote_buf sig = { 0 };
    struct remote_key *key = open_key(REMOTE_KEY_EC, 256);

    (void)state;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(SIGN), .status = 403 });
    assert_int_equal(remote_key_sign(key, &ecdsa, input(32), &sig, &err), REMOTE_E_RIGHTS);
    assert_string_equal(err.text, "key 'k': slot 'web': https://a: memory says 403");
    assert_int_equal(err.http_status, 403);
    assert_int_equal(remote_slot_last_status(), 403);
    remote_key_unref(key);
}

/* ---- PKCS#1 blocks for a service that signs digests only ---- */

#define DIGEST_SLOT "[slot web]\nbackend = memory-digest\nurl = https://a\n"

static const unsigned char sha256_info[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60,
                                             0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
                                             0x01, 0x05, 0x00, 0x04, 0x20 };
static const unsigned char sha512_info[] = { 0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60,
                                             0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
                                             0x03, 0x05, 0x00, 0x04, 0x40 };

static struct remote_key *open_digest_key(void)
{
    memory_add_typed("k", 1, REMOTE_KEY_RSA, 2048);
    return memory_find(memory_open(DIGEST_SLOT), "k");
}

static void test_digestinfo_is_taken_apart_where_the_service_signs_digests_only(void **state)
{
    struct remote_key *key = open_digest_key();
    struct remote_error err = { 0 };
    struct remote_buf sig = { 0 };
    unsigned char block[19 + 32], expected[256];

    (void)state;
    memset(block, 0x5a, sizeof(block));
    memcpy(block, sha256_info, sizeof(sha256_info));
    assert_ok(remote_key_check(key, &pkcs1, REMOTE_USE_SIGN, &err), err);
    assert_ok(remote_key_sign(key, &pkcs1, remote_slice(block, sizeof(block)), &sig, &err), err);
    memory_signature("k", 1, remote_slice(block + 19, 32), expected, sizeof(expected));
    assert_int_equal(sig.len, 256);
    assert_memory_equal(sig.data, expected, 256);
    remote_buf_clear(&sig);
    remote_key_unref(key);
}

static void test_block_that_is_no_digestinfo_is_refused_where_digests_only_are_signed(void **state)
{
    struct remote_key *key = open_digest_key();
    struct remote_error err = { 0 };
    struct remote_buf sig = { 0 };

    (void)state;
    assert_int_equal(remote_key_sign(key, &pkcs1, input(32), &sig, &err), REMOTE_E_LENGTH);
    assert_says(err.text, "key 'k': keys in memory signs digests only; the block is no DigestInfo");
    assert_int_equal(memory.requests, 1);
    remote_key_unref(key);
}

static void test_digestinfo_of_a_hash_that_the_service_lacks_is_unsupported(void **state)
{
    struct remote_key *key = open_digest_key();
    struct remote_error err = { 0 };
    struct remote_buf sig = { 0 };
    unsigned char block[19 + 64] = { 0 };

    (void)state;
    memcpy(block, sha512_info, sizeof(sha512_info));
    assert_int_equal(remote_key_sign(key, &pkcs1, remote_slice(block, sizeof(block)), &sig, &err),
                     REMOTE_E_UNSUPPORTED);
    assert_int_equal(memory.requests, 1);
    remote_key_unref(key);
}

/* ---- verify ---- */

static void test_mac_is_compared_with_the_services(void **state)
{
    struct remote_key *key = open_key(REMOTE_KEY_GENERIC, 256);
    struct remote_error err = { 0 };
    unsigned char mac[33];

    (void)state;
    memory_signature("k", 1, input(10), mac, 32);
    assert_ok(remote_key_verify(key, &hmac, input(10), remote_slice(mac, 32), &err), err);
    mac[31] ^= 1;
    assert_int_equal(remote_key_verify(key, &hmac, input(10), remote_slice(mac, 32), &err),
                     REMOTE_E_DATA);
    assert_says(err.text, "slot 'web': key 'k': the MAC is wrong");
    assert_int_equal(remote_key_verify(key, &hmac, input(10), remote_slice(mac, 33), &err),
                     REMOTE_E_LENGTH);
    remote_key_unref(key);
}

static void test_signature_of_a_wrong_length_is_refused_here(void **state)
{
    struct remote_key *key = open_key(REMOTE_KEY_EC, 256);
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_key_verify(key, &ecdsa, input(32), input(63), &err), REMOTE_E_LENGTH);
    assert_says(err.text, "a signature of 63 bytes where 64 are due");
    assert_int_equal(memory.requests, 1);
    remote_key_unref(key);
}

/* ---- encrypt and decrypt ---- */

static void test_symmetric_encryption_goes_to_the_service_and_back(void **state)
{
    struct remote_key *key = open_key(REMOTE_KEY_AES, 256);
    struct remote_buf sealed = { 0 }, plain = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_ok(remote_key_encrypt(key, &gcm, remote_slice_str("hello"), &sealed, &err), err);
    assert_ok(remote_key_decrypt(key, &gcm, remote_buf_slice(&sealed), &plain, &err), err);
    assert_string_equal((const char *)plain.data, "hello");
    assert_int_equal(remote_key_encrypt(key, &gcm, input(65537), &sealed, &err), REMOTE_E_LENGTH);
    assert_says(err.text, "65537 bytes to encrypt where at most 65536 fit");
    assert_int_equal(remote_key_decrypt(key, &gcm, input(65537), &plain, &err), REMOTE_E_LENGTH);
    assert_says(err.text, "65537 bytes are more than the 65536 that keys in memory takes");
    remote_buf_clear(&sealed);
    remote_buf_clear(&plain);
    remote_key_unref(key);
}

static struct remote_key *open_versions(const char *options, enum remote_key_type type,
                                        const char *label)
{
    char text[256];

    for (unsigned v = 1; v <= 8; v++)
        memory_add_typed("k", v, type, type == REMOTE_KEY_RSA ? 2048 : 256);
    snprintf(text, sizeof(text), SLOT "%s", options);
    return memory_find(memory_open(text), label);
}

static void test_decryption_falls_back_to_other_versions_newest_first(void **state)
{
    struct remote_key *key = open_versions("", REMOTE_KEY_RSA, "k@v5");
    struct remote_buf plain = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    bytes[0] = 7; /* sealed under version 7 */
    assert_ok(remote_key_decrypt(key, &pkcs1_enc, input(256), &plain, &err), err);
    assert_int_equal(plain.len, 255);
    assert_int_equal(memory_count(REMOTE_OP_DECRYPT), 3); /* 5, 8, 7 */
    assert_int_equal(memory.log[1].version, 5);
    assert_int_equal(memory.log[2].version, 8);
    assert_int_equal(memory.log[3].version, 7);
    remote_buf_clear(&plain);
    remote_key_unref(key);
}

static void test_decryption_tries_at_most_decrypt_versions_and_ends_with_one_error(void **state)
{
    struct remote_key *key = open_versions("", REMOTE_KEY_AES, "k");
    struct remote_buf plain = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    bytes[0] = 1;
    assert_int_equal(remote_key_decrypt(key, &gcm, input(40), &plain, &err), REMOTE_E_DATA);
    assert_string_equal(err.text, "slot 'web': key 'k' does not open this ciphertext");
    assert_int_equal(memory_count(REMOTE_OP_DECRYPT), 4);
    assert_null(plain.data);
    remote_key_unref(key);
}

static void test_decryption_obeys_the_option_for_versions(void **state)
{
    struct remote_key *key = open_versions("decrypt_versions = 2\n", REMOTE_KEY_AES, "k");
    struct remote_buf plain = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    bytes[0] = 1;
    assert_int_equal(remote_key_decrypt(key, &gcm, input(40), &plain, &err), REMOTE_E_DATA);
    assert_int_equal(memory_count(REMOTE_OP_DECRYPT), 2);
    remote_key_unref(key);
}

static void test_decryption_of_sealed_bytes_that_name_their_version_does_not_fall_back(void **state)
{
    struct remote_key *key = open_versions("", REMOTE_KEY_AES, "k");
    struct remote_buf plain = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    bytes[0] = 7;
    assert_int_equal(remote_key_decrypt(key, &aead, input(40), &plain, &err), REMOTE_E_DATA);
    assert_int_equal(memory_count(REMOTE_OP_DECRYPT), 1);
    remote_key_unref(key);
}

static void test_decryption_that_fails_otherwise_does_not_fall_back(void **state)
{
    struct remote_key *key = open_versions("", REMOTE_KEY_AES, "k");
    struct remote_buf plain = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(DECRYPT), .status = 403 });
    assert_int_equal(remote_key_decrypt(key, &gcm, input(40), &plain, &err), REMOTE_E_RIGHTS);
    assert_int_equal(memory_count(REMOTE_OP_DECRYPT), 1);
    remote_key_unref(key);
}

static void test_decryption_shares_one_deadline_among_the_versions(void **state)
{
    struct remote_key *key = open_versions("", REMOTE_KEY_AES, "k");
    struct remote_buf plain = { 0 };
    struct remote_error err = { 0 };
    int64_t start = remote_now_ms();

    (void)state;
    bytes[0] = 1;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(DECRYPT), .delay_ms = 1400 });
    assert_int_not_equal(remote_key_decrypt(key, &gcm, input(40), &plain, &err), REMOTE_OK);
    assert_true(remote_now_ms() - start <= 3000);
    remote_key_unref(key);
}

static void test_caller_that_is_in_a_hurry_has_a_deadline_of_its_own(void **state)
{
    struct remote_key *key = open_key(REMOTE_KEY_AES, 256);
    struct remote_params hurried = gcm;
    struct remote_buf sealed = { 0 };
    struct remote_error err = { 0 };
    int64_t start = remote_now_ms();

    (void)state;
    hurried.deadline_ms = start + 500;
    memory_rule((struct memory_rule){ .kinds = MEMORY_KIND(ENCRYPT), .fate = MEMORY_HANG });
    assert_int_equal(remote_key_encrypt(key, &hurried, input(8), &sealed, &err), REMOTE_E_TIMEOUT);
    assert_true(remote_now_ms() - start <= 600);
    hurried.deadline_ms = remote_now_ms() + 60000; /* more patience than the slot's is no matter */
    start = remote_now_ms();
    assert_int_not_equal(remote_key_encrypt(key, &hurried, input(8), &sealed, &err), REMOTE_OK);
    assert_true(remote_now_ms() - start <= 3100);
    remote_key_unref(key);
}

static void test_rsa_ciphertext_of_a_wrong_length_is_refused_here(void **state)
{
    struct remote_key *key = open_key(REMOTE_KEY_RSA, 2048);
    struct remote_buf plain = { 0 };
    struct remote_error err = { 0 };

    (void)state;
    assert_int_equal(remote_key_decrypt(key, &pkcs1_enc, input(255), &plain, &err),
                     REMOTE_E_LENGTH);
    assert_says(err.text, "255 bytes to decrypt where 256 are due");
    assert_int_equal(memory.requests, 1);
    remote_key_unref(key);
}

/* ---- life ---- */

static void test_key_outlives_the_cache_it_came_from(void **state)
{
    struct remote_key *key = open_key(REMOTE_KEY_EC, 256);
    struct remote_key_list keys = { 0 };

    (void)state;
    assert_int_equal(remote_key_list_add(&keys, key, NULL), REMOTE_OK);
    remote_cache_clear(&memory_slot(0)->cache);
    remote_key_unref(key);
    assert_string_equal(keys.keys[0]->name, "k");
    remote_key_list_clear(&keys);
    remote_key_unref(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, memory_setup, memory_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_check_outside_its_dates_lets_open_but_not_sign_or_seal),
        TEST(test_check_names_the_key_and_what_is_wrong),
        TEST(test_check_of_a_disabled_version_forbids_use_but_not_verification),
        TEST(test_check_asks_the_backend_for_algorithm_and_parameters),
        TEST(test_lengths_that_do_not_fit_are_refused_without_a_request),
        TEST(test_output_size_of_each_type),
        TEST(test_input_max_of_rsa_encryption),
        TEST(test_sign_pins_its_version),
        TEST(test_signature_of_another_size_is_a_protocol_error),
        TEST(test_errors_name_key_slot_and_endpoint),
        TEST(test_digestinfo_is_taken_apart_where_the_service_signs_digests_only),
        TEST(test_block_that_is_no_digestinfo_is_refused_where_digests_only_are_signed),
        TEST(test_digestinfo_of_a_hash_that_the_service_lacks_is_unsupported),
        TEST(test_mac_is_compared_with_the_services),
        TEST(test_signature_of_a_wrong_length_is_refused_here),
        TEST(test_symmetric_encryption_goes_to_the_service_and_back),
        TEST(test_decryption_falls_back_to_other_versions_newest_first),
        TEST(test_decryption_tries_at_most_decrypt_versions_and_ends_with_one_error),
        TEST(test_decryption_obeys_the_option_for_versions),
        TEST(test_decryption_of_sealed_bytes_that_name_their_version_does_not_fall_back),
        TEST(test_decryption_that_fails_otherwise_does_not_fall_back),
        TEST(test_decryption_shares_one_deadline_among_the_versions),
        TEST(test_caller_that_is_in_a_hurry_has_a_deadline_of_its_own),
        TEST(test_rsa_ciphertext_of_a_wrong_length_is_refused_here),
        TEST(test_key_outlives_the_cache_it_came_from),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
