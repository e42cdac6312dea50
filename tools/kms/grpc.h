/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gRPC lays over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md): length-prefixed messages, timeouts,
 * statuses and their texts. Nothing here does I/O.
 */
#ifndef KMS_GRPC_H
#define KMS_GRPC_H

#include "buf.h"

#define KMS_GRPC_MESSAGE_MAX (1u << 20) /* bytes of one message */
#define KMS_GRPC_PREFIX 5               /* flag and length before a message */

enum kms_grpc_status { /* the values are the protocol's */
                       KMS_GRPC_OK = 0,
                       KMS_GRPC_CANCELLED = 1,
                       KMS_GRPC_INVALID_ARGUMENT = 3,
                       KMS_GRPC_DEADLINE_EXCEEDED = 4,
                       KMS_GRPC_NOT_FOUND = 5,
                       KMS_GRPC_PERMISSION_DENIED = 7,
                       KMS_GRPC_RESOURCE_EXHAUSTED = 8,
                       KMS_GRPC_FAILED_PRECONDITION = 9,
                       KMS_GRPC_UNIMPLEMENTED = 12,
                       KMS_GRPC_INTERNAL = 13,
                       KMS_GRPC_UNAVAILABLE = 14,
                       KMS_GRPC_UNAUTHENTICATED = 16,
                       KMS_GRPC_STATUS_COUNT
};
/* "unavailable", for metrics; static. */
const char *kms_grpc_status_name(enum kms_grpc_status status);
enum kms_grpc_status kms_grpc_status_of(enum remote_rc rc);

/*
 * The one message in a unary request's body, whole as it has arrived. False: *ret_status and
 * *ret_text (static) say what is wrong with it.
 */
bool kms_grpc_unframe(struct remote_slice body, struct remote_slice *ret_message,
                      enum kms_grpc_status *ret_status, const char **ret_text);
/* Room for the prefix at the front of an empty buf; the message is appended behind it. */
void kms_grpc_frame_begin(struct remote_buf *buf);
/* Fills the prefix in, once the message is whole. */
void kms_grpc_frame_end(struct remote_buf *buf);

/* "grpc-timeout": at most 8 digits and a unit. Rounded up to milliseconds. */
bool kms_grpc_timeout(struct remote_slice value, int64_t *ret_ms);
/* "grpc-message": everything but printable ASCII, and '%', in percent form. */
void kms_grpc_message_append(struct remote_buf *buf, const char *text);
/* Whether this is a gRPC request with protobuf messages. */
bool kms_grpc_content_type(struct remote_slice value);

#endif
