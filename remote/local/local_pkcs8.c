/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys in parts to PKCS#8, and back. */
#include <string.h>

#include <openssl/obj_mac.h>

#include "der.h"
#include "local_private.h"

#define SCALAR_MAX 66 /* of P-521 */
#define RSA_MAX 2048  /* bytes of a modulus */
#define SEED 32       /* RFC 8032 5.1.5 */

static const unsigned char rsa_oid[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01 };
static const unsigned char ec_oid[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 };
static const unsigned char ed25519_oid[] = { 0x2b, 0x65, 0x70 };

/* CKA_EC_PARAMS in full: PKCS#11 3.0 current mechanisms 2.3.3, RFC 5480, RFC 8410 */
#define P256 "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
#define P224 "\x06\x05\x2b\x81\x04\x00\x21"
#define P256K "\x06\x05\x2b\x81\x04\x00\x0a"
#define P384 "\x06\x05\x2b\x81\x04\x00\x22"
#define P521 "\x06\x05\x2b\x81\x04\x00\x23"
#define ED25519 "\x06\x03\x2b\x65\x70"
#define EDWARDS                                                                                    \
    "\x13\x0c"                                                                                     \
    "edwards25519"

static const struct curve {
    const char *params;
    size_t len;
    enum remote_key_type type;
    int nid;
    unsigned bits;
} curves[] = {
    { P224, sizeof(P224) - 1, REMOTE_KEY_EC, NID_secp224r1, 224 },
    { P256, sizeof(P256) - 1, REMOTE_KEY_EC, NID_X9_62_prime256v1, 256 },
    { P384, sizeof(P384) - 1, REMOTE_KEY_EC, NID_secp384r1, 384 },
    { P521, sizeof(P521) - 1, REMOTE_KEY_EC, NID_secp521r1, 521 },
    { P256K, sizeof(P256K) - 1, REMOTE_KEY_EC, NID_secp256k1, 256 },
    { ED25519, sizeof(ED25519) - 1, REMOTE_KEY_ED25519, 0, 256 },
    { EDWARDS, sizeof(EDWARDS) - 1, REMOTE_KEY_ED25519, 0, 256 },
};

bool remote_local_ec_params(struct remote_slice ec_params, enum remote_key_type *ret_type,
                            int *ret_curve, unsigned *ret_bits)
{
    for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
        if (!remote_slice_equal(ec_params, remote_slice(curves[i].params, curves[i].len)))
            continue;
        *ret_type = curves[i].type;
        *ret_curve = curves[i].nid;
        *ret_bits = curves[i].bits;
        return true;
    }
    return false;
}

static const struct curve *curve_of(int nid)
{
    for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
        if (curves[i].type == REMOTE_KEY_EC && curves[i].nid == nid)
            return &curves[i];
    return NULL;
}

static void append_zero(struct remote_buf *buf) /* version, v1 of all of them */
{
    remote_der_append_unsigned(buf, remote_slice(NULL, 0));
}

static unsigned bits_of(struct remote_slice modulus)
{
    unsigned bits = (unsigned)modulus.len * 8;

    for (unsigned top = modulus.data[0]; top < 0x80; top <<= 1)
        bits--;
    return bits;
}

/* RFC 8017 A.1.2 */
static enum remote_rc rsa_key(const struct remote_private *parts, struct remote_buf *key,
                              unsigned *ret_bits, struct remote_error *err)
{
    const struct remote_slice numbers[] = { parts->modulus,          parts->exponent,
                                            parts->private_exponent, parts->prime1,
                                            parts->prime2,           parts->exponent1,
                                            parts->exponent2,        parts->coefficient };
    struct remote_slice modulus = remote_der_trim(parts->modulus);

    append_zero(key);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (remote_der_trim(numbers[i]).len == 0)
            return REMOTE_FAIL(err, REMOTE_E_DATA,
                               "an RSA private key needs all its numbers, the primes too");
        remote_der_append_unsigned(key, numbers[i]);
    }
    *ret_bits = bits_of(modulus);
    return REMOTE_OK;
}

/* RFC 5915 3: the scalar has the length of the field. */
static enum remote_rc ec_key(const struct remote_private *parts, struct remote_buf *key,
                             unsigned *ret_bits, struct remote_error *err)
{
    static const unsigned char one[] = { 1 };
    const struct curve *curve = curve_of(parts->curve);
    struct remote_slice scalar = remote_der_trim(parts->value);
    unsigned char padded[SCALAR_MAX] = { 0 };
    size_t size = curve != NULL ? (curve->bits + 7) / 8 : 0;

    if (curve == NULL || scalar.len == 0 || scalar.len > size)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "the value is no private key of this curve");
    memcpy(padded + size - scalar.len, scalar.data, scalar.len);
    remote_der_append_unsigned(key, remote_slice(one, sizeof(one)));
    remote_der_append(key, REMOTE_DER_OCTET_STRING, remote_slice(padded, size));
    explicit_bzero(padded, sizeof(padded));
    *ret_bits = curve->bits;
    return REMOTE_OK;
}

static enum remote_rc ed25519_key(const struct remote_private *parts, struct remote_buf *key,
                                  unsigned *ret_bits, struct remote_error *err)
{
    if (parts->value.len != SEED)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "an Ed25519 private key has %d bytes, not %zu", SEED,
                           parts->value.len);
    remote_der_append(key, REMOTE_DER_OCTET_STRING, parts->value);
    *ret_bits = SEED * 8;
    return REMOTE_OK;
}

void remote_local_append_algorithm(struct remote_buf *buf, enum remote_key_type type, int curve)
{
    CLEANUP(remote_buf_clear) struct remote_buf body = { 0 };
    const struct curve *named;

    switch (type) {
    case REMOTE_KEY_RSA:
        remote_der_append(&body, REMOTE_DER_OID, remote_slice(rsa_oid, sizeof(rsa_oid)));
        remote_der_append(&body, REMOTE_DER_NULL, remote_slice(NULL, 0));
        break;
    case REMOTE_KEY_EC:
        named = curve_of(curve);
        remote_der_append(&body, REMOTE_DER_OID, remote_slice(ec_oid, sizeof(ec_oid)));
        if (named != NULL)
            remote_buf_append(&body, named->params, named->len);
        break;
    default:
        remote_der_append(&body, REMOTE_DER_OID, remote_slice(ed25519_oid, sizeof(ed25519_oid)));
    }
    remote_der_append(buf, REMOTE_DER_SEQUENCE, remote_buf_slice(&body));
    buf->failed = buf->failed || body.failed;
}

static enum remote_rc inner_key(const struct remote_private *parts, struct remote_buf *key,
                                unsigned *ret_bits, struct remote_error *err)
{
    switch (parts->type) {
    case REMOTE_KEY_RSA:
        return rsa_key(parts, key, ret_bits, err);
    case REMOTE_KEY_EC:
        return ec_key(parts, key, ret_bits, err);
    case REMOTE_KEY_ED25519:
        return ed25519_key(parts, key, ret_bits, err);
    default:
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "a key of type %s is no key pair",
                           remote_key_type_name(parts->type));
    }
}

enum remote_rc remote_local_pkcs8(const struct remote_private *parts, struct remote_buf *ret,
                                  unsigned *ret_bits, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf numbers = { 0 }, key = { 0 }, body = { 0 };
    unsigned bits = 0;

    REMOTE_TRY(inner_key(parts, &numbers, &bits, err));
    if (parts->type == REMOTE_KEY_ED25519)
        remote_buf_append(&key, numbers.data, numbers.len); /* RFC 8410 7: no SEQUENCE */
    else
        remote_der_append(&key, REMOTE_DER_SEQUENCE, remote_buf_slice(&numbers));
    append_zero(&body);
    remote_local_append_algorithm(&body, parts->type, parts->curve);
    remote_der_append(&body, REMOTE_DER_OCTET_STRING, remote_buf_slice(&key));
    body.failed = body.failed || numbers.failed || key.failed;
    REMOTE_TRY(remote_buf_check(&body, err));
    remote_buf_clear(ret);
    remote_der_append(ret, REMOTE_DER_SEQUENCE, remote_buf_slice(&body));
    REMOTE_TRY(remote_buf_check(ret, err));
    *ret_bits = bits;
    return REMOTE_OK;
}

/* ---- and back ---- */

static bool split_rsa(struct remote_slice key, struct remote_private *ret)
{
    struct remote_slice numbers, version;
    struct remote_slice *const into[] = { &ret->modulus,   &ret->exponent,   &ret->private_exponent,
                                          &ret->prime1,    &ret->prime2,     &ret->exponent1,
                                          &ret->exponent2, &ret->coefficient };

    if (!remote_der_take(&key, REMOTE_DER_SEQUENCE, &numbers) ||
        !remote_der_take_unsigned(&numbers, &version))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(into); i++)
        if (!remote_der_take_unsigned(&numbers, into[i]))
            return false;
    return ret->modulus.len > 0 && ret->modulus.len <= RSA_MAX;
}

static bool split_ec(struct remote_slice key, struct remote_private *ret)
{
    struct remote_slice body, version;

    return remote_der_take(&key, REMOTE_DER_SEQUENCE, &body) &&
           remote_der_take_unsigned(&body, &version) &&
           remote_der_take(&body, REMOTE_DER_OCTET_STRING, &ret->value);
}

static bool is_oid(struct remote_slice oid, const unsigned char *known, size_t len)
{
    return remote_slice_equal(oid, remote_slice(known, len));
}

struct pkcs8 {
    struct remote_slice oid, params; /* of the algorithm */
    struct remote_slice key;
};

static bool open_pkcs8(struct remote_slice der, struct pkcs8 *ret)
{
    struct remote_slice body, version;

    return remote_der_take(&der, REMOTE_DER_SEQUENCE, &body) && der.len == 0 &&
           remote_der_take_unsigned(&body, &version) &&
           remote_der_take(&body, REMOTE_DER_SEQUENCE, &ret->params) &&
           remote_der_take(&ret->params, REMOTE_DER_OID, &ret->oid) &&
           remote_der_take(&body, REMOTE_DER_OCTET_STRING, &ret->key);
}

static bool read_pkcs8(const struct pkcs8 *pkcs8, struct remote_private *ret, unsigned *ret_bits)
{
    struct remote_slice key = pkcs8->key;

    if (is_oid(pkcs8->oid, rsa_oid, sizeof(rsa_oid))) {
        if (!split_rsa(key, ret))
            return false;
        *ret_bits = bits_of(ret->modulus);
        return true;
    }
    if (is_oid(pkcs8->oid, ec_oid, sizeof(ec_oid)))
        return remote_local_ec_params(pkcs8->params, &ret->type, &ret->curve, ret_bits) &&
               ret->type == REMOTE_KEY_EC && split_ec(key, ret);
    ret->type = REMOTE_KEY_ED25519;
    *ret_bits = SEED * 8;
    return is_oid(pkcs8->oid, ed25519_oid, sizeof(ed25519_oid)) &&
           remote_der_take(&key, REMOTE_DER_OCTET_STRING, &ret->value) && ret->value.len == SEED;
}

bool remote_local_pkcs8_parts(struct remote_slice der, struct remote_private *ret,
                              unsigned *ret_bits)
{
    struct remote_private parts = { .type = REMOTE_KEY_RSA };
    struct pkcs8 pkcs8;

    if (!open_pkcs8(der, &pkcs8) || !read_pkcs8(&pkcs8, &parts, ret_bits))
        return false;
    *ret = parts;
    return true;
}

bool remote_local_pkcs8_spec(struct remote_slice der, struct remote_key_spec *ret)
{
    struct remote_private parts;
    unsigned bits = 0;

    if (!remote_local_pkcs8_parts(der, &parts, &bits))
        return false;
    *ret = (struct remote_key_spec){ .type = parts.type, .bits = bits, .curve = parts.curve };
    return true;
}
