/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call: what has arrived of it, its way through a worker, and its answer. It belongs to its
 * stream until it is handed to a worker; from then on until done, to both.
 */
#ifndef KMS_CALL_H
#define KMS_CALL_H

#include "grpc.h"
#include "pool.h"
#include "service.h"

struct kms_call {
    struct daemon_job job; /* first */
    struct kms_conn *conn;
    struct kms_call *prev, *next; /* of the connection's */
    int32_t stream;
    struct kms_keyring *ring;
    /* the request */
    bool post, grpc, compressed, too_long;
    char path[64]; /* a longer one is none of ours */
    const struct kms_method *method;
    struct remote_buf body;
    int64_t started_us, deadline_ms;
    /* its way */
    bool working;          /* a worker has it */
    bool cut;              /* answered before it was whole */
    bool counted;          /* in the metric of calls in flight */
    atomic_bool abandoned; /* nobody waits for the answer */
    /* the answer */
    enum kms_grpc_status status;
    char text[REMOTE_ERROR_TEXT_MAX];
    struct remote_buf reply; /* framed */
    size_t sent;
};

struct kms_call *kms_call_new(struct kms_conn *conn, int32_t stream, struct kms_keyring *ring,
                              int64_t timeout_ms);
void kms_call_free(struct kms_call *call);

/* A field of the request's header. */
void kms_call_header(struct kms_call *call, struct remote_slice name, struct remote_slice value);
/* False: more than a message may hold; it is dropped. */
bool kms_call_body(struct kms_call *call, struct remote_slice bytes);
void kms_call_fail(struct kms_call *call, enum kms_grpc_status status, const char *text);
/*
 * Once the request is whole: what is wrong with it as a call. False: status and text say so.
 * *ret_quick: kms_call_work() will not block.
 */
bool kms_call_accept(struct kms_call *call, bool *ret_quick);
/* Fills in the answer; inside the guard. */
void kms_call_work(struct kms_call *call);
/* Counts it, and logs a failure. */
void kms_call_note(const struct kms_call *call);

#endif
