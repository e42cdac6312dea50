/* SPDX-License-Identifier: Apache-2.0 */
/* TLS between two ends in one thread, for tests of the OpenSSL provider. */
#ifndef TESTS_PROVIDER_TLS_H
#define TESTS_PROVIDER_TLS_H

#include <stdio.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "provider_host.h"

/* Self-signed, by the key itself. */
static inline X509 *tls_cert(EVP_PKEY *pkey, OSSL_LIB_CTX *ctx, const char *md_name)
{
    X509 *x509 = X509_new_ex(ctx, NULL);
    X509_NAME *name = X509_get_subject_name(x509);
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"tls", -1, -1, 0);
    X509_set_issuer_name(x509, name);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    assert_int_equal(X509_set_pubkey(x509, pkey), 1);
    assert_int_equal(EVP_DigestSignInit_ex(md, NULL, md_name, ctx, NULL, pkey, NULL), 1);
    assert_true(X509_sign_ctx(x509, md) > 0);
    EVP_MD_CTX_free(md);
    return x509;
}

struct tls_case {
    int version;
    const char *ciphers; /* TLS 1.2; NULL: libssl's */
    bool client_cert;
};

static inline SSL_CTX *tls_ctx(OSSL_LIB_CTX *ctx, const SSL_METHOD *method,
                               const struct tls_case *how, EVP_PKEY *pkey, X509 *x509)
{
    SSL_CTX *made = SSL_CTX_new_ex(ctx, NULL, method);

    assert_non_null(made);
    SSL_CTX_set_min_proto_version(made, how->version);
    SSL_CTX_set_max_proto_version(made, how->version);
    if (how->ciphers != NULL)
        assert_int_equal(SSL_CTX_set_cipher_list(made, how->ciphers), 1);
    if (pkey != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(made, x509), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(made, pkey), 1);
        assert_int_equal(SSL_CTX_check_private_key(made), 1);
    }
    X509_STORE_add_cert(SSL_CTX_get_cert_store(made), x509);
    return made;
}

/* Both ends in turn, until both are done or one cannot go on. */
static inline bool tls_shake(SSL *client, SSL *server)
{
    for (int i = 0; i < 20; i++) {
        int c = SSL_do_handshake(client), s = SSL_do_handshake(server);

        if (c == 1 && s == 1)
            return true;
        if ((c != 1 && SSL_get_error(client, c) != SSL_ERROR_WANT_READ) ||
            (s != 1 && SSL_get_error(server, s) != SSL_ERROR_WANT_READ))
            return false;
    }
    return false;
}

/* The server, and with client_cert the client too, has this key. The peers verify it. */
static inline bool tls_connect(OSSL_LIB_CTX *ctx, EVP_PKEY *pkey, X509 *x509,
                               const struct tls_case *how)
{
    SSL_CTX *server_ctx = tls_ctx(ctx, TLS_server_method(), how, pkey, x509);
    SSL_CTX *client_ctx =
        tls_ctx(ctx, TLS_client_method(), how, how->client_cert ? pkey : NULL, x509);
    SSL *server = SSL_new(server_ctx), *client = SSL_new(client_ctx);
    BIO *server_bio = NULL, *client_bio = NULL;
    bool done;

    SSL_set_verify(client, SSL_VERIFY_PEER, NULL);
    if (how->client_cert)
        SSL_set_verify(server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    assert_int_equal(BIO_new_bio_pair(&server_bio, 0, &client_bio, 0), 1);
    SSL_set_bio(server, server_bio, server_bio);
    SSL_set_bio(client, client_bio, client_bio);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    done = tls_shake(client, server);
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(client_ctx);
    SSL_CTX_free(server_ctx);
    return done;
}

#endif
