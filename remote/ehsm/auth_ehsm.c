/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eHSM-KMS's credentials: an appid and an API key that signs each request. There is no session; a
 * grant holds the key. Proving it finds out, on the way, what this server can do.
 */
#include <ctype.h>
#include <string.h>

#include "ehsm.h"
#include "remote/slot.h"

#define NOT_ENROLLED "enroll"

/* ---- forms ---- */

/* v4, but nobody checks that: payload_checker.js takes any small letters. */
bool ehsm_is_uuid(struct remote_slice text)
{
    if (text.data == NULL || text.len != EHSM_UUID_LEN)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = text.data[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? c != '-' : !(islower(c) || isdigit(c)))
            return false;
    }
    return true;
}

static bool is_apikey(struct remote_slice text)
{
    if (text.len != EHSM_APIKEY_LEN)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!isalnum(text.data[i]) || text.data[i] > 0x7f)
            return false;
    return true;
}

bool ehsm_pin_fits(const struct remote_conn *conn, struct remote_slice pin)
{
    (void)conn;
    return is_apikey(pin);
}

/* ---- configuration ---- */

static enum remote_rc read_appid(struct ehsm *ehsm, const struct remote_section *section,
                                 struct remote_error *err)
{
    const char *appid = remote_section_text(section, "appid", NULL);

    if (appid == NULL)
        return remote_section_fail(
            section, "appid", err,
            "missing; give the appid that the service enrolled, or 'appid = " NOT_ENROLLED
            "' and run 'hsmbridge ehsm enroll --slot %s'",
            remote_section_name(section));
    if (strcmp(appid, NOT_ENROLLED) == 0)
        return REMOTE_OK;
    if (!ehsm_is_uuid(remote_slice_str(appid)))
        return remote_section_fail(section, "appid", err,
                                   "'%.40s' is no appid, which looks like "
                                   "8d5dd3b8-3996-40f5-9785-dcb8265981ba, in small letters",
                                   appid);
    ehsm->appid = appid;
    return REMOTE_OK;
}

static void read_nonce(struct ehsm *ehsm, const struct remote_section *section)
{
    const char *word = remote_section_text(section, "nonce", "auto");

    ehsm->nonce_auto = strcmp(word, "auto") == 0;
    if (!ehsm->nonce_auto)
        atomic_store(&ehsm->nonce, strcmp(word, "on") == 0 ? EHSM_NONCE_ON : EHSM_NONCE_OFF);
}

static enum remote_rc current_key(struct ehsm *ehsm, struct remote_secret *ret,
                                  struct remote_error *err)
{
    REMOTE_TRY(remote_credential_get(ehsm->apikey, ret, err));
    if (is_apikey(remote_secret_slice(ret)))
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                       "not an API key of eHSM-KMS, which has %d letters and digits",
                       EHSM_APIKEY_LEN);
}

enum remote_rc ehsm_auth_open(struct ehsm *ehsm, const struct remote_section *section,
                              struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret key = { 0 };
    bool pin = remote_section_has(section, "pin");
    struct remote_error why = { 0 };

    read_nonce(ehsm, section);
    REMOTE_TRY(read_appid(ehsm, section, err));
    REMOTE_TRY(remote_credential_open(section, "apikey", &ehsm->apikey, err));
    if (pin && ehsm->apikey != NULL)
        return remote_section_fail(section, "pin", err, "one of apikey_file and pin = apikey");
    if (pin || ehsm->appid == NULL)
        return REMOTE_OK;
    if (ehsm->apikey == NULL)
        return remote_section_fail(section, "apikey_file", err,
                                   "missing; eHSM-KMS needs the API key of the appid (or pin = "
                                   "apikey)");
    if (current_key(ehsm, &key, &why) != REMOTE_OK)
        return remote_section_fail(section, "apikey_file", err, "%s", why.text);
    return REMOTE_OK;
}

void ehsm_auth_close(struct ehsm *ehsm)
{
    remote_credential_close(ehsm->apikey);
}

enum remote_rc ehsm_grant(struct remote_conn *conn, struct remote_slice pin,
                          struct remote_grant *ret, struct remote_error *err)
{
    struct ehsm *ehsm = (struct ehsm *)conn;

    memset(ret, 0, sizeof(*ret));
    if (pin.len > 0)
        return remote_secret_set(&ret->token, pin.data, pin.len, err);
    if (ehsm->appid == NULL || ehsm->apikey == NULL)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "not enrolled yet; run 'hsmbridge ehsm enroll'");
    return current_key(ehsm, &ret->token, err);
}

/* ---- proof, and what the server can do: each step is free of side effects ---- */

/*
 * A server that is older than v0.4.0 does not count the nonce among what is signed, and refuses a
 * signature that does: the same listing without one tells. v0.4.0 and earlier know no import.
 * op->answer is the stage.
 */
static const char STAGE_PLAIN[] = "without nonce", STAGE_ERA[] = "era";

static bool is_stage(const struct remote_op *op, const char *stage)
{
    return remote_slice_equal(remote_buf_slice(&op->answer), remote_slice_str(stage));
}

static enum remote_rc enter_stage(struct remote_op *op, const char *stage, struct remote_error *err)
{
    remote_buf_clear(&op->answer);
    remote_buf_append_str(&op->answer, stage);
    op->more = true;
    return remote_buf_check(&op->answer, err);
}

enum remote_rc ehsm_build_prove(struct remote_conn *conn, const struct remote_op *op,
                                const struct remote_grant *grant, unsigned attempt,
                                struct remote_request *request, struct remote_error *err)
{
    struct ehsm *ehsm = (struct ehsm *)conn;
    bool era = is_stage(op, STAGE_ERA);
    const struct ehsm_payload payload = { .absent = !era };
    bool with_nonce = atomic_load(&ehsm->nonce) != EHSM_NONCE_OFF && !is_stage(op, STAGE_PLAIN);

    (void)attempt;
    request->reply_max = era ? 0 : EHSM_LISTING_MAX;
    return ehsm_request(ehsm, grant, era ? "GetParametersForImport" : "ListKey", &payload,
                        with_nonce, request, err);
}

/* Whether it is there shows before what it lacks: it is asked for nothing that it could do. */
static enum remote_rc learn_era(struct ehsm *ehsm, enum remote_rc rc)
{
    if (rc != REMOTE_OK && rc != REMOTE_E_USAGE && rc != REMOTE_E_UNSUPPORTED)
        return rc;
    atomic_store(&ehsm->era, rc == REMOTE_E_UNSUPPORTED ? EHSM_ERA_OLD : EHSM_ERA_NEW);
    return REMOTE_OK;
}

static enum remote_rc learn_nonce(struct ehsm *ehsm, struct remote_op *op, const remote_json *json,
                                  struct remote_error *err)
{
    if (ehsm->nonce_auto)
        atomic_store(&ehsm->nonce, is_stage(op, STAGE_PLAIN) ? EHSM_NONCE_OFF : EHSM_NONCE_ON);
    REMOTE_TRY(ehsm_known_take(ehsm, json, err));
    return atomic_load(&ehsm->era) == EHSM_ERA_UNKNOWN ? enter_stage(op, STAGE_ERA, err)
                                                       : REMOTE_OK;
}

enum remote_rc ehsm_parse_prove(struct remote_conn *conn, struct remote_op *op,
                                const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct ehsm *ehsm = (struct ehsm *)conn;
    enum remote_rc rc = ehsm_reply(op, reply, &json, err);

    if (is_stage(op, STAGE_ERA))
        return learn_era(ehsm, rc);
    if (rc == REMOTE_E_AUTH && !is_stage(op, STAGE_PLAIN) &&
        atomic_load(&ehsm->nonce) == EHSM_NONCE_UNKNOWN)
        return enter_stage(op, STAGE_PLAIN, err);
    REMOTE_TRY(rc);
    return learn_nonce(ehsm, op, json, err);
}
