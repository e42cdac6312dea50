/* SPDX-License-Identifier: Apache-2.0 */
#include "signature.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>

/* ---- life ---- */

void *provider_signature_new(void *provider, const char *properties)
{
    struct provider_signature *sig = calloc(1, sizeof(*sig));

    (void)properties; /* where the host would fetch digests from; ours come from libcrypto */
    if (sig != NULL)
        sig->provider = provider;
    return sig;
}

/* What one init has made. The key stays for the next. */
static void reset(struct provider_signature *sig)
{
    remote_digest_clear(&sig->digest);
    remote_buf_clear(&sig->expected);
    if (sig->md != NULL)
        EVP_MD_CTX_free(sig->md); /* with ctx */
    else
        EVP_PKEY_CTX_free(sig->ctx);
    sig->md = NULL;
    sig->ctx = NULL;
    sig->remote = false;
    sig->doing = PROVIDER_NOTHING;
}

static enum remote_rc clear(struct provider_signature *sig)
{
    reset(sig);
    provider_key_unref(sig->key);
    return REMOTE_OK;
}

void provider_signature_free(void *data)
{
    struct provider_signature *sig = data;

    if (sig == NULL)
        return;
    (void)PROVIDER_CALL(call, sig->provider, clear(sig));
    free(sig);
}

static enum remote_rc copy(const struct provider_signature *from, struct provider_signature *to,
                           struct remote_error *err)
{
    if (from->md != NULL) {
        to->md = EVP_MD_CTX_new();
        if (to->md == NULL || EVP_MD_CTX_copy_ex(to->md, from->md) != 1)
            return remote_crypto_fail(err, "cannot copy a signature under way");
        to->ctx = EVP_MD_CTX_get_pkey_ctx(to->md);
    } else if (from->ctx != NULL) {
        to->ctx = EVP_PKEY_CTX_dup(from->ctx);
        if (to->ctx == NULL)
            return remote_crypto_fail(err, "cannot copy a signature under way");
    }
    if (from->digest.ctx != NULL)
        REMOTE_TRY(remote_digest_copy(&from->digest, &to->digest, err));
    if (from->expected.len > 0)
        remote_buf_append(&to->expected, from->expected.data, from->expected.len);
    REMOTE_TRY(remote_buf_check(&to->expected, err));
    to->key = from->key != NULL ? provider_key_ref(from->key) : NULL;
    to->doing = from->doing;
    to->remote = from->remote;
    return REMOTE_OK;
}

static enum remote_rc dup(const struct provider_signature *from, struct provider_signature *to,
                          struct remote_error *err)
{
    enum remote_rc rc = copy(from, to, err);

    if (rc != REMOTE_OK)
        clear(to);
    return rc;
}

void *provider_signature_dup(void *data)
{
    struct provider_signature *from = data, *to = provider_signature_new(from->provider, NULL);

    if (to == NULL || PROVIDER_CALL(call, from->provider, dup(from, to, &call->err)))
        return to;
    free(to);
    return NULL;
}

/* ---- init ---- */

static enum remote_rc begin_plain(struct provider_signature *sig, enum provider_doing doing,
                                  const OSSL_PARAM params[], struct remote_error *err)
{
    int (*init)(EVP_PKEY_CTX *, const OSSL_PARAM[]) = doing == PROVIDER_SIGN ? EVP_PKEY_sign_init_ex
                                                      : doing == PROVIDER_VERIFY
                                                          ? EVP_PKEY_verify_init_ex
                                                          : EVP_PKEY_verify_recover_init_ex;

    sig->ctx = EVP_PKEY_CTX_new_from_pkey(remote_libctx(), sig->key->pkey, PROVIDER_LIBCRYPTO);
    if (sig->ctx == NULL || init(sig->ctx, params) != 1)
        return remote_crypto_fail(err, "cannot begin a signature");
    return REMOTE_OK;
}

static enum remote_rc begin_digest(struct provider_signature *sig, enum provider_doing doing,
                                   const char *md_name, const OSSL_PARAM params[],
                                   struct remote_error *err)
{
    int (*init)(EVP_MD_CTX *, EVP_PKEY_CTX **, const char *, OSSL_LIB_CTX *, const char *,
                EVP_PKEY *, const OSSL_PARAM[]) =
        doing == PROVIDER_DIGEST_SIGN ? EVP_DigestSignInit_ex : EVP_DigestVerifyInit_ex;

    sig->md = EVP_MD_CTX_new();
    if (sig->md == NULL || init(sig->md, &sig->ctx, md_name, remote_libctx(), PROVIDER_LIBCRYPTO,
                                sig->key->pkey, params) != 1)
        return remote_crypto_fail(err, "cannot begin a signature");
    /* The host's EVP_DigestSignFinal() has made a copy already where one is wanted. */
    EVP_MD_CTX_set_flags(sig->md, EVP_MD_CTX_FLAG_FINALISE);
    return REMOTE_OK;
}

/* Of an algorithm whose digest is fixed, for digests that were made elsewhere. */
static enum remote_rc set_digest(EVP_PKEY_CTX *ctx, const char *name, struct remote_error *err)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, (char *)name, 0),
        OSSL_PARAM_END,
    };

    params[0].data_size = strlen(name);
    if (EVP_PKEY_CTX_set_params(ctx, params) != 1)
        return remote_crypto_fail(err, "cannot begin a signature");
    return REMOTE_OK;
}

static enum remote_rc check_key(const struct provider_key *key,
                                const struct provider_beginning *beginning, bool signing,
                                struct remote_error *err)
{
    if (key == NULL || key->pkey == NULL)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "a signature without a key");
    if (beginning->only != PROVIDER_KEY_TYPE_COUNT && beginning->only != key->type)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "a key of type %s for a signature by %s keys",
                           provider_key_type_name(key->type),
                           provider_key_type_name(beginning->only));
    if (signing && key->remote != NULL && !key->is_private)
        return REMOTE_FAIL(err, REMOTE_E_USAGE,
                           "slot '%s': key '%s' was opened as a public key, which signs nothing",
                           remote_slot_name(key->remote->slot), key->remote->name);
    return REMOTE_OK;
}

static enum remote_rc begin_libcrypto(struct provider_signature *sig,
                                      const struct provider_beginning *beginning,
                                      struct remote_error *err)
{
    enum provider_doing doing = beginning->doing;

    if (doing == PROVIDER_DIGEST_SIGN || doing == PROVIDER_DIGEST_VERIFY)
        return begin_digest(sig, doing, beginning->md_name, beginning->params, err);
    REMOTE_TRY(begin_plain(sig, doing, beginning->params, err));
    if (beginning->md_name != NULL)
        return set_digest(sig->ctx, beginning->md_name, err);
    return REMOTE_OK;
}

static enum remote_rc begin(struct provider_signature *sig,
                            const struct provider_beginning *beginning, struct remote_error *err)
{
    enum provider_doing doing = beginning->doing;
    bool signing = doing == PROVIDER_SIGN || doing == PROVIDER_DIGEST_SIGN;
    struct provider_key *key = beginning->key != NULL ? beginning->key : sig->key;

    reset(sig);
    REMOTE_TRY(check_key(key, beginning, signing, err));
    if (key != sig->key) {
        provider_key_unref(sig->key);
        sig->key = provider_key_ref(key);
    }
    REMOTE_TRY(begin_libcrypto(sig, beginning, err));
    sig->doing = doing;
    sig->remote = signing && key->remote != NULL;
    return sig->remote ? provider_signature_begin_remote(sig, beginning->params, err) : REMOTE_OK;
}

static enum remote_rc init(struct provider_signature *sig,
                           const struct provider_beginning *beginning, struct remote_error *err)
{
    enum remote_rc rc = begin(sig, beginning, err);

    if (rc != REMOTE_OK)
        reset(sig);
    return rc;
}

int provider_signature_init(void *data, const struct provider_beginning *beginning)
{
    struct provider_signature *sig = data;

    return PROVIDER_CALL(call, sig->provider, init(sig, beginning, &call->err));
}

/* ---- sign ---- */

static enum remote_rc wrong_order(struct remote_error *err)
{
    return REMOTE_FAIL(err, REMOTE_E_USAGE, "a signature was not begun so");
}

struct room {           /* where a result goes */
    unsigned char *out; /* NULL: only the size is asked for */
    size_t size;
    size_t *ret_len;
};

/* The most that a signature takes; no request is made for it. */
static enum remote_rc check_room(const struct provider_signature *sig, const struct room *room,
                                 struct remote_error *err)
{
    int size = EVP_PKEY_get_size(sig->key->pkey);

    *room->ret_len = (size_t)size;
    if (room->out != NULL && room->size < (size_t)size)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "room for %zu bytes of signature, %d are needed",
                           room->size, size);
    return REMOTE_OK;
}

static enum remote_rc sign_remote(struct provider_signature *sig, struct remote_slice input,
                                  const struct room *room, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf made = { 0 };

    REMOTE_TRY(provider_signature_remote(sig, input, &made, err));
    if (made.len > room->size)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "a signature of %zu bytes", made.len);
    memcpy(room->out, made.data, made.len);
    *room->ret_len = made.len;
    return REMOTE_OK;
}

/* What has been digested so far. */
static enum remote_rc sign_digest(struct provider_signature *sig, const struct room *room,
                                  struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf digest = { 0 };

    REMOTE_TRY(check_room(sig, room, err));
    if (room->out == NULL)
        return REMOTE_OK;
    REMOTE_TRY(remote_digest_final(&sig->digest, &digest, err));
    return sign_remote(sig, remote_buf_slice(&digest), room, err);
}

static enum remote_rc sign_here(struct provider_signature *sig, struct remote_slice input,
                                const struct room *room, struct remote_error *err)
{
    int ok;

    *room->ret_len = room->size;
    if (sig->doing == PROVIDER_SIGN)
        ok = EVP_PKEY_sign(sig->ctx, room->out, room->ret_len, input.data, input.len);
    else
        ok = EVP_DigestSign(sig->md, room->out, room->ret_len, input.data, input.len);
    return ok == 1 ? REMOTE_OK : remote_crypto_fail(err, "cannot sign");
}

/* A digest or block, or, of a DIGEST_SIGN, the message in one piece. */
static enum remote_rc sign(struct provider_signature *sig, struct remote_slice input,
                           const struct room *room, struct remote_error *err)
{
    if (sig->doing != PROVIDER_SIGN && sig->doing != PROVIDER_DIGEST_SIGN)
        return wrong_order(err);
    if (!sig->remote)
        return sign_here(sig, input, room, err);
    REMOTE_TRY(check_room(sig, room, err));
    if (room->out == NULL)
        return REMOTE_OK;
    if (sig->digest.ctx == NULL) /* nothing to digest, or Ed25519, which does so for itself */
        return sign_remote(sig, input, room, err);
    REMOTE_TRY(remote_digest_update(&sig->digest, input, err));
    return sign_digest(sig, room, err);
}

int provider_signature_sign(void *data, unsigned char *out, size_t *ret_len, size_t size,
                            const unsigned char *tbs, size_t tbs_len)
{
    struct provider_signature *sig = data;
    const struct room room = { out, size, ret_len };

    return PROVIDER_CALL(call, sig->provider,
                         sign(sig, remote_slice(tbs, tbs_len), &room, &call->err));
}

static enum remote_rc update(struct provider_signature *sig, struct remote_slice part,
                             struct remote_error *err)
{
    int ok;

    if (sig->remote && sig->doing == PROVIDER_DIGEST_SIGN)
        return remote_digest_update(&sig->digest, part, err);
    if (sig->doing == PROVIDER_DIGEST_SIGN)
        ok = EVP_DigestSignUpdate(sig->md, part.data, part.len);
    else if (sig->doing == PROVIDER_DIGEST_VERIFY)
        ok = EVP_DigestVerifyUpdate(sig->md, part.data, part.len);
    else
        return wrong_order(err);
    return ok == 1 ? REMOTE_OK : remote_crypto_fail(err, "cannot digest");
}

int provider_signature_update(void *data, const unsigned char *part, size_t len)
{
    struct provider_signature *sig = data;

    return PROVIDER_CALL(call, sig->provider, update(sig, remote_slice(part, len), &call->err));
}

static enum remote_rc sign_final(struct provider_signature *sig, const struct room *room,
                                 struct remote_error *err)
{
    if (sig->doing != PROVIDER_DIGEST_SIGN)
        return wrong_order(err);
    if (sig->remote)
        return sign_digest(sig, room, err);
    *room->ret_len = room->size;
    if (EVP_DigestSignFinal(sig->md, room->out, room->ret_len) != 1)
        return remote_crypto_fail(err, "cannot sign");
    return REMOTE_OK;
}

int provider_signature_sign_final(void *data, unsigned char *out, size_t *ret_len, size_t size)
{
    struct provider_signature *sig = data;
    const struct room room = { out, size, ret_len };

    return PROVIDER_CALL(call, sig->provider, sign_final(sig, &room, &call->err));
}

/* ---- verify: libcrypto's, whosever the key is ---- */

static enum remote_rc verified(int ok, struct remote_error *err)
{
    return ok == 1 ? REMOTE_OK : remote_crypto_fail(err, "the signature does not verify");
}

static enum remote_rc verify(struct provider_signature *sig, struct remote_slice given,
                             struct remote_slice input, struct remote_error *err)
{
    if (sig->doing == PROVIDER_VERIFY)
        return verified(EVP_PKEY_verify(sig->ctx, given.data, given.len, input.data, input.len),
                        err);
    if (sig->doing == PROVIDER_DIGEST_VERIFY)
        return verified(EVP_DigestVerify(sig->md, given.data, given.len, input.data, input.len),
                        err);
    return wrong_order(err);
}

int provider_signature_verify(void *data, const unsigned char *given, size_t len,
                              const unsigned char *tbs, size_t tbs_len)
{
    struct provider_signature *sig = data;

    return PROVIDER_CALL(call, sig->provider,
                         verify(sig, remote_slice(given, len), remote_slice(tbs, tbs_len),
                                &call->err));
}

static enum remote_rc verify_final(struct provider_signature *sig, struct remote_slice given,
                                   struct remote_error *err)
{
    if (sig->doing != PROVIDER_DIGEST_VERIFY)
        return wrong_order(err);
    return verified(EVP_DigestVerifyFinal(sig->md, given.data, given.len), err);
}

int provider_signature_verify_final(void *data, const unsigned char *given, size_t len)
{
    struct provider_signature *sig = data;

    return PROVIDER_CALL(call, sig->provider,
                         verify_final(sig, remote_slice(given, len), &call->err));
}

static enum remote_rc recover(struct provider_signature *sig, struct remote_slice given,
                              const struct room *room, struct remote_error *err)
{
    if (sig->doing != PROVIDER_RECOVER)
        return wrong_order(err);
    *room->ret_len = room->size;
    return verified(EVP_PKEY_verify_recover(sig->ctx, room->out, room->ret_len, given.data,
                                            given.len),
                    err);
}

int provider_signature_recover(void *data, unsigned char *out, size_t *ret_len, size_t size,
                               const unsigned char *given, size_t len)
{
    struct provider_signature *sig = data;
    const struct room room = { out, size, ret_len };

    return PROVIDER_CALL(call, sig->provider,
                         recover(sig, remote_slice(given, len), &room, &call->err));
}

/* ---- parameters: all of them libcrypto's ---- */

/* Without a sentence, as keymgmt's. */
static enum remote_rc get_params(const struct provider_signature *sig, OSSL_PARAM params[])
{
    return sig->ctx != NULL && EVP_PKEY_CTX_get_params(sig->ctx, params) == 1 ? REMOTE_OK
                                                                              : REMOTE_E_PARAM;
}

int provider_signature_get_params(void *data, OSSL_PARAM params[])
{
    struct provider_signature *sig = data;

    return PROVIDER_CALL(call, sig->provider, get_params(sig, params));
}

static enum remote_rc set_params(const struct provider_signature *sig, const OSSL_PARAM params[],
                                 struct remote_error *err)
{
    if (sig->ctx == NULL)
        return wrong_order(err);
    if (sig->remote)
        REMOTE_TRY(provider_signature_check_params(sig->key->remote, params, err));
    if (EVP_PKEY_CTX_set_params(sig->ctx, params) != 1)
        return remote_crypto_fail(err, "not a parameter for this signature");
    return REMOTE_OK;
}

int provider_signature_set_params(void *data, const OSSL_PARAM params[])
{
    struct provider_signature *sig = data;

    if (params == NULL || params[0].key == NULL)
        return 1;
    return PROVIDER_CALL(call, sig->provider, set_params(sig, params, &call->err));
}
