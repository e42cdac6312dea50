/* SPDX-License-Identifier: Apache-2.0 */
/* Intel's eHSM-KMS: keys in an SGX enclave. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/obj_mac.h>

#include "ehsm.h"
#include "remote/local/local.h"
#include "remote/slot_private.h"

/* Up to v0.4.0 what is sealed must be no longer than what may be sealed. */
#define OLD_SEALED_MAX EHSM_PLAIN_MAX
#define SEALED_SPARE 30 /* payload_checker.js */
#define PKCS1_OVERHEAD 11
#define SM4_BLOCK 16

#define RAW (1u << REMOTE_HASH_NONE)

static const struct remote_backend_alg ehsm_algs[] = {
    { REMOTE_ALG_RSA_PKCS1, REMOTE_HASHES_SHA2 },
    { REMOTE_ALG_RSA_PSS, REMOTE_HASHES_SHA2 },
    { REMOTE_ALG_ECDSA,
      RAW | REMOTE_HASHES_SHA2 | REMOTE_HASHES_SHA3 }, /* by length: digest_of() */
    { REMOTE_ALG_RSA_PKCS1_ENC, RAW },
    { REMOTE_ALG_RSA_OAEP, 1u << REMOTE_HASH_SHA1 | 1u << REMOTE_HASH_SHA256 },
    { REMOTE_ALG_AES_GCM, RAW },
    { REMOTE_ALG_AEAD, RAW },
    { REMOTE_ALG_SM2, RAW },
    { REMOTE_ALG_SM4, RAW },
    { REMOTE_ALG_NONE, 0 },
};

static const int ehsm_curves[] = { NID_secp224r1, NID_X9_62_prime256v1, NID_secp256k1,
                                   NID_secp384r1, NID_secp521r1,        0 };

static const struct remote_option ehsm_options[] = {
    { .name = "appid",
      .type = REMOTE_OPTION_TEXT,
      .help = "the appid that the service enrolled, or 'enroll' before that" },
    { .name = "apikey", .type = REMOTE_OPTION_SECRET, .help = "the API key of the appid" },
    { .name = "nonce",
      .type = REMOTE_OPTION_CHOICE,
      .choices = "on off auto",
      .help = "whether requests have one: off for servers before v0.4.0; 'auto' finds out" },
    { .name = "names_file",
      .type = REMOTE_OPTION_PATH,
      .help = "the file with the names of keys, a line 'KEYID NAME' for each" },
    { .name = "pkcs1_decrypt",
      .type = REMOTE_OPTION_BOOL,
      .help = "yes decrypts RSA with PKCS #1 v1.5 padding too, which tells attackers a lot" },
    { .name = NULL },
};

/* ---- open and close ---- */

static void ehsm_close(struct remote_conn *conn)
{
    struct ehsm *ehsm = (struct ehsm *)conn;

    ehsm_auth_close(ehsm);
    ehsm_names_close(ehsm);
    ehsm_known_clear(ehsm);
    remote_lock_destroy(&ehsm->lock);
    free(ehsm);
}

static enum remote_rc ehsm_open(struct remote_slot *slot, const struct remote_section *section,
                                struct remote_conn **ret, struct remote_error *err)
{
    struct ehsm *ehsm = calloc(1, sizeof(*ehsm));
    enum remote_rc rc;

    if (ehsm == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    ehsm->base.slot = slot;
    remote_lock_init(&ehsm->lock, REMOTE_LOCK_POOL);
    ehsm->pkcs1_decrypt = remote_section_bool(section, "pkcs1_decrypt", false);
    rc = ehsm_auth_open(ehsm, section, err);
    if (rc == REMOTE_OK)
        rc = ehsm_names_open(ehsm, section, err);
    if (rc != REMOTE_OK) {
        ehsm_close(&ehsm->base);
        return rc;
    }
    *ret = &ehsm->base;
    return REMOTE_OK;
}

/* ---- sign ---- */

/* The enclave wants the digest's own length, and looks at nothing else of the hash. */
static const char *digest_of(size_t len)
{
    switch (len) {
    case 28:
        return "EH_SHA_224";
    case 32:
        return "EH_SHA_256";
    case 48:
        return "EH_SHA_384";
    case 64:
        return "EH_SHA_512";
    default:
        return NULL;
    }
}

static const char *sign_padding(const struct remote_params *params)
{
    if (params->alg == REMOTE_ALG_RSA_PKCS1)
        return "EH_RSA_PKCS1";
    return params->alg == REMOTE_ALG_RSA_PSS ? "EH_RSA_PKCS1_PSS" : "EH_PAD_NONE";
}

/* The enclave hashes once more what it calls an SM2 digest, so that the message has to travel. */
static enum remote_rc add_message(struct ehsm_payload *payload, const struct remote_op *op,
                                  struct remote_error *err)
{
    struct remote_slice in = op->items[0].in;
    bool sm2 = op->params.alg == REMOTE_ALG_SM2;
    const char *mode = sm2 ? "EH_SM3" : digest_of(in.len);

    if (mode == NULL)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                           "eHSM-KMS signs digests of 28, 32, 48 or 64 bytes, not %zu", in.len);
    if (in.len == 0 || in.len > EHSM_PLAIN_MAX)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                           "eHSM-KMS signs messages of 1 to %d bytes, not %zu", EHSM_PLAIN_MAX,
                           in.len);
    ehsm_add_bytes(payload, "message", in);
    ehsm_add_word(payload, "message_type", sm2 ? "EH_RAW" : "EH_DIGEST");
    ehsm_add_word(payload, "digest_mode", mode);
    return REMOTE_OK;
}

static enum remote_rc build_sign(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err)
{
    struct ehsm_payload payload = { 0 };

    (void)attempt;
    REMOTE_TRY(add_message(&payload, op, err));
    ehsm_add_word(&payload, "keyid", op->key->version_id);
    ehsm_add_word(&payload, "padding_mode", sign_padding(&op->params));
    return ehsm_send(conn, grant, "Sign", &payload, request, err);
}

static enum remote_rc parse_sign(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    enum remote_rc rc;

    (void)conn;
    REMOTE_TRY(ehsm_reply(op, reply, &json, err));
    if (op->params.alg != REMOTE_ALG_ECDSA && op->params.alg != REMOTE_ALG_SM2)
        return ehsm_take_bytes(json, "result.signature", &op->items[0].out, err);
    REMOTE_TRY(ehsm_take_bytes(json, "result.signature", &der, err));
    rc = remote_local_ecdsa_from_der(remote_buf_slice(&der), (op->key->bits + 7) / 8,
                                     &op->items[0].out, err);
    if (rc != REMOTE_E_DATA)
        return rc;
    return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer's signature is none of this curve");
}

/* ---- AES: the service's own form is ciphertext, IV, tag; the core's has the IV in front.
 * ---- SM4: ciphertext, IV ---- */

static size_t ehsm_sealed_max(const struct remote_key *key, size_t len)
{
    if (key->type != REMOTE_KEY_SM4)
        return len + EHSM_OVERHEAD;
    if (key->curve == NID_sm4_cbc)
        len += SM4_BLOCK - len % SM4_BLOCK; /* PKCS #7 */
    return len + SM4_BLOCK;
}

/* The service encrypts more than it takes back: what it seals must be as short as it may be sent.
 */
static size_t plain_max(const struct ehsm *ehsm, const struct remote_key *key)
{
    size_t sealed =
        atomic_load(&ehsm->era) == EHSM_ERA_OLD ? OLD_SEALED_MAX : EHSM_PLAIN_MAX + SEALED_SPARE;
    size_t plain = sealed - (key->type == REMOTE_KEY_SM4 ? SM4_BLOCK : EHSM_OVERHEAD);

    if (key->curve == NID_sm4_cbc)
        plain -= plain % SM4_BLOCK + 1;
    return plain < EHSM_PLAIN_MAX ? plain : EHSM_PLAIN_MAX;
}

static enum remote_rc check_aad(const struct remote_op *op, struct remote_error *err)
{
    if (op->params.aad.len <= EHSM_PLAIN_MAX)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_LENGTH, "%zu bytes of associated data where %d fit",
                       op->params.aad.len, EHSM_PLAIN_MAX);
}

static void add_aad(struct ehsm_payload *payload, const struct remote_op *op)
{
    if (op->params.aad.len > 0)
        ehsm_add_bytes(payload, "aad", op->params.aad);
}

static enum remote_rc build_encrypt(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    struct ehsm_payload payload = { 0 };
    struct remote_slice plain = op->items[0].in;
    size_t max = plain_max((const struct ehsm *)conn, op->key);

    (void)attempt;
    if (plain.len == 0 || plain.len > max)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "eHSM-KMS encrypts 1 to %zu bytes, not %zu", max,
                           plain.len);
    REMOTE_TRY(check_aad(op, err));
    ehsm_add_word(&payload, "keyid", op->key->version_id);
    ehsm_add_bytes(&payload, "plaintext", plain);
    add_aad(&payload, op);
    return ehsm_send(conn, grant, "Encrypt", &payload, request, err);
}

static void append_iv_first(struct remote_buf *out, const struct remote_buf *blob)
{
    size_t body = blob->len - EHSM_OVERHEAD;

    remote_buf_append(out, blob->data + body, EHSM_IV);
    remote_buf_append(out, blob->data, body);
    remote_buf_append(out, blob->data + body + EHSM_IV, EHSM_TAG);
}

static enum remote_rc parse_encrypt(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf blob = { 0 };
    struct remote_item *item = &op->items[0];
    size_t due;

    (void)conn;
    REMOTE_TRY(ehsm_reply(op, reply, &json, err));
    REMOTE_TRY(ehsm_take_bytes(json, "result.ciphertext", &blob, err));
    due = ehsm_sealed_max(op->key, item->in.len);
    if (blob.len != due)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "a ciphertext of %zu bytes where %zu are due",
                           blob.len, due);
    if (op->params.alg == REMOTE_ALG_AES_GCM)
        append_iv_first(&item->out, &blob);
    else
        remote_buf_append(&item->out, blob.data, blob.len);
    return remote_buf_check(&item->out, err);
}

static enum remote_rc add_blob(struct ehsm_payload *payload, const struct remote_op *op,
                               struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf blob = { 0 };
    struct remote_slice in = op->items[0].in;
    size_t body = in.len - EHSM_OVERHEAD;

    if (op->params.alg != REMOTE_ALG_AES_GCM) {
        ehsm_add_bytes(payload, "ciphertext", in);
        return REMOTE_OK;
    }
    remote_buf_append(&blob, in.data + EHSM_IV, body);
    remote_buf_append(&blob, in.data, EHSM_IV);
    remote_buf_append(&blob, in.data + EHSM_IV + body, EHSM_TAG);
    ehsm_add_bytes(payload, "ciphertext", remote_buf_slice(&blob));
    return remote_buf_check(&blob, err);
}

static enum remote_rc build_open(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, struct remote_request *request,
                                 struct remote_error *err)
{
    struct ehsm_payload payload = { 0 };
    size_t len = op->items[0].in.len, min = ehsm_sealed_max(op->key, 1);
    size_t max = ehsm_sealed_max(op->key, plain_max((const struct ehsm *)conn, op->key));
    enum remote_rc rc;

    if (len < min || len > max)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                           "a ciphertext of eHSM-KMS has %zu to %zu bytes, not %zu", min, max, len);
    REMOTE_TRY(check_aad(op, err));
    ehsm_add_word(&payload, "keyid", op->key->version_id);
    add_aad(&payload, op);
    rc = add_blob(&payload, op, err);
    if (rc == REMOTE_OK)
        return ehsm_send(conn, grant, "Decrypt", &payload, request, err);
    ehsm_payload_clear(&payload);
    return rc;
}

/* ---- RSA decryption ---- */

static bool is_rsa(const struct remote_op *op)
{
    return op->params.alg == REMOTE_ALG_RSA_PKCS1_ENC || op->params.alg == REMOTE_ALG_RSA_OAEP;
}

static enum remote_rc build_decrypt(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    struct ehsm_payload payload = { 0 };

    (void)attempt;
    if (!is_rsa(op))
        return build_open(conn, op, grant, request, err);
    ehsm_add_word(&payload, "keyid", op->key->version_id);
    ehsm_add_bytes(&payload, "ciphertext", op->items[0].in);
    ehsm_add_word(&payload, "padding_mode",
                  op->params.alg == REMOTE_ALG_RSA_OAEP ? "EH_RSA_PKCS1_OAEP" : "EH_RSA_PKCS1");
    return ehsm_send(conn, grant, "AsymmetricDecrypt", &payload, request, err);
}

/* The longest that the padding leaves room for, or exactly what was sealed. */
static bool has_due_length(const struct remote_op *op)
{
    size_t len = op->items[0].out.len, k = op->key->bits / 8;

    if (op->params.alg == REMOTE_ALG_RSA_PKCS1_ENC)
        return len <= k - PKCS1_OVERHEAD;
    if (op->params.alg == REMOTE_ALG_RSA_OAEP)
        return len <= k - 2 * remote_hash_size(op->params.hash) - 2;
    return ehsm_sealed_max(op->key, len) == op->items[0].in.len;
}

/*
 * Since February 2024 a decryption that fails inside the enclave is answered with success and as
 * many bytes of its memory as the modulus has: more than any plaintext can have. They are thrown
 * away.
 */
static enum remote_rc parse_decrypt(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    enum remote_rc rc;
    size_t len;

    (void)conn;
    rc = ehsm_reply(op, reply, &json, err);
    if (rc == REMOTE_E_CRYPTO && op->params.alg == REMOTE_ALG_SM4) /* the padding is wrong */
        return REMOTE_FAIL(err, REMOTE_E_DATA, "it does not open");
    REMOTE_TRY(rc);
    REMOTE_TRY(ehsm_take_bytes(json, "result.plaintext", &op->items[0].out, err));
    if (has_due_length(op))
        return REMOTE_OK;
    len = op->items[0].out.len;
    remote_buf_clear(&op->items[0].out);
    if (is_rsa(op))
        return REMOTE_FAIL(err, REMOTE_E_DATA, "it does not open");
    return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                       "a plaintext of %zu bytes, which a ciphertext of %zu does not have", len,
                       op->items[0].in.len);
}

/* ---- health, and documents ---- */

static enum remote_rc build_health(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err)
{
    (void)conn, (void)op, (void)grant, (void)attempt, (void)err;
    ehsm_get("GetVersion", request);
    return REMOTE_OK;
}

static enum remote_rc parse_health(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    const char *version, *sha;

    (void)conn;
    REMOTE_TRY(ehsm_reply(op, reply, &json, err));
    version = remote_json_text(json, "result.version");
    sha = remote_json_text(json, "result.git_sha");
    snprintf(op->detail, sizeof(op->detail), "eHSM-KMS %.30s (%.12s)", version ? version : "",
             sha ? sha : "unknown revision");
    remote_printable(op->detail);
    return REMOTE_OK;
}

/* ehsm_admin.h: Enroll needs no credentials, GenerateQuote sends op->material along. */
enum remote_rc ehsm_build_document(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err)
{
    struct ehsm_payload payload = { 0 };

    (void)attempt;
    if (strcmp(op->name, "Enroll") == 0) {
        ehsm_get(op->name, request);
        return REMOTE_OK;
    }
    if (strcmp(op->name, "GenerateQuote") != 0)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "eHSM-KMS keeps no documents");
    ehsm_add_bytes(&payload, "challenge", op->material);
    return ehsm_send(conn, grant, op->name, &payload, request, err);
}

enum remote_rc ehsm_parse_document(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    (void)conn;
    REMOTE_TRY(ehsm_reply(op, reply, &json, err));
    remote_buf_append(&op->answer, reply->body.data, reply->body.len);
    return remote_buf_check(&op->answer, err);
}

/* ---- what the service cannot honour ---- */

static enum remote_rc check_pss(const struct remote_key *key, const struct remote_params *params,
                                struct remote_error *err)
{
    if (params->mgf_hash == params->hash && params->salt_len == remote_hash_size(params->hash))
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_PARAM,
                       "key '%s': eHSM-KMS's PSS uses the message's hash in MGF1 and a salt of its "
                       "length (%zu), not %zu",
                       key->name, remote_hash_size(params->hash), params->salt_len);
}

static enum remote_rc check_oaep(const struct ehsm *ehsm, const struct remote_key *key,
                                 const struct remote_params *params, struct remote_error *err)
{
    enum remote_hash theirs = (enum remote_hash)atomic_load(&ehsm->oaep);

    if (theirs == REMOTE_HASH_NONE)
        theirs = REMOTE_HASH_SHA256;
    if (params->hash == theirs && params->mgf_hash == theirs && params->aad.len == 0)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_PARAM,
                       "key '%s': this eHSM-KMS's OAEP is %s with the same in MGF1, and no label",
                       key->name, remote_hash_name(theirs));
}

static enum remote_rc ehsm_check(const struct remote_conn *conn, const struct remote_key *key,
                                 const struct remote_params *params, struct remote_error *err)
{
    const struct ehsm *ehsm = (const struct ehsm *)conn;

    if (params->alg == REMOTE_ALG_RSA_PSS)
        return check_pss(key, params, err);
    if (params->alg == REMOTE_ALG_RSA_OAEP)
        return check_oaep(ehsm, key, params, err);
    if (params->alg == REMOTE_ALG_RSA_PKCS1_ENC && !ehsm->pkcs1_decrypt)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "key '%s': PKCS #1 v1.5 decryption is off; see pkcs1_decrypt",
                           key->name);
    return REMOTE_OK;
}

static bool ehsm_offers(const struct remote_conn *conn, enum remote_alg alg, enum remote_hash hash)
{
    (void)hash;
    return alg != REMOTE_ALG_RSA_PKCS1_ENC || ((const struct ehsm *)conn)->pkcs1_decrypt;
}

static bool ehsm_serves(const struct remote_conn *conn, enum remote_op_kind kind)
{
    const struct ehsm *ehsm = (const struct ehsm *)conn;

    if (kind == REMOTE_OP_IMPORT)
        return atomic_load(&ehsm->era) != EHSM_ERA_OLD;
    if (kind == REMOTE_OP_GENERATE) /* they want to be told more than we would know */
        return atomic_load(&ehsm->nonce) != EHSM_NONCE_OFF;
    return true;
}

const struct remote_backend_ops remote_backend_ehsm = {
    .name = "ehsm",
    .title = "eHSM-KMS",
    .options = ehsm_options,
    .algs = ehsm_algs,
    .sizes = {
        [REMOTE_KEY_RSA] = { 2048, 4096 },
        [REMOTE_KEY_EC] = { 224, 521 },
        [REMOTE_KEY_AES] = { 128, 256 },
        [REMOTE_KEY_SM2] = { 256, 256 },
        [REMOTE_KEY_SM4] = { 128, 128 },
    },
    .curves = ehsm_curves,
    .timeout_ms = 3000,
    .input_max = EHSM_PLAIN_MAX + EHSM_OVERHEAD,
    .sealed_max = ehsm_sealed_max,
    .https = true,
    .open = ehsm_open,
    .close = ehsm_close,
    .pins = "apikey",
    .pin_fits = ehsm_pin_fits,
    .grant = ehsm_grant,
    .check = ehsm_check,
    .offers = ehsm_offers,
    .serves = ehsm_serves,
    .ops = {
        [REMOTE_OP_PROVE] = { ehsm_build_prove, ehsm_parse_prove, false },
        [REMOTE_OP_HEALTH] = { build_health, parse_health, false },
        [REMOTE_OP_LIST] = { ehsm_build_list, ehsm_parse_list, false },
        [REMOTE_OP_READ] = { ehsm_build_read, ehsm_parse_read, false },
        [REMOTE_OP_SIGN] = { build_sign, parse_sign, false },
        [REMOTE_OP_DECRYPT] = { build_decrypt, parse_decrypt, false },
        [REMOTE_OP_ENCRYPT] = { build_encrypt, parse_encrypt, false },
        [REMOTE_OP_GENERATE] = { ehsm_build_generate, ehsm_parse_generate, .once = true },
        [REMOTE_OP_IMPORT] = { ehsm_build_import, ehsm_parse_import, .once = true },
        [REMOTE_OP_DESTROY] = { ehsm_build_destroy, ehsm_parse_destroy, .once = true },
        [REMOTE_OP_LABEL] = { ehsm_build_label, ehsm_parse_label, false },
        [REMOTE_OP_DATA_KEY] = { ehsm_build_data_key, ehsm_parse_data_key, false },
        [REMOTE_OP_DOCUMENT] = { ehsm_build_document, ehsm_parse_document, false },
    },
};
