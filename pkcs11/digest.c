/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 3.0 section 5.12: digests, always made here. They are not in C_GetMechanismList: hosts
 * choose by that list, and pkcs11-provider would then send every digest of its process through
 * this module and copy digests under way by C_GetOperationState. Who asks for one by name gets it.
 */
#include "module.h"

static CK_RV digest_begin(struct pkcs11_call *call, struct pkcs11_operation *operation)
{
    enum remote_rc rc;

    pkcs11_operation_reset(operation);
    rc = remote_digest_init(&operation->digest, operation->params.hash, &call->err);
    operation->digesting = rc == REMOTE_OK;
    return pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
}

static CK_RV digest_update(struct pkcs11_call *call, struct pkcs11_operation *operation,
                           struct remote_slice data)
{
    return pkcs11_rv(NULL, remote_digest_update(&operation->digest, data, &call->err),
                     PKCS11_DOING_OTHER);
}

static CK_RV digest_finish(struct pkcs11_call *call, struct pkcs11_operation *operation)
{
    return pkcs11_rv(NULL, remote_digest_final(&operation->digest, &operation->output, &call->err),
                     PKCS11_DOING_OTHER);
}

static size_t digest_size(const struct pkcs11_operation *operation, size_t len, bool final)
{
    (void)len;
    return final ? remote_hash_size(operation->params.hash) : 0;
}

const struct pkcs11_engine pkcs11_engine_digest = {
    .begin = digest_begin, .update = digest_update, .finish = digest_finish, .size = digest_size
};

static CK_RV digest_open(struct pkcs11_call *call, struct pkcs11_operation *operation,
                         const CK_MECHANISM *mechanism)
{
    enum remote_hash hash = remote_hash_of_ckm(mechanism->mechanism);

    if (hash == REMOTE_HASH_NONE)
        return CKR_MECHANISM_INVALID;
    if (mechanism->pParameter && mechanism->ulParameterLen)
        return CKR_MECHANISM_PARAM_INVALID;
    operation->kind = PKCS11_DIGEST;
    operation->engine = &pkcs11_engine_digest;
    operation->params.hash = hash;
    PKCS11_TRY(operation->engine->begin(call, operation));
    operation->active = true;
    return CKR_OK;
}

static CK_RV digest_init(struct pkcs11_call *call, const CK_MECHANISM *mechanism)
{
    struct pkcs11_operation *operation = &call->session->operations[PKCS11_DIGEST];
    CK_RV rv;

    if (mechanism && operation->active)
        return CKR_OPERATION_ACTIVE;
    if (mechanism)
        rv = digest_open(call, operation, mechanism);
    else
        rv = operation->active ? CKR_OK : CKR_ARGUMENTS_BAD; /* as 2.40 would have it */
    if (rv != CKR_OK || !mechanism)
        pkcs11_operation_clear(operation);
    return rv;
}

CK_RV C_DigestInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism)
{
    return PKCS11_SESSION_CALL(call, session, digest_init(call, mechanism));
}

CK_RV C_Digest(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR digest,
               CK_ULONG_PTR digest_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_answer(call, PKCS11_DIGEST, true, data, data_len,
                                                       digest, digest_len));
}

CK_RV C_DigestUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_update(call, PKCS11_DIGEST, data, data_len));
}

/* The value of a service's key is not here to be digested. */
static CK_RV digest_key(struct pkcs11_call *call, CK_OBJECT_HANDLE handle)
{
    struct pkcs11_operation *operation = &call->session->operations[PKCS11_DIGEST];
    CLEANUP(pkcs11_object_clear) struct pkcs11_object object = { 0 };
    struct remote_slice value;

    PKCS11_TRY(pkcs11_operation_active(operation));
    PKCS11_TRY(pkcs11_object_get_key(call, call->session->slot, handle, &object));
    if (!object.secret)
        return CKR_KEY_INDIGESTIBLE;
    value = remote_secret_key_value(object.secret->key);
    return pkcs11_operation_update(call, PKCS11_DIGEST, value.data, value.len);
}

CK_RV C_DigestKey(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    return PKCS11_SESSION_CALL(call, session, digest_key(call, key));
}

CK_RV C_DigestFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR digest, CK_ULONG_PTR digest_len)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_answer(call, PKCS11_DIGEST, false, NULL, 0, digest,
                                                       digest_len));
}
