/* SPDX-License-Identifier: Apache-2.0 */
#include "pair.h"

#include <stddef.h>

#include "attribute.h"
#include "module.h"
#include "parts.h"

static const struct {
    CK_KEY_TYPE ckk;
    enum remote_key_type type;
} types[] = {
    { CKK_RSA, REMOTE_KEY_RSA },
    { CKK_EC, REMOTE_KEY_EC },
    { CKK_EC_EDWARDS, REMOTE_KEY_ED25519 },
};

bool pkcs11_pair_core_type(CK_KEY_TYPE type, enum remote_key_type *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (types[i].ckk != type)
            continue;
        *ret = types[i].type;
        return true;
    }
    return false;
}

static CK_KEY_TYPE type_of(enum remote_key_type type)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (types[i].type == type)
            return types[i].ckk;
    return CK_UNAVAILABLE_INFORMATION;
}

/* ---- attributes that are parts of a key ---- */

enum from { FROM_PUBLIC, FROM_PRIVATE, FROM_BITS };

#define RSA (1u << REMOTE_KEY_RSA)
#define CURVE (1u << REMOTE_KEY_EC | 1u << REMOTE_KEY_ED25519)

static const struct part {
    CK_ATTRIBUTE_TYPE type;
    unsigned keys; /* bits 1u << REMOTE_KEY_* */
    enum from from;
    size_t offset; /* in struct remote_public, a buf; in struct remote_private, a slice */
} parts[] = {
    /* clang-format off */
    { CKA_MODULUS,          RSA,   FROM_PUBLIC,  offsetof(struct remote_public, modulus) },
    { CKA_MODULUS_BITS,     RSA,   FROM_BITS,    0 },
    { CKA_PUBLIC_EXPONENT,  RSA,   FROM_PUBLIC,  offsetof(struct remote_public, exponent) },
    { CKA_PRIVATE_EXPONENT, RSA,   FROM_PRIVATE, offsetof(struct remote_private, private_exponent) },
    { CKA_PRIME_1,          RSA,   FROM_PRIVATE, offsetof(struct remote_private, prime1) },
    { CKA_PRIME_2,          RSA,   FROM_PRIVATE, offsetof(struct remote_private, prime2) },
    { CKA_EXPONENT_1,       RSA,   FROM_PRIVATE, offsetof(struct remote_private, exponent1) },
    { CKA_EXPONENT_2,       RSA,   FROM_PRIVATE, offsetof(struct remote_private, exponent2) },
    { CKA_COEFFICIENT,      RSA,   FROM_PRIVATE, offsetof(struct remote_private, coefficient) },
    { CKA_EC_PARAMS,        CURVE, FROM_PUBLIC,  offsetof(struct remote_public, ec_params) },
    { CKA_EC_POINT,         CURVE, FROM_PUBLIC,  offsetof(struct remote_public, ec_point) },
    { CKA_VALUE,            CURVE, FROM_PRIVATE, offsetof(struct remote_private, value) },
    /* clang-format on */
};

static const struct part *part_find(CK_ATTRIBUTE_TYPE type)
{
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (parts[i].type == type)
            return &parts[i];
    return NULL;
}

static CK_RV public_value(const struct pkcs11_secret *secret, const struct part *part,
                          struct remote_buf *ret)
{
    CLEANUP(remote_public_clear) struct remote_public public = { 0 };
    enum remote_rc rc = remote_local_public(&secret->pair->public, &public, NULL);
    const struct remote_buf *value = (const void *)((const char *)&public + part->offset);

    if (rc != REMOTE_OK)
        return pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
    remote_buf_append(ret, value->data, value->len);
    return CKR_OK;
}

static CK_RV private_value(const struct pkcs11_secret *secret, const struct part *part,
                           struct remote_buf *ret)
{
    struct remote_private private = { 0 };
    const struct remote_slice *value = (const void *)((const char *)&private + part->offset);
    unsigned bits;

    if (!pkcs11_secret_readable(secret))
        return CKR_ATTRIBUTE_SENSITIVE;
    if (!remote_local_pkcs8_parts(remote_secret_key_value(secret->pair->pkcs8), &private, &bits))
        return CKR_FUNCTION_FAILED; /* cannot be: it was written by libcrypto */
    remote_buf_append(ret, value->data, value->len);
    return CKR_OK;
}

CK_RV pkcs11_pair_value(const struct pkcs11_secret *secret, CK_ATTRIBUTE_TYPE type,
                        struct remote_buf *ret)
{
    const struct remote_key *public = &secret->pair->public;
    const struct part *part = part_find(type);
    CK_ULONG bits = public->bits;

    if (type == CKA_PUBLIC_KEY_INFO) {
        remote_buf_append(ret, public->spki.data, public->spki.len);
        return CKR_OK;
    }
    if (!part || !(part->keys >> public->type & 1u))
        return CKR_ATTRIBUTE_TYPE_INVALID;
    if (part->from == FROM_PRIVATE)
        return private_value(secret, part, ret);
    if (part->from == FROM_PUBLIC)
        return public_value(secret, part, ret);
    remote_buf_append(ret, &bits, sizeof(bits));
    return CKR_OK;
}

/* What another type of key is made of has no place in a template. */
static CK_RV check_parts(const struct pkcs11_template *template, enum remote_key_type type)
{
    for (CK_ULONG i = 0; i < template->count; i++) {
        const struct part *part = part_find(template->attributes[i].type);

        if (part && !(part->keys >> type & 1u))
            return CKR_ATTRIBUTE_TYPE_INVALID;
    }
    return CKR_OK;
}

/* ---- making objects ---- */

/* PKCS#11 3.0 section 4.9: it may be there, but then it has to be this key's. */
static CK_RV check_public_info(const struct pkcs11_template *template,
                               const struct remote_session_pair *pair)
{
    struct remote_slice given = pkcs11_parts_find(template, CKA_PUBLIC_KEY_INFO);

    return given.len == 0 || remote_slice_equal(given, remote_buf_slice(&pair->public.spki))
               ? CKR_OK
               : CKR_PUBLIC_KEY_INVALID;
}

/* Takes over the pair. */
static CK_RV complete(struct pkcs11_secret *secret, const struct pkcs11_template *template,
                      struct remote_session_pair *pair, enum pkcs11_making making)
{
    PKCS11_TRY(pkcs11_secret_complete_pair(secret, pair, making, CK_UNAVAILABLE_INFORMATION));
    return check_public_info(template, pair);
}

static CK_RV create_public(struct pkcs11_call *call, const struct pkcs11_template *template,
                           enum remote_key_type type, struct remote_session_pair **ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf spki = { 0 };

    PKCS11_TRY(pkcs11_parts_public(call, template, type, &spki));
    return pkcs11_rv(NULL, remote_session_pair_public(remote_buf_slice(&spki), ret, &call->err),
                     PKCS11_DOING_OBJECT);
}

static CK_RV create_private(struct pkcs11_call *call, const struct pkcs11_template *template,
                            enum remote_key_type type, struct remote_session_pair **ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf pkcs8 = { 0 };
    struct remote_key_spec spec = { .type = type };

    PKCS11_TRY(pkcs11_parts_private(call, template, &spec, &pkcs8));
    return pkcs11_rv(NULL, remote_session_pair_private(remote_buf_slice(&pkcs8), ret, &call->err),
                     PKCS11_DOING_OBJECT);
}

CK_RV pkcs11_pair_create(struct pkcs11_call *call, const struct pkcs11_template *template,
                         CK_OBJECT_CLASS class, CK_OBJECT_HANDLE *ret)
{
    CLEANUP(pkcs11_secret_drop) struct pkcs11_secret *secret = NULL;
    struct remote_session_pair *pair = NULL;
    enum remote_key_type type = REMOTE_KEY_RSA;

    PKCS11_TRY(pkcs11_secret_read_class(call->session->slot, class, template, PKCS11_CREATING, NULL,
                                        &secret));
    if (!pkcs11_pair_core_type(pkcs11_secret_type(secret), &type))
        return CKR_ATTRIBUTE_VALUE_INVALID;
    PKCS11_TRY(check_parts(template, type));
    PKCS11_TRY(class == CKO_PUBLIC_KEY ? create_public(call, template, type, &pair)
                                       : create_private(call, template, type, &pair));
    PKCS11_TRY(complete(secret, template, pair, PKCS11_CREATING));
    return pkcs11_secret_store(call, &secret, ret);
}

CK_RV pkcs11_pair_unwrapped(struct pkcs11_call *call, struct pkcs11_secret *secret,
                            const struct pkcs11_template *template, struct remote_slice pkcs8)
{
    struct remote_session_pair *pair = NULL;
    enum remote_rc rc = remote_session_pair_private(pkcs8, &pair, &call->err);

    if (rc != REMOTE_OK)
        return pkcs11_rv(NULL, rc, PKCS11_DOING_UNWRAP);
    PKCS11_TRY(complete(secret, template, pair, PKCS11_UNWRAPPING));
    return pkcs11_secret_type(secret) == type_of(pair->public.type) ? CKR_OK
                                                                    : CKR_WRAPPED_KEY_INVALID;
}

/* ---- C_GenerateKeyPair ---- */

static CK_RV read_half(struct pkcs11_call *call, CK_OBJECT_CLASS class, enum remote_key_type type,
                       const struct pkcs11_template *template, struct pkcs11_secret **ret)
{
    PKCS11_TRY(pkcs11_secret_read_class(call->session->slot, class, template, PKCS11_GENERATING,
                                        NULL, ret));
    PKCS11_TRY(pkcs11_secret_set_type(*ret, type_of(type)));
    return check_parts(template, type);
}

static CK_RV make_halves(struct pkcs11_call *call, const struct remote_mechanism *row,
                         const struct remote_key_spec *spec, struct pkcs11_secret *public,
                         struct pkcs11_secret *private)
{
    struct remote_session_pair *pair = NULL, *half = NULL;
    enum remote_rc rc = remote_session_pair_generate(spec, &pair, &call->err);

    if (rc != REMOTE_OK)
        return pkcs11_rv(NULL, rc, PKCS11_DOING_OBJECT);
    PKCS11_TRY(pkcs11_secret_complete_pair(private, pair, PKCS11_GENERATING, row->ckm));
    rc = remote_session_pair_public(remote_buf_slice(&pair->public.spki), &half, &call->err);
    if (rc != REMOTE_OK)
        return pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
    return pkcs11_secret_complete_pair(public, half, PKCS11_GENERATING, row->ckm);
}

static CK_RV store_halves(struct pkcs11_call *call, struct pkcs11_secret **public,
                          struct pkcs11_secret **private, CK_OBJECT_HANDLE *ret_public,
                          CK_OBJECT_HANDLE *ret_private)
{
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    CK_RV rv;

    PKCS11_TRY(pkcs11_secret_store(call, public, &handle));
    rv = pkcs11_secret_store(call, private, ret_private);
    if (rv == CKR_OK)
        *ret_public = handle;
    else
        (void)pkcs11_session_object_remove(call, handle);
    return rv;
}

CK_RV pkcs11_pair_generate(struct pkcs11_call *call, const struct remote_mechanism *row,
                           const struct remote_key_spec *spec, const struct pkcs11_template *public,
                           const struct pkcs11_template *private, CK_OBJECT_HANDLE *ret_public,
                           CK_OBJECT_HANDLE *ret_private)
{
    CLEANUP(pkcs11_secret_drop) struct pkcs11_secret *public_half = NULL;
    CLEANUP(pkcs11_secret_drop) struct pkcs11_secret *private_half = NULL;

    if (!remote_slot_can_here(call->session->slot->remote, row))
        return CKR_MECHANISM_INVALID;
    PKCS11_TRY(read_half(call, CKO_PUBLIC_KEY, row->key, public, &public_half));
    PKCS11_TRY(read_half(call, CKO_PRIVATE_KEY, row->key, private, &private_half));
    PKCS11_TRY(make_halves(call, row, spec, public_half, private_half));
    return store_halves(call, &public_half, &private_half, ret_public, ret_private);
}

/* ---- C_CopyObject ---- */

/* The service's key as an object of the session would be that has never been its. */
static CK_RV take_over(struct pkcs11_call *call, const struct pkcs11_object *object,
                       struct pkcs11_secret **ret)
{
    static const CK_ATTRIBUTE_TYPE taken[] = { CKA_KEY_TYPE,   CKA_LABEL,    CKA_ID,
                                               CKA_SUBJECT,    CKA_VERIFY,   CKA_ENCRYPT,
                                               CKA_START_DATE, CKA_END_DATE, CKA_WRAP };
    CK_ATTRIBUTE attributes[ARRAY_SIZE(taken)];
    struct remote_buf values[ARRAY_SIZE(taken)] = { 0 };
    const struct pkcs11_template template = { attributes, ARRAY_SIZE(taken) };
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < ARRAY_SIZE(taken) && rv == CKR_OK; i++) {
        rv = pkcs11_attribute_value(object, taken[i], &values[i], &call->err);
        attributes[i] = (CK_ATTRIBUTE){ taken[i], values[i].data, values[i].len };
    }
    if (rv == CKR_OK)
        rv = pkcs11_secret_read_class(object->slot, CKO_PUBLIC_KEY, &template, PKCS11_UNWRAPPING,
                                      NULL, ret);
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
        remote_buf_clear(&values[i]);
    return rv;
}

CK_RV pkcs11_pair_copy(struct pkcs11_call *call, const struct pkcs11_object *object,
                       const struct pkcs11_template *template, CK_OBJECT_HANDLE *ret)
{
    CLEANUP(pkcs11_secret_drop) struct pkcs11_secret *original = NULL;
    CLEANUP(pkcs11_secret_drop) struct pkcs11_secret *copy = NULL;
    struct remote_session_pair *half = NULL;
    enum remote_rc rc;

    PKCS11_TRY(take_over(call, object, &original));
    rc = remote_session_pair_public(remote_buf_slice(&object->key->spki), &half, &call->err);
    if (rc != REMOTE_OK)
        return pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
    PKCS11_TRY(
        pkcs11_secret_complete_pair(original, half, PKCS11_UNWRAPPING, CK_UNAVAILABLE_INFORMATION));
    PKCS11_TRY(pkcs11_secret_read(object->slot, template, PKCS11_COPYING, original, &copy));
    return pkcs11_secret_store(call, &copy, ret);
}
