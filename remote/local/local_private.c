/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys as files have them, on their way into a service. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "libctx.h"
#include "local_private.h"

/* An encrypted key must not make libcrypto ask on the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return -1;
}

EVP_PKEY *remote_local_private_pem(struct remote_slice pem)
{
    BIO *bio = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
    EVP_PKEY *pkey =
        bio ? PEM_read_bio_PrivateKey_ex(bio, NULL, no_passphrase, NULL, remote_libctx(), NULL)
            : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return pkey;
}

static EVP_PKEY *read_der(struct remote_slice file)
{
    const unsigned char *at = file.data;

    return d2i_AutoPrivateKey_ex(NULL, &at, (long)file.len, remote_libctx(), NULL);
}

enum remote_rc remote_local_write_pkcs8(EVP_PKEY *pkey, struct remote_secret *ret,
                                        struct remote_error *err)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
    unsigned char *der = NULL;
    int len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
    enum remote_rc rc = len > 0 ? remote_secret_set(ret, der, (size_t)len, err)
                                : remote_crypto_fail(err, "the private key cannot be encoded");

    OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
    PKCS8_PRIV_KEY_INFO_free(info);
    return rc;
}

enum remote_rc remote_local_read_private(struct remote_slice file, struct remote_secret *ret_pkcs8,
                                         struct remote_key_spec *ret_spec, struct remote_error *err)
{
    struct remote_secret pkcs8 = { 0 };
    EVP_PKEY *pkey = remote_local_private_pem(file);
    enum remote_rc rc;

    if (pkey == NULL && file.len <= INT32_MAX)
        pkey = read_der(file);
    ERR_clear_error(); /* what was tried in vain */
    if (pkey == NULL)
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "no private key in it; it must hold one in PEM or DER, without a "
                           "passphrase");
    rc = remote_local_write_pkcs8(pkey, &pkcs8, err);
    EVP_PKEY_free(pkey);
    if (rc == REMOTE_OK && !remote_local_pkcs8_spec(remote_secret_slice(&pkcs8), ret_spec))
        rc = REMOTE_FAIL(err, REMOTE_E_DATA,
                         "the private key is of a kind that is not served; RSA, ECDSA on P-224, "
                         "P-256, P-384, P-521 or secp256k1, and Ed25519 are");
    if (rc != REMOTE_OK) {
        remote_secret_clear(&pkcs8);
        return rc;
    }
    remote_secret_clear(ret_pkcs8);
    *ret_pkcs8 = pkcs8;
    return REMOTE_OK;
}
