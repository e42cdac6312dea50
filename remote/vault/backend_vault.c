/* SPDX-License-Identifier: Apache-2.0 */
/* HashiCorp Vault and OpenBao: the transit engine. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote/encode.h"
#include "vault.h"

/* A JSON string may have 1 MiB (max_json_string_value_length), which is so much before base64. */
#define INPUT_MAX (768u * 1024u)
#define VAULT_GCM_OVERHEAD (12 + 16) /* nonce and tag, of AES-GCM and ChaCha20-Poly1305 */
#define BATCH_MAX 32

/* The service's own words; no entry: it has none. */
static const char *const wire_hash[REMOTE_HASH_COUNT] = {
    [REMOTE_HASH_NONE] = "none",         [REMOTE_HASH_SHA1] = "sha1",
    [REMOTE_HASH_SHA224] = "sha2-224",   [REMOTE_HASH_SHA256] = "sha2-256",
    [REMOTE_HASH_SHA384] = "sha2-384",   [REMOTE_HASH_SHA512] = "sha2-512",
    [REMOTE_HASH_SHA3_224] = "sha3-224", [REMOTE_HASH_SHA3_256] = "sha3-256",
    [REMOTE_HASH_SHA3_384] = "sha3-384", [REMOTE_HASH_SHA3_512] = "sha3-512",
};

#define RAW (1u << REMOTE_HASH_NONE)
#define SHA1 (1u << REMOTE_HASH_SHA1)

static const struct remote_backend_alg vault_algs[] = {
    { REMOTE_ALG_RSA_PKCS1, RAW | SHA1 | REMOTE_HASHES_SHA2 | REMOTE_HASHES_SHA3 },
    { REMOTE_ALG_RSA_PSS, SHA1 | REMOTE_HASHES_SHA2 | REMOTE_HASHES_SHA3 },
    { REMOTE_ALG_ECDSA, RAW | SHA1 | REMOTE_HASHES_SHA2 | REMOTE_HASHES_SHA3 },
    { REMOTE_ALG_EDDSA, RAW },
    { REMOTE_ALG_RSA_PKCS1_ENC, RAW },
    { REMOTE_ALG_RSA_OAEP, 1u << REMOTE_HASH_SHA256 },
    { REMOTE_ALG_AES_GCM, RAW },
    { REMOTE_ALG_AEAD, RAW },
    { REMOTE_ALG_HMAC, SHA1 | REMOTE_HASHES_SHA2 | REMOTE_HASHES_SHA3 },
    { REMOTE_ALG_NONE, 0 },
};

static const struct remote_option vault_options[] = {
    { .name = "mount",
      .type = REMOTE_OPTION_TEXT,
      .help = "path of the transit engine; 'transit'" },
    { .name = "namespace", .type = REMOTE_OPTION_TEXT, .help = "namespace (Enterprise, OpenBao)" },
    { .name = "auth",
      .type = REMOTE_OPTION_CHOICE,
      .choices = "token approle kubernetes cert userpass",
      .help = "how to log in; 'token'" },
    { .name = "auth_mount",
      .type = REMOTE_OPTION_TEXT,
      .help = "path of the auth method; its name" },
    { .name = "token", .type = REMOTE_OPTION_SECRET, .help = "a Vault token" },
    { .name = "role_id", .type = REMOTE_OPTION_SECRET, .help = "AppRole's role id" },
    { .name = "secret_id", .type = REMOTE_OPTION_SECRET, .help = "AppRole's secret id" },
    { .name = "role", .type = REMOTE_OPTION_TEXT, .help = "role of kubernetes or cert" },
    { .name = "jwt",
      .type = REMOTE_OPTION_SECRET,
      .help = "service account token of kubernetes; the pod's own" },
    { .name = "username", .type = REMOTE_OPTION_TEXT, .help = "user of userpass" },
    { .name = "password", .type = REMOTE_OPTION_SECRET, .help = "password of userpass" },
    { .name = NULL },
};

/* ---- open and close ---- */

char *vault_encode_path(const char *path)
{
    struct remote_buf encoded = { 0 };

    while (*path == '/')
        path++;
    while (*path != '\0') {
        size_t len = strcspn(path, "/");

        if (len > 0 && encoded.len > 0)
            remote_buf_append_char(&encoded, '/');
        remote_percent_append(&encoded, remote_slice(path, len));
        path += len + (path[len] == '/');
    }
    remote_buf_append(&encoded, "", 0);
    if (encoded.failed || encoded.data == NULL) {
        remote_buf_clear(&encoded);
        return NULL;
    }
    return (char *)encoded.data;
}

static enum remote_rc make_headers(struct vault *vault, const struct remote_section *section,
                                   struct remote_error *err)
{
    const char *namespace = remote_section_text(section, "namespace", NULL);

    if (namespace != NULL && strpbrk(namespace, "\r\n") != NULL)
        return remote_section_fail(section, "namespace", err, "must be one line");
    if (asprintf(&vault->headers, "X-Vault-Request: true\n%s%s%s",
                 namespace ? "X-Vault-Namespace: " : "", namespace ? namespace : "",
                 namespace ? "\n" : "") < 0) {
        vault->headers = NULL;
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    return REMOTE_OK;
}

static void vault_close(struct remote_conn *conn)
{
    struct vault *vault = (struct vault *)conn;

    vault_auth_close(vault);
    free(vault->mount);
    free(vault->headers);
    free(vault);
}

static enum remote_rc configure(struct vault *vault, const struct remote_section *section,
                                struct remote_error *err)
{
    vault->mount = vault_encode_path(remote_section_text(section, "mount", "transit"));
    if (vault->mount == NULL)
        return remote_section_fail(section, "mount", err, "must name a path, such as 'transit'");
    REMOTE_TRY(make_headers(vault, section, err));
    return vault_auth_open(vault, section, err);
}

static enum remote_rc vault_open(struct remote_slot *slot, const struct remote_section *section,
                                 struct remote_conn **ret, struct remote_error *err)
{
    struct vault *vault = calloc(1, sizeof(*vault));
    enum remote_rc rc;

    if (vault == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    vault->base.slot = slot;
    rc = configure(vault, section, err);
    if (rc != REMOTE_OK) {
        vault_close(&vault->base);
        return rc;
    }
    *ret = &vault->base;
    return REMOTE_OK;
}

/* ---- what every request has ---- */

void vault_begin(const struct vault *vault, const char *method, const struct remote_grant *grant,
                 struct remote_request *request)
{
    request->method = method;
    remote_buf_append_str(&request->headers, vault->headers);
    if (strcmp(method, "POST") == 0)
        remote_buf_append_str(&request->headers, "Content-Type: application/json\n");
    if (grant != NULL) {
        remote_buf_append_str(&request->headers, "X-Vault-Token: ");
        remote_buf_append(&request->headers, grant->token.data, grant->token.len);
        remote_buf_append_char(&request->headers, '\n');
    }
}

void vault_add_path(struct remote_request *request, const struct vault *vault, const char *verb,
                    const char *name)
{
    remote_buf_append_str(&request->path, "/v1/");
    remote_buf_append_str(&request->path, vault->mount);
    remote_buf_append_char(&request->path, '/');
    remote_buf_append_str(&request->path, verb);
    if (name != NULL) {
        remote_buf_append_char(&request->path, '/');
        remote_percent_append(&request->path, remote_slice_str(name));
    }
}

/* ---- "vault:vN:BASE64" ---- */

static enum remote_rc split_value(const struct remote_key *key, struct remote_slice value,
                                  struct remote_slice *ret_base64, struct remote_error *err)
{
    static const char prefix[] = "vault:v";
    const char *text = (const char *)value.data;
    char *tail;
    unsigned long version;

    if (value.len < sizeof(prefix) || memcmp(text, prefix, sizeof(prefix) - 1) != 0 ||
        !isdigit((unsigned char)text[sizeof(prefix) - 1])) /* strtoul() takes blanks and signs */
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer is not of the form vault:vN:...");
    version = strtoul(text + sizeof(prefix) - 1, &tail, 10);
    if (*tail != ':')
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer is not of the form vault:vN:...");
    if (version != key->version)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "asked for version %u of the key, the answer is of version %lu",
                           key->version, version);
    tail++;
    *ret_base64 = remote_slice(tail, value.len - (size_t)(tail - text));
    return REMOTE_OK;
}

/* ---- requests with items, one or a batch ---- */

/* Writes {"MEMBER":..,...} of one item behind an open brace. */
typedef void (*item_fn)(const struct remote_op *op, const struct remote_item *item,
                        struct remote_buf *body);

static void add_items(const struct remote_op *op, item_fn add, struct remote_buf *body)
{
    if (op->item_count == 1) {
        add(op, &op->items[0], body);
        return;
    }
    /* 200 even when some items fail: each says so for itself */
    remote_buf_append_str(body, "\"partial_failure_response_code\":200,\"batch_input\":[");
    for (size_t i = 0; i < op->item_count; i++) {
        remote_buf_append_str(body, i > 0 ? ",{" : "{");
        add(op, &op->items[i], body);
        remote_buf_append_char(body, '}');
    }
    remote_buf_append_char(body, ']');
}

/* Turns the text of one result into the item's out. */
typedef enum remote_rc (*result_fn)(const struct remote_op *op, struct remote_slice text,
                                    struct remote_buf *out, struct remote_error *err);

static enum remote_rc take_result(const struct remote_op *op, const remote_json *result,
                                  const char *member, result_fn take, struct remote_buf *out,
                                  struct remote_error *err)
{
    struct remote_slice text = remote_json_slice(result, member);
    const char *fault = remote_json_text(result, "error");

    if (fault != NULL && fault[0] != '\0')
        return vault_item_error(op, fault, err);
    if (text.data == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has no \"%s\"", member);
    return take(op, text, out, err);
}

static enum remote_rc parse_items(struct remote_op *op, const struct remote_reply *reply,
                                  const char *member, result_fn take, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    const remote_json *results;

    REMOTE_TRY(vault_reply(op, reply, &json, err));
    if (op->item_count == 1)
        return take_result(op, remote_json_at(json, "data"), member, take, &op->items[0].out, err);
    results = remote_json_at(json, "data.batch_results");
    if (remote_json_count(results) != op->item_count)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "a batch of %zu was answered with %zu results",
                           op->item_count, remote_json_count(results));
    for (size_t i = 0; i < op->item_count; i++)
        op->items[i].rc = take_result(op, remote_json_index(results, i), member, take,
                                      &op->items[i].out, &op->items[i].err);
    return REMOTE_OK;
}

/* The pinned version, in every request: never another one. */
static void add_version(const struct remote_key *key, struct remote_buf *body)
{
    remote_buf_append_str(body, ",\"key_version\":");
    remote_buf_append_number(body, key->version);
}

/* ---- sign ---- */

static void add_input(const struct remote_op *op, const struct remote_item *item,
                      struct remote_buf *body)
{
    (void)op;
    remote_buf_append_str(body, "\"input\":");
    remote_json_append_base64(body, item->in);
}

static void add_rsa_params(const struct remote_params *params, struct remote_buf *body)
{
    remote_buf_append_str(body, ",\"prehashed\":true,\"hash_algorithm\":\"");
    remote_buf_append_str(body, wire_hash[params->hash]);
    remote_buf_append_char(body, '"');
    if (params->alg == REMOTE_ALG_RSA_PKCS1) {
        remote_buf_append_str(body, ",\"signature_algorithm\":\"pkcs1v15\"");
        return;
    }
    remote_buf_append_str(body, ",\"signature_algorithm\":\"pss\"");
    if (params->salt_len == remote_hash_size(params->hash))
        remote_buf_append_str(body, ",\"salt_length\":\"hash\"");
    else
        remote_buf_printf(body, ",\"salt_length\":\"%zu\"", params->salt_len);
}

static enum remote_rc build_sign(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err)
{
    struct remote_buf *body = &request->body;

    (void)attempt, (void)err;
    vault_begin((struct vault *)conn, "POST", grant, request);
    vault_add_path(request, (struct vault *)conn, "sign", op->key->name);
    remote_buf_append_char(body, '{');
    add_items(op, add_input, body);
    if (op->params.alg == REMOTE_ALG_ECDSA) /* any digest; jws is r||s of fixed width */
        remote_buf_append_str(body, ",\"prehashed\":true,\"marshaling_algorithm\":\"jws\"");
    else if (op->params.alg != REMOTE_ALG_EDDSA)
        add_rsa_params(&op->params, body);
    add_version(op->key, body);
    remote_buf_append_char(body, '}');
    return REMOTE_OK;
}

static enum remote_rc take_signature(const struct remote_op *op, struct remote_slice text,
                                     struct remote_buf *out, struct remote_error *err)
{
    struct remote_slice encoded;
    bool decoded;

    REMOTE_TRY(split_value(op->key, text, &encoded, err));
    decoded = op->params.alg == REMOTE_ALG_ECDSA ? remote_base64url_decode(encoded, out)
                                                 : remote_base64_decode(encoded, out);
    return decoded ? REMOTE_OK : REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the signature is not base64");
}

static enum remote_rc parse_sign(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    (void)conn;
    return parse_items(op, reply, "signature", take_signature, err);
}

/* ---- HMAC ---- */

static enum remote_rc build_mac(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err)
{
    (void)attempt, (void)err;
    vault_begin((struct vault *)conn, "POST", grant, request);
    vault_add_path(request, (struct vault *)conn, "hmac", op->key->name);
    remote_buf_printf(&request->path, "/%s", wire_hash[op->params.hash]);
    remote_buf_append_char(&request->body, '{');
    add_items(op, add_input, &request->body);
    add_version(op->key, &request->body);
    remote_buf_append_char(&request->body, '}');
    return REMOTE_OK;
}

static enum remote_rc take_mac(const struct remote_op *op, struct remote_slice text,
                               struct remote_buf *out, struct remote_error *err)
{
    struct remote_slice encoded;

    REMOTE_TRY(split_value(op->key, text, &encoded, err));
    return remote_base64_decode(encoded, out)
               ? REMOTE_OK
               : REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the MAC is not base64");
}

static enum remote_rc parse_mac(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err)
{
    (void)conn;
    return parse_items(op, reply, "hmac", take_mac, err);
}

/* ---- encrypt (symmetric keys) ---- */

static void add_associated_data(const struct remote_params *params, struct remote_buf *body)
{
    if (params->aad.len > 0) {
        remote_buf_append_str(body, ",\"associated_data\":");
        remote_json_append_base64(body, params->aad);
    }
}

static void add_plaintext(const struct remote_op *op, const struct remote_item *item,
                          struct remote_buf *body)
{
    remote_buf_append_str(body, "\"plaintext\":");
    remote_json_append_base64(body, item->in);
    add_version(op->key, body);
    add_associated_data(&op->params, body);
}

static enum remote_rc build_encrypt(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    (void)attempt, (void)err;
    vault_begin((struct vault *)conn, "POST", grant, request);
    vault_add_path(request, (struct vault *)conn, "encrypt", op->key->name);
    remote_buf_append_char(&request->body, '{');
    add_items(op, add_plaintext, &request->body);
    remote_buf_append_char(&request->body, '}');
    return REMOTE_OK;
}

/* AEAD is Vault's own text, which `vault` can open; AES_GCM is what is inside it. */
static enum remote_rc take_ciphertext(const struct remote_op *op, struct remote_slice text,
                                      struct remote_buf *out, struct remote_error *err)
{
    struct remote_slice encoded;

    REMOTE_TRY(split_value(op->key, text, &encoded, err));
    if (op->params.alg == REMOTE_ALG_AEAD) {
        remote_buf_append(out, text.data, text.len);
        return remote_buf_check(out, err);
    }
    return remote_base64_decode(encoded, out)
               ? REMOTE_OK
               : REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the ciphertext is not base64");
}

static enum remote_rc parse_encrypt(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    (void)conn;
    return parse_items(op, reply, "ciphertext", take_ciphertext, err);
}

/* ---- decrypt ---- */

static void add_ciphertext(const struct remote_op *op, const struct remote_item *item,
                           struct remote_buf *body)
{
    remote_buf_append_str(body, "\"ciphertext\":");
    if (op->params.alg == REMOTE_ALG_AEAD) {
        remote_json_append_string(body, item->in);
    } else {
        remote_buf_printf(body, "\"vault:v%u:", op->key->version);
        remote_base64_append(body, item->in);
        remote_buf_append_char(body, '"');
    }
    add_associated_data(&op->params, body);
}

static bool is_sealed_text(struct remote_slice sealed)
{
    static const char prefix[] = "vault:v";

    if (sealed.len < sizeof(prefix) || memcmp(sealed.data, prefix, sizeof(prefix) - 1) != 0)
        return false;
    for (size_t i = 0; i < sealed.len; i++)
        if (sealed.data[i] <= 0x20 || sealed.data[i] >= 0x7f)
            return false;
    return true;
}

static enum remote_rc build_decrypt(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    struct remote_buf *body = &request->body;

    (void)attempt;
    for (size_t i = 0; op->params.alg == REMOTE_ALG_AEAD && i < op->item_count; i++)
        if (!is_sealed_text(op->items[i].in))
            return REMOTE_FAIL(err, REMOTE_E_DATA, "not of the form vault:vN:...");
    vault_begin((struct vault *)conn, "POST", grant, request);
    vault_add_path(request, (struct vault *)conn, "decrypt", op->key->name);
    remote_buf_append_char(body, '{');
    add_items(op, add_ciphertext, body);
    if (op->params.alg == REMOTE_ALG_RSA_OAEP)
        remote_buf_append_str(body, ",\"padding_scheme\":\"oaep\"");
    else if (op->params.alg == REMOTE_ALG_RSA_PKCS1_ENC)
        remote_buf_append_str(body, ",\"padding_scheme\":\"pkcs1v15\"");
    remote_buf_append_char(body, '}');
    return REMOTE_OK;
}

static enum remote_rc take_plaintext(const struct remote_op *op, struct remote_slice text,
                                     struct remote_buf *out, struct remote_error *err)
{
    (void)op;
    return remote_base64_decode(text, out)
               ? REMOTE_OK
               : REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the plaintext is not base64");
}

static enum remote_rc parse_decrypt(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    (void)conn;
    return parse_items(op, reply, "plaintext", take_plaintext, err);
}

/* ---- random ---- */

static enum remote_rc build_random(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err)
{
    (void)attempt, (void)err;
    vault_begin((struct vault *)conn, "POST", grant, request);
    vault_add_path(request, (struct vault *)conn, "random", NULL);
    remote_buf_printf(&request->body, "{\"bytes\":%zu,\"format\":\"base64\"}", op->length);
    return REMOTE_OK;
}

static enum remote_rc parse_random(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_reply *reply, struct remote_error *err)
{
    (void)conn;
    return parse_items(op, reply, "random_bytes", take_plaintext, err);
}

/* ---- health ---- */

static enum remote_rc build_health(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err)
{
    (void)op, (void)grant, (void)attempt, (void)err;
    /* no namespace: sys/health lives in the root one */
    (void)conn;
    request->method = "GET";
    remote_buf_append_str(&request->path, "/v1/sys/health");
    request->want_date = true;
    return REMOTE_OK;
}

/* The status tells the state too, but a load balancer may have changed it: the body counts. */
static enum remote_rc parse_health(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = remote_json_read(reply->body, err);
    const char *version = remote_json_text(json, "version");
    const char *state = "active";

    (void)conn;
    if (json == NULL)
        return REMOTE_E_PROTOCOL;
    if (remote_json_at(json, "initialized") == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "no Vault answers there (HTTP %d)",
                           reply->status);
    if (!remote_json_bool(json, "initialized", true))
        return REMOTE_FAIL(err, REMOTE_E_UNAVAILABLE, "not initialised; run 'vault operator init'");
    if (remote_json_bool(json, "sealed", false))
        return REMOTE_FAIL(err, REMOTE_E_UNAVAILABLE, "sealed; run 'vault operator unseal'");
    if (remote_json_bool(json, "performance_standby", false))
        state = "performance standby";
    else if (remote_json_bool(json, "standby", false))
        state = "standby";
    snprintf(op->detail, sizeof(op->detail), "Vault %.40s, %s", version ? version : "?", state);
    return REMOTE_OK;
}

/* ---- what the service cannot honour ---- */

static enum remote_rc check_pss(const struct remote_key *key, const struct remote_params *params,
                                struct remote_error *err)
{
    size_t most = (key->bits + 7u) / 8u - remote_hash_size(params->hash) - 2;

    if (params->mgf_hash != params->hash)
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "key '%s': Vault's PSS uses the message's hash in MGF1", key->name);
    if (params->salt_len == 0) /* Vault takes "0" for "as long as possible" */
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "key '%s': Vault cannot make PSS without a salt",
                           key->name);
    if (params->salt_len > most)
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "key '%s': a PSS salt of %zu bytes where at most %zu fit", key->name,
                           params->salt_len, most);
    return REMOTE_OK;
}

static enum remote_rc check_oaep(const struct remote_key *key, const struct remote_params *params,
                                 struct remote_error *err)
{
    if (params->hash != REMOTE_HASH_SHA256 || params->mgf_hash != REMOTE_HASH_SHA256 ||
        params->aad.len > 0)
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "key '%s': Vault's OAEP is SHA-256 with MGF1-SHA-256 and no label",
                           key->name);
    return REMOTE_OK;
}

static enum remote_rc vault_check(const struct remote_conn *conn, const struct remote_key *key,
                                  const struct remote_params *params, struct remote_error *err)
{
    (void)conn;
    if (params->alg == REMOTE_ALG_RSA_PSS)
        return check_pss(key, params, err);
    if (params->alg == REMOTE_ALG_RSA_OAEP)
        return check_oaep(key, params, err);
    return REMOTE_OK;
}

/* A batch is served serially, in one request: RSA would lose the server's other cores. */
static size_t vault_batch(const struct remote_conn *conn, enum remote_op_kind kind,
                          const struct remote_key *key, const struct remote_params *params)
{
    (void)conn, (void)kind, (void)params;
    return key->type == REMOTE_KEY_RSA ? 1 : BATCH_MAX;
}

/* "vault:v", the version, ':', and nonce, ciphertext and tag in base64. */
static size_t vault_sealed_max(const struct remote_key *key, size_t len)
{
    (void)key; /* a rotation may make the version's number longer at any time */
    return sizeof("vault:v4294967295:") + (len + VAULT_GCM_OVERHEAD + 2) / 3 * 4;
}

const struct remote_backend_ops remote_backend_vault = {
    .name = "vault",
    .title = "HashiCorp Vault or OpenBao transit",
    .options = vault_options,
    .algs = vault_algs,
    .sizes = {
        [REMOTE_KEY_RSA] = { 2048, 4096 },
        [REMOTE_KEY_EC] = { 256, 521 },
        [REMOTE_KEY_ED25519] = { 256, 256 },
        [REMOTE_KEY_AES] = { 128, 256 },
        [REMOTE_KEY_CHACHA20] = { 256, 256 },
        [REMOTE_KEY_GENERIC] = { 256, 4096 },
    },
    .timeout_ms = 3000,
    .input_max = INPUT_MAX,
    .sealed_max = vault_sealed_max,
    .https = true,
    .open = vault_open,
    .close = vault_close,
    .pins = "token secret_id password",
    .pin_fits = vault_pin_fits,
    .grant = vault_grant,
    .check = vault_check,
    .batch = vault_batch,
    .ops = {
        [REMOTE_OP_LOGIN] = { vault_build_login, vault_parse_login, .once = true },
        [REMOTE_OP_RENEW] = { vault_build_renew, vault_parse_login, false },
        [REMOTE_OP_PROVE] = { vault_build_prove, vault_parse_prove, false },
        [REMOTE_OP_HEALTH] = { build_health, parse_health, false },
        [REMOTE_OP_LIST] = { vault_build_list, vault_parse_list, false },
        [REMOTE_OP_READ] = { vault_build_read, vault_parse_read, false },
        [REMOTE_OP_SIGN] = { build_sign, parse_sign, false },
        [REMOTE_OP_DECRYPT] = { build_decrypt, parse_decrypt, false },
        [REMOTE_OP_ENCRYPT] = { build_encrypt, parse_encrypt, false },
        [REMOTE_OP_MAC] = { build_mac, parse_mac, false },
        [REMOTE_OP_RANDOM] = { build_random, parse_random, false },
        [REMOTE_OP_GENERATE] = { vault_build_generate, vault_parse_done, .once = true },
        [REMOTE_OP_WRAPPING_KEY] = { vault_build_wrapping_key, vault_parse_wrapping_key, false },
        [REMOTE_OP_IMPORT] = { vault_build_import, vault_parse_done, .once = true },
        [REMOTE_OP_ROTATE] = { vault_build_rotate, vault_parse_done, .once = true },
        [REMOTE_OP_UNPROTECT] = { vault_build_unprotect, vault_parse_done, false },
        [REMOTE_OP_DESTROY] = { vault_build_destroy, vault_parse_done, .once = true },
        [REMOTE_OP_DATA_KEY] = { vault_build_data_key, vault_parse_data_key, false },
        [REMOTE_OP_DOCUMENT] = { vault_build_document, vault_parse_document, false },
        [REMOTE_OP_WRITE_DOCUMENT] = { vault_build_write_document, vault_parse_done,
                                       .once = true },
    },
};
