/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "remote/encode.h"

#define PREFIX_LEN 5 /* a flag and the length, before each message */
#define LENGTH_MAX 0xffffffffu
#define TIMEOUT_DIGITS_MAX 99999999
/* How much earlier the server's time ends than ours: its word that it was late is an answer, our
 * own timeout is not. */
#define TIMEOUT_AHEAD_MS 100

static const char *const status_names[] = {
    [REMOTE_GRPC_OK] = "OK",
    [REMOTE_GRPC_CANCELLED] = "CANCELLED",
    [REMOTE_GRPC_UNKNOWN] = "UNKNOWN",
    [REMOTE_GRPC_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
    [REMOTE_GRPC_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
    [REMOTE_GRPC_NOT_FOUND] = "NOT_FOUND",
    [REMOTE_GRPC_ALREADY_EXISTS] = "ALREADY_EXISTS",
    [REMOTE_GRPC_PERMISSION_DENIED] = "PERMISSION_DENIED",
    [REMOTE_GRPC_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
    [REMOTE_GRPC_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
    [REMOTE_GRPC_ABORTED] = "ABORTED",
    [REMOTE_GRPC_OUT_OF_RANGE] = "OUT_OF_RANGE",
    [REMOTE_GRPC_UNIMPLEMENTED] = "UNIMPLEMENTED",
    [REMOTE_GRPC_INTERNAL] = "INTERNAL",
    [REMOTE_GRPC_UNAVAILABLE] = "UNAVAILABLE",
    [REMOTE_GRPC_DATA_LOSS] = "DATA_LOSS",
    [REMOTE_GRPC_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

/* https://grpc.github.io/grpc/core/md_doc_http-grpc-status-mapping.html; all others: UNKNOWN */
static const struct {
    int http, grpc;
} of_http[] = {
    { 400, REMOTE_GRPC_INTERNAL },          { 401, REMOTE_GRPC_UNAUTHENTICATED },
    { 403, REMOTE_GRPC_PERMISSION_DENIED }, { 404, REMOTE_GRPC_UNIMPLEMENTED },
    { 429, REMOTE_GRPC_UNAVAILABLE },       { 502, REMOTE_GRPC_UNAVAILABLE },
    { 503, REMOTE_GRPC_UNAVAILABLE },       { 504, REMOTE_GRPC_UNAVAILABLE },
};

const char *remote_grpc_status_name(int status)
{
    if (status == REMOTE_GRPC_NONE)
        return "none";
    if (status < 0 || (size_t)status >= ARRAY_SIZE(status_names))
        status = REMOTE_GRPC_UNKNOWN;
    return status_names[status];
}

/* ---- messages ---- */

enum remote_rc remote_grpc_call(struct remote_request *request, const char *path,
                                struct remote_slice message, struct remote_error *err)
{
    unsigned char prefix[PREFIX_LEN] = { 0 };

    if (message.len > LENGTH_MAX)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "a gRPC message of %zu bytes is too long",
                           message.len);
    for (size_t i = 1; i < PREFIX_LEN; i++)
        prefix[i] = (unsigned char)(message.len >> 8 * (PREFIX_LEN - 1 - i));
    request->method = "POST";
    request->grpc = true;
    request->want_header = "grpc-message:";
    remote_buf_append_str(&request->path, path);
    remote_buf_append(&request->body, prefix, sizeof(prefix));
    remote_buf_append(&request->body, message.data, message.len);
    REMOTE_TRY(remote_buf_check(&request->path, err));
    return remote_buf_check(&request->body, err);
}

enum remote_rc remote_grpc_message(const struct remote_reply *reply, struct remote_slice *ret,
                                   struct remote_error *err)
{
    struct remote_slice body = reply->body;
    size_t len = 0;

    if (body.len < PREFIX_LEN)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "the gRPC answer has no message");
    if (body.data[0] != 0)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "the gRPC answer is compressed, which was not asked for");
    for (size_t i = 1; i < PREFIX_LEN; i++)
        len = len << 8 | body.data[i];
    if (len != body.len - PREFIX_LEN)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "the gRPC answer is not one whole message: %zu bytes are announced, "
                           "%zu came",
                           len, body.len - PREFIX_LEN);
    *ret = remote_slice(body.data + PREFIX_LEN, len);
    return REMOTE_OK;
}

/* ---- headers ---- */

/* At most 8 digits and a unit, as PROTOCOL-HTTP2.md has it. */
static void append_timeout(struct remote_buf *headers, int64_t left_ms)
{
    int64_t ahead = left_ms / 20 < TIMEOUT_AHEAD_MS ? left_ms / 20 : TIMEOUT_AHEAD_MS;
    int64_t ms = left_ms - ahead > 0 ? left_ms - ahead : 1;

    if (ms <= TIMEOUT_DIGITS_MAX)
        remote_buf_printf(headers, "grpc-timeout: %lldm\n", (long long)ms);
    else if (ms / 1000 <= TIMEOUT_DIGITS_MAX)
        remote_buf_printf(headers, "grpc-timeout: %lldS\n", (long long)(ms / 1000));
}

void remote_grpc_headers(struct remote_buf *headers, int64_t left_ms)
{
    remote_buf_append_str(headers, "Accept:\ncontent-type: application/grpc\nte: trailers\n");
    append_timeout(headers, left_ms);
}

int remote_grpc_status_parse(const char *value)
{
    size_t len = strspn(value, "0123456789");
    int status;

    if (len == 0 || len > 2 || value[len] != '\0')
        return REMOTE_GRPC_UNKNOWN;
    status = len == 1 ? value[0] - '0' : (value[0] - '0') * 10 + value[1] - '0';
    return (size_t)status < ARRAY_SIZE(status_names) ? status : REMOTE_GRPC_UNKNOWN;
}

int remote_grpc_status_of_http(int http_status)
{
    for (size_t i = 0; i < ARRAY_SIZE(of_http); i++)
        if (of_http[i].http == http_status)
            return of_http[i].grpc;
    return REMOTE_GRPC_UNKNOWN;
}

bool remote_grpc_is_content_type(const char *value)
{
    static const char type[] = "application/grpc";

    return strncasecmp(value, type, sizeof(type) - 1) == 0 &&
           strchr("+; ", value[sizeof(type) - 1]) != NULL; /* the NUL is found, too */
}

void remote_grpc_text(char *text)
{
    CLEANUP(remote_buf_clear) struct remote_buf decoded = { 0 };
    size_t len = strlen(text);

    if (len > 0 && remote_percent_decode(remote_slice(text, len), &decoded) && !decoded.failed) {
        memcpy(text, decoded.data, decoded.len); /* never longer than its encoded form */
        text[decoded.len] = '\0';
    }
    remote_printable(text);
}
