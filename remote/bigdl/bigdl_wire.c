/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a BigDL KMS, and what its answers say. It has one status for everything that goes
 * wrong, 500, with a Java exception's message in the first line: only that line's beginning
 * counts, the rest is advice with a sample request. The first generation runs another program for
 * each operation and tells no more than that it failed.
 */
#include <stdio.h>
#include <string.h>

#include "bigdl.h"
#include "remote/encode.h"
#include "remote/uuid.h"

#define REPLY_MAX 4096
#define KEY_TEXT 24 /* base64 of 16 bytes */

/* ---- requests ---- */

static void add_parameter(struct remote_request *request, char before, const char *name,
                          struct remote_slice value)
{
    remote_buf_append_char(&request->path, before);
    remote_buf_append_str(&request->path, name);
    remote_buf_append_char(&request->path, '=');
    remote_percent_append(&request->path, value); /* a bare '+' would be read as a blank */
}

/* A path segment that URLs give a meaning of its own, or none at all, names no key. */
static bool is_segment(struct remote_slice name)
{
    return name.len > 0 && !remote_slice_equal(name, remote_slice_str(".")) &&
           !remote_slice_equal(name, remote_slice_str(".."));
}

/* What every request has: "/KIND/NAME". */
static enum remote_rc begin_path(const char *method, const char *kind, struct remote_slice name,
                                 struct remote_request *request, struct remote_error *err)
{
    if (!is_segment(name))
        return REMOTE_FAIL(err, REMOTE_E_PARAM, "a name for BigDL KMS is neither empty, . nor ..");
    request->method = method;
    request->reply_max = REPLY_MAX;
    request->secret_query = true;
    remote_buf_printf(&request->path, "/%s/", kind);
    remote_percent_append(&request->path, name);
    return REMOTE_OK;
}

enum remote_rc bigdl_begin_user(const struct bigdl *bigdl, const struct remote_grant *grant,
                                struct remote_request *request, struct remote_error *err)
{
    REMOTE_TRY(begin_path("POST", "user", remote_slice_str(bigdl->user), request, err));
    add_parameter(request, '?', "token", remote_secret_slice(&grant->token));
    return remote_buf_check(&request->path, err);
}

enum remote_rc bigdl_begin(const struct bigdl *bigdl, const char *method, const char *kind,
                           struct remote_slice name, const char *primary,
                           const struct remote_grant *grant, struct remote_request *request,
                           struct remote_error *err)
{
    REMOTE_TRY(begin_path(method, kind, name, request, err));
    if (primary != NULL)
        add_parameter(request, '?', "primaryKeyName", remote_slice_str(primary));
    add_parameter(request, primary != NULL ? '&' : '?', "user", remote_slice_str(bigdl->user));
    add_parameter(request, '&', "token", remote_secret_slice(&grant->token));
    return remote_buf_check(&request->path, err);
}

enum remote_rc bigdl_begin_probe(const struct bigdl *bigdl, const char *primary,
                                 const struct remote_grant *grant, struct remote_request *request,
                                 struct remote_error *err)
{
    char data[REMOTE_UUID_SIZE], other[REMOTE_UUID_SIZE];

    REMOTE_TRY(remote_uuid_make(data, err));
    REMOTE_TRY(remote_uuid_make(other, err));
    return bigdl_begin(bigdl, "GET", "dataKey", remote_slice_str(data),
                       primary != NULL ? primary : other, grant, request, err);
}

/* ---- answers ---- */

static const struct {
    const char *begins; /* the first line */
    bool whole;         /* that is all of it */
    enum bigdl_said said;
} exceptions[] = {
    /* clang-format off */
    { "wrong token or user",                  false, BIGDL_SAID_NO_LOGIN },
    { "wrong primary key",                    false, BIGDL_SAID_NO_PRIMARY },
    { "Cannot invoke ",                       false, BIGDL_SAID_NO_DATA }, /* Java 17's NullPointerException */
    { "null",                                 true,  BIGDL_SAID_NO_DATA }, /* Java 8's */
    { "Given final block not properly",       false, BIGDL_SAID_NO_FIT },
    { "Input length must be multiple of",     false, BIGDL_SAID_NO_FIT },
    { "Invalid AES key length",               false, BIGDL_SAID_NO_FIT }, /* one in 256 passes the padding */
    { "Nonzero exit value",                   false, BIGDL_SAID_NO_REASON },
    { "empty root key",                       false, BIGDL_SAID_NO_ROOT },
    { "empty encryption key",                 false, BIGDL_SAID_NO_ROOT },
    { "[SQLITE_BUSY]",                        false, BIGDL_SAID_BUSY },
    /* clang-format on */
};

static enum bigdl_said exception_said(struct remote_slice body)
{
    const unsigned char *end = body.len > 0 ? memchr(body.data, '\n', body.len) : NULL;
    size_t line = end != NULL ? (size_t)(end - body.data) : body.len;

    for (size_t i = 0; i < ARRAY_SIZE(exceptions); i++) {
        size_t len = strlen(exceptions[i].begins);

        if (line >= len && memcmp(body.data, exceptions[i].begins, len) == 0 &&
            (line == len || !exceptions[i].whole))
            return exceptions[i].said;
    }
    return BIGDL_SAID_ELSE;
}

enum bigdl_said bigdl_said(const struct remote_reply *reply)
{
    switch (reply->status) {
    case 200:
        return BIGDL_SAID_DONE;
    case 404:
    case 405:
        return BIGDL_SAID_NOT_BIGDL;
    case 429:
        return BIGDL_SAID_BUSY;
    case 500:
        return exception_said(reply->body);
    case 502:
    case 503:
    case 504:
        return BIGDL_SAID_AWAY;
    default:
        return BIGDL_SAID_ELSE;
    }
}

static const struct {
    enum remote_rc rc;
    const char *text;
} faults[] = {
    /* clang-format off */
    [BIGDL_SAID_DONE]       = { REMOTE_E_PROTOCOL,    "an answer that was not expected" },
    [BIGDL_SAID_NO_LOGIN]   = { REMOTE_E_AUTH,        "wrong token, or no such user; check user and user_token_file" },
    [BIGDL_SAID_NO_PRIMARY] = { REMOTE_E_NOT_FOUND,   "there is no such primary key" },
    [BIGDL_SAID_NO_DATA]    = { REMOTE_E_NOT_FOUND,   "there is no such data key" },
    [BIGDL_SAID_NO_FIT]     = { REMOTE_E_NOT_FOUND,   "the data key was made under another primary key, or is a primary key itself" },
    [BIGDL_SAID_NO_REASON]  = { REMOTE_E_NOT_FOUND,   "the service refuses without a reason: no such key, or wrong token or user" },
    [BIGDL_SAID_NO_ROOT]    = { REMOTE_E_CONFIG,      "the service has no root key; its operator has to set it up" },
    [BIGDL_SAID_NOT_BIGDL]  = { REMOTE_E_PROTOCOL,    "no BigDL KMS answers there; check url" },
    [BIGDL_SAID_BUSY]       = { REMOTE_E_BUSY,        "the service is busy" },
    [BIGDL_SAID_AWAY]       = { REMOTE_E_UNAVAILABLE, "not available" },
    [BIGDL_SAID_ELSE]       = { REMOTE_E_PROTOCOL,    "an answer that was not expected" },
    /* clang-format on */
};

enum remote_rc bigdl_fail(enum bigdl_said said, int status, struct remote_error *err)
{
    return REMOTE_FAIL(err, faults[said].rc, "%s (HTTP %d)", faults[said].text, status);
}

/* A wrong key passes the padding once in 256 times, but then not with 16 bytes. */
enum remote_rc bigdl_take_key(const struct remote_reply *reply, struct remote_buf *out,
                              struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf key = { 0 };

    if (reply->body.len != KEY_TEXT || !remote_base64_decode(reply->body, &key) ||
        key.len != BIGDL_DATA_LEN)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "%zu bytes came where the base64 of a %d-byte key is due",
                           reply->body.len, BIGDL_DATA_LEN);
    remote_buf_append(out, key.data, key.len);
    return remote_buf_check(out, err);
}
