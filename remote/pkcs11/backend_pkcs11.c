/* SPDX-License-Identifier: Apache-2.0 */
/* Any other PKCS#11 module as a slot: SoftHSM2, or a real HSM. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsm.h"
#include "remote/slot.h"

#define INPUT_MAX (1u << 20)
#define PIN_MAX 255 /* bytes; CK_TOKEN_INFO's own limits are known only once it is open */

#define RAW (1u << REMOTE_HASH_NONE)
#define SHA1 (1u << REMOTE_HASH_SHA1)

/* What some token has; offers() says what this one has once it was asked. */
static const struct remote_backend_alg pkcs11_algs[] = {
    { REMOTE_ALG_RSA_PKCS1, RAW | SHA1 | REMOTE_HASHES_SHA2 | REMOTE_HASHES_SHA3 },
    { REMOTE_ALG_RSA_PSS, SHA1 | REMOTE_HASHES_SHA2 | REMOTE_HASHES_SHA3 },
    { REMOTE_ALG_ECDSA, RAW | SHA1 | REMOTE_HASHES_SHA2 | REMOTE_HASHES_SHA3 },
    { REMOTE_ALG_EDDSA, RAW },
    { REMOTE_ALG_RSA_PKCS1_ENC, RAW },
    { REMOTE_ALG_RSA_OAEP, SHA1 | REMOTE_HASHES_SHA2 | REMOTE_HASHES_SHA3 },
    { REMOTE_ALG_AES_GCM, RAW },
    { REMOTE_ALG_AEAD, RAW },
    { REMOTE_ALG_HMAC, SHA1 | REMOTE_HASHES_SHA2 | REMOTE_HASHES_SHA3 },
    { REMOTE_ALG_NONE, 0 },
};

static const struct remote_option pkcs11_options[] = {
    { .name = "module",
      .type = REMOTE_OPTION_PATH,
      .help = "the HSM's PKCS#11 module, such as /usr/lib/softhsm/libsofthsm2.so" },
    { .name = "token",
      .type = REMOTE_OPTION_TEXT,
      .help = "URI of the token, such as pkcs11:token=LABEL; the only one" },
    { .name = "pin_file", .type = REMOTE_OPTION_PATH, .help = "a file with the token's user PIN" },
    { .name = NULL },
};

/* ---- open and close ---- */

static void pkcs11_close(struct remote_conn *conn)
{
    struct hsm *hsm = (struct hsm *)conn;

    hsm_sessions_clear(hsm);
    remote_credential_close(hsm->pin);
    hsm_uri_free(hsm->uri);
    free(hsm->path);
    free(hsm);
}

static void pkcs11_trim(struct remote_conn *conn)
{
    hsm_sessions_trim((struct hsm *)conn);
}

static enum remote_rc open_module(struct hsm *hsm, const struct remote_section *section,
                                  struct remote_error *err)
{
    const char *path = remote_section_text(section, "module", NULL);
    struct remote_error why = { 0 };

    if (path == NULL)
        return remote_section_fail(section, "module", err,
                                   "missing; name the HSM's PKCS#11 module");
    if (hsm_module_check(path, &why) != REMOTE_OK)
        return remote_section_fail(section, "module", err, "%s", why.text);
    hsm->path = strdup(path);
    return hsm->path != NULL ? REMOTE_OK : REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
}

static enum remote_rc open_token(struct hsm *hsm, const struct remote_section *section,
                                 struct remote_error *err)
{
    const char *text = remote_section_text(section, "token", NULL);
    struct remote_error why = { 0 };

    if (text == NULL)
        return REMOTE_OK;
    if (hsm_uri_parse(text, &hsm->uri, &why) != REMOTE_OK)
        return remote_section_fail(section, "token", err, "%s", why.text);
    return REMOTE_OK;
}

static enum remote_rc open_pin(struct hsm *hsm, const struct remote_section *section,
                               struct remote_error *err)
{
    const char *path = remote_section_text(section, "pin_file", NULL);

    hsm->pin_at_login = remote_section_has(section, "pin");
    if (path == NULL)
        return REMOTE_OK;
    if (hsm->pin_at_login)
        return remote_section_fail(section, "pin_file", err,
                                   "with 'pin = pin' the application brings the PIN; remove one of "
                                   "the two");
    return remote_credential_open_file(section, "pin_file", path, &hsm->pin, err);
}

static enum remote_rc configure(struct hsm *hsm, const struct remote_section *section,
                                struct remote_error *err)
{
    REMOTE_TRY(open_module(hsm, section, err));
    REMOTE_TRY(open_token(hsm, section, err));
    return open_pin(hsm, section, err);
}

static enum remote_rc pkcs11_open(struct remote_slot *slot, const struct remote_section *section,
                                  struct remote_conn **ret, struct remote_error *err)
{
    struct hsm *hsm = calloc(1, sizeof(*hsm));
    enum remote_rc rc;

    if (hsm == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    hsm->base.slot = slot;
    hsm->read_write = remote_slot_writable(slot);
    hsm_sessions_init(hsm);
    rc = configure(hsm, section, err);
    if (rc != REMOTE_OK) {
        pkcs11_close(&hsm->base);
        return rc;
    }
    *ret = &hsm->base;
    return REMOTE_OK;
}

/* ---- credentials ---- */

static bool pkcs11_pin_fits(const struct remote_conn *conn, struct remote_slice pin)
{
    (void)conn;
    return pin.len <= PIN_MAX;
}

/* The PIN is the grant: it needs no request, C_Login comes with the first session. */
static enum remote_rc pkcs11_grant(struct remote_conn *conn, struct remote_slice pin,
                                   struct remote_grant *ret, struct remote_error *err)
{
    struct hsm *hsm = (struct hsm *)conn;

    if (hsm->pin == NULL)
        return remote_secret_set(&ret->token, pin.data, pin.len, err);
    REMOTE_TRY(remote_credential_get(hsm->pin, &ret->token, err));
    return hsm_pin_check(hsm, remote_secret_slice(&ret->token), err);
}

/* ---- what the token has ---- */

static bool pkcs11_offers(const struct remote_conn *conn, enum remote_alg alg,
                          enum remote_hash hash)
{
    const struct hsm *hsm = (const struct hsm *)conn;
    CK_MECHANISM_TYPE mechanism = hsm_mechanism_of(alg, hash);

    if (alg == REMOTE_ALG_RSA_OAEP)
        return hsm_has(hsm, mechanism) || hsm_has(hsm, CKM_RSA_X_509);
    return mechanism == CKM_VENDOR_DEFINED || hsm_has(hsm, mechanism);
}

static enum remote_rc pkcs11_check(const struct remote_conn *conn, const struct remote_key *key,
                                   const struct remote_params *params, struct remote_error *err)
{
    size_t most = (key->bits + 7u) / 8u;

    if (!pkcs11_offers(conn, params->alg, params->hash))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "key '%s': its token has no such mechanism (0x%lx)", key->name,
                           hsm_mechanism_of(params->alg, params->hash));
    if (params->alg != REMOTE_ALG_RSA_PSS)
        return REMOTE_OK;
    if (most < remote_hash_size(params->hash) + 2 ||
        params->salt_len > most - remote_hash_size(params->hash) - 2) /* RFC 8017 9.1.1 */
        return REMOTE_FAIL(err, REMOTE_E_PARAM,
                           "key '%s': a PSS salt of %zu bytes does not fit its %u bits", key->name,
                           params->salt_len, key->bits);
    return REMOTE_OK;
}

/* ---- operations ---- */

static enum remote_rc prove(struct hsm_session *session, struct remote_op *op,
                            struct remote_error *err)
{
    (void)session, (void)op, (void)err; /* that there is a session says it all */
    return REMOTE_OK;
}

static enum remote_rc health(struct hsm_session *session, struct remote_op *op,
                             struct remote_error *err)
{
    CK_TOKEN_INFO info = { 0 };
    CK_RV rv = HSM_CALL(session->functions, C_GetTokenInfo, session->slot_id, &info);

    if (rv != CKR_OK)
        return hsm_fail(session, "C_GetTokenInfo", rv, err);
    snprintf(op->detail, sizeof(op->detail), "token '%s', %.*s %.*s", session->hsm->label,
             hsm_padded_len(info.manufacturerID, sizeof(info.manufacturerID)),
             (const char *)info.manufacturerID, hsm_padded_len(info.model, sizeof(info.model)),
             (const char *)info.model);
    return REMOTE_OK;
}

static const struct {
    hsm_verb run;
    bool once; /* changes keys: never repeated once the module was asked */
} verbs[REMOTE_OP_COUNT] = {
    [REMOTE_OP_PROVE] = { prove, false },          [REMOTE_OP_HEALTH] = { health, false },
    [REMOTE_OP_LIST] = { hsm_list, false },        [REMOTE_OP_READ] = { hsm_read, false },
    [REMOTE_OP_SIGN] = { hsm_sign, false },        [REMOTE_OP_DECRYPT] = { hsm_decrypt, false },
    [REMOTE_OP_ENCRYPT] = { hsm_encrypt, false },  [REMOTE_OP_MAC] = { hsm_sign, false },
    [REMOTE_OP_RANDOM] = { hsm_random, false },    [REMOTE_OP_DATA_KEY] = { hsm_data_key, false },
    [REMOTE_OP_GENERATE] = { hsm_generate, true }, [REMOTE_OP_IMPORT] = { hsm_import, true },
    [REMOTE_OP_DESTROY] = { hsm_destroy, true },   [REMOTE_OP_LABEL] = { hsm_rename, true },
};

/* What a failed attempt leaves to a second one: a new connection, or a look where the key is now.
 */
static bool may_repeat(const struct hsm_session *session, const struct remote_op *op, bool asked)
{
    return (session->lost || session->gone) && !(asked && verbs[op->kind].once);
}

static enum remote_rc attempt(struct hsm *hsm, struct remote_op *op,
                              const struct remote_grant *grant, int64_t deadline_ms,
                              bool *ret_repeat, struct remote_error *err)
{
    struct hsm_session session;
    enum remote_rc rc = hsm_session_acquire(hsm, grant, deadline_ms, &session, err);

    if (rc != REMOTE_OK) {
        *ret_repeat = may_repeat(&session, op, false);
        return rc;
    }
    rc = verbs[op->kind].run(&session, op, err);
    *ret_repeat = rc != REMOTE_OK && may_repeat(&session, op, true);
    if (session.gone)
        hsm_forget_objects(hsm);
    hsm_session_release(&session);
    return rc;
}

static enum remote_rc pkcs11_perform(struct remote_conn *conn, struct remote_op *op,
                                     const struct remote_grant *grant, int64_t deadline_ms,
                                     struct remote_error *err)
{
    struct hsm *hsm = (struct hsm *)conn;
    bool repeat = false;
    enum remote_rc rc;

    if (verbs[op->kind].run == NULL)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "another PKCS#11 module cannot do this");
    rc = attempt(hsm, op, grant, deadline_ms, &repeat, err);
    if (rc == REMOTE_OK || !repeat || remote_now_ms() >= deadline_ms)
        return rc;
    return attempt(hsm, op, grant, deadline_ms, &repeat, err);
}

const struct remote_backend_ops remote_backend_pkcs11 = {
    .name = "pkcs11",
    .title = "another PKCS#11 module",
    .options = pkcs11_options,
    .algs = pkcs11_algs,
    .sizes = {
        [REMOTE_KEY_RSA] = { 2048, 8192 },
        [REMOTE_KEY_EC] = { 256, 521 },
        [REMOTE_KEY_ED25519] = { 256, 256 },
        [REMOTE_KEY_AES] = { 128, 256 },
        [REMOTE_KEY_GENERIC] = { 128, 4096 },
    },
    .timeout_ms = 3000,
    .input_max = INPUT_MAX,
    .https = false,
    .open = pkcs11_open,
    .close = pkcs11_close,
    .trim = pkcs11_trim,
    .pins = "pin",
    .pin_fits = pkcs11_pin_fits,
    .grant = pkcs11_grant,
    .check = pkcs11_check,
    .offers = pkcs11_offers,
    .perform = pkcs11_perform,
    /* as `verbs` has them; there is no rotation of an HSM's keys */
    .performs = 1u << REMOTE_OP_PROVE | 1u << REMOTE_OP_HEALTH | 1u << REMOTE_OP_LIST |
                1u << REMOTE_OP_READ | 1u << REMOTE_OP_SIGN | 1u << REMOTE_OP_DECRYPT |
                1u << REMOTE_OP_ENCRYPT | 1u << REMOTE_OP_MAC | 1u << REMOTE_OP_RANDOM |
                1u << REMOTE_OP_DATA_KEY | 1u << REMOTE_OP_GENERATE | 1u << REMOTE_OP_IMPORT |
                1u << REMOTE_OP_DESTROY | 1u << REMOTE_OP_LABEL,
};
