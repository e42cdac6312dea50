/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc.h"

#include <string.h>

/* clang-format off */
static const char *const status_names[KMS_GRPC_STATUS_COUNT] = {
    [KMS_GRPC_OK] = "ok",
    [KMS_GRPC_CANCELLED] = "cancelled",
    [KMS_GRPC_INVALID_ARGUMENT] = "invalid_argument",
    [KMS_GRPC_DEADLINE_EXCEEDED] = "deadline_exceeded",
    [KMS_GRPC_NOT_FOUND] = "not_found",
    [KMS_GRPC_PERMISSION_DENIED] = "permission_denied",
    [KMS_GRPC_RESOURCE_EXHAUSTED] = "resource_exhausted",
    [KMS_GRPC_FAILED_PRECONDITION] = "failed_precondition",
    [KMS_GRPC_UNIMPLEMENTED] = "unimplemented",
    [KMS_GRPC_INTERNAL] = "internal",
    [KMS_GRPC_UNAVAILABLE] = "unavailable",
    [KMS_GRPC_UNAUTHENTICATED] = "unauthenticated",
};

/* The API server retries none of them by itself; they tell its operator where to look. */
static const enum kms_grpc_status status_of[REMOTE_RC_COUNT] = {
    [REMOTE_OK] = KMS_GRPC_OK,
    [REMOTE_E_NOMEM] = KMS_GRPC_RESOURCE_EXHAUSTED,
    [REMOTE_E_USAGE] = KMS_GRPC_INTERNAL,
    [REMOTE_E_CONFIG] = KMS_GRPC_FAILED_PRECONDITION,
    [REMOTE_E_UNSUPPORTED] = KMS_GRPC_FAILED_PRECONDITION,
    [REMOTE_E_PARAM] = KMS_GRPC_INVALID_ARGUMENT,
    [REMOTE_E_LENGTH] = KMS_GRPC_INVALID_ARGUMENT,
    [REMOTE_E_DATA] = KMS_GRPC_INVALID_ARGUMENT,
    [REMOTE_E_NOT_FOUND] = KMS_GRPC_NOT_FOUND,
    [REMOTE_E_EXISTS] = KMS_GRPC_INTERNAL,
    [REMOTE_E_FORBIDDEN_USE] = KMS_GRPC_FAILED_PRECONDITION,
    [REMOTE_E_RIGHTS] = KMS_GRPC_PERMISSION_DENIED,
    [REMOTE_E_PIN] = KMS_GRPC_UNAUTHENTICATED,
    [REMOTE_E_AUTH] = KMS_GRPC_UNAUTHENTICATED,
    [REMOTE_E_BUSY] = KMS_GRPC_UNAVAILABLE,
    [REMOTE_E_TIMEOUT] = KMS_GRPC_DEADLINE_EXCEEDED,
    [REMOTE_E_UNAVAILABLE] = KMS_GRPC_UNAVAILABLE,
    [REMOTE_E_PROTOCOL] = KMS_GRPC_INTERNAL,
    [REMOTE_E_CRYPTO] = KMS_GRPC_INTERNAL,
};
/* clang-format on */

const char *kms_grpc_status_name(enum kms_grpc_status status)
{
    return status_names[status] != NULL ? status_names[status] : "internal";
}

enum kms_grpc_status kms_grpc_status_of(enum remote_rc rc)
{
    return status_of[rc];
}

static bool refuse(enum kms_grpc_status status, const char *text, enum kms_grpc_status *ret_status,
                   const char **ret_text)
{
    *ret_status = status;
    *ret_text = text;
    return false;
}

bool kms_grpc_unframe(struct remote_slice body, struct remote_slice *ret_message,
                      enum kms_grpc_status *ret_status, const char **ret_text)
{
    size_t len;

    if (body.len < KMS_GRPC_PREFIX)
        return refuse(KMS_GRPC_INTERNAL, "the request has no whole message", ret_status, ret_text);
    len = (size_t)body.data[1] << 24 | (size_t)body.data[2] << 16 | (size_t)body.data[3] << 8 |
          (size_t)body.data[4];
    if (body.data[0] == 1)
        return refuse(KMS_GRPC_UNIMPLEMENTED, "messages are taken uncompressed only", ret_status,
                      ret_text);
    if (body.data[0] != 0)
        return refuse(KMS_GRPC_INTERNAL, "the message has an unknown flag", ret_status, ret_text);
    if (len > KMS_GRPC_MESSAGE_MAX)
        return refuse(KMS_GRPC_RESOURCE_EXHAUSTED, "the message is longer than 1 MiB", ret_status,
                      ret_text);
    if (body.len - KMS_GRPC_PREFIX != len)
        return refuse(KMS_GRPC_INTERNAL, "the request is not exactly one message", ret_status,
                      ret_text);
    *ret_message = remote_slice(body.data + KMS_GRPC_PREFIX, len);
    return true;
}

void kms_grpc_frame_begin(struct remote_buf *buf)
{
    static const unsigned char prefix[KMS_GRPC_PREFIX];

    remote_buf_append(buf, prefix, sizeof(prefix));
}

void kms_grpc_frame_end(struct remote_buf *buf)
{
    size_t len = buf->len - KMS_GRPC_PREFIX;

    for (unsigned i = 0; i < 4; i++)
        buf->data[1 + i] = (unsigned char)(len >> (24 - 8 * i));
}

/* Microseconds of one unit; 0: no such unit. Nanoseconds are less than any of ours. */
static int64_t unit_us(unsigned char unit)
{
    switch (unit) {
    case 'H':
        return INT64_C(3600000000);
    case 'M':
        return 60000000;
    case 'S':
        return 1000000;
    case 'm':
        return 1000;
    case 'u':
    case 'n':
        return 1;
    default:
        return 0;
    }
}

bool kms_grpc_timeout(struct remote_slice value, int64_t *ret_ms)
{
    int64_t number = 0, unit;

    if (value.len < 2 || value.len > 9)
        return false;
    for (size_t i = 0; i + 1 < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
        number = number * 10 + (value.data[i] - '0');
    }
    unit = unit_us(value.data[value.len - 1]);
    if (unit == 0)
        return false;
    if (value.data[value.len - 1] == 'n')
        number = (number + 999) / 1000;
    *ret_ms = (number * unit + 999) / 1000;
    return true;
}

void kms_grpc_message_append(struct remote_buf *buf, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c >= 0x20 && *c < 0x7f && *c != '%') {
            remote_buf_append_char(buf, (char)*c);
            continue;
        }
        remote_buf_append_char(buf, '%');
        remote_buf_append_char(buf, digits[*c >> 4]);
        remote_buf_append_char(buf, digits[*c & 15]);
    }
}

static bool has_prefix(struct remote_slice value, const char *prefix)
{
    size_t len = strlen(prefix);

    return value.len >= len && memcmp(value.data, prefix, len) == 0;
}

bool kms_grpc_content_type(struct remote_slice value)
{
    static const char base[] = "application/grpc";
    size_t len = sizeof(base) - 1;

    if (!has_prefix(value, base))
        return false;
    value = remote_slice(value.data + len, value.len - len);
    if (value.len == 0 || value.data[0] == ';')
        return true;
    if (!has_prefix(value, "+proto"))
        return false;
    return value.len == strlen("+proto") || value.data[strlen("+proto")] == ';';
}
