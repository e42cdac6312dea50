/* SPDX-License-Identifier: Apache-2.0 */
/* MinIO KES: encryption, data keys and HMAC with keys that have no versions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kes.h"

/* The largest message that fits {"message":"BASE64"}; encrypt's limit depends on the context. */
#define INPUT_MAX 749988u

#define RAW (1u << REMOTE_HASH_NONE)

static const struct remote_backend_alg kes_algs[] = {
    { REMOTE_ALG_AEAD, RAW },
    { REMOTE_ALG_HMAC, 1u << REMOTE_HASH_SHA256 },
    { REMOTE_ALG_NONE, 0 },
};

static const struct remote_option kes_options[] = {
    { .name = "api_key",
      .type = REMOTE_OPTION_SECRET,
      .help = "an API key, kes:v1:...; instead of client_cert_file" },
    { .name = NULL },
};

/* ---- open and close ---- */

static void kes_close(struct remote_conn *conn)
{
    struct kes *kes = (struct kes *)conn;

    kes_auth_close(kes);
    remote_lock_destroy(&kes->lock);
    free(kes);
}

static enum remote_rc kes_open(struct remote_slot *slot, const struct remote_section *section,
                               struct remote_conn **ret, struct remote_error *err)
{
    struct kes *kes = calloc(1, sizeof(*kes));
    enum remote_rc rc;

    if (kes == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    kes->base.slot = slot;
    remote_lock_init(&kes->lock, REMOTE_LOCK_POOL);
    rc = kes_auth_open(kes, section, err);
    if (rc != REMOTE_OK) {
        kes_close(&kes->base);
        return rc;
    }
    *ret = &kes->base;
    return REMOTE_OK;
}

/* ---- what requests have in common ---- */

void kes_begin(struct remote_request *request, const char *method, const char *verb,
               struct remote_slice name)
{
    request->method = method;
    if (strcmp(method, "PUT") == 0)
        remote_buf_append_str(&request->headers, "Content-Type: application/json\n");
    remote_buf_append_str(&request->path, "/v1/key/");
    remote_buf_append_str(&request->path, verb);
    remote_buf_append_char(&request->path, '/');
    remote_buf_append(&request->path, name.data, name.len); /* its letters need no encoding */
}

enum remote_rc kes_check_body(const struct remote_request *request, struct remote_error *err)
{
    if (request->body.len <= KES_BODY_MAX)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                       "a request of %zu bytes, where KES takes %u; the input is too long",
                       request->body.len, KES_BODY_MAX);
}

/* {"MEMBER":"...","context":"..."} */
static void add_body(const struct remote_op *op, const char *member, struct remote_buf *body)
{
    remote_buf_printf(body, "{\"%s\":", member);
    remote_json_append_base64(body, op->items[0].in);
    if (op->params.aad.len > 0) {
        remote_buf_append_str(body, ",\"context\":");
        remote_json_append_base64(body, op->params.aad);
    }
    remote_buf_append_char(body, '}');
}

static enum remote_rc build_with(const struct remote_op *op, const char *verb, const char *member,
                                 struct remote_request *request, struct remote_error *err)
{
    kes_begin(request, "PUT", verb, remote_slice_str(op->key->name));
    add_body(op, member, &request->body);
    return kes_check_body(request, err);
}

static enum remote_rc parse_one(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, const char *member,
                                struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    REMOTE_TRY(kes_reply((struct kes *)conn, op, reply, &json, err));
    return kes_take_bytes(json, member, &op->items[0].out, err);
}

/* ---- encrypt and decrypt ---- */

/* KES encrypts more than it takes back: what its ciphertext will be must fit a request, too. */
static enum remote_rc check_comes_back(const struct remote_op *op, struct remote_error *err)
{
    size_t sealed = (op->items[0].in.len + KES_OVERHEAD + 2) / 3 * 4;
    size_t context = (op->params.aad.len + 2) / 3 * 4;
    size_t body = strlen("{\"ciphertext\":\"\"}") + sealed;

    if (context > 0)
        body += strlen(",\"context\":\"\"") + context;
    if (body <= KES_BODY_MAX)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                       "%zu bytes with associated data of %zu are more than KES could decrypt "
                       "again",
                       op->items[0].in.len, op->params.aad.len);
}

static enum remote_rc build_encrypt(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    (void)conn, (void)grant, (void)attempt;
    REMOTE_TRY(check_comes_back(op, err));
    return build_with(op, "encrypt", "plaintext", request, err);
}

static enum remote_rc parse_encrypt(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    return parse_one(conn, op, reply, "ciphertext", err);
}

static enum remote_rc build_decrypt(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    (void)conn, (void)grant, (void)attempt;
    return build_with(op, "decrypt", "ciphertext", request, err);
}

static enum remote_rc parse_decrypt(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    return parse_one(conn, op, reply, "plaintext", err);
}

/* A nonce, a tag and what stands for the nonce of the key's own derivation: always as long. */
static size_t kes_sealed_max(const struct remote_key *key, size_t len)
{
    (void)key;
    return len + KES_OVERHEAD;
}

/* ---- HMAC ---- */

static enum remote_rc build_mac(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err)
{
    (void)conn, (void)grant, (void)attempt;
    return build_with(op, "hmac", "message", request, err);
}

static enum remote_rc parse_mac(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err)
{
    enum remote_rc rc = parse_one(conn, op, reply, "hmac", err);

    if (rc == REMOTE_E_UNSUPPORTED) /* from here on the mechanism is not offered any more */
        atomic_store(&((struct kes *)conn)->no_hmac, true);
    return rc;
}

static bool kes_offers(const struct remote_conn *conn, enum remote_alg alg, enum remote_hash hash)
{
    (void)hash;
    return alg != REMOTE_ALG_HMAC || !atomic_load(&((const struct kes *)conn)->no_hmac);
}

/* ---- health ---- */

static enum remote_rc build_health(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err)
{
    (void)conn, (void)op, (void)grant, (void)attempt, (void)err;
    request->method = "GET";
    remote_buf_append_str(&request->path, "/v1/ready");
    request->want_date = true;
    return REMOTE_OK;
}

/* Most policies do not let a client ask: that KES says so is a sign of life all the same. */
static enum remote_rc parse_health(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    enum remote_rc rc = kes_reply((struct kes *)conn, op, reply, &json, err);

    if (rc != REMOTE_OK && rc != REMOTE_E_RIGHTS)
        return rc;
    snprintf(op->detail, sizeof(op->detail), "KES, %s",
             rc == REMOTE_OK ? "its key store is ready"
                             : "whose policy does not allow /v1/ready to this identity");
    return REMOTE_OK;
}

const struct remote_backend_ops remote_backend_kes = {
    .name = "kes",
    .title = "MinIO KES",
    .options = kes_options,
    .algs = kes_algs,
    .sizes = {
        [REMOTE_KEY_AES] = { 256, 256 },
        [REMOTE_KEY_CHACHA20] = { 256, 256 },
        [REMOTE_KEY_GENERIC] = { 256, 256 },
    },
    .timeout_ms = 3000,
    .input_max = INPUT_MAX,
    .sealed_max = kes_sealed_max,
    .https = true,
    .open = kes_open,
    .close = kes_close,
    .pins = "apikey",
    .pin_fits = kes_pin_fits,
    .grant = kes_grant,
    .offers = kes_offers,
    .ops = {
        [REMOTE_OP_PROVE] = { kes_build_prove, kes_parse_prove, false },
        [REMOTE_OP_HEALTH] = { build_health, parse_health, false },
        [REMOTE_OP_LIST] = { kes_build_list, kes_parse_list, false },
        [REMOTE_OP_READ] = { kes_build_read, kes_parse_read, false },
        [REMOTE_OP_DECRYPT] = { build_decrypt, parse_decrypt, false },
        [REMOTE_OP_ENCRYPT] = { build_encrypt, parse_encrypt, false },
        [REMOTE_OP_MAC] = { build_mac, parse_mac, false },
        [REMOTE_OP_GENERATE] = { kes_build_generate, kes_parse_done, .once = true },
        [REMOTE_OP_IMPORT] = { kes_build_import, kes_parse_done, .once = true },
        [REMOTE_OP_DESTROY] = { kes_build_destroy, kes_parse_done, .once = true },
        [REMOTE_OP_DATA_KEY] = { kes_build_data_key, kes_parse_data_key, false },
    },
};
