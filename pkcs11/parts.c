/* SPDX-License-Identifier: Apache-2.0 */
#include "parts.h"

#include "module.h"

struct remote_slice pkcs11_parts_find(const struct pkcs11_template *template,
                                      CK_ATTRIBUTE_TYPE type)
{
    const CK_ATTRIBUTE *attribute = pkcs11_template_find(template, type);

    return attribute ? remote_slice(attribute->pValue, attribute->ulValueLen)
                     : remote_slice(NULL, 0);
}

static CK_RV check_parts(const struct pkcs11_template *template, const CK_ATTRIBUTE_TYPE *needed,
                         size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!pkcs11_template_find(template, needed[i]))
            return CKR_TEMPLATE_INCOMPLETE;
    return CKR_OK;
}

/* Of RSA keys there is none. */
static CK_RV read_curve(const struct pkcs11_template *template, struct remote_key_spec *spec)
{
    enum remote_key_type type = spec->type;

    if (type == REMOTE_KEY_RSA)
        return CKR_OK;
    if (!remote_local_ec_params(pkcs11_parts_find(template, CKA_EC_PARAMS), &type, &spec->curve,
                                &spec->bits) ||
        type != spec->type)
        return CKR_ATTRIBUTE_VALUE_INVALID;
    return CKR_OK;
}

CK_RV pkcs11_parts_private(struct pkcs11_call *call, const struct pkcs11_template *template,
                           struct remote_key_spec *spec, struct remote_buf *ret)
{
    static const CK_ATTRIBUTE_TYPE numbers[] = { CKA_MODULUS,          CKA_PUBLIC_EXPONENT,
                                                 CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
                                                 CKA_PRIME_2,          CKA_EXPONENT_1,
                                                 CKA_EXPONENT_2,       CKA_COEFFICIENT };
    static const CK_ATTRIBUTE_TYPE scalar[] = { CKA_EC_PARAMS, CKA_VALUE };
    struct remote_private parts = {
        .type = spec->type,
        .modulus = pkcs11_parts_find(template, CKA_MODULUS),
        .exponent = pkcs11_parts_find(template, CKA_PUBLIC_EXPONENT),
        .private_exponent = pkcs11_parts_find(template, CKA_PRIVATE_EXPONENT),
        .prime1 = pkcs11_parts_find(template, CKA_PRIME_1),
        .prime2 = pkcs11_parts_find(template, CKA_PRIME_2),
        .exponent1 = pkcs11_parts_find(template, CKA_EXPONENT_1),
        .exponent2 = pkcs11_parts_find(template, CKA_EXPONENT_2),
        .coefficient = pkcs11_parts_find(template, CKA_COEFFICIENT),
        .value = pkcs11_parts_find(template, CKA_VALUE),
    };
    PKCS11_TRY(spec->type == REMOTE_KEY_RSA ? check_parts(template, numbers, ARRAY_SIZE(numbers))
                                            : check_parts(template, scalar, ARRAY_SIZE(scalar)));
    PKCS11_TRY(read_curve(template, spec));
    parts.curve = spec->curve;
    return pkcs11_rv(NULL, remote_local_pkcs8(&parts, ret, &spec->bits, &call->err),
                     PKCS11_DOING_OBJECT);
}

CK_RV pkcs11_parts_public(struct pkcs11_call *call, const struct pkcs11_template *template,
                          enum remote_key_type type, struct remote_buf *ret)
{
    static const CK_ATTRIBUTE_TYPE numbers[] = { CKA_MODULUS, CKA_PUBLIC_EXPONENT };
    static const CK_ATTRIBUTE_TYPE point[] = { CKA_EC_PARAMS, CKA_EC_POINT };
    struct remote_key_spec spec = { .type = type };
    struct remote_public_parts parts = {
        .type = type,
        .modulus = pkcs11_parts_find(template, CKA_MODULUS),
        .exponent = pkcs11_parts_find(template, CKA_PUBLIC_EXPONENT),
        .ec_point = pkcs11_parts_find(template, CKA_EC_POINT),
    };

    PKCS11_TRY(check_parts(template, type == REMOTE_KEY_RSA ? numbers : point, 2));
    PKCS11_TRY(read_curve(template, &spec));
    parts.curve = spec.curve;
    parts.bits = spec.bits;
    return pkcs11_rv(NULL, remote_local_spki(&parts, ret, &call->err), PKCS11_DOING_OBJECT);
}
