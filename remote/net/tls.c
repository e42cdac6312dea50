/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "remote/config/uri.h"
#include "remote/local/local.h"
#include "remote/log.h"
#include "tls_key.h"

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

/* NULL: the certificate and the key are there, and belong together. */
static const char *check_client(const STACK_OF(X509) * chain, const EVP_PKEY *pkey)
{
    if (chain == NULL)
        return "no certificate in client_cert_file; it must hold PEM certificates";
    if (pkey == NULL)
        return "no usable key in client_key_file; it must hold a PEM private key without a "
               "passphrase";
    if (X509_check_private_key(sk_X509_value(chain, 0), pkey) != 1)
        return "client_key_file is not the key of the first certificate in client_cert_file";
    return NULL;
}

/* A key of another slot is looked up anew for another certificate. */
static const char *parse_client(struct remote_tls *tls)
{
    STACK_OF(X509) *chain = read_chain(remote_secret_slice(&tls->cert.bytes));
    EVP_PKEY *pkey = NULL;
    const char *fault;

    if (tls->key_uri == NULL)
        pkey = remote_local_private_pem(remote_secret_slice(&tls->key.bytes));
    fault = tls->key_uri != NULL && chain != NULL ? NULL : check_client(chain, pkey);
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
    if (remote_uri_is(key))
        tls->key_uri = key;
    else
        REMOTE_TRY(open_file(section, "client_key_file", REMOTE_FILE_SECRET, &tls->key, err));
    fault = parse_client(tls);
    if (fault != NULL)
        return remote_section_fail(section, "client_cert_file", err, "%s", fault);
    return REMOTE_OK;
}

enum remote_rc remote_tls_open(struct remote_tls *tls, const struct remote_section *section,
                               struct remote_core *core, struct remote_error *err)
{
    remote_lock_init(&tls->lock, REMOTE_LOCK_POOL);
    tls->core = core;
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
    return tls->pkey != NULL || tls->key_uri != NULL;
}

bool remote_tls_is_open(const struct remote_tls *tls)
{
    return tls->checked_ms != 0;
}

enum remote_rc remote_tls_set_client(struct remote_tls *tls, X509 *cert, EVP_PKEY *pkey,
                                     struct remote_error *err)
{
    STACK_OF(X509) *chain = sk_X509_new_null();

    if (chain == NULL || sk_X509_push(chain, cert) == 0) {
        sk_X509_free(chain);
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    X509_up_ref(cert);
    EVP_PKEY_up_ref(pkey);
    remote_lock_acquire(&tls->lock);
    chain_free(tls->chain);
    EVP_PKEY_free(tls->pkey);
    tls->chain = chain;
    tls->pkey = pkey;
    atomic_fetch_add(&tls->client_serial, 1);
    remote_lock_release(&tls->lock);
    return REMOTE_OK;
}

unsigned remote_tls_client_serial(const struct remote_tls *tls)
{
    return atomic_load(&tls->client_serial);
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

/* The certificate for which the client's key is still to be found; one reference, or NULL. */
static X509 *cert_without_key(struct remote_tls *tls)
{
    X509 *cert = NULL;

    remote_lock_acquire(&tls->lock);
    refresh(tls);
    if (tls->key_uri != NULL && tls->pkey == NULL) {
        cert = sk_X509_value(tls->chain, 0);
        X509_up_ref(cert);
    }
    remote_lock_release(&tls->lock);
    return cert;
}

/* Several threads may look it up at first; one of the results stays. */
static bool obtain_key(struct remote_tls *tls)
{
    X509 *cert = cert_without_key(tls);
    struct remote_error err = { 0 };
    EVP_PKEY *pkey = NULL;

    if (cert == NULL)
        return true;
    if (remote_tls_key_find(tls->core, tls->key_uri, cert, &pkey, &err) != REMOTE_OK)
        remote_log(REMOTE_LOG_WARNING, "%s", err.text);
    remote_lock_acquire(&tls->lock);
    if (pkey != NULL && tls->pkey == NULL && sk_X509_value(tls->chain, 0) == cert) {
        tls->pkey = pkey;
        pkey = NULL;
    }
    remote_lock_release(&tls->lock);
    EVP_PKEY_free(pkey);
    X509_free(cert);
    return err.rc == REMOTE_OK;
}

bool remote_tls_apply(struct remote_tls *tls, SSL_CTX *ctx)
{
    bool done;

    if (!obtain_key(tls))
        return false;
    remote_lock_acquire(&tls->lock);
    SSL_CTX_set1_cert_store(ctx, tls->store);
    done = undo_host_settings(ctx) &&
           (tls->pkey == NULL || atomic_load(&tls->credential) || use_client(tls, ctx));
    remote_lock_release(&tls->lock);
    return done;
}

bool remote_tls_client(struct remote_tls *tls, X509 **ret_cert, EVP_PKEY **ret_pkey)
{
    bool has;

    if (!remote_tls_is_open(tls))
        return false;
    atomic_store(&tls->credential, true);
    remote_lock_acquire(&tls->lock);
    refresh(tls);
    has = tls->pkey != NULL;
    if (has) {
        X509_up_ref(sk_X509_value(tls->chain, 0));
        EVP_PKEY_up_ref(tls->pkey);
        *ret_cert = sk_X509_value(tls->chain, 0);
        *ret_pkey = tls->pkey;
    }
    remote_lock_release(&tls->lock);
    return has;
}
