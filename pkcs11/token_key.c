/* SPDX-License-Identifier: Apache-2.0 */
#include "token_key.h"

#include <string.h>

#include "attribute.h"
#include "module.h"
#include "pair.h"
#include "parts.h"

/* ---- may it? ---- */

CK_RV pkcs11_token_key_allowed(struct pkcs11_call *call, enum remote_allow what)
{
    static const struct {
        enum remote_allow what;
        const char *word;
    } words[] = { { REMOTE_ALLOW_GENERATE, "generate" },
                  { REMOTE_ALLOW_IMPORT, "import" },
                  { REMOTE_ALLOW_ROTATE, "rotate" },
                  { REMOTE_ALLOW_DESTROY, "destroy" },
                  { REMOTE_ALLOW_LABEL, "label" } };
    const struct remote_slot *slot = call->session->slot->remote;
    const char *word = "";

    if (what == REMOTE_ALLOW_GENERATE && !remote_slot_makes_keys(slot)) {
        REMOTE_FAIL(&call->err, REMOTE_E_UNSUPPORTED,
                    "slot '%s': keys are made by the service's operator, with its own tools",
                    remote_slot_name(slot));
        return CKR_FUNCTION_NOT_SUPPORTED;
    }
    PKCS11_TRY(pkcs11_session_writable(call));
    if (remote_slot_allows(slot, what))
        return CKR_OK;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (words[i].what == what)
            word = words[i].word;
    return pkcs11_rv(slot,
                     REMOTE_FAIL(&call->err, REMOTE_E_FORBIDDEN_USE,
                                 "slot '%s' does not allow this; add 'allow = %s' to its section",
                                 remote_slot_name(slot), word),
                     PKCS11_DOING_OBJECT);
}

/* ---- what a template says of a new key ---- */

/* CKA_ID is made of the key itself (design section 4), so that nobody else may choose it. */
static bool is_read_only(const CK_ATTRIBUTE *attribute)
{
    static const CK_ATTRIBUTE_TYPE types[] = {
        CKA_ID,
        CKA_UNIQUE_ID,
        CKA_LOCAL,
        CKA_ALWAYS_SENSITIVE,
        CKA_NEVER_EXTRACTABLE,
        CKA_KEY_GEN_MECHANISM,
    };

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (attribute->type == types[i])
            return attribute->ulValueLen > 0;
    return false;
}

/* A service's key never comes out again: who wants to take it along must know now. */
static CK_RV check_promises(const struct pkcs11_template *template, CK_OBJECT_CLASS class)
{
    bool extractable = false, token = true, trusted = false;
    CK_ULONG stated = class;

    PKCS11_TRY(pkcs11_template_bool(template, CKA_EXTRACTABLE, &extractable));
    PKCS11_TRY(pkcs11_template_bool(template, CKA_TOKEN, &token));
    PKCS11_TRY(pkcs11_template_bool(template, CKA_TRUSTED, &trusted));
    PKCS11_TRY(pkcs11_template_ulong(template, CKA_CLASS, &stated));
    if (trusted)
        return CKR_ATTRIBUTE_READ_ONLY;
    return extractable || !token || stated != class ? CKR_TEMPLATE_INCONSISTENT : CKR_OK;
}

static CK_RV read_label(const struct pkcs11_template *template, char name[REMOTE_KEY_NAME_MAX + 1])
{
    const CK_ATTRIBUTE *label = pkcs11_template_find(template, CKA_LABEL);

    if (!label || label->ulValueLen == 0)
        return CKR_OK;
    if (label->ulValueLen > REMOTE_KEY_NAME_MAX || memchr(label->pValue, '\0', label->ulValueLen))
        return CKR_ATTRIBUTE_VALUE_INVALID;
    if (name[0] != '\0' &&
        (strlen(name) != label->ulValueLen || memcmp(name, label->pValue, label->ulValueLen) != 0))
        return CKR_TEMPLATE_INCONSISTENT; /* the two halves have one name */
    memcpy(name, label->pValue, label->ulValueLen);
    name[label->ulValueLen] = '\0';
    return CKR_OK;
}

CK_RV pkcs11_token_key_read(const struct pkcs11_template *template, CK_OBJECT_CLASS class,
                            enum remote_key_type type, char name[REMOTE_KEY_NAME_MAX + 1])
{
    PKCS11_TRY(pkcs11_template_check(template));
    for (CK_ULONG i = 0; i < template->count; i++) {
        const CK_ATTRIBUTE *attribute = &template->attributes[i];

        if (!pkcs11_attribute_known(class, type, attribute->type))
            return CKR_ATTRIBUTE_TYPE_INVALID;
        if (is_read_only(attribute))
            return CKR_ATTRIBUTE_READ_ONLY;
    }
    PKCS11_TRY(check_promises(template, class));
    return read_label(template, name);
}

static CK_RV need_name(struct pkcs11_call *call, const char *name)
{
    if (name[0] != '\0')
        return CKR_OK;
    REMOTE_FAIL(&call->err, REMOTE_E_PARAM, "a key of the service needs a name: give a CKA_LABEL");
    return CKR_TEMPLATE_INCOMPLETE;
}

/* ---- handles ---- */

static CK_RV new_handle(struct pkcs11_call *call, CK_OBJECT_CLASS class, struct remote_key *key,
                        CK_OBJECT_HANDLE *ret)
{
    CLEANUP(pkcs11_object_clear) struct pkcs11_object object = { 0 };

    pkcs11_object_of_key(call->session->slot, class, key, &object);
    return pkcs11_object_handle(call, &object, ret);
}

/* Takes over the key. */
static CK_RV new_handles(struct pkcs11_call *call, struct remote_key *key, CK_OBJECT_HANDLE *ret,
                         CK_OBJECT_HANDLE *ret_public)
{
    CK_OBJECT_CLASS class = remote_key_type_symmetric(key->type) ? CKO_SECRET_KEY : CKO_PRIVATE_KEY;
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE, public = CK_INVALID_HANDLE;
    CK_RV rv;

    pkcs11_object_learn(call->session->slot, key);
    rv = new_handle(call, class, key, &handle);
    if (rv == CKR_OK && ret_public)
        rv = new_handle(call, CKO_PUBLIC_KEY, key, &public);
    remote_key_unref(key);
    if (rv != CKR_OK)
        return rv;
    *ret = handle;
    if (ret_public)
        *ret_public = public;
    return CKR_OK;
}

/* ---- making and importing ---- */

CK_RV pkcs11_token_key_generate(struct pkcs11_call *call, const struct pkcs11_token_key *wish,
                                CK_OBJECT_HANDLE *ret, CK_OBJECT_HANDLE *ret_public)
{
    struct remote_slot *slot = call->session->slot->remote;
    struct remote_key *key = NULL;
    enum remote_rc rc;

    PKCS11_TRY(need_name(call, wish->name));
    PKCS11_TRY(pkcs11_token_key_allowed(call, REMOTE_ALLOW_GENERATE));
    rc = remote_slot_generate(slot, wish->name, &wish->spec, &key, &call->err);
    if (rc != REMOTE_OK)
        return pkcs11_rv(slot, rc, PKCS11_DOING_OBJECT);
    return new_handles(call, key, ret, ret_public);
}

CK_RV pkcs11_token_key_import(struct pkcs11_call *call, const struct pkcs11_token_key *wish,
                              struct remote_slice material, CK_OBJECT_HANDLE *ret)
{
    struct remote_slot *slot = call->session->slot->remote;
    struct remote_key *key = NULL;
    enum remote_rc rc =
        remote_slot_import(slot, wish->name, &wish->spec, material, &key, &call->err);

    if (rc != REMOTE_OK)
        return pkcs11_rv(slot, rc, PKCS11_DOING_OBJECT);
    return new_handles(call, key, ret, NULL);
}

/* CKA_KEY_TYPE in the core's words; of curves the parameters say the rest. */
static CK_RV read_type(const struct pkcs11_template *template, CK_OBJECT_CLASS class,
                       enum remote_key_type *ret)
{
    CK_ULONG type = CK_UNAVAILABLE_INFORMATION;

    if (!pkcs11_template_find(template, CKA_KEY_TYPE))
        return CKR_TEMPLATE_INCOMPLETE;
    PKCS11_TRY(pkcs11_template_ulong(template, CKA_KEY_TYPE, &type));
    if (class == CKO_SECRET_KEY)
        return pkcs11_secret_core_type(type, ret) ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID;
    return pkcs11_pair_core_type(type, ret) ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID;
}

CK_RV pkcs11_token_key_expect(struct pkcs11_call *call, const struct pkcs11_template *template,
                              CK_OBJECT_CLASS class, struct pkcs11_token_key *ret)
{
    if (class != CKO_SECRET_KEY && class != CKO_PRIVATE_KEY)
        return CKR_ATTRIBUTE_VALUE_INVALID; /* certificates come from the configuration */
    PKCS11_TRY(read_type(template, class, &ret->spec.type));
    PKCS11_TRY(pkcs11_token_key_read(template, class, ret->spec.type, ret->name));
    PKCS11_TRY(need_name(call, ret->name));
    return pkcs11_token_key_allowed(call, REMOTE_ALLOW_IMPORT);
}

/* ---- C_CreateObject ---- */

static CK_RV secret_material(const struct pkcs11_template *template, struct remote_key_spec *spec,
                             struct remote_slice *ret)
{
    *ret = pkcs11_parts_find(template, CKA_VALUE);
    if (!pkcs11_template_find(template, CKA_VALUE))
        return CKR_TEMPLATE_INCOMPLETE;
    if (pkcs11_template_find(template, CKA_VALUE_LEN))
        return CKR_ATTRIBUTE_READ_ONLY; /* follows from the value */
    if (ret->len == 0 || ret->len > REMOTE_SECRET_KEY_MAX)
        return CKR_ATTRIBUTE_VALUE_INVALID;
    spec->bits = (unsigned)ret->len * 8;
    return CKR_OK;
}

CK_RV pkcs11_token_key_create(struct pkcs11_call *call, const struct pkcs11_template *template,
                              CK_OBJECT_CLASS class, CK_OBJECT_HANDLE *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf made = { 0 };
    struct pkcs11_token_key wish = { 0 };
    struct remote_slice material = { 0 };

    PKCS11_TRY(pkcs11_token_key_expect(call, template, class, &wish));
    if (class == CKO_SECRET_KEY) {
        PKCS11_TRY(secret_material(template, &wish.spec, &material));
    } else {
        PKCS11_TRY(pkcs11_parts_private(call, template, &wish.spec, &made));
        material = remote_buf_slice(&made);
    }
    return pkcs11_token_key_import(call, &wish, material, ret);
}

CK_RV pkcs11_token_key_unwrapped(struct pkcs11_call *call, struct pkcs11_token_key *wish,
                                 struct remote_slice material, CK_OBJECT_HANDLE *ret)
{
    struct remote_key_spec found = { 0 };

    if (remote_key_type_symmetric(wish->spec.type)) {
        if (material.len == 0 || material.len > REMOTE_SECRET_KEY_MAX)
            return CKR_WRAPPED_KEY_INVALID;
        wish->spec.bits = (unsigned)material.len * 8;
    } else {
        if (!remote_local_pkcs8_spec(material, &found) || found.type != wish->spec.type)
            return CKR_WRAPPED_KEY_INVALID;
        wish->spec = found;
    }
    return pkcs11_token_key_import(call, wish, material, ret);
}

/* ---- C_DestroyObject ---- */

/*
 * Only what stands for the whole key: its public half may be read by others, and an older version
 * cannot go alone.
 */
CK_RV pkcs11_token_key_destroy(struct pkcs11_call *call, const struct pkcs11_object *object)
{
    struct remote_slot *slot = call->session->slot->remote;
    enum remote_rc rc;

    PKCS11_TRY(pkcs11_token_key_allowed(call, REMOTE_ALLOW_DESTROY));
    if (object->cert || object->class == CKO_PUBLIC_KEY || !object->key->latest)
        return CKR_ACTION_PROHIBITED;
    rc = remote_slot_destroy(slot, object->key->name, &call->err);
    if (rc == REMOTE_OK || rc == REMOTE_E_NOT_FOUND)
        pkcs11_object_forget_name(call, call->session->slot, object->key->name);
    return pkcs11_rv(slot, rc, PKCS11_DOING_OBJECT);
}

/* ---- C_SetAttributeValue ---- */

/* CKA_LABEL is all that can be changed of a service's key, and only where that can be done. */
static CK_RV read_new_label(const struct pkcs11_object *object,
                            const struct pkcs11_template *template,
                            char name[REMOTE_KEY_NAME_MAX + 1])
{
    for (CK_ULONG i = 0; i < template->count; i++) {
        CK_ATTRIBUTE_TYPE type = template->attributes[i].type;

        if (!pkcs11_attribute_known(object->class, object->key->type, type))
            return CKR_ATTRIBUTE_TYPE_INVALID;
        if (type != CKA_LABEL)
            return CKR_ATTRIBUTE_READ_ONLY;
    }
    PKCS11_TRY(read_label(template, name));
    return name[0] != '\0' ? CKR_OK
                           : CKR_ATTRIBUTE_VALUE_INVALID; /* it has to be called something */
}

CK_RV pkcs11_token_key_rename(struct pkcs11_call *call, const struct pkcs11_object *object,
                              const struct pkcs11_template *template)
{
    struct remote_slot *slot = call->session->slot->remote;
    char label[REMOTE_KEY_NAME_MAX + 1] = "";
    struct remote_key *key = NULL;
    enum remote_rc rc;

    PKCS11_TRY(pkcs11_token_key_allowed(call, REMOTE_ALLOW_LABEL));
    if (object->cert || object->class == CKO_PUBLIC_KEY || !object->key->latest)
        return CKR_ACTION_PROHIBITED; /* as for C_DestroyObject */
    PKCS11_TRY(read_new_label(object, template, label));
    if (strcmp(label, object->key->name) == 0)
        return CKR_OK;
    rc = remote_slot_rename(slot, object->key->name, label, &key, &call->err);
    if (rc != REMOTE_OK)
        return rc == REMOTE_E_UNSUPPORTED ? CKR_ACTION_PROHIBITED
                                          : pkcs11_rv(slot, rc, PKCS11_DOING_OBJECT);
    pkcs11_object_rename(call, call->session->slot, object->key->name, key);
    remote_key_unref(key);
    return CKR_OK;
}
