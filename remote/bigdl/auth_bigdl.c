/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A BigDL KMS's credentials: a user and a token of the user's own choice, in every request. There
 * is no session. Users enrol themselves; nobody else has a part in it.
 */
#include <string.h>

#include "bigdl.h"
#include "remote/log.h"
#include "remote/slot.h"

#define TOKEN_MAX 1024 /* the server takes a request line of 2048 bytes, by its default */

/* ---- forms ---- */

/* Other services' secrets, which are never to be shown to this one (design: PIN dialogues). */
static bool is_foreign(struct remote_slice token)
{
    static const char *const forms[] = { "hvs.", "hvb.", "kes:v1:" };

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        if (token.len >= strlen(forms[i]) && memcmp(token.data, forms[i], strlen(forms[i])) == 0)
            return true;
    return false;
}

/* Any text but control characters. */
static bool is_token(struct remote_slice token)
{
    if (token.len == 0 || token.len > TOKEN_MAX || is_foreign(token))
        return false;
    for (size_t i = 0; i < token.len; i++)
        if (token.data[i] < 0x20 || token.data[i] == 0x7f)
            return false;
    return true;
}

bool bigdl_pin_fits(const struct remote_conn *conn, struct remote_slice pin)
{
    (void)conn;
    return is_token(pin);
}

/* ---- configuration ---- */

static enum remote_rc current_token(struct bigdl *bigdl, struct remote_secret *ret,
                                    struct remote_error *err)
{
    REMOTE_TRY(remote_credential_get(bigdl->token, ret, err));
    if (is_token(remote_secret_slice(ret)))
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                       "not a token of BigDL KMS, which is one line of at most %d bytes and no "
                       "other service's",
                       TOKEN_MAX);
}

enum remote_rc bigdl_auth_open(struct bigdl *bigdl, const struct remote_section *section,
                               struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret token = { 0 };
    bool pin = remote_section_has(section, "pin");
    struct remote_error why = { 0 };

    bigdl->user = remote_section_text(section, "user", NULL);
    if (bigdl->user == NULL || bigdl->user[0] == '\0')
        return remote_section_fail(section, "user", err,
                                   "missing; BigDL KMS keeps keys by user and name");
    REMOTE_TRY(remote_credential_open(section, "user_token", &bigdl->token, err));
    if (pin && bigdl->token != NULL)
        return remote_section_fail(section, "pin", err,
                                   "one of user_token_file and pin = "
                                   "user_token");
    if (pin)
        return REMOTE_OK;
    if (bigdl->token == NULL)
        return remote_section_fail(section, "user_token_file", err,
                                   "missing; BigDL KMS needs the user's token (or pin = "
                                   "user_token)");
    if (current_token(bigdl, &token, &why) != REMOTE_OK)
        return remote_section_fail(section, "user_token_file", err, "%s", why.text);
    return REMOTE_OK;
}

void bigdl_auth_close(struct bigdl *bigdl)
{
    remote_credential_close(bigdl->token);
}

/* ---- grants ---- */

enum remote_rc bigdl_grant(struct remote_conn *conn, struct remote_slice pin,
                           struct remote_grant *ret, struct remote_error *err)
{
    struct bigdl *bigdl = (struct bigdl *)conn;

    memset(ret, 0, sizeof(*ret));
    if (bigdl->token == NULL)
        return remote_secret_set(&ret->token, pin.data, pin.len, err);
    return current_token(bigdl, &ret->token, err);
}

/*
 * The second generation tells a wrong token from a wrong primary key. The first one does not: there
 * the configured data keys are fetched until one comes, and without any the token is taken as it
 * is.
 */
enum remote_rc bigdl_build_prove(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err)
{
    const struct bigdl *bigdl = (const struct bigdl *)conn;
    const struct bigdl_data_key *key;

    (void)attempt;
    if (op->step == 0)
        return bigdl_begin_probe(bigdl, NULL, grant, request, err);
    key = &bigdl->data_keys[op->step - 1];
    return bigdl_begin(bigdl, "GET", "dataKey", remote_slice_str(key->name), key->primary, grant,
                       request, err);
}

/* step: of the request that was refused; data keys are asked for from step 1 on. */
static enum remote_rc refused_without_reason(const struct bigdl *bigdl, struct remote_op *op,
                                             int status, struct remote_error *err)
{
    if (op->step < bigdl->data_key_count) {
        op->more = true;
        return REMOTE_OK;
    }
    if (op->step > 0)
        return bigdl_fail(BIGDL_SAID_NO_LOGIN, status, err);
    remote_log(REMOTE_LOG_INFO,
               "slot '%s': this BigDL KMS cannot tell whether a token is good, and there are no "
               "'data_keys' to try it with; it is taken as it is",
               remote_slot_name(bigdl->base.slot));
    return REMOTE_OK;
}

enum remote_rc bigdl_parse_prove(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    enum bigdl_said said = bigdl_said(reply);

    if (said == BIGDL_SAID_NO_REASON)
        return refused_without_reason((const struct bigdl *)conn, op, reply->status, err);
    if (op->step == 0 ? said == BIGDL_SAID_NO_PRIMARY : said == BIGDL_SAID_DONE)
        return REMOTE_OK;
    if (said == BIGDL_SAID_NOT_BIGDL)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "no BigDL KMS answers there; check url");
    return bigdl_fail(said == BIGDL_SAID_NO_LOGIN || said == BIGDL_SAID_NO_ROOT ||
                              said == BIGDL_SAID_BUSY || said == BIGDL_SAID_AWAY
                          ? said
                          : BIGDL_SAID_ELSE,
                      reply->status, err);
}

/* ---- enrolling ---- */

/*
 * Step 0 makes the user; anybody may, and of an existing one the answer is the same. Whether the
 * token holds is asked afterwards.
 */
enum remote_rc bigdl_build_enroll(struct remote_conn *conn, const struct remote_op *op,
                                  const struct remote_grant *grant, unsigned attempt,
                                  struct remote_request *request, struct remote_error *err)
{
    const struct bigdl *bigdl = (const struct bigdl *)conn;

    (void)attempt;
    if (op->step > 0)
        return bigdl_begin_probe(bigdl, NULL, grant, request, err);
    return bigdl_begin_user(bigdl, grant, request, err);
}

enum remote_rc bigdl_parse_enroll(struct remote_conn *conn, struct remote_op *op,
                                  const struct remote_reply *reply, struct remote_error *err)
{
    enum bigdl_said said = bigdl_said(reply);

    (void)conn;
    if (op->step == 0) {
        if (said == BIGDL_SAID_NO_REASON)
            return REMOTE_FAIL(err, REMOTE_E_EXISTS,
                               "the service makes no such user and tells no reason; there may be "
                               "one already");
        op->more = said == BIGDL_SAID_DONE;
        return op->more ? REMOTE_OK : bigdl_fail(said, reply->status, err);
    }
    if (said == BIGDL_SAID_NO_LOGIN)
        return REMOTE_FAIL(err, REMOTE_E_EXISTS,
                           "there is such a user already, with another token; nothing was changed");
    if (said == BIGDL_SAID_NO_PRIMARY || said == BIGDL_SAID_NO_REASON)
        return REMOTE_OK;
    return bigdl_fail(said, reply->status, err);
}
