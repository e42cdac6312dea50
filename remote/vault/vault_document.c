/* SPDX-License-Identifier: Apache-2.0 */
/* Anything that Vault's API answers a GET with: K/V entries, lists of them, mounts. */
#include <ctype.h>

#include "vault.h"

enum remote_rc vault_build_document(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    (void)attempt;
    for (const char *at = op->name; *at != '\0'; at++)
        if (!isgraph((unsigned char)*at))
            return REMOTE_FAIL(err, REMOTE_E_PARAM, "a path must be percent-encoded");
    vault_begin((struct vault *)conn, "GET", grant, request);
    remote_buf_append_str(&request->path, "/v1/");
    remote_buf_append_str(&request->path, op->name);
    return REMOTE_OK;
}

enum remote_rc vault_parse_document(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    (void)conn;
    REMOTE_TRY(vault_reply(op, reply, &json, err));
    remote_buf_append(&op->answer, reply->body.data, reply->body.len);
    return remote_buf_check(&op->answer, err);
}
