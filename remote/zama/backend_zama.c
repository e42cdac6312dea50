/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zama's threshold KMS: an oracle that decrypts TFHE ciphertexts in public. It signs, wraps and
 * derives nothing for its callers; what makes keys, contexts and backups is its operator's tool's.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/obj_mac.h>

#include "remote/slot_private.h"
#include "zama_slot.h"

/* What a request has beside its ciphertext. */
#define REQUEST_MAX 8192
#define RAW (1u << REMOTE_HASH_NONE)

/* Signatures of the parties' keys are checked here. */
static const struct remote_backend_alg zama_algs[] = {
    { REMOTE_ALG_FHE, RAW },
    { REMOTE_ALG_ECDSA, RAW | 1u << REMOTE_HASH_SHA1 | REMOTE_HASHES_SHA2 | REMOTE_HASHES_SHA3 },
    { REMOTE_ALG_EDDSA, RAW },
    { REMOTE_ALG_NONE, 0 },
};

static const int zama_curves[] = { NID_secp256k1, 0 };

/* ---- open and close ---- */

static void zama_close(struct remote_conn *conn)
{
    struct zama *zama = (struct zama *)conn;

    free(zama->domain.name);
    free(zama->domain.version);
    remote_lock_destroy(&zama->lock);
    free(zama);
}

static enum remote_rc zama_open(struct remote_slot *slot, const struct remote_section *section,
                                struct remote_conn **ret, struct remote_error *err)
{
    struct zama *zama = calloc(1, sizeof(*zama));
    enum remote_rc rc;

    if (zama == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    zama->base.slot = slot;
    remote_lock_init(&zama->lock, REMOTE_LOCK_POOL);
    atomic_init(&zama->answered, UINT_MAX);
    rc = zama_configure(zama, section, err);
    if (rc != REMOTE_OK) {
        zama_close(&zama->base);
        return rc;
    }
    *ret = &zama->base;
    return REMOTE_OK;
}

/* CK_SLOT_INFO has room for a few words; the KMS tells no version of itself. */
static void zama_describe(const struct remote_conn *conn, struct remote_buf *ret)
{
    const struct zama *zama = (const struct zama *)conn;
    unsigned answered = atomic_load(&zama->answered);

    if (zama->count == 1)
        remote_buf_append_str(ret, ", centralized");
    else
        remote_buf_printf(ret, ", %u of %zu", zama->needed, zama->count);
    if (answered != UINT_MAX)
        remote_buf_printf(ret, ", %u answer", answered);
}

/* ---- operations ---- */

/* There are no batches: one item. */
static enum remote_rc zama_perform(struct remote_conn *conn, struct remote_op *op,
                                   const struct remote_grant *grant, int64_t deadline_ms,
                                   struct remote_error *err)
{
    struct zama *zama = (struct zama *)conn;

    (void)grant;
    switch (op->kind) {
    case REMOTE_OP_DECRYPT:
        return zama_decrypt(zama, op, &op->items[0], deadline_ms, err);
    case REMOTE_OP_LIST:
        return zama_list(zama, op, deadline_ms, err);
    case REMOTE_OP_READ:
        return zama_read(zama, op, deadline_ms, err);
    case REMOTE_OP_PROVE:
        return zama_prove(zama, op, deadline_ms, err);
    default:
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "a threshold KMS cannot do this");
    }
}

static size_t zama_opened_len(const struct remote_key *key, const struct remote_params *params)
{
    (void)key;
    return zama_plaintext_len(params->fhe.type);
}

const struct remote_backend_ops remote_backend_zama = {
    .name = "zama",
    .title = "Zama's threshold KMS",
    .options = zama_options,
    .algs = zama_algs,
    .sizes = {
        [REMOTE_KEY_FHE] = { 1, 256 }, /* of what is encrypted */
        [REMOTE_KEY_EC] = { 256, 256 },
        [REMOTE_KEY_ED25519] = { 256, 256 },
    },
    .curves = zama_curves,
    .timeout_ms = 30000,
    .input_max = ZAMA_MESSAGE_MAX - REQUEST_MAX,
    .https = true,
    .own_endpoints = true,
    .opened_len = zama_opened_len,
    .describe = zama_describe,
    .open = zama_open,
    .close = zama_close,
    .pins = "",
    .check = zama_check,
    .perform = zama_perform,
    .performs = 1u << REMOTE_OP_PROVE | 1u << REMOTE_OP_LIST | 1u << REMOTE_OP_READ |
                1u << REMOTE_OP_DECRYPT,
    .ops = {
        [REMOTE_OP_HEALTH] = { zama_build_health, zama_parse_health, false },
        [REMOTE_OP_DOCUMENT] = { zama_build_call, zama_parse_call, false },
    },
};
