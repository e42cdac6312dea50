/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 3.0 sections 5.9 and 5.11: messages, each with its own IV and tag, under a key that
 * stays. With a service's key the IV comes from the service; with a session key from here, or
 * from the caller. A failed message ends neither the key's process nor later messages.
 */
#include <string.h>

#include "module.h"

#define IV_MAX 256 /* bytes; the cipher says what it really takes */
#define SERVICE_IV 12
#define SERVICE_TAG 16

CK_RV C_MessageEncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                           CK_OBJECT_HANDLE key)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_init(call, PKCS11_MESSAGE_ENCRYPT, mechanism, key));
}

CK_RV C_MessageDecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                           CK_OBJECT_HANDLE key)
{
    return PKCS11_SESSION_CALL(call, session,
                               pkcs11_operation_init(call, PKCS11_MESSAGE_DECRYPT, mechanism, key));
}

/* ---- parameters ---- */

static CK_RV read_params(const void *parameter, CK_ULONG len, CK_GCM_MESSAGE_PARAMS *ret)
{
    if (!parameter || len != sizeof(*ret))
        return CKR_MECHANISM_PARAM_INVALID;
    memcpy(ret, parameter, sizeof(*ret));
    if (!ret->pIv || ret->ulIvLen == 0 || ret->ulIvLen > IV_MAX || !ret->pTag ||
        ret->ulTagBits % 8 != 0 || ret->ulTagBits > 8 * SERVICE_TAG)
        return CKR_MECHANISM_PARAM_INVALID;
    return CKR_OK;
}

static bool generates(const CK_GCM_MESSAGE_PARAMS *gcm)
{
    return gcm->ivGenerator == CKG_GENERATE || gcm->ivGenerator == CKG_GENERATE_RANDOM;
}

/*
 * What the key can do of it. Counters are not offered: one would begin anew with each
 * C_MessageEncryptInit, and then the same key would see the same IV again.
 */
static CK_RV check_params(const struct pkcs11_operation *operation,
                          const CK_GCM_MESSAGE_PARAMS *gcm)
{
    bool encrypts = pkcs11_operation_encrypts(operation), fits;

    if (!encrypts)
        fits = operation->object.secret ||
               (gcm->ulIvLen == SERVICE_IV && gcm->ulTagBits == 8 * SERVICE_TAG);
    else if (operation->object.secret)
        fits = gcm->ivGenerator == CKG_NO_GENERATE ||
               (generates(gcm) && gcm->ulIvFixedBits <= 8 * gcm->ulIvLen);
    else
        fits = generates(gcm) && gcm->ulIvFixedBits == 0 && gcm->ulIvLen == SERVICE_IV &&
               gcm->ulTagBits == 8 * SERVICE_TAG;
    return fits ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
}

/* Random, but for the leading bits that the caller has fixed. */
static CK_RV generate_iv(struct pkcs11_call *call, const CK_GCM_MESSAGE_PARAMS *gcm)
{
    unsigned char random[IV_MAX];
    size_t whole = gcm->ulIvFixedBits / 8;
    unsigned char kept = (unsigned char)(0xff00u >> gcm->ulIvFixedBits % 8);
    enum remote_rc rc = remote_local_random(random, gcm->ulIvLen, &call->err);

    if (rc != REMOTE_OK)
        return pkcs11_rv(NULL, rc, PKCS11_DOING_OTHER);
    if (whole < gcm->ulIvLen) {
        random[whole] = (unsigned char)((gcm->pIv[whole] & kept) | (random[whole] & ~kept));
        memcpy(gcm->pIv + whole, random + whole, gcm->ulIvLen - whole);
    }
    return CKR_OK;
}

/* ---- one message ---- */

static CK_RV message_begin(struct pkcs11_call *call, struct pkcs11_operation *operation,
                           const CK_GCM_MESSAGE_PARAMS *gcm, struct remote_slice aad)
{
    struct remote_params *params = &operation->params;

    if (pkcs11_operation_encrypts(operation) && operation->object.secret && generates(gcm))
        PKCS11_TRY(generate_iv(call, gcm));
    params->aad = aad;
    params->iv = remote_slice(gcm->pIv, gcm->ulIvLen);
    params->tag_len = gcm->ulTagBits / 8;
    if (pkcs11_operation_keep(operation) != CKR_OK)
        return CKR_HOST_MEMORY;
    return operation->engine->begin(call, operation);
}

/* Of what was made: the IV where the service chose it, the ciphertext, and the tag. */
static CK_RV encrypted(const struct pkcs11_operation *operation, const CK_GCM_MESSAGE_PARAMS *gcm,
                       CK_BYTE *out, CK_ULONG *out_len)
{
    struct remote_slice made = remote_buf_slice(&operation->output);
    size_t iv = operation->object.secret ? 0 : SERVICE_IV;
    size_t tag = operation->params.tag_len, len;

    if (made.len < iv + tag)
        return CKR_DEVICE_ERROR;
    len = made.len - iv - tag;
    if (len > *out_len)
        return CKR_DEVICE_ERROR; /* GCM makes neither more nor less */
    if (iv > 0)
        memcpy(gcm->pIv, made.data, iv);
    if (len > 0)
        memcpy(out, made.data + iv, len);
    memcpy(gcm->pTag, made.data + iv + len, tag);
    *out_len = len;
    return CKR_OK;
}

/* The end of a message; before it, *out_len bytes of room were found to suffice. */
static CK_RV message_end(struct pkcs11_call *call, struct pkcs11_operation *operation,
                         const CK_GCM_MESSAGE_PARAMS *gcm, struct remote_slice data, CK_BYTE *out,
                         CK_ULONG *out_len)
{
    PKCS11_TRY(operation->engine->update(call, operation, data));
    if (pkcs11_operation_encrypts(operation)) {
        PKCS11_TRY(operation->engine->finish(call, operation));
        return encrypted(operation, gcm, out, out_len);
    }
    PKCS11_TRY(operation->engine->update(call, operation,
                                         remote_slice(gcm->pTag, operation->params.tag_len)));
    PKCS11_TRY(operation->engine->finish(call, operation));
    return pkcs11_operation_output(&operation->output, out, out_len);
}

/* A message in one call: as long as its plaintext, whatever the direction. */
static CK_RV message_whole(struct pkcs11_call *call, struct pkcs11_operation *operation,
                           const CK_GCM_MESSAGE_PARAMS *gcm, struct remote_slice aad,
                           struct remote_slice data, CK_BYTE *out, CK_ULONG *out_len)
{
    CK_RV rv;

    if (data.len > 0 || !out) {
        if (pkcs11_operation_room(data.len, out, out_len, &rv))
            return rv;
    }
    PKCS11_TRY(message_begin(call, operation, gcm, aad));
    return message_end(call, operation, gcm, data, out, out_len);
}

struct input {
    const void *parameter;
    CK_ULONG parameter_len;
    const CK_BYTE *aad;
    CK_ULONG aad_len;
    const CK_BYTE *data;
    CK_ULONG data_len;
};

static CK_RV read_input(const struct pkcs11_operation *operation, const struct input *input,
                        CK_GCM_MESSAGE_PARAMS *gcm, struct remote_slice *aad,
                        struct remote_slice *data)
{
    PKCS11_TRY(pkcs11_operation_active(operation));
    PKCS11_TRY(pkcs11_operation_slice(input->aad, input->aad_len, aad));
    PKCS11_TRY(pkcs11_operation_slice(input->data, input->data_len, data));
    PKCS11_TRY(read_params(input->parameter, input->parameter_len, gcm));
    return check_params(operation, gcm);
}

static CK_RV message(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                     const struct input *input, CK_BYTE *out, CK_ULONG *out_len)
{
    struct pkcs11_operation *operation = &call->session->operations[kind];
    struct remote_slice aad = { 0 }, data = { 0 };
    CK_GCM_MESSAGE_PARAMS gcm;
    CK_RV rv;

    PKCS11_TRY(read_input(operation, input, &gcm, &aad, &data));
    if (!out_len)
        return CKR_ARGUMENTS_BAD;
    if (operation->message)
        return CKR_OPERATION_ACTIVE;
    rv = message_whole(call, operation, &gcm, aad, data, out, out_len);
    pkcs11_operation_reset(operation);
    return rv;
}

CK_RV C_EncryptMessage(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
                       CK_BYTE_PTR aad, CK_ULONG aad_len, CK_BYTE_PTR plain, CK_ULONG plain_len,
                       CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    const struct input input = { parameter, parameter_len, aad, aad_len, plain, plain_len };

    return PKCS11_SESSION_CALL(call, session,
                               message(call, PKCS11_MESSAGE_ENCRYPT, &input, out, out_len));
}

CK_RV C_DecryptMessage(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
                       CK_BYTE_PTR aad, CK_ULONG aad_len, CK_BYTE_PTR sealed, CK_ULONG sealed_len,
                       CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    const struct input input = { parameter, parameter_len, aad, aad_len, sealed, sealed_len };

    return PKCS11_SESSION_CALL(call, session,
                               message(call, PKCS11_MESSAGE_DECRYPT, &input, out, out_len));
}

/* ---- a message in parts ---- */

/* The IV belongs into the caller's hands now, and a service tells it only at the end. */
static CK_RV begin_parts(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                         const struct input *input)
{
    struct pkcs11_operation *operation = &call->session->operations[kind];
    struct remote_slice aad = { 0 }, none = { 0 };
    CK_GCM_MESSAGE_PARAMS gcm;
    CK_RV rv;

    PKCS11_TRY(read_input(operation, input, &gcm, &aad, &none));
    if (operation->message)
        return CKR_OPERATION_ACTIVE;
    if (kind == PKCS11_MESSAGE_ENCRYPT && !operation->object.secret)
        return CKR_FUNCTION_NOT_SUPPORTED;
    rv = message_begin(call, operation, &gcm, aad);
    if (rv != CKR_OK)
        pkcs11_operation_reset(operation);
    operation->message = rv == CKR_OK;
    return rv;
}

CK_RV C_EncryptMessageBegin(CK_SESSION_HANDLE session, CK_VOID_PTR parameter,
                            CK_ULONG parameter_len, CK_BYTE_PTR aad, CK_ULONG aad_len)
{
    const struct input input = { parameter, parameter_len, aad, aad_len, NULL, 0 };

    return PKCS11_SESSION_CALL(call, session, begin_parts(call, PKCS11_MESSAGE_ENCRYPT, &input));
}

CK_RV C_DecryptMessageBegin(CK_SESSION_HANDLE session, CK_VOID_PTR parameter,
                            CK_ULONG parameter_len, CK_BYTE_PTR aad, CK_ULONG aad_len)
{
    const struct input input = { parameter, parameter_len, aad, aad_len, NULL, 0 };

    return PKCS11_SESSION_CALL(call, session, begin_parts(call, PKCS11_MESSAGE_DECRYPT, &input));
}

/* What this part gives: a decryption nothing before its tag is checked, then everything. */
static size_t part_size(const struct pkcs11_operation *operation, size_t len, bool last)
{
    if (pkcs11_operation_encrypts(operation))
        return operation->engine->size(operation, len, false);
    return last ? operation->engine->size(operation, len + operation->params.tag_len, true) : 0;
}

static CK_RV next_part(struct pkcs11_call *call, struct pkcs11_operation *operation,
                       const CK_GCM_MESSAGE_PARAMS *gcm, struct remote_slice data, bool last,
                       CK_BYTE *out, CK_ULONG *out_len)
{
    size_t need = part_size(operation, data.len, last);
    CK_RV rv;

    if ((need > 0 || !out) && !(last && need == 0) &&
        pkcs11_operation_room(need, out, out_len, &rv))
        return rv;
    if (last)
        return message_end(call, operation, gcm, data, out, out_len);
    PKCS11_TRY(operation->engine->update(call, operation, data));
    rv = pkcs11_operation_output(&operation->output, out, out_len);
    remote_buf_truncate(&operation->output, 0);
    return rv;
}

static CK_RV next(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                  const struct input *input, CK_FLAGS flags, CK_BYTE *out, CK_ULONG *out_len)
{
    struct pkcs11_operation *operation = &call->session->operations[kind];
    struct remote_slice none = { 0 }, data = { 0 };
    bool last = (flags & CKF_END_OF_MESSAGE) != 0;
    CK_GCM_MESSAGE_PARAMS gcm = { 0 };
    CK_RV rv;

    PKCS11_TRY(read_input(operation, input, &gcm, &none, &data));
    if (!operation->message)
        return CKR_OPERATION_NOT_INITIALIZED;
    if (!out_len)
        return CKR_ARGUMENTS_BAD;
    if (gcm.ulTagBits != 8 * operation->params.tag_len)
        return CKR_MECHANISM_PARAM_INVALID;
    rv = next_part(call, operation, &gcm, data, last, out, out_len);
    if (rv == CKR_BUFFER_TOO_SMALL || (rv == CKR_OK && (!last || !out)))
        return rv;
    pkcs11_operation_reset(operation);
    return rv;
}

CK_RV C_EncryptMessageNext(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
                           CK_BYTE_PTR plain, CK_ULONG plain_len, CK_BYTE_PTR out,
                           CK_ULONG_PTR out_len, CK_FLAGS flags)
{
    const struct input input = { parameter, parameter_len, NULL, 0, plain, plain_len };

    return PKCS11_SESSION_CALL(call, session,
                               next(call, PKCS11_MESSAGE_ENCRYPT, &input, flags, out, out_len));
}

CK_RV C_DecryptMessageNext(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
                           CK_BYTE_PTR sealed, CK_ULONG sealed_len, CK_BYTE_PTR out,
                           CK_ULONG_PTR out_len, CK_FLAGS flags)
{
    const struct input input = { parameter, parameter_len, NULL, 0, sealed, sealed_len };

    return PKCS11_SESSION_CALL(call, session,
                               next(call, PKCS11_MESSAGE_DECRYPT, &input, flags, out, out_len));
}

/* ---- the end of the process ---- */

static CK_RV message_final(struct pkcs11_call *call, enum pkcs11_operation_kind kind)
{
    struct pkcs11_operation *operation = &call->session->operations[kind];

    PKCS11_TRY(pkcs11_operation_active(operation));
    pkcs11_operation_clear(operation);
    return CKR_OK;
}

CK_RV C_MessageEncryptFinal(CK_SESSION_HANDLE session)
{
    return PKCS11_SESSION_CALL(call, session, message_final(call, PKCS11_MESSAGE_ENCRYPT));
}

CK_RV C_MessageDecryptFinal(CK_SESSION_HANDLE session)
{
    return PKCS11_SESSION_CALL(call, session, message_final(call, PKCS11_MESSAGE_DECRYPT));
}
