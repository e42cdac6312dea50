/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_client.h"

#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

bool kesd_tls_is_client(const X509 *cert)
{
    /* libcrypto notes what it finds in the certificate, hence no const there. */
    return (X509_get_extension_flags((X509 *)(uintptr_t)cert) & EXFLAG_CA) == 0;
}

/* SHA-256 of the SubjectPublicKeyInfo, DER. */
static bool hash_key(const X509 *cert, unsigned char ret[SHA256_DIGEST_LENGTH])
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    bool good = len > 0 && EVP_Digest(der, (size_t)len, ret, NULL, EVP_sha256(), NULL) == 1;

    OPENSSL_free(der);
    return good;
}

static void set_identity(const X509 *cert, struct kesd_request *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf hex = { 0 };
    unsigned char hash[SHA256_DIGEST_LENGTH];
    struct tm end;

    if (!hash_key(cert, hash))
        return;
    remote_hex_append(&hex, remote_slice(hash, sizeof(hash)));
    if (hex.failed)
        return;
    memcpy(ret->identity, hex.data, KESD_IDENTITY_LEN + 1);
    ret->certificate = KESD_CERT_ONE;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &end) == 1)
        ret->expires_s = timegm(&end);
}

static int count_client(const X509 *cert, const X509 **ret)
{
    if (cert == NULL || !kesd_tls_is_client(cert))
        return 0;
    *ret = cert;
    return 1;
}

void kesd_tls_identify(const SSL *ssl, struct kesd_request *ret)
{
    const STACK_OF(X509) *rest = SSL_get_peer_cert_chain(ssl); /* without the first: a server's */
    const X509 *found = NULL;
    int count = count_client(SSL_get0_peer_certificate(ssl), &found);

    for (int i = 0; i < sk_X509_num(rest); i++)
        count += count_client(sk_X509_value(rest, i), &found);
    ret->certificate = count > 1 ? KESD_CERT_MANY : KESD_CERT_NONE;
    if (count == 1)
        set_identity(found, ret);
}

bool kesd_tls_has_h2(const SSL *ssl)
{
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(ssl, &name, &len);
    return remote_slice_equal(remote_slice(name, len), remote_slice_str("h2"));
}
