/* SPDX-License-Identifier: Apache-2.0 */
#include "attribute.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "hsmbridge.h"
#include "module.h"
#include "released.h"

#ifndef CKA_NAME_HASH_ALGORITHM /* PKCS#11 2.40; missing in NSS's header */
#define CKA_NAME_HASH_ALGORITHM 0x0000008CUL
#endif

struct row;
typedef CK_RV produce(const struct pkcs11_object *object, const struct row *row,
                      struct remote_buf *ret, struct remote_error *err);

struct row {
    CK_ATTRIBUTE_TYPE type;
    unsigned classes; /* bits, below */
    unsigned keys;    /* bits 1u << REMOTE_KEY_*; 0: any */
    produce *produce;
    unsigned long arg; /* what `produce` makes of it */
};

static unsigned class_bit(CK_OBJECT_CLASS class)
{
    return 1u << class;
}
#define PUBLIC (1u << CKO_PUBLIC_KEY)
#define PRIVATE (1u << CKO_PRIVATE_KEY)
#define SECRET (1u << CKO_SECRET_KEY)
#define CERT (1u << CKO_CERTIFICATE)
#define PAIR (PUBLIC | PRIVATE)
#define HIDDEN (PRIVATE | SECRET)
#define KEY (PAIR | SECRET)
#define ALL (KEY | CERT)
#define RSA (1u << REMOTE_KEY_RSA)
#define CURVE (1u << REMOTE_KEY_EC | 1u << REMOTE_KEY_ED25519 | 1u << REMOTE_KEY_SM2)

/* ---- values ---- */

static CK_RV append(struct remote_buf *ret, const void *data, size_t len)
{
    remote_buf_append(ret, data, len);
    return ret->failed ? CKR_HOST_MEMORY : CKR_OK;
}

static CK_RV append_bool(struct remote_buf *ret, bool value)
{
    CK_BBOOL b = value ? CK_TRUE : CK_FALSE;

    return append(ret, &b, sizeof(b));
}

static CK_RV append_ulong(struct remote_buf *ret, CK_ULONG value)
{
    return append(ret, &value, sizeof(value));
}

static CK_RV append_buf(struct remote_buf *ret, const struct remote_buf *value)
{
    return append(ret, value->data, value->len);
}

/* ---- producers ---- */

#define PRODUCE(name)                                                                              \
    static CK_RV name(const struct pkcs11_object *object, const struct row *row,                   \
                      struct remote_buf *ret, struct remote_error *err)
#define UNUSED(a, b) ((void)(a), (void)(b))

PRODUCE(empty)
{
    UNUSED(object, row);
    UNUSED(ret, err);
    return CKR_OK;
}

PRODUCE(sensitive)
{
    UNUSED(object, row);
    UNUSED(ret, err);
    return CKR_ATTRIBUTE_SENSITIVE;
}

/* What the service gives out is neither sensitive nor bound to stay; arg: for all other keys. */
PRODUCE(guarded)
{
    (void)err;
    return append_bool(ret, object->key->released ? row->arg == 0 : row->arg != 0);
}

/* The one attribute that may cost a request. */
PRODUCE(value)
{
    (void)row;
    return object->key->released ? pkcs11_released_value(object, ret, err)
                                 : CKR_ATTRIBUTE_SENSITIVE;
}

PRODUCE(boolean)
{
    UNUSED(object, err);
    return append_bool(ret, row->arg != 0);
}

PRODUCE(number)
{
    UNUSED(object, err);
    return append_ulong(ret, row->arg);
}

PRODUCE(class)
{
    UNUSED(row, err);
    return append_ulong(ret, object->class);
}

PRODUCE(is_private)
{
    UNUSED(row, err);
    return append_bool(ret, pkcs11_object_private(object));
}

/* What is done to all versions of the key, for which the newest stands; arg: enum remote_allow */
PRODUCE(changeable)
{
    (void)err;
    return append_bool(ret, object->key->latest && remote_slot_allows(object->slot->remote,
                                                                      (enum remote_allow)row->arg));
}

/* What the service allows with the key, as far as there are mechanisms for it. */
PRODUCE(use)
{
    bool served = false;

    (void)err;
    for (size_t i = 0; i < remote_mechanism_count; i++)
        if (remote_mechanisms[i].key == object->key->type &&
            (remote_mechanisms[i].served & REMOTE_SERVED_THERE))
            served = served || (remote_mechanisms[i].uses & row->arg);
    return append_bool(ret, served && (object->key->uses & row->arg));
}

/* A certificate goes by its key's label once that is known, else by its own name. */
PRODUCE(label)
{
    UNUSED(row, err);
    if (object->key)
        remote_slot_label(object->slot->remote, object->key, ret);
    else
        remote_buf_append_str(ret, object->cert->common_name);
    return ret->failed ? CKR_HOST_MEMORY : CKR_OK;
}

static CK_RV cert_unique_id(const struct remote_cert *cert, struct remote_buf *ret,
                            struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf hash = { 0 };
    enum remote_rc rc;

    rc = remote_local_hash(REMOTE_HASH_SHA256, remote_buf_slice(&cert->der), &hash, err);
    if (rc != REMOTE_OK)
        return pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
    remote_buf_append_str(ret, "c:");
    remote_hex_append(ret, remote_slice(hash.data, 16));
    return ret->failed ? CKR_HOST_MEMORY : CKR_OK;
}

/* Class letter, name and version; a certificate has neither name nor version but its bytes. */
PRODUCE(unique_id)
{
    char letter = object->class == CKO_PRIVATE_KEY  ? 'k'
                  : object->class == CKO_PUBLIC_KEY ? 'p'
                                                    : 's';

    (void)row;
    if (object->cert)
        return cert_unique_id(object->cert, ret, err);
    remote_buf_printf(ret, "%c:%s@", letter, object->key->name);
    if (object->key->version_id)
        remote_buf_append_str(ret, object->key->version_id);
    else
        remote_buf_printf(ret, "v%u", object->key->version);
    return ret->failed ? CKR_HOST_MEMORY : CKR_OK;
}

PRODUCE(key_type)
{
    static const CK_KEY_TYPE type_of[REMOTE_KEY_TYPE_COUNT] = {
        [REMOTE_KEY_RSA] = CKK_RSA,
        [REMOTE_KEY_EC] = CKK_EC,
        [REMOTE_KEY_ED25519] = CKK_EC_EDWARDS,
        [REMOTE_KEY_AES] = CKK_AES,
        [REMOTE_KEY_CHACHA20] = CKK_CHACHA20,
        [REMOTE_KEY_GENERIC] = CKK_GENERIC_SECRET,
        [REMOTE_KEY_FHE] = CKK_HSMBRIDGE_FHE,
        [REMOTE_KEY_SM2] = CKK_HSMBRIDGE_SM2,
        [REMOTE_KEY_SM4] = CKK_HSMBRIDGE_SM4,
    };

    UNUSED(row, err);
    return append_ulong(ret, type_of[object->key->type]);
}

PRODUCE(id)
{
    UNUSED(row, err);
    if (object->cert)
        return append(ret, object->cert->id, sizeof(object->cert->id));
    return append(ret, object->key->id, object->key->id_len);
}

/* Of keys: the subject of a certificate that carries the public half, which finds the pair. */
PRODUCE(subject)
{
    size_t count = remote_slot_cert_count(object->slot->remote);

    UNUSED(row, err);
    if (object->cert)
        return append_buf(ret, &object->cert->subject);
    for (size_t i = 0; i < count; i++) {
        const struct remote_cert *cert = remote_slot_cert(object->slot->remote, i);

        if (remote_cert_matches(cert, object->key))
            return append_buf(ret, &cert->subject);
    }
    return CKR_OK;
}

PRODUCE(public_key_info)
{
    UNUSED(row, err);
    return append_buf(ret, object->cert ? &object->cert->spki : &object->key->spki);
}

PRODUCE(bits)
{
    UNUSED(row, err);
    return append_ulong(ret, object->key->bits);
}

PRODUCE(bytes)
{
    UNUSED(row, err);
    return append_ulong(ret, object->key->bits / 8);
}

/* arg: offset of the part in struct remote_public */
PRODUCE(public_part)
{
    CLEANUP(remote_public_clear) struct remote_public public = { 0 };
    enum remote_rc rc = remote_local_public(object->key, &public, err);

    if (rc != REMOTE_OK)
        return pkcs11_rv(object->slot->remote, rc, PKCS11_DOING_OTHER);
    return append_buf(ret, (const struct remote_buf *)((const char *)&public + row->arg));
}

/* arg: offset of the part in struct remote_cert */
PRODUCE(cert_part)
{
    (void)err;
    return append_buf(ret, (const struct remote_buf *)((const char *)object->cert + row->arg));
}

PRODUCE(cert_category)
{
    UNUSED(row, err);
    return append_ulong(ret, object->cert->ca ? CK_CERTIFICATE_CATEGORY_AUTHORITY
                                              : CK_CERTIFICATE_CATEGORY_TOKEN_USER);
}

/* CK_DATE, "YYYYMMDD" */
static CK_RV append_date(struct remote_buf *ret, int64_t seconds)
{
    time_t when = (time_t)seconds;
    struct tm tm;
    char date[sizeof(CK_DATE) + 1];

    if (!gmtime_r(&when, &tm) || strftime(date, sizeof(date), "%Y%m%d", &tm) != sizeof(CK_DATE))
        return CKR_OK; /* beyond what CK_DATE can say: empty */
    return append(ret, date, sizeof(CK_DATE));
}

/* arg: offset of the time in struct remote_cert */
PRODUCE(cert_date)
{
    (void)err;
    return append_date(ret, *(const int64_t *)((const char *)object->cert + row->arg));
}

/* arg: offset of the time in struct remote_key; without one the date is empty */
PRODUCE(key_date)
{
    int64_t when = *(const int64_t *)((const char *)object->key + row->arg);

    (void)err;
    return when != 0 ? append_date(ret, when) : CKR_OK;
}

/* Where a parameter chooses the hash, one hash that works is enough. */
static bool row_allowed(const struct remote_key *key, const struct remote_mechanism *row,
                        enum remote_use use)
{
    bool chosen = row->read && row->hash == REMOTE_HASH_NONE;

    for (int hash = REMOTE_HASH_NONE; hash < REMOTE_HASH_COUNT; hash++) {
        struct remote_params params = { .alg = row->alg, .hash = row->hash };

        if (chosen)
            params.hash = (enum remote_hash)hash;
        params.mgf_hash = params.hash;
        params.salt_len = remote_hash_size(params.hash);
        if (remote_key_check(key, &params, use, NULL) == REMOTE_OK)
            return true;
        if (!chosen)
            return false;
    }
    return false;
}

/* Whether an object of this class could do anything with the row's mechanism. */
static bool mechanism_allowed(const struct pkcs11_object *object,
                              const struct remote_mechanism *row)
{
    static const unsigned uses_of[] = {
        [CKO_PUBLIC_KEY] = REMOTE_USE_VERIFY | REMOTE_USE_ENCRYPT | REMOTE_USE_WRAP,
        [CKO_PRIVATE_KEY] = REMOTE_USE_SIGN | REMOTE_USE_DECRYPT | REMOTE_USE_UNWRAP,
        [CKO_SECRET_KEY] = ~0u,
    };
    unsigned uses = row->uses & uses_of[object->class] & object->key->uses;

    if (object->key->released)
        return row->key == object->key->type && uses != 0 &&
               remote_slot_can_here(object->slot->remote, row);
    if (row->key != object->key->type || !(row->served & REMOTE_SERVED_THERE) ||
        !remote_slot_can(object->slot->remote, row))
        return false;
    for (unsigned use = REMOTE_USE_SIGN; use <= REMOTE_USE_UNWRAP; use <<= 1)
        if ((uses & use) && row_allowed(object->key, row, (enum remote_use)use))
            return true;
    return false;
}

static bool ulongs_hold(const struct remote_buf *buf, size_t from, CK_ULONG value)
{
    for (size_t at = from; at < buf->len; at += sizeof(value))
        if (memcmp(buf->data + at, &value, sizeof(value)) == 0)
            return true;
    return false;
}

PRODUCE(allowed_mechanisms)
{
    size_t from = ret->len;

    UNUSED(row, err);
    for (size_t i = 0; i < remote_mechanism_count; i++) {
        const struct remote_mechanism *mechanism = &remote_mechanisms[i];

        if (!ulongs_hold(ret, from, mechanism->ckm) && mechanism_allowed(object, mechanism))
            append_ulong(ret, mechanism->ckm);
    }
    return ret->failed ? CKR_HOST_MEMORY : CKR_OK;
}

/* ---- the rows ---- */

/*
 * Every attribute that PKCS#11 3.0 gives these classes (base 4.4, 4.6.3, 4.7 to 4.10; current
 * mechanisms 2.1 and 2.3), and a few that clients read beside them (pkcs11-tool asks secret keys
 * for ALWAYS_AUTHENTICATE). The keys are somebody else's: whether they were made where they are,
 * or could once be exported, is not known here, and LOCAL, ALWAYS_SENSITIVE and
 * NEVER_EXTRACTABLE promise nothing.
 */
static const struct row rows[] = {
    /* clang-format off */
    /* storage objects */
    { CKA_CLASS,                   ALL,              0,     class, 0 },
    { CKA_TOKEN,                   ALL,              0,     boolean, CK_TRUE },
    { CKA_PRIVATE,                 ALL,              0,     is_private, 0 },
    { CKA_MODIFIABLE,              HIDDEN,           0,     changeable, REMOTE_ALLOW_LABEL },
    { CKA_MODIFIABLE,              PUBLIC | CERT,    0,     boolean, CK_FALSE },
    { CKA_LABEL,                   ALL,              0,     label, 0 },
    { CKA_COPYABLE,                HIDDEN | CERT,    0,     boolean, CK_FALSE },
    { CKA_COPYABLE,                PUBLIC,           0,     boolean, CK_TRUE }, /* into the session */
    { CKA_DESTROYABLE,             HIDDEN,           0,     changeable, REMOTE_ALLOW_DESTROY },
    { CKA_DESTROYABLE,             PUBLIC | CERT,    0,     boolean, CK_FALSE }, /* a public key goes with its private one */
    { CKA_UNIQUE_ID,               ALL,              0,     unique_id, 0 },
    { CKA_ID,                      ALL,              0,     id, 0 },
    /* keys */
    { CKA_KEY_TYPE,                KEY,              0,     key_type, 0 },
    { CKA_START_DATE,              KEY,              0,     key_date, offsetof(struct remote_key, not_before) },
    { CKA_END_DATE,                KEY,              0,     key_date, offsetof(struct remote_key, not_after) },
    { CKA_DERIVE,                  KEY,              0,     boolean, CK_FALSE },
    { CKA_LOCAL,                   KEY,              0,     boolean, CK_FALSE },
    { CKA_KEY_GEN_MECHANISM,       KEY,              0,     number, CK_UNAVAILABLE_INFORMATION },
    { CKA_ALLOWED_MECHANISMS,      KEY,              0,     allowed_mechanisms, 0 },
    { CKA_SUBJECT,                 PAIR | CERT,      0,     subject, 0 },
    { CKA_PUBLIC_KEY_INFO,         PAIR | CERT,      0,     public_key_info, 0 },
    { CKA_ENCRYPT,                 PUBLIC | SECRET,  0,     use, REMOTE_USE_ENCRYPT },
    { CKA_VERIFY,                  PUBLIC | SECRET,  0,     use, REMOTE_USE_VERIFY },
    { CKA_VERIFY_RECOVER,          PUBLIC,           0,     boolean, CK_FALSE },
    { CKA_WRAP,                    PUBLIC | SECRET,  0,     use, REMOTE_USE_WRAP },
    { CKA_TRUSTED,                 PUBLIC | SECRET,  0,     boolean, CK_FALSE },
    { CKA_WRAP_TEMPLATE,           PUBLIC | SECRET,  0,     empty, 0 },
    { CKA_SENSITIVE,               HIDDEN,           0,     guarded, CK_TRUE },
    { CKA_DECRYPT,                 HIDDEN,           0,     use, REMOTE_USE_DECRYPT },
    { CKA_SIGN,                    HIDDEN,           0,     use, REMOTE_USE_SIGN },
    { CKA_SIGN_RECOVER,            PRIVATE,          0,     boolean, CK_FALSE },
    { CKA_UNWRAP,                  HIDDEN,           0,     use, REMOTE_USE_UNWRAP },
    { CKA_EXTRACTABLE,             HIDDEN,           0,     guarded, CK_FALSE },
    { CKA_ALWAYS_SENSITIVE,        HIDDEN,           0,     boolean, CK_FALSE },
    { CKA_NEVER_EXTRACTABLE,       HIDDEN,           0,     boolean, CK_FALSE },
    { CKA_WRAP_WITH_TRUSTED,       HIDDEN,           0,     boolean, CK_FALSE },
    { CKA_UNWRAP_TEMPLATE,         HIDDEN,           0,     empty, 0 },
    { CKA_DERIVE_TEMPLATE,         HIDDEN,           0,     empty, 0 },
    { CKA_ALWAYS_AUTHENTICATE,     HIDDEN,           0,     boolean, CK_FALSE },
    { CKA_CHECK_VALUE,             SECRET | CERT,    0,     empty, 0 },
    { CKA_VALUE,                   SECRET,           0,     value, 0 },
    { CKA_VALUE_LEN,               SECRET,           0,     bytes, 0 },
    /* RSA; Java and pkcs11-tool ask private keys for the public numbers too */
    { CKA_MODULUS,                 PAIR,             RSA,   public_part, offsetof(struct remote_public, modulus) },
    { CKA_MODULUS_BITS,            PAIR,             RSA,   bits, 0 },
    { CKA_PUBLIC_EXPONENT,         PAIR,             RSA,   public_part, offsetof(struct remote_public, exponent) },
    { CKA_PRIVATE_EXPONENT,        PRIVATE,          RSA,   sensitive, 0 },
    { CKA_PRIME_1,                 PRIVATE,          RSA,   sensitive, 0 },
    { CKA_PRIME_2,                 PRIVATE,          RSA,   sensitive, 0 },
    { CKA_EXPONENT_1,              PRIVATE,          RSA,   sensitive, 0 },
    { CKA_EXPONENT_2,              PRIVATE,          RSA,   sensitive, 0 },
    { CKA_COEFFICIENT,             PRIVATE,          RSA,   sensitive, 0 },
    /* elliptic curves; the point on private keys is for clients that look for it there */
    { CKA_EC_PARAMS,               PAIR,             CURVE, public_part, offsetof(struct remote_public, ec_params) },
    { CKA_EC_POINT,                PAIR,             CURVE, public_part, offsetof(struct remote_public, ec_point) },
    { CKA_VALUE,                   PRIVATE,          CURVE, sensitive, 0 },
    /* X.509 certificates */
    { CKA_CERTIFICATE_TYPE,        CERT,             0,     number, CKC_X_509 },
    { CKA_TRUSTED,                 CERT,             0,     boolean, CK_FALSE },
    { CKA_CERTIFICATE_CATEGORY,    CERT,             0,     cert_category, 0 },
    { CKA_START_DATE,              CERT,             0,     cert_date, offsetof(struct remote_cert, not_before) },
    { CKA_END_DATE,                CERT,             0,     cert_date, offsetof(struct remote_cert, not_after) },
    { CKA_ISSUER,                  CERT,             0,     cert_part, offsetof(struct remote_cert, issuer) },
    { CKA_SERIAL_NUMBER,           CERT,             0,     cert_part, offsetof(struct remote_cert, serial) },
    { CKA_VALUE,                   CERT,             0,     cert_part, offsetof(struct remote_cert, der) },
    { CKA_URL,                     CERT,             0,     empty, 0 },
    { CKA_HASH_OF_SUBJECT_PUBLIC_KEY, CERT,          0,     empty, 0 },
    { CKA_HASH_OF_ISSUER_PUBLIC_KEY,  CERT,          0,     empty, 0 },
    { CKA_NAME_HASH_ALGORITHM,     CERT,             0,     number, CKM_SHA_1 },
    { CKA_JAVA_MIDP_SECURITY_DOMAIN,  CERT,          0,     number, CK_SECURITY_DOMAIN_UNSPECIFIED },
    /* clang-format on */
};

static const struct row *row_find(const struct pkcs11_object *object, CK_ATTRIBUTE_TYPE type)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *row = &rows[i];

        if (row->type == type && (row->classes & class_bit(object->class)) &&
            (row->keys == 0 || (row->keys & 1u << object->key->type)))
            return row;
    }
    return NULL;
}

CK_RV pkcs11_attribute_value(const struct pkcs11_object *object, CK_ATTRIBUTE_TYPE type,
                             struct remote_buf *ret, struct remote_error *err)
{
    const struct row *row;

    if (object->secret)
        return pkcs11_secret_value(object->secret, type, ret);
    row = row_find(object, type);
    return row ? row->produce(object, row, ret, err) : CKR_ATTRIBUTE_TYPE_INVALID;
}

/* ---- templates ---- */

bool pkcs11_attribute_known(CK_OBJECT_CLASS class, enum remote_key_type key, CK_ATTRIBUTE_TYPE type)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].type == type && (rows[i].classes & class_bit(class)) &&
            (rows[i].keys == 0 || (rows[i].keys & 1u << key)))
            return true;
    return false;
}

bool pkcs11_attribute_matches(const struct pkcs11_object *object, const CK_ATTRIBUTE *wanted)
{
    CLEANUP(remote_buf_clear) struct remote_buf value = { 0 };

    if (wanted->type == CKA_VALUE && !object->secret && object->key && object->key->released)
        return false; /* no search fetches keys */
    if (pkcs11_attribute_value(object, wanted->type, &value, NULL) != CKR_OK)
        return false;
    return remote_slice_equal(remote_buf_slice(&value),
                              remote_slice(wanted->pValue, wanted->ulValueLen));
}

CK_RV pkcs11_attribute_check_template(const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    if (!attributes && count > 0)
        return CKR_ARGUMENTS_BAD;
    for (CK_ULONG i = 0; i < count; i++)
        if (!attributes[i].pValue && attributes[i].ulValueLen > 0)
            return CKR_ARGUMENTS_BAD;
    return CKR_OK;
}

const CK_ATTRIBUTE *pkcs11_attribute_find(const CK_ATTRIBUTE *attributes, CK_ULONG count,
                                          CK_ATTRIBUTE_TYPE type)
{
    for (CK_ULONG i = 0; i < count; i++)
        if (attributes[i].type == type)
            return &attributes[i];
    return NULL;
}
