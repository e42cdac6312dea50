/* SPDX-License-Identifier: Apache-2.0 */
/* Proving an application by its certificate: a JWT that its key has signed (RFC 7523 section 3,
 * "Microsoft identity platform application authentication certificate credentials"). */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "azure.h"
#include "remote/encode.h"
#include "remote/local/libctx.h"
#include "remote/uuid.h"

#define LIFETIME_S 600
#define EARLIER_S 60 /* clocks differ */

/* x5t#S256 finds the certificate among those that the application has (RFC 7515 4.1.8). */
static bool append_header(X509 *cert, struct remote_buf *buf)
{
    CLEANUP(remote_buf_clear) struct remote_buf header = { 0 };
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (X509_digest(cert, EVP_sha256(), hash, &len) != 1)
        return false;
    remote_buf_append_str(&header, "{\"alg\":\"PS256\",\"typ\":\"JWT\",\"x5t#S256\":\"");
    remote_base64url_append(&header, remote_slice(hash, len));
    remote_buf_append_str(&header, "\"}");
    remote_base64url_append(buf, remote_buf_slice(&header));
    return !header.failed;
}

static bool append_claims(const char *audience, const char *client_id, struct remote_buf *buf,
                          struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf claims = { 0 };
    long long now = (long long)time(NULL);
    static const char *const subjects[] = { "iss", "sub" };
    char uuid[REMOTE_UUID_SIZE];

    remote_buf_append_str(&claims, "{\"aud\":");
    remote_json_append_string(&claims, remote_slice_str(audience));
    for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
        remote_buf_printf(&claims, ",\"%s\":", subjects[i]);
        remote_json_append_string(&claims, remote_slice_str(client_id));
    }
    remote_buf_printf(&claims, ",\"nbf\":%lld,\"iat\":%lld,\"exp\":%lld,\"jti\":\"",
                      now - EARLIER_S, now, now + LIFETIME_S);
    if (remote_uuid_make(uuid, err) != REMOTE_OK)
        return false;
    remote_buf_append_str(&claims, uuid);
    remote_buf_append_str(&claims, "\"}");
    remote_base64url_append(buf, remote_buf_slice(&claims));
    return !claims.failed;
}

/* RFC 7518 3.5: SHA-256, MGF1 with it, a salt of its length. */
static bool sign(EVP_PKEY *pkey, struct remote_slice text, struct remote_buf *ret)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    size_t len = 0;
    unsigned char *room;
    bool done = false;

    if (ctx != NULL &&
        EVP_DigestSignInit_ex(ctx, &pctx, "SHA2-256", remote_libctx(), NULL, pkey, NULL) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
        EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1 &&
        EVP_DigestSign(ctx, NULL, &len, text.data, text.len) == 1 &&
        (room = remote_buf_reserve(ret, len)) != NULL &&
        EVP_DigestSign(ctx, room, &len, text.data, text.len) == 1) {
        ret->len += len;
        done = true;
    }
    EVP_MD_CTX_free(ctx);
    return done;
}

enum remote_rc azure_assertion(X509 *cert, EVP_PKEY *pkey, const char *audience,
                               const char *client_id, struct remote_buf *ret,
                               struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf jwt = { 0 }, signature = { 0 };

    if (!append_header(cert, &jwt))
        return remote_crypto_fail(err, "the certificate cannot be hashed");
    remote_buf_append_char(&jwt, '.');
    if (!append_claims(audience, client_id, &jwt, err))
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "the client assertion cannot be made");
    REMOTE_TRY(remote_buf_check(&jwt, err));
    if (!sign(pkey, remote_buf_slice(&jwt), &signature))
        return remote_crypto_fail(err, "the client assertion cannot be signed");
    remote_buf_append_char(&jwt, '.');
    remote_base64url_append(&jwt, remote_buf_slice(&signature));
    REMOTE_TRY(remote_buf_check(&jwt, err));
    remote_buf_append(ret, jwt.data, jwt.len);
    return remote_buf_check(ret, err);
}

enum remote_rc azure_read_pkcs12(struct remote_slice file, const char *password, X509 **ret_cert,
                                 EVP_PKEY **ret_pkey, struct remote_error *err)
{
    const unsigned char *at = file.data;
    PKCS12 *p12 = d2i_PKCS12(NULL, &at, (long)file.len);
    X509 *cert = NULL;
    EVP_PKEY *pkey = NULL;
    bool read = p12 != NULL && PKCS12_parse(p12, password, &pkey, &cert, NULL) == 1;

    PKCS12_free(p12);
    ERR_clear_error(); /* its own texts say less than ours */
    if (read && cert != NULL && pkey != NULL && EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA) {
        *ret_cert = cert;
        *ret_pkey = pkey;
        return REMOTE_OK;
    }
    X509_free(cert);
    EVP_PKEY_free(pkey);
    return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                       "aadClientCertPath holds no PKCS#12 with an RSA key and its certificate "
                       "under aadClientCertPassword, in an encryption that OpenSSL 3 still has");
}
