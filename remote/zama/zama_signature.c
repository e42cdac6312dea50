/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of the parties. ECDSA is put together from libcrypto's curve arithmetic (SEC 1 4.1.4)
 * for two reasons: EVP_PKEY_verify() does not tell the point whose parity makes Ethereum's v, and
 * it inverts s in constant time, which costs a quarter more and protects nothing here: all of this
 * is public.
 */
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#include <string.h>

#include "remote/local/libctx.h"
#include "zama_private.h"

#define COORDINATE_LEN 32

/* ---- keys ---- */

bool zama_key_init(struct zama_key *key, const uint8_t point[ZAMA_POINT_LEN])
{
    memset(key, 0, sizeof(*key));
    key->scratch = BN_CTX_new_ex(remote_libctx());
    key->group = EC_GROUP_new_by_curve_name_ex(remote_libctx(), NULL, NID_secp256k1);
    if (key->group != NULL)
        key->point = EC_POINT_new(key->group);
    return key->scratch != NULL && key->point != NULL && (point[0] == 2 || point[0] == 3) &&
           EC_POINT_oct2point(key->group, key->point, point, ZAMA_POINT_LEN, key->scratch) == 1;
}

void zama_key_clear(struct zama_key *key)
{
    EC_POINT_free(key->point);
    EC_GROUP_free(key->group);
    BN_CTX_free(key->scratch);
    memset(key, 0, sizeof(*key));
}

/* The end of the hash of both coordinates (Ethereum yellow paper, appendix F). */
bool zama_key_address(const struct zama_key *key, uint8_t ret[ZAMA_ADDRESS_LEN])
{
    uint8_t plain[1 + 2 * COORDINATE_LEN], hash[ZAMA_HASH_LEN]; /* 04 || x || y */
    struct remote_slice coordinates = remote_slice(plain + 1, sizeof(plain) - 1);

    if (EC_POINT_point2oct(key->group, key->point, POINT_CONVERSION_UNCOMPRESSED, plain,
                           sizeof(plain), key->scratch) != sizeof(plain))
        return false;
    zama_keccak256(&coordinates, 1, hash);
    memcpy(ret, hash + sizeof(hash) - ZAMA_ADDRESS_LEN, ZAMA_ADDRESS_LEN);
    return true;
}

bool zama_address_of(const uint8_t point[ZAMA_POINT_LEN], uint8_t ret[ZAMA_ADDRESS_LEN])
{
    CLEANUP(zama_key_clear) struct zama_key key;

    return zama_key_init(&key, point) && zama_key_address(&key, ret);
}

/* ---- ECDSA ---- */

/* 1 <= r < n, and s no more than half of n. */
static enum zama_verdict check_range(const BIGNUM *r, const BIGNUM *s, const BIGNUM *order,
                                     BIGNUM *half)
{
    if (BN_is_zero(r) || BN_is_zero(s) || BN_cmp(r, order) >= 0 || BN_cmp(s, order) >= 0 ||
        BN_rshift1(half, order) != 1)
        return ZAMA_WRONG;
    return BN_cmp(s, half) > 0 ? ZAMA_HIGH_S : ZAMA_RIGHT;
}

/* R = hash/s G + r/s Q; its coordinates. False: there is no such point. */
static bool recover(const struct zama_key *key, const BIGNUM *hash, const BIGNUM *r,
                    const BIGNUM *s, BIGNUM *ret_x, BIGNUM *ret_y)
{
    const BIGNUM *order = EC_GROUP_get0_order(key->group);
    BIGNUM *inverse = BN_CTX_get(key->scratch), *u1 = BN_CTX_get(key->scratch);
    BIGNUM *u2 = BN_CTX_get(key->scratch);
    EC_POINT *point = EC_POINT_new(key->group);
    bool good = u2 != NULL && point != NULL &&
                BN_mod_inverse(inverse, s, order, key->scratch) != NULL &&
                BN_mod_mul(u1, hash, inverse, order, key->scratch) == 1 &&
                BN_mod_mul(u2, r, inverse, order, key->scratch) == 1 &&
                EC_POINT_mul(key->group, point, u1, key->point, u2, key->scratch) == 1 &&
                EC_POINT_get_affine_coordinates(key->group, point, ret_x, ret_y, key->scratch) == 1;

    EC_POINT_free(point);
    return good;
}

/* The caller frees what is taken of key->scratch. */
static enum zama_verdict verify(const struct zama_key *key, const uint8_t hash[ZAMA_HASH_LEN],
                                const uint8_t signature[ZAMA_ECDSA_LEN], uint8_t *ret_v)
{
    const BIGNUM *order = EC_GROUP_get0_order(key->group);
    BIGNUM *r = BN_CTX_get(key->scratch), *s = BN_CTX_get(key->scratch);
    BIGNUM *number = BN_CTX_get(key->scratch), *x = BN_CTX_get(key->scratch);
    BIGNUM *y = BN_CTX_get(key->scratch);
    enum zama_verdict verdict;

    if (y == NULL || BN_bin2bn(signature, ZAMA_ECDSA_LEN / 2, r) == NULL ||
        BN_bin2bn(signature + ZAMA_ECDSA_LEN / 2, ZAMA_ECDSA_LEN / 2, s) == NULL)
        return ZAMA_WRONG;
    verdict = check_range(r, s, order, number);
    if (verdict != ZAMA_RIGHT)
        return verdict;
    if (BN_bin2bn(hash, ZAMA_HASH_LEN, number) == NULL || !recover(key, number, r, s, x, y) ||
        BN_nnmod(number, x, order, key->scratch) != 1 || BN_cmp(number, r) != 0)
        return ZAMA_WRONG;
    *ret_v = BN_is_odd(y) ? 28 : 27;
    return ZAMA_RIGHT;
}

enum zama_verdict zama_ecdsa_verify(const struct zama_key *key, const uint8_t hash[ZAMA_HASH_LEN],
                                    const uint8_t signature[ZAMA_ECDSA_LEN], uint8_t *ret_v)
{
    enum zama_verdict verdict;

    BN_CTX_start(key->scratch);
    verdict = verify(key, hash, signature, ret_v);
    BN_CTX_end(key->scratch);
    return verdict;
}

/* ---- Ed25519 (RFC 8032) ---- */

bool zama_ed25519_verify(const uint8_t key[ZAMA_ED25519_LEN], struct remote_slice message,
                         const uint8_t signature[ZAMA_ED25519_SIGNATURE_LEN])
{
    EVP_PKEY *pkey =
        EVP_PKEY_new_raw_public_key_ex(remote_libctx(), "ED25519", NULL, key, ZAMA_ED25519_LEN);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = pkey != NULL && ctx != NULL &&
                EVP_DigestVerifyInit_ex(ctx, NULL, NULL, remote_libctx(), NULL, pkey, NULL) == 1 &&
                EVP_DigestVerify(ctx, signature, ZAMA_ED25519_SIGNATURE_LEN, message.data,
                                 message.len) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return good;
}
