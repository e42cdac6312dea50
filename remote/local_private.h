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
