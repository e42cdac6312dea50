/* SPDX-License-Identifier: Apache-2.0 */
/* What makes, brings in and destroys a KES's keys; and data keys, which change nothing there. */
#include "kes.h"
#include "remote/local/local.h"

static const char *cipher_of(enum remote_key_type type)
{
    if (type == REMOTE_KEY_AES)
        return "AES256";
    return type == REMOTE_KEY_CHACHA20 ? "ChaCha20" : NULL;
}

static enum remote_rc check_name(const char *name, struct remote_error *err)
{
    if (kes_name_fits(remote_slice_str(name)))
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_PARAM,
                       "KES takes no key called '%s': a name has 1 to %d letters, digits, '-' and "
                       "'_', no '-' at either end",
                       name, KES_NAME_MAX);
}

static enum remote_rc build_material(const struct remote_op *op, struct remote_slice material,
                                     struct remote_request *request, struct remote_error *err)
{
    const char *cipher = cipher_of(op->spec.type);

    if (cipher == NULL)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "key '%s': KES takes AES and ChaCha20 keys; it makes the HMAC key of "
                           "each itself",
                           op->name);
    if (material.len != KES_KEY_LEN)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "key '%s': %zu bytes, where KES's keys have %d",
                           op->name, material.len, KES_KEY_LEN);
    kes_begin(request, "PUT", "import", remote_slice_str(op->name));
    remote_buf_append_str(&request->body, "{\"key\":");
    remote_json_append_base64(&request->body, material);
    remote_buf_printf(&request->body, ",\"cipher\":\"%s\"}", cipher);
    return REMOTE_OK;
}

/*
 * KES chooses the cipher of what it makes: AES wherever the processor helps with it. A ChaCha20
 * key is to be had only by bringing one in.
 */
enum remote_rc kes_build_generate(struct remote_conn *conn, const struct remote_op *op,
                                  const struct remote_grant *grant, unsigned attempt,
                                  struct remote_request *request, struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret fresh = { 0 };

    (void)conn, (void)grant, (void)attempt;
    REMOTE_TRY(check_name(op->name, err));
    if (op->spec.type != REMOTE_KEY_CHACHA20) {
        kes_begin(request, "PUT", "create", remote_slice_str(op->name));
        return REMOTE_OK;
    }
    REMOTE_TRY(remote_secret_set(&fresh, NULL, KES_KEY_LEN, err));
    REMOTE_TRY(remote_local_random(fresh.data, fresh.len, err));
    return build_material(op, remote_secret_slice(&fresh), request, err);
}

enum remote_rc kes_build_import(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err)
{
    (void)conn, (void)grant, (void)attempt;
    REMOTE_TRY(check_name(op->name, err));
    return build_material(op, op->material, request, err);
}

enum remote_rc kes_build_destroy(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err)
{
    (void)conn, (void)grant, (void)attempt;
    REMOTE_TRY(check_name(op->name, err));
    kes_begin(request, "DELETE", "delete", remote_slice_str(op->name));
    return REMOTE_OK;
}

enum remote_rc kes_parse_done(struct remote_conn *conn, struct remote_op *op,
                              const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    return kes_reply((struct kes *)conn, op, reply, &json, err);
}

/* ---- data keys ---- */

enum remote_rc kes_build_data_key(struct remote_conn *conn, const struct remote_op *op,
                                  const struct remote_grant *grant, unsigned attempt,
                                  struct remote_request *request, struct remote_error *err)
{
    (void)conn, (void)grant, (void)attempt;
    if (op->length != KES_KEY_LEN)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "KES makes data keys of %d bytes, not %zu",
                           KES_KEY_LEN, op->length);
    kes_begin(request, "PUT", "generate", remote_slice_str(op->key->name));
    remote_buf_append_str(&request->body, "{}");
    return REMOTE_OK;
}

enum remote_rc kes_parse_data_key(struct remote_conn *conn, struct remote_op *op,
                                  const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    REMOTE_TRY(kes_reply((struct kes *)conn, op, reply, &json, err));
    REMOTE_TRY(kes_take_bytes(json, "plaintext", &op->items[0].out, err));
    return kes_take_bytes(json, "ciphertext", &op->items[1].out, err);
}
