/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys an eHSM-KMS has, and what they are. A listing tells all of AES keys. Of a key pair the
 * public half is another request, and whether it signs or decrypts shows only in what the service
 * answers to a verification that cannot succeed, which leaves no trace.
 */
#include <string.h>

#include "ehsm.h"
#include "remote/local/local.h"
#include "remote/log.h"
#include "remote/slot.h"

#define DIGEST 32
#define EC_SIGNATURE 64
#define RSA_BYTES_MAX 512
#define OAEP_PROBE 60 /* OAEP leaves 42 bytes less than the modulus with SHA-1, 66 with SHA-256 */

/* ---- a key of what is known ---- */

static bool is_pair(const struct ehsm_facts *facts)
{
    return !remote_key_type_symmetric(facts->spec->type);
}

static unsigned uses_of(const struct ehsm_facts *facts)
{
    const unsigned seals =
        REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT | REMOTE_USE_WRAP | REMOTE_USE_UNWRAP;

    if (facts->spec->type == REMOTE_KEY_SM4) /* nothing authenticates it: it carries no keys */
        return REMOTE_USE_ENCRYPT | REMOTE_USE_DECRYPT;
    if (!is_pair(facts))
        return seals;
    if (facts->usage == EHSM_USAGE_SIGN)
        return REMOTE_USE_SIGN | REMOTE_USE_VERIFY;
    /*
     * An EC key that is for encryption can be made, and does nothing at all. With an SM2 key a
     * decryption that failed cannot be told from one that succeeded: parse_decrypt().
     */
    return facts->usage == EHSM_USAGE_ENCRYPT && facts->spec->type == REMOTE_KEY_RSA ? seals : 0;
}

/* A disabled key cannot be asked, and may do nothing anyway. */
static bool lacks_usage(const struct ehsm_facts *facts)
{
    return is_pair(facts) && facts->usage == EHSM_USAGE_UNKNOWN && facts->enabled;
}

static enum remote_rc fill_pair(const struct ehsm_facts *facts, struct remote_key *key,
                                struct remote_error *err)
{
    if (facts->spki.len == 0)
        return REMOTE_OK;
    REMOTE_TRY(remote_local_set_spki(key, remote_buf_slice(&facts->spki), err));
    if (key->type != facts->spec->type || key->bits != facts->spec->bits ||
        key->curve != facts->spec->curve)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "its public key is none of %s",
                           facts->spec->wire);
    if (lacks_usage(facts))
        key->id_len = 0; /* not complete yet: struct remote_op */
    return REMOTE_OK;
}

static enum remote_rc fill(const struct ehsm_facts *facts, const char *keyid,
                           struct remote_key *key, struct remote_error *err)
{
    key->version_id = strdup(keyid);
    if (key->version_id == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    key->type = facts->spec->type;
    key->bits = facts->spec->bits;
    key->curve = facts->spec->curve;
    key->enabled = key->latest = facts->enabled;
    key->created = facts->created;
    key->not_after = facts->expires;
    key->uses = uses_of(facts);
    if (is_pair(facts))
        return fill_pair(facts, key, err);
    return remote_local_set_secret_id(key, remote_slot_name(key->slot), err);
}

static enum remote_rc add_key(struct remote_conn *conn, struct remote_op *op, const char *name,
                              const char *keyid, const struct ehsm_facts *facts,
                              struct remote_error *err)
{
    struct remote_key *key = remote_key_new(conn->slot, name, 1, err);
    enum remote_rc rc = key != NULL ? fill(facts, keyid, key, err) : REMOTE_E_NOMEM;

    if (rc == REMOTE_OK)
        rc = remote_key_list_add(&op->keys, key, err);
    remote_key_unref(key);
    return rc;
}

/* ---- list ---- */

static enum remote_rc build_listing(struct remote_conn *conn, const struct remote_grant *grant,
                                    struct remote_request *request, struct remote_error *err)
{
    struct ehsm_payload payload = { .absent = true };

    request->reply_max = EHSM_LISTING_MAX;
    return ehsm_send(conn, grant, "ListKey", &payload, request, err);
}

enum remote_rc ehsm_build_list(struct remote_conn *conn, const struct remote_op *op,
                               const struct remote_grant *grant, unsigned attempt,
                               struct remote_request *request, struct remote_error *err)
{
    (void)op, (void)attempt;
    return build_listing(conn, grant, request, err);
}

static enum remote_rc tell(struct remote_conn *conn, struct remote_op *op, const char *keyid,
                           struct remote_error *err)
{
    CLEANUP(ehsm_facts_clear) struct ehsm_facts facts = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf name = { 0 };
    enum remote_rc rc = ehsm_known((struct ehsm *)conn, keyid, &facts, err);

    if (rc == REMOTE_E_NOT_FOUND) /* a later listing has it no more */
        return REMOTE_OK;
    REMOTE_TRY(rc);
    if (facts.spec == NULL) {
        remote_log(REMOTE_LOG_DEBUG, "key %s is left out: of a kind that is not served", keyid);
        return REMOTE_OK;
    }
    ehsm_name_of((struct ehsm *)conn, keyid, &name);
    REMOTE_TRY(remote_buf_check(&name, err));
    return add_key(conn, op, (const char *)name.data, keyid, &facts, err);
}

enum remote_rc ehsm_parse_list(struct remote_conn *conn, struct remote_op *op,
                               const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    const remote_json *list;

    REMOTE_TRY(ehsm_reply(op, reply, &json, err));
    REMOTE_TRY(ehsm_known_take((struct ehsm *)conn, json, err));
    list = remote_json_at(json, "result.list");
    for (size_t i = 0; i < remote_json_count(list); i++)
        REMOTE_TRY(tell(conn, op, remote_json_text(remote_json_index(list, i), "keyid"), err));
    return REMOTE_OK;
}

/* ---- read ---- */

/*
 * What is asked for next, and then the key's id, stand in op->answer. At first it is empty: the
 * listing comes first, unless it has just been.
 */
enum stage { LISTING = 'L', PUBLIC = 'P', USAGE = 'U', OAEP = 'O' };

static enum stage stage_of(const struct remote_op *op)
{
    if (op->answer.len > 0)
        return (enum stage)op->answer.data[0];
    if (op->key == NULL)
        return LISTING;
    return op->key->spki.len == 0 ? PUBLIC : USAGE;
}

static enum remote_rc keyid_of(struct remote_conn *conn, const struct remote_op *op,
                               char ret[EHSM_UUID_LEN + 1], struct remote_error *err)
{
    const char *known = op->answer.len > 0 ? (const char *)op->answer.data + 1
                        : op->key != NULL  ? op->key->version_id
                                           : NULL;

    if (known == NULL)
        return ehsm_keyid_of((struct ehsm *)conn, op->name, ret, err);
    memcpy(ret, known, EHSM_UUID_LEN);
    ret[EHSM_UUID_LEN] = '\0';
    return REMOTE_OK;
}

static enum remote_rc enter(struct remote_op *op, enum stage stage, const char *keyid,
                            struct remote_error *err)
{
    remote_buf_clear(&op->answer);
    remote_buf_append_char(&op->answer, (char)stage);
    remote_buf_append_str(&op->answer, keyid);
    op->more = true;
    return remote_buf_check(&op->answer, err);
}

static void add_usage_probe(struct ehsm_payload *payload, const struct ehsm_spec *spec)
{
    static const unsigned char zeros[RSA_BYTES_MAX];
    bool rsa = spec->type == REMOTE_KEY_RSA;

    ehsm_add_bytes(payload, "message", remote_slice(zeros, DIGEST));
    ehsm_add_word(payload, "message_type", "EH_DIGEST");
    ehsm_add_word(payload, "digest_mode", spec->type == REMOTE_KEY_SM2 ? "EH_SM3" : "EH_SHA_256");
    ehsm_add_word(payload, "padding_mode", rsa ? "EH_RSA_PKCS1" : "EH_PAD_NONE");
    ehsm_add_bytes(payload, "signature", remote_slice(zeros, rsa ? spec->bits / 8 : EC_SIGNATURE));
}

static void add_oaep_probe(struct ehsm_payload *payload, const struct ehsm_spec *spec)
{
    static const unsigned char zeros[RSA_BYTES_MAX];

    ehsm_add_bytes(payload, "plaintext", remote_slice(zeros, spec->bits / 8 - OAEP_PROBE));
    ehsm_add_word(payload, "padding_mode", "EH_RSA_PKCS1_OAEP");
}

static enum remote_rc build_probe(struct remote_conn *conn, enum stage stage, const char *keyid,
                                  const struct remote_grant *grant, struct remote_request *request,
                                  struct remote_error *err)
{
    CLEANUP(ehsm_facts_clear) struct ehsm_facts facts = { 0 };
    struct ehsm_payload payload = { 0 };

    REMOTE_TRY(ehsm_known((struct ehsm *)conn, keyid, &facts, err));
    ehsm_add_word(&payload, "keyid", keyid);
    if (stage == OAEP) {
        add_oaep_probe(&payload, facts.spec);
        return ehsm_send(conn, grant, "AsymmetricEncrypt", &payload, request, err);
    }
    add_usage_probe(&payload, facts.spec);
    return ehsm_send(conn, grant, "Verify", &payload, request, err);
}

enum remote_rc ehsm_build_read(struct remote_conn *conn, const struct remote_op *op,
                               const struct remote_grant *grant, unsigned attempt,
                               struct remote_request *request, struct remote_error *err)
{
    struct ehsm_payload payload = { 0 };
    enum stage stage = stage_of(op);
    char keyid[EHSM_UUID_LEN + 1];

    (void)attempt;
    REMOTE_TRY(keyid_of(conn, op, keyid, err));
    if (stage == LISTING)
        return build_listing(conn, grant, request, err);
    if (stage != PUBLIC)
        return build_probe(conn, stage, keyid, grant, request, err);
    ehsm_add_word(&payload, "keyid", keyid);
    return ehsm_send(conn, grant, "GetPublicKey", &payload, request, err);
}

/* ---- read: what the answers say ---- */

static enum remote_rc learn_public(struct remote_conn *conn, const remote_json *json,
                                   const char *keyid, struct remote_error *err)
{
    struct remote_slice pem = remote_json_slice(json, "result.pubkey");
    struct remote_key *key;
    enum remote_rc rc;

    if (pem.data == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has no public key");
    key = remote_key_new(conn->slot, keyid, 1, err);
    if (key == NULL)
        return REMOTE_E_NOMEM;
    rc = remote_local_set_pem(key, pem, err);
    if (rc == REMOTE_OK)
        rc = ehsm_known_public((struct ehsm *)conn, keyid, remote_buf_slice(&key->spki), err);
    remote_key_unref(key);
    return rc;
}

static enum remote_rc parse_public(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_reply *reply, const char *keyid,
                                   struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    enum remote_rc rc = ehsm_reply(op, reply, &json, err);

    if (rc == REMOTE_E_FORBIDDEN_USE)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "it is disabled or expired, and the service does not show its public "
                           "half");
    if (rc == REMOTE_E_UNSUPPORTED)
        return REMOTE_FAIL(err, rc, "this eHSM-KMS is older than v0.4.0 and shows no public keys");
    return rc == REMOTE_OK ? learn_public(conn, json, keyid, err) : rc;
}

/* Verify answers false with a key that signs; with one that does not, the enclave refuses. */
static enum remote_rc parse_usage(struct ehsm *ehsm, const struct remote_op *op,
                                  const struct remote_reply *reply, const char *keyid,
                                  struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    enum remote_rc rc = ehsm_reply(op, reply, &json, err);

    if (rc != REMOTE_OK && rc != REMOTE_E_CRYPTO)
        return rc;
    ehsm_known_usage(ehsm, keyid, rc == REMOTE_OK ? EHSM_USAGE_SIGN : EHSM_USAGE_ENCRYPT);
    return REMOTE_OK;
}

static enum remote_rc parse_oaep(struct ehsm *ehsm, const struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    enum remote_rc rc = ehsm_reply(op, reply, &json, err);

    if (rc != REMOTE_OK && rc != REMOTE_E_CRYPTO)
        return rc;
    atomic_store(&ehsm->oaep, rc == REMOTE_OK ? REMOTE_HASH_SHA1 : REMOTE_HASH_SHA256);
    return REMOTE_OK;
}

static enum remote_rc parse_listing(struct ehsm *ehsm, const struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    REMOTE_TRY(ehsm_reply(op, reply, &json, err));
    return ehsm_known_take(ehsm, json, err);
}

static enum remote_rc parse_stage(struct remote_conn *conn, const struct remote_op *op,
                                  const struct remote_reply *reply, const char *keyid,
                                  struct remote_error *err)
{
    struct ehsm *ehsm = (struct ehsm *)conn;

    switch (stage_of(op)) {
    case PUBLIC:
        return parse_public(conn, op, reply, keyid, err);
    case USAGE:
        return parse_usage(ehsm, op, reply, keyid, err);
    case OAEP:
        return parse_oaep(ehsm, op, reply, err);
    case LISTING:
    default:
        return parse_listing(ehsm, op, reply, err);
    }
}

/* Goes on to what is missing, or ends with the key. */
static enum remote_rc go_on(struct remote_conn *conn, struct remote_op *op, const char *keyid,
                            bool disabled, struct remote_error *err)
{
    CLEANUP(ehsm_facts_clear) struct ehsm_facts facts = { 0 };
    struct ehsm *ehsm = (struct ehsm *)conn;

    REMOTE_TRY(ehsm_known(ehsm, keyid, &facts, err));
    facts.enabled = facts.enabled && !disabled;
    if (facts.spec == NULL)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "its keyspec is not served");
    if (is_pair(&facts) && facts.spki.len == 0)
        return enter(op, PUBLIC, keyid, err);
    if (lacks_usage(&facts))
        return enter(op, USAGE, keyid, err);
    if (facts.usage == EHSM_USAGE_ENCRYPT && facts.spec->type == REMOTE_KEY_RSA && facts.enabled &&
        atomic_load(&ehsm->oaep) == REMOTE_HASH_NONE)
        return enter(op, OAEP, keyid, err);
    return add_key(conn, op, op->name, keyid, &facts, err);
}

enum remote_rc ehsm_parse_read(struct remote_conn *conn, struct remote_op *op,
                               const struct remote_reply *reply, struct remote_error *err)
{
    char keyid[EHSM_UUID_LEN + 1];
    enum remote_rc rc;

    REMOTE_TRY(keyid_of(conn, op, keyid, err));
    rc = parse_stage(conn, op, reply, keyid, err);
    if (rc != REMOTE_OK && rc != REMOTE_E_FORBIDDEN_USE)
        return rc;
    return go_on(conn, op, keyid, rc == REMOTE_E_FORBIDDEN_USE, err); /* disabled in between */
}
