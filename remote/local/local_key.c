/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public keys: from what a service published to a struct remote_key, to an EVP_PKEY, and to the
 * parts that a front end shows.
 *
 * SubjectPublicKeyInfo (RFC 5280 4.1.2.7) is taken apart here, not by libcrypto: its decoders
 * cost a listing of 10,000 keys seconds, and d2i_PUBKEY() first asks the host's engines.
 */
#include "local_private.h"

#include <stdio.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "der.h"
#include "libctx.h"

#define RSA_BITS_MIN 2048u
#define RSA_BITS_MAX 8192u
#define RSA_EXPONENT_BYTES_MAX 8 /* what libcrypto takes with a large modulus */
#define ED25519_BYTES 32
#define SPKI_MAX 4096 /* bytes; RSA with 8192 bits needs 1,100 */

static bool is_bytes(struct remote_slice slice, const char *bytes, size_t len)
{
    return remote_slice_equal(slice, remote_slice(bytes, len));
}

bool remote_local_split_spki(struct remote_slice der, struct remote_spki_parts *ret)
{
    struct remote_slice spki, alg;

    if (!remote_der_take(&der, REMOTE_DER_SEQUENCE, &spki) || der.len != 0 ||
        !remote_der_take(&spki, REMOTE_DER_SEQUENCE, &alg) ||
        !remote_der_take(&alg, REMOTE_DER_OID, &ret->oid) ||
        !remote_der_take_bits(&spki, &ret->bits) || spki.len != 0)
        return false;
    ret->params = alg;
    return true;
}

/* ---- one row for each kind of key ---- */

struct rsa_numbers { /* big-endian without leading zeros */
    struct remote_slice modulus, exponent;
};

/* RFC 8017 A.1.1 */
static bool split_rsa(struct remote_slice bits, struct rsa_numbers *ret)
{
    struct remote_slice numbers;

    return remote_der_take(&bits, REMOTE_DER_SEQUENCE, &numbers) && bits.len == 0 &&
           remote_der_take_unsigned(&numbers, &ret->modulus) &&
           remote_der_take_unsigned(&numbers, &ret->exponent) && numbers.len == 0 &&
           ret->modulus.len > 0 && ret->exponent.len > 0;
}

static bool is_odd(struct remote_slice number)
{
    return (number.data[number.len - 1] & 1) != 0;
}

static unsigned bit_length(struct remote_slice number)
{
    unsigned bits = (unsigned)number.len * 8;

    for (unsigned mask = 0x80; mask > number.data[0]; mask >>= 1)
        bits--;
    return bits;
}

static enum remote_rc read_rsa(const struct remote_spki_parts *parts, struct remote_key *ret,
                               struct remote_error *err)
{
    struct remote_slice rest = parts->params, null = { 0 };
    struct rsa_numbers rsa;

    if (rest.len != 0 &&
        (!remote_der_take(&rest, REMOTE_DER_NULL, &null) || null.len != 0 || rest.len != 0))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "an RSA public key with parameters");
    if (!split_rsa(parts->bits, &rsa))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "an RSA public key that is not well formed");
    ret->bits = bit_length(rsa.modulus);
    if (ret->bits < RSA_BITS_MIN || ret->bits > RSA_BITS_MAX)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "an RSA key of %u bits; %u to %u bits are served", ret->bits,
                           RSA_BITS_MIN, RSA_BITS_MAX);
    if (!is_odd(rsa.modulus) || !is_odd(rsa.exponent) || bit_length(rsa.exponent) < 2 ||
        rsa.exponent.len > RSA_EXPONENT_BYTES_MAX)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "an RSA key with an impossible modulus or "
                           "exponent");
    return REMOTE_OK;
}

struct curve {
    int nid;
    const char *oid; /* a whole DER OBJECT IDENTIFIER, which is CKA_EC_PARAMS */
    size_t oid_len;
    unsigned bits;
};

/* RFC 5480 2.1.1.1, RFC 8998 3.2.1 */
#define SM2_PARAMS "\x06\x08\x2a\x81\x1c\xcf\x55\x01\x82\x2d"
/* clang-format off */
static const struct curve curves[] = {
    { NID_secp224r1,        "\x06\x05\x2b\x81\x04\x00\x21",              7, 224 },
    { NID_X9_62_prime256v1, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10, 256 },
    { NID_secp384r1,        "\x06\x05\x2b\x81\x04\x00\x22",              7, 384 },
    { NID_secp521r1,        "\x06\x05\x2b\x81\x04\x00\x23",              7, 521 },
    { NID_secp256k1,        "\x06\x05\x2b\x81\x04\x00\x0a",              7, 256 },
    { NID_sm2,              SM2_PARAMS,                                 10, 256 },
};
/* clang-format on */

static const struct curve *find_curve(struct remote_slice params)
{
    for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
        if (is_bytes(params, curves[i].oid, curves[i].oid_len))
            return &curves[i];
    }
    return NULL;
}

static enum remote_rc read_ec(const struct remote_spki_parts *parts, struct remote_key *ret,
                              struct remote_error *err)
{
    const struct curve *curve = find_curve(parts->params);

    if (curve == NULL)
        return REMOTE_FAIL(
            err, REMOTE_E_PROTOCOL,
            "an EC key on a curve that is not P-224, P-256, P-384, P-521 or secp256k1 "
            "by name");
    /* SEC 1 2.3.3: 04, x, y. That it is on the curve is checked with the EVP_PKEY. */
    if (parts->bits.len != 1 + 2 * ((curve->bits + 7) / 8) || parts->bits.data[0] != 4)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "an EC key whose point is not an uncompressed one of its curve");
    ret->bits = curve->bits;
    ret->curve = curve->nid;
    return REMOTE_OK;
}

/* RFC 8410 sections 3 and 4 */
static enum remote_rc read_ed25519(const struct remote_spki_parts *parts, struct remote_key *ret,
                                   struct remote_error *err)
{
    if (parts->params.len != 0 || parts->bits.len != ED25519_BYTES)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "an Ed25519 key has %d bytes, not %zu",
                           ED25519_BYTES, parts->bits.len);
    ret->bits = 256;
    return REMOTE_OK;
}

static OSSL_PARAM *rsa_params(const struct remote_spki_parts *parts)
{
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    struct rsa_numbers rsa;
    OSSL_PARAM *params = NULL;
    BIGNUM *n = NULL, *e = NULL;

    if (bld != NULL && split_rsa(parts->bits, &rsa)) {
        n = BN_bin2bn(rsa.modulus.data, (int)rsa.modulus.len, NULL);
        e = BN_bin2bn(rsa.exponent.data, (int)rsa.exponent.len, NULL);
    }
    if (n != NULL && e != NULL && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1)
        params = OSSL_PARAM_BLD_to_param(bld); /* copies */
    BN_free(n);
    BN_free(e);
    OSSL_PARAM_BLD_free(bld);
    return params;
}

static OSSL_PARAM *point_params(const struct remote_spki_parts *parts)
{
    const struct curve *curve = find_curve(parts->params); /* NULL: Ed25519 */
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;

    if (bld != NULL &&
        (curve == NULL || OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
                                                          OBJ_nid2sn(curve->nid), 0) == 1) &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, parts->bits.data,
                                         parts->bits.len) == 1)
        params = OSSL_PARAM_BLD_to_param(bld);
    OSSL_PARAM_BLD_free(bld);
    return params;
}

struct kind {
    enum remote_key_type type;
    /*
     * For EVP_PKEY_CTX_new_from_name(): with a name that it has known since before there were
     * providers it asks the engines of the process first, whatever the library context, and one
     * that is a default (libp11's) takes the key over. It knows no engine's number for an OID.
     */
    const char *name;
    const char *oid; /* content */
    size_t oid_len;
    enum remote_rc (*read)(const struct remote_spki_parts *parts, struct remote_key *ret,
                           struct remote_error *err);
    OSSL_PARAM *(*params)(const struct remote_spki_parts *parts); /* for EVP_PKEY_fromdata() */
};

/* clang-format off */
#define ED25519_OID "\x2b\x65\x70"
#define EC_OID "\x2a\x86\x48\xce\x3d\x02\x01"
static const struct kind kinds[] = {
    { REMOTE_KEY_RSA,     "1.2.840.113549.1.1.1", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9, read_rsa,     rsa_params },
    { REMOTE_KEY_EC,      "1.2.840.10045.2.1",    EC_OID,                                 7, read_ec,      point_params },
    { REMOTE_KEY_SM2,     "1.2.156.10197.1.301",  EC_OID,                                 7, read_ec,      point_params },
    { REMOTE_KEY_ED25519, "1.3.101.112",          ED25519_OID,                            3, read_ed25519, point_params },
};
/* clang-format on */

/* SM2 keys are called EC keys, and told apart by their curve. */
static const struct kind *find_kind(const struct remote_spki_parts *parts)
{
    bool sm2 = is_bytes(parts->params, SM2_PARAMS, sizeof(SM2_PARAMS) - 1);

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (is_bytes(parts->oid, kinds[i].oid, kinds[i].oid_len) &&
            sm2 == (kinds[i].type == REMOTE_KEY_SM2))
            return &kinds[i];
    }
    return NULL;
}

/* ---- into the key ---- */

enum remote_rc remote_local_bits_id(struct remote_slice bits, unsigned char ret_id[20],
                                    struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf hash = { 0 };

    REMOTE_TRY(remote_local_hash(REMOTE_HASH_SHA1, bits, &hash, err));
    memcpy(ret_id, hash.data, 20);
    return REMOTE_OK;
}

enum remote_rc remote_local_set_spki(struct remote_key *key, struct remote_slice der,
                                     struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf spki = { 0 };
    struct remote_key read = { .curve = NID_undef };
    struct remote_spki_parts parts;
    const struct kind *kind;

    if (der.len > SPKI_MAX || !remote_local_split_spki(der, &parts))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "not a DER SubjectPublicKeyInfo");
    kind = find_kind(&parts);
    if (kind == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "a public key that is neither RSA nor EC nor Ed25519");
    REMOTE_TRY(kind->read(&parts, &read, err));
    REMOTE_TRY(remote_local_bits_id(parts.bits, read.id, err));
    remote_buf_append(&spki, der.data, der.len);
    REMOTE_TRY(remote_local_give(&spki, &key->spki, err));
    key->type = kind->type;
    key->bits = read.bits;
    key->curve = read.curve;
    memcpy(key->id, read.id, 20);
    key->id_len = 20;
    return REMOTE_OK;
}

/* RFC 8017 A.1.1 on its own, which some services publish. */
static enum remote_rc set_pkcs1(struct remote_key *key, struct remote_slice der,
                                struct remote_error *err)
{
    static const char algorithm[] = /* SEQUENCE { rsaEncryption, NULL } */
        "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    CLEANUP(remote_buf_clear) struct remote_buf bits = { 0 }, body = { 0 }, spki = { 0 };

    remote_buf_append_char(&bits, '\0'); /* no unused bits */
    remote_buf_append(&bits, der.data, der.len);
    remote_buf_append(&body, algorithm, sizeof(algorithm) - 1);
    remote_der_append(&body, REMOTE_DER_BIT_STRING, remote_buf_slice(&bits));
    remote_der_append(&spki, REMOTE_DER_SEQUENCE, remote_buf_slice(&body));
    spki.failed = spki.failed || body.failed || bits.failed;
    REMOTE_TRY(remote_buf_check(&spki, err));
    return remote_local_set_spki(key, remote_buf_slice(&spki), err);
}

/* PEM_read_bio() decrypts nothing, so it never asks for a passphrase. */
enum remote_rc remote_local_set_pem(struct remote_key *key, struct remote_slice pem,
                                    struct remote_error *err)
{
    CLEANUP(remote_local_free_bio) BIO *bio = NULL;
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    enum remote_rc rc;
    long len = 0;

    if (pem.len > 2 * SPKI_MAX)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "a public key of %zu bytes is too long",
                           pem.len);
    bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    if (bio == NULL)
        return remote_crypto_fail(err, "cannot read a public key");
    if (PEM_read_bio(bio, &name, &header, &der, &len) != 1) {
        ERR_clear_error();
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "not a PEM public key");
    }
    if (strcmp(name, PEM_STRING_PUBLIC) == 0)
        rc = remote_local_set_spki(key, remote_slice(der, (size_t)len), err);
    else if (strcmp(name, PEM_STRING_RSA_PUBLIC) == 0)
        rc = set_pkcs1(key, remote_slice(der, (size_t)len), err);
    else
        rc = REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "a PEM block '%s' where 'PUBLIC KEY' should be",
                         name);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    return rc;
}

enum remote_rc remote_local_set_ed25519(struct remote_key *key, struct remote_slice raw32,
                                        struct remote_error *err)
{
    static const char head[] = "\x30\x2a\x30\x05\x06\x03" ED25519_OID "\x03\x21\x00";
    unsigned char der[sizeof(head) - 1 + ED25519_BYTES];

    if (raw32.len != ED25519_BYTES)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "an Ed25519 key has %d bytes, not %zu",
                           ED25519_BYTES, raw32.len);
    memcpy(der, head, sizeof(head) - 1);
    memcpy(der + sizeof(head) - 1, raw32.data, ED25519_BYTES);
    return remote_local_set_spki(key, remote_slice(der, sizeof(der)), err);
}

enum remote_rc remote_local_set_secret_id(struct remote_key *key, const char *slot,
                                          struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf hash = { 0 };

    remote_buf_append(&text, slot, strlen(slot) + 1);
    remote_buf_append(&text, key->name, strlen(key->name) + 1);
    if (key->version_id != NULL)
        remote_buf_append_str(&text, key->version_id);
    else
        remote_buf_printf(&text, "%u", key->version);
    REMOTE_TRY(remote_buf_check(&text, err));
    REMOTE_TRY(remote_local_hash(REMOTE_HASH_SHA256, remote_buf_slice(&text), &hash, err));
    memcpy(key->id, hash.data, 20);
    key->id_len = 20;
    return REMOTE_OK;
}

/* ---- out of the key ---- */

/* False only for symmetric keys: set_spki() lets nothing else in. */
static bool split_key(const struct remote_key *key, struct remote_spki_parts *parts,
                      const struct kind **ret_kind)
{
    if (!remote_local_split_spki(remote_buf_slice(&key->spki), parts))
        return false;
    *ret_kind = find_kind(parts);
    return *ret_kind != NULL;
}

static EVP_PKEY *make_pkey(const struct kind *kind, const struct remote_spki_parts *parts)
{
    CLEANUP(remote_local_free_ctx)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(remote_libctx(), kind->name, NULL);
    OSSL_PARAM *params = kind->params(parts);
    EVP_PKEY *pkey = NULL;

    if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    OSSL_PARAM_free(params);
    return pkey;
}

EVP_PKEY *remote_local_pkey(struct remote_key *key, struct remote_error *err)
{
    struct remote_spki_parts parts;
    const struct kind *kind;
    void *pkey = atomic_load(&key->pkey), *none = NULL;

    if (pkey != NULL)
        return pkey;
    if (!split_key(key, &parts, &kind)) {
        REMOTE_FAIL(err, REMOTE_E_CRYPTO, "the key has no public half");
        return NULL;
    }
    pkey = make_pkey(kind, &parts);
    if (pkey == NULL)
        remote_crypto_fail(err, "libcrypto does not take the public key");
    if (pkey == NULL || atomic_compare_exchange_strong(&key->pkey, &none, pkey))
        return pkey;
    EVP_PKEY_free(pkey); /* another thread was first */
    return none;
}

static void fill_public(const struct kind *kind, const struct remote_spki_parts *parts,
                        struct remote_public *public)
{
    struct rsa_numbers rsa;

    if (kind->type == REMOTE_KEY_RSA && split_rsa(parts->bits, &rsa)) {
        remote_buf_append(&public->modulus, rsa.modulus.data, rsa.modulus.len);
        remote_buf_append(&public->exponent, rsa.exponent.data, rsa.exponent.len);
        return;
    }
    if (kind->type == REMOTE_KEY_ED25519)
        remote_der_append(&public->ec_params, REMOTE_DER_OID, parts->oid);
    else
        remote_buf_append(&public->ec_params, parts->params.data, parts->params.len);
    remote_der_append(&public->ec_point, REMOTE_DER_OCTET_STRING, parts->bits);
}

enum remote_rc remote_local_public(struct remote_key *key, struct remote_public *ret,
                                   struct remote_error *err)
{
    struct remote_public public = { 0 };
    struct remote_spki_parts parts;
    const struct kind *kind;

    if (!split_key(key, &parts, &kind))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "the key has no public half");
    fill_public(kind, &parts, &public);
    if (public.modulus.failed || public.exponent.failed || public.ec_params.failed ||
        public.ec_point.failed) {
        remote_public_clear(&public);
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    *ret = public;
    return REMOTE_OK;
}

void remote_public_clear(struct remote_public *public)
{
    if (public == NULL)
        return;
    remote_buf_clear(&public->modulus);
    remote_buf_clear(&public->exponent);
    remote_buf_clear(&public->ec_params);
    remote_buf_clear(&public->ec_point);
}

enum remote_rc remote_local_public_pem(struct remote_key *key, struct remote_buf *ret,
                                       struct remote_error *err)
{
    CLEANUP(remote_local_free_bio) BIO *bio = BIO_new(BIO_s_mem());
    CLEANUP(remote_buf_clear) struct remote_buf pem = { 0 };
    const char *text;
    long len;

    if (key->spki.len == 0)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "the key has no public half");
    if (bio == NULL ||
        PEM_write_bio(bio, PEM_STRING_PUBLIC, "", key->spki.data, (long)key->spki.len) <= 0)
        return remote_crypto_fail(err, "cannot write a public key");
    len = BIO_get_mem_data(bio, &text);
    remote_buf_append(&pem, text, (size_t)len);
    return remote_local_give(&pem, ret, err);
}
