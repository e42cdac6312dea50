/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with keys of the token: sign, decrypt, encrypt, MAC; and random bytes. */
/* RSA_padding_check_PKCS1_OAEP_mgf1() is deprecated, and without successor for a bare block. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "hsm.h"
#include "remote/local/local.h"

#define GCM_NONCE 12
#define GCM_TAG 16

/* One operation on one key, as the module wants it. */
struct work {
    struct hsm_session *session;
    struct hsm_handle key;
    CK_MECHANISM mechanism;
    struct remote_error *err;
};

static enum remote_rc begin(struct work *work, struct hsm_session *session,
                            const struct remote_key *key, CK_MECHANISM mechanism,
                            struct remote_error *err)
{
    *work = (struct work){ .session = session, .mechanism = mechanism, .err = err };
    return hsm_locate(session, key, &work->key, err);
}

static CK_MECHANISM mechanism_of(const struct remote_op *op, void *parameter, size_t len)
{
    return (CK_MECHANISM){ hsm_mechanism_of(op->params.alg, op->params.hash), parameter, len };
}

/* CKA_ALWAYS_AUTHENTICATE: a login for this one operation, between its Init and itself. */
static enum remote_rc authenticate(struct work *work)
{
    struct hsm_session *session = work->session;
    CK_RV rv;

    if (!work->key.always_authenticate)
        return REMOTE_OK;
    rv = HSM_CALL(session->functions, C_Login, session->handle, CKU_CONTEXT_SPECIFIC,
                  (CK_UTF8CHAR *)session->pin.data, session->pin.len);
    return rv == CKR_OK ? REMOTE_OK : hsm_fail(session, "C_Login", rv, work->err);
}

/* The module's length is believed only as far as there was room. */
static enum remote_rc take_output(struct work *work, const char *call, CK_RV rv, CK_ULONG len,
                                  size_t room, struct remote_buf *out)
{
    if (rv != CKR_OK)
        return hsm_fail(work->session, call, rv, work->err);
    if (len > room) {
        work->session->spoiled = true;
        return REMOTE_FAIL(work->err, REMOTE_E_PROTOCOL,
                           "%s of the HSM's module: an impossible length", call);
    }
    out->len += len;
    return REMOTE_OK;
}

/* ---- sign and MAC ---- */

/* PKCS#11's C_SignInit and C_DecryptInit and so on are alike. */
typedef CK_RV (*init_fn)(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);
typedef CK_RV (*data_fn)(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out,
                         CK_ULONG *out_len);

struct pair { /* of functions, with their names for messages */
    init_fn init;
    data_fn data;
    const char *init_name, *data_name;
};

static CK_RV init(struct work *work, const struct pair *pair)
{
    return HSM_CALL(pair, init, work->session->handle, &work->mechanism, work->key.object);
}

static enum remote_rc finish(struct work *work, const struct pair *pair, struct remote_slice in,
                             size_t room, struct remote_buf *out)
{
    unsigned char *to = remote_buf_reserve(out, room);
    CK_ULONG len = room;
    CK_RV rv;

    if (to == NULL) {
        work->session->spoiled = true; /* its operation is under way */
        return remote_buf_check(out, work->err);
    }
    REMOTE_TRY(authenticate(work));
    rv = HSM_CALL(pair, data, work->session->handle, (CK_BYTE *)in.data, in.len, to, &len);
    return take_output(work, pair->data_name, rv, len, room, out);
}

static enum remote_rc run(struct work *work, const struct pair *pair, struct remote_slice in,
                          size_t room, struct remote_buf *out)
{
    CK_RV rv = init(work, pair);

    if (rv != CKR_OK)
        return hsm_fail(work->session, pair->init_name, rv, work->err);
    return finish(work, pair, in, room, out);
}

static struct pair signing(const struct hsm_session *session)
{
    return (struct pair){ session->functions->C_SignInit, session->functions->C_Sign, "C_SignInit",
                          "C_Sign" };
}

static struct pair decrypting(const struct hsm_session *session)
{
    return (struct pair){ session->functions->C_DecryptInit, session->functions->C_Decrypt,
                          "C_DecryptInit", "C_Decrypt" };
}

static struct pair encrypting(const struct hsm_session *session)
{
    return (struct pair){ session->functions->C_EncryptInit, session->functions->C_Encrypt,
                          "C_EncryptInit", "C_Encrypt" };
}

/* What CKM_RSA_PKCS signs of a digest: its DigestInfo. */
static enum remote_rc block_of(const struct remote_op *op, struct remote_slice in,
                               struct remote_buf *scratch, struct remote_slice *ret,
                               struct remote_error *err)
{
    *ret = in;
    if (op->params.alg == REMOTE_ALG_RSA_PKCS1 && op->params.hash != REMOTE_HASH_NONE) {
        remote_local_append_digestinfo(scratch, op->params.hash, in);
        *ret = remote_buf_slice(scratch);
        return remote_buf_check(scratch, err);
    }
    /* FIPS 186-5 6.4.1 takes the leftmost bits; some tokens refuse what is longer. */
    if (op->params.alg == REMOTE_ALG_ECDSA && ret->len > (op->key->bits + 7) / 8)
        ret->len = (op->key->bits + 7) / 8;
    return REMOTE_OK;
}

static enum remote_rc sign_item(struct work *work, const struct remote_op *op,
                                struct remote_item *item)
{
    CLEANUP(remote_buf_clear) struct remote_buf scratch = { 0 };
    struct pair pair = signing(work->session);
    struct remote_slice block;

    REMOTE_TRY(block_of(op, item->in, &scratch, &block, work->err));
    remote_buf_truncate(&item->out, 0);
    return run(work, &pair, block, remote_key_output_size(op->key, &op->params), &item->out);
}

enum remote_rc hsm_sign(struct hsm_session *session, struct remote_op *op, struct remote_error *err)
{
    CK_RSA_PKCS_PSS_PARAMS pss = { remote_hash_ckm(op->params.hash),
                                   remote_hash_mgf(op->params.mgf_hash), op->params.salt_len };
    bool is_pss = op->params.alg == REMOTE_ALG_RSA_PSS;
    struct work work;
    CK_MECHANISM mechanism = mechanism_of(op, is_pss ? &pss : NULL, is_pss ? sizeof(pss) : 0);

    REMOTE_TRY(begin(&work, session, op->key, mechanism, err));
    for (size_t i = 0; i < op->item_count; i++)
        REMOTE_TRY(sign_item(&work, op, &op->items[i]));
    return REMOTE_OK;
}

/* ---- AES-GCM: nonce, ciphertext, tag ---- */

static CK_GCM_PARAMS_V3 gcm_params(const struct remote_op *op, const unsigned char *nonce)
{
    return (CK_GCM_PARAMS_V3){ .pIv = (CK_BYTE *)nonce,
                               .ulIvLen = GCM_NONCE,
                               .ulIvBits = GCM_NONCE * 8,
                               .pAAD = (CK_BYTE *)op->params.aad.data,
                               .ulAADLen = op->params.aad.len,
                               .ulTagBits = GCM_TAG * 8 };
}

static enum remote_rc seal(struct hsm_session *session, const struct remote_op *op,
                           struct remote_slice plain, struct remote_buf *out,
                           struct remote_error *err)
{
    struct pair pair = encrypting(session);
    unsigned char nonce[GCM_NONCE];
    CK_GCM_PARAMS_V3 params = gcm_params(op, nonce);
    CK_MECHANISM mechanism = { CKM_AES_GCM, &params, sizeof(params) };
    struct work work;

    REMOTE_TRY(begin(&work, session, op->key, mechanism, err));
    REMOTE_TRY(remote_local_random(nonce, sizeof(nonce), err));
    remote_buf_truncate(out, 0);
    remote_buf_append(out, nonce, sizeof(nonce));
    REMOTE_TRY(run(&work, &pair, plain, plain.len + GCM_TAG, out));
    if (out->len != GCM_NONCE + plain.len + GCM_TAG)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "C_Encrypt of the HSM's module: %zu bytes where %zu are due",
                           out->len - GCM_NONCE, plain.len + GCM_TAG);
    return REMOTE_OK;
}

enum remote_rc hsm_encrypt(struct hsm_session *session, struct remote_op *op,
                           struct remote_error *err)
{
    for (size_t i = 0; i < op->item_count; i++)
        REMOTE_TRY(seal(session, op, op->items[i].in, &op->items[i].out, err));
    return REMOTE_OK;
}

/* ---- decrypt ---- */

/*
 * Modules have many codes for a ciphertext that does not open (SoftHSM2: CKR_GENERAL_ERROR), and
 * telling them apart would make a padding oracle.
 */
static enum remote_rc as_data(const struct hsm_session *session, enum remote_rc rc,
                              struct remote_error *err)
{
    if (rc == REMOTE_OK || session->lost || session->gone ||
        (rc != REMOTE_E_UNAVAILABLE && rc != REMOTE_E_LENGTH && rc != REMOTE_E_PARAM &&
         rc != REMOTE_E_DATA))
        return rc;
    return REMOTE_FAIL(err, REMOTE_E_DATA, "the ciphertext does not open");
}

static enum remote_rc open_gcm(struct hsm_session *session, const struct remote_op *op,
                               struct remote_item *item, struct remote_error *err)
{
    CK_GCM_PARAMS_V3 params = gcm_params(op, item->in.data);
    CK_MECHANISM mechanism = { CKM_AES_GCM, &params, sizeof(params) };
    struct pair pair = decrypting(session);
    struct remote_slice sealed;
    struct work work;
    CK_RV rv;

    if (item->in.len < GCM_NONCE + GCM_TAG)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "the ciphertext does not open");
    sealed = remote_slice(item->in.data + GCM_NONCE, item->in.len - GCM_NONCE);
    REMOTE_TRY(begin(&work, session, op->key, mechanism, err));
    rv = init(&work, &pair);
    if (rv != CKR_OK)
        return hsm_fail(session, pair.init_name, rv, err);
    /* room for the tag, too: some modules want as much as they were given */
    return as_data(session, finish(&work, &pair, sealed, sealed.len, &item->out), err);
}

static CK_RSA_PKCS_OAEP_PARAMS oaep_params(const struct remote_params *params)
{
    return (CK_RSA_PKCS_OAEP_PARAMS){ remote_hash_ckm(params->hash),
                                      remote_hash_mgf(params->mgf_hash), CKZ_DATA_SPECIFIED,
                                      (void *)params->aad.data, params->aad.len };
}

/* em: k bytes. Constant time in what they are (RFC 8017 7.1.2, note). */
static enum remote_rc unpad_oaep(const struct remote_params *params, struct remote_slice em,
                                 struct remote_buf *out, struct remote_error *err)
{
    EVP_MD *md = EVP_MD_fetch(remote_libctx(), remote_hash_name(params->hash), NULL);
    EVP_MD *mgf = EVP_MD_fetch(remote_libctx(), remote_hash_name(params->mgf_hash), NULL);
    unsigned char *to = remote_buf_reserve(out, em.len);
    int len = -1;

    if (md != NULL && mgf != NULL && to != NULL)
        len = RSA_padding_check_PKCS1_OAEP_mgf1(to, (int)em.len, em.data, (int)em.len, (int)em.len,
                                                params->aad.data, (int)params->aad.len, md, mgf);
    EVP_MD_free(md);
    EVP_MD_free(mgf);
    ERR_clear_error();
    if (len < 0)
        return REMOTE_FAIL(err, REMOTE_E_DATA, "the ciphertext does not open");
    out->len += (size_t)len;
    return REMOTE_OK;
}

/* Some modules cut leading zeros off a raw RSA result: it is made k bytes again. */
static enum remote_rc pad_front(struct remote_buf *block, size_t k, struct remote_error *err)
{
    size_t missing = k - block->len;

    if (missing == 0)
        return REMOTE_OK;
    if (remote_buf_reserve(block, missing) == NULL)
        return remote_buf_check(block, err);
    memmove(block->data + missing, block->data, block->len);
    memset(block->data, 0, missing);
    block->len = k;
    return REMOTE_OK;
}

/* For parameters that the token's own OAEP does not take (SoftHSM2: all but SHA-1): raw RSA
 * there, the padding here. */
static enum remote_rc open_oaep_raw(struct work *work, const struct remote_op *op,
                                    struct remote_item *item)
{
    CLEANUP(remote_buf_clear) struct remote_buf block = { 0 };
    struct pair pair = decrypting(work->session);

    CK_RV rv;

    work->mechanism = (CK_MECHANISM){ CKM_RSA_X_509, NULL, 0 };
    rv = init(work, &pair);
    if (rv != CKR_OK)
        return hsm_fail(work->session, pair.init_name, rv, work->err);
    REMOTE_TRY(
        as_data(work->session, finish(work, &pair, item->in, item->in.len, &block), work->err));
    REMOTE_TRY(pad_front(&block, item->in.len, work->err));
    return unpad_oaep(&op->params, remote_buf_slice(&block), &item->out, work->err);
}

static bool refuses_params(CK_RV rv)
{
    return rv == CKR_ARGUMENTS_BAD || rv == CKR_MECHANISM_PARAM_INVALID ||
           rv == CKR_MECHANISM_INVALID;
}

static enum remote_rc open_rsa(struct hsm_session *session, const struct remote_op *op,
                               struct remote_item *item, struct remote_error *err)
{
    CK_RSA_PKCS_OAEP_PARAMS oaep = oaep_params(&op->params);
    bool is_oaep = op->params.alg == REMOTE_ALG_RSA_OAEP;
    CK_MECHANISM mechanism = mechanism_of(op, is_oaep ? &oaep : NULL, is_oaep ? sizeof(oaep) : 0);
    struct pair pair = decrypting(session);
    struct work work;
    CK_RV rv;

    REMOTE_TRY(begin(&work, session, op->key, mechanism, err));
    rv = init(&work, &pair);
    if (is_oaep && refuses_params(rv) && hsm_has(session->hsm, CKM_RSA_X_509))
        return open_oaep_raw(&work, op, item);
    if (rv != CKR_OK)
        return hsm_fail(session, pair.init_name, rv, err);
    return as_data(session, finish(&work, &pair, item->in, item->in.len, &item->out), err);
}

enum remote_rc hsm_decrypt(struct hsm_session *session, struct remote_op *op,
                           struct remote_error *err)
{
    bool is_rsa =
        op->params.alg == REMOTE_ALG_RSA_OAEP || op->params.alg == REMOTE_ALG_RSA_PKCS1_ENC;

    for (size_t i = 0; i < op->item_count; i++) {
        remote_buf_truncate(&op->items[i].out, 0);
        REMOTE_TRY(is_rsa ? open_rsa(session, op, &op->items[i], err)
                          : open_gcm(session, op, &op->items[i], err));
    }
    return REMOTE_OK;
}

/* ---- random ---- */

enum remote_rc hsm_random(struct hsm_session *session, struct remote_op *op,
                          struct remote_error *err)
{
    struct remote_buf *out = &op->items[0].out;
    unsigned char *to;
    CK_RV rv;

    remote_buf_truncate(out, 0);
    to = remote_buf_reserve(out, op->length);
    if (to == NULL)
        return remote_buf_check(out, err);
    rv = HSM_CALL(session->functions, C_GenerateRandom, session->handle, to, op->length);
    if (rv != CKR_OK)
        return hsm_fail(session, "C_GenerateRandom", rv, err);
    out->len = op->length;
    return REMOTE_OK;
}

/* The token's random bytes, sealed by its key: both parts never left it together. */
enum remote_rc hsm_data_key(struct hsm_session *session, struct remote_op *op,
                            struct remote_error *err)
{
    if (op->key->type != REMOTE_KEY_AES)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "only AES keys of a token seal data keys");
    REMOTE_TRY(hsm_random(session, op, err));
    return seal(session, op, remote_buf_slice(&op->items[0].out), &op->items[1].out, err);
}
