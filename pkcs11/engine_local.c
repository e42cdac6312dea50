/* SPDX-License-Identifier: Apache-2.0 */
/* Work with session keys: the core's ciphers and MACs, as the application's parts come. */
#include "module.h"

static struct remote_secret_key *key_of(const struct pkcs11_operation *operation)
{
    return operation->object.secret->key;
}

/* ---- ciphers ---- */

static CK_RV cipher_begin(struct pkcs11_call *call, struct pkcs11_operation *operation)
{
    const struct remote_params *params = &operation->params;
    const struct remote_cipher_params exact = { .cipher = remote_cipher_of[params->alg],
                                                .iv = params->iv,
                                                .counter_bits = params->counter_bits,
                                                .aad = params->aad,
                                                .tag_len = params->tag_len };

    pkcs11_operation_reset(operation);
    return pkcs11_rv(NULL,
                     remote_cipher_init(&operation->cipher, key_of(operation), &exact,
                                        pkcs11_operation_encrypts(operation), &call->err),
                     PKCS11_DOING_OTHER);
}

static CK_RV cipher_update(struct pkcs11_call *call, struct pkcs11_operation *operation,
                           struct remote_slice data)
{
    return pkcs11_operation_result(call, operation,
                                   remote_cipher_update(&operation->cipher, data,
                                                        &operation->output, &call->err));
}

static CK_RV cipher_finish(struct pkcs11_call *call, struct pkcs11_operation *operation)
{
    return pkcs11_operation_result(call, operation,
                                   remote_cipher_final(&operation->cipher, &operation->output,
                                                       &call->err));
}

static CK_RV cipher_whole(struct pkcs11_call *call, struct pkcs11_operation *operation,
                          struct remote_slice data, unsigned char *to, size_t *ret_len)
{
    return pkcs11_operation_result(call, operation,
                                   remote_cipher_whole(&operation->cipher, data, to, ret_len,
                                                       &call->err));
}

static size_t cipher_size(const struct pkcs11_operation *operation, size_t len, bool final)
{
    return remote_cipher_output_max(&operation->cipher, len, final);
}

const struct pkcs11_engine pkcs11_engine_cipher = { .begin = cipher_begin,
                                                    .update = cipher_update,
                                                    .finish = cipher_finish,
                                                    .whole = cipher_whole,
                                                    .size = cipher_size };

/* ---- MACs ---- */

static CK_RV mac_begin(struct pkcs11_call *call, struct pkcs11_operation *operation)
{
    pkcs11_operation_reset(operation);
    return pkcs11_rv(NULL,
                     remote_mac_init(&operation->mac, key_of(operation), operation->params.hash,
                                     &call->err),
                     PKCS11_DOING_OTHER);
}

static CK_RV mac_update(struct pkcs11_call *call, struct pkcs11_operation *operation,
                        struct remote_slice data)
{
    return pkcs11_rv(NULL, remote_mac_update(&operation->mac, data, &call->err),
                     PKCS11_DOING_OTHER);
}

static size_t mac_size(const struct pkcs11_operation *operation, size_t len, bool final)
{
    const struct remote_params *params = &operation->params;

    (void)len;
    if (!final)
        return 0;
    return params->tag_len ? params->tag_len : remote_hash_size(params->hash);
}

static CK_RV mac_finish(struct pkcs11_call *call, struct pkcs11_operation *operation)
{
    enum remote_rc rc = remote_mac_final(&operation->mac, &operation->output, &call->err);

    if (rc == REMOTE_OK)
        remote_buf_truncate(&operation->output, mac_size(operation, 0, true));
    return pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
}

static CK_RV mac_verify(struct pkcs11_call *call, struct pkcs11_operation *operation,
                        struct remote_slice sig)
{
    PKCS11_TRY(mac_finish(call, operation));
    return remote_slice_equal_secret(remote_buf_slice(&operation->output), sig)
               ? CKR_OK
               : CKR_SIGNATURE_INVALID;
}

const struct pkcs11_engine pkcs11_engine_mac = { .begin = mac_begin,
                                                 .update = mac_update,
                                                 .finish = mac_finish,
                                                 .verify = mac_verify,
                                                 .size = mac_size };
