/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this what that party says to that question? No signature covers all of it: the EIP-712 one has
 * handles, plaintexts, extra data and domain, the others request id, plaintexts and key. So
 * whatever can be compared is compared, and then every signature that is there and that we can
 * check has to be right, one of them under a key that is pinned.
 */
#include <stdlib.h>
#include <string.h>

#include "kms.pb-c.h"
#include "remote/local/local.h"
#include "remote/protobuf.h"
#include "zama_private.h"

#define MESSAGE_SPARE (64u << 10) /* more than all five signatures and a few new members take */
#define PLAINTEXT_SPARE 128       /* more than one plaintext with what is around it */
#define ID_DIGITS (2 * ZAMA_ID_LEN)

typedef Kms__V1__PublicDecryptionResponse answer_message;

struct check {
    const struct zama_question *question;
    const struct zama_pin *pin;
    const answer_message *message;
    struct remote_slice *plaintexts;                 /* borrowed from the message */
    struct remote_slice by_scheme[ZAMA_ED25519 + 1]; /* of signatures[]; data NULL: not there */
    uint8_t point[ZAMA_POINT_LEN];
    struct zama_key key; /* the same */
    bool key_pinned;     /* it is the one that the configuration has */
    bool bound;          /* a signature was right under a pinned key */
    uint8_t signature[ZAMA_SIGNATURE_LEN];
    bool has_signature;
};

static void check_clear(struct check *check)
{
    free(check->plaintexts);
    zama_key_clear(&check->key);
}

/* ---- what the message says, against the question ---- */

static enum remote_rc check_frame(const struct check *check, struct remote_error *err)
{
    const Kms__V1__PublicDecryptionResponsePayload *payload = check->message->payload;
    char digits[ID_DIGITS + 1];

    if (payload == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "it carries no payload");
    zama_id_format(check->question->request_id, digits);
    if (payload->request_id == NULL ||
        !remote_slice_equal(remote_protobuf_slice(payload->request_id->request_id),
                            remote_slice(digits, ID_DIGITS)))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "its request_id is not that of the request, %s",
                           digits);
    if (!remote_slice_equal(remote_protobuf_slice(check->message->extra_data),
                            check->question->extra_data))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "its extra_data is not that of the request");
    return REMOTE_OK;
}

static enum remote_rc check_plaintext(const struct check *check, size_t at,
                                      struct remote_error *err)
{
    const Kms__V1__TypedPlaintext *plaintext = check->message->payload->plaintexts[at];
    int32_t wanted = check->question->ciphertexts[at].fhe_type;
    size_t len = zama_plaintext_len(wanted);

    if (plaintext->fhe_type != wanted)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "its plaintext %zu is of FHE type %d where %d was asked for", at,
                           (int)plaintext->fhe_type, (int)wanted);
    if (len == 0)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "its plaintext %zu is of FHE type %d, which cannot be signed", at,
                           (int)wanted);
    if (plaintext->bytes.len != len)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "its plaintext %zu has %zu bytes where an %s has %zu", at,
                           plaintext->bytes.len, zama_fhe_type_name(wanted), len);
    check->plaintexts[at] = remote_protobuf_slice(plaintext->bytes);
    return REMOTE_OK;
}

static enum remote_rc check_plaintexts(struct check *check, struct remote_error *err)
{
    size_t count = check->question->count;

    if (check->message->payload->n_plaintexts != count)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "it has %zu plaintexts where %zu were asked for",
                           check->message->payload->n_plaintexts, count);
    check->plaintexts = calloc(count + 1, sizeof(*check->plaintexts));
    if (check->plaintexts == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        REMOTE_TRY(check_plaintext(check, i, err));
    return REMOTE_OK;
}

/* ---- whose it is ---- */

/* verification_key is bincode of a byte string: its length as a u64, little-endian, then a point.
 */
static enum remote_rc check_key_form(struct check *check, struct remote_error *err)
{
    static const uint8_t length[8] = { ZAMA_POINT_LEN };
    struct remote_slice key = remote_protobuf_slice(check->message->payload->verification_key);

    if (key.len != sizeof(length) + ZAMA_POINT_LEN || memcmp(key.data, length, sizeof(length)) != 0)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "its verification_key is not bincode of a point: %zu bytes where "
                           "%zu are right",
                           key.len, sizeof(length) + ZAMA_POINT_LEN);
    memcpy(check->point, key.data + sizeof(length), ZAMA_POINT_LEN);
    if (!zama_key_init(&check->key, check->point))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "its verification_key is no point of secp256k1");
    return REMOTE_OK;
}

static enum remote_rc check_address(const struct check *check, struct remote_error *err)
{
    uint8_t address[ZAMA_ADDRESS_LEN];
    char theirs[43], pinned[43];

    if (!zama_key_address(&check->key, address))
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    if (memcmp(address, check->pin->address, sizeof(address)) == 0)
        return REMOTE_OK;
    zama_address_format(address, theirs);
    zama_address_format(check->pin->address, pinned);
    return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                       "its key has the address %s where %s is pinned for this party", theirs,
                       pinned);
}

static enum remote_rc check_key(struct check *check, struct remote_error *err)
{
    const struct zama_pin *pin = check->pin;

    REMOTE_TRY(check_key_form(check, err));
    if (pin->has_point && memcmp(check->point, pin->point, ZAMA_POINT_LEN) != 0)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "its key is not the one that is pinned for this party");
    if (!pin->has_point && pin->has_address)
        REMOTE_TRY(check_address(check, err));
    check->key_pinned = pin->has_point || pin->has_address;
    return REMOTE_OK;
}

/* ---- signatures ---- */

/* Each scheme once: who wants our time has to send more than a list of the same. */
static enum remote_rc sort_signatures(struct check *check, struct remote_error *err)
{
    for (size_t i = 0; i < check->message->n_signatures; i++) {
        const Kms__V1__TypedSignature *typed = check->message->signatures[i];
        unsigned scheme = (unsigned)typed->scheme;

        if (scheme >= ARRAY_SIZE(check->by_scheme))
            continue;
        if (check->by_scheme[scheme].data != NULL)
            return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "it has two signatures of scheme %u",
                               scheme);
        check->by_scheme[scheme] = typed->signature.len > 0
                                       ? remote_protobuf_slice(typed->signature)
                                       : remote_slice("", 0);
    }
    return REMOTE_OK;
}

static enum remote_rc check_length(const char *which, struct remote_slice signature, size_t right,
                                   struct remote_error *err)
{
    if (signature.len == right)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "%s has %zu bytes where %zu are right", which,
                       signature.len, right);
}

static enum remote_rc check_ecdsa(struct check *check, const char *which,
                                  const uint8_t hash[ZAMA_HASH_LEN], const uint8_t *signature,
                                  uint8_t *ret_v, struct remote_error *err)
{
    switch (zama_ecdsa_verify(&check->key, hash, signature, ret_v)) {
    case ZAMA_RIGHT:
        check->bound = check->bound || check->key_pinned;
        return REMOTE_OK;
    case ZAMA_HIGH_S:
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "%s is wrong: its s is in the upper half",
                           which);
    case ZAMA_WRONG:
        break;
    }
    return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "%s is wrong", which);
}

/* What is handed out for a chain has the v that is right there, whatever came. */
static enum remote_rc check_eip712(struct check *check, const char *which,
                                   const uint8_t hash[ZAMA_HASH_LEN], struct remote_slice signature,
                                   struct remote_error *err)
{
    uint8_t v;

    REMOTE_TRY(check_length(which, signature, ZAMA_SIGNATURE_LEN, err));
    if (check->has_signature && memcmp(check->signature, signature.data, ZAMA_ECDSA_LEN) == 0)
        return REMOTE_OK;
    REMOTE_TRY(check_ecdsa(check, which, hash, signature.data, &v, err));
    if (!check->has_signature) {
        memcpy(check->signature, signature.data, ZAMA_ECDSA_LEN);
        check->signature[ZAMA_ECDSA_LEN] = v;
        check->has_signature = true;
    }
    return REMOTE_OK;
}

/* signatures[] first: from 0.16 on there is nothing else. */
static enum remote_rc check_external(struct check *check, struct remote_error *err)
{
    struct remote_slice external = remote_protobuf_slice(check->message->external_signature);
    struct remote_slice typed = check->by_scheme[ZAMA_ECDSA256K1];
    uint8_t hash[ZAMA_HASH_LEN];

    zama_eip712_hash(check->question, check->plaintexts, hash);
    if (typed.data != NULL)
        REMOTE_TRY(check_eip712(check, "its ECDSA signature of signatures[]", hash, typed, err));
    if (external.len > 0)
        REMOTE_TRY(check_eip712(check, "its external_signature", hash, external, err));
    return REMOTE_OK;
}

/* ---- signatures of the payload itself ---- */

static void append_u64(struct remote_buf *buf, uint64_t number)
{
    for (size_t i = 0; i < sizeof(number); i++)
        remote_buf_append_char(buf, (char)(unsigned char)(number >> 8 * i));
}

static void append_i32(struct remote_buf *buf, int32_t number)
{
    for (size_t i = 0; i < sizeof(number); i++)
        remote_buf_append_char(buf, (char)(unsigned char)((uint32_t)number >> 8 * i));
}

static void append_bytes(struct remote_buf *buf, struct remote_slice bytes)
{
    append_u64(buf, bytes.len);
    remote_buf_append(buf, bytes.data, bytes.len);
}

/* The payload in bincode (integers of fixed length, little-endian), behind its purpose. */
static enum remote_rc append_payload(const struct check *check, struct remote_buf *ret,
                                     struct remote_error *err)
{
    const Kms__V1__PublicDecryptionResponsePayload *payload = check->message->payload;

    remote_buf_append_str(ret, "PUBL_DEC");
    append_bytes(ret, remote_protobuf_slice(payload->verification_key));
    append_u64(ret, check->question->count);
    for (size_t i = 0; i < check->question->count; i++) {
        append_bytes(ret, check->plaintexts[i]);
        append_i32(ret, check->question->ciphertexts[i].fhe_type);
    }
    remote_buf_append_char(ret, 1); /* there is a request id */
    append_bytes(ret, remote_protobuf_slice(payload->request_id->request_id));
    return remote_buf_check(ret, err);
}

static enum remote_rc check_internal(struct check *check, struct remote_slice payload,
                                     struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf hash = { 0 };
    struct remote_slice signature = remote_protobuf_slice(check->message->signature);
    uint8_t v;

    if (signature.len == 0)
        return REMOTE_OK;
    REMOTE_TRY(check_length("its signature", signature, ZAMA_ECDSA_LEN, err));
    REMOTE_TRY(remote_local_hash(REMOTE_HASH_SHA256, payload, &hash, err));
    return check_ecdsa(check, "its signature", hash.data, signature.data, &v, err);
}

static enum remote_rc check_ed25519(struct check *check, struct remote_slice payload,
                                    struct remote_error *err)
{
    struct remote_slice signature = check->by_scheme[ZAMA_ED25519];

    if (!check->pin->has_ed25519)
        return REMOTE_OK;
    if (signature.data == NULL && check->question->schemes == 1u << ZAMA_ED25519)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "it has no Ed25519 signature, the only one that was asked for");
    if (signature.data == NULL)
        return REMOTE_OK;
    REMOTE_TRY(check_length("its Ed25519 signature", signature, ZAMA_ED25519_SIGNATURE_LEN, err));
    if (!zama_ed25519_verify(check->pin->ed25519, payload, signature.data))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "its Ed25519 signature is wrong");
    check->bound = true; /* the point too, which is part of the payload */
    return REMOTE_OK;
}

static enum remote_rc check_signatures(struct check *check, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf payload = { 0 };

    REMOTE_TRY(sort_signatures(check, err));
    REMOTE_TRY(check_external(check, err));
    REMOTE_TRY(append_payload(check, &payload, err));
    REMOTE_TRY(check_internal(check, remote_buf_slice(&payload), err));
    REMOTE_TRY(check_ed25519(check, remote_buf_slice(&payload), err));
    if (!check->bound)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "it has no signature of a kind for which a key is pinned");
    return REMOTE_OK;
}

/* ---- all of it ---- */

static enum remote_rc give_plaintexts(const struct check *check, struct remote_secret *ret,
                                      struct remote_error *err)
{
    unsigned char *room;
    size_t len = 0;

    for (size_t i = 0; i < check->question->count; i++)
        len += check->plaintexts[i].len;
    REMOTE_TRY(remote_secret_set(ret, NULL, len, err));
    room = ret->data;
    for (size_t i = 0; i < check->question->count; i++) {
        memcpy(room, check->plaintexts[i].data, check->plaintexts[i].len);
        room += check->plaintexts[i].len;
    }
    return REMOTE_OK;
}

static enum remote_rc check_all(struct check *check, struct zama_answer *ret,
                                struct remote_error *err)
{
    struct zama_answer answer = { .has_point = true, .has_signature = false };

    REMOTE_TRY(check_frame(check, err));
    REMOTE_TRY(check_plaintexts(check, err));
    REMOTE_TRY(check_key(check, err));
    REMOTE_TRY(check_signatures(check, err));
    REMOTE_TRY(give_plaintexts(check, &answer.plaintexts, err));
    memcpy(answer.point, check->point, sizeof(answer.point));
    memcpy(answer.signature, check->signature, sizeof(answer.signature));
    answer.has_signature = check->has_signature;
    *ret = answer;
    return REMOTE_OK;
}

static enum remote_rc read_answer(struct check *check, struct remote_slice bytes,
                                  struct zama_answer *ret, struct remote_error *err)
{
    size_t most =
        MESSAGE_SPARE + check->question->extra_data.len + PLAINTEXT_SPARE * check->question->count;
    answer_message *message;
    enum remote_rc rc;

    if (bytes.len > most)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "it has %zu bytes where an answer to this request has at most %zu",
                           bytes.len, most);
    message = (void *)remote_protobuf_read(&kms__v1__public_decryption_response__descriptor, bytes);
    if (message == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "it is no PublicDecryptionResponse");
    check->message = message;
    rc = check_all(check, ret, err);
    remote_protobuf_free(&message->base);
    return rc;
}

enum remote_rc zama_answer_read(const struct zama_question *question, unsigned party,
                                const struct zama_pin *pin, struct remote_slice message,
                                struct zama_answer *ret, struct remote_error *err)
{
    CLEANUP(check_clear) struct check check = { .question = question, .pin = pin };
    enum remote_rc rc = read_answer(&check, message, ret, err);

    if (rc != REMOTE_OK)
        remote_error_prefix(err, "answer of party %u", party);
    return rc;
}

void zama_answer_clear(struct zama_answer *answer)
{
    remote_secret_clear(&answer->plaintexts);
    *answer = (struct zama_answer){ 0 };
}
