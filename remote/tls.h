/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS side of a slot: trust store, client certificate and key, parsed once and kept, and
 * the settings that undo whatever the host's openssl.cnf put into a fresh SSL_CTX.
 */
#ifndef REMOTE_TLS_H
#define REMOTE_TLS_H

#include "config.h"
#include "file.h"
#include "fork.h"

struct x509_store_st;
struct evp_pkey_st;
struct ssl_ctx_st;

struct remote_tls {
    struct remote_lock lock; /* REMOTE_LOCK_POOL: files are read again when they change */
    struct remote_kept_file ca, cert, key;
    struct x509_store_st *store;
    struct stack_st_X509 *chain; /* the client's certificate and its issuers */
    struct evp_pkey_st *pkey;
    int64_t checked_ms; /* when the files were last looked at */
    bool unusable;      /* kept files parsed once, the new ones do not: said once */
};

/* Reads ca_file, client_cert_file and client_key_file; the system's bundle without ca_file. */
enum remote_rc remote_tls_open(struct remote_tls *tls, const struct remote_section *section,
                               struct remote_error *err) REMOTE_MUST_CHECK;
void remote_tls_close(struct remote_tls *tls);
bool remote_tls_has_client(const struct remote_tls *tls);
/* For CURLOPT_SSL_CTX_FUNCTION. False: libcrypto refused. */
bool remote_tls_apply(struct remote_tls *tls, struct ssl_ctx_st *ctx);

#endif
