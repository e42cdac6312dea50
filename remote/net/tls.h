/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS side of a slot: trust store, client certificate and key, parsed once and kept, and
 * the settings that undo whatever the host's openssl.cnf put into a fresh SSL_CTX.
 */
#ifndef REMOTE_TLS_H
#define REMOTE_TLS_H

#include <stdatomic.h>

#include "remote/config/config.h"
#include "remote/file.h"
#include "remote/fork.h"

struct x509_store_st;
struct x509_st;
struct evp_pkey_st;
struct ssl_ctx_st;

struct remote_core;

struct remote_tls {
    struct remote_lock lock; /* REMOTE_LOCK_POOL: files are read again when they change */
    struct remote_kept_file ca, cert, key;
    struct remote_core *core; /* borrowed */
    const char *key_uri;      /* the client's key is another slot's; borrowed. NULL: in a file */
    struct x509_store_st *store;
    struct stack_st_X509 *chain; /* the client's certificate and its issuers */
    struct evp_pkey_st *pkey;    /* of key_uri: NULL until a handshake wants it */
    int64_t checked_ms;          /* when the files were last looked at */
    atomic_bool credential;      /* certificate and key are for remote_tls_client() alone */
    bool unusable;               /* kept files parsed once, the new ones do not: said once */
    atomic_uint client_serial;   /* how often remote_tls_set_client() changed the client */
};

/*
 * Reads ca_file, client_cert_file and client_key_file; the system's bundle without ca_file. core:
 * where a client_key_file that is a URI is looked up, later.
 */
enum remote_rc remote_tls_open(struct remote_tls *tls, const struct remote_section *section,
                               struct remote_core *core, struct remote_error *err)
    REMOTE_MUST_CHECK;
void remote_tls_close(struct remote_tls *tls);
bool remote_tls_has_client(const struct remote_tls *tls);
bool remote_tls_is_open(const struct remote_tls *tls);
/*
 * The client's certificate and key as they are now, for a credential made of them; one reference
 * to each. False: there are none. From then on they are that credential, and no handshake shows
 * them: a server that asks for a certificate means another one.
 */
bool remote_tls_client(struct remote_tls *tls, struct x509_st **ret_cert,
                       struct evp_pkey_st **ret_pkey);
/*
 * A client certificate that was made here, not read from files; takes references of its own.
 * Nothing is sent any more over connections that were made with an earlier one. The slot's TLS is
 * open.
 */
enum remote_rc remote_tls_set_client(struct remote_tls *tls, struct x509_st *cert,
                                     struct evp_pkey_st *pkey, struct remote_error *err)
    REMOTE_MUST_CHECK;
unsigned remote_tls_client_serial(const struct remote_tls *tls);
/* For CURLOPT_SSL_CTX_FUNCTION. False: libcrypto refused, or the client's key is not to be had. */
bool remote_tls_apply(struct remote_tls *tls, struct ssl_ctx_st *ctx);

#endif
