/* SPDX-License-Identifier: Apache-2.0 */
/* Work with key pairs and public keys of the session: by libcrypto, at the end of the input. */
#include "module.h"

static struct remote_session_pair *pair_of(const struct pkcs11_operation *operation)
{
    return operation->object.secret->pair;
}

static CK_RV begin(struct pkcs11_call *call, struct pkcs11_operation *operation)
{
    const struct remote_params *params = &operation->params;
    enum remote_rc rc = remote_session_pair_check(pair_of(operation), params, &call->err);

    pkcs11_operation_reset(operation);
    if (rc != REMOTE_OK)
        return pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
    return pkcs11_input_begin(call, operation,
                              remote_session_pair_input_max(pair_of(operation), params,
                                                            pkcs11_operation_use(operation)));
}

static enum remote_rc work(struct pkcs11_operation *operation, struct remote_error *err)
{
    struct remote_slice input = remote_buf_slice(&operation->input);
    struct remote_session_pair *pair = pair_of(operation);

    if (operation->kind == PKCS11_SIGN)
        return remote_session_pair_sign(pair, &operation->params, input, &operation->output, err);
    if (pkcs11_operation_encrypts(operation))
        return remote_session_pair_encrypt(pair, &operation->params, input, &operation->output,
                                           err);
    return remote_session_pair_decrypt(pair, &operation->params, input, &operation->output, err);
}

static CK_RV finish(struct pkcs11_call *call, struct pkcs11_operation *operation)
{
    enum remote_rc rc = pkcs11_input_end(operation, &call->err);

    if (rc == REMOTE_OK)
        rc = work(operation, &call->err);
    return pkcs11_operation_result(call, operation, rc);
}

static CK_RV verify(struct pkcs11_call *call, struct pkcs11_operation *operation,
                    struct remote_slice sig)
{
    enum remote_rc rc = pkcs11_input_end(operation, &call->err);

    if (rc == REMOTE_OK)
        rc = remote_session_pair_verify(pair_of(operation), &operation->params,
                                        remote_buf_slice(&operation->input), sig, &call->err);
    return pkcs11_operation_result(call, operation, rc);
}

static size_t size(const struct pkcs11_operation *operation, size_t len, bool final)
{
    (void)len;
    return final ? remote_session_pair_output_size(pair_of(operation)) : 0;
}

const struct pkcs11_engine pkcs11_engine_pair = {
    .begin = begin, .update = pkcs11_input_update, .finish = finish, .verify = verify, .size = size
};
