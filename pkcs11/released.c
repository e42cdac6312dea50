/* SPDX-License-Identifier: Apache-2.0 */
#include "released.h"

#include "module.h"
#include "remote/released.h"

static CK_RV make_secret(struct pkcs11_call *call, const struct pkcs11_object *object,
                         struct pkcs11_secret **ret)
{
    CK_KEY_TYPE type = CKK_AES;
    CK_BBOOL no = CK_FALSE, yes = CK_TRUE;
    CK_ATTRIBUTE attributes[] = { { CKA_KEY_TYPE, &type, sizeof(type) },
                                  { CKA_SENSITIVE, &no, sizeof(no) },
                                  { CKA_EXTRACTABLE, &yes, sizeof(yes) } };
    const struct pkcs11_template template = { attributes, ARRAY_SIZE(attributes) };
    CLEANUP(pkcs11_secret_drop) struct pkcs11_secret *secret = NULL;
    struct remote_secret_key *key = NULL;
    enum remote_rc rc;

    PKCS11_TRY(pkcs11_secret_read(object->slot, &template, PKCS11_UNWRAPPING, NULL, &secret));
    rc = remote_key_release(object->key, &key, &call->err);
    if (rc == REMOTE_E_NOT_FOUND) {
        pkcs11_object_forget(call, object->slot, object->key);
        return CKR_KEY_HANDLE_INVALID;
    }
    if (rc != REMOTE_OK)
        return pkcs11_rv(object->slot->remote, rc, PKCS11_DOING_OTHER);
    PKCS11_TRY(
        pkcs11_secret_complete(call, secret, key, PKCS11_UNWRAPPING, CK_UNAVAILABLE_INFORMATION));
    *ret = secret;
    secret = NULL;
    return CKR_OK;
}

CK_RV pkcs11_released_open(struct pkcs11_call *call, struct pkcs11_object *object)
{
    if (!object->key || !object->key->released)
        return CKR_OK;
    return make_secret(call, object, &object->secret);
}

CK_RV pkcs11_released_value(const struct pkcs11_object *object, struct remote_buf *ret,
                            struct remote_error *err)
{
    struct remote_secret_key *key = NULL;
    struct remote_slice value;
    enum remote_rc rc = remote_key_release(object->key, &key, err);

    if (rc != REMOTE_OK)
        return pkcs11_rv(object->slot->remote, rc, PKCS11_DOING_OBJECT);
    value = remote_secret_key_value(key);
    remote_buf_append(ret, value.data, value.len);
    remote_secret_key_unref(key);
    return ret->failed ? CKR_HOST_MEMORY : CKR_OK;
}
