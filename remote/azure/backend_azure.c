/* SPDX-License-Identifier: Apache-2.0 */
/* Azure Key Vault and Managed HSM. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "azure.h"
#include "remote/encode.h"
#include "remote/slot_private.h"

#define API_VERSION "7.4"
#define RANDOM_MAX 128
#define P521_DIGEST_MAX 64

#define RAW (1u << REMOTE_HASH_NONE)
#define SHA1 (1u << REMOTE_HASH_SHA1)
#define SHA2 (1u << REMOTE_HASH_SHA256 | 1u << REMOTE_HASH_SHA384 | 1u << REMOTE_HASH_SHA512)

static const struct remote_backend_alg azure_algs[] = {
    { REMOTE_ALG_RSA_PKCS1, SHA2 },
    { REMOTE_ALG_RSA_PSS, SHA2 },
    { REMOTE_ALG_ECDSA, RAW | SHA1 | REMOTE_HASHES_SHA2 | REMOTE_HASHES_SHA3 }, /* add_digest() */
    { REMOTE_ALG_RSA_PKCS1_ENC, RAW },
    { REMOTE_ALG_RSA_OAEP, SHA1 | 1u << REMOTE_HASH_SHA256 },
    { REMOTE_ALG_AES_GCM, RAW },
    { REMOTE_ALG_AES_CBC, RAW },
    { REMOTE_ALG_AES_CBC_PAD, RAW },
    { REMOTE_ALG_AES_KEY_WRAP, RAW },
    { REMOTE_ALG_NONE, 0 },
};

static const struct remote_option azure_options[] = {
    { .name = "cloud",
      .type = REMOTE_OPTION_CHOICE,
      .choices = "public usgov china private",
      .help = "the cloud that the vault is in; 'public'" },
    { .name = "resource",
      .type = REMOTE_OPTION_TEXT,
      .help = "of a private cloud: what the tokens are for, such as https://vault.example" },
    { .name = "authority",
      .type = REMOTE_OPTION_TEXT,
      .help = "https://HOST of Entra ID; the cloud's" },
    { .name = "tenant_id", .type = REMOTE_OPTION_TEXT, .help = "the tenant's id or domain" },
    { .name = "auth",
      .type = REMOTE_OPTION_CHOICE,
      .choices = "client_secret client_cert managed_identity workload_identity azure_json",
      .help = "how to log in; 'managed_identity'" },
    { .name = "client_id",
      .type = REMOTE_OPTION_TEXT,
      .help = "the application's id, or that of a user-assigned identity" },
    { .name = "client_secret", .type = REMOTE_OPTION_SECRET, .help = "the application's secret" },
    { .name = "jwt",
      .type = REMOTE_OPTION_SECRET,
      .help = "the federated token of workload_identity; AZURE_FEDERATED_TOKEN_FILE's" },
    { .name = "azure_json_file",
      .type = REMOTE_OPTION_PATH,
      .help = "the cluster's file; /etc/kubernetes/azure.json" },
    { .name = "imds_url",
      .type = REMOTE_OPTION_TEXT,
      .help = "http://HOST of the metadata service; http://169.254.169.254" },
    { .name = "api_version",
      .type = REMOTE_OPTION_TEXT,
      .help = "of Key Vault's interface; '" API_VERSION "'" },
    { .name = "hsm_keys",
      .type = REMOTE_OPTION_BOOL,
      .help = "yes makes keys of a (premium) vault in its HSM" },
    { .name = "vault_certificates",
      .type = REMOTE_OPTION_BOOL,
      .help = "no leaves the vault's certificates alone" },
    { .name = NULL },
};

/* ---- open and close ---- */

static void azure_close(struct remote_conn *conn)
{
    struct azure *azure = (struct azure *)conn;

    azure_auth_close(azure);
    free(azure->place.resource);
    free(azure);
}

static enum remote_rc configure(struct azure *azure, const struct remote_section *section,
                                struct remote_error *err)
{
    azure->api_version = remote_section_text(section, "api_version", API_VERSION);
    if (azure->api_version[strspn(azure->api_version, "0123456789.-abcdefghijklmnopqrstuvwxyz")])
        return remote_section_fail(section, "api_version", err,
                                   "'%s' is no version; use one such as " API_VERSION,
                                   azure->api_version);
    azure->hsm_keys = remote_section_bool(section, "hsm_keys", false);
    REMOTE_TRY(azure_auth_open(azure, section, err));
    azure->certs = !azure->place.hsm && remote_section_bool(section, "vault_certificates", true);
    return REMOTE_OK;
}

static enum remote_rc azure_open(struct remote_slot *slot, const struct remote_section *section,
                                 struct remote_conn **ret, struct remote_error *err)
{
    struct azure *azure = calloc(1, sizeof(*azure));
    enum remote_rc rc;

    if (azure == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    azure->base.slot = slot;
    remote_lock_init(&azure->cert_lock, REMOTE_LOCK_POOL);
    rc = configure(azure, section, err);
    if (rc != REMOTE_OK) {
        azure_close(&azure->base);
        return rc;
    }
    *ret = &azure->base;
    return REMOTE_OK;
}

/* ---- what every request has ---- */

void azure_begin(const char *method, const struct remote_grant *grant,
                 struct remote_request *request)
{
    request->method = method;
    request->want_header = "x-ms-request-id:";
    remote_buf_append_str(&request->headers, "Accept: application/json\n");
    if (strcmp(method, "GET") != 0 && strcmp(method, "DELETE") != 0)
        remote_buf_append_str(&request->headers, "Content-Type: application/json\n");
    if (grant != NULL) {
        remote_buf_append_str(&request->headers, "Authorization: Bearer ");
        remote_buf_append(&request->headers, grant->token.data, grant->token.len);
        remote_buf_append_char(&request->headers, '\n');
    }
}

void azure_add_path(struct remote_request *request, const struct azure *azure,
                    const char *collection, const char *name, const char *version, const char *verb)
{
    const char *const parts[] = { collection, name, version, verb };

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (parts[i] == NULL)
            continue;
        remote_buf_append_char(&request->path, '/');
        remote_percent_append(&request->path, remote_slice_str(parts[i]));
    }
    remote_buf_append_str(&request->path, "?api-version=");
    remote_buf_append_str(&request->path, azure->api_version);
}

void azure_add_bytes(struct remote_buf *body, const char *member, struct remote_slice bytes)
{
    remote_buf_printf(body, ",\"%s\":\"", member);
    remote_base64url_append(body, bytes);
    remote_buf_append_char(body, '"');
}

void azure_begin_on_key(const struct remote_conn *conn, const struct remote_op *op,
                        const struct remote_grant *grant, const char *verb, const char *alg,
                        struct remote_request *request)
{
    azure_begin("POST", grant, request);
    azure_add_path(request, (const struct azure *)conn, "keys", op->key->name, op->key->version_id,
                   verb);
    remote_buf_printf(&request->body, "{\"alg\":\"%s\"", alg);
}

bool azure_take_bytes(const remote_json *json, const char *member, struct remote_buf *ret)
{
    struct remote_slice text = remote_json_slice(json, member);

    return text.data != NULL && remote_base64url_decode(text, ret);
}

/* The pinned version, or none. */
static enum remote_rc check_kid(const struct remote_op *op, const remote_json *json,
                                struct remote_error *err)
{
    const char *kid = remote_json_text(json, "kid");
    struct remote_slice name, version;

    if (!azure_split_kid(kid, &name, &version) ||
        !azure_same_id(name, remote_slice_str(op->key->name)) ||
        !azure_same_id(version, remote_slice_str(op->key->version_id)))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "asked for version %u of the key (%s), the answer is of '%.100s'",
                           op->key->version, op->key->version_id, kid ? kid : "");
    return REMOTE_OK;
}

enum remote_rc azure_key_reply(const struct remote_op *op, const struct remote_reply *reply,
                               remote_json **ret, struct remote_error *err)
{
    REMOTE_TRY(azure_reply(op, reply, ret, err));
    return check_kid(op, *ret, err);
}

/* ---- sign ---- */

static const char *sign_alg(const struct remote_op *op)
{
    static const char *const pkcs1[REMOTE_HASH_COUNT] = {
        [REMOTE_HASH_SHA256] = "RS256",
        [REMOTE_HASH_SHA384] = "RS384",
        [REMOTE_HASH_SHA512] = "RS512",
    };
    static const char *const pss[REMOTE_HASH_COUNT] = {
        [REMOTE_HASH_SHA256] = "PS256",
        [REMOTE_HASH_SHA384] = "PS384",
        [REMOTE_HASH_SHA512] = "PS512",
    };

    if (op->params.alg == REMOTE_ALG_RSA_PKCS1)
        return pkcs1[op->params.hash];
    if (op->params.alg == REMOTE_ALG_RSA_PSS)
        return pss[op->params.hash];
    return op->key->bits == 256 ? "ES256" : op->key->bits == 384 ? "ES384" : "ES512";
}

/* What the service takes for this curve: it has one hash, and so one length, for each. */
static size_t digest_size(const struct remote_key *key)
{
    return key->bits == 521 ? P521_DIGEST_MAX : key->bits / 8;
}

/*
 * ECDSA takes the leftmost bits of a digest, as many as the curve's order has (FIPS 186-5 6.4.1).
 * So a longer one can be cut and a shorter one filled up with zeros in front, and the signature is
 * the same. Only P-521 takes more bits than the service does.
 */
static enum remote_rc add_digest(const struct remote_op *op, struct remote_buf *body,
                                 struct remote_error *err)
{
    struct remote_slice digest = op->items[0].in;
    size_t size = digest_size(op->key);
    unsigned char padded[P521_DIGEST_MAX] = { 0 };

    if (digest.len > size && op->key->bits == 521)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH,
                           "a digest of %zu bytes; Azure signs at most %zu with this curve",
                           digest.len, size);
    if (digest.len >= size)
        memcpy(padded, digest.data, size);
    else
        memcpy(padded + size - digest.len, digest.data, digest.len);
    azure_add_bytes(body, "value", remote_slice(padded, size));
    return REMOTE_OK;
}

static enum remote_rc build_sign(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err)
{
    (void)attempt;
    azure_begin_on_key(conn, op, grant, "sign", sign_alg(op), request);
    if (op->params.alg == REMOTE_ALG_ECDSA)
        REMOTE_TRY(add_digest(op, &request->body, err));
    else
        azure_add_bytes(&request->body, "value", op->items[0].in);
    remote_buf_append_char(&request->body, '}');
    return REMOTE_OK;
}

/* An HSM that looks at more than the length would make another signature of what was cut or filled
 * up; that must not go out unseen. */
static enum remote_rc prove_signature(const struct remote_op *op, struct remote_error *err)
{
    struct remote_key *key =
        (struct remote_key *)(uintptr_t)op->key; /* its EVP_PKEY is made once */

    if (op->params.alg != REMOTE_ALG_ECDSA || op->items[0].in.len == digest_size(key))
        return REMOTE_OK;
    if (remote_local_verify(key, &op->params, op->items[0].in, remote_buf_slice(&op->items[0].out),
                            err) == REMOTE_OK)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                       "the service signs digests of %zu bytes only with this key",
                       digest_size(key));
}

static enum remote_rc parse_sign(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    (void)conn;
    REMOTE_TRY(azure_key_reply(op, reply, &json, err));
    if (!azure_take_bytes(json, "value", &op->items[0].out))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has no signature");
    if (op->items[0].out.len == remote_key_output_size(op->key, &op->params)) /* else: key.c */
        return prove_signature(op, err);
    return REMOTE_OK;
}

/* ---- random (Managed HSM) ---- */

static enum remote_rc build_random(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err)
{
    (void)attempt, (void)err;
    azure_begin("POST", grant, request);
    azure_add_path(request, (struct azure *)conn, "rng", NULL, NULL, NULL);
    remote_buf_printf(&request->body, "{\"count\":%zu}", op->length);
    return REMOTE_OK;
}

static enum remote_rc parse_random(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    (void)conn;
    REMOTE_TRY(azure_reply(op, reply, &json, err));
    return azure_take_bytes(json, "value", &op->items[0].out)
               ? REMOTE_OK
               : REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has no random bytes");
}

/* ---- health and proof ---- */

/* Without a token, so that the service tells who it trusts. */
static enum remote_rc build_health(struct remote_conn *conn, const struct remote_op *op,
                                   const struct remote_grant *grant, unsigned attempt,
                                   struct remote_request *request, struct remote_error *err)
{
    (void)op, (void)grant, (void)attempt, (void)err;
    azure_begin("GET", NULL, request);
    azure_add_path(request, (struct azure *)conn, "keys", NULL, NULL, NULL);
    remote_buf_append_str(&request->path, "&maxresults=1");
    request->want_header = "WWW-Authenticate:";
    request->want_date = true;
    return REMOTE_OK;
}

/* The last segment of authorization="https://login.windows.net/TENANT". */
static struct remote_slice challenge_tenant(const char *challenge)
{
    static const char member[] = "authorization=\"";
    const char *url = strstr(challenge, member);
    const char *end, *tenant;

    if (url == NULL || (end = strchr(url + sizeof(member) - 1, '"')) == NULL)
        return remote_slice(NULL, 0);
    tenant = end;
    while (tenant > url && tenant[-1] != '/')
        tenant--;
    return remote_slice(tenant, (size_t)(end - tenant));
}

static bool is_guid(struct remote_slice text)
{
    return text.len == 36 && text.data[8] == '-' && text.data[13] == '-';
}

/* The challenge is worth a hint to the operator, never an address to go to. */
static enum remote_rc parse_health(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_reply *reply, struct remote_error *err)
{
    const struct azure *azure = (struct azure *)conn;
    struct remote_slice tenant = challenge_tenant(reply->header);
    struct remote_slice ours = remote_slice_str(azure->tenant ? azure->tenant : "");
    remote_json *json = NULL;

    if (reply->status != 401) {
        enum remote_rc rc = azure_reply(op, reply, &json, err);

        remote_json_free(&json);
        return rc != REMOTE_OK ? rc
                               : REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                                             "a service that asks for no token is none of Azure's");
    }
    if (strncasecmp(reply->header, "Bearer ", 7) != 0)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "no Key Vault answers there (HTTP 401 without "
                           "its challenge)");
    if (is_guid(tenant) && is_guid(ours) && !azure_same_id(tenant, ours))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "it belongs to the tenant %.*s, tenant_id is %s",
                           (int)tenant.len, (const char *)tenant.data, azure->tenant);
    snprintf(op->detail, sizeof(op->detail), "Azure %s",
             azure->place.hsm ? "Managed HSM" : "Key Vault");
    return REMOTE_OK;
}

static enum remote_rc build_prove(struct remote_conn *conn, const struct remote_op *op,
                                  const struct remote_grant *grant, unsigned attempt,
                                  struct remote_request *request, struct remote_error *err)
{
    (void)op, (void)attempt, (void)err;
    azure_begin("GET", grant, request);
    azure_add_path(request, (struct azure *)conn, "keys", NULL, NULL, NULL);
    remote_buf_append_str(&request->path, "&maxresults=1");
    return REMOTE_OK;
}

static enum remote_rc parse_prove(struct remote_conn *conn, struct remote_op *op,
                                  const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    (void)conn;
    return azure_reply(op, reply, &json, err);
}

/* ---- what the service cannot honour ---- */

static enum remote_rc check_pss(const struct remote_key *key, const struct remote_params *params,
                                struct remote_error *err)
{
    if (params->mgf_hash != params->hash || params->salt_len != remote_hash_size(params->hash))
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "key '%s': Azure's PSS uses the message's hash in MGF1 and a salt of "
                           "its length (%zu), not %zu",
                           key->name, remote_hash_size(params->hash), params->salt_len);
    return REMOTE_OK;
}

static enum remote_rc check_oaep(const struct remote_key *key, const struct remote_params *params,
                                 struct remote_error *err)
{
    bool known = params->hash == REMOTE_HASH_SHA1 || params->hash == REMOTE_HASH_SHA256;

    if (known && params->mgf_hash == params->hash && params->aad.len == 0)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_PARAM,
                       "key '%s': Azure's OAEP is SHA-256 with MGF1-SHA-256 or SHA-1 with "
                       "MGF1-SHA-1, and no label",
                       key->name);
}

static enum remote_rc azure_check(const struct remote_conn *conn, const struct remote_key *key,
                                  const struct remote_params *params, struct remote_error *err)
{
    (void)conn;
    if (params->alg == REMOTE_ALG_RSA_PSS)
        return check_pss(key, params, err);
    if (params->alg == REMOTE_ALG_RSA_OAEP)
        return check_oaep(key, params, err);
    return REMOTE_OK;
}

static bool azure_offers(const struct remote_conn *conn, enum remote_alg alg, enum remote_hash hash)
{
    bool aes = alg == REMOTE_ALG_AES_GCM || alg == REMOTE_ALG_AES_CBC ||
               alg == REMOTE_ALG_AES_CBC_PAD || alg == REMOTE_ALG_AES_KEY_WRAP;

    (void)hash;
    return !aes || ((const struct azure *)conn)->place.hsm;
}

static bool azure_serves(const struct remote_conn *conn, enum remote_op_kind kind)
{
    bool of_hsms = kind == REMOTE_OP_RANDOM || kind == REMOTE_OP_ENCRYPT;

    return !of_hsms || ((const struct azure *)conn)->place.hsm;
}

static bool azure_keeps_certs(const struct remote_conn *conn)
{
    return ((const struct azure *)conn)->certs;
}

const struct remote_backend_ops remote_backend_azure = {
    .name = "azure",
    .title = "Azure Key Vault or Managed HSM",
    .options = azure_options,
    .algs = azure_algs,
    .sizes = {
        [REMOTE_KEY_RSA] = { 2048, 4096 },
        [REMOTE_KEY_EC] = { 256, 521 },
        [REMOTE_KEY_AES] = { 128, 256 },
    },
    .timeout_ms = 10000,
    .input_max = AZURE_INPUT_MAX,
    .random_max = RANDOM_MAX,
    .https = true,
    .open = azure_open,
    .close = azure_close,
    .pins = "client_secret",
    .pin_fits = azure_pin_fits,
    .check = azure_check,
    .offers = azure_offers,
    .serves = azure_serves,
    .keeps_certs = azure_keeps_certs,
    .ops = {
        [REMOTE_OP_LOGIN] = { azure_build_login, azure_parse_login, false },
        [REMOTE_OP_PROVE] = { build_prove, parse_prove, false },
        [REMOTE_OP_HEALTH] = { build_health, parse_health, false },
        [REMOTE_OP_LIST] = { azure_build_list, azure_parse_list, false },
        [REMOTE_OP_READ] = { azure_build_read, azure_parse_read, false },
        [REMOTE_OP_SIGN] = { build_sign, parse_sign, false },
        [REMOTE_OP_DECRYPT] = { azure_build_decrypt, azure_parse_crypt, false },
        [REMOTE_OP_ENCRYPT] = { azure_build_encrypt, azure_parse_crypt, false },
        [REMOTE_OP_RANDOM] = { build_random, parse_random, false },
        [REMOTE_OP_GENERATE] = { azure_build_generate, azure_parse_made, .once = true },
        [REMOTE_OP_IMPORT] = { azure_build_import, azure_parse_made, .once = true },
        [REMOTE_OP_ROTATE] = { azure_build_rotate, azure_parse_rotate, .once = true },
        [REMOTE_OP_DESTROY] = { azure_build_destroy, azure_parse_destroy, .once = true },
    },
};
