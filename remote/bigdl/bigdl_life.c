/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making keys in a BigDL KMS. The service says "successfully" of a name that is taken, too, and
 * does nothing: so each name is looked at before and after.
 */
#include <string.h>

#include "bigdl.h"

/* ---- primary keys: made, then looked at. The core has looked before. ---- */

enum remote_rc bigdl_build_generate(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    const struct bigdl *bigdl = (const struct bigdl *)conn;

    (void)attempt;
    if (op->step > 0)
        return bigdl_begin_probe(bigdl, op->name, grant, request, err);
    return bigdl_begin(bigdl, "POST", "primaryKey", remote_slice_str(op->name), NULL, grant,
                       request, err);
}

/* The first generation does tell that a name is taken, among other things. */
static enum remote_rc fail_made(enum bigdl_said said, int status, struct remote_error *err)
{
    if (said == BIGDL_SAID_NO_REASON)
        return REMOTE_FAIL(err, REMOTE_E_EXISTS,
                           "the service makes no such key and tells no reason; the name may be "
                           "taken (HTTP %d)",
                           status);
    return bigdl_fail(said, status, err);
}

enum remote_rc bigdl_parse_generate(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    enum bigdl_said said = bigdl_said(reply);

    if (op->step == 0) {
        op->more = said == BIGDL_SAID_DONE;
        return op->more ? REMOTE_OK : fail_made(said, reply->status, err);
    }
    switch (said) {
    case BIGDL_SAID_NO_DATA:
    case BIGDL_SAID_NO_REASON:
        return bigdl_add_key(conn, op, op->name, err);
    case BIGDL_SAID_NO_FIT:
        return REMOTE_FAIL(err, REMOTE_E_EXISTS, "there is a data key of that name");
    default:
        return bigdl_fail(said, reply->status, err);
    }
}

/* ---- data keys: looked for, made, fetched ---- */

enum { STEP_LOOK, STEP_MAKE, STEP_FETCH };

static enum remote_rc check_data_key(const struct remote_op *op, struct remote_error *err)
{
    if (op->key->released)
        return REMOTE_FAIL(err, REMOTE_E_FORBIDDEN_USE,
                           "'%s' is a data key; primary keys make data keys", op->key->name);
    if (op->length != BIGDL_DATA_LEN)
        return REMOTE_FAIL(err, REMOTE_E_LENGTH, "BigDL KMS makes data keys of %d bytes, not %zu",
                           BIGDL_DATA_LEN, op->length);
    return REMOTE_OK;
}

enum remote_rc bigdl_build_data_key(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    const struct bigdl *bigdl = (const struct bigdl *)conn;

    (void)attempt;
    REMOTE_TRY(check_data_key(op, err));
    if (op->step == STEP_LOOK)
        return bigdl_begin_probe(bigdl, op->name, grant, request, err);
    return bigdl_begin(bigdl, op->step == STEP_MAKE ? "POST" : "GET", "dataKey",
                       remote_slice_str(op->name), op->key->name, grant, request, err);
}

static enum remote_rc looked(struct remote_op *op, enum bigdl_said said, int status,
                             struct remote_error *err)
{
    switch (said) {
    case BIGDL_SAID_NO_PRIMARY:
    case BIGDL_SAID_NO_REASON:
        op->more = true;
        return REMOTE_OK;
    case BIGDL_SAID_NO_DATA:
    case BIGDL_SAID_NO_FIT:
        return REMOTE_FAIL(err, REMOTE_E_EXISTS, "there is a key '%s' already; it was left alone",
                           op->name);
    default:
        return bigdl_fail(said, status, err);
    }
}

static enum remote_rc fetched(struct remote_op *op, const struct remote_reply *reply,
                              struct remote_error *err)
{
    REMOTE_TRY(bigdl_take_key(reply, &op->items[0].out, err));
    remote_buf_append_str(&op->items[1].out, op->name);
    return remote_buf_check(&op->items[1].out, err);
}

enum remote_rc bigdl_parse_data_key(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    enum bigdl_said said = bigdl_said(reply);

    (void)conn;
    if (op->step == STEP_LOOK)
        return looked(op, said, reply->status, err);
    if (said != BIGDL_SAID_DONE)
        return op->step == STEP_MAKE ? fail_made(said, reply->status, err)
                                     : bigdl_fail(said, reply->status, err);
    op->more = op->step == STEP_MAKE;
    return op->more ? REMOTE_OK : fetched(op, reply, err);
}
