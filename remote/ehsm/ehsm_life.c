/* SPDX-License-Identifier: Apache-2.0 */
/* What makes, brings in, names and destroys an eHSM-KMS's keys; and data keys. */
#include <string.h>

#include "ehsm.h"
#include "remote/local/local.h"
#include "remote/log.h"

/* ---- generate ---- */

/* A key pair signs or decrypts, never both, and that for good. */
static enum remote_rc choose_usage(const struct remote_key_spec *spec, const char **ret,
                                   struct remote_error *err)
{
    bool signs = (spec->uses & REMOTE_USE_SIGN) != 0;
    bool opens = (spec->uses & REMOTE_USE_DECRYPT) != 0;

    if (remote_key_type_symmetric(spec->type)) {
        *ret = "EH_KEYUSAGE_ENCRYPT_DECRYPT";
        return REMOTE_OK;
    }
    if ((signs && opens) || (opens && spec->type != REMOTE_KEY_RSA))
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "a key of eHSM-KMS signs or decrypts, not both, and an EC or SM2 key "
                           "only signs: ask for one of them");
    *ret = opens ? "EH_KEYUSAGE_ENCRYPT_DECRYPT" : "EH_KEYUSAGE_SIGN_VERIFY";
    return REMOTE_OK;
}

static enum remote_rc build_create(struct remote_conn *conn, const struct remote_op *op,
                                   const char *origin, const struct remote_grant *grant,
                                   struct remote_request *request, struct remote_error *err)
{
    struct ehsm_payload payload = { 0 };
    const char *wire = ehsm_wire_spec(&op->spec), *usage = NULL;

    REMOTE_TRY(ehsm_names_check((struct ehsm *)conn, op->name, err));
    if (wire == NULL)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "key '%s': eHSM-KMS has no %s keys of %u bits", op->name,
                           remote_key_type_name(op->spec.type), op->spec.bits);
    REMOTE_TRY(choose_usage(&op->spec, &usage, err));
    ehsm_add_word(&payload, "keyspec", wire);
    ehsm_add_word(&payload, "origin", origin);
    ehsm_add_word(&payload, "keyusage", usage);
    return ehsm_send(conn, grant, "CreateKey", &payload, request, err);
}

/* The key is there whether its name can be kept or not. */
static enum remote_rc name_new(struct remote_conn *conn, const struct remote_op *op,
                               const char *keyid, struct remote_error *err)
{
    enum remote_rc rc = ehsm_names_give((struct ehsm *)conn, keyid, op->name, err);

    if (rc != REMOTE_OK)
        remote_error_prefix(err, "made as %s, but not named", keyid);
    return rc;
}

enum remote_rc ehsm_build_generate(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err)
{
    (void)attempt;
    return build_create(conn, op, "EH_INTERNAL_KEY", grant, request, err);
}

enum remote_rc ehsm_parse_generate(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    char keyid[EHSM_UUID_LEN + 1];

    REMOTE_TRY(ehsm_reply(op, reply, &json, err));
    REMOTE_TRY(ehsm_take_keyid(json, keyid, err));
    return name_new(conn, op, keyid, err);
}

/* ---- import: an empty key, a public key to wrap for, the wrapped material ---- */

/*
 * op->answer: the step, the key's id, and behind it for MATERIAL the token, a NUL and the PEM of
 * the wrapping key; for UNDO the code and the text of what went wrong.
 */
enum import { CREATE, WRAPPING = 'W', MATERIAL = 'M', UNDO = 'D' };

static enum import import_step(const struct remote_op *op)
{
    return op->answer.len > 0 ? (enum import)op->answer.data[0] : CREATE;
}

static struct remote_slice import_keyid(const struct remote_op *op)
{
    return remote_slice(op->answer.data + 1, EHSM_UUID_LEN);
}

static const char *import_rest(const struct remote_op *op)
{
    return (const char *)op->answer.data + 1 + EHSM_UUID_LEN;
}

static void enter(struct remote_op *op, enum import step, struct remote_slice keyid)
{
    char owned[EHSM_UUID_LEN];

    memcpy(owned, keyid.data, sizeof(owned)); /* it may lie in the answer */
    remote_buf_clear(&op->answer);
    remote_buf_append_char(&op->answer, (char)step);
    remote_buf_append(&op->answer, owned, sizeof(owned));
    op->more = true;
}

static enum remote_rc wrap(struct remote_conn *conn, const struct remote_op *op, const char *pem,
                           struct remote_buf *ret, struct remote_error *err)
{
    static const struct remote_params oaep = { .alg = REMOTE_ALG_RSA_OAEP,
                                               .hash = REMOTE_HASH_SHA256,
                                               .mgf_hash = REMOTE_HASH_SHA256 };
    struct remote_key *key = remote_key_new(conn->slot, "wrapping key", 1, err);
    enum remote_rc rc =
        key != NULL ? remote_local_set_pem(key, remote_slice_str(pem), err) : REMOTE_E_NOMEM;

    if (rc == REMOTE_OK && key->type != REMOTE_KEY_RSA)
        rc = REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the wrapping key is no RSA key");
    if (rc == REMOTE_OK)
        rc = remote_local_encrypt(key, &oaep, op->material, ret, err);
    remote_key_unref(key);
    return rc;
}

static enum remote_rc add_material(struct remote_conn *conn, const struct remote_op *op,
                                   struct ehsm_payload *payload, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf wrapped = { 0 };
    const char *token = import_rest(op);

    REMOTE_TRY(wrap(conn, op, token + strlen(token) + 1, &wrapped, err));
    ehsm_add_bytes(payload, "key_material", remote_buf_slice(&wrapped));
    ehsm_add_word(payload, "padding_mode", "EH_RSA_PKCS1_OAEP");
    ehsm_add_word(payload, "importToken", token);
    return REMOTE_OK;
}

static enum remote_rc check_import(const struct remote_op *op, struct remote_error *err)
{
    if (!remote_key_type_symmetric(op->spec.type))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "key '%s': eHSM-KMS takes in AES and SM4 keys only", op->name);
    if (op->material.len * 8 != op->spec.bits)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "key '%s': %zu bytes are no AES key of %u bits",
                           op->name, op->material.len, op->spec.bits);
    return REMOTE_OK;
}

enum remote_rc ehsm_build_import(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err)
{
    struct ehsm_payload payload = { 0 };
    enum remote_rc rc;

    (void)attempt;
    REMOTE_TRY(check_import(op, err));
    if (import_step(op) == CREATE)
        return build_create(conn, op, "EH_EXTERNAL_KEY", grant, request, err);
    ehsm_add_text(&payload, "keyid", import_keyid(op));
    if (import_step(op) == UNDO)
        return ehsm_send(conn, grant, "DeleteKey", &payload, request, err);
    if (import_step(op) == WRAPPING) {
        ehsm_add_word(&payload, "keyspec", "EH_RSA_3072");
        return ehsm_send(conn, grant, "GetParametersForImport", &payload, request, err);
    }
    rc = add_material(conn, op, &payload, err);
    if (rc == REMOTE_OK)
        return ehsm_send(conn, grant, "ImportKeyMaterial", &payload, request, err);
    ehsm_payload_clear(&payload);
    return rc;
}

/* A key without material is of no use to anybody: it goes, and then the error is told. */
static enum remote_rc undo(struct remote_op *op, const struct remote_error *why,
                           struct remote_error *err)
{
    if (why->rc == REMOTE_E_BUSY || why->rc == REMOTE_E_UNAVAILABLE || why->rc == REMOTE_E_AUTH) {
        *err = *why; /* the step is tried again */
        return why->rc;
    }
    enter(op, UNDO, import_keyid(op));
    remote_buf_append_char(&op->answer, (char)why->rc);
    remote_buf_append_str(&op->answer, why->text);
    return remote_buf_check(&op->answer, err);
}

static enum remote_rc take_wrapping(struct remote_op *op, const struct remote_reply *reply,
                                    struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    const char *pem, *token;

    REMOTE_TRY(ehsm_reply(op, reply, &json, err));
    pem = remote_json_text(json, "result.pubkey");
    token = remote_json_text(json, "result.importToken");
    if (pem == NULL || token == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has no wrapping key with a token");
    enter(op, MATERIAL, import_keyid(op));
    remote_buf_append(&op->answer, token, strlen(token) + 1);
    remote_buf_append_str(&op->answer, pem);
    return remote_buf_check(&op->answer, err);
}

static enum remote_rc take_imported(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    char keyid[EHSM_UUID_LEN + 1] = "";

    REMOTE_TRY(ehsm_reply(op, reply, &json, err));
    if (!remote_json_bool(json, "result.result", false))
        return REMOTE_FAIL(err, REMOTE_E_DATA, "the service did not take the key in");
    memcpy(keyid, import_keyid(op).data, EHSM_UUID_LEN);
    return name_new(conn, op, keyid, err);
}

static enum remote_rc take_created(struct remote_op *op, const struct remote_reply *reply,
                                   struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    char keyid[EHSM_UUID_LEN + 1];

    REMOTE_TRY(ehsm_reply(op, reply, &json, err));
    REMOTE_TRY(ehsm_take_keyid(json, keyid, err));
    enter(op, WRAPPING, remote_slice(keyid, EHSM_UUID_LEN));
    return remote_buf_check(&op->answer, err);
}

static enum remote_rc tell_undone(const struct remote_op *op, struct remote_error *err)
{
    const char *rest = import_rest(op);

    return REMOTE_FAIL(err, (enum remote_rc)rest[0], "%s", rest + 1);
}

enum remote_rc ehsm_parse_import(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    struct remote_error why = { 0 };
    enum import step = import_step(op);

    if (step == CREATE)
        return take_created(op, reply, err);
    if (step == UNDO)
        return tell_undone(op, err);
    why.rc =
        step == WRAPPING ? take_wrapping(op, reply, &why) : take_imported(conn, op, reply, &why);
    return why.rc == REMOTE_OK ? REMOTE_OK : undo(op, &why, err);
}

/* ---- destroy, and names ---- */

enum remote_rc ehsm_build_destroy(struct remote_conn *conn, const struct remote_op *op,
                                  const struct remote_grant *grant, unsigned attempt,
                                  struct remote_request *request, struct remote_error *err)
{
    struct ehsm_payload payload = { 0 };

    (void)attempt;
    ehsm_add_word(&payload, "keyid", op->key->version_id);
    return ehsm_send(conn, grant, "DeleteKey", &payload, request, err);
}

enum remote_rc ehsm_parse_destroy(struct remote_conn *conn, struct remote_op *op,
                                  const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct remote_error why = { 0 };

    REMOTE_TRY(ehsm_reply(op, reply, &json, err));
    if (strcmp(op->name, op->key->version_id) != 0 &&
        ehsm_names_give((struct ehsm *)conn, op->key->version_id, NULL, &why) != REMOTE_OK)
        remote_log(REMOTE_LOG_WARNING, "the name '%s' stays behind: %s", op->name, why.text);
    return REMOTE_OK;
}

/* Names are ours alone; that the service is there is all that it is asked. */
enum remote_rc ehsm_build_label(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err)
{
    (void)grant, (void)attempt;
    REMOTE_TRY(ehsm_names_check((struct ehsm *)conn, op->label, err));
    ehsm_get("GetVersion", request);
    return REMOTE_OK;
}

enum remote_rc ehsm_parse_label(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct ehsm *ehsm = (struct ehsm *)conn;
    char keyid[EHSM_UUID_LEN + 1];

    REMOTE_TRY(ehsm_reply(op, reply, &json, err));
    REMOTE_TRY(ehsm_keyid_of(ehsm, op->name, keyid, err));
    return ehsm_names_give(ehsm, keyid, op->label, err);
}

/* ---- data keys ---- */

enum remote_rc ehsm_build_data_key(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err)
{
    struct ehsm_payload payload = { 0 };

    (void)attempt;
    if (op->length == 0 || op->length > EHSM_DATA_KEY_MAX)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                           "eHSM-KMS makes data keys of 1 to %d bytes, not %zu", EHSM_DATA_KEY_MAX,
                           op->length);
    ehsm_add_word(&payload, "keyid", op->key->version_id);
    ehsm_add_number(&payload, "keylen", op->length);
    return ehsm_send(conn, grant, "GenerateDataKey", &payload, request, err);
}

enum remote_rc ehsm_parse_data_key(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    (void)conn;
    REMOTE_TRY(ehsm_reply(op, reply, &json, err));
    REMOTE_TRY(ehsm_take_bytes(json, "result.plaintext", &op->items[0].out, err));
    REMOTE_TRY(ehsm_take_bytes(json, "result.ciphertext", &op->items[1].out, err));
    if (op->items[1].out.len != op->length + EHSM_OVERHEAD)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "a sealed data key of %zu bytes where %zu are due", op->items[1].out.len,
                           op->length + EHSM_OVERHEAD);
    return REMOTE_OK;
}
