/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA encryption (provider-asym_cipher(7)). As with signatures, libcrypto's own context behind each
 * of ours reads all parameters and does all but the one step that is the service's: decryption with
 * a remote key.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/prov_ssl.h>
#include <openssl/rsa.h>

#include "key.h"
#include "param.h"
#include "premaster.h"

struct cipher {
    struct provider *provider;
    struct provider_key *key; /* counted */
    EVP_PKEY_CTX *ctx;        /* libcrypto's, in the private context; NULL: before init */
    bool encrypting;
    bool remote; /* decryption is the service's */
};

/* ---- life ---- */

static void *new_ctx(void *provider)
{
    struct cipher *cipher = calloc(1, sizeof(*cipher));

    if (cipher != NULL)
        cipher->provider = provider;
    return cipher;
}

static enum remote_rc clear(struct cipher *cipher)
{
    EVP_PKEY_CTX_free(cipher->ctx);
    cipher->ctx = NULL;
    provider_key_unref(cipher->key);
    cipher->key = NULL;
    return REMOTE_OK;
}

static void free_ctx(void *data)
{
    struct cipher *cipher = data;

    if (cipher == NULL)
        return;
    (void)PROVIDER_CALL(call, cipher->provider, clear(cipher));
    free(cipher);
}

static enum remote_rc dup(const struct cipher *from, struct cipher *to, struct remote_error *err)
{
    if (from->ctx == NULL)
        return REMOTE_OK;
    to->ctx = EVP_PKEY_CTX_dup(from->ctx);
    if (to->ctx == NULL)
        return remote_crypto_fail(err, "cannot copy an encryption under way");
    to->key = provider_key_ref(from->key);
    to->encrypting = from->encrypting;
    to->remote = from->remote;
    return REMOTE_OK;
}

static void *dup_ctx(void *data)
{
    struct cipher *from = data, *to = new_ctx(from->provider);

    if (to == NULL || PROVIDER_CALL(call, from->provider, dup(from, to, &call->err)))
        return to;
    free(to);
    return NULL;
}

/* ---- init ---- */

static enum remote_rc check_key(const struct provider_key *key, bool encrypting,
                                struct remote_error *err)
{
    if (key == NULL || key->pkey == NULL)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "an encryption without a key");
    if (!encrypting && key->remote != NULL && !key->is_private)
        return REMOTE_FAIL(err, REMOTE_E_USAGE,
                           "slot '%s': key '%s' was opened as a public key, which decrypts nothing",
                           remote_slot_name(key->remote->slot), key->remote->name);
    return REMOTE_OK;
}

static enum remote_rc init(struct cipher *cipher, struct provider_key *given, bool encrypting,
                           const OSSL_PARAM params[], struct remote_error *err)
{
    struct provider_key *key = given != NULL ? given : cipher->key;
    EVP_PKEY_CTX *ctx;

    REMOTE_TRY(check_key(key, encrypting, err));
    ctx = EVP_PKEY_CTX_new_from_pkey(remote_libctx(), key->pkey, PROVIDER_LIBCRYPTO);
    if (ctx == NULL ||
        (encrypting ? EVP_PKEY_encrypt_init_ex : EVP_PKEY_decrypt_init_ex)(ctx, params) != 1) {
        EVP_PKEY_CTX_free(ctx);
        return remote_crypto_fail(err, "cannot begin an encryption");
    }
    provider_key_ref(key); /* first: it may be the one that goes */
    clear(cipher);
    cipher->key = key;
    cipher->ctx = ctx;
    cipher->encrypting = encrypting;
    cipher->remote = !encrypting && key->remote != NULL;
    return REMOTE_OK;
}

static int encrypt_init(void *data, void *key, const OSSL_PARAM params[])
{
    struct cipher *cipher = data;

    return PROVIDER_CALL(call, cipher->provider, init(cipher, key, true, params, &call->err));
}

static int decrypt_init(void *data, void *key, const OSSL_PARAM params[])
{
    struct cipher *cipher = data;

    return PROVIDER_CALL(call, cipher->provider, init(cipher, key, false, params, &call->err));
}

static enum remote_rc expect(const struct cipher *cipher, bool encrypting, struct remote_error *err)
{
    return cipher->ctx != NULL && cipher->encrypting == encrypting
               ? REMOTE_OK
               : REMOTE_FAIL(err, REMOTE_E_USAGE, "an encryption was not begun so");
}

/* ---- encrypt, here ---- */

struct room {           /* where a result goes */
    unsigned char *out; /* NULL: only the size is asked for */
    size_t size;
    size_t *ret_len;
};

static enum remote_rc encrypt(const struct cipher *cipher, struct remote_slice in,
                              const struct room *room, struct remote_error *err)
{
    REMOTE_TRY(expect(cipher, true, err));
    *room->ret_len = room->size;
    if (EVP_PKEY_encrypt(cipher->ctx, room->out, room->ret_len, in.data, in.len) != 1)
        return remote_crypto_fail(err, "cannot encrypt");
    return REMOTE_OK;
}

static int cipher_encrypt(void *data, unsigned char *out, size_t *ret_len, size_t size,
                          const unsigned char *in, size_t in_len)
{
    struct cipher *cipher = data;
    const struct room room = { out, size, ret_len };

    return PROVIDER_CALL(call, cipher->provider,
                         encrypt(cipher, remote_slice(in, in_len), &room, &call->err));
}

/* ---- decrypt, with a remote key ---- */

/* RFC 8017 7.1. The label stays libcrypto's. */
static enum remote_rc read_oaep(const struct cipher *cipher, struct remote_params *params,
                                struct remote_error *err)
{
    const struct remote_key *key = cipher->key->remote;
    void *label = NULL;
    OSSL_PARAM asked[] = {
        OSSL_PARAM_octet_ptr(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL, &label, 0),
        OSSL_PARAM_END,
    };

    params->alg = REMOTE_ALG_RSA_OAEP;
    REMOTE_TRY(provider_param_hash(cipher->ctx, OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, key,
                                   &params->hash, err));
    REMOTE_TRY(provider_param_hash(cipher->ctx, OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, key,
                                   &params->mgf_hash, err));
    if (params->hash == REMOTE_HASH_NONE) /* EVP_PKEY_CTX_set_rsa_oaep_md(3) */
        params->hash = REMOTE_HASH_SHA1;
    if (params->mgf_hash == REMOTE_HASH_NONE)
        params->mgf_hash = params->hash;
    if (EVP_PKEY_CTX_get_params(cipher->ctx, asked) != 1)
        return remote_crypto_fail(err, "cannot read the label");
    if (label != NULL)
        params->aad = remote_slice(label, asked[0].return_size);
    return REMOTE_OK;
}

static enum remote_rc read_params(const struct cipher *cipher, int padding,
                                  struct remote_params *params, struct remote_error *err)
{
    const struct remote_key *key = cipher->key->remote;

    if (padding == RSA_PKCS1_OAEP_PADDING)
        return read_oaep(cipher, params, err);
    params->alg = REMOTE_ALG_RSA_PKCS1_ENC;
    /* A second try, with another version, would tell the peer by its time that the first failed. */
    params->pinned = padding == RSA_PKCS1_WITH_TLS_PADDING;
    if (padding == RSA_PKCS1_PADDING || padding == RSA_PKCS1_WITH_TLS_PADDING)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                       "slot '%s': key '%s': key services decrypt PKCS#1 or OAEP, nothing else",
                       remote_slot_name(key->slot), key->name);
}

static enum remote_rc decrypt_block(const struct cipher *cipher, const struct remote_params *params,
                                    struct remote_slice in, const struct room *room,
                                    struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };

    if (room->out == NULL) {
        *room->ret_len = (size_t)EVP_PKEY_get_size(cipher->key->pkey);
        return REMOTE_OK;
    }
    REMOTE_TRY(remote_key_decrypt(cipher->key->remote, params, in, &plain, err));
    if (plain.len > room->size)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "room for %zu bytes is too small for the result",
                           room->size);
    if (plain.len > 0)
        memcpy(room->out, plain.data, plain.len);
    *room->ret_len = plain.len;
    return REMOTE_OK;
}

/* RFC 5246 7.4.7.1: a premaster that does not open, or is not one, becomes a random one. */
static enum remote_rc decrypt_premaster(const struct cipher *cipher,
                                        const struct remote_params *params, struct remote_slice in,
                                        const struct room *room, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    int client = 0, negotiated = 0;
    enum remote_rc rc;

    *room->ret_len = PROVIDER_PREMASTER_BYTES;
    if (room->out == NULL)
        return REMOTE_OK;
    if (room->size < PROVIDER_PREMASTER_BYTES)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "room for %zu bytes of premaster, %d are needed",
                           room->size, PROVIDER_PREMASTER_BYTES);
    REMOTE_TRY(
        provider_param_int(cipher->ctx, OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION, &client, err));
    REMOTE_TRY(provider_param_int(cipher->ctx, OSSL_ASYM_CIPHER_PARAM_TLS_NEGOTIATED_VERSION,
                                  &negotiated, err));
    REMOTE_TRY(remote_local_random(room->out, PROVIDER_PREMASTER_BYTES, err));
    rc = remote_key_decrypt(cipher->key->remote, params, in, &plain, err);
    if (rc != REMOTE_OK && rc != REMOTE_E_DATA && rc != REMOTE_E_PROTOCOL)
        return rc; /* the service's trouble, which no peer can bring about by what it sends */
    provider_premaster_choose(room->out, remote_buf_slice(&plain), (unsigned)client,
                              (unsigned)negotiated);
    return REMOTE_OK;
}

static enum remote_rc decrypt(const struct cipher *cipher, struct remote_slice in,
                              const struct room *room, struct remote_error *err)
{
    struct remote_params params = { 0 };
    int padding = RSA_PKCS1_PADDING;

    REMOTE_TRY(expect(cipher, false, err));
    if (!cipher->remote) {
        *room->ret_len = room->size;
        if (EVP_PKEY_decrypt(cipher->ctx, room->out, room->ret_len, in.data, in.len) != 1)
            return remote_crypto_fail(err, "cannot decrypt");
        return REMOTE_OK;
    }
    REMOTE_TRY(provider_param_int(cipher->ctx, OSSL_ASYM_CIPHER_PARAM_PAD_MODE, &padding, err));
    REMOTE_TRY(read_params(cipher, padding, &params, err));
    return padding == RSA_PKCS1_WITH_TLS_PADDING ? decrypt_premaster(cipher, &params, in, room, err)
                                                 : decrypt_block(cipher, &params, in, room, err);
}

static int cipher_decrypt(void *data, unsigned char *out, size_t *ret_len, size_t size,
                          const unsigned char *in, size_t in_len)
{
    struct cipher *cipher = data;
    const struct room room = { out, size, ret_len };

    return PROVIDER_CALL(call, cipher->provider,
                         decrypt(cipher, remote_slice(in, in_len), &room, &call->err));
}

/* ---- parameters: all of them libcrypto's ---- */

/* Without a sentence, as keymgmt's. */
static enum remote_rc get_params(const struct cipher *cipher, OSSL_PARAM params[])
{
    return cipher->ctx != NULL && EVP_PKEY_CTX_get_params(cipher->ctx, params) == 1
               ? REMOTE_OK
               : REMOTE_E_PARAM;
}

static int cipher_get_params(void *data, OSSL_PARAM params[])
{
    struct cipher *cipher = data;

    return PROVIDER_CALL(call, cipher->provider, get_params(cipher, params));
}

static enum remote_rc set_params(const struct cipher *cipher, const OSSL_PARAM params[],
                                 struct remote_error *err)
{
    if (cipher->ctx == NULL)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "an encryption was not begun so");
    if (EVP_PKEY_CTX_set_params(cipher->ctx, params) != 1)
        return remote_crypto_fail(err, "not a parameter for this encryption");
    return REMOTE_OK;
}

static int cipher_set_params(void *data, const OSSL_PARAM params[])
{
    struct cipher *cipher = data;

    if (params == NULL || params[0].key == NULL)
        return 1;
    return PROVIDER_CALL(call, cipher->provider, set_params(cipher, params, &call->err));
}

/* libcrypto's own, which are static data of the default provider. */
typedef const OSSL_PARAM *(*list_fn)(const EVP_ASYM_CIPHER *cipher);

static enum remote_rc list(list_fn fn, const OSSL_PARAM **ret, struct remote_error *err)
{
    EVP_ASYM_CIPHER *rsa = EVP_ASYM_CIPHER_fetch(remote_libctx(), "RSA", PROVIDER_LIBCRYPTO);

    if (rsa == NULL)
        return remote_crypto_fail(err, "cannot list the parameters of an encryption");
    *ret = fn(rsa);
    EVP_ASYM_CIPHER_free(rsa);
    return REMOTE_OK;
}

static const OSSL_PARAM *cipher_gettable(void *data, void *provider)
{
    const OSSL_PARAM *params = NULL;

    (void)data;
    (void)PROVIDER_CALL(call, provider,
                        list(EVP_ASYM_CIPHER_gettable_ctx_params, &params, &call->err));
    return params;
}

static const OSSL_PARAM *cipher_settable(void *data, void *provider)
{
    const OSSL_PARAM *params = NULL;

    (void)data;
    (void)PROVIDER_CALL(call, provider,
                        list(EVP_ASYM_CIPHER_settable_ctx_params, &params, &call->err));
    return params;
}

/* clang-format off */
static const OSSL_DISPATCH rsa_functions[] = {
    { OSSL_FUNC_ASYM_CIPHER_NEWCTX,              (void (*)(void))new_ctx },
    { OSSL_FUNC_ASYM_CIPHER_FREECTX,             (void (*)(void))free_ctx },
    { OSSL_FUNC_ASYM_CIPHER_DUPCTX,              (void (*)(void))dup_ctx },
    { OSSL_FUNC_ASYM_CIPHER_ENCRYPT_INIT,        (void (*)(void))encrypt_init },
    { OSSL_FUNC_ASYM_CIPHER_ENCRYPT,             (void (*)(void))cipher_encrypt },
    { OSSL_FUNC_ASYM_CIPHER_DECRYPT_INIT,        (void (*)(void))decrypt_init },
    { OSSL_FUNC_ASYM_CIPHER_DECRYPT,             (void (*)(void))cipher_decrypt },
    { OSSL_FUNC_ASYM_CIPHER_GET_CTX_PARAMS,      (void (*)(void))cipher_get_params },
    { OSSL_FUNC_ASYM_CIPHER_GETTABLE_CTX_PARAMS, (void (*)(void))cipher_gettable },
    { OSSL_FUNC_ASYM_CIPHER_SET_CTX_PARAMS,      (void (*)(void))cipher_set_params },
    { OSSL_FUNC_ASYM_CIPHER_SETTABLE_CTX_PARAMS, (void (*)(void))cipher_settable },
    { 0, NULL },
};

const OSSL_ALGORITHM provider_asym_ciphers[] = {
    { PROVIDER_NAMES_RSA, PROVIDER_PROPERTIES, rsa_functions, "RSA encryption" },
    { NULL, NULL, NULL, NULL },
};
/* clang-format on */
