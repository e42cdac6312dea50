/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys in parts to PKCS#8, for their way into a service; what only passes through here. */
#include <string.h>

#include <openssl/obj_mac.h>

#include "der.h"
#include "local.h"

#define SCALAR_MAX 66 /* of P-521 */
#define RSA_MAX 2048  /* bytes of a modulus */
#define SEED 32       /* RFC 8032 5.1.5 */

static const unsigned char rsa_oid[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01 };
static const unsigned char ec_oid[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 };
static const unsigned char ed25519_oid[] = { 0x2b, 0x65, 0x70 };

/* CKA_EC_PARAMS in full: PKCS#11 3.0 current mechanisms 2.3.3, RFC 5480, RFC 8410 */
#define P256 "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
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
    { P256, sizeof(P256) - 1, REMOTE_KEY_EC, NID_X9_62_prime256v1, 256 },
    { P384, sizeof(P384) - 1, REMOTE_KEY_EC, NID_secp384r1, 384 },
    { P521, sizeof(P521) - 1, REMOTE_KEY_EC, NID_secp521r1, 521 },
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

static void append_algorithm(const struct remote_private *parts, struct remote_buf *buf)
{
    CLEANUP(remote_buf_clear) struct remote_buf body = { 0 };
    const struct curve *curve;

    switch (parts->type) {
    case REMOTE_KEY_RSA:
        remote_der_append(&body, REMOTE_DER_OID, remote_slice(rsa_oid, sizeof(rsa_oid)));
        remote_der_append(&body, REMOTE_DER_NULL, remote_slice(NULL, 0));
        break;
    case REMOTE_KEY_EC:
        curve = curve_of(parts->curve);
        remote_der_append(&body, REMOTE_DER_OID, remote_slice(ec_oid, sizeof(ec_oid)));
        remote_buf_append(&body, curve->params, curve->len);
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
    append_algorithm(parts, &body);
    remote_der_append(&body, REMOTE_DER_OCTET_STRING, remote_buf_slice(&key));
    body.failed = body.failed || numbers.failed || key.failed;
    REMOTE_TRY(remote_buf_check(&body, err));
    remote_buf_clear(ret);
    remote_der_append(ret, REMOTE_DER_SEQUENCE, remote_buf_slice(&body));
    REMOTE_TRY(remote_buf_check(ret, err));
    *ret_bits = bits;
    return REMOTE_OK;
}

/* ---- and back, as far as needed to say what it is ---- */

static bool rsa_spec(struct remote_slice key, struct remote_key_spec *ret)
{
    struct remote_slice numbers, version, modulus;

    if (!remote_der_take(&key, REMOTE_DER_SEQUENCE, &numbers) ||
        !remote_der_take_unsigned(&numbers, &version) ||
        !remote_der_take_unsigned(&numbers, &modulus) || modulus.len == 0 || modulus.len > RSA_MAX)
        return false;
    *ret = (struct remote_key_spec){ .type = REMOTE_KEY_RSA, .bits = bits_of(modulus) };
    return true;
}

static bool is_oid(struct remote_slice oid, const unsigned char *known, size_t len)
{
    return remote_slice_equal(oid, remote_slice(known, len));
}

bool remote_local_pkcs8_spec(struct remote_slice der, struct remote_key_spec *ret)
{
    struct remote_slice body, version, algorithm, oid, key;
    struct remote_key_spec spec = { .type = REMOTE_KEY_ED25519, .bits = SEED * 8 };

    if (!remote_der_take(&der, REMOTE_DER_SEQUENCE, &body) || der.len != 0 ||
        !remote_der_take_unsigned(&body, &version) ||
        !remote_der_take(&body, REMOTE_DER_SEQUENCE, &algorithm) ||
        !remote_der_take(&algorithm, REMOTE_DER_OID, &oid) ||
        !remote_der_take(&body, REMOTE_DER_OCTET_STRING, &key))
        return false;
    if (is_oid(oid, rsa_oid, sizeof(rsa_oid)))
        return rsa_spec(key, ret);
    if (is_oid(oid, ec_oid, sizeof(ec_oid))) {
        if (!remote_local_ec_params(algorithm, &spec.type, &spec.curve, &spec.bits))
            return false;
    } else if (!is_oid(oid, ed25519_oid, sizeof(ed25519_oid))) {
        return false;
    }
    *ret = spec;
    return true;
}
