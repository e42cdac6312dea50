/* SPDX-License-Identifier: Apache-2.0 */
#include "bigdl_admin.h"

#include <string.h>

#include "remote/net/exchange.h"
#include "remote/slot_private.h"

static bool is_bigdl(const struct remote_slot *slot)
{
    return strcmp(remote_slot_backend(slot), "bigdl") == 0;
}

static enum remote_rc need_bigdl(const struct remote_slot *slot, struct remote_slice pin,
                                 struct remote_error *err)
{
    if (!is_bigdl(slot))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "slot '%s': its backend is %s, not bigdl",
                           slot->name, remote_slot_backend(slot));
    REMOTE_TRY(remote_slot_status(slot, err));
    if (remote_slot_needs_login(slot) && !slot->ops->pin_fits(slot->conn, pin))
        return REMOTE_FAIL(err, REMOTE_E_PIN, "slot '%s': this is no token of BigDL KMS",
                           slot->name);
    return REMOTE_OK;
}

enum remote_rc remote_bigdl_enroll(struct remote_slot *slot, struct remote_slice pin,
                                   struct remote_error *err)
{
    struct remote_grant grant = { 0 };
    struct remote_call call;
    enum remote_rc rc;

    REMOTE_TRY(need_bigdl(slot, pin, err));
    REMOTE_TRY(slot->ops->grant(slot->conn, pin, &grant, err));
    remote_call_init(&call, slot, REMOTE_OP_DOCUMENT);
    call.lent = &grant; /* there is nothing to log in to yet */
    rc = remote_exchange_one(&call, err);
    remote_call_clear(&call);
    remote_secret_clear(&grant.token);
    return rc;
}

const char *remote_bigdl_user(const struct remote_slot *slot)
{
    if (!is_bigdl(slot) || remote_slot_status(slot, NULL) != REMOTE_OK)
        return NULL;
    return remote_section_text(remote_slot_section(slot), "user", NULL);
}
