/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What eHSM-KMS's codes and messages mean, as recorded. The HTTP status is 200 for errors too; the
 * code in the body is the verdict. Success is never told by the message: the enclave and the front
 * end before it word it differently.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ehsm.h"
#include "remote/encode.h"
#include "remote/meaning.h"

#define QUOTE_MAX 100

#define KIND(kind) REMOTE_MEANING_OF(kind)

/* The first row that fits counts. */
/* clang-format off */
static const struct remote_meaning meanings[] = {
    { 400, 0,             "sign error",               REMOTE_E_AUTH,          "the API key is not that of this appid (or the server is older than v0.4.0 and nonce is on)" },
    { 400, 0,             "",                         REMOTE_E_AUTH,          "the service does not know this appid" },
    { 400, 0,             "Timestamp can't be",       REMOTE_E_BUSY,          "another request of this appid was made in the same millisecond" },
    { 400, 0,             "keyid error",              REMOTE_E_NOT_FOUND,     "the key is gone" },
    { 400, 0,             "appid error",              REMOTE_E_NOT_FOUND,     "the key belongs to another appid" },
    { 400, 0,             "not find this keyid",      REMOTE_E_NOT_FOUND,     "the key is gone" },
    { 400, 0,             "keyid is disabled",        REMOTE_E_FORBIDDEN_USE, "the key is disabled" },
    { 400, 0,             "keyid expire",             REMOTE_E_FORBIDDEN_USE, "the key's year is over" },
    { 400, 0,             "Decryption failed",        REMOTE_E_DATA,          NULL },
    { 400, 0,             "length error",             REMOTE_E_LENGTH,        NULL },
    { 400, 0,             "database error",           REMOTE_E_UNAVAILABLE,   "the service cannot use its database" },
    { 400, 0,             NULL,                       REMOTE_E_USAGE,         "the service refused the request" },
    { 404, 0,             NULL,                       REMOTE_E_UNSUPPORTED,   "this eHSM-KMS has no such operation" },
    { 500, 0,             "Server internal error",    REMOTE_E_UNAVAILABLE,   "the service cannot use its database or its enclave" },
    { 500, KIND(SIGN),    NULL,                       REMOTE_E_FORBIDDEN_USE, "the enclave refused; perhaps the key is not for signing" },
    { 500, KIND(DATA_KEY),NULL,                       REMOTE_E_FORBIDDEN_USE, "the enclave refused; keys that were imported make no data keys" },
    { 500, 0,             NULL,                       REMOTE_E_CRYPTO,        "the enclave refused" },
    { 0,   0,             NULL,                       REMOTE_E_PROTOCOL,      "an answer that was not expected" },
};
/* clang-format on */

/* It takes requests whose timestamp is within ten minutes of its own clock. */
static enum remote_rc fail_clock(const struct remote_reply *reply, struct remote_error *err)
{
    int64_t ahead = reply->date - (int64_t)time(NULL);

    if (reply->date == 0)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "the service's clock and ours are more than 10 minutes apart");
    return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                       "the service's clock is %lld s %s ours; it takes requests within 10 minutes "
                       "of its own only: set the clock that is wrong",
                       (long long)llabs(ahead), ahead >= 0 ? "ahead of" : "behind");
}

static enum remote_rc refuse(const struct remote_op *op, const struct remote_reply *reply,
                             int64_t code, const char *text, struct remote_error *err)
{
    const struct remote_meaning *m = remote_meaning_find(meanings, code, op->kind, text);

    if (code == 400 && text != NULL && strcmp(text, "Timestamp error") == 0)
        return fail_clock(reply, err);
    return REMOTE_FAIL(err, m->rc, "%s%s%.*s (code %lld)", m->advice ? m->advice : "",
                       m->advice && text ? ": " : "", QUOTE_MAX, text ? text : "", (long long)code);
}

/* What stands before the service: express's own limit, a proxy, another server altogether. */
static enum remote_rc fail_http(const struct remote_reply *reply, struct remote_error *err)
{
    if (reply->status == 413)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "too large for one request (HTTP 413)");
    if (reply->status == 429)
        return REMOTE_FAIL(err, REMOTE_E_BUSY, "throttled (HTTP 429)");
    if (reply->status >= 500)
        return REMOTE_FAIL(err, REMOTE_E_UNAVAILABLE, "not available (HTTP %d)", reply->status);
    return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "no eHSM-KMS answers there (HTTP %d); check url",
                       reply->status);
}

enum remote_rc ehsm_reply(const struct remote_op *op, const struct remote_reply *reply,
                          remote_json **ret, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    int64_t code = 0;

    if (reply->status != 200)
        return fail_http(reply, err);
    json = remote_json_read(reply->body, err);
    if (json == NULL)
        return REMOTE_E_PROTOCOL;
    if (!remote_json_number(json, "code", &code))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "no eHSM-KMS answers there (no code in its "
                           "answer); check url");
    if (code != 200)
        return refuse(op, reply, code, remote_json_text(json, "message"), err);
    *ret = json;
    json = NULL;
    return REMOTE_OK;
}

enum remote_rc ehsm_take_bytes(const remote_json *json, const char *path, struct remote_buf *out,
                               struct remote_error *err)
{
    struct remote_slice text = remote_json_slice(json, path);

    if (text.data == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has no \"%s\"", path);
    if (!remote_base64_decode(text, out))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "\"%s\" in the answer is not base64", path);
    return remote_buf_check(out, err);
}

enum remote_rc ehsm_take_keyid(const remote_json *json, char ret[EHSM_UUID_LEN + 1],
                               struct remote_error *err)
{
    struct remote_slice keyid = remote_json_slice(json, "result.keyid");

    if (!ehsm_is_uuid(keyid))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has no keyid");
    memcpy(ret, keyid.data, EHSM_UUID_LEN);
    ret[EHSM_UUID_LEN] = '\0';
    return REMOTE_OK;
}
