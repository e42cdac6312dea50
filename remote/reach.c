/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a service is there at all, for servers that are asked themselves. */
#include "remote/net/exchange.h"
#include "slot_private.h"

static enum remote_rc ask(struct remote_slot *slot, size_t endpoint, struct remote_error *err)
{
    struct remote_call call;
    enum remote_rc rc;

    remote_call_init(&call, slot, REMOTE_OP_HEALTH);
    call.endpoint = (int)endpoint;
    call.single_shot = true;
    rc = remote_exchange_one(&call, err);
    remote_call_clear(&call);
    return rc;
}

enum remote_rc remote_slot_reach(struct remote_slot *slot, struct remote_error *err)
{
    size_t count;
    enum remote_rc rc;

    REMOTE_TRY(remote_slot_status(slot, err));
    if (!remote_backend_has_op(slot->ops, REMOTE_OP_HEALTH))
        return REMOTE_OK;
    count = slot->transport != NULL ? slot->endpoints.count : 1;
    rc = REMOTE_E_UNAVAILABLE;
    for (size_t i = 0; rc != REMOTE_OK && i < count; i++)
        rc = ask(slot, i, err);
    return rc;
}
