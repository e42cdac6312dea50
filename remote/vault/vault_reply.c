/* SPDX-License-Identifier: Apache-2.0 */
/* What Vault's statuses and error texts mean; as recorded on a real server, which answers 400 and
 * 500 for faults of the input, and one 403 for both a dead token and a missing right. */
#include <string.h>

#include "remote/meaning.h"
#include "vault.h"

#define QUOTE_MAX 160

#define KIND(kind) REMOTE_MEANING_OF(kind)
#define KEY_KINDS (KIND(SIGN) | KIND(DECRYPT) | KIND(ENCRYPT) | KIND(MAC))
#define LOGIN_KINDS (KIND(LOGIN))

/* The first row that fits counts. */
/* clang-format off */
static const struct remote_meaning meanings[] = {
    { 500, 0,             "local node not active",     REMOTE_E_UNAVAILABLE,   "a standby that knows no active server" },
    { 400, 0,             "DR secondary mode",         REMOTE_E_UNAVAILABLE,   "a disaster-recovery secondary" },
    { 400, LOGIN_KINDS,   NULL,                        REMOTE_E_AUTH,          "the login is refused; check the credentials" },
    { 403, LOGIN_KINDS,   NULL,                        REMOTE_E_AUTH,          "the login is refused; check the credentials, the role and auth_mount" },
    { 404, LOGIN_KINDS,   NULL,                        REMOTE_E_CONFIG,        "no such auth method; check auth and auth_mount" },
    { 0,   0,             "invalid token",             REMOTE_E_AUTH,          "the token is expired, revoked or wrong" },
    { 0,   0,             "missing client token",      REMOTE_E_AUTH,          "no token was sent" },
    { 403, 0,             NULL,                        REMOTE_E_RIGHTS,        "Vault's policy does not allow this; check the policy and mount" },
    { 404, 0,             "no handler for route",      REMOTE_E_CONFIG,        "nothing is mounted there; check mount and namespace" },
    { 0,   KEY_KINDS,     "key not found",             REMOTE_E_NOT_FOUND,     "the key is gone" },
    { 0,   KEY_KINDS,     "no existing key named",     REMOTE_E_NOT_FOUND,     "the key is gone" },
    { 0,   KEY_KINDS,     "higher than the latest",    REMOTE_E_NOT_FOUND,     "this version of the key is gone" },
    { 0,   KEY_KINDS,     "too old",                   REMOTE_E_FORBIDDEN_USE, "this version of the key is disabled" },
    { 0,   KEY_KINDS,     "less than the minimum",     REMOTE_E_FORBIDDEN_USE, "this version of the key is disabled" },
    { 0,   KEY_KINDS,     "private part",              REMOTE_E_FORBIDDEN_USE, "only the public half of this key is in Vault" },
    { 0,   KEY_KINDS,     "does not support",          REMOTE_E_FORBIDDEN_USE, NULL },
    { 0,   KEY_KINDS,     "not supported for key type", REMOTE_E_FORBIDDEN_USE, NULL },
    { 0,   KEY_KINDS,     "too long",                  REMOTE_E_LENGTH,        NULL },
    { 0,   KEY_KINDS,     "exceeds allowed",           REMOTE_E_LENGTH,        NULL },
    { 400, KIND(WRITE_DOCUMENT), "check-and-set",      REMOTE_E_EXISTS,        "there is one already" },
    { 413, 0,             NULL,                        REMOTE_E_LENGTH,        "too large for one request" },
    { 400, KIND(DECRYPT), NULL,                        REMOTE_E_DATA,          NULL },
    { 500, KIND(DECRYPT), "decrypt",                   REMOTE_E_DATA,          NULL },
    { 500, KIND(DECRYPT), "cipher",                    REMOTE_E_DATA,          NULL },
    { 400, 0,             NULL,                        REMOTE_E_PARAM,         NULL },
    { 404, 0,             NULL,                        REMOTE_E_NOT_FOUND,     "not there" },
    { 405, 0,             NULL,                        REMOTE_E_UNSUPPORTED,   "this server has no such operation" },
    { 412, 0,             NULL,                        REMOTE_E_BUSY,          "not replicated yet" },
    { 429, 0,             NULL,                        REMOTE_E_BUSY,          "throttled" },
    { 307, 0,             NULL,                        REMOTE_E_UNAVAILABLE,   "a standby that does not forward" },
    { 472, 0,             NULL,                        REMOTE_E_UNAVAILABLE,   "a disaster-recovery secondary" },
    { 473, 0,             NULL,                        REMOTE_E_UNAVAILABLE,   "a performance standby" },
    { 501, 0,             NULL,                        REMOTE_E_UNAVAILABLE,   "not initialised" },
    { 502, 0,             NULL,                        REMOTE_E_UNAVAILABLE,   "a gateway without its server" },
    { 503, 0,             "sealed",                    REMOTE_E_UNAVAILABLE,   "sealed; unseal it" },
    { 503, 0,             NULL,                        REMOTE_E_UNAVAILABLE,   "not available" },
    { 504, 0,             NULL,                        REMOTE_E_UNAVAILABLE,   "a gateway without an answer" },
    { 0,   0,             NULL,                        REMOTE_E_PROTOCOL,      "an answer that was not expected" },
};
/* clang-format on */

/* Go's multierror writes "N error(s) occurred:\n\t* TEXT\n\n". */
static const char *strip_preamble(const char *text)
{
    const char *bullet = strstr(text, " occurred:");

    bullet = bullet ? strstr(bullet, "* ") : NULL;
    return bullet ? bullet + 2 : text;
}

static enum remote_rc fail_as(const struct remote_meaning *m, int status, const char *text,
                              struct remote_error *err)
{
    return remote_meaning_fail(m, status, strip_preamble(text), QUOTE_MAX, err);
}

static enum remote_rc refuse(const struct remote_op *op, const struct remote_reply *reply,
                             const char *text, struct remote_error *err)
{
    return fail_as(remote_meaning_find(meanings, reply->status, op->kind, text), reply->status,
                   text, err);
}

enum remote_rc vault_item_error(const struct remote_op *op, const char *text,
                                struct remote_error *err)
{
    return fail_as(remote_meaning_find(meanings, 400, op->kind, text), 400, text, err);
}

enum remote_rc vault_reply(const struct remote_op *op, const struct remote_reply *reply,
                           remote_json **ret, struct remote_error *err)
{
    struct remote_error ignored = { 0 };
    bool success = reply->status >= 200 && reply->status < 300;
    remote_json *json = remote_json_read(reply->body, success ? err : &ignored);
    const char *text;
    enum remote_rc rc;

    if (success) {
        if (json == NULL)
            return REMOTE_E_PROTOCOL;
        *ret = json;
        return REMOTE_OK;
    }
    text = remote_json_string(remote_json_index(remote_json_at(json, "errors"), 0));
    rc = refuse(op, reply, text ? text : "", err);
    remote_json_free(&json);
    return rc;
}
