/* SPDX-License-Identifier: Apache-2.0 */
/* What changes keys in a Vault transit engine: create, import, rotate, delete; and data keys. */
#include <string.h>

#include "remote/encode.h"
#include "remote/local/local.h"
#include "remote/local/secret_key.h"
#include "vault.h"

/* BYOK: RSA-OAEP around a one-time AES key, then that key's KWP around the material. */
#define IMPORT_KEK_LEN 32
#define IMPORT_HASH "SHA256"

/* ---- create ---- */

enum remote_rc vault_build_generate(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    const char *type = vault_wire_type(&op->spec);

    (void)attempt;
    if (type == NULL)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "key '%s': Vault has no %s keys of %u bits",
                           op->name, remote_key_type_name(op->spec.type), op->spec.bits);
    vault_begin((struct vault *)conn, "POST", grant, request);
    vault_add_path(request, (struct vault *)conn, "keys", op->name);
    remote_buf_printf(&request->body, "{\"type\":\"%s\"", type);
    if (op->spec.type == REMOTE_KEY_GENERIC)
        remote_buf_printf(&request->body, ",\"key_size\":%u", op->spec.bits / 8);
    remote_buf_append_char(&request->body, '}');
    return REMOTE_OK;
}

/* For answers that only matter as a success: 200 with the key as it is, or 204 with nothing. */
enum remote_rc vault_parse_done(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    (void)conn;
    if (reply->status == 204)
        return REMOTE_OK;
    return vault_reply(op, reply, &json, err);
}

/* ---- rotate and destroy ---- */

static void begin_on_key(struct remote_conn *conn, const char *method, const char *name,
                         const char *action, const struct remote_grant *grant,
                         struct remote_request *request)
{
    vault_begin((struct vault *)conn, method, grant, request);
    vault_add_path(request, (struct vault *)conn, "keys", name);
    remote_buf_append_str(&request->path, action);
}

enum remote_rc vault_build_rotate(struct remote_conn *conn, const struct remote_op *op,
                                  const struct remote_grant *grant, unsigned attempt,
                                  struct remote_request *request, struct remote_error *err)
{
    (void)attempt, (void)err;
    begin_on_key(conn, "POST", op->name, "/rotate", grant, request);
    remote_buf_append_str(&request->body, "{}");
    return REMOTE_OK;
}

enum remote_rc vault_build_unprotect(struct remote_conn *conn, const struct remote_op *op,
                                     const struct remote_grant *grant, unsigned attempt,
                                     struct remote_request *request, struct remote_error *err)
{
    (void)attempt, (void)err;
    begin_on_key(conn, "POST", op->name, "/config", grant, request);
    remote_buf_append_str(&request->body, "{\"deletion_allowed\":true}");
    return REMOTE_OK;
}

enum remote_rc vault_build_destroy(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err)
{
    (void)attempt, (void)err;
    begin_on_key(conn, "DELETE", op->name, "", grant, request);
    return REMOTE_OK;
}

/* ---- import ---- */

enum remote_rc vault_build_wrapping_key(struct remote_conn *conn, const struct remote_op *op,
                                        const struct remote_grant *grant, unsigned attempt,
                                        struct remote_request *request, struct remote_error *err)
{
    (void)op, (void)attempt, (void)err;
    vault_begin((struct vault *)conn, "GET", grant, request);
    vault_add_path(request, (struct vault *)conn, "wrapping_key", NULL);
    return REMOTE_OK;
}

enum remote_rc vault_parse_wrapping_key(struct remote_conn *conn, struct remote_op *op,
                                        const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    const char *pem;

    (void)conn;
    REMOTE_TRY(vault_reply(op, reply, &json, err));
    pem = remote_json_text(json, "data.public_key");
    if (pem == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has no wrapping key");
    remote_buf_append_str(&op->answer, pem);
    return remote_buf_check(&op->answer, err);
}

static enum remote_rc wrap_kek(struct remote_slot *slot, struct remote_slice pem,
                               struct remote_slice kek, struct remote_buf *ret,
                               struct remote_error *err)
{
    static const struct remote_params oaep = { .alg = REMOTE_ALG_RSA_OAEP,
                                               .hash = REMOTE_HASH_SHA256,
                                               .mgf_hash = REMOTE_HASH_SHA256 };
    struct remote_key *key = remote_key_new(slot, "wrapping_key", 1, err);
    enum remote_rc rc = key != NULL ? remote_local_set_pem(key, pem, err) : REMOTE_E_NOMEM;

    if (rc == REMOTE_OK && key->type != REMOTE_KEY_RSA)
        rc = REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "Vault's wrapping key is no RSA key");
    if (rc == REMOTE_OK)
        rc = remote_local_encrypt(key, &oaep, kek, ret, err);
    remote_key_unref(key);
    return rc;
}

static enum remote_rc wrap_material(struct remote_secret_key *kek, struct remote_slice material,
                                    struct remote_buf *out, struct remote_error *err)
{
    static const struct remote_cipher_params kwp = { .cipher = REMOTE_CIPHER_AES_KEY_WRAP_KWP };
    struct remote_cipher_run run = { 0 };
    enum remote_rc rc = remote_cipher_init(&run, kek, &kwp, true, err);

    if (rc == REMOTE_OK)
        rc = remote_cipher_update(&run, material, out, err);
    if (rc == REMOTE_OK)
        rc = remote_cipher_final(&run, out, err);
    remote_cipher_clear(&run);
    return rc;
}

static enum remote_rc wrap_for_import(struct remote_slot *slot, const struct remote_op *op,
                                      struct remote_buf *ret, struct remote_error *err)
{
    struct remote_secret_key *kek = NULL;
    enum remote_rc rc = remote_secret_key_generate(REMOTE_KEY_AES, IMPORT_KEK_LEN, &kek, err);

    if (rc == REMOTE_OK)
        rc = wrap_kek(slot, op->wrapping, remote_secret_key_value(kek), ret, err);
    if (rc == REMOTE_OK)
        rc = wrap_material(kek, op->material, ret, err);
    remote_secret_key_unref(kek);
    return rc;
}

enum remote_rc vault_build_import(struct remote_conn *conn, const struct remote_op *op,
                                  const struct remote_grant *grant, unsigned attempt,
                                  struct remote_request *request, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf wrapped = { 0 };
    const char *type = vault_wire_type(&op->spec);

    (void)attempt;
    if (type == NULL)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "key '%s': Vault has no %s keys of %u bits",
                           op->name, remote_key_type_name(op->spec.type), op->spec.bits);
    REMOTE_TRY(wrap_for_import(conn->slot, op, &wrapped, err));
    begin_on_key(conn, "POST", op->name, "/import", grant, request);
    remote_buf_printf(&request->body, "{\"type\":\"%s\",\"hash_function\":\"" IMPORT_HASH "\"",
                      type);
    remote_buf_append_str(&request->body, ",\"ciphertext\":");
    remote_json_append_base64(&request->body, remote_buf_slice(&wrapped));
    remote_buf_append_char(&request->body, '}');
    return REMOTE_OK;
}

/* ---- data keys ---- */

enum remote_rc vault_build_data_key(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    (void)attempt;
    if (op->length != 16 && op->length != 32 && op->length != 64)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                           "Vault makes data keys of 16, 32 or 64 bytes, not %zu", op->length);
    vault_begin((struct vault *)conn, "POST", grant, request);
    vault_add_path(request, (struct vault *)conn, "datakey/plaintext", op->key->name);
    remote_buf_printf(&request->body, "{\"bits\":%zu}", op->length * 8);
    return REMOTE_OK;
}

enum remote_rc vault_parse_data_key(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct remote_slice sealed;

    (void)conn;
    REMOTE_TRY(vault_reply(op, reply, &json, err));
    sealed = remote_json_slice(json, "data.ciphertext");
    if (sealed.len == 0 ||
        !remote_base64_decode(remote_json_slice(json, "data.plaintext"), &op->items[0].out))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has no data key");
    remote_buf_append(&op->items[1].out, sealed.data, sealed.len);
    return remote_buf_check(&op->items[1].out, err);
}
