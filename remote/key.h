/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and what is done with them. A struct remote_key is one version of a named key: read-only
 * once published, counted, and good until released, whatever the cache does meanwhile. It pins
 * its version: no operation ever signs with another one.
 *
 * Every function that uses the service blocks for at most the slot's timeout, holds no lock
 * over the request, and may be called by any number of threads. All of them are called inside
 * the guard (libctx.h).
 */
#ifndef REMOTE_KEY_H
#define REMOTE_KEY_H

#include <stdatomic.h>
#include <stdint.h>

#include "mechanism.h"

struct remote_slot;

struct remote_key {
    atomic_uint refs;
    struct remote_slot *slot; /* borrowed: slots outlive their keys */
    char *name;
    unsigned version; /* counts from 1 in the order they were made */
    char *version_id; /* the service's own word for it; NULL: the number is */
    bool latest;      /* the newest enabled version of its name */
    bool enabled;     /* false: operations are refused at Init */
    bool hardware;    /* the service says that an HSM keeps it */
    enum remote_key_type type;
    unsigned bits;    /* modulus, field or secret size */
    int curve;        /* EC: NID_X9_62_prime256v1, ...; SM4: NID_sm4_ctr or NID_sm4_cbc */
    unsigned uses;    /* REMOTE_USE_*, what the service allows with this key */
    bool public_only; /* nobody signs or opens anything with it through this slot: it verifies */
    bool released;    /* the service gives its bytes out, and it is used here: released.h */
    int64_t created;  /* seconds since 1970; 0: unknown */
    int64_t not_before, not_after; /* of signing and sealing; seconds since 1970; 0: no bound */
    unsigned char id[32]; /* CKA_ID (design: SHA-1 of the subjectPublicKey, or SHA-256 ...) */
    size_t id_len;
    struct remote_buf spki; /* DER SubjectPublicKeyInfo; empty for symmetric keys */
    _Atomic(void *) pkey;   /* EVP_PKEY of spki, made on first local use */
    _Atomic(void *) value;  /* of a released key: struct remote_secret_key, fetched on first use */
    atomic_bool no_batch;   /* the service refused batches for this key */
};

struct remote_key *remote_key_ref(struct remote_key *key);
void remote_key_unref(struct remote_key *key); /* NULL is fine */
/* Whether they are the same version of the same name; both of one slot. */
bool remote_key_same(const struct remote_key *a, const struct remote_key *b);
/* Whether it signs and seals now: enabled, and within its dates. */
bool remote_key_usable(const struct remote_key *key);

struct remote_key_spec { /* of a key to be made */
    enum remote_key_type type;
    unsigned bits; /* modulus, field or secret size */
    int curve;     /* EC: NID; SM4: that of its mode */
    unsigned uses; /* REMOTE_USE_SIGN, _DECRYPT: what for, where the service wants to know; 0: as
                      it suits the type */
};

struct remote_key_list { /* owns one reference to each */
    struct remote_key **keys;
    size_t count, cap;
};
enum remote_rc remote_key_list_add(struct remote_key_list *list, struct remote_key *key,
                                   struct remote_error *err); /* takes its own reference */
void remote_key_list_clear(struct remote_key_list *list);

/* Signature or block size in bytes for length queries: RSA k, EC and SM2 2n, Ed25519 64, HMAC its
 * hash. */
size_t remote_key_output_size(const struct remote_key *key, const struct remote_params *params);
/* The most that encrypting len bytes makes; exact but for REMOTE_ALG_AEAD. */
size_t remote_key_sealed_max(const struct remote_key *key, const struct remote_params *params,
                             size_t len);
/* Largest input of one operation in bytes, e.g. k-11 or the service's limit. */
size_t remote_key_input_max(const struct remote_key *key, const struct remote_params *params,
                            enum remote_use use);

/*
 * Whether this key, its slot's policy and its service can do it: everything that an Init call
 * must know, without a request.
 * REMOTE_E_FORBIDDEN_USE  usage, disabled, dates, policy  REMOTE_E_UNSUPPORTED  no such algorithm
 * REMOTE_E_PARAM          parameters that the service cannot honour
 */
enum remote_rc remote_key_check(const struct remote_key *key, const struct remote_params *params,
                                enum remote_use use, struct remote_error *err) REMOTE_MUST_CHECK;

/*
 * Signs. input: as remote_alg says (digest, block or message). ret_sig: raw r||s or the RSA
 * block, never DER; remote_buf_clear() it.
 * REMOTE_E_UNSUPPORTED, _FORBIDDEN_USE, _PARAM  as remote_key_check()
 * REMOTE_E_LENGTH     the digest does not fit the hash, or the block the key
 * REMOTE_E_RIGHTS     the service's policy refused       REMOTE_E_NOT_FOUND  the key is gone
 * REMOTE_E_AUTH       credentials dead after one re-login
 * REMOTE_E_BUSY, _TIMEOUT, _UNAVAILABLE, _PROTOCOL       the service or the way to it
 */
enum remote_rc remote_key_sign(struct remote_key *key, const struct remote_params *params,
                               struct remote_slice input, struct remote_buf *ret_sig,
                               struct remote_error *err) REMOTE_MUST_CHECK;

/*
 * Verifies here with the public key; HMAC keys ask the service for the MAC and compare in
 * constant time. REMOTE_E_DATA: the signature is wrong. REMOTE_E_LENGTH: its length is.
 */
enum remote_rc remote_key_verify(struct remote_key *key, const struct remote_params *params,
                                 struct remote_slice input, struct remote_slice sig,
                                 struct remote_error *err) REMOTE_MUST_CHECK;

/*
 * RSA encrypts here with the public key; symmetric keys ask the service.
 * ret_out: the ciphertext as remote_alg says.
 */
enum remote_rc remote_key_encrypt(struct remote_key *key, const struct remote_params *params,
                                  struct remote_slice plain, struct remote_buf *ret_out,
                                  struct remote_error *err) REMOTE_MUST_CHECK;

/*
 * Decrypts. If the pinned version fails to open it, other enabled versions of the same key are
 * tried (slot option decrypt_versions). REMOTE_E_DATA whatever the cause: no padding oracle.
 */
enum remote_rc remote_key_decrypt(struct remote_key *key, const struct remote_params *params,
                                  struct remote_slice sealed, struct remote_buf *ret_plain,
                                  struct remote_error *err) REMOTE_MUST_CHECK;

/*
 * What REMOTE_ALG_AEAD sealed, as the service would seal it now, without its content being seen: a
 * quorum makes shares anew for the members that it has. REMOTE_E_UNSUPPORTED: the service has no
 * such operation; else as decrypting and encrypting. ret_out: the new ciphertext.
 */
enum remote_rc remote_key_rewrap(struct remote_key *key, struct remote_slice sealed,
                                 struct remote_buf *ret_out, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
