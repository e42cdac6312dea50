/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unary gRPC calls as requests of a backend (gRPC over HTTP2, PROTOCOL-HTTP2.md): a request whose
 * `grpc` is set goes by HTTP/2 (prior knowledge where TLS is off), with the headers that gRPC
 * prescribes and what is left of the deadline as grpc-timeout; its reply has the status of the
 * trailers, or of a trailers-only answer. Messages are never compressed.
 */
#ifndef REMOTE_GRPC_H
#define REMOTE_GRPC_H

#include "remote/backend.h"

/* https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
enum remote_grpc_status {
    REMOTE_GRPC_NONE = -1, /* not a gRPC answer, or cut before its trailers */
    REMOTE_GRPC_OK,
    REMOTE_GRPC_CANCELLED,
    REMOTE_GRPC_UNKNOWN,
    REMOTE_GRPC_INVALID_ARGUMENT,
    REMOTE_GRPC_DEADLINE_EXCEEDED,
    REMOTE_GRPC_NOT_FOUND,
    REMOTE_GRPC_ALREADY_EXISTS,
    REMOTE_GRPC_PERMISSION_DENIED,
    REMOTE_GRPC_RESOURCE_EXHAUSTED,
    REMOTE_GRPC_FAILED_PRECONDITION,
    REMOTE_GRPC_ABORTED,
    REMOTE_GRPC_OUT_OF_RANGE,
    REMOTE_GRPC_UNIMPLEMENTED,
    REMOTE_GRPC_INTERNAL,
    REMOTE_GRPC_UNAVAILABLE,
    REMOTE_GRPC_DATA_LOSS,
    REMOTE_GRPC_UNAUTHENTICATED,
};

/*
 * Makes request a unary call: method POST, `grpc` set, path "/SERVICE/METHOD", body the message in
 * its frame. The reply's `header` is the grpc-message, decoded; what a server says, so not to be
 * believed.
 */
enum remote_rc remote_grpc_call(struct remote_request *request, const char *path,
                                struct remote_slice message, struct remote_error *err)
    REMOTE_MUST_CHECK;
/*
 * The message of a reply whose status is OK; it points into the reply. REMOTE_E_PROTOCOL: not one
 * whole uncompressed message.
 */
enum remote_rc remote_grpc_message(const struct remote_reply *reply, struct remote_slice *ret,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
/* "UNAVAILABLE"; "none" for REMOTE_GRPC_NONE. Static. */
const char *remote_grpc_status_name(int status);

/* ---- for the transport ---- */
/* Appends the "Name: value\n" lines that every call has, for a call with that much time left. */
void remote_grpc_headers(struct remote_buf *headers, int64_t left_ms);
/* The value of grpc-status; REMOTE_GRPC_UNKNOWN: not one of the statuses. */
int remote_grpc_status_parse(const char *value);
/* What an HTTP answer without a grpc-status means (http-grpc-status-mapping.md). */
int remote_grpc_status_of_http(int http_status);
/* "application/grpc", alone or with a format or parameters behind it. */
bool remote_grpc_is_content_type(const char *value);
/* Decodes a grpc-message in place; one that is not well formed stays as it is. Printable then. */
void remote_grpc_text(char *text);

#endif
