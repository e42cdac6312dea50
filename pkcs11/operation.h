/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What signing, verifying, encrypting and decrypting have in common: Init with its checks, the
 * input (hashed here, or collected for one request at the end), the two-call convention for
 * lengths, and when an operation ends.
 */
#ifndef PKCS11_OPERATION_H
#define PKCS11_OPERATION_H

#include "error.h"

struct pkcs11_call;

/* A session may have one of each under way. */
enum pkcs11_operation_kind {
    PKCS11_SIGN,
    PKCS11_VERIFY,
    PKCS11_ENCRYPT,
    PKCS11_DECRYPT,
    PKCS11_OPERATION_COUNT
};

struct pkcs11_operation {
    bool active;
    bool parts; /* an Update was seen: only Final may end it */
    enum pkcs11_operation_kind kind;
    bool hash_here;
    struct remote_params params;
    struct remote_buf aad; /* what params.aad points to: the application's memory may go away */
    struct remote_key *key;
    struct remote_digest digest;
    bool digesting;
    struct remote_buf input; /* what goes to the key: a digest, or what was collected */
    size_t input_max;
    struct remote_buf output; /* a result that did not fit the caller's buffer yet */
    bool have_output;
};

/* C_xxxInit. mechanism NULL ends what is under way (PKCS#11 3.0 section 5.8.1 and others). */
CK_RV pkcs11_operation_init(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                            const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);
void pkcs11_operation_clear(struct pkcs11_operation *operation);

/* CKR_OPERATION_NOT_INITIALIZED: none under way, or, for a single part, an Update was seen. */
CK_RV pkcs11_operation_active(const struct pkcs11_operation *operation);
CK_RV pkcs11_operation_single(const struct pkcs11_operation *operation);

/* C_xxxUpdate of what gives no output before its end; a failure ends the operation. */
CK_RV pkcs11_operation_update(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                              const CK_BYTE *data, CK_ULONG len);
/* The input in one piece, or the end of its pieces: operation->input is complete. */
CK_RV pkcs11_operation_whole(struct pkcs11_call *call, struct pkcs11_operation *operation,
                             struct remote_slice data);
CK_RV pkcs11_operation_finish(struct pkcs11_call *call, struct pkcs11_operation *operation);

/* The core's answer to a use of the key as CK_RV; a key that is gone takes its handles along. */
CK_RV pkcs11_operation_result(struct pkcs11_call *call, const struct pkcs11_operation *operation,
                              enum remote_rc rc);

/* One part of an application's input. CKR_ARGUMENTS_BAD: bytes were promised at NULL. */
CK_RV pkcs11_operation_slice(const CK_BYTE *data, CK_ULONG len, struct remote_slice *ret);
/*
 * The two-call convention (PKCS#11 3.0 section 5.2). True: *ret_rv is the answer, and either
 * it was a length query or the buffer is too small; *len says what is needed. False: go on.
 */
bool pkcs11_operation_room(size_t need, const CK_BYTE *out, CK_ULONG *len, CK_RV *ret_rv);
/* Hands out a result of the core, by the same convention. */
CK_RV pkcs11_operation_output(const struct remote_buf *result, CK_BYTE *out, CK_ULONG *len);
/*
 * Ends the operation unless the convention keeps it: after CKR_BUFFER_TOO_SMALL, and after a
 * successful length query. Returns rv.
 */
CK_RV pkcs11_operation_end(struct pkcs11_operation *operation, CK_RV rv, bool query);

#endif
