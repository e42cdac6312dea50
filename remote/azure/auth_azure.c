/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Azure's credentials: where a token comes from, and what proves who asks. Entra ID's token
 * endpoint ("OAuth 2.0 client credentials flow") and the managed identities' endpoints answer
 * alike. A token is for the configured cloud's services and goes to the slot's url only.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "azure.h"
#include "remote/encode.h"
#include "remote/slot_private.h"

#define AZURE_JSON_FILE "/etc/kubernetes/azure.json"
#define ASSERTION_TYPE "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
#define TOKEN_MAX 16384
#define LIFETIME_MAX (7 * 24 * 3600) /* IMDS gives a day at most */
#define PIN_MAX 256
#define QUOTE_MAX 150

/* ---- configuration ---- */

static const char *const auth_words[AZURE_AUTH_COUNT] = {
    [AZURE_AUTH_CLIENT_SECRET] = "client_secret",
    [AZURE_AUTH_CLIENT_CERT] = "client_cert",
    [AZURE_AUTH_MANAGED_IDENTITY] = "managed_identity",
    [AZURE_AUTH_WORKLOAD_IDENTITY] = "workload_identity",
    [AZURE_AUTH_JSON] = "azure_json",
};

static enum azure_auth read_auth(const struct remote_section *section)
{
    const char *word =
        remote_section_text(section, "auth", auth_words[AZURE_AUTH_MANAGED_IDENTITY]);
    enum azure_auth auth = AZURE_AUTH_CLIENT_SECRET;

    while (auth + 1 < AZURE_AUTH_COUNT && strcmp(auth_words[auth], word) != 0)
        auth++;
    return auth;
}

static enum remote_rc require(const struct remote_section *section, const char *option,
                              bool present, enum azure_auth auth, const char *more,
                              struct remote_error *err)
{
    if (present)
        return REMOTE_OK;
    return remote_section_fail(section, option, err, "missing; auth = %s needs it%s",
                               auth_words[auth], more);
}

/* An id or a domain; it becomes part of a path. */
static bool is_tenant(const char *tenant)
{
    return tenant[0] != '\0' && tenant[0] != '.' &&
           tenant[strspn(tenant, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789-.")] == '\0';
}

static enum remote_rc check_tenant(const struct azure *azure, const struct remote_section *section,
                                   struct remote_error *err)
{
    REMOTE_TRY(require(section, "tenant_id", azure->tenant != NULL, azure->auth, "", err));
    if (is_tenant(azure->tenant))
        return REMOTE_OK;
    return remote_section_fail(section, "tenant_id", err,
                               "'%s' is neither the id of a tenant nor its domain", azure->tenant);
}

static enum remote_rc open_authority(struct azure *azure, const struct remote_section *section,
                                     const char *otherwise, struct remote_error *err)
{
    const char *url = remote_section_text(section, "authority", otherwise);
    size_t len = url ? strlen(url) : 0;

    if (url == NULL)
        return remote_section_fail(section, "authority", err,
                                   "missing; cloud = private needs https://HOST of its Entra ID");
    while (len > 0 && url[len - 1] == '/')
        len--;
    azure->authority = strndup(url, len);
    if (azure->authority == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    return remote_slot_add_origin(azure->base.slot, section, "authority", azure->authority, false,
                                  &azure->authority_origin, err);
}

static enum remote_rc open_secret(struct azure *azure, const struct remote_section *section,
                                  const struct azure_cloud *cloud, struct remote_error *err)
{
    azure->pin_is_secret = remote_section_has(section, "pin");
    REMOTE_TRY(check_tenant(azure, section, err));
    REMOTE_TRY(require(section, "client_id", azure->client_id != NULL, azure->auth, "", err));
    REMOTE_TRY(remote_credential_open(section, "client_secret", &azure->secret, err));
    REMOTE_TRY(require(section, "client_secret_file", azure->secret || azure->pin_is_secret,
                       azure->auth, " (or pin = client_secret)", err));
    return open_authority(azure, section, cloud->authority, err);
}

static enum remote_rc open_cert(struct azure *azure, const struct remote_section *section,
                                const struct azure_cloud *cloud, struct remote_error *err)
{
    X509 *cert = NULL;
    EVP_PKEY *pkey = NULL;
    bool rsa;

    REMOTE_TRY(check_tenant(azure, section, err));
    REMOTE_TRY(require(section, "client_id", azure->client_id != NULL, azure->auth, "", err));
    REMOTE_TRY(open_authority(azure, section, cloud->authority, err));
    REMOTE_TRY(require(section, "client_cert_file",
                       remote_tls_client(&azure->base.slot->tls, &cert, &pkey), azure->auth, "",
                       err));
    rsa = EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA;
    X509_free(cert);
    EVP_PKEY_free(pkey);
    return rsa ? REMOTE_OK
               : remote_section_fail(section, "client_key_file", err,
                                     "Entra ID takes RSA keys only");
}

static enum remote_rc open_managed(struct azure *azure, const struct remote_section *section,
                                   const struct azure_cloud *cloud, struct remote_error *err)
{
    (void)cloud;
    return azure_managed_open(azure, section, err);
}

/* NULL: not set, or not for us to read. */
static char *copy_env(const char *name)
{
    const char *text = secure_getenv(name);

    return text != NULL && text[0] != '\0' ? strdup(text) : NULL;
}

/* What the webhook of workload identity puts into a pod; options of the slot go first. */
static enum remote_rc open_workload(struct azure *azure, const struct remote_section *section,
                                    const struct azure_cloud *cloud, struct remote_error *err)
{
    CLEANUP(remote_str_free) char *authority = copy_env("AZURE_AUTHORITY_HOST");
    const char *file = secure_getenv("AZURE_FEDERATED_TOKEN_FILE");

    azure->tenant_env = copy_env("AZURE_TENANT_ID");
    azure->client_env = copy_env("AZURE_CLIENT_ID");
    if (azure->tenant == NULL)
        azure->tenant = azure->tenant_env;
    if (azure->client_id == NULL)
        azure->client_id = azure->client_env;
    REMOTE_TRY(check_tenant(azure, section, err));
    REMOTE_TRY(require(section, "client_id", azure->client_id != NULL, azure->auth,
                       ", or AZURE_CLIENT_ID in the environment", err));
    REMOTE_TRY(remote_credential_open(section, "jwt", &azure->jwt, err));
    if (azure->jwt == NULL && file != NULL && file[0] == '/')
        REMOTE_TRY(remote_credential_open_file(section, "jwt_file", file, &azure->jwt, err));
    REMOTE_TRY(require(section, "jwt_file", azure->jwt != NULL, azure->auth,
                       ", or AZURE_FEDERATED_TOKEN_FILE in the environment", err));
    return open_authority(azure, section, authority ? authority : cloud->authority, err);
}

/* ---- azure.json ---- */

static enum remote_rc read_json(struct azure *azure, struct azure_json *ret,
                                struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret text = { 0 };

    REMOTE_TRY(remote_credential_get(azure->json, &text, err));
    return azure_json_read(remote_secret_slice(&text), ret, err);
}

static enum remote_rc open_json_file(struct azure *azure, const struct remote_section *section,
                                     struct azure_json *ret, struct remote_error *err)
{
    const char *path = remote_section_text(section, "azure_json_file", AZURE_JSON_FILE);
    struct remote_error why = { 0 };

    REMOTE_TRY(remote_credential_open_file(section, "azure_json_file", path, &azure->json, err));
    if (read_json(azure, ret, &why) == REMOTE_OK)
        return REMOTE_OK;
    return remote_section_fail(section, "azure_json_file", err, "%s: %s", path, why.text);
}

static enum remote_rc open_json_cert(struct azure *azure, const struct remote_section *section,
                                     const struct azure_json *json, struct remote_error *err)
{
    struct remote_error why = { 0 };

    if (json->proof != AZURE_PROOF_CERT)
        return REMOTE_OK;
    if (remote_kept_file_open(&azure->cert_file, json->cert_path, REMOTE_FILE_SECRET, &why) ==
        REMOTE_OK)
        return REMOTE_OK;
    return remote_section_fail(section, "azure_json_file", err, "aadClientCertPath: %s", why.text);
}

/* The file may come to say something else while we run: all that it could need is prepared. */
static enum remote_rc open_json(struct azure *azure, const struct remote_section *section,
                                const struct azure_cloud *cloud, struct remote_error *err)
{
    REMOTE_TRY(azure_managed_open(azure, section, err));
    return open_authority(azure, section, cloud->authority, err);
}

static enum remote_rc find_cloud(struct azure *azure, const struct remote_section *section,
                                 const struct azure_cloud **ret, struct remote_error *err)
{
    CLEANUP(azure_json_clear) struct azure_json json = { 0 };
    const char *word = remote_section_text(section, "cloud", NULL);

    if (azure->auth == AZURE_AUTH_JSON) {
        REMOTE_TRY(open_json_file(azure, section, &json, err));
        REMOTE_TRY(open_json_cert(azure, section, &json, err));
    }
    *ret = word == NULL && azure->auth == AZURE_AUTH_JSON
               ? json.cloud
               : azure_cloud_by_word(word ? word : "public");
    return REMOTE_OK;
}

/* ---- open and close ---- */

static enum remote_rc check_pin(const struct azure *azure, const struct remote_section *section,
                                struct remote_error *err)
{
    if (!remote_section_has(section, "pin") || azure->auth == AZURE_AUTH_CLIENT_SECRET)
        return REMOTE_OK;
    return remote_section_fail(section, "pin", err,
                               "with auth = %s there is no PIN; only "
                               "auth = client_secret can have one",
                               auth_words[azure->auth]);
}

enum remote_rc azure_auth_open(struct azure *azure, const struct remote_section *section,
                               struct remote_error *err)
{
    static enum remote_rc (*const openers[AZURE_AUTH_COUNT])(struct azure *,
                                                             const struct remote_section *,
                                                             const struct azure_cloud *,
                                                             struct remote_error *) = {
        [AZURE_AUTH_CLIENT_SECRET] = open_secret,
        [AZURE_AUTH_CLIENT_CERT] = open_cert,
        [AZURE_AUTH_MANAGED_IDENTITY] = open_managed,
        [AZURE_AUTH_WORKLOAD_IDENTITY] = open_workload,
        [AZURE_AUTH_JSON] = open_json,
    };
    const struct azure_cloud *cloud = NULL;

    azure->auth = read_auth(section);
    azure->tenant = remote_section_text(section, "tenant_id", NULL);
    azure->client_id = remote_section_text(section, "client_id", NULL);
    REMOTE_TRY(check_pin(azure, section, err));
    REMOTE_TRY(find_cloud(azure, section, &cloud, err));
    REMOTE_TRY(azure_place_find(azure->base.slot, cloud, section, &azure->place, err));
    return openers[azure->auth](azure, section, cloud, err);
}

void azure_auth_close(struct azure *azure)
{
    remote_credential_close(azure->secret);
    remote_credential_close(azure->jwt);
    remote_credential_close(azure->json);
    remote_kept_file_close(&azure->cert_file);
    remote_lock_destroy(&azure->cert_lock);
    azure_managed_close(azure);
    free(azure->authority);
    free(azure->tenant_env);
    free(azure->client_env);
}

/* ---- the form of a PIN ---- */

static bool all_graphic(struct remote_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!isgraph(text.data[i]))
            return false;
    return true;
}

static bool begins(struct remote_slice text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

/* Entra ID's secrets have some forty characters of any kind. A UUID is a secret's id, which people
 * take for the secret; the others are other services' credentials. */
bool azure_pin_fits(const struct remote_conn *conn, struct remote_slice pin)
{
    (void)conn;
    if (pin.len < 16 || pin.len > PIN_MAX || !all_graphic(pin))
        return false;
    if (pin.len == 36 && pin.data[8] == '-' && pin.data[13] == '-' && pin.data[18] == '-')
        return false;
    return !begins(pin, "hvs.") && !begins(pin, "hvb.") && !begins(pin, "kes:v1:");
}

/* ---- requests to Entra ID ---- */

static void add_field(struct remote_buf *body, const char *name, struct remote_slice value)
{
    remote_buf_printf(body, "&%s=", name);
    remote_percent_append(body, value);
}

static void append_path(const char *tenant, struct remote_buf *buf)
{
    remote_buf_printf(buf, "/%s/oauth2/v2.0/token", tenant);
}

/* All but the proof; the order is any. */
static void begin_token(const struct azure *azure, const char *tenant, const char *client_id,
                        struct remote_request *request)
{
    struct remote_buf *body = &request->body;

    request->method = "POST";
    request->origin = azure->authority_origin;
    remote_buf_append_str(&request->headers, "Accept: application/json\n"
                                             "Content-Type: application/x-www-form-urlencoded\n");
    append_path(tenant, &request->path);
    remote_buf_append_str(body, "grant_type=client_credentials");
    add_field(body, "client_id", remote_slice_str(client_id));
    add_field(body, "scope", remote_slice_str(azure->place.resource));
    remote_buf_append_str(body, "%2F.default");
}

static void add_assertion(struct remote_buf *body, struct remote_slice assertion)
{
    remote_buf_append_str(body, "&client_assertion_type=" ASSERTION_TYPE);
    add_field(body, "client_assertion", assertion);
}

static enum remote_rc build_secret(const struct azure *azure, const struct remote_op *op,
                                   struct remote_request *request, struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret secret = { 0 };

    begin_token(azure, azure->tenant, azure->client_id, request);
    if (azure->pin_is_secret) {
        add_field(&request->body, "client_secret", op->pin);
        return REMOTE_OK;
    }
    REMOTE_TRY(remote_credential_get(azure->secret, &secret, err));
    add_field(&request->body, "client_secret", remote_secret_slice(&secret));
    return REMOTE_OK;
}

static enum remote_rc build_with_cert(const struct azure *azure, const char *tenant,
                                      const char *client_id, X509 *cert, EVP_PKEY *pkey,
                                      struct remote_request *request, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf audience = { 0 }, assertion = { 0 };

    remote_buf_append_str(&audience, azure->authority);
    append_path(tenant, &audience);
    REMOTE_TRY(remote_buf_check(&audience, err));
    REMOTE_TRY(
        azure_assertion(cert, pkey, (const char *)audience.data, client_id, &assertion, err));
    begin_token(azure, tenant, client_id, request);
    add_assertion(&request->body, remote_buf_slice(&assertion));
    return REMOTE_OK;
}

static enum remote_rc build_cert(const struct azure *azure, struct remote_request *request,
                                 struct remote_error *err)
{
    X509 *cert = NULL;
    EVP_PKEY *pkey = NULL;
    enum remote_rc rc;

    if (!remote_tls_client(&azure->base.slot->tls, &cert, &pkey))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "there is no client certificate");
    rc = build_with_cert(azure, azure->tenant, azure->client_id, cert, pkey, request, err);
    X509_free(cert);
    EVP_PKEY_free(pkey);
    return rc;
}

static enum remote_rc build_workload(const struct azure *azure, struct remote_request *request,
                                     struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret jwt = { 0 };

    REMOTE_TRY(remote_credential_get(azure->jwt, &jwt, err));
    begin_token(azure, azure->tenant, azure->client_id, request);
    add_assertion(&request->body, remote_secret_slice(&jwt));
    return REMOTE_OK;
}

static enum remote_rc read_json_cert(struct azure *azure, const struct azure_json *json,
                                     X509 **ret_cert, EVP_PKEY **ret_pkey, struct remote_error *err)
{
    enum remote_rc rc;

    if (azure->cert_file.path == NULL || strcmp(azure->cert_file.path, json->cert_path) != 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "azure.json names another certificate than when it was first read; "
                           "reload the configuration");
    remote_lock_acquire(&azure->cert_lock);
    (void)remote_kept_file_refresh(&azure->cert_file);
    rc = azure_read_pkcs12(remote_secret_slice(&azure->cert_file.bytes), json->cert_password,
                           ret_cert, ret_pkey, err);
    remote_lock_release(&azure->cert_lock);
    return rc;
}

static enum remote_rc build_json_cert(struct azure *azure, const struct azure_json *json,
                                      struct remote_request *request, struct remote_error *err)
{
    X509 *cert = NULL;
    EVP_PKEY *pkey = NULL;
    enum remote_rc rc;

    REMOTE_TRY(read_json_cert(azure, json, &cert, &pkey, err));
    rc = build_with_cert(azure, json->tenant, json->client_id, cert, pkey, request, err);
    X509_free(cert);
    EVP_PKEY_free(pkey);
    return rc;
}

static enum remote_rc build_json(struct azure *azure, const struct remote_op *op,
                                 struct remote_request *request, struct remote_error *err)
{
    CLEANUP(azure_json_clear) struct azure_json json = { 0 };

    REMOTE_TRY(read_json(azure, &json, err));
    if (json.proof == AZURE_PROOF_MANAGED)
        return azure_managed_build(azure, op, json.client_id, request, err);
    if (!is_tenant(json.tenant))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "azure.json: tenantId is neither the id of a tenant nor its domain");
    if (json.proof == AZURE_PROOF_CERT)
        return build_json_cert(azure, &json, request, err);
    begin_token(azure, json.tenant, json.client_id, request);
    add_field(&request->body, "client_secret", remote_slice_str(json.secret));
    return REMOTE_OK;
}

enum remote_rc azure_build_login(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err)
{
    struct azure *azure = (struct azure *)conn;

    (void)grant, (void)attempt;
    switch (azure->auth) {
    case AZURE_AUTH_CLIENT_SECRET:
        return build_secret(azure, op, request, err);
    case AZURE_AUTH_CLIENT_CERT:
        return build_cert(azure, request, err);
    case AZURE_AUTH_WORKLOAD_IDENTITY:
        return build_workload(azure, request, err);
    case AZURE_AUTH_JSON:
        return build_json(azure, op, request, err);
    default:
        return azure_managed_build(azure, op, azure->client_id, request, err);
    }
}

/* ---- answers ---- */

static enum remote_rc meaning_of(int status, const char **ret_advice)
{
    static const struct {
        int status;
        enum remote_rc rc;
        const char *advice;
    } meanings[] = {
        { 400, REMOTE_E_AUTH, "the login is refused" },
        { 401, REMOTE_E_AUTH, "the login is refused" },
        { 403, REMOTE_E_AUTH, "the login is refused" },
        { 404, REMOTE_E_BUSY, "the identity is not ready" }, /* IMDS, while it is updated */
        { 410, REMOTE_E_BUSY, "the identity is not ready" },
        { 429, REMOTE_E_BUSY, "logins are throttled" },
        { 408, REMOTE_E_UNAVAILABLE, "the login is not possible now" },
        { 500, REMOTE_E_UNAVAILABLE, "the login is not possible now" },
        { 502, REMOTE_E_UNAVAILABLE, "the login is not possible now" },
        { 503, REMOTE_E_UNAVAILABLE, "the login is not possible now" },
        { 504, REMOTE_E_UNAVAILABLE, "the login is not possible now" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
        if (meanings[i].status == status) {
            *ret_advice = meanings[i].advice;
            return meanings[i].rc;
        }
    }
    *ret_advice = "the login has an answer that was not expected";
    return REMOTE_E_PROTOCOL;
}

/* error_description begins with Entra ID's own code, AADSTS..., by which people look for help. */
static enum remote_rc refuse(const struct remote_reply *reply, struct remote_error *err)
{
    struct remote_error ignored = { 0 };
    CLEANUP(remote_json_free) remote_json *json = remote_json_read(reply->body, &ignored);
    const char *words = remote_json_text(json, "error_description");
    const char *advice;
    enum remote_rc rc = meaning_of(reply->status, &advice);
    size_t len;

    if (words == NULL)
        words = remote_json_text(json, "error");
    if (words == NULL)
        return REMOTE_FAIL(err, rc, "%s (HTTP %d)", advice, reply->status);
    len = strcspn(words, "\r\n"); /* a trace id and a time follow */
    return REMOTE_FAIL(err, rc, "%s: %.*s (HTTP %d)", advice,
                       (int)(len < QUOTE_MAX ? len : QUOTE_MAX), words, reply->status);
}

static bool is_bearer(const remote_json *json)
{
    const char *type = remote_json_text(json, "token_type");

    return type == NULL || strcasecmp(type, "Bearer") == 0;
}

/* App Service tells the end only. */
static int64_t read_lifetime(const remote_json *json)
{
    int64_t seconds;

    if (azure_json_number(json, "expires_in", &seconds))
        return seconds;
    return azure_json_number(json, "expires_on", &seconds) ? seconds - (int64_t)time(NULL) : 0;
}

enum remote_rc azure_parse_login(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct remote_slice token;
    int64_t lifetime;

    if (azure_arc_challenged((const struct azure *)conn, op, reply)) {
        op->more = true;
        return remote_buf_check(&op->answer, err);
    }
    if (reply->status != 200)
        return refuse(reply, err);
    json = remote_json_read(reply->body, err);
    if (json == NULL)
        return REMOTE_E_PROTOCOL;
    token = remote_json_slice(json, "access_token");
    if (token.len == 0 || token.len > TOKEN_MAX || !all_graphic(token) || !is_bearer(json))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the login's answer has no bearer token");
    lifetime = read_lifetime(json);
    if (lifetime <= 0)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the login's answer has no lifetime");
    op->grant.lifetime_s = lifetime < LIFETIME_MAX ? lifetime : LIFETIME_MAX;
    op->grant.renewable = false; /* the next one is asked for as this one was */
    return remote_secret_set(&op->grant.token, token.data, token.len, err);
}
