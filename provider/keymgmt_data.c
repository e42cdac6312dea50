/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys as parameters: how a key gets from another provider into ours and the other way round, or
 * from one EVP_PKEY into another.
 *
 * OpenSSL 3.0 exports a key with everything selected when another provider might work with it. A
 * copy without the private half would then fail to sign, so a remote private key refuses such an
 * export, in silence, and libcrypto comes back to us.
 */
#include "keymgmt.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/params.h>

/* ---- import ---- */

static enum remote_rc from_params(enum provider_key_type type, int selection,
                                  const OSSL_PARAM params[], EVP_PKEY **ret,
                                  struct remote_error *err)
{
    CLEANUP(provider_free_ctx)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(remote_libctx(), provider_key_type_oid(type),
                                                   PROVIDER_LIBCRYPTO);
    EVP_PKEY *pkey = NULL;

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, selection, (OSSL_PARAM *)params) != 1) {
        EVP_PKEY_free(pkey);
        return remote_crypto_fail(err, "cannot take the key over");
    }
    *ret = pkey;
    return REMOTE_OK;
}

static bool holds_private(enum provider_key_type type, const OSSL_PARAM params[])
{
    bool rsa = type == PROVIDER_RSA || type == PROVIDER_RSA_PSS;

    return OSSL_PARAM_locate_const(params,
                                   rsa ? OSSL_PKEY_PARAM_RSA_D : OSSL_PKEY_PARAM_PRIV_KEY) != NULL;
}

/* Without being told, libcrypto has public halves of all but EC keys: it works them out. */
static bool holds_public(enum provider_key_type type, const OSSL_PARAM params[])
{
    return type != PROVIDER_EC || OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PUB_KEY) != NULL;
}

static void fill(struct provider_key *key, EVP_PKEY *pkey, int selection, const OSSL_PARAM params[])
{
    EVP_PKEY_free(key->pkey);
    key->pkey = pkey;
    key->is_private =
        (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 && holds_private(key->type, params);
    key->is_public =
        (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0 && holds_public(key->type, params);
}

/* See PROVIDER_PARAM_REFERENCE. The content of the referred key moves over. */
static enum remote_rc adopt(struct provider_key *key, const OSSL_PARAM *param,
                            struct remote_error *err)
{
    struct provider_reference reference;

    if (!key->provider->inner || key->pkey != NULL || param->data == NULL ||
        param->data_size != sizeof(reference))
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "not a parameter for hosts");
    memcpy(&reference, param->data, sizeof(reference));
    if (reference.key->type != key->type || EVP_PKEY_up_ref(reference.key->pkey) != 1)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "a reference to a key of another type");
    key->pkey = reference.key->pkey;
    key->remote = remote_key_ref(reference.key->remote);
    key->is_private = reference.key->is_private;
    key->is_public = true;
    return REMOTE_OK;
}

static enum remote_rc import(struct provider_key *key, int selection, const OSSL_PARAM params[],
                             struct remote_error *err)
{
    const OSSL_PARAM *reference = OSSL_PARAM_locate_const(params, PROVIDER_PARAM_REFERENCE);
    EVP_PKEY *pkey = NULL;

    if (reference != NULL)
        return adopt(key, reference, err);
    if (key->remote != NULL)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "key '%s' of a key service cannot be changed",
                           key->remote->name);
    REMOTE_TRY(from_params(key->type, selection, params, &pkey, err));
    fill(key, pkey, selection, params);
    return REMOTE_OK;
}

int provider_keymgmt_import(void *data, int selection, const OSSL_PARAM params[])
{
    struct provider_key *key = data;

    return PROVIDER_CALL(call, key->provider, import(key, selection, params, &call->err));
}

/* ---- export ---- */

static enum remote_rc to_params(const struct provider_key *key, int selection, OSSL_PARAM **ret,
                                struct remote_error *err)
{
    if (EVP_PKEY_todata(key->pkey, selection, ret) != 1)
        return remote_crypto_fail(err, "cannot hand the key over");
    return REMOTE_OK;
}

/* OSSL_PARAM_free() wipes what lies in a secure heap only, and that is off by default. */
static void wipe_params(OSSL_PARAM *params)
{
    for (OSSL_PARAM *param = params; param != NULL && param->key != NULL; param++)
        if (param->data != NULL && param->data_type != OSSL_PARAM_UTF8_PTR &&
            param->data_type != OSSL_PARAM_OCTET_PTR)
            OPENSSL_cleanse(param->data, param->data_size);
    OSSL_PARAM_free(params);
}

static bool may_leave(const struct provider_key *key, int selection)
{
    return key->pkey != NULL && (key->remote == NULL || !key->is_private ||
                                 (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0);
}

int provider_keymgmt_export(void *data, int selection, OSSL_CALLBACK *callback, void *arg)
{
    struct provider_key *key = data;
    OSSL_PARAM *params = NULL;
    int ok;

    if (!may_leave(key, selection))
        return 0;
    if (!PROVIDER_CALL(call, key->provider, to_params(key, selection, &params, &call->err)))
        return 0;
    ok = callback(params, arg); /* the host's: outside the guard */
    (void)PROVIDER_CALL(call, key->provider, (wipe_params(params), REMOTE_OK));
    return ok;
}

/* ---- copies ---- */

/* Parts of a key, as a software key: the parameters of a certificate's key for one of our own. */
static enum remote_rc copy_part(const struct provider_key *from, int selection,
                                struct provider_key *to, struct remote_error *err)
{
    OSSL_PARAM *params = NULL;
    EVP_PKEY *pkey = NULL;
    enum remote_rc rc;

    REMOTE_TRY(to_params(from, selection, &params, err));
    rc = from_params(from->type, selection, params, &pkey, err);
    if (rc == REMOTE_OK)
        fill(to, pkey, selection, params);
    wipe_params(params);
    return rc;
}

static enum remote_rc copy_whole(const struct provider_key *from, struct provider_key *to,
                                 struct remote_error *err)
{
    to->pkey = EVP_PKEY_dup(from->pkey);
    if (to->pkey == NULL)
        return remote_crypto_fail(err, "cannot copy the key");
    to->is_private = from->is_private;
    to->is_public = from->is_public;
    return REMOTE_OK;
}

static enum remote_rc copy(const struct provider_key *from, int selection, struct provider_key *to,
                           struct remote_error *err)
{
    if (from->pkey == NULL)
        return REMOTE_OK; /* empty as it was */
    if (from->remote == NULL && (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0)
        return copy_whole(from, to, err);
    return copy_part(from, selection, to, err);
}

static enum remote_rc dup_software(const struct provider_key *from, int selection,
                                   struct provider_key **ret, struct remote_error *err)
{
    struct provider_key *to = provider_key_empty(from->provider, from->type);
    enum remote_rc rc;

    if (to == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    rc = copy(from, selection, to, err);
    if (rc == REMOTE_OK)
        *ret = to;
    else
        provider_key_unref(to);
    return rc;
}

/* A remote key never changes: a reference is as good as a copy. */
void *provider_keymgmt_dup(const void *data, int selection)
{
    struct provider_key *key = (struct provider_key *)data, *made = NULL;
    bool whole = (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ||
                 (!key->is_private && (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0);

    if (key->remote != NULL && whole)
        return provider_key_ref(key);
    (void)PROVIDER_CALL(call, key->provider, dup_software(key, selection, &made, &call->err));
    return made;
}
