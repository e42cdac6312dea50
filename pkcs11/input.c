/* SPDX-License-Identifier: Apache-2.0 */
/* What a key gets at the end of an operation: a hash that is made here, or all that was given. */
#include "module.h"

CK_RV pkcs11_input_begin(struct pkcs11_call *call, struct pkcs11_operation *operation, size_t max)
{
    enum remote_rc rc = REMOTE_OK;

    if (operation->hash_here)
        rc = remote_digest_init(&operation->digest, operation->params.hash, &call->err);
    operation->digesting = operation->hash_here && rc == REMOTE_OK;
    operation->input_max = max;
    return pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
}

static CK_RV too_much(struct pkcs11_call *call, const struct pkcs11_operation *operation)
{
    const struct remote_key *key = operation->object.key;

    return pkcs11_operation_result(call, operation,
                                   REMOTE_FAIL(&call->err, REMOTE_E_LENGTH,
                                               "%s%s%s takes at most %zu bytes in one operation",
                                               key ? "key '" : "a key of the session",
                                               key ? key->name : "", key ? "'" : "",
                                               operation->input_max));
}

static CK_RV collect(struct pkcs11_call *call, struct pkcs11_operation *operation,
                     struct remote_slice data)
{
    if (data.len > operation->input_max - operation->input.len)
        return too_much(call, operation);
    remote_buf_append(&operation->input, data.data, data.len);
    return operation->input.failed ? CKR_HOST_MEMORY : CKR_OK;
}

CK_RV pkcs11_input_update(struct pkcs11_call *call, struct pkcs11_operation *operation,
                          struct remote_slice data)
{
    if (!operation->hash_here)
        return collect(call, operation, data);
    return pkcs11_rv(NULL, remote_digest_update(&operation->digest, data, &call->err),
                     PKCS11_DOING_OTHER);
}

enum remote_rc pkcs11_input_end(struct pkcs11_operation *operation, struct remote_error *err)
{
    enum remote_rc rc;

    if (!operation->digesting)
        return REMOTE_OK;
    rc = remote_digest_final(&operation->digest, &operation->input, err);
    remote_digest_clear(&operation->digest);
    operation->digesting = false;
    return rc;
}
