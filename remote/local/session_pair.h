/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key pairs of the session, and public keys that an application brings along: both live in this
 * process only, and what is done with them is done by libcrypto, inside the guard. Read-only once
 * made, and counted; any number of threads may use one at once.
 *
 * The private half is kept twice. As PKCS#8 it is a session secret (secret_key.h): in locked pages
 * that stay out of core dumps, and wiped with the last reference. As an EVP_PKEY it is in
 * libcrypto's heap, which wipes it then, too, but which nobody but the whole process can have
 * locked: a page of it may be swapped out, or be in a core dump, as long as the pair lives. So may
 * what libcrypto needs on the way in and out (its decoders, its numbers while it signs), which it
 * wipes when it is done.
 */
#ifndef REMOTE_SESSION_PAIR_H
#define REMOTE_SESSION_PAIR_H

#include "local.h"
#include "secret_key.h"

#define REMOTE_SESSION_RSA_MIN 2048 /* bits of a private key */
#define REMOTE_SESSION_RSA_MAX 4096

struct remote_session_pair {
    atomic_uint refs;
    struct remote_key public;        /* of no slot; it is not counted, but ends with the pair */
    struct remote_secret_key *pkcs8; /* RFC 5208; NULL: the public half alone */
    struct evp_pkey_st *pkey;        /* of both halves; NULL likewise */
};

/* From libcrypto's private DRBG. REMOTE_E_UNSUPPORTED: not a size that is made. */
enum remote_rc remote_session_pair_generate(const struct remote_key_spec *spec,
                                            struct remote_session_pair **ret,
                                            struct remote_error *err) REMOTE_MUST_CHECK;
/*
 * Of a private key in PKCS#8 DER. REMOTE_E_DATA: it is not one, of a kind or size that is not
 * served, or its two halves are not a pair.
 */
enum remote_rc remote_session_pair_private(struct remote_slice pkcs8,
                                           struct remote_session_pair **ret,
                                           struct remote_error *err) REMOTE_MUST_CHECK;
/* The public half alone, from a SubjectPublicKeyInfo. REMOTE_E_DATA: not one that is served. */
enum remote_rc remote_session_pair_public(struct remote_slice spki,
                                          struct remote_session_pair **ret,
                                          struct remote_error *err) REMOTE_MUST_CHECK;
struct remote_session_pair *remote_session_pair_ref(struct remote_session_pair *pair);
void remote_session_pair_unref(struct remote_session_pair *pair); /* NULL is fine */

/* As remote_key_check(): REMOTE_E_UNSUPPORTED, not an algorithm of this type; REMOTE_E_PARAM. */
enum remote_rc remote_session_pair_check(const struct remote_session_pair *pair,
                                         const struct remote_params *params,
                                         struct remote_error *err) REMOTE_MUST_CHECK;
/* As remote_key_input_max() and remote_key_output_size(). */
size_t remote_session_pair_input_max(const struct remote_session_pair *pair,
                                     const struct remote_params *params, enum remote_use use);
size_t remote_session_pair_output_size(const struct remote_session_pair *pair);

/*
 * As remote_key_sign() and its kind, by libcrypto. REMOTE_E_UNSUPPORTED: the public half alone.
 * Verifying and encrypting want a public half only, which libcrypto makes an EVP_PKEY of when it
 * is first used.
 */
enum remote_rc remote_session_pair_sign(struct remote_session_pair *pair,
                                        const struct remote_params *params,
                                        struct remote_slice input, struct remote_buf *ret_sig,
                                        struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc remote_session_pair_verify(struct remote_session_pair *pair,
                                          const struct remote_params *params,
                                          struct remote_slice input, struct remote_slice sig,
                                          struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc remote_session_pair_encrypt(struct remote_session_pair *pair,
                                           const struct remote_params *params,
                                           struct remote_slice plain, struct remote_buf *ret_out,
                                           struct remote_error *err) REMOTE_MUST_CHECK;
/* REMOTE_E_DATA whatever the cause, REMOTE_E_LENGTH only when it is not as long as the modulus. */
enum remote_rc remote_session_pair_decrypt(struct remote_session_pair *pair,
                                           const struct remote_params *params,
                                           struct remote_slice sealed, struct remote_buf *ret_plain,
                                           struct remote_error *err) REMOTE_MUST_CHECK;

#endif
