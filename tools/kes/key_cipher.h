/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a KES does with the bytes of a key, here with libcrypto. A ciphertext is
 *
 *     body || tag(16) || iv(16) || nonce(12)
 *
 * under a key of its own: HMAC-SHA256(key, iv) for AES-256-GCM, HChaCha20(key, iv) for
 * ChaCha20-Poly1305; the context is the associated data. Forms of older versions are opened, too.
 *
 * Contexts of libcrypto and random bytes are kept from one call to the next, a set for each thread
 * that is at it at once. What such a context was keyed with last stays in libcrypto's heap until
 * it is used again; remote/local/secret_key.h weighs that.
 *
 * Any thread; inside the guard. Keys have KESD_KEY_LEN bytes.
 */
#ifndef KESD_KEY_CIPHER_H
#define KESD_KEY_CIPHER_H

#include "keys.h"

struct kesd_key_cipher;
enum remote_rc kesd_key_cipher_new(struct kesd_key_cipher **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void kesd_key_cipher_free(struct kesd_key_cipher *cipher); /* NULL is fine */

struct kesd_cipher_key { /* borrowed */
    enum kesd_algorithm algorithm;
    const unsigned char *bytes;
};

/* Appends to *ret. */
enum remote_rc kesd_key_cipher_seal(struct kesd_key_cipher *cipher,
                                    const struct kesd_cipher_key *key, struct remote_slice plain,
                                    struct remote_slice context, struct remote_buf *ret,
                                    struct remote_error *err) REMOTE_MUST_CHECK;
/* The same with KESD_KEY_LEN random bytes. */
enum remote_rc kesd_key_cipher_generate(struct kesd_key_cipher *cipher,
                                        const struct kesd_cipher_key *key,
                                        struct remote_slice context,
                                        struct remote_secret *ret_plain,
                                        struct remote_buf *ret_sealed, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* REMOTE_E_DATA: not authentic, whatever the cause. */
enum remote_rc kesd_key_cipher_open(struct kesd_key_cipher *cipher,
                                    const struct kesd_cipher_key *key, struct remote_slice sealed,
                                    struct remote_slice context, struct remote_secret *ret,
                                    struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc kesd_key_cipher_hmac(struct kesd_key_cipher *cipher, const unsigned char *key,
                                    struct remote_slice message, unsigned char ret[KESD_KEY_LEN],
                                    struct remote_error *err) REMOTE_MUST_CHECK;
/* len: up to 64. */
enum remote_rc kesd_key_cipher_random(struct kesd_key_cipher *cipher, unsigned char *ret,
                                      size_t len, struct remote_error *err) REMOTE_MUST_CHECK;

/* The one sentence for what does not open. */
enum remote_rc kesd_not_authentic(struct remote_error *err);

#endif
