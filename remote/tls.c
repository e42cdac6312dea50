/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "local.h"
#include "log.h"

/* Where Debian, Fedora and Alpine keep the system's bundle; used without ca_file. It is read
 * when the slot is opened, since a chroot or another uid may not reach it later. */
static const char *const system_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
};

#define CHECK_FILES_MS 1000

/* ---- reading ---- */

static X509_STORE *read_store(struct remote_slice pem)
{
    X509_STORE *store = X509_STORE_new();
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    X509 *cert;
    int count = 0;

    while (store != NULL && bio != NULL &&
           (cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
        count += X509_STORE_add_cert(store, cert);
        X509_free(cert);
    }
    BIO_free(bio);
    if (count == 0) {
        X509_STORE_free(store);
        store = NULL;
    }
    ERR_clear_error(); /* the end of a PEM file is an error entry */
    return store;
}

static STACK_OF(X509) * read_chain(struct remote_slice pem)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    X509 *cert;

    while (chain != NULL && bio != NULL &&
           (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        if (sk_X509_push(chain, cert) == 0)
            X509_free(cert);
    }
    BIO_free(bio);
    if (sk_X509_num(chain) <= 0) {
        sk_X509_free(chain);
        chain = NULL;
    }
    ERR_clear_error();
    return chain;
}

static void chain_free(STACK_OF(X509) * chain)
{
    sk_X509_pop_free(chain, X509_free);
}

/* Parses what is kept. On failure the earlier parse stays. */
static const char *parse_store(struct remote_tls *tls)
{
    X509_STORE *store;

    if (tls->ca.path == NULL)
        return "ca_file is missing and the system has no bundle of CA certificates";
    store = read_store(remote_secret_slice(&tls->ca.bytes));
    if (store == NULL)
        return "no certificate in it; it must hold PEM CA certificates";
    X509_STORE_free(tls->store);
    tls->store = store;
    return NULL;
}

static const char *parse_client(struct remote_tls *tls)
{
    STACK_OF(X509) *chain = read_chain(remote_secret_slice(&tls->cert.bytes));
    EVP_PKEY *pkey = remote_local_private_pem(remote_secret_slice(&tls->key.bytes));
    const char *fault = NULL;

    if (chain == NULL)
        fault = "no certificate in client_cert_file; it must hold PEM certificates";
    else if (pkey == NULL)
        fault = "no usable key in client_key_file; it must hold a PEM private key without a "
                "passphrase";
    else if (X509_check_private_key(sk_X509_value(chain, 0), pkey) != 1)
        fault = "client_key_file is not the key of the first certificate in client_cert_file";
    if (fault != NULL) {
        ERR_clear_error();
        chain_free(chain);
        EVP_PKEY_free(pkey);
        return fault;
    }
    chain_free(tls->chain);
    EVP_PKEY_free(tls->pkey);
    tls->chain = chain;
    tls->pkey = pkey;
    return NULL;
}

/* ---- open and close ---- */

static enum remote_rc open_file(const struct remote_section *section, const char *option,
                                enum remote_file_kind kind, struct remote_kept_file *file,
                                struct remote_error *err)
{
    const char *path = remote_section_text(section, option, "");
    struct remote_error why = { 0 };

    if (remote_kept_file_open(file, path, kind, &why) == REMOTE_OK)
        return REMOTE_OK;
    return remote_section_fail(section, option, err, "%s", why.text);
}

static enum remote_rc open_ca(struct remote_tls *tls, const struct remote_section *section,
                              struct remote_error *err)
{
    const char *path = remote_section_text(section, "ca_file", NULL);
    const char *fault;

    if (path != NULL) {
        REMOTE_TRY(open_file(section, "ca_file", REMOTE_FILE_PUBLIC, &tls->ca, err));
    } else {
        struct remote_error ignored = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(system_bundles) && tls->ca.path == NULL; i++)
            if (remote_kept_file_open(&tls->ca, system_bundles[i], REMOTE_FILE_PUBLIC, &ignored) !=
                REMOTE_OK)
                remote_kept_file_close(&tls->ca);
    }
    fault = parse_store(tls);
    if (fault != NULL)
        return remote_section_fail(section, "ca_file", err, "%s: %s",
                                   tls->ca.path ? tls->ca.path : "(none)", fault);
    return REMOTE_OK;
}

static enum remote_rc open_client(struct remote_tls *tls, const struct remote_section *section,
                                  struct remote_error *err)
{
    const char *cert = remote_section_text(section, "client_cert_file", NULL);
    const char *key = remote_section_text(section, "client_key_file", NULL);
    const char *fault;

    if (cert == NULL && key == NULL)
        return REMOTE_OK;
    if (cert == NULL || key == NULL)
        return remote_section_fail(section, cert ? "client_key_file" : "client_cert_file", err,
                                   "missing; a client certificate needs both files");
    REMOTE_TRY(open_file(section, "client_cert_file", REMOTE_FILE_PUBLIC, &tls->cert, err));
    REMOTE_TRY(open_file(section, "client_key_file", REMOTE_FILE_SECRET, &tls->key, err));
    fault = parse_client(tls);
    if (fault != NULL)
        return remote_section_fail(section, "client_cert_file", err, "%s", fault);
    return REMOTE_OK;
}

enum remote_rc remote_tls_open(struct remote_tls *tls, const struct remote_section *section,
                               struct remote_error *err)
{
    remote_lock_init(&tls->lock, REMOTE_LOCK_POOL);
    tls->checked_ms = remote_now_ms();
    REMOTE_TRY(open_ca(tls, section, err));
    return open_client(tls, section, err);
}

void remote_tls_close(struct remote_tls *tls)
{
    if (tls->checked_ms == 0)
        return; /* never opened */
    X509_STORE_free(tls->store);
    chain_free(tls->chain);
    EVP_PKEY_free(tls->pkey);
    remote_kept_file_close(&tls->ca);
    remote_kept_file_close(&tls->cert);
    remote_kept_file_close(&tls->key);
    remote_lock_destroy(&tls->lock);
    memset(tls, 0, sizeof(*tls));
}

bool remote_tls_has_client(const struct remote_tls *tls)
{
    return tls->pkey != NULL;
}

/* ---- use ---- */

static void refresh(struct remote_tls *tls)
{
    int64_t now = remote_now_ms();
    const char *fault = NULL;
    bool cert, key;

    if (now - tls->checked_ms < CHECK_FILES_MS)
        return;
    tls->checked_ms = now;
    if (remote_kept_file_refresh(&tls->ca))
        fault = parse_store(tls);
    cert = tls->cert.path != NULL && remote_kept_file_refresh(&tls->cert);
    key = tls->key.path != NULL && remote_kept_file_refresh(&tls->key);
    if (cert || key) { /* certificate and key are replaced one after the other: a mismatch heals */
        const char *client = parse_client(tls);

        fault = fault ? fault : client;
    }
    if (fault != NULL && !tls->unusable)
        remote_log(REMOTE_LOG_WARNING, "%s: changed, but %s; the earlier one stays in use",
                   tls->cert.path ? tls->cert.path : tls->ca.path, fault);
    tls->unusable = fault != NULL;
}

/* The host's openssl.cnf reaches SSL_CTX_new() even under a private library context, so every
 * setting that it could have touched is set again. */
static bool undo_host_settings(SSL_CTX *ctx)
{
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_clear_options(ctx, SSL_CTX_get_options(ctx));
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_keylog_callback(ctx, NULL);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, 0) == 1 &&
           SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:"
                                        "!aNULL:!PSK") == 1 &&
           SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                         "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
           SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384:P-521") == 1 &&
           SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:"
                                          "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
                                          "RSA+SHA256:RSA+SHA384:RSA+SHA512") == 1;
}

static bool use_client(const struct remote_tls *tls, SSL_CTX *ctx)
{
    if (SSL_CTX_use_certificate(ctx, sk_X509_value(tls->chain, 0)) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, tls->pkey) != 1)
        return false;
    for (int i = 1; i < sk_X509_num(tls->chain); i++)
        if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(tls->chain, i)) != 1)
            return false;
    return true;
}

bool remote_tls_apply(struct remote_tls *tls, SSL_CTX *ctx)
{
    bool done;

    remote_lock_acquire(&tls->lock);
    refresh(tls);
    SSL_CTX_set1_cert_store(ctx, tls->store);
    done = undo_host_settings(ctx) && (tls->pkey == NULL || use_client(tls, ctx));
    remote_lock_release(&tls->lock);
    return done;
}
