/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 3.0 section 5.7: making, copying, changing and destroying objects. With CKA_TOKEN an
 * object becomes the service's, as far as the slot allows; the others are session keys.
 */
#include "attribute.h"
#include "module.h"
#include "pair.h"
#include "token_key.h"

/* ---- C_CreateObject ---- */

static CK_RV new_key(struct pkcs11_call *call, const struct pkcs11_secret *secret,
                     const struct pkcs11_template *template, struct remote_secret_key **ret)
{
    const CK_ATTRIBUTE *value = pkcs11_template_find(template, CKA_VALUE);
    enum remote_key_type type = REMOTE_KEY_GENERIC;
    enum remote_rc rc;

    if (value->ulValueLen == 0 || !pkcs11_secret_core_type(pkcs11_secret_type(secret), &type))
        return CKR_ATTRIBUTE_VALUE_INVALID;
    rc = remote_secret_key_new(type, remote_slice(value->pValue, value->ulValueLen), ret,
                               &call->err);
    return pkcs11_rv(NULL, rc, PKCS11_DOING_OBJECT);
}

static CK_RV create_session_key(struct pkcs11_call *call, const struct pkcs11_template *template,
                                CK_OBJECT_HANDLE *ret)
{
    CLEANUP(pkcs11_secret_drop) struct pkcs11_secret *secret = NULL;
    struct remote_secret_key *key = NULL;

    PKCS11_TRY(pkcs11_secret_read(call->session->slot, template, PKCS11_CREATING, NULL, &secret));
    PKCS11_TRY(new_key(call, secret, template, &key));
    PKCS11_TRY(
        pkcs11_secret_complete(call, secret, key, PKCS11_CREATING, CK_UNAVAILABLE_INFORMATION));
    return pkcs11_secret_store(call, &secret, ret);
}

static CK_RV create_object(struct pkcs11_call *call, const struct pkcs11_template *template,
                           CK_OBJECT_HANDLE *ret)
{
    CK_ULONG class = CK_UNAVAILABLE_INFORMATION;
    bool token = false;

    if (!ret)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_template_begin(template, &class, &token));
    if (token)
        return pkcs11_token_key_create(call, template, class, ret);
    if (class == CKO_PUBLIC_KEY || class == CKO_PRIVATE_KEY)
        return pkcs11_pair_create(call, template, class, ret);
    if (class != CKO_SECRET_KEY)
        return CKR_ATTRIBUTE_VALUE_INVALID; /* session objects are keys only */
    return create_session_key(call, template, ret);
}

CK_RV C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR attributes, CK_ULONG count,
                     CK_OBJECT_HANDLE_PTR ret)
{
    const struct pkcs11_template template = { attributes, count };

    return PKCS11_SESSION_CALL(call, session, create_object(call, &template, ret));
}

/* ---- C_CopyObject ---- */

/* A session key becomes the service's: its copy there is called by the label. */
static CK_RV copy_to_token(struct pkcs11_call *call, const struct pkcs11_object *object,
                           const struct pkcs11_template *template, CK_OBJECT_HANDLE *ret)
{
    struct pkcs11_token_key wish = { .spec = { .type = pkcs11_object_key_type(object) } };
    struct remote_slice value;

    if (!pkcs11_secret_flag(object->secret, CKA_EXTRACTABLE)) /* public keys never are */
        return CKR_ACTION_PROHIBITED; /* else a service that exports keys would give it away */
    value = pkcs11_secret_material(object->secret);
    wish.spec.bits = (unsigned)value.len * 8;
    if (object->class == CKO_PRIVATE_KEY && !remote_local_pkcs8_spec(value, &wish.spec))
        return CKR_FUNCTION_FAILED; /* cannot be: it was made here */
    PKCS11_TRY(pkcs11_token_key_read(template, object->class, wish.spec.type, wish.name));
    if (wish.name[0] == '\0')
        return CKR_TEMPLATE_INCOMPLETE;
    PKCS11_TRY(pkcs11_token_key_allowed(call, REMOTE_ALLOW_IMPORT));
    return pkcs11_token_key_import(call, &wish, value, ret);
}

static CK_RV copy_session_key(struct pkcs11_call *call, const struct pkcs11_object *object,
                              const struct pkcs11_template *template, CK_OBJECT_HANDLE *ret)
{
    CLEANUP(pkcs11_secret_drop) struct pkcs11_secret *secret = NULL;

    PKCS11_TRY(
        pkcs11_secret_read(call->session->slot, template, PKCS11_COPYING, object->secret, &secret));
    return pkcs11_secret_store(call, &secret, ret);
}

/*
 * Of token objects only public keys are CKA_COPYABLE, into the session (pkcs11-provider tries
 * others, and goes on without).
 */
static CK_RV copy_token_object(struct pkcs11_call *call, const struct pkcs11_object *object,
                               const struct pkcs11_template *template, CK_OBJECT_HANDLE *ret)
{
    bool token = true;

    PKCS11_TRY(pkcs11_template_bool(template, CKA_TOKEN, &token));
    return token || object->class != CKO_PUBLIC_KEY ? CKR_ACTION_PROHIBITED
                                                    : pkcs11_pair_copy(call, object, template, ret);
}

static CK_RV copy_object(struct pkcs11_call *call, CK_OBJECT_HANDLE handle,
                         const struct pkcs11_template *template, CK_OBJECT_HANDLE *ret)
{
    CLEANUP(pkcs11_object_clear) struct pkcs11_object object = { 0 };
    bool token = false;

    if (!ret)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_template_check(template));
    PKCS11_TRY(pkcs11_object_get(call, call->session->slot, handle, &object));
    if (!object.secret)
        return copy_token_object(call, &object, template, ret);
    if (!pkcs11_secret_flag(object.secret, CKA_COPYABLE))
        return CKR_ACTION_PROHIBITED;
    PKCS11_TRY(pkcs11_template_bool(template, CKA_TOKEN, &token));
    return token ? copy_to_token(call, &object, template, ret)
                 : copy_session_key(call, &object, template, ret);
}

CK_RV C_CopyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR attributes,
                   CK_ULONG count, CK_OBJECT_HANDLE_PTR ret)
{
    const struct pkcs11_template template = { attributes, count };

    return PKCS11_SESSION_CALL(call, session, copy_object(call, object, &template, ret));
}

/* ---- C_DestroyObject ---- */

static CK_RV destroy_object(struct pkcs11_call *call, CK_OBJECT_HANDLE handle)
{
    CLEANUP(pkcs11_object_clear) struct pkcs11_object object = { 0 };

    PKCS11_TRY(pkcs11_object_get(call, call->session->slot, handle, &object));
    if (!object.secret)
        return pkcs11_token_key_destroy(call, &object);
    if (!pkcs11_secret_flag(object.secret, CKA_DESTROYABLE))
        return CKR_ACTION_PROHIBITED;
    return pkcs11_session_object_remove(call, handle) ? CKR_OK : CKR_OBJECT_HANDLE_INVALID;
}

CK_RV C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    return PKCS11_SESSION_CALL(call, session, destroy_object(call, object));
}

/* ---- C_SetAttributeValue ---- */

static CK_RV set_attribute_value(struct pkcs11_call *call, CK_OBJECT_HANDLE handle,
                                 const struct pkcs11_template *template)
{
    CLEANUP(pkcs11_object_clear) struct pkcs11_object object = { 0 };
    CLEANUP(pkcs11_secret_drop) struct pkcs11_secret *changed = NULL;

    PKCS11_TRY(pkcs11_template_check(template));
    PKCS11_TRY(pkcs11_object_get(call, call->session->slot, handle, &object));
    if (!object.secret)
        return pkcs11_token_key_rename(call, &object, template);
    if (!pkcs11_secret_flag(object.secret, CKA_MODIFIABLE))
        return CKR_ACTION_PROHIBITED;
    PKCS11_TRY(
        pkcs11_secret_read(call->session->slot, template, PKCS11_SETTING, object.secret, &changed));
    if (!pkcs11_session_object_replace(call, handle, object.secret, changed))
        return CKR_OBJECT_HANDLE_INVALID; /* another session was faster */
    changed = NULL;
    return CKR_OK;
}

CK_RV C_SetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                          CK_ATTRIBUTE_PTR attributes, CK_ULONG count)
{
    const struct pkcs11_template template = { attributes, count };

    return PKCS11_SESSION_CALL(call, session, set_attribute_value(call, object, &template));
}
