/* SPDX-License-Identifier: Apache-2.0 */
/* What changes keys in the token: generate, import, destroy. Nothing of it is ever repeated. */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "hsm.h"
#include "remote/local/der.h"
#include "remote/local/local.h"

#define ID_LEN                                                                                     \
    16 /* CKA_ID of keys made here: random, since not every token lets it be set later             \
        */
#define ATTRIBUTES_MAX 24

/* ---- templates ---- */

struct templ {
    CK_ATTRIBUTE list[ATTRIBUTES_MAX];
    CK_ULONG count;
};

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE; /* attributes point at them; nobody writes there */

/* The value is borrowed: it has to outlive the template. */
static void add(struct templ *templ, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
    templ->list[templ->count++] = (CK_ATTRIBUTE){ type, (void *)value, len };
}

static void add_slice(struct templ *templ, CK_ATTRIBUTE_TYPE type, struct remote_slice value)
{
    add(templ, type, value.data, value.len);
}

static void add_flag(struct templ *templ, CK_ATTRIBUTE_TYPE type, bool value)
{
    add(templ, type, value ? &yes : &no, sizeof(yes));
}

struct made { /* what the objects of one new key have in common, and their templates */
    struct hsm_session *session;
    const struct remote_op *op;
    CK_KEY_TYPE type;
    CK_OBJECT_CLASS secret_class, public_class;
    CK_ULONG bits, bytes;
    unsigned char id[ID_LEN];
    struct templ secret, public;
    struct remote_error *err;
};

/* RFC 5480 2.1.1.1, RFC 8410 3: CKA_EC_PARAMS */
static const struct {
    enum remote_key_type type;
    unsigned bits;
    const char *oid;
    size_t len;
} curves[] = {
    { REMOTE_KEY_EC, 256, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10 },
    { REMOTE_KEY_EC, 384, "\x06\x05\x2b\x81\x04\x00\x22", 7 },
    { REMOTE_KEY_EC, 521, "\x06\x05\x2b\x81\x04\x00\x23", 7 },
    { REMOTE_KEY_ED25519, 256, "\x06\x03\x2b\x65\x70", 5 },
};

static struct remote_slice curve_of(const struct remote_key_spec *spec)
{
    for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
        if (curves[i].type == spec->type && curves[i].bits == spec->bits)
            return remote_slice(curves[i].oid, curves[i].len);
    return remote_slice(NULL, 0);
}

struct kind { /* how a key of ours is made there */
    enum remote_key_type type;
    CK_KEY_TYPE wire;
    CK_MECHANISM_TYPE generate;
    bool signs, decrypts;
};

static const struct kind kinds[] = {
    { REMOTE_KEY_RSA, CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, true, true },
    { REMOTE_KEY_EC, CKK_EC, CKM_EC_KEY_PAIR_GEN, true, false },
    { REMOTE_KEY_ED25519, CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN, true, false },
    { REMOTE_KEY_AES, CKK_AES, CKM_AES_KEY_GEN, false, true },
    { REMOTE_KEY_GENERIC, CKK_GENERIC_SECRET, CKM_GENERIC_SECRET_KEY_GEN, true, false },
};

static const struct kind *kind_of(enum remote_key_type type)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i].type == type)
            return &kinds[i];
    return NULL;
}

static void add_common(const struct made *made, struct templ *templ)
{
    const char *name = made->op->name;

    add_flag(templ, CKA_TOKEN, true);
    add(templ, CKA_LABEL, name, strlen(name));
    add(templ, CKA_ID, made->id, sizeof(made->id));
}

static void fill_secret(struct made *made, const struct kind *kind)
{
    struct templ *templ = &made->secret;
    bool symmetric = remote_key_type_symmetric(kind->type);

    add(templ, CKA_CLASS, &made->secret_class, sizeof(made->secret_class));
    add(templ, CKA_KEY_TYPE, &made->type, sizeof(made->type));
    add_common(made, templ);
    add_flag(templ, CKA_PRIVATE, true);
    add_flag(templ, CKA_SENSITIVE, true);
    add_flag(templ, CKA_EXTRACTABLE, false);
    add_flag(templ, CKA_SIGN, kind->signs);
    if (symmetric)
        add_flag(templ, CKA_VERIFY, kind->signs);
    if (symmetric)
        add_flag(templ, CKA_ENCRYPT, kind->decrypts);
    if (kind->decrypts || symmetric)
        add_flag(templ, CKA_DECRYPT, kind->decrypts);
}

static void fill_public(struct made *made, const struct kind *kind)
{
    struct templ *templ = &made->public;

    add(templ, CKA_CLASS, &made->public_class, sizeof(made->public_class));
    add(templ, CKA_KEY_TYPE, &made->type, sizeof(made->type));
    add_common(made, templ);
    add_flag(templ, CKA_PRIVATE, false);
    add_flag(templ, CKA_VERIFY, true);
    add_flag(templ, CKA_ENCRYPT, kind->decrypts);
}

static enum remote_rc make(struct hsm_session *session, const struct remote_op *op,
                           struct made *made, const struct kind **ret_kind,
                           struct remote_error *err)
{
    const struct kind *kind = kind_of(op->spec.type);
    bool pair = !remote_key_type_symmetric(op->spec.type);

    if (kind == NULL || (pair && op->spec.type != REMOTE_KEY_RSA && curve_of(&op->spec).len == 0))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "key '%s': no %s keys of %u bits", op->name,
                           remote_key_type_name(op->spec.type), op->spec.bits);
    *made = (struct made){ .session = session,
                           .op = op,
                           .type = kind->wire,
                           .secret_class = pair ? CKO_PRIVATE_KEY : CKO_SECRET_KEY,
                           .public_class = CKO_PUBLIC_KEY,
                           .bits = op->spec.bits,
                           .bytes = op->spec.bits / 8,
                           .err = err };
    REMOTE_TRY(remote_local_random(made->id, sizeof(made->id), err));
    fill_secret(made, kind);
    if (pair)
        fill_public(made, kind);
    *ret_kind = kind;
    return REMOTE_OK;
}

/* ---- generate ---- */

static enum remote_rc generate_pair(struct made *made, CK_MECHANISM *mechanism)
{
    static const unsigned char f4[] = { 1, 0, 1 }; /* 65537 */
    struct hsm_session *session = made->session;
    CK_OBJECT_HANDLE public, private;
    CK_RV rv;

    if (made->type == CKK_RSA) {
        add(&made->public, CKA_MODULUS_BITS, &made->bits, sizeof(made->bits));
        add(&made->public, CKA_PUBLIC_EXPONENT, f4, sizeof(f4));
    } else {
        add_slice(&made->public, CKA_EC_PARAMS, curve_of(&made->op->spec));
    }
    rv = HSM_CALL(session->functions, C_GenerateKeyPair, session->handle, mechanism,
                  made->public.list, made->public.count, made->secret.list, made->secret.count,
                  &public, &private);
    return rv == CKR_OK ? REMOTE_OK : hsm_fail(session, "C_GenerateKeyPair", rv, made->err);
}

static enum remote_rc generate_secret(struct made *made, CK_MECHANISM *mechanism)
{
    struct hsm_session *session = made->session;
    CK_OBJECT_HANDLE object;
    CK_RV rv;

    add(&made->secret, CKA_VALUE_LEN, &made->bytes, sizeof(made->bytes));
    rv = HSM_CALL(session->functions, C_GenerateKey, session->handle, mechanism, made->secret.list,
                  made->secret.count, &object);
    return rv == CKR_OK ? REMOTE_OK : hsm_fail(session, "C_GenerateKey", rv, made->err);
}

enum remote_rc hsm_generate(struct hsm_session *session, struct remote_op *op,
                            struct remote_error *err)
{
    const struct kind *kind = NULL;
    CK_MECHANISM mechanism = { 0 };
    struct made made;

    REMOTE_TRY(make(session, op, &made, &kind, err));
    mechanism.mechanism = kind->generate;
    if (!hsm_has(session->hsm, kind->generate))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "key '%s': the token makes no %s keys",
                           op->name, remote_key_type_name(op->spec.type));
    if (remote_key_type_symmetric(op->spec.type))
        return generate_secret(&made, &mechanism);
    return generate_pair(&made, &mechanism);
}

/* ---- import ---- */

#define NUMBERS_MAX 8

struct numbers { /* of an EVP_PKEY, as attributes want them; wiped with the bufs */
    struct remote_buf list[NUMBERS_MAX];
    size_t count;
};

static void numbers_clear(struct numbers *numbers)
{
    for (size_t i = 0; i < numbers->count; i++)
        remote_buf_clear(&numbers->list[i]);
}

static const struct {
    const char *param;
    CK_ATTRIBUTE_TYPE type;
    bool public;
} rsa_parts[] = {
    { OSSL_PKEY_PARAM_RSA_N, CKA_MODULUS, true },
    { OSSL_PKEY_PARAM_RSA_E, CKA_PUBLIC_EXPONENT, true },
    { OSSL_PKEY_PARAM_RSA_D, CKA_PRIVATE_EXPONENT, false },
    { OSSL_PKEY_PARAM_RSA_FACTOR1, CKA_PRIME_1, false },
    { OSSL_PKEY_PARAM_RSA_FACTOR2, CKA_PRIME_2, false },
    { OSSL_PKEY_PARAM_RSA_EXPONENT1, CKA_EXPONENT_1, false },
    { OSSL_PKEY_PARAM_RSA_EXPONENT2, CKA_EXPONENT_2, false },
    { OSSL_PKEY_PARAM_RSA_COEFFICIENT1, CKA_COEFFICIENT, false },
};

static bool read_number(const EVP_PKEY *pkey, const char *param, struct remote_buf *ret)
{
    BIGNUM *number = NULL;
    unsigned char *to;
    bool ok = EVP_PKEY_get_bn_param(pkey, param, &number) == 1;

    to = ok ? remote_buf_reserve(ret, (size_t)BN_num_bytes(number)) : NULL;
    if (to != NULL)
        ret->len += (size_t)BN_bn2bin(number, to);
    BN_clear_free(number);
    return to != NULL;
}

static bool add_rsa(struct made *made, const EVP_PKEY *pkey, struct numbers *numbers)
{
    for (size_t i = 0; i < ARRAY_SIZE(rsa_parts); i++) {
        struct remote_buf *number = &numbers->list[numbers->count++];

        if (!read_number(pkey, rsa_parts[i].param, number))
            return false;
        add_slice(&made->secret, rsa_parts[i].type, remote_buf_slice(number));
        if (rsa_parts[i].public)
            add_slice(&made->public, rsa_parts[i].type, remote_buf_slice(number));
    }
    return true;
}

static bool read_octets(const EVP_PKEY *pkey, const char *param, struct remote_buf *ret)
{
    size_t len = 0;
    unsigned char *to;

    if (EVP_PKEY_get_octet_string_param(pkey, param, NULL, 0, &len) != 1)
        return false;
    to = remote_buf_reserve(ret, len);
    if (to == NULL || EVP_PKEY_get_octet_string_param(pkey, param, to, len, &len) != 1)
        return false;
    ret->len += len;
    return true;
}

static bool add_ec(struct made *made, const EVP_PKEY *pkey, struct numbers *numbers)
{
    CLEANUP(remote_buf_clear) struct remote_buf bare = { 0 };
    struct remote_buf *value = &numbers->list[numbers->count++];
    struct remote_buf *point = &numbers->list[numbers->count++];
    struct remote_slice params = curve_of(&made->op->spec);
    bool edwards = made->type == CKK_EC_EDWARDS;

    if (!read_octets(pkey, OSSL_PKEY_PARAM_PUB_KEY, &bare) ||
        !(edwards ? read_octets(pkey, OSSL_PKEY_PARAM_PRIV_KEY, value)
                  : read_number(pkey, OSSL_PKEY_PARAM_PRIV_KEY, value)))
        return false;
    remote_der_append(point, REMOTE_DER_OCTET_STRING, remote_buf_slice(&bare));
    add_slice(&made->secret, CKA_EC_PARAMS, params);
    add_slice(&made->secret, CKA_VALUE, remote_buf_slice(value));
    add_slice(&made->public, CKA_EC_PARAMS, params);
    add_slice(&made->public, CKA_EC_POINT, remote_buf_slice(point));
    return !point->failed;
}

static EVP_PKEY *read_pkcs8(struct remote_slice der)
{
    const unsigned char *at = der.data;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.len);
    EVP_PKEY *pkey = info ? EVP_PKCS82PKEY_ex(info, remote_libctx(), NULL) : NULL;

    PKCS8_PRIV_KEY_INFO_free(info);
    ERR_clear_error();
    return pkey;
}

static bool is_of_kind(const EVP_PKEY *pkey, const struct remote_key_spec *spec)
{
    static const char *const names[] = {
        [REMOTE_KEY_RSA] = "RSA", [REMOTE_KEY_EC] = "EC", [REMOTE_KEY_ED25519] = "ED25519"
    };

    return EVP_PKEY_is_a(pkey, names[spec->type]) &&
           (spec->type == REMOTE_KEY_ED25519 || EVP_PKEY_get_bits(pkey) == (int)spec->bits);
}

static enum remote_rc create(struct made *made, struct templ *templ, CK_OBJECT_HANDLE *ret)
{
    struct hsm_session *session = made->session;
    CK_RV rv = HSM_CALL(session->functions, C_CreateObject, session->handle, templ->list,
                        templ->count, ret);

    return rv == CKR_OK ? REMOTE_OK : hsm_fail(session, "C_CreateObject", rv, made->err);
}

/* The public one first: alone it does no harm, and is taken away when the other is refused. */
static enum remote_rc create_pair(struct made *made)
{
    CK_OBJECT_HANDLE public, private;
    struct hsm_session *session = made->session;
    enum remote_rc rc;

    REMOTE_TRY(create(made, &made->public, &public));
    rc = create(made, &made->secret, &private);
    if (rc != REMOTE_OK)
        (void)HSM_CALL(session->functions, C_DestroyObject, session->handle, public);
    return rc;
}

static enum remote_rc import_pair(struct made *made)
{
    CLEANUP(numbers_clear) struct numbers numbers = { 0 };
    EVP_PKEY *pkey = read_pkcs8(made->op->material);
    bool fits =
        pkey != NULL && is_of_kind(pkey, &made->op->spec) &&
        (made->type == CKK_RSA ? add_rsa(made, pkey, &numbers) : add_ec(made, pkey, &numbers));

    EVP_PKEY_free(pkey);
    ERR_clear_error();
    if (!fits)
        return REMOTE_FAIL(made->err, REMOTE_E_DATA,
                           "key '%s': the material is no PKCS#8 %s key of %u bits", made->op->name,
                           remote_key_type_name(made->op->spec.type), made->op->spec.bits);
    return create_pair(made);
}

static enum remote_rc import_secret(struct made *made)
{
    CK_OBJECT_HANDLE object;

    if (made->op->material.len != made->bytes)
        return REMOTE_FAIL(made->err, REMOTE_E_DATA,
                           "key '%s': %zu bytes of material where %lu are due", made->op->name,
                           made->op->material.len, made->bytes);
    add_slice(&made->secret, CKA_VALUE, made->op->material);
    return create(made, &made->secret, &object);
}

enum remote_rc hsm_import(struct hsm_session *session, struct remote_op *op,
                          struct remote_error *err)
{
    const struct kind *kind = NULL;
    struct made made;

    REMOTE_TRY(make(session, op, &made, &kind, err));
    return remote_key_type_symmetric(kind->type) ? import_secret(&made) : import_pair(&made);
}

/* ---- destroy ---- */

static enum remote_rc destroy(struct hsm_session *session, CK_OBJECT_HANDLE object,
                              struct remote_error *err)
{
    CK_RV rv = HSM_CALL(session->functions, C_DestroyObject, session->handle, object);

    return rv == CKR_OK ? REMOTE_OK : hsm_fail(session, "C_DestroyObject", rv, err);
}

/* Public keys of this name; certificates stay. */
static enum remote_rc destroy_publics(struct hsm_session *session, const char *name,
                                      struct remote_error *err)
{
    CLEANUP(hsm_objects_clear) struct hsm_objects found = { 0 };

    REMOTE_TRY(
        hsm_find_by(session, CKO_PUBLIC_KEY, CKA_LABEL, remote_slice_str(name), &found, err));
    for (size_t i = 0; i < found.count; i++)
        REMOTE_TRY(destroy(session, found.list[i], err));
    return REMOTE_OK;
}

enum remote_rc hsm_destroy(struct hsm_session *session, struct remote_op *op,
                           struct remote_error *err)
{
    CLEANUP(hsm_candidates_clear) struct hsm_candidates candidates = { 0 };

    REMOTE_TRY(hsm_candidates_find(session, op->name, &candidates, err));
    if (candidates.count == 0)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "token '%s' has no key '%s'",
                           session->hsm->label, op->name);
    hsm_forget_objects(session->hsm);
    for (size_t i = 0; i < candidates.count; i++)
        REMOTE_TRY(destroy(session, candidates.list[i].object, err));
    return destroy_publics(session, op->name, err);
}
