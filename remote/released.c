/* SPDX-License-Identifier: Apache-2.0 */
#include "released.h"

#include <string.h>

#include "remote/local/local.h"
#include "remote/local/nonce.h"
#include "remote/net/exchange.h"
#include "slot_private.h"

#define GCM_NONCE 12
#define GCM_TAG 16

/* ---- the bytes ---- */

static enum remote_rc fetch(struct remote_key *key, struct remote_secret_key **ret,
                            struct remote_error *err)
{
    struct remote_item item = { 0 };
    struct remote_call call;
    enum remote_rc rc;

    remote_call_init(&call, key->slot, REMOTE_OP_RELEASE);
    call.op.key = key;
    call.op.items = &item;
    call.op.item_count = 1;
    rc = remote_exchange_one(&call, err);
    remote_call_clear(&call);
    if (rc == REMOTE_OK)
        rc = remote_secret_key_new(key->type, remote_buf_slice(&item.out), ret, err);
    remote_buf_clear(&item.out);
    if (rc == REMOTE_E_NOT_FOUND)
        remote_lookup_forget(key->slot, key->name);
    if (rc != REMOTE_OK && err != NULL)
        remote_error_prefix(err, "key '%s'", key->name);
    return rc;
}

/* Two that come at once both fetch it; the first one's is kept. */
static struct remote_secret_key *keep(struct remote_key *key, struct remote_secret_key *value)
{
    void *kept = NULL;

    if (atomic_compare_exchange_strong(&key->value, &kept, value))
        return value;
    remote_secret_key_unref(value);
    return kept;
}

enum remote_rc remote_key_release(struct remote_key *key, struct remote_secret_key **ret,
                                  struct remote_error *err)
{
    struct remote_secret_key *value = atomic_load(&key->value);

    if (!key->released)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "slot '%s': key '%s' does not come out",
                           key->slot->name, key->name);
    if (value == NULL) {
        REMOTE_TRY(remote_slot_status(key->slot, err));
        REMOTE_TRY(fetch(key, &value, err));
        value = keep(key, value);
    }
    *ret = remote_secret_key_ref(value);
    return REMOTE_OK;
}

/* ---- what is done with them by callers that have no sessions ---- */

/* Appends to *out. */
static enum remote_rc run(struct remote_secret_key *value, const struct remote_params *params,
                          struct remote_slice iv, bool encrypt, struct remote_slice in,
                          struct remote_buf *out, struct remote_error *err)
{
    CLEANUP(remote_cipher_clear) struct remote_cipher_run cipher = { 0 };
    const struct remote_cipher_params exact = { .cipher = remote_cipher_of[params->alg],
                                                .iv = iv,
                                                .aad = params->aad,
                                                .tag_len = params->alg == REMOTE_ALG_AES_GCM
                                                               ? GCM_TAG
                                                               : 0 };

    REMOTE_TRY(remote_cipher_init(&cipher, value, &exact, encrypt, err));
    REMOTE_TRY(remote_cipher_update(&cipher, in, out, err));
    return remote_cipher_final(&cipher, out, err);
}

/* AES-GCM: nonce, ciphertext, tag, as remote_alg says; the nonce is made here. */
static enum remote_rc seal(struct remote_secret_key *value, const struct remote_params *params,
                           struct remote_slice plain, struct remote_buf *out,
                           struct remote_error *err)
{
    unsigned char nonce[GCM_NONCE];

    if (params->alg != REMOTE_ALG_AES_GCM)
        return run(value, params, params->iv, true, plain, out, err);
    REMOTE_TRY(remote_local_nonce(nonce, sizeof(nonce), err));
    remote_buf_append(out, nonce, sizeof(nonce));
    return run(value, params, remote_slice(nonce, sizeof(nonce)), true, plain, out, err);
}

static enum remote_rc unseal(struct remote_secret_key *value, const struct remote_params *params,
                             struct remote_slice sealed, struct remote_buf *out,
                             struct remote_error *err)
{
    if (params->alg != REMOTE_ALG_AES_GCM)
        return run(value, params, params->iv, false, sealed, out, err);
    if (sealed.len < GCM_NONCE + GCM_TAG)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "%zu bytes are too few", sealed.len);
    return run(value, params, remote_slice(sealed.data, GCM_NONCE), false,
               remote_slice(sealed.data + GCM_NONCE, sealed.len - GCM_NONCE), out, err);
}

typedef enum remote_rc work_fn(struct remote_secret_key *value, const struct remote_params *params,
                               struct remote_slice in, struct remote_buf *out,
                               struct remote_error *err);

static enum remote_rc work(struct remote_key *key, const struct remote_params *params,
                           struct remote_slice in, work_fn *with, struct remote_buf *ret,
                           struct remote_error *err)
{
    struct remote_secret_key *value = NULL;
    struct remote_buf out = { 0 };
    enum remote_rc rc;

    REMOTE_TRY(remote_key_release(key, &value, err));
    rc = with(value, params, in, &out, err);
    remote_secret_key_unref(value);
    if (rc == REMOTE_OK)
        rc = remote_buf_check(&out, err);
    if (rc != REMOTE_OK) {
        remote_buf_clear(&out);
        return rc;
    }
    remote_buf_clear(ret);
    *ret = out;
    return REMOTE_OK;
}

enum remote_rc remote_released_encrypt(struct remote_key *key, const struct remote_params *params,
                                       struct remote_slice plain, struct remote_buf *ret_out,
                                       struct remote_error *err)
{
    return work(key, params, plain, seal, ret_out, err);
}

enum remote_rc remote_released_decrypt(struct remote_key *key, const struct remote_params *params,
                                       struct remote_slice sealed, struct remote_buf *ret_plain,
                                       struct remote_error *err)
{
    enum remote_rc rc = work(key, params, sealed, unseal, ret_plain, err);

    if (rc == REMOTE_E_DATA)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "slot '%s': key '%s' does not open this ciphertext",
                           key->slot->name, key->name);
    return rc;
}
