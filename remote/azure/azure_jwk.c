/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Web Keys (RFC 7517, RFC 7518 section 6): public halves that the service shows, and private
 * or secret keys on their way into it. */
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/x509.h>

#include "azure.h"
#include "remote/encode.h"
#include "remote/local/der.h"
#include "remote/local/libctx.h"
#include "remote/slot.h"

#define FIELD_MAX 66    /* bytes of a coordinate: P-521 */
#define NUMBER_MAX 1024 /* bytes of an RSA number */

#define OID(bytes)                                                                                 \
    {                                                                                              \
        (const unsigned char *)(bytes), sizeof(bytes) - 1                                          \
    }
/* clang-format off */
static const struct azure_curve curves[] = { /* RFC 7518 6.2.1.1, RFC 5480 2.1.1.1 */
    { "P-256", NID_X9_62_prime256v1, 256, OID("\x2a\x86\x48\xce\x3d\x03\x01\x07") },
    { "P-384", NID_secp384r1,        384, OID("\x2b\x81\x04\x00\x22") },
    { "P-521", NID_secp521r1,        521, OID("\x2b\x81\x04\x00\x23") },
};
/* clang-format on */
static const struct remote_slice rsa_oid = OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");
static const struct remote_slice ec_oid = OID("\x2a\x86\x48\xce\x3d\x02\x01");

static const struct {
    enum remote_key_type type;
    const char *soft, *hsm;
} kinds[] = {
    { REMOTE_KEY_RSA, "RSA", "RSA-HSM" },
    { REMOTE_KEY_EC, "EC", "EC-HSM" },
    { REMOTE_KEY_AES, "oct", "oct-HSM" },
};

const struct azure_curve *azure_curve_of(int nid)
{
    for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
        if (curves[i].nid == nid)
            return &curves[i];
    return NULL;
}

const char *azure_kty(enum remote_key_type type, bool hsm)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i].type == type)
            return hsm ? kinds[i].hsm : kinds[i].soft;
    return NULL;
}

/* ---- public ---- */

static const struct azure_curve *curve_by_name(const char *wire)
{
    for (size_t i = 0; wire != NULL && i < ARRAY_SIZE(curves); i++)
        if (strcmp(curves[i].wire, wire) == 0)
            return &curves[i];
    return NULL;
}

static bool take_number(const remote_json *jwk, const char *member, struct remote_buf *ret)
{
    struct remote_slice text = remote_json_slice(jwk, member);

    return text.len > 0 && text.len <= NUMBER_MAX * 2 && remote_base64url_decode(text, ret);
}

/* RFC 5280 4.1.2.7; algorithm: what stands in AlgorithmIdentifier. */
static enum remote_rc set_public(struct remote_key *ret, const struct remote_buf *algorithm,
                                 const struct remote_buf *bits, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf string = { 0 }, body = { 0 }, spki = { 0 };

    remote_buf_append_char(&string, '\0'); /* no unused bits */
    remote_buf_append(&string, bits->data, bits->len);
    remote_der_append(&body, REMOTE_DER_SEQUENCE, remote_buf_slice(algorithm));
    remote_der_append(&body, REMOTE_DER_BIT_STRING, remote_buf_slice(&string));
    remote_der_append(&spki, REMOTE_DER_SEQUENCE, remote_buf_slice(&body));
    spki.failed = spki.failed || body.failed || string.failed || algorithm->failed || bits->failed;
    REMOTE_TRY(remote_buf_check(&spki, err));
    return remote_local_set_spki(ret, remote_buf_slice(&spki), err);
}

static enum remote_rc set_rsa(const remote_json *jwk, struct remote_key *ret,
                              struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf n = { 0 }, e = { 0 }, algorithm = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf numbers = { 0 }, bits = { 0 };

    if (!take_number(jwk, "n", &n) || !take_number(jwk, "e", &e))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "an RSA key without a modulus or an exponent");
    remote_der_append(&algorithm, REMOTE_DER_OID, rsa_oid);
    remote_der_append(&algorithm, REMOTE_DER_NULL, remote_slice(NULL, 0));
    remote_der_append_unsigned(&numbers, remote_buf_slice(&n));
    remote_der_append_unsigned(&numbers, remote_buf_slice(&e));
    remote_der_append(&bits, REMOTE_DER_SEQUENCE, remote_buf_slice(&numbers));
    bits.failed = bits.failed || numbers.failed;
    return set_public(ret, &algorithm, &bits, err);
}

/* Of the field's length, whatever the service has made of leading zeros. */
static bool append_coordinate(const remote_json *jwk, const char *member, size_t len,
                              struct remote_buf *point)
{
    static const unsigned char zeros[FIELD_MAX];
    CLEANUP(remote_buf_clear) struct remote_buf number = { 0 };
    struct remote_slice trimmed;

    if (!take_number(jwk, member, &number))
        return false;
    trimmed = remote_der_trim(remote_buf_slice(&number));
    if (trimmed.len > len)
        return false;
    remote_buf_append(point, zeros, len - trimmed.len);
    remote_buf_append(point, trimmed.data, trimmed.len);
    return true;
}

static enum remote_rc set_ec(const remote_json *jwk, struct remote_key *ret,
                             struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf algorithm = { 0 }, point = { 0 };
    const char *name = remote_json_text(jwk, "crv");
    const struct azure_curve *curve = curve_by_name(name);
    size_t len = curve != NULL ? (curve->bits + 7) / 8 : 0;

    if (curve == NULL)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "an EC key on the curve '%.20s'",
                           name ? name : "");
    remote_der_append(&algorithm, REMOTE_DER_OID, ec_oid);
    remote_der_append(&algorithm, REMOTE_DER_OID, curve->oid);
    remote_buf_append_char(&point, 4); /* SEC 1 2.3.3: not compressed */
    if (!append_coordinate(jwk, "x", len, &point) || !append_coordinate(jwk, "y", len, &point))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "an EC key without a point of its curve");
    return set_public(ret, &algorithm, &point, err);
}

enum remote_rc azure_jwk_to_key(const remote_json *jwk, unsigned bits, struct remote_key *ret,
                                struct remote_error *err)
{
    const char *kty = remote_json_text(jwk, "kty");
    size_t i = 0;

    if (kty == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "a key without a type");
    while (i < ARRAY_SIZE(kinds) && strcmp(kinds[i].soft, kty) != 0 &&
           strcmp(kinds[i].hsm, kty) != 0)
        i++;
    if (i == ARRAY_SIZE(kinds))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "a key of type '%.20s'", kty);
    ret->hardware = strcmp(kinds[i].hsm, kty) == 0;
    if (kinds[i].type == REMOTE_KEY_RSA)
        return set_rsa(jwk, ret, err);
    if (kinds[i].type == REMOTE_KEY_EC)
        return set_ec(jwk, ret, err);
    ret->type = REMOTE_KEY_AES;
    ret->bits = bits;
    return remote_local_set_secret_id(ret, remote_slot_name(ret->slot), err);
}

/* ---- private ---- */

static void append_text(struct remote_buf *buf, const char *member, const char *value)
{
    remote_buf_printf(buf, ",\"%s\":\"%s\"", member, value);
}

static void append_number(struct remote_buf *buf, const char *member, struct remote_slice number)
{
    remote_buf_printf(buf, ",\"%s\":\"", member);
    remote_base64url_append(buf, number);
    remote_buf_append_char(buf, '"');
}

/* width 0: as long as the number is. */
static bool append_bn(struct remote_buf *buf, const char *member, const EVP_PKEY *pkey,
                      const char *param, int width)
{
    unsigned char bytes[NUMBER_MAX];
    BIGNUM *number = NULL;
    int len = -1;

    if (EVP_PKEY_get_bn_param(pkey, param, &number) == 1 && BN_num_bytes(number) <= NUMBER_MAX)
        len = BN_bn2binpad(number, bytes, width > 0 ? width : BN_num_bytes(number));
    if (len > 0)
        append_number(buf, member, remote_slice(bytes, (size_t)len));
    BN_clear_free(number);
    explicit_bzero(bytes, sizeof(bytes));
    return len > 0;
}

struct part {
    const char *member, *param;
};

static bool append_parts(struct remote_buf *buf, const EVP_PKEY *pkey, const struct part *parts,
                         size_t count, int width)
{
    for (size_t i = 0; i < count; i++)
        if (!append_bn(buf, parts[i].member, pkey, parts[i].param, width))
            return false;
    return true;
}

static bool append_rsa(struct remote_buf *buf, const EVP_PKEY *pkey)
{
    static const struct part parts[] = {
        /* RFC 7518 6.3 */
        { "n", OSSL_PKEY_PARAM_RSA_N },          { "e", OSSL_PKEY_PARAM_RSA_E },
        { "d", OSSL_PKEY_PARAM_RSA_D },          { "p", OSSL_PKEY_PARAM_RSA_FACTOR1 },
        { "q", OSSL_PKEY_PARAM_RSA_FACTOR2 },    { "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1 },
        { "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2 }, { "qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1 },
    };

    return append_parts(buf, pkey, parts, ARRAY_SIZE(parts), 0);
}

static bool append_ec(struct remote_buf *buf, const EVP_PKEY *pkey, int nid)
{
    static const struct part parts[] = {
        /* RFC 7518 6.2 */
        { "x", OSSL_PKEY_PARAM_EC_PUB_X },
        { "y", OSSL_PKEY_PARAM_EC_PUB_Y },
        { "d", OSSL_PKEY_PARAM_PRIV_KEY },
    };
    const struct azure_curve *curve = azure_curve_of(nid);

    if (curve == NULL)
        return false;
    append_text(buf, "crv", curve->wire);
    return append_parts(buf, pkey, parts, ARRAY_SIZE(parts), (int)(curve->bits + 7) / 8);
}

static enum remote_rc append_pair(struct remote_buf *buf, const struct remote_key_spec *spec,
                                  struct remote_slice pkcs8, struct remote_error *err)
{
    const unsigned char *at = pkcs8.data;
    EVP_PKEY *pkey = d2i_AutoPrivateKey_ex(NULL, &at, (long)pkcs8.len, remote_libctx(), NULL);
    bool done = pkey != NULL && (spec->type == REMOTE_KEY_RSA ? append_rsa(buf, pkey)
                                                              : append_ec(buf, pkey, spec->curve));

    EVP_PKEY_free(pkey);
    return done ? REMOTE_OK : remote_crypto_fail(err, "the private key cannot be taken apart");
}

enum remote_rc azure_jwk_append_private(struct remote_buf *buf, const struct remote_key_spec *spec,
                                        bool hsm, struct remote_slice material,
                                        struct remote_error *err)
{
    remote_buf_printf(buf, "\"kty\":\"%s\"", azure_kty(spec->type, hsm));
    if (spec->type != REMOTE_KEY_AES)
        return append_pair(buf, spec, material, err);
    append_number(buf, "k", material);
    return REMOTE_OK;
}
