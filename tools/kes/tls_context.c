/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_context.h"

#include <time.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls_client.h"

/* TLS 1.2: forward secrecy and authenticated encryption only; what 1.3 has is that anyway. */
#define SUITES_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384:P-521"
#define SIGNATURES                                                                                 \
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:RSA-PSS+SHA256:RSA-PSS+SHA384:"                \
    "RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512"

static enum remote_rc fail(const struct remote_kept_file *file, const char *what,
                           struct remote_error *err)
{
    (void)remote_crypto_fail(err, what);
    remote_error_prefix(err, "%s", file->path);
    err->rc = REMOTE_E_CONFIG;
    return REMOTE_E_CONFIG;
}

static BIO *open_bytes(const struct remote_kept_file *file)
{
    return BIO_new_mem_buf(file->bytes.data, (int)file->bytes.len);
}

/* ---- our own certificate ---- */

static enum remote_rc check_own(const struct remote_kept_file *file, const X509 *cert,
                                int64_t *ret_expiry, struct remote_error *err)
{
    struct tm end;

    if (X509_get_ext_by_NID(cert, NID_subject_alt_name, -1) < 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "%s: the certificate has no subject alternative name, and clients "
                           "accept none without",
                           file->path);
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &end) != 1)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s: the certificate has no date of its end",
                           file->path);
    *ret_expiry = timegm(&end);
    return REMOTE_OK;
}

/* The first certificate is ours, the others are its chain. */
static enum remote_rc use_chain(SSL_CTX *ctx, const struct remote_kept_file *file, BIO *bio,
                                int64_t *ret_expiry, struct remote_error *err)
{
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    enum remote_rc rc;

    if (cert == NULL)
        return fail(file, "not a certificate in PEM", err);
    rc = check_own(file, cert, ret_expiry, err);
    if (rc == REMOTE_OK && SSL_CTX_use_certificate(ctx, cert) != 1)
        rc = fail(file, "the certificate cannot be used", err);
    X509_free(cert);
    while (rc == REMOTE_OK && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(ctx, cert) != 1) {
            X509_free(cert);
            rc = fail(file, "the chain cannot be used", err);
        }
    }
    ERR_clear_error(); /* the end of a PEM file is an error entry */
    return rc;
}

static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return -1; /* and nobody is asked at a terminal */
}

static enum remote_rc use_key(SSL_CTX *ctx, const struct kesd_tls_files *files,
                              struct remote_error *err)
{
    BIO *bio = open_bytes(&files->key);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey_ex(bio, NULL, no_password, NULL,
                                                             remote_libctx(), NULL)
                                : NULL;
    enum remote_rc rc = REMOTE_OK;

    BIO_free(bio);
    if (key == NULL)
        return fail(&files->key, "not a private key in PEM without a password", err);
    if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
        (void)fail(&files->key, "not the key of the certificate", err);
        remote_error_prefix(err, "%s", files->cert.path);
        rc = REMOTE_E_CONFIG;
    }
    EVP_PKEY_free(key);
    return rc;
}

static enum remote_rc use_own(SSL_CTX *ctx, const struct kesd_tls_files *files, int64_t *ret_expiry,
                              struct remote_error *err)
{
    BIO *bio = open_bytes(&files->cert);
    enum remote_rc rc;

    if (bio == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    rc = use_chain(ctx, &files->cert, bio, ret_expiry, err);
    BIO_free(bio);
    if (rc == REMOTE_OK)
        rc = use_key(ctx, files, err);
    return rc;
}

/* ---- certificates of clients ---- */

/* Instead of libcrypto's: whoever holds the key is who the key says, without any authority. */
static int accept_any(X509_STORE_CTX *store, void *refuses_expired)
{
    const STACK_OF(X509) *certs = X509_STORE_CTX_get0_untrusted(store);

    for (int i = 0; refuses_expired != NULL && i < sk_X509_num(certs); i++) {
        const X509 *cert = sk_X509_value(certs, i);

        if (kesd_tls_is_client(cert) && X509_cmp_current_time(X509_get0_notAfter(cert)) < 0) {
            X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_HAS_EXPIRED);
            return 0;
        }
    }
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static enum remote_rc use_authorities(SSL_CTX *ctx, const struct remote_kept_file *file,
                                      struct remote_error *err)
{
    BIO *bio = open_bytes(file);
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    X509 *cert;
    int count = 0;

    while (bio != NULL && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        count += X509_STORE_add_cert(store, cert);
        X509_free(cert);
    }
    BIO_free(bio);
    if (count == 0)
        return fail(file, "not certificates in PEM", err);
    ERR_clear_error();
    return REMOTE_OK;
}

static enum remote_rc ask_clients(SSL_CTX *ctx, const struct kesd_tls_files *files,
                                  struct remote_error *err)
{
    static int yes;

    SSL_CTX_set_verify(ctx,
                       SSL_VERIFY_PEER | (files->asks_only ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
                       NULL);
    if (files->ca.path != NULL)
        return use_authorities(ctx, &files->ca, err);
    SSL_CTX_set_cert_verify_callback(ctx, accept_any, files->refuses_expired ? &yes : NULL);
    return REMOTE_OK;
}

/* ---- the context ---- */

/* RFC 7301. Who offers HTTP/2 gets it; who offers nothing speaks HTTP/1.1. */
static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                           const unsigned char *offered, unsigned len, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    unsigned char *chosen;

    (void)ssl, (void)arg;
    if (SSL_select_next_proto(&chosen, ret_len, ours, sizeof(ours) - 1, offered, len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* openssl.cnf reaches SSL_CTX_new() even under a private library context: all that it could have
 * touched is set again. */
static bool set_algorithms(SSL_CTX *ctx)
{
    SSL_CTX_clear_options(ctx, SSL_CTX_get_options(ctx));
    SSL_CTX_set_security_level(ctx, 2);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, 0) == 1 &&
           SSL_CTX_set_cipher_list(ctx, SUITES_12) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, SUITES_13) == 1 &&
           SSL_CTX_set1_groups_list(ctx, GROUPS) == 1 &&
           SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES) == 1;
}

/* No session is resumed: a ticket has not the whole chain that an identity is taken from, and
 * connections live long. */
static void set_rules(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1); /* a record is read by one system call, not by two */
    SSL_CTX_set_keylog_callback(ctx, NULL);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
}

enum remote_rc kesd_tls_context(const struct kesd_tls_files *files, SSL_CTX **ret,
                                int64_t *ret_expiry, struct remote_error *err)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(remote_libctx(), NULL, TLS_server_method());
    int64_t expiry = 0;
    enum remote_rc rc;

    if (ctx == NULL)
        return remote_crypto_fail(err, "cannot make a TLS context");
    if (set_algorithms(ctx))
        rc = use_own(ctx, files, &expiry, err);
    else
        rc = remote_crypto_fail(err, "cannot choose the algorithms of TLS");
    set_rules(ctx);
    if (rc == REMOTE_OK)
        rc = ask_clients(ctx, files, err);
    if (rc != REMOTE_OK) {
        SSL_CTX_free(ctx);
        return rc;
    }
    *ret = ctx;
    *ret_expiry = expiry;
    return REMOTE_OK;
}
