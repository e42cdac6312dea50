/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ciphertexts as older versions of KES made them:
 *
 *     {"aead":..., "id"?, "iv":BASE64 of 16, "nonce":BASE64 of 12, "bytes":BASE64 of body||tag}
 *     msgpack: [str algorithm, str id, bin iv, bin nonce, bin body||tag]
 *
 * The algorithm and the id in them count for nothing: the key's own type decides.
 */
#ifndef KESD_OLD_CIPHERTEXT_H
#define KESD_OLD_CIPHERTEXT_H

#include "remote.h"

/*
 * Brings one into the form of today, body || tag || iv || nonce: appends to *ret. False, and *ret
 * as before: it is neither, and may still be a ciphertext of today, which begins with any byte.
 */
bool kesd_old_ciphertext_read(struct remote_slice sealed, struct remote_buf *ret);

#endif
