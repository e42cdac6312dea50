/* SPDX-License-Identifier: Apache-2.0 */
/* What the statuses and codes of Key Vault and Managed HSM mean: "Azure Key Vault REST API error
 * codes", and recordings. A code tells little by itself; the inner one and the message tell more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure.h"
#include "remote/meaning.h"

#define QUOTE_MAX 130
#define WORDS_MAX 768

#define KIND(kind) REMOTE_MEANING_OF(kind)

/* The first row that fits counts. */
/* clang-format off */
static const struct remote_meaning meanings[] = {
    { 401, 0,             "AKV10032",                 REMOTE_E_AUTH,          "the token is of another tenant; check tenant_id" },
    { 401, 0,             "expected aud",             REMOTE_E_AUTH,          "the token is for another service; check cloud and resource" },
    { 401, 0,             NULL,                       REMOTE_E_AUTH,          "the token is refused" },
    { 403, 0,             "ForbiddenByFirewall",      REMOTE_E_RIGHTS,        "the vault's firewall does not let this address in" },
    { 403, 0,             "ForbiddenByConnection",    REMOTE_E_RIGHTS,        "the vault takes private connections only" },
    { 403, 0,             "ForbiddenByRbac",          REMOTE_E_RIGHTS,        "no role of this identity allows it" },
    { 403, 0,             "AccessDenied",             REMOTE_E_RIGHTS,        "the vault's access policy does not allow it" },
    { 403, 0,             "KeyDisabled",              REMOTE_E_FORBIDDEN_USE, "this version of the key is disabled" },
    { 403, 0,             "disabled key",             REMOTE_E_FORBIDDEN_USE, "this version of the key is disabled" },
    { 403, 0,             "KeyOperationForbidden",    REMOTE_E_FORBIDDEN_USE, "the key's key_ops do not allow it" },
    { 403, 0,             "not permitted on this key", REMOTE_E_FORBIDDEN_USE, "the key's key_ops do not allow it" },
    { 403, 0,             "expired",                  REMOTE_E_FORBIDDEN_USE, "outside the key's dates" },
    { 403, 0,             "not yet valid",            REMOTE_E_FORBIDDEN_USE, "outside the key's dates" },
    { 403, 0,             NULL,                       REMOTE_E_RIGHTS,        "not allowed" },
    { 404, 0,             NULL,                       REMOTE_E_NOT_FOUND,     "not there" },
    { 405, 0,             NULL,                       REMOTE_E_UNSUPPORTED,   "the service has no such operation" },
    { 409, 0,             "BeingDeleted",             REMOTE_E_BUSY,          "a key of this name is being deleted" },
    { 409, 0,             "BeingRecovered",           REMOTE_E_BUSY,          "a key of this name is being recovered" },
    { 409, 0,             "eletedButRecoverable",     REMOTE_E_EXISTS,        "a deleted key still has this name; recover it, or purge it to free the name" },
    { 409, 0,             "deleted but recoverable",  REMOTE_E_EXISTS,        "a deleted key still has this name; recover it, or purge it to free the name" },
    { 409, 0,             NULL,                       REMOTE_E_EXISTS,        "a conflict" },
    { 413, 0,             NULL,                       REMOTE_E_LENGTH,        "too large for one request" },
    { 429, 0,             NULL,                       REMOTE_E_BUSY,          "throttled" },
    { 400, KIND(DECRYPT), NULL,                       REMOTE_E_DATA,          "refused" },
    { 400, 0,             NULL,                       REMOTE_E_PARAM,         "refused" },
    { 408, 0,             NULL,                       REMOTE_E_UNAVAILABLE,   "the service gave up waiting" },
    { 500, 0,             NULL,                       REMOTE_E_UNAVAILABLE,   "a fault of the service" },
    { 502, 0,             NULL,                       REMOTE_E_UNAVAILABLE,   "a gateway without its server" },
    { 503, 0,             NULL,                       REMOTE_E_UNAVAILABLE,   "not available" },
    { 504, 0,             NULL,                       REMOTE_E_UNAVAILABLE,   "a gateway without an answer" },
    { 0,   0,             NULL,                       REMOTE_E_PROTOCOL,      "an answer that was not expected" },
};
/* clang-format on */

static enum remote_rc refuse(const struct remote_op *op, const struct remote_reply *reply,
                             const remote_json *json, struct remote_error *err)
{
    const char *code = remote_json_text(json, "error.code");
    const char *inner = remote_json_text(json, "error.innererror.code");
    const char *message = remote_json_text(json, "error.message");
    const char *id = reply->header != NULL ? reply->header : "";
    const struct remote_meaning *m;
    char words[WORDS_MAX];

    snprintf(words, sizeof(words), "%.64s %.64s %.600s", code ? code : "", inner ? inner : "",
             message ? message : "");
    m = remote_meaning_find(meanings, reply->status, op->kind, words);
    /* Managed HSM leaves some bodies empty. The id finds the request in the service's own log. */
    return REMOTE_FAIL(err, m->rc, "%s%s%.*s (HTTP %d%s%.40s)", m->advice, message ? ": " : "",
                       message ? (int)strnlen(message, QUOTE_MAX) : 0, message ? message : "",
                       reply->status, id[0] != '\0' ? ", request " : "", id);
}

enum remote_rc azure_reply(const struct remote_op *op, const struct remote_reply *reply,
                           remote_json **ret, struct remote_error *err)
{
    struct remote_error ignored = { 0 };
    bool success = reply->status >= 200 && reply->status < 300;
    remote_json *json = remote_json_read(reply->body, success ? err : &ignored);
    enum remote_rc rc;

    if (success) {
        if (json == NULL)
            return REMOTE_E_PROTOCOL;
        *ret = json;
        return REMOTE_OK;
    }
    rc = refuse(op, reply, json, err);
    remote_json_free(&json);
    return rc;
}

bool azure_json_number(const remote_json *json, const char *path, int64_t *ret)
{
    const char *text = remote_json_text(json, path);
    char *tail;
    long long number;

    if (text == NULL)
        return remote_json_number(json, path, ret);
    number = strtoll(text, &tail, 10);
    if (text[0] < '0' || text[0] > '9' || *tail != '\0' || number == INT64_MAX)
        return false;
    *ret = number;
    return true;
}
