/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public-key work done here with libcrypto, always inside the guard: verification, RSA public
 * encryption, digests, and taking public keys and certificates apart for a front end.
 */
#ifndef REMOTE_LOCAL_H
#define REMOTE_LOCAL_H

#include "remote/key.h"

/*
 * Sets type, bits, curve, spki, id and id_len of a key from what a service published.
 * REMOTE_E_PROTOCOL: not a public key, or of a kind we do not serve.
 */
enum remote_rc remote_local_set_spki(struct remote_key *key, struct remote_slice der,
                                     struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc remote_local_set_pem(struct remote_key *key, struct remote_slice pem,
                                    struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc remote_local_set_ed25519(struct remote_key *key, struct remote_slice raw32,
                                        struct remote_error *err) REMOTE_MUST_CHECK;
/* CKA_ID of a secret key: first 20 bytes of SHA-256 over slot, NUL, name, NUL, version: the
 * service's own word for it where there is one. */
enum remote_rc remote_local_set_secret_id(struct remote_key *key, const char *slot,
                                          struct remote_error *err) REMOTE_MUST_CHECK;

/* EVP_PKEY of the key; borrowed, lives as long as the key. */
struct evp_pkey_st *remote_local_pkey(struct remote_key *key, struct remote_error *err);

struct remote_public { /* parts for CKA_MODULUS, CKA_EC_POINT, ...; borrowed from nothing: owned */
    struct remote_buf modulus, exponent; /* RSA, big-endian without leading zeros */
    struct remote_buf ec_params;         /* DER OBJECT IDENTIFIER */
    struct remote_buf ec_point;          /* DER OCTET STRING around the point (Ed25519: 32 bytes) */
};
enum remote_rc remote_local_public(struct remote_key *key, struct remote_public *ret,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
void remote_public_clear(struct remote_public *public);

/*
 * A public key in parts, as PKCS#11 holds them, as a SubjectPublicKeyInfo. ec_point: a DER OCTET
 * STRING, or what is in it. REMOTE_E_DATA: a part is missing or has a length that cannot be;
 * whether they are a key is seen by who reads the result.
 */
struct remote_public_parts {
    enum remote_key_type type;
    struct remote_slice modulus, exponent; /* RSA */
    int curve;                             /* EC: NID */
    unsigned bits;                         /* EC, Ed25519: of the field */
    struct remote_slice ec_point;
};
enum remote_rc remote_local_spki(const struct remote_public_parts *parts, struct remote_buf *ret,
                                 struct remote_error *err) REMOTE_MUST_CHECK;

enum remote_rc remote_local_verify(struct remote_key *key, const struct remote_params *params,
                                   struct remote_slice input, struct remote_slice sig,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc remote_local_encrypt(struct remote_key *key, const struct remote_params *params,
                                    struct remote_slice plain, struct remote_buf *ret_out,
                                    struct remote_error *err) REMOTE_MUST_CHECK;

/*
 * A key pair's private half in parts, as CKA_PRIVATE_EXPONENT and its kind hold them: unsigned
 * big-endian numbers. What the key type does not have stays empty.
 */
struct remote_private {
    enum remote_key_type type;
    struct remote_slice modulus, exponent, private_exponent; /* RSA */
    struct remote_slice prime1, prime2, exponent1, exponent2, coefficient;
    int curve;                 /* EC: NID */
    struct remote_slice value; /* EC: the scalar; Ed25519: 32 bytes of seed */
};
/*
 * The same as PKCS#8 DER (RFC 5208; RFC 8410 for Ed25519), and its size in bits.
 * REMOTE_E_DATA: a part is missing or has a length that cannot be.
 */
enum remote_rc remote_local_pkcs8(const struct remote_private *parts, struct remote_buf *ret,
                                  unsigned *ret_bits, struct remote_error *err) REMOTE_MUST_CHECK;
/*
 * And back: the parts, borrowed from der, and the size. False: not a key pair, or of a kind we do
 * not serve.
 */
bool remote_local_pkcs8_parts(struct remote_slice der, struct remote_private *ret,
                              unsigned *ret_bits);
/* The same without the parts. */
bool remote_local_pkcs8_spec(struct remote_slice der, struct remote_key_spec *ret);
/*
 * A private key file, PEM or DER, in any of libcrypto's forms (PKCS#8, PKCS#1, SEC 1), as PKCS#8
 * DER. REMOTE_E_DATA: none, with a passphrase, or of a kind that is not served.
 */
enum remote_rc remote_local_read_private(struct remote_slice file, struct remote_secret *ret_pkcs8,
                                         struct remote_key_spec *ret_spec, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* The first private key of a PEM text; NULL: none, or one with a passphrase, which is not asked. */
struct evp_pkey_st *remote_local_private_pem(struct remote_slice pem);
/* The curve of a DER OBJECT IDENTIFIER or PrintableString, as CKA_EC_PARAMS has it. */
bool remote_local_ec_params(struct remote_slice ec_params, enum remote_key_type *ret_type,
                            int *ret_curve, unsigned *ret_bits);

/* r||s of fixed width n bytes each <-> DER. REMOTE_E_DATA: malformed or out of range. */
enum remote_rc remote_local_ecdsa_to_der(struct remote_slice rs, struct remote_buf *ret_der,
                                         struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc remote_local_ecdsa_from_der(struct remote_slice der, size_t n,
                                           struct remote_buf *ret_rs, struct remote_error *err)
    REMOTE_MUST_CHECK;

/*
 * Takes a DigestInfo apart (RFC 8017 9.2, both with and without the NULL parameters), strictly:
 * DER, a hash we know, a digest of its length, nothing behind. False: it is not one; the
 * length alone never decides.
 */
bool remote_local_digestinfo(struct remote_slice block, enum remote_hash *ret_hash,
                             struct remote_slice *ret_digest);
/* Puts one together, with the NULL parameters; the digest is of that hash. */
void remote_local_append_digestinfo(struct remote_buf *buf, enum remote_hash hash,
                                    struct remote_slice digest);

/* A running digest; init, update any number of times, final or clear. */
struct remote_digest {
    struct evp_md_ctx_st *ctx;
};
enum remote_rc remote_digest_init(struct remote_digest *digest, enum remote_hash hash,
                                  struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc remote_digest_update(struct remote_digest *digest, struct remote_slice data,
                                    struct remote_error *err) REMOTE_MUST_CHECK;
enum remote_rc remote_digest_final(struct remote_digest *digest, struct remote_buf *ret,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
/* A second one that goes on from here; ret is empty before. */
enum remote_rc remote_digest_copy(const struct remote_digest *digest, struct remote_digest *ret,
                                  struct remote_error *err) REMOTE_MUST_CHECK;
void remote_digest_clear(struct remote_digest *digest);
enum remote_rc remote_local_hash(enum remote_hash hash, struct remote_slice data,
                                 struct remote_buf *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

enum remote_rc remote_local_random(unsigned char *out, size_t len, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* A certificate from the slot's `certificates` or from its service; read-only. */
struct remote_cert {
    struct remote_buf der;
    struct remote_buf subject, issuer, serial; /* DER Name, DER Name, DER INTEGER */
    struct remote_buf spki;
    unsigned char id[20];          /* as the key's CKA_ID */
    char *common_name;             /* or the whole subject in one line; for labels */
    bool ca;                       /* basicConstraints CA */
    int64_t not_before, not_after; /* seconds since 1970 */
};
/* Appends every certificate of a PEM text; *count grows. REMOTE_E_CONFIG names `path`. */
enum remote_rc remote_local_certs(const char *path, struct remote_slice pem,
                                  struct remote_cert ***certs, size_t *count,
                                  struct remote_error *err) REMOTE_MUST_CHECK;
/* One certificate as a service gave it; `name` stands for it in messages. REMOTE_E_PROTOCOL. */
enum remote_rc remote_local_cert(const char *name, struct remote_slice der,
                                 struct remote_cert **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void remote_cert_free(struct remote_cert *cert);

/* PEM of a public key ("-----BEGIN PUBLIC KEY-----"). */
enum remote_rc remote_local_public_pem(struct remote_key *key, struct remote_buf *ret,
                                       struct remote_error *err) REMOTE_MUST_CHECK;

/*
 * A certificate request (PKCS#10, RFC 2986) for a key that signs elsewhere: sign() gets what
 * remote_key_sign() takes, and gives what it gives.
 */
struct remote_csr {
    const char *subject;     /* "/O=Example/CN=web" in this order, or RFC 4514 "CN=web,O=Example" */
    const char *const *sans; /* "DNS:...", "IP:...", "email:..."; NULL-ended, or NULL: none */
    enum remote_hash hash;   /* NONE: what suits the key; Ed25519 takes no other */
    enum remote_rc (*sign)(void *arg, const struct remote_params *params, struct remote_slice input,
                           struct remote_buf *ret_sig, struct remote_error *err);
    void *arg;
};
/*
 * ret_der: the signed request. REMOTE_E_PARAM: the subject, a SAN or the hash is wrong, the text
 * says how. REMOTE_E_UNSUPPORTED: a symmetric key. Else as sign() fails.
 */
enum remote_rc remote_local_csr(struct remote_key *key, const struct remote_csr *csr,
                                struct remote_buf *ret_der, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
