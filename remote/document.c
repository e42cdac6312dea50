/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include "remote/net/exchange.h"
#include "slot_private.h"

enum remote_rc remote_slot_document(struct remote_slot *slot, const char *path,
                                    struct remote_secret *ret, struct remote_error *err)
{
    struct remote_call call;
    enum remote_rc rc;

    REMOTE_TRY(remote_slot_status(slot, err));
    if (!remote_backend_has_op(slot->ops, REMOTE_OP_DOCUMENT))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "slot '%s': %s keeps no documents",
                           slot->name, slot->ops->title);
    remote_call_init(&call, slot, REMOTE_OP_DOCUMENT);
    call.op.name = path;
    rc = remote_exchange_one(&call, err);
    if (rc == REMOTE_OK)
        rc = remote_secret_set(ret, call.op.answer.data, call.op.answer.len, err);
    remote_call_clear(&call);
    return rc;
}
