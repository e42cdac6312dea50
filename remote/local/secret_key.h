/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session keys: secrets that live in this process only, and what is done with them, by
 * libcrypto, inside the guard. The value is in locked pages that stay out of core dumps (locked
 * again in a forked child on first use), is wiped with the last reference, and is never written
 * anywhere. Any number of threads may use one key at once; a running cipher or MAC belongs to
 * one thread at a time.
 *
 * What libcrypto makes of a key (its schedule, the table for GCM) is in libcrypto's heap, which
 * nobody but the whole process can have locked (CRYPTO_set_mem_functions(3) is the host's). While
 * a cipher runs that cannot be helped. Of AES-GCM up to REMOTE_SECRET_KEY_KEPT such contexts stay
 * with the key when their message is done and are wiped with it: setting one up anew costs a third
 * of a message of 16 KiB. Who reads this process's memory gains nothing, since the key itself is in
 * it; what is given up is that a page of that heap may be swapped out, or be in a core dump, also
 * between two messages.
 */
#ifndef REMOTE_SECRET_KEY_H
#define REMOTE_SECRET_KEY_H

#include <stdatomic.h>

#include "local.h"

#define REMOTE_SECRET_KEY_MAX 4096 /* bytes */
#define REMOTE_SECRET_KEY_KEPT 8   /* threads that use one key at once and find a context */

struct remote_secret_key {
    atomic_uint refs;
    enum remote_key_type type; /* AES (16, 24, 32 bytes), CHACHA20 (32), GENERIC (1..MAX) */
    struct remote_secret value;
    atomic_uint locked_generation; /* fork generation that has the pages locked */
    /* for cipher.c: keyed for AES-GCM, in use by nobody; NULL: none */
    _Atomic(struct evp_cipher_ctx_st *) kept[REMOTE_SECRET_KEY_KEPT];
};

/* REMOTE_E_LENGTH: not a length of this type. ret: one reference. */
enum remote_rc remote_secret_key_new(enum remote_key_type type, struct remote_slice value,
                                     struct remote_secret_key **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* From libcrypto's private DRBG. */
enum remote_rc remote_secret_key_generate(enum remote_key_type type, size_t len,
                                          struct remote_secret_key **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
struct remote_secret_key *remote_secret_key_ref(struct remote_secret_key *key);
void remote_secret_key_unref(struct remote_secret_key *key); /* NULL is fine */
/* The value, borrowed; every use goes through it: it locks the pages again in a forked child. */
struct remote_slice remote_secret_key_value(struct remote_secret_key *key);

enum remote_cipher {
    REMOTE_CIPHER_AES_ECB,
    REMOTE_CIPHER_AES_CBC,
    REMOTE_CIPHER_AES_CBC_PAD,
    REMOTE_CIPHER_AES_CTR,
    REMOTE_CIPHER_AES_GCM,
    REMOTE_CIPHER_CHACHA20_POLY1305,
    REMOTE_CIPHER_AES_KEY_WRAP,     /* RFC 3394; one call with everything */
    REMOTE_CIPHER_AES_KEY_WRAP_KWP, /* RFC 5649; one call with everything */
    REMOTE_CIPHER_COUNT
};

/* Of an algorithm for which there is one. */
extern const enum remote_cipher remote_cipher_of[REMOTE_ALG_COUNT];

struct remote_cipher_params { /* plain data; slices are borrowed until init returns */
    enum remote_cipher cipher;
    struct remote_slice iv;  /* ECB: empty; CTR: the whole 16-byte counter block; KW: empty or its
                                8 (KWP 4) byte initial value */
    unsigned counter_bits;   /* CTR: 1..128; more blocks than that are REMOTE_E_LENGTH */
    struct remote_slice aad; /* GCM, ChaCha20-Poly1305 */
    size_t tag_len;          /* bytes: GCM 4, 8, 12..16; ChaCha20-Poly1305 16 */
};

/* A running encryption or decryption. Zeroed at first; clear() in any state. */
struct remote_cipher_run {
    struct evp_cipher_ctx_st *ctx;
    struct remote_secret_key *keeper; /* counted; it keeps ctx when all went well, or NULL */
    struct remote_cipher_params params;
    bool encrypt;
    struct remote_buf held; /* AEAD decryption: nothing is released before the tag was checked;
                               key wrap: the input so far */
    uint64_t taken, limit;  /* bytes of input so far, and before a counter would wrap */
};
/*
 * REMOTE_E_PARAM: iv, counter or tag length that the cipher does not have, or aad without a tag.
 * REMOTE_E_UNSUPPORTED: a key of another type. On failure the run is as it was.
 */
enum remote_rc remote_cipher_init(struct remote_cipher_run *run, struct remote_secret_key *key,
                                  const struct remote_cipher_params *params, bool encrypt,
                                  struct remote_error *err) REMOTE_MUST_CHECK;
/* Appends what comes out to *out. */
enum remote_rc remote_cipher_update(struct remote_cipher_run *run, struct remote_slice in,
                                    struct remote_buf *out, struct remote_error *err)
    REMOTE_MUST_CHECK;
/*
 * Appends the rest; an AEAD's tag stands behind its ciphertext in both directions.
 * REMOTE_E_LENGTH: not whole blocks. REMOTE_E_DATA: padding or tag is wrong, one text for both.
 * Whatever the result, the run is over and as cleared.
 */
enum remote_rc remote_cipher_final(struct remote_cipher_run *run, struct remote_buf *out,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
/*
 * All of the input and its end in one call instead of update and final, without copies on the
 * way. to: room for output_max(run, in.len, true); the same place as in, or apart from it. On
 * failure that room is wiped: only while a tag is being checked does it hold what the tag does
 * not vouch for yet. REMOTE_E_USAGE: input was taken already, or `to` is NULL. Any other result
 * ends the run.
 */
enum remote_rc remote_cipher_whole(struct remote_cipher_run *run, struct remote_slice in,
                                   unsigned char *to, size_t *ret_len, struct remote_error *err)
    REMOTE_MUST_CHECK;
void remote_cipher_clear(struct remote_cipher_run *run);
/* Largest output of an update (final false) or of the end (final true) for len more bytes. */
size_t remote_cipher_output_max(const struct remote_cipher_run *run, size_t len, bool final);

/* A running HMAC (GENERIC keys). */
struct remote_mac_run {
    struct evp_mac_ctx_st *ctx;
};
enum remote_rc remote_mac_init(struct remote_mac_run *run, struct remote_secret_key *key,
                               enum remote_hash hash, struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc remote_mac_update(struct remote_mac_run *run, struct remote_slice in,
                                 struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc remote_mac_final(struct remote_mac_run *run, struct remote_buf *ret,
                                struct remote_error *err) REMOTE_MUST_CHECK;
void remote_mac_clear(struct remote_mac_run *run);

/* HMAC with a key that is no object of its own: a credential that signs requests. */
enum remote_rc remote_mac_once(enum remote_hash hash, struct remote_slice key,
                               struct remote_slice data, struct remote_buf *ret,
                               struct remote_error *err) REMOTE_MUST_CHECK;

/* First 3 bytes of the encryption of a zero block (AES) or of SHA-1 (others): CKA_CHECK_VALUE. */
enum remote_rc remote_secret_key_check_value(struct remote_secret_key *key, unsigned char ret[3],
                                             struct remote_error *err) REMOTE_MUST_CHECK;

#endif
