/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include "remote/net/exchange.h"
#include "slot_private.h"

static enum remote_rc need_op(struct remote_slot *slot, enum remote_op_kind kind,
                              struct remote_error *err)
{
    REMOTE_TRY(remote_slot_status(slot, err));
    if (!remote_backend_has_op(slot->ops, kind))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "slot '%s': %s keeps no documents",
                           slot->name, slot->ops->title);
    return REMOTE_OK;
}

enum remote_rc remote_slot_document(struct remote_slot *slot, const char *path,
                                    struct remote_secret *ret, struct remote_error *err)
{
    struct remote_call call;
    enum remote_rc rc;

    REMOTE_TRY(need_op(slot, REMOTE_OP_DOCUMENT, err));
    remote_call_init(&call, slot, REMOTE_OP_DOCUMENT);
    call.op.name = path;
    rc = remote_exchange_one(&call, err);
    if (rc == REMOTE_OK)
        rc = remote_secret_set(ret, call.op.answer.data, call.op.answer.len, err);
    remote_call_clear(&call);
    return rc;
}

enum remote_rc remote_slot_write_document(struct remote_slot *slot, enum remote_write what,
                                          const char *path, struct remote_slice body,
                                          struct remote_error *err)
{
    struct remote_call call;
    enum remote_rc rc;

    REMOTE_TRY(need_op(slot, REMOTE_OP_WRITE_DOCUMENT, err));
    remote_call_init(&call, slot, REMOTE_OP_WRITE_DOCUMENT);
    call.op.name = path;
    call.op.method = what == REMOTE_WRITE_PUT ? "POST" : "DELETE";
    call.op.material = body;
    rc = remote_exchange_one(&call, err);
    remote_call_clear(&call);
    return rc;
}
