/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked, and the two plain answers, as protobuf: see kms.proto. */
#include <stdlib.h>
#include <string.h>

#include "kms.pb-c.h"
#include "remote/protobuf.h"
#include "zama.h"

#define SCHEMES 5             /* of SigningSchemeType */
#define STATUS_MAX (4u << 20) /* bytes of an answer that lists ids: some 60,000 of them */
#define ID_DIGITS (2 * ZAMA_ID_LEN)

/* ---- ids ---- */

struct id_message {
    char digits[ID_DIGITS + 1];
    Kms__V1__RequestId message;
};

static Kms__V1__RequestId *write_id(const uint8_t id[ZAMA_ID_LEN], struct id_message *room)
{
    zama_id_format(id, room->digits);
    kms__v1__request_id__init(&room->message);
    room->message.request_id = remote_protobuf_data(remote_slice(room->digits, ID_DIGITS));
    return &room->message;
}

static bool read_id(ProtobufCBinaryData text, uint8_t ret[ZAMA_ID_LEN])
{
    char digits[ID_DIGITS + 1] = "";

    if (text.len != ID_DIGITS)
        return false;
    memcpy(digits, text.data, ID_DIGITS);
    return zama_id_parse(digits, ret);
}

enum remote_rc zama_request_id_write(const uint8_t id[ZAMA_ID_LEN], struct remote_buf *ret,
                                     struct remote_error *err)
{
    struct id_message room;

    return remote_protobuf_write(&write_id(id, &room)->base, ret, err);
}

/* ---- PublicDecryptionRequest ---- */

struct domain_message {
    char contract[2 + 2 * ZAMA_ADDRESS_LEN + 1];
    Kms__V1__Eip712DomainMsg message;
};

static Kms__V1__Eip712DomainMsg *write_domain(const struct zama_domain *domain,
                                              struct domain_message *room)
{
    Kms__V1__Eip712DomainMsg *message = &room->message;

    zama_address_format(domain->verifying_contract, room->contract);
    kms__v1__eip712_domain_msg__init(message);
    message->name = domain->name;
    message->version = domain->version;
    message->chain_id =
        remote_protobuf_data(remote_slice(domain->chain_id, sizeof(domain->chain_id)));
    message->verifying_contract = room->contract;
    if (domain->has_salt)
        message->salt = remote_protobuf_data(remote_slice(domain->salt, sizeof(domain->salt)));
    return message;
}

static void write_ciphertext(const struct zama_ciphertext *ciphertext,
                             Kms__V1__TypedCiphertext *message)
{
    kms__v1__typed_ciphertext__init(message);
    message->ciphertext = remote_protobuf_data(ciphertext->bytes);
    message->fhe_type = ciphertext->fhe_type;
    message->external_handle =
        remote_protobuf_data(remote_slice(ciphertext->handle, ZAMA_HANDLE_LEN));
    message->ciphertext_format = (Kms__V1__CiphertextFormat)ciphertext->format;
}

static size_t write_schemes(unsigned schemes, Kms__V1__SigningSchemeType list[SCHEMES])
{
    size_t count = 0;

    for (unsigned scheme = 0; scheme < SCHEMES; scheme++)
        if ((schemes & 1u << scheme) != 0)
            list[count++] = (Kms__V1__SigningSchemeType)scheme;
    return count;
}

/* Whatever the pointers of the message lead to is here or borrowed. */
static enum remote_rc write_request(const struct zama_question *question,
                                    Kms__V1__TypedCiphertext **ciphertexts, struct remote_buf *ret,
                                    struct remote_error *err)
{
    Kms__V1__PublicDecryptionRequest request = KMS__V1__PUBLIC_DECRYPTION_REQUEST__INIT;
    Kms__V1__SigningSchemeType schemes[SCHEMES];
    struct id_message ids[4];
    struct domain_message domain;
    size_t size;

    request.request_id = write_id(question->request_id, &ids[0]);
    request.ciphertexts = ciphertexts;
    request.n_ciphertexts = question->count;
    request.key_id = write_id(question->key_id, &ids[1]);
    request.domain = write_domain(question->domain, &domain);
    request.extra_data = remote_protobuf_data(question->extra_data);
    request.context_id = write_id(question->context_id, &ids[2]);
    request.epoch_id = write_id(question->epoch_id, &ids[3]);
    request.signing_schemes = schemes;
    request.n_signing_schemes = write_schemes(question->schemes, schemes);
    size = protobuf_c_message_get_packed_size(&request.base);
    if (size > ZAMA_MESSAGE_MAX)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                           "a request of %zu bytes is too long: the KMS takes at most %u", size,
                           ZAMA_MESSAGE_MAX);
    return remote_protobuf_write(&request.base, ret, err);
}

enum remote_rc zama_question_write(const struct zama_question *question, struct remote_buf *ret,
                                   struct remote_error *err)
{
    size_t count = question->count;
    Kms__V1__TypedCiphertext *messages = calloc(count + 1, sizeof(*messages));
    Kms__V1__TypedCiphertext **pointers = calloc(count + 1, sizeof(*pointers));
    enum remote_rc rc;

    if (messages == NULL || pointers == NULL) {
        rc = REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    } else {
        for (size_t i = 0; i < count; i++) {
            write_ciphertext(&question->ciphertexts[i], &messages[i]);
            pointers[i] = &messages[i];
        }
        rc = write_request(question, pointers, ret, err);
    }
    free(pointers);
    free(messages);
    return rc;
}

/* ---- answers ---- */

static ProtobufCMessage *read_status(const ProtobufCMessageDescriptor *type,
                                     struct remote_slice bytes, struct remote_error *err)
{
    ProtobufCMessage *message = NULL;

    if (bytes.len > STATUS_MAX)
        REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "a %s of %zu bytes is more than we read, %u",
                    type->short_name, bytes.len, STATUS_MAX);
    else if ((message = remote_protobuf_read(type, bytes)) == NULL)
        REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer is no %s", type->short_name);
    return message;
}

static enum remote_rc read_ids(const Kms__V1__KeyMaterialAvailabilityResponse *answer,
                               struct zama_ids *ret, struct remote_error *err)
{
    struct zama_ids ids = { .ids = calloc(answer->n_fhe_key_ids + 1, sizeof(*ids.ids)) };

    if (ids.ids == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    for (; ids.count < answer->n_fhe_key_ids; ids.count++)
        if (!read_id(answer->fhe_key_ids[ids.count], ids.ids[ids.count])) {
            REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "fhe_key_ids[%zu] is not %d hex digits", ids.count,
                        ID_DIGITS);
            zama_ids_clear(&ids);
            return REMOTE_E_PROTOCOL;
        }
    *ret = ids;
    return REMOTE_OK;
}

enum remote_rc zama_availability_read(struct remote_slice message, struct zama_ids *ret,
                                      struct remote_error *err)
{
    Kms__V1__KeyMaterialAvailabilityResponse *answer =
        (void *)read_status(&kms__v1__key_material_availability_response__descriptor, message, err);
    enum remote_rc rc;

    if (answer == NULL)
        return REMOTE_E_PROTOCOL;
    rc = read_ids(answer, ret, err);
    remote_protobuf_free(&answer->base);
    return rc;
}

void zama_ids_clear(struct zama_ids *ids)
{
    free(ids->ids);
    *ids = (struct zama_ids){ 0 };
}

static enum zama_status read_health_status(Kms__V1__HealthStatus status)
{
    switch (status) {
    case KMS__V1__HEALTH_STATUS__HEALTH_STATUS_OPTIMAL:
        return ZAMA_OPTIMAL;
    case KMS__V1__HEALTH_STATUS__HEALTH_STATUS_HEALTHY:
        return ZAMA_HEALTHY;
    case KMS__V1__HEALTH_STATUS__HEALTH_STATUS_DEGRADED:
        return ZAMA_DEGRADED;
    case KMS__V1__HEALTH_STATUS__HEALTH_STATUS_UNHEALTHY:
        return ZAMA_UNHEALTHY;
    default:
        return ZAMA_UNKNOWN;
    }
}

static bool is_context(const Kms__V1__PeersFromContext *peers, const uint8_t wanted[ZAMA_ID_LEN])
{
    uint8_t id[ZAMA_ID_LEN];

    return peers->context_id != NULL && read_id(peers->context_id->request_id, id) &&
           memcmp(id, wanted, sizeof(id)) == 0;
}

enum remote_rc zama_health_read(struct remote_slice message, const uint8_t context_id[ZAMA_ID_LEN],
                                struct zama_health *ret, struct remote_error *err)
{
    Kms__V1__HealthStatusResponse *answer =
        (void *)read_status(&kms__v1__health_status_response__descriptor, message, err);
    struct zama_health health = { .status = ZAMA_UNKNOWN };

    if (answer == NULL)
        return REMOTE_E_PROTOCOL;
    health.centralized = answer->node_type == KMS__V1__NODE_TYPE__NODE_TYPE_CENTRALIZED;
    health.keys = answer->n_my_fhe_key_ids;
    for (size_t i = 0; i < answer->n_peers_from_all_contexts; i++) {
        const Kms__V1__PeersFromContext *peers = answer->peers_from_all_contexts[i];

        if (!is_context(peers, context_id))
            continue;
        health.status = read_health_status(peers->status);
        health.party_id = peers->my_party_id;
        health.needed = peers->threshold_required;
        health.reachable = peers->nodes_reachable;
    }
    remote_protobuf_free(&answer->base);
    *ret = health;
    return REMOTE_OK;
}
