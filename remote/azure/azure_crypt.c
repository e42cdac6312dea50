/* SPDX-License-Identifier: Apache-2.0 */
/* Opening what was sealed, with any key; and sealing, with AES keys of a Managed HSM. */
#include <stdio.h>

#include "azure.h"

#define GCM_IV 12
#define GCM_TAG 16
#define AES_BLOCK 16

/* ret: room for a name. */
static void crypt_alg(const struct remote_op *op, char *ret, size_t size)
{
    static const char *const modes[REMOTE_ALG_COUNT] = {
        [REMOTE_ALG_AES_GCM] = "GCM",
        [REMOTE_ALG_AES_CBC] = "CBC",
        [REMOTE_ALG_AES_CBC_PAD] = "CBCPAD",
        [REMOTE_ALG_AES_KEY_WRAP] = "KW",
    };

    if (op->params.alg == REMOTE_ALG_RSA_PKCS1_ENC)
        snprintf(ret, size, "RSA1_5");
    else if (op->params.alg == REMOTE_ALG_RSA_OAEP)
        snprintf(ret, size, op->params.hash == REMOTE_HASH_SHA1 ? "RSA-OAEP" : "RSA-OAEP-256");
    else
        snprintf(ret, size, "A%u%s", op->key->bits, modes[op->params.alg]);
}

/*
 * Wrapping is an operation of its own here, with its own key_ops and rights, and the only one that
 * has KW. A caller's wish for the one is served by the other where the key has just that.
 */
static const char *choose_verb(const struct remote_op *op, bool seals)
{
    unsigned data = seals ? REMOTE_USE_ENCRYPT : REMOTE_USE_DECRYPT;
    unsigned keys = seals ? REMOTE_USE_WRAP : REMOTE_USE_UNWRAP;
    bool wrapping = op->params.wrapping;

    if ((op->key->uses & (wrapping ? keys : data)) == 0)
        wrapping = (op->key->uses & keys) != 0;
    if (op->params.alg == REMOTE_ALG_AES_KEY_WRAP)
        wrapping = true;
    if (seals)
        return wrapping ? "wrapkey" : "encrypt";
    return wrapping ? "unwrapkey" : "decrypt";
}

/* Whole blocks and an IV for CBC; for KW nothing but the default (RFC 3394 2.2.3.1). */
static enum remote_rc check_blocks(const struct remote_op *op, bool seals, struct remote_error *err)
{
    enum remote_alg alg = op->params.alg;
    size_t len = op->items[0].in.len, iv = op->params.iv.len;

    if (alg == REMOTE_ALG_AES_KEY_WRAP && iv != 0)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "Azure wraps with the default initial value only");
    if (alg == REMOTE_ALG_AES_KEY_WRAP && (len % 8 != 0 || len < (seals ? 16 : 24)))
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "%zu bytes are not of a length that is wrapped",
                           len);
    if (alg != REMOTE_ALG_AES_CBC && alg != REMOTE_ALG_AES_CBC_PAD)
        return REMOTE_OK;
    if (iv != AES_BLOCK)
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "an IV of %zu bytes where %d are due", iv,
                           AES_BLOCK);
    if (len % AES_BLOCK != 0 && (alg == REMOTE_ALG_AES_CBC || !seals))
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "%zu bytes are not whole blocks of %d", len,
                           AES_BLOCK);
    return REMOTE_OK;
}

enum remote_rc azure_build_encrypt(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err)
{
    struct remote_buf *body = &request->body;
    char alg[24];

    (void)attempt;
    REMOTE_TRY(check_blocks(op, true, err));
    crypt_alg(op, alg, sizeof(alg));
    azure_begin_on_key(conn, op, grant, choose_verb(op, true), alg, request);
    azure_add_bytes(body, "value", op->items[0].in);
    if (op->params.alg == REMOTE_ALG_AES_CBC || op->params.alg == REMOTE_ALG_AES_CBC_PAD)
        azure_add_bytes(body, "iv", op->params.iv);
    if (op->params.alg == REMOTE_ALG_AES_GCM && op->params.aad.len > 0)
        azure_add_bytes(body, "aad", op->params.aad);
    remote_buf_append_char(body, '}');
    return REMOTE_OK;
}

/* The service makes GCM's nonce. */
static enum remote_rc take_gcm(const remote_json *json, struct remote_item *item,
                               struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf iv = { 0 }, value = { 0 }, tag = { 0 };

    if (!azure_take_bytes(json, "iv", &iv) || iv.len != GCM_IV ||
        !azure_take_bytes(json, "tag", &tag) || tag.len != GCM_TAG ||
        !azure_take_bytes(json, "value", &value) || value.len != item->in.len)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "the answer has no IV of %d, ciphertext, and tag of %d bytes", GCM_IV,
                           GCM_TAG);
    remote_buf_append(&item->out, iv.data, iv.len);
    remote_buf_append(&item->out, value.data, value.len);
    remote_buf_append(&item->out, tag.data, tag.len);
    return remote_buf_check(&item->out, err);
}

enum remote_rc azure_parse_crypt(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    (void)conn;
    REMOTE_TRY(azure_key_reply(op, reply, &json, err));
    if (op->kind == REMOTE_OP_ENCRYPT && op->params.alg == REMOTE_ALG_AES_GCM)
        return take_gcm(json, &op->items[0], err);
    if (!azure_take_bytes(json, "value", &op->items[0].out))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has no value");
    if (op->items[0].out.len >
        AZURE_INPUT_MAX + AES_BLOCK) /* front ends have made room for as much */
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer is longer than what was asked");
    return REMOTE_OK;
}

static enum remote_rc add_gcm(const struct remote_op *op, struct remote_buf *body,
                              struct remote_error *err)
{
    struct remote_slice in = op->items[0].in;

    if (in.len < GCM_IV + GCM_TAG)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "too short");
    azure_add_bytes(body, "value", remote_slice(in.data + GCM_IV, in.len - GCM_IV - GCM_TAG));
    azure_add_bytes(body, "iv", remote_slice(in.data, GCM_IV));
    azure_add_bytes(body, "tag", remote_slice(in.data + in.len - GCM_TAG, GCM_TAG));
    if (op->params.aad.len > 0)
        azure_add_bytes(body, "aad", op->params.aad);
    return REMOTE_OK;
}

enum remote_rc azure_build_decrypt(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err)
{
    struct remote_buf *body = &request->body;
    char alg[24];

    (void)attempt;
    REMOTE_TRY(check_blocks(op, false, err));
    crypt_alg(op, alg, sizeof(alg));
    azure_begin_on_key(conn, op, grant, choose_verb(op, false), alg, request);
    if (op->params.alg == REMOTE_ALG_AES_GCM)
        REMOTE_TRY(add_gcm(op, body, err));
    else
        azure_add_bytes(body, "value", op->items[0].in);
    if (op->params.alg == REMOTE_ALG_AES_CBC || op->params.alg == REMOTE_ALG_AES_CBC_PAD)
        azure_add_bytes(body, "iv", op->params.iv);
    remote_buf_append_char(body, '}');
    return REMOTE_OK;
}
