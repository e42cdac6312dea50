/* SPDX-License-Identifier: Apache-2.0 */
#include "ehsm_admin.h"

#include <stdlib.h>
#include <string.h>

#include "remote/encode.h"
#include "remote/json.h"
#include "remote/net/exchange.h"
#include "remote/slot_private.h"

static enum remote_rc need_ehsm(const struct remote_slot *slot, struct remote_error *err)
{
    REMOTE_TRY(remote_slot_status(slot, err));
    if (strcmp(remote_slot_backend(slot), "ehsm") == 0)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "slot '%s': its backend is %s, not ehsm",
                       slot->name, remote_slot_backend(slot));
}

static enum remote_rc fail_answer(const struct remote_slot *slot, const char *what,
                                  struct remote_error *err)
{
    return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "slot '%s': the answer has no %s", slot->name, what);
}

/* nobody: the action wants no credentials. */
static enum remote_rc ask(struct remote_slot *slot, const char *action, struct remote_slice sent,
                          const struct remote_grant *nobody, remote_json **ret,
                          struct remote_error *err)
{
    struct remote_call call;
    enum remote_rc rc;

    REMOTE_TRY(need_ehsm(slot, err));
    remote_call_init(&call, slot, REMOTE_OP_DOCUMENT);
    call.op.name = action;
    call.op.material = sent;
    call.lent = nobody;
    call.single_shot = nobody != NULL;
    rc = remote_exchange_one(&call, err);
    if (rc == REMOTE_OK) {
        *ret = remote_json_read(remote_buf_slice(&call.op.answer), err);
        rc = *ret != NULL ? REMOTE_OK : REMOTE_E_PROTOCOL;
    }
    remote_call_clear(&call);
    return rc;
}

enum remote_rc remote_ehsm_enroll(struct remote_slot *slot, char **ret_appid,
                                  struct remote_secret *ret_apikey, struct remote_error *err)
{
    static const struct remote_grant nobody;
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct remote_slice appid, apikey;
    char *owned;
    enum remote_rc rc;

    REMOTE_TRY(ask(slot, "Enroll", remote_slice(NULL, 0), &nobody, &json, err));
    appid = remote_json_slice(json, "result.appid");
    apikey = remote_json_slice(json, "result.apikey");
    if (appid.len == 0 || apikey.len == 0)
        return fail_answer(slot, "appid with an API key", err);
    owned = strndup((const char *)appid.data, appid.len);
    if (owned == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    rc = remote_secret_set(ret_apikey, apikey.data, apikey.len, err);
    if (rc != REMOTE_OK) {
        free(owned);
        return rc;
    }
    remote_printable(owned);
    *ret_appid = owned;
    return REMOTE_OK;
}

enum remote_rc remote_ehsm_quote(struct remote_slot *slot, struct remote_slice challenge,
                                 struct remote_buf *ret, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf echo = { 0 };
    struct remote_buf quote = { 0 };

    if (challenge.len == 0 || challenge.len > REMOTE_EHSM_CHALLENGE_MAX)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "a challenge has 1 to %d bytes, not %zu",
                           REMOTE_EHSM_CHALLENGE_MAX, challenge.len);
    REMOTE_TRY(ask(slot, "GenerateQuote", challenge, NULL, &json, err));
    if (!remote_base64_decode(remote_json_slice(json, "result.challenge"), &echo) ||
        !remote_slice_equal(remote_buf_slice(&echo), challenge))
        return fail_answer(slot, "challenge like ours", err);
    if (!remote_base64_decode(remote_json_slice(json, "result.quote"), &quote) || quote.len == 0) {
        remote_buf_clear(&quote);
        return fail_answer(slot, "quote", err);
    }
    remote_buf_clear(ret);
    *ret = quote;
    return REMOTE_OK;
}
