/* SPDX-License-Identifier: Apache-2.0 */
/* Work with a service's key: hashed here, or collected, for one request at the end. */
#include "module.h"

/* What REMOTE_ALG_AES_GCM is about: the service's nonces and tags have no other lengths. */
#define GCM_NONCE 12
#define GCM_TAG 16

/* The nonce is the service's to choose: design section 5. Messages have their own way. */
static CK_RV check_gcm(struct pkcs11_call *call, const struct pkcs11_operation *operation)
{
    const struct remote_params *params = &operation->params;
    enum remote_rc rc;

    if (params->alg != REMOTE_ALG_AES_GCM || operation->kind == PKCS11_MESSAGE_ENCRYPT)
        return CKR_OK;
    if (pkcs11_operation_encrypts(operation)) {
        rc = REMOTE_FAIL(&call->err, REMOTE_E_PARAM,
                         "key '%s': the service chooses the IV; take C_EncryptMessage with "
                         "CKG_GENERATE, or CKM_HSMBRIDGE_AEAD",
                         operation->object.key->name);
        return pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
    }
    if (params->iv.len == GCM_NONCE && params->tag_len == GCM_TAG)
        return CKR_OK;
    rc = REMOTE_FAIL(&call->err, REMOTE_E_PARAM,
                     "key '%s': an IV of %zu and a tag of %zu bytes; the service has %d and %d",
                     operation->object.key->name, params->iv.len, params->tag_len, GCM_NONCE,
                     GCM_TAG);
    return pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
}

static CK_RV begin(struct pkcs11_call *call, struct pkcs11_operation *operation)
{
    pkcs11_operation_reset(operation);
    PKCS11_TRY(check_gcm(call, operation));
    return pkcs11_input_begin(call, operation,
                              remote_key_input_max(operation->object.key, &operation->params,
                                                   pkcs11_operation_use(operation)));
}

/* PKCS#11 keeps the IV apart, the core's REMOTE_ALG_AES_GCM puts it first. */
static enum remote_rc decrypt_gcm(struct pkcs11_operation *operation, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };

    remote_buf_append(&sealed, operation->params.iv.data, operation->params.iv.len);
    remote_buf_append(&sealed, operation->input.data, operation->input.len);
    REMOTE_TRY(remote_buf_check(&sealed, err));
    return remote_key_decrypt(operation->object.key, &operation->params, remote_buf_slice(&sealed),
                              &operation->output, err);
}

static enum remote_rc request(struct pkcs11_operation *operation, struct remote_error *err)
{
    struct remote_key *key = operation->object.key;
    struct remote_slice input = remote_buf_slice(&operation->input);

    if (operation->kind == PKCS11_SIGN)
        return remote_key_sign(key, &operation->params, input, &operation->output, err);
    if (pkcs11_operation_encrypts(operation))
        return remote_key_encrypt(key, &operation->params, input, &operation->output, err);
    if (operation->params.alg == REMOTE_ALG_AES_GCM)
        return decrypt_gcm(operation, err);
    return remote_key_decrypt(key, &operation->params, input, &operation->output, err);
}

static CK_RV finish(struct pkcs11_call *call, struct pkcs11_operation *operation)
{
    enum remote_rc rc = pkcs11_input_end(operation, &call->err);

    if (rc == REMOTE_OK)
        rc = request(operation, &call->err);
    return pkcs11_operation_result(call, operation, rc);
}

static CK_RV verify(struct pkcs11_call *call, struct pkcs11_operation *operation,
                    struct remote_slice sig)
{
    enum remote_rc rc = pkcs11_input_end(operation, &call->err);

    if (rc == REMOTE_OK)
        rc = remote_key_verify(operation->object.key, &operation->params,
                               remote_buf_slice(&operation->input), sig, &call->err);
    return pkcs11_operation_result(call, operation, rc);
}

static size_t size(const struct pkcs11_operation *operation, size_t len, bool final)
{
    const struct remote_key *key = operation->object.key;
    size_t total = operation->input.len + len;

    if (!final)
        return 0;
    if (!remote_key_type_symmetric(key->type) || key->type == REMOTE_KEY_GENERIC)
        return remote_key_output_size(key, &operation->params);
    if (pkcs11_operation_encrypts(operation))
        return remote_key_sealed_max(key, &operation->params, total);
    if (operation->params.alg == REMOTE_ALG_AES_GCM)
        return total > GCM_TAG ? total - GCM_TAG : 0;
    return total;
}

const struct pkcs11_engine pkcs11_engine_remote = {
    .begin = begin, .update = pkcs11_input_update, .finish = finish, .verify = verify, .size = size
};
