/* SPDX-License-Identifier: Apache-2.0 */
#include "zama_stored.h"

#include <stdlib.h>
#include <string.h>

#include "kms.pb-c.h"
#include "remote/protobuf.h"

#define ID_DIGITS (2 * ZAMA_ID_LEN)

/* Big-endian numbers and handles, padded in front. False: longer than there is room. */
static bool pad(ProtobufCBinaryData from, uint8_t *ret, size_t size)
{
    if (from.len > size)
        return false;
    memset(ret, 0, size);
    if (from.len > 0)
        memcpy(ret + size - from.len, from.data, from.len);
    return true;
}

/* The KMS takes "0x" and capitals, and answers without. */
static bool read_id(const Kms__V1__RequestId *from, uint8_t ret[ZAMA_ID_LEN])
{
    char digits[2 + ID_DIGITS + 1] = "";

    if (from == NULL || from->request_id.len >= sizeof(digits))
        return false;
    memcpy(digits, from->request_id.data, from->request_id.len);
    return zama_id_parse(digits, ret);
}

static bool read_domain(const Kms__V1__Eip712DomainMsg *from, struct zama_domain *ret)
{
    if (from == NULL || !pad(from->chain_id, ret->chain_id, sizeof(ret->chain_id)) ||
        !zama_address_parse(from->verifying_contract, ret->verifying_contract))
        return false;
    ret->name = from->name; /* the message's; never freed here */
    ret->version = from->version;
    ret->has_salt = from->salt.len > 0;
    return from->salt.len == 0 ||
           (from->salt.len == sizeof(ret->salt) && pad(from->salt, ret->salt, sizeof(ret->salt)));
}

static bool read_ciphertext(const Kms__V1__TypedCiphertext *from, struct zama_ciphertext *ret)
{
    ret->bytes = remote_protobuf_slice(from->ciphertext);
    ret->fhe_type = from->fhe_type;
    ret->format = (enum zama_format)from->ciphertext_format;
    return pad(from->external_handle, ret->handle, sizeof(ret->handle));
}

static bool read_ciphertexts(const Kms__V1__PublicDecryptionRequest *from,
                             struct zama_question *question)
{
    if (from->n_ciphertexts == 0)
        return false;
    question->ciphertexts = calloc(from->n_ciphertexts, sizeof(*question->ciphertexts));
    if (question->ciphertexts == NULL)
        return false;
    question->count = from->n_ciphertexts;
    for (size_t i = 0; i < question->count; i++)
        if (!read_ciphertext(from->ciphertexts[i], &question->ciphertexts[i]))
            return false;
    return true;
}

static unsigned read_schemes(const Kms__V1__PublicDecryptionRequest *from)
{
    unsigned schemes = 0;

    for (size_t i = 0; i < from->n_signing_schemes; i++)
        if ((unsigned)from->signing_schemes[i] < 32)
            schemes |= 1u << from->signing_schemes[i];
    return schemes;
}

static bool read_request(const Kms__V1__PublicDecryptionRequest *from, struct zama_stored *ret)
{
    struct zama_question *question = &ret->question;

    question->domain = &ret->domain;
    question->extra_data = remote_protobuf_slice(from->extra_data);
    question->schemes = read_schemes(from);
    return read_id(from->request_id, question->request_id) &&
           read_id(from->key_id, question->key_id) && read_domain(from->domain, &ret->domain) &&
           read_ciphertexts(from, question);
}

enum remote_rc zama_stored_read(struct remote_slice bytes, struct zama_stored *ret,
                                struct remote_error *err)
{
    struct zama_stored stored = { 0 };

    stored.message = (Kms__V1__PublicDecryptionRequest *)
        remote_protobuf_read(&kms__v1__public_decryption_request__descriptor, bytes);
    if (stored.message == NULL || !read_request(stored.message, &stored)) {
        zama_stored_clear(&stored);
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "not a PublicDecryptionRequest with ids, domain and ciphertexts");
    }
    *ret = stored;
    ret->question.domain = &ret->domain;
    return REMOTE_OK;
}

void zama_stored_clear(struct zama_stored *stored)
{
    free(stored->question.ciphertexts);
    if (stored->message != NULL)
        remote_protobuf_free(&stored->message->base);
    memset(stored, 0, sizeof(*stored));
}
