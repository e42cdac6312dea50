/* SPDX-License-Identifier: Apache-2.0 */
/* What the files zama_*.c of wire and verification share and nobody else needs. */
#ifndef REMOTE_ZAMA_PRIVATE_H
#define REMOTE_ZAMA_PRIVATE_H

#include <openssl/ec.h>

#include "zama.h"

#define ZAMA_ECDSA_LEN 64 /* r || s */
#define ZAMA_ED25519_SIGNATURE_LEN 64

/* ---- zama_signature.c; all of it inside the guard ---- */
/* A public key on secp256k1, made for one answer. */
struct zama_key {
    EC_GROUP *group;
    EC_POINT *point;
    BN_CTX *scratch;
};
/* False: no point of the curve (or no memory). zama_key_clear() it either way. */
bool zama_key_init(struct zama_key *key, const uint8_t point[ZAMA_POINT_LEN]);
void zama_key_clear(struct zama_key *key);
bool zama_key_address(const struct zama_key *key, uint8_t ret[ZAMA_ADDRESS_LEN]);

enum zama_verdict {
    ZAMA_RIGHT,
    ZAMA_WRONG,
    ZAMA_HIGH_S, /* r || n-s would be as right: one signature must not have two forms (EIP-2) */
};
/* ret_v: 27 or 28, which of both points with this r was the signer's. */
enum zama_verdict zama_ecdsa_verify(const struct zama_key *key, const uint8_t hash[ZAMA_HASH_LEN],
                                    const uint8_t signature[ZAMA_ECDSA_LEN], uint8_t *ret_v);
bool zama_ed25519_verify(const uint8_t key[ZAMA_ED25519_LEN], struct remote_slice message,
                         const uint8_t signature[ZAMA_ED25519_SIGNATURE_LEN]);

#endif
