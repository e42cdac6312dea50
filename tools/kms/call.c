/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

#define BODY_MAX (KMS_GRPC_PREFIX + KMS_GRPC_MESSAGE_MAX)
#define ANSWER_MS 100 /* of the caller's time are left for the answer's way back */

struct kms_call *kms_call_new(struct kms_conn *conn, int32_t stream, struct kms_keyring *ring,
                              int64_t timeout_ms)
{
    struct kms_call *call = calloc(1, sizeof(*call));

    if (call == NULL)
        return NULL;
    call->conn = conn;
    call->stream = stream;
    call->ring = ring;
    call->started_us = remote_now_us();
    call->deadline_ms = call->started_us / 1000 + timeout_ms;
    return call;
}

void kms_call_free(struct kms_call *call)
{
    if (call == NULL)
        return;
    remote_buf_clear(&call->body);
    remote_buf_clear(&call->reply);
    free(call);
}

/* ---- the request ---- */

/* b: a literal */
#define IS(a, b) ((a).len == sizeof(b) - 1 && memcmp((a).data, (b), sizeof(b) - 1) == 0)

static void take_path(struct kms_call *call, struct remote_slice value)
{
    if (value.len >= sizeof(call->path))
        return;
    memcpy(call->path, value.data, value.len);
    call->path[value.len] = '\0';
}

static void take_timeout(struct kms_call *call, struct remote_slice value)
{
    int64_t now_ms = call->started_us / 1000, timeout_ms;

    if (!kms_grpc_timeout(value, &timeout_ms))
        return; /* grpc-go does as much: a timeout that makes no sense is none */
    timeout_ms = timeout_ms > 2 * ANSWER_MS ? timeout_ms - ANSWER_MS : timeout_ms / 2;
    if (now_ms + timeout_ms < call->deadline_ms)
        call->deadline_ms = now_ms + timeout_ms;
}

void kms_call_header(struct kms_call *call, struct remote_slice name, struct remote_slice value)
{
    if (IS(name, ":path"))
        take_path(call, value);
    else if (IS(name, ":method"))
        call->post = IS(value, "POST");
    else if (IS(name, "content-type"))
        call->grpc = kms_grpc_content_type(value);
    else if (IS(name, "grpc-encoding"))
        call->compressed = !IS(value, "identity");
    else if (IS(name, "grpc-timeout"))
        take_timeout(call, value);
}

bool kms_call_body(struct kms_call *call, struct remote_slice bytes)
{
    if (call->too_long || bytes.len > BODY_MAX - call->body.len) {
        call->too_long = true;
        return false;
    }
    remote_buf_append(&call->body, bytes.data, bytes.len);
    return !call->body.failed;
}

void kms_call_fail(struct kms_call *call, enum kms_grpc_status status, const char *text)
{
    call->status = status;
    snprintf(call->text, sizeof(call->text), "%s", text);
}

bool kms_call_accept(struct kms_call *call, bool *ret_quick)
{
    const char *text = "no such method here: /v2. and /v1beta1.KeyManagementService are served";
    enum kms_grpc_status status = KMS_GRPC_UNIMPLEMENTED;
    struct remote_slice message;

    call->method = kms_method_find(call->path);
    if (call->method == NULL) {
        kms_call_fail(call, status, text);
        return false;
    }
    if (call->compressed) {
        kms_call_fail(call, status, "messages are taken uncompressed only");
        return false;
    }
    if (!kms_grpc_unframe(remote_buf_slice(&call->body), &message, &status, &text)) {
        kms_call_fail(call, status, text);
        return false;
    }
    *ret_quick = kms_method_is_quick(call->method, call->ring);
    return true;
}

/* ---- the answer ---- */

static void fail_with(struct kms_call *call, enum remote_rc rc, const struct remote_error *err)
{
    kms_call_fail(call, kms_grpc_status_of(rc), err->text);
    remote_buf_clear(&call->reply);
}

void kms_call_work(struct kms_call *call)
{
    const struct kms_request request = {
        .ring = call->ring,
        .message = { call->body.data + KMS_GRPC_PREFIX, call->body.len - KMS_GRPC_PREFIX },
        .deadline_ms = call->deadline_ms,
    };
    struct remote_error err;
    enum remote_rc rc;

    remote_error_clear(&err);
    if (atomic_load(&call->abandoned)) {
        kms_call_fail(call, KMS_GRPC_CANCELLED, "the caller has gone");
        return;
    }
    if (remote_now_ms() >= call->deadline_ms) {
        kms_call_fail(call, KMS_GRPC_DEADLINE_EXCEEDED, "it waited too long for its turn");
        return;
    }
    kms_grpc_frame_begin(&call->reply);
    rc = call->method->handle(&request, &call->reply, &err);
    if (rc == REMOTE_OK)
        rc = remote_buf_check(&call->reply, &err);
    if (rc != REMOTE_OK) {
        fail_with(call, rc, &err);
        return;
    }
    kms_grpc_frame_end(&call->reply);
}

void kms_call_note(const struct kms_call *call)
{
    if (call->method != NULL)
        kms_metrics_call(call->method, call->status, remote_now_us() - call->started_us);
    if (call->status != KMS_GRPC_OK && call->status != KMS_GRPC_CANCELLED)
        remote_log(REMOTE_LOG_WARNING, "%s with key '%s': %s (%s)",
                   call->path[0] != '\0' ? call->path : "a call", kms_keyring_name(call->ring),
                   call->text, kms_grpc_status_name(call->status));
}
