/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What signing, verifying, encrypting, decrypting, digesting and wrapping have in common: Init
 * with its checks, input and output in parts, the two-call convention for lengths, and when an
 * operation ends. How the work is done is the engine's: by a service's key (engine_remote.c), or
 * here with a session key (engine_local.c, engine_pair.c) or with none (digest.c).
 */
#ifndef PKCS11_OPERATION_H
#define PKCS11_OPERATION_H

#include "error.h"
#include "object.h"

struct pkcs11_call;
struct pkcs11_operation;

enum pkcs11_operation_kind {
    /* A session may have one of each under way. */
    PKCS11_SIGN,
    PKCS11_VERIFY,
    PKCS11_ENCRYPT,
    PKCS11_DECRYPT,
    PKCS11_DIGEST,
    PKCS11_MESSAGE_ENCRYPT,
    PKCS11_MESSAGE_DECRYPT,
    PKCS11_OPERATION_COUNT,
    /* Over with the call that begins them. */
    PKCS11_WRAP = PKCS11_OPERATION_COUNT,
    PKCS11_UNWRAP,
    PKCS11_KIND_COUNT
};

struct pkcs11_engine {
    /* From the start, with operation->params; again when other input comes after all. */
    CK_RV (*begin)(struct pkcs11_call *call, struct pkcs11_operation *operation);
    /* Takes input; what comes out already is appended to operation->output. */
    CK_RV(*update)
    (struct pkcs11_call *call, struct pkcs11_operation *operation, struct remote_slice data);
    /* Appends the rest of the output. */
    CK_RV (*finish)(struct pkcs11_call *call, struct pkcs11_operation *operation);
    /* Instead of finish(): is this the signature? */
    CK_RV(*verify)
    (struct pkcs11_call *call, struct pkcs11_operation *operation, struct remote_slice sig);
    /* All of the input, straight to where there is room for size(); NULL: no faster way. */
    CK_RV(*whole)
    (struct pkcs11_call *call, struct pkcs11_operation *operation, struct remote_slice data,
     unsigned char *to, size_t *ret_len);
    /* The most that comes out for len more bytes, their end included or not. */
    size_t (*size)(const struct pkcs11_operation *operation, size_t len, bool final);
};
extern const struct pkcs11_engine pkcs11_engine_remote; /* engine_remote.c */
extern const struct pkcs11_engine pkcs11_engine_cipher; /* engine_local.c */
extern const struct pkcs11_engine pkcs11_engine_mac;    /* engine_local.c */
extern const struct pkcs11_engine pkcs11_engine_pair;   /* engine_pair.c */
extern const struct pkcs11_engine pkcs11_engine_digest; /* digest.c */

#define PKCS11_SHORT_IV 16 /* a usual one, or an AES block */

struct pkcs11_operation {
    bool active;
    bool parts;   /* an Update was seen: only Final may end it */
    bool message; /* of a message kind: Begin was seen, Next is to come */
    enum pkcs11_operation_kind kind;
    const struct pkcs11_engine *engine;
    struct pkcs11_object object; /* the key */
    struct remote_params params;
    struct remote_buf aad, iv; /* what params points to: the application's memory may go away */
    unsigned char short_iv[PKCS11_SHORT_IV]; /* instead of iv */
    struct remote_buf output;                /* what did not go out yet */
    struct remote_buf made_of;   /* the input of an output that did not fit the caller's buffer */
    bool have_output;            /* output is complete */
    struct remote_digest digest; /* remote, pair, digest */
    bool hash_here, digesting;
    struct remote_buf
        input; /* remote, pair: what goes to the key, a digest or what was collected */
    size_t input_max;
    struct remote_cipher_run cipher;
    struct remote_mac_run mac;
};

/* C_xxxInit. mechanism NULL ends what is under way (PKCS#11 3.0 section 5.8.1 and others). */
CK_RV pkcs11_operation_init(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                            const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);
/* The same for one that no session keeps; pkcs11_operation_clear() it, whatever the result. */
CK_RV pkcs11_operation_open(struct pkcs11_call *call, struct pkcs11_operation *operation,
                            enum pkcs11_operation_kind kind, const CK_MECHANISM *mechanism,
                            CK_OBJECT_HANDLE key);
void pkcs11_operation_clear(struct pkcs11_operation *operation);
/* Input and output of a part that is done or given up; the key stays. */
void pkcs11_operation_reset(struct pkcs11_operation *operation);

/* Copies what params borrows of the application: aad and iv. CKR_HOST_MEMORY. */
CK_RV pkcs11_operation_keep(struct pkcs11_operation *operation);

enum remote_use pkcs11_operation_use(const struct pkcs11_operation *operation);
bool pkcs11_operation_encrypts(const struct pkcs11_operation *operation);

/* CKR_OPERATION_NOT_INITIALIZED: none under way, or, for a single part, an Update was seen. */
CK_RV pkcs11_operation_active(const struct pkcs11_operation *operation);
CK_RV pkcs11_operation_single(const struct pkcs11_operation *operation);

/* C_xxxUpdate of what gives no output before its end; a failure ends the operation. */
CK_RV pkcs11_operation_update(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                              const CK_BYTE *data, CK_ULONG len);
/*
 * C_Sign, C_Digest and their Final: what they answer has one length, which is known before.
 * single: with the data in one piece.
 */
CK_RV pkcs11_operation_answer(struct pkcs11_call *call, enum pkcs11_operation_kind kind,
                              bool single, const CK_BYTE *data, CK_ULONG data_len, CK_BYTE *out,
                              CK_ULONG *out_len);

/* The core's answer to a use of the key as CK_RV; a key that is gone takes its handles along. */
CK_RV pkcs11_operation_result(struct pkcs11_call *call, const struct pkcs11_operation *operation,
                              enum remote_rc rc);

/*
 * For engines whose key works at the end of the input (input.c): hashes it, or collects up to max
 * bytes. end() leaves in operation->input what the key gets.
 */
CK_RV pkcs11_input_begin(struct pkcs11_call *call, struct pkcs11_operation *operation, size_t max);
CK_RV pkcs11_input_update(struct pkcs11_call *call, struct pkcs11_operation *operation,
                          struct remote_slice data);
enum remote_rc pkcs11_input_end(struct pkcs11_operation *operation, struct remote_error *err);

/* One part of an application's input. CKR_ARGUMENTS_BAD: bytes were promised at NULL. */
CK_RV pkcs11_operation_slice(const CK_BYTE *data, CK_ULONG len, struct remote_slice *ret);
/*
 * The two-call convention (PKCS#11 3.0 section 5.2). True: *ret_rv is the answer, and either
 * it was a length query or the buffer is too small; *len says what is needed. False: go on.
 */
bool pkcs11_operation_room(size_t need, const CK_BYTE *out, CK_ULONG *len, CK_RV *ret_rv);
/* Hands out a result, by the same convention. */
CK_RV pkcs11_operation_output(const struct remote_buf *result, CK_BYTE *out, CK_ULONG *len);
/*
 * Ends the operation unless the convention keeps it: after CKR_BUFFER_TOO_SMALL, and after a
 * successful length query. Returns rv.
 */
CK_RV pkcs11_operation_end(struct pkcs11_operation *operation, CK_RV rv, bool query);

#endif
