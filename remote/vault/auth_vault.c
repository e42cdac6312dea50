/* SPDX-License-Identifier: Apache-2.0 */
/* Vault's credentials: tokens as they are, and the logins that give one. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote/slot_private.h"
#include "vault.h"

#define KUBERNETES_JWT "/var/run/secrets/kubernetes.io/serviceaccount/token"
#define PASSWORD_MAX 1024

/* ---- configuration ---- */

static const char *const auth_words[VAULT_AUTH_COUNT] = {
    [VAULT_AUTH_TOKEN] = "token",           [VAULT_AUTH_APPROLE] = "approle",
    [VAULT_AUTH_KUBERNETES] = "kubernetes", [VAULT_AUTH_CERT] = "cert",
    [VAULT_AUTH_USERPASS] = "userpass",
};

/* What the PIN is for each way to log in; NULL: it has none. */
static const char *const auth_pins[VAULT_AUTH_COUNT] = {
    [VAULT_AUTH_TOKEN] = "token",
    [VAULT_AUTH_APPROLE] = "secret_id",
    [VAULT_AUTH_USERPASS] = "password",
};

static enum vault_auth read_auth(const struct remote_section *section)
{
    const char *word = remote_section_text(section, "auth", "token");
    enum vault_auth auth = VAULT_AUTH_TOKEN;

    while (auth + 1 < VAULT_AUTH_COUNT && strcmp(auth_words[auth], word) != 0)
        auth++;
    return auth;
}

static enum remote_rc check_pin_fits_auth(const struct vault *vault,
                                          const struct remote_section *section,
                                          struct remote_error *err)
{
    const char *pin = remote_section_text(section, "pin", NULL);
    const char *possible = auth_pins[vault->auth];

    if (pin == NULL || (possible != NULL && strcmp(pin, possible) == 0))
        return REMOTE_OK;
    return remote_section_fail(section, "pin", err, "with auth = %s the PIN can be: %s",
                               auth_words[vault->auth], possible ? possible : "(nothing)");
}

static enum remote_rc require(const struct remote_section *section, const char *option,
                              bool present, const char *with, struct remote_error *err)
{
    if (present)
        return REMOTE_OK;
    return remote_section_fail(section, option, err, "missing; auth = %s needs it", with);
}

static enum remote_rc open_token(struct vault *vault, const struct remote_section *section,
                                 struct remote_error *err)
{
    REMOTE_TRY(remote_credential_open(section, "token", &vault->token, err));
    return require(section, "token_file", vault->token || remote_section_has(section, "pin"),
                   "token (or pin = token)", err);
}

static enum remote_rc open_approle(struct vault *vault, const struct remote_section *section,
                                   struct remote_error *err)
{
    vault->pin_is_secret = remote_section_has(section, "pin");
    REMOTE_TRY(remote_credential_open(section, "role_id", &vault->role_id, err));
    REMOTE_TRY(remote_credential_open(section, "secret_id", &vault->secret, err));
    REMOTE_TRY(require(section, "role_id_file", vault->role_id != NULL, "approle", err));
    return require(section, "secret_id_file", vault->secret || vault->pin_is_secret,
                   "approle (or pin = secret_id)", err);
}

static enum remote_rc open_kubernetes(struct vault *vault, const struct remote_section *section,
                                      struct remote_error *err)
{
    REMOTE_TRY(require(section, "role", vault->role != NULL, "kubernetes", err));
    REMOTE_TRY(remote_credential_open(section, "jwt", &vault->jwt, err));
    if (vault->jwt == NULL) /* where every pod has its service account's token */
        REMOTE_TRY(
            remote_credential_open_file(section, "jwt_file", KUBERNETES_JWT, &vault->jwt, err));
    return REMOTE_OK;
}

static enum remote_rc open_cert(struct vault *vault, const struct remote_section *section,
                                struct remote_error *err)
{
    return require(section, "client_cert_file", remote_tls_has_client(&vault->base.slot->tls),
                   "cert", err);
}

static enum remote_rc open_userpass(struct vault *vault, const struct remote_section *section,
                                    struct remote_error *err)
{
    vault->pin_is_secret = remote_section_has(section, "pin");
    REMOTE_TRY(
        require(section, "username", remote_section_has(section, "username"), "userpass", err));
    REMOTE_TRY(remote_credential_open(section, "password", &vault->secret, err));
    return require(section, "password_file", vault->secret || vault->pin_is_secret,
                   "userpass (or pin = password)", err);
}

static char *make_login_path(const struct vault *vault, const struct remote_section *section)
{
    CLEANUP(remote_str_free)
    char *mount =
        vault_encode_path(remote_section_text(section, "auth_mount", auth_words[vault->auth]));
    CLEANUP(remote_str_free) char *user = NULL;
    char *path = NULL;

    if (vault->auth == VAULT_AUTH_USERPASS)
        user = vault_encode_path(remote_section_text(section, "username", ""));
    if (mount == NULL ||
        asprintf(&path, "/v1/auth/%s/login%s%s", mount, user ? "/" : "", user ? user : "") < 0)
        return NULL;
    return path;
}

enum remote_rc vault_auth_open(struct vault *vault, const struct remote_section *section,
                               struct remote_error *err)
{
    static enum remote_rc (*const openers[VAULT_AUTH_COUNT])(struct vault *,
                                                             const struct remote_section *,
                                                             struct remote_error *) = {
        [VAULT_AUTH_TOKEN] = open_token,           [VAULT_AUTH_APPROLE] = open_approle,
        [VAULT_AUTH_KUBERNETES] = open_kubernetes, [VAULT_AUTH_CERT] = open_cert,
        [VAULT_AUTH_USERPASS] = open_userpass,
    };

    vault->auth = read_auth(section);
    vault->role = remote_section_text(section, "role", NULL);
    REMOTE_TRY(check_pin_fits_auth(vault, section, err));
    REMOTE_TRY(openers[vault->auth](vault, section, err));
    vault->login_path = make_login_path(vault, section);
    return vault->login_path ? REMOTE_OK : REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
}

void vault_auth_close(struct vault *vault)
{
    remote_credential_close(vault->token);
    remote_credential_close(vault->role_id);
    remote_credential_close(vault->secret);
    remote_credential_close(vault->jwt);
    free(vault->login_path);
}

/* ---- the form of a PIN ---- */

static bool all_printable(struct remote_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!isgraph(text.data[i]))
            return false;
    return true;
}

/* hvs. hvb. hvr. of Vault since 1.10; s. b. r. of earlier ones and of OpenBao. */
static bool looks_like_token(struct remote_slice pin)
{
    static const char *const prefixes[] = { "hvs.", "hvb.", "hvr.", "s.", "b.", "r." };

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        size_t len = strlen(prefixes[i]);

        if (pin.len >= len + 20 && memcmp(pin.data, prefixes[i], len) == 0)
            return true;
    }
    return false;
}

static bool looks_like_uuid(struct remote_slice pin)
{
    if (pin.len != 36)
        return false;
    for (size_t i = 0; i < pin.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? pin.data[i] != '-' : !isxdigit(pin.data[i]))
            return false;
    }
    return true;
}

bool vault_pin_fits(const struct remote_conn *conn, struct remote_slice pin)
{
    const struct vault *vault = (const struct vault *)conn;

    if (pin.len > PASSWORD_MAX || !all_printable(pin))
        return false;
    switch (vault->auth) {
    case VAULT_AUTH_TOKEN:
        return looks_like_token(pin);
    case VAULT_AUTH_APPROLE:
        return looks_like_uuid(pin);
    default: /* a password has no form, but it is no token of any service that we know */
        return pin.len > 0 && !looks_like_token(pin) && !looks_like_uuid(pin) &&
               !(pin.len > 7 && memcmp(pin.data, "kes:v1:", 7) == 0);
    }
}

/* ---- requests ---- */

enum remote_rc vault_grant(struct remote_conn *conn, struct remote_slice pin,
                           struct remote_grant *ret, struct remote_error *err)
{
    struct vault *vault = (struct vault *)conn;

    if (vault->auth != VAULT_AUTH_TOKEN)
        return REMOTE_E_UNSUPPORTED; /* there is a login to make */
    memset(ret, 0, sizeof(*ret));
    if (pin.len > 0)
        return remote_secret_set(&ret->token, pin.data, pin.len, err);
    REMOTE_TRY(remote_credential_get(vault->token, &ret->token, err));
    if (all_printable(remote_secret_slice(&ret->token)))
        return REMOTE_OK;
    remote_secret_clear(&ret->token); /* it goes into a header: a line break would end that */
    return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                       "the configured token has blanks or line breaks in it; it must be one word");
}

static void add_member(struct remote_buf *body, const char *member, struct remote_slice value)
{
    remote_buf_append_str(body, body->len > 1 ? ",\"" : "\"");
    remote_buf_append_str(body, member);
    remote_buf_append_str(body, "\":");
    remote_json_append_string(body, value);
}

static enum remote_rc add_credential(struct remote_buf *body, const char *member,
                                     struct remote_credential *credential, struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret value = { 0 };

    REMOTE_TRY(remote_credential_get(credential, &value, err));
    add_member(body, member, remote_secret_slice(&value));
    return REMOTE_OK;
}

static enum remote_rc add_secret(struct remote_buf *body, const char *member,
                                 const struct vault *vault, struct remote_slice pin,
                                 struct remote_error *err)
{
    if (!vault->pin_is_secret)
        return add_credential(body, member, vault->secret, err);
    add_member(body, member, pin);
    return REMOTE_OK;
}

enum remote_rc vault_build_login(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err)
{
    struct vault *vault = (struct vault *)conn;
    struct remote_buf *body = &request->body;

    (void)attempt;
    vault_begin(vault, "POST", grant, request);
    remote_buf_append_str(&request->path, vault->login_path);
    remote_buf_append_char(body, '{');
    if (vault->auth == VAULT_AUTH_APPROLE) {
        REMOTE_TRY(add_credential(body, "role_id", vault->role_id, err));
        REMOTE_TRY(add_secret(body, "secret_id", vault, op->pin, err));
    } else if (vault->auth == VAULT_AUTH_KUBERNETES) {
        add_member(body, "role", remote_slice_str(vault->role));
        REMOTE_TRY(add_credential(body, "jwt", vault->jwt, err));
    } else if (vault->auth == VAULT_AUTH_USERPASS) {
        REMOTE_TRY(add_secret(body, "password", vault, op->pin, err));
    } else if (vault->role != NULL) { /* cert: one of several roles for this certificate */
        add_member(body, "name", remote_slice_str(vault->role));
    }
    remote_buf_append_char(body, '}');
    return REMOTE_OK;
}

/* Both a login and a renewal answer {"auth": {client_token, lease_duration, renewable}}. */
enum remote_rc vault_parse_login(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct remote_slice token;

    (void)conn;
    REMOTE_TRY(vault_reply(op, reply, &json, err));
    token = remote_json_slice(json, "auth.client_token");
    if (token.len == 0 || !all_printable(token))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the login's answer has no token");
    if (!remote_json_number(json, "auth.lease_duration", &op->grant.lifetime_s) ||
        op->grant.lifetime_s < 0)
        op->grant.lifetime_s = 0;
    op->grant.renewable = remote_json_bool(json, "auth.renewable", false);
    return remote_secret_set(&op->grant.token, token.data, token.len, err);
}

enum remote_rc vault_build_renew(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err)
{
    (void)op, (void)attempt, (void)err;
    vault_begin((struct vault *)conn, "POST", grant, request);
    remote_buf_append_str(&request->path, "/v1/auth/token/renew-self");
    remote_buf_append_str(&request->body, "{}");
    return REMOTE_OK;
}

enum remote_rc vault_build_prove(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err)
{
    (void)op, (void)attempt, (void)err;
    vault_begin((struct vault *)conn, "GET", grant, request);
    remote_buf_append_str(&request->path, "/v1/auth/token/lookup-self");
    return REMOTE_OK;
}

enum remote_rc vault_parse_prove(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    (void)conn;
    REMOTE_TRY(vault_reply(op, reply, &json, err));
    if (!remote_json_number(json, "data.ttl", &op->grant.lifetime_s) || op->grant.lifetime_s < 0)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the token's answer has no lifetime");
    op->grant.renewable = remote_json_bool(json, "data.renewable", false);
    return REMOTE_OK;
}
