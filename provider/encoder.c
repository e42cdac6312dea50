/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys to bytes. Of a remote key there is the public half, and in place of the private one a key
 * file that names it, as PEM. A software key is written by libcrypto in the private context.
 */
#include "encoder.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/encoder.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#define PASSPHRASE_MAX 1024 /* as libcrypto's own callbacks have it: PEM_BUFSIZE */

static void free_encoder_ctx(OSSL_ENCODER_CTX **ctx)
{
    OSSL_ENCODER_CTX_free(*ctx);
}

/* ---- by libcrypto ---- */

static bool set_cipher(OSSL_ENCODER_CTX *ctx, const char *cipher, struct remote_slice passphrase)
{
    return !cipher || (OSSL_ENCODER_CTX_set_cipher(ctx, cipher, PROVIDER_LIBCRYPTO) == 1 &&
                       OSSL_ENCODER_CTX_set_passphrase(ctx, passphrase.data, passphrase.len) == 1);
}

/* passphrase: for the encoder's cipher, where it has one. */
static enum remote_rc delegate(const struct provider_encoder *encoder,
                               const struct provider_key *key, int selection,
                               struct remote_slice passphrase, struct remote_buf *ret,
                               struct remote_error *err)
{
    CLEANUP(free_encoder_ctx)
    OSSL_ENCODER_CTX *ctx = OSSL_ENCODER_CTX_new_for_pkey(key->pkey, selection, encoder->output,
                                                          encoder->structure, PROVIDER_LIBCRYPTO);
    unsigned char *data = NULL;
    size_t len = 0;

    if (!ctx || !set_cipher(ctx, encoder->cipher, passphrase) ||
        OSSL_ENCODER_to_data(ctx, &data, &len) != 1)
        return remote_crypto_fail(err, "the key cannot be written");
    remote_buf_append(ret, data, len);
    OPENSSL_clear_free(data, len);
    return remote_buf_check(ret, err);
}

/* ---- remote keys ---- */

static bool is(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

/* X509_PUBKEY_set() comes here for every certificate request: nothing is asked of libcrypto. */
static enum remote_rc write_spki(const struct provider_encoder *encoder,
                                 const struct remote_key *key, struct remote_buf *ret,
                                 struct remote_error *err)
{
    if (is(encoder->output, "PEM"))
        remote_pem_append(ret, "PUBLIC KEY", remote_buf_slice(&key->spki));
    else
        remote_buf_append(ret, key->spki.data, key->spki.len);
    return remote_buf_check(ret, err);
}

static enum remote_rc write_reference(const struct provider_encoder *encoder,
                                      const struct remote_key *key, struct remote_buf *ret,
                                      struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf uri = { 0 };

    if (!is(encoder->output, "PEM"))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "slot '%s': the private half of key '%s' does not leave its service; "
                           "written as PEM it becomes a key file that names it",
                           remote_slot_name(key->slot), key->name);
    remote_uri_write(key, &uri);
    REMOTE_TRY(remote_buf_check(&uri, err));
    return remote_uri_pem_write((char *)uri.data, ret, err);
}

static enum remote_rc write_text(const struct provider_encoder *encoder,
                                 const struct provider_key *key, struct remote_buf *ret,
                                 struct remote_error *err)
{
    const struct remote_key *remote = key->remote;

    remote_buf_printf(ret, "Slot: %s\nKey: %s\nVersion: %u\nPrivate half: %s\nURI: ",
                      remote_slot_name(remote->slot), remote->name, remote->version,
                      key->is_private ? "used in its service" : "not used");
    remote_uri_write(remote, ret);
    remote_buf_append_char(ret, '\n');
    return delegate(encoder, key, EVP_PKEY_PUBLIC_KEY, remote_slice(NULL, 0), ret, err);
}

static enum remote_rc write_remote(const struct provider_encoder *encoder,
                                   const struct provider_key *key, int selection,
                                   struct remote_buf *ret, struct remote_error *err)
{
    if (is(encoder->output, "TEXT"))
        return write_text(encoder, key, ret, err);
    /* Another form than the service's own was asked for: keymgmt.c has made a copy for it. */
    if (is(encoder->structure, "SubjectPublicKeyInfo") &&
        key->pkey == remote_local_pkey(key->remote, err))
        return write_spki(encoder, key->remote, ret, err);
    if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0)
        return delegate(encoder, key, selection, remote_slice(NULL, 0), ret, err);
    if (!key->is_private)
        return REMOTE_FAIL(err, REMOTE_E_FORBIDDEN_USE,
                           "slot '%s': this is the public half of key '%s' alone",
                           remote_slot_name(key->remote->slot), key->remote->name);
    return write_reference(encoder, key->remote, ret, err);
}

/* ---- the edge ---- */

int provider_encoder_set_params(void *ctx, const OSSL_PARAM params[])
{
    struct provider_encoder *encoder = ctx;
    const OSSL_PARAM *param = OSSL_PARAM_locate_const(params, OSSL_ENCODER_PARAM_CIPHER);
    const char *name = NULL;

    if (!param)
        return 1;
    if (!OSSL_PARAM_get_utf8_string_ptr(param, &name))
        return 0;
    free(encoder->cipher);
    encoder->cipher = name && *name != '\0' ? strdup(name) : NULL;
    return !name || *name == '\0' || encoder->cipher;
}

static enum remote_rc encode(struct provider_call *call, const struct provider_encoder *encoder,
                             const struct provider_key *key, int selection,
                             struct remote_slice passphrase, struct remote_buf *ret)
{
    if (key->remote)
        return write_remote(encoder, key, selection, ret, &call->err);
    return delegate(encoder, key, selection, passphrase, ret, &call->err);
}

/* The callback is the host's, as the BIO is: both are used outside the guard. */
static bool get_passphrase(const struct provider_encoder *encoder, const struct provider_key *key,
                           OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg, char *ret,
                           size_t *ret_len)
{
    static const OSSL_PARAM none[] = { OSSL_PARAM_END };

    if (!encoder->cipher || key->remote)
        return true;
    return pw_cb && pw_cb(ret, PASSPHRASE_MAX, ret_len, none, pw_arg);
}

static int write_all(const struct provider *provider, OSSL_CORE_BIO *out,
                     const struct remote_buf *bytes)
{
    size_t done = 0;

    return provider->up.bio_write_ex(out, bytes->data, bytes->len, &done) && done == bytes->len;
}

int provider_encoder_encode(void *ctx, OSSL_CORE_BIO *out, const void *object,
                            const OSSL_PARAM abstract[], int selection,
                            OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg)
{
    CLEANUP(remote_buf_clear) struct remote_buf bytes = { 0 };
    const struct provider_encoder *encoder = ctx;
    const struct provider_key *key = object;
    char passphrase[PASSPHRASE_MAX];
    size_t len = 0;
    int good;

    if (!key || abstract || !key->pkey)
        return 0; /* keys of other providers are not ours to write */
    good =
        get_passphrase(encoder, key, pw_cb, pw_arg, passphrase, &len) &&
        PROVIDER_CALL(call, encoder->provider,
                      encode(call, encoder, key, selection, remote_slice(passphrase, len), &bytes));
    explicit_bzero(passphrase, len);
    return good && write_all(encoder->provider, out, &bytes);
}
