/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What KES's statuses and messages mean, as recorded. It answers 404 for a key that is gone and,
 * when its file store is, for every key; 502 for faults of its store, an empty one in Vault
 * included; and 404 in plain text for operations that it does not know.
 */
#include <string.h>

#include "kes.h"
#include "remote/encode.h"
#include "remote/meaning.h"

#define QUOTE_MAX 100

#define KIND(kind) REMOTE_MEANING_OF(kind)
#define SERVER_KINDS (KIND(PROVE) | KIND(HEALTH))
#define PAGE_NOT_FOUND "404 page not found"

/* The first row that fits counts. */
/* clang-format off */
static const struct remote_meaning meanings[] = {
    { 400, 0,            "client certificate",             REMOTE_E_CONFIG,        "client_cert_file must hold one certificate that is not a CA's" },
    { 400, 0,            "already exists",                 REMOTE_E_EXISTS,        NULL },
    { 400, 0,            "not authentic",                  REMOTE_E_DATA,          NULL },
    { 400, 0,            "HTTP request to an HTTPS",       REMOTE_E_CONFIG,        "url must begin with https://" },
    { 400, 0,            "invalid characters",             REMOTE_E_PARAM,         NULL },
    { 400, 0,            NULL,                             REMOTE_E_PROTOCOL,      "the request was not understood" },
    { 404, SERVER_KINDS, NULL,                             REMOTE_E_CONFIG,        "no KES answers there; check url" },
    { 404, 0,            PAGE_NOT_FOUND,                   REMOTE_E_UNSUPPORTED,   "this KES has no such operation" },
    { 404, 0,            NULL,                             REMOTE_E_NOT_FOUND,     "the key is gone, or KES's key store is away" },
    { 405, 0,            NULL,                             REMOTE_E_UNSUPPORTED,   "this KES has no such operation" },
    { 406, 0,            NULL,                             REMOTE_E_UNSUPPORTED,   NULL },
    { 409, 0,            NULL,                             REMOTE_E_FORBIDDEN_USE, "the key was stored by an old KES, without an HMAC key" },
    { 413, 0,            NULL,                             REMOTE_E_LENGTH,        "too large for one request" },
    { 429, 0,            NULL,                             REMOTE_E_BUSY,          "throttled" },
    { 502, KIND(LIST),   "failed to list",                 REMOTE_E_UNAVAILABLE,   "KES cannot list its key store; one in Vault that has no key yet looks the same" },
    { 502, 0,            NULL,                             REMOTE_E_UNAVAILABLE,   "KES cannot use its key store" },
    { 503, 0,            NULL,                             REMOTE_E_UNAVAILABLE,   "not available" },
    { 504, 0,            NULL,                             REMOTE_E_UNAVAILABLE,   "KES does not reach its key store" },
    { 0,   0,            NULL,                             REMOTE_E_PROTOCOL,      "an answer that was not expected" },
};
/* clang-format on */

/* An unknown identity and one without the right get the same answer: say which it was. */
static enum remote_rc fail_rights(struct kes *kes, const char *text, struct remote_error *err)
{
    char identity[KES_IDENTITY_LEN + 1];

    kes_identity(kes, identity);
    return REMOTE_FAIL(err, REMOTE_E_RIGHTS,
                       "KES's policy does not allow this to identity %s: %.*s (HTTP 403)", identity,
                       QUOTE_MAX, text);
}

static enum remote_rc refuse(struct kes *kes, const struct remote_op *op, int status,
                             const char *text, struct remote_error *err)
{
    const struct remote_meaning *m = remote_meaning_find(meanings, status, op->kind, text);

    if (status == 403)
        return fail_rights(kes, text, err);
    return remote_meaning_fail(m, status, text, QUOTE_MAX, err);
}

/* {"message":"..."}, or a line of plain text where the request did not get as far as KES's API. */
static enum remote_rc read_fault(struct kes *kes, const struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free)
    remote_json *json = remote_json_read(reply->body, &(struct remote_error){ 0 });
    const char *text = remote_json_text(json, "message");
    char line[QUOTE_MAX + 1] = "";

    if (json == NULL && reply->body.len > 0) {
        size_t len = reply->body.len < QUOTE_MAX ? reply->body.len : QUOTE_MAX;

        memcpy(line, reply->body.data, len);
        line[strcspn(line, "\r\n")] = '\0';
    }
    return refuse(kes, op, reply->status, text ? text : line, err);
}

enum remote_rc kes_reply(struct kes *kes, const struct remote_op *op,
                         const struct remote_reply *reply, remote_json **ret,
                         struct remote_error *err)
{
    if (reply->status < 200 || reply->status >= 300)
        return read_fault(kes, op, reply, err);
    if (reply->body.len == 0) {
        *ret = NULL;
        return REMOTE_OK;
    }
    *ret = remote_json_read(reply->body, err);
    return *ret != NULL ? REMOTE_OK : REMOTE_E_PROTOCOL;
}

enum remote_rc kes_take_bytes(const remote_json *json, const char *member, struct remote_buf *out,
                              struct remote_error *err)
{
    struct remote_slice text = remote_json_slice(json, member);

    if (text.data == NULL)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the answer has no \"%s\"", member);
    if (!remote_base64_decode(text, out))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "\"%s\" in the answer is not base64", member);
    return remote_buf_check(out, err);
}
