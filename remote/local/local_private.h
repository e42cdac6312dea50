/* SPDX-License-Identifier: Apache-2.0 */
/* What the files local*.c share and nobody else needs. */
#ifndef REMOTE_LOCAL_PRIVATE_H
#define REMOTE_LOCAL_PRIVATE_H

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "local.h"

/* Fetched once from the private context and kept; NULL: not there. */
const EVP_MD *remote_local_md(enum remote_hash hash);

/* The AlgorithmIdentifier's OID and parameters, and the key itself. False: not an SPKI. */
struct remote_spki_parts {
    struct remote_slice oid;    /* content */
    struct remote_slice params; /* whatever follows the OID */
    struct remote_slice bits;   /* content of subjectPublicKey */
};
bool remote_local_split_spki(struct remote_slice der, struct remote_spki_parts *ret);

/* CKA_ID of design section 4: SHA-1 over parts.bits. */
enum remote_rc remote_local_bits_id(struct remote_slice bits, unsigned char ret_id[20],
                                    struct remote_error *err) REMOTE_MUST_CHECK;

/* Moves what was built into *ret, unless building ran out of memory; *built is then empty. */
enum remote_rc remote_local_give(struct remote_buf *built, struct remote_buf *ret,
                                 struct remote_error *err) REMOTE_MUST_CHECK;

/* Where the padding is made of hashes, both must be named. REMOTE_E_PARAM. */
enum remote_rc remote_local_check_hashes(const struct remote_params *params,
                                         struct remote_error *err) REMOTE_MUST_CHECK;
/* Sets an RSA padding with all that belongs to it, after EVP_PKEY_xxx_init(). */
bool remote_local_set_padding(EVP_PKEY_CTX *ctx, const struct remote_params *params);

/* A private key as PKCS#8 DER. */
enum remote_rc remote_local_write_pkcs8(EVP_PKEY *pkey, struct remote_secret *ret,
                                        struct remote_error *err) REMOTE_MUST_CHECK;

/* The AlgorithmIdentifier of a key of this type; curve: NID, of EC. */
void remote_local_append_algorithm(struct remote_buf *buf, enum remote_key_type type, int curve);

/* Adds what a typed subject says to an empty name; see struct remote_csr. */
enum remote_rc remote_local_subject(const char *text, X509_NAME *name, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* For CLEANUP() */
static inline void remote_local_free_ctx(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

static inline void remote_local_free_bio(BIO **bio)
{
    BIO_free(*bio);
}

#endif
