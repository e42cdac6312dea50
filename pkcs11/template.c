/* SPDX-License-Identifier: Apache-2.0 */
/* Templates as applications hand them over: anything may be in them. */
#include <string.h>

#include "attribute.h"
#include "module.h"
#include "secret.h"

const CK_ATTRIBUTE *pkcs11_template_find(const struct pkcs11_template *template,
                                         CK_ATTRIBUTE_TYPE type)
{
    return pkcs11_attribute_find(template->attributes, template->count, type);
}

CK_RV pkcs11_template_check(const struct pkcs11_template *template)
{
    const CK_ATTRIBUTE *attributes = template->attributes;

    PKCS11_TRY(pkcs11_attribute_check_template(attributes, template->count));
    for (CK_ULONG i = 0; i < template->count; i++)
        if (pkcs11_template_find(template, attributes[i].type) != &attributes[i])
            return CKR_TEMPLATE_INCONSISTENT; /* section 4.1.1 leaves this choice */
    return CKR_OK;
}

CK_RV pkcs11_template_bool(const struct pkcs11_template *template, CK_ATTRIBUTE_TYPE type,
                           bool *ret)
{
    const CK_ATTRIBUTE *attribute = pkcs11_template_find(template, type);
    CK_BBOOL value;

    if (!attribute)
        return CKR_OK;
    if (attribute->ulValueLen != sizeof(value))
        return CKR_ATTRIBUTE_VALUE_INVALID;
    memcpy(&value, attribute->pValue, sizeof(value));
    if (value != CK_TRUE && value != CK_FALSE)
        return CKR_ATTRIBUTE_VALUE_INVALID;
    *ret = value == CK_TRUE;
    return CKR_OK;
}

CK_RV pkcs11_template_ulong(const struct pkcs11_template *template, CK_ATTRIBUTE_TYPE type,
                            CK_ULONG *ret)
{
    const CK_ATTRIBUTE *attribute = pkcs11_template_find(template, type);

    if (!attribute)
        return CKR_OK;
    if (attribute->ulValueLen != sizeof(*ret))
        return CKR_ATTRIBUTE_VALUE_INVALID;
    memcpy(ret, attribute->pValue, sizeof(*ret));
    return CKR_OK;
}

CK_RV pkcs11_template_begin(const struct pkcs11_template *template, CK_ULONG *ret_class,
                            bool *ret_token)
{
    PKCS11_TRY(pkcs11_template_check(template));
    if (!pkcs11_template_find(template, CKA_CLASS))
        return CKR_TEMPLATE_INCOMPLETE;
    PKCS11_TRY(pkcs11_template_ulong(template, CKA_CLASS, ret_class));
    return pkcs11_template_bool(template, CKA_TOKEN, ret_token);
}
