/* SPDX-License-Identifier: Apache-2.0 */
/* Our ECDSA on secp256k1 against libcrypto's, which signs here with keys at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#include "in_guard.h"
#include "local.h"
#include "zama_case.h"
#include "zama_private.h"

#define ROUNDS 50

struct signer {
    EVP_PKEY *pkey;
    struct zama_key key;
    uint8_t hash[ZAMA_HASH_LEN], signature[ZAMA_ECDSA_LEN];
};

static EVP_PKEY *make_key(uint8_t ret_point[ZAMA_POINT_LEN])
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(remote_libctx(), NULL, "EC", "secp256k1");
    uint8_t plain[65];
    size_t len;

    assert_non_null(pkey);
    assert_int_equal(EVP_PKEY_get_octet_string_param(pkey, "pub", plain, sizeof(plain), &len), 1);
    assert_int_equal(len, sizeof(plain));
    ret_point[0] = plain[64] & 1 ? 3 : 2;
    memcpy(ret_point + 1, plain + 1, 32);
    return pkey;
}

/* n - s for an s above half of n: libcrypto takes either. */
static void lower(uint8_t s[32])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_secp256k1);
    BIGNUM *number = BN_bin2bn(s, 32, NULL), *half = BN_new();

    assert_true(group != NULL && number != NULL && BN_rshift1(half, EC_GROUP_get0_order(group)));
    if (BN_cmp(number, half) > 0)
        assert_true(BN_sub(number, EC_GROUP_get0_order(group), number));
    assert_int_equal(BN_bn2binpad(number, s, 32), 32);
    BN_free(number);
    BN_free(half);
    EC_GROUP_free(group);
}

static void raise(uint8_t s[32])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_secp256k1);
    BIGNUM *number = BN_bin2bn(s, 32, NULL);

    assert_true(BN_sub(number, EC_GROUP_get0_order(group), number));
    assert_int_equal(BN_bn2binpad(number, s, 32), 32);
    BN_free(number);
    EC_GROUP_free(group);
}

static void sign(struct signer *signer)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(remote_libctx(), signer->pkey, NULL);
    struct remote_buf rs = { 0 };
    uint8_t der[80];
    size_t len = sizeof(der);

    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    assert_int_equal(EVP_PKEY_sign(ctx, der, &len, signer->hash, ZAMA_HASH_LEN), 1);
    assert_int_equal(remote_local_ecdsa_from_der(remote_slice(der, len), 32, &rs, NULL), REMOTE_OK);
    memcpy(signer->signature, rs.data, sizeof(signer->signature));
    lower(signer->signature + 32);
    remote_buf_clear(&rs);
    EVP_PKEY_CTX_free(ctx);
}

static void begin(struct signer *signer, uint8_t seed)
{
    uint8_t point[ZAMA_POINT_LEN];

    signer->pkey = make_key(point);
    assert_true(zama_key_init(&signer->key, point));
    memset(signer->hash, seed, sizeof(signer->hash));
    sign(signer);
}

static void end(struct signer *signer)
{
    zama_key_clear(&signer->key);
    EVP_PKEY_free(signer->pkey);
}

static void assert_verdict(const struct signer *signer, enum zama_verdict verdict)
{
    uint8_t v = 0;

    assert_int_equal(zama_ecdsa_verify(&signer->key, signer->hash, signer->signature, &v), verdict);
    assert_true(verdict == ZAMA_RIGHT ? v == 27 || v == 28 : v == 0);
}

static void test_what_libcrypto_signs_is_right_and_changed_wrong(void **state)
{
    struct signer signer;

    (void)state;
    for (uint8_t i = 0; i < ROUNDS; i++) {
        begin(&signer, (uint8_t)(5 * i));
        assert_verdict(&signer, ZAMA_RIGHT);
        signer.hash[i % 32] ^= 1;
        assert_verdict(&signer, ZAMA_WRONG);
        signer.hash[i % 32] ^= 1;
        signer.signature[i] ^= 4;
        assert_verdict(&signer, ZAMA_WRONG);
        end(&signer);
    }
}

static void test_the_other_s_is_told_apart(void **state)
{
    struct signer signer;

    (void)state;
    begin(&signer, 1);
    raise(signer.signature + 32);
    assert_verdict(&signer, ZAMA_HIGH_S);
    end(&signer);
}

static void test_numbers_out_of_range_are_wrong(void **state)
{
    static const char order[] = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    struct signer signer;
    uint8_t number[32];

    (void)state;
    begin(&signer, 1);
    for (size_t half = 0; half < 64; half += 32) {
        memcpy(number, signer.signature + half, sizeof(number));
        memset(signer.signature + half, 0, 32);
        assert_verdict(&signer, ZAMA_WRONG);
        zama_case_hex(order, signer.signature + half, 32);
        assert_verdict(&signer, ZAMA_WRONG);
        memset(signer.signature + half, 0xff, 32);
        assert_verdict(&signer, ZAMA_WRONG);
        memcpy(signer.signature + half, number, sizeof(number));
    }
    assert_verdict(&signer, ZAMA_RIGHT);
    end(&signer);
}

static void test_addresses_of_known_keys_are_known(void **state)
{
    const remote_json *deployment = zama_case_deployment("synthetic");
    struct zama_pin pin;
    struct zama_key key;
    uint8_t address[ZAMA_ADDRESS_LEN];

    (void)state;
    for (unsigned party = 1; party <= 4; party++) {
        zama_case_pin(deployment, party, &pin);
        assert_true(zama_key_init(&key, pin.point));
        assert_true(zama_key_address(&key, address));
        assert_memory_equal(address, pin.address, sizeof(address));
        assert_true(zama_address_of(pin.point, address));
        assert_memory_equal(address, pin.address, sizeof(address));
        zama_key_clear(&key);
    }
}

static void test_what_is_no_point_is_refused(void **state)
{
    static const uint8_t zero[ZAMA_POINT_LEN], five[ZAMA_POINT_LEN] = { 2, [32] = 5 };
    uint8_t big[ZAMA_POINT_LEN], address[ZAMA_ADDRESS_LEN];

    (void)state;
    memset(big, 0xff, sizeof(big));
    big[0] = 2;
    assert_false(zama_address_of(zero, address));
    assert_false(zama_address_of(five, address)); /* 5^3 + 7 is no square */
    assert_false(zama_address_of(big, address));
}

/* RFC 8032 7.1, test 2. */
static void test_ed25519_of_the_rfc_is_right(void **state)
{
    uint8_t key[ZAMA_ED25519_LEN], signature[ZAMA_ED25519_SIGNATURE_LEN];

    (void)state;
    zama_case_hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", key,
                  sizeof(key));
    zama_case_hex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                  "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
                  signature, sizeof(signature));
    assert_true(zama_ed25519_verify(key, remote_slice("\x72", 1), signature));
    assert_false(zama_ed25519_verify(key, remote_slice("\x73", 1), signature));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_libcrypto_signs_is_right_and_changed_wrong),
        cmocka_unit_test(test_the_other_s_is_told_apart),
        cmocka_unit_test(test_numbers_out_of_range_are_wrong),
        cmocka_unit_test(test_addresses_of_known_keys_are_known),
        cmocka_unit_test(test_what_is_no_point_is_refused),
        cmocka_unit_test(test_ed25519_of_the_rfc_is_right),
    };

    return cmocka_run_group_tests(tests, enter_guard, leave_guard);
}
