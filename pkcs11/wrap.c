/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 3.0 section 5.18: wrapping and unwrapping, which is encrypting and decrypting the value
 * of a session key, or the PKCS#8 of a private one. Under a service's secret key either is one
 * request; under its RSA key only unwrapping is. A service's own keys are never wrapped: they do
 * not come out.
 */
#include "module.h"
#include "pair.h"
#include "token_key.h"

/* ---- C_WrapKey ---- */

static CK_RV check_wrapped(const struct pkcs11_object *object)
{
    if (!object->secret || !pkcs11_secret_flag(object->secret, CKA_EXTRACTABLE))
        return CKR_KEY_UNEXTRACTABLE;
    if (pkcs11_secret_flag(object->secret, CKA_WRAP_WITH_TRUSTED))
        return CKR_KEY_NOT_WRAPPABLE; /* no key here is CKA_TRUSTED */
    return CKR_OK;
}

static CK_RV wrap_value(struct pkcs11_call *call, struct pkcs11_operation *operation,
                        struct remote_slice value, CK_BYTE *out, CK_ULONG *out_len)
{
    CK_RV rv;

    if (pkcs11_operation_room(operation->engine->size(operation, value.len, true), out, out_len,
                              &rv))
        return rv;
    PKCS11_TRY(operation->engine->update(call, operation, value));
    PKCS11_TRY(operation->engine->finish(call, operation));
    return pkcs11_operation_output(&operation->output, out, out_len);
}

static CK_RV wrap_key(struct pkcs11_call *call, const CK_MECHANISM *mechanism,
                      CK_OBJECT_HANDLE wrapping_key, CK_OBJECT_HANDLE key, CK_BYTE *out,
                      CK_ULONG *out_len)
{
    CLEANUP(pkcs11_operation_clear) struct pkcs11_operation operation = { 0 };
    CLEANUP(pkcs11_object_clear) struct pkcs11_object object = { 0 };

    if (!mechanism || !out_len)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_object_get_key(call, call->session->slot, key, &object));
    PKCS11_TRY(pkcs11_operation_open(call, &operation, PKCS11_WRAP, mechanism, wrapping_key));
    PKCS11_TRY(check_wrapped(&object));
    return wrap_value(call, &operation, pkcs11_secret_material(object.secret), out, out_len);
}

CK_RV C_WrapKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                CK_OBJECT_HANDLE wrapping_key, CK_OBJECT_HANDLE key, CK_BYTE_PTR out,
                CK_ULONG_PTR out_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               wrap_key(call, mechanism, wrapping_key, key, out, out_len));
}

/* ---- C_UnwrapKey ---- */

/* CKR_WRAPPED_KEY_LEN_RANGE: no ciphertext of this mechanism has so few bytes. */
static CK_RV unwrap_value(struct pkcs11_call *call, struct pkcs11_operation *operation,
                          struct remote_slice wrapped)
{
    if (wrapped.len == 0)
        return CKR_WRAPPED_KEY_LEN_RANGE;
    PKCS11_TRY(operation->engine->update(call, operation, wrapped));
    return operation->engine->finish(call, operation);
}

/* What came out must be a key of the type, and of the length where the template states one. */
static CK_RV complete_secret(struct pkcs11_call *call, struct pkcs11_secret *secret,
                             const struct pkcs11_template *template, struct remote_slice value)
{
    struct remote_secret_key *key = NULL;
    enum remote_key_type type = REMOTE_KEY_GENERIC;
    CK_ULONG len = value.len;
    enum remote_rc rc;

    PKCS11_TRY(pkcs11_template_ulong(template, CKA_VALUE_LEN, &len));
    if (len != value.len)
        return CKR_TEMPLATE_INCONSISTENT;
    if (!pkcs11_secret_core_type(pkcs11_secret_type(secret), &type))
        return CKR_ATTRIBUTE_VALUE_INVALID;
    rc = remote_secret_key_new(type, value, &key, &call->err);
    if (rc == REMOTE_E_LENGTH || rc == REMOTE_E_USAGE)
        return CKR_WRAPPED_KEY_INVALID;
    if (rc != REMOTE_OK)
        return pkcs11_rv(NULL, rc, PKCS11_DOING_UNWRAP);
    return pkcs11_secret_complete(call, secret, key, PKCS11_UNWRAPPING, CK_UNAVAILABLE_INFORMATION);
}

static CK_RV unwrap_session_key(struct pkcs11_call *call, struct pkcs11_operation *operation,
                                struct remote_slice wrapped, CK_OBJECT_CLASS class,
                                const struct pkcs11_template *template, CK_OBJECT_HANDLE *ret)
{
    CLEANUP(pkcs11_secret_drop) struct pkcs11_secret *secret = NULL;
    struct remote_slice value;

    PKCS11_TRY(pkcs11_secret_read_class(call->session->slot, class, template, PKCS11_UNWRAPPING,
                                        NULL, &secret));
    PKCS11_TRY(unwrap_value(call, operation, wrapped));
    value = remote_buf_slice(&operation->output);
    PKCS11_TRY(class == CKO_SECRET_KEY ? complete_secret(call, secret, template, value)
                                       : pkcs11_pair_unwrapped(call, secret, template, value));
    return pkcs11_secret_store(call, &secret, ret);
}

static CK_RV unwrap_token_key(struct pkcs11_call *call, struct pkcs11_operation *operation,
                              struct remote_slice wrapped, CK_OBJECT_CLASS class,
                              const struct pkcs11_template *template, CK_OBJECT_HANDLE *ret)
{
    struct pkcs11_token_key wish = { 0 };

    PKCS11_TRY(pkcs11_token_key_expect(call, template, class, &wish));
    PKCS11_TRY(unwrap_value(call, operation, wrapped));
    return pkcs11_token_key_unwrapped(call, &wish, remote_buf_slice(&operation->output), ret);
}

static CK_RV unwrap(struct pkcs11_call *call, struct pkcs11_operation *operation,
                    struct remote_slice wrapped, const struct pkcs11_template *template,
                    CK_OBJECT_HANDLE *ret)
{
    CK_ULONG class = CKO_SECRET_KEY;
    bool token = false;

    PKCS11_TRY(pkcs11_template_begin(template, &class, &token));
    if (token)
        return unwrap_token_key(call, operation, wrapped, class, template, ret);
    if (class != CKO_SECRET_KEY && class != CKO_PRIVATE_KEY)
        return CKR_ATTRIBUTE_VALUE_INVALID; /* nothing else is ever wrapped */
    return unwrap_session_key(call, operation, wrapped, class, template, ret);
}

static CK_RV unwrap_key(struct pkcs11_call *call, const CK_MECHANISM *mechanism,
                        CK_OBJECT_HANDLE unwrapping_key, struct remote_slice wrapped,
                        const struct pkcs11_template *template, CK_OBJECT_HANDLE *ret)
{
    CLEANUP(pkcs11_operation_clear) struct pkcs11_operation operation = { 0 };

    if (!mechanism || !ret || !wrapped.data)
        return CKR_ARGUMENTS_BAD;
    PKCS11_TRY(pkcs11_operation_open(call, &operation, PKCS11_UNWRAP, mechanism, unwrapping_key));
    return unwrap(call, &operation, wrapped, template, ret);
}

CK_RV C_UnwrapKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                  CK_OBJECT_HANDLE unwrapping_key, CK_BYTE_PTR wrapped, CK_ULONG wrapped_len,
                  CK_ATTRIBUTE_PTR attributes, CK_ULONG count, CK_OBJECT_HANDLE_PTR ret)
{
    const struct pkcs11_template template = { attributes, count };

    return PKCS11_SESSION_CALL(call, session,
                               unwrap_key(call, mechanism, unwrapping_key,
                                          remote_slice(wrapped, wrapped_len), &template, ret));
}
