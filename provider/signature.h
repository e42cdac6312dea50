/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures (provider-signature(7)). Each of our contexts has one of libcrypto's own behind it, in
 * the private context, of the software key or of the remote key's public half. That one reads and
 * answers all parameters, with the default provider's names, forms, defaults and refusals in every
 * version of OpenSSL, and does all that needs no remote private key: verification, and software
 * keys in whole. What is left for us is one step: signing with a remote key.
 */
#ifndef PROVIDER_SIGNATURE_H
#define PROVIDER_SIGNATURE_H

#include <openssl/evp.h>

#include "key.h"

enum provider_doing {
    PROVIDER_NOTHING, /* before init */
    PROVIDER_SIGN,
    PROVIDER_VERIFY,
    PROVIDER_RECOVER,
    PROVIDER_DIGEST_SIGN,
    PROVIDER_DIGEST_VERIFY
};

struct provider_signature {
    struct provider *provider;
    struct provider_key *key; /* counted */
    enum provider_doing doing;
    EVP_MD_CTX *md;              /* of the DIGEST_ ones, and ctx is then its part; else NULL */
    EVP_PKEY_CTX *ctx;           /* libcrypto's */
    bool remote;                 /* the private step is the service's */
    struct remote_digest digest; /* then, of what is to be signed */
    struct remote_buf expected;  /* of a composite algorithm, to be verified */
};

struct provider_beginning {
    enum provider_doing doing;
    struct provider_key *key;    /* NULL: the one from before */
    const OSSL_PARAM *params;    /* NULL: none */
    const char *md_name;         /* NULL: libcrypto's default, or given by params */
    enum provider_key_type only; /* keys of this type; COUNT: whatever the host comes with */
};

/*
 * ---- signature.c ----
 * Functions for the tables, as provider-signature(7) has them. sign() and verify() take what init
 * has said: a digest or block, or the message.
 */
void *provider_signature_new(void *provider, const char *properties);
void provider_signature_free(void *data);
void *provider_signature_dup(void *data);
int provider_signature_init(void *data, const struct provider_beginning *beginning);
int provider_signature_sign(void *data, unsigned char *out, size_t *ret_len, size_t size,
                            const unsigned char *tbs, size_t tbs_len);
int provider_signature_update(void *data, const unsigned char *part, size_t len);
int provider_signature_sign_final(void *data, unsigned char *out, size_t *ret_len, size_t size);
int provider_signature_verify(void *data, const unsigned char *given, size_t len,
                              const unsigned char *tbs, size_t tbs_len);
int provider_signature_verify_final(void *data, const unsigned char *given, size_t len);
int provider_signature_recover(void *data, unsigned char *out, size_t *ret_len, size_t size,
                               const unsigned char *given, size_t len);
int provider_signature_get_params(void *data, OSSL_PARAM params[]);
int provider_signature_set_params(void *data, const OSSL_PARAM params[]);

/* For the dispatch tables. */
#define PROVIDER_SIGNATURE(id, function)                                                           \
    {                                                                                              \
        OSSL_FUNC_SIGNATURE_##id, (void (*)(void))(function)                                       \
    }

/* ---- signature_remote.c; inside the guard ---- */
/*
 * After init. A digest-sign begins the digest, and fails where the key and its service could
 * not sign it with any padding that may still be chosen: libssl asks so what a key can do
 * (EVP_PKEY_digestsign_supports_digest()).
 */
enum remote_rc provider_signature_begin_remote(struct provider_signature *sig,
                                               const OSSL_PARAM params[], struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Whether a service can honour them; params NULL: yes. Of those that the core has no words for. */
enum remote_rc provider_signature_check_params(const struct remote_key *key,
                                               const OSSL_PARAM params[], struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Signs a digest, block or message as the parameters say. ret: as OpenSSL has it, so ECDSA in
 * DER. */
enum remote_rc provider_signature_remote(struct provider_signature *sig, struct remote_slice input,
                                         struct remote_buf *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
