/* SPDX-License-Identifier: Apache-2.0 */
/* Anything that Vault's API answers a GET with: K/V entries, lists of them, mounts. And K/V entries
 * that are written or deleted. */
#include <ctype.h>

#include "vault.h"

static enum remote_rc build(const struct vault *vault, const char *method, const char *path,
                            const struct remote_grant *grant, struct remote_request *request,
                            struct remote_error *err)
{
    for (const char *at = path; *at != '\0'; at++)
        if (!isgraph((unsigned char)*at))
            return REMOTE_FAIL(err, REMOTE_E_PARAM, "a path must be percent-encoded");
    vault_begin(vault, method, grant, request);
    remote_buf_append_str(&request->path, "/v1/");
    remote_buf_append_str(&request->path, path);
    return REMOTE_OK;
}

enum remote_rc vault_build_document(struct remote_conn *conn, const struct remote_op *op,
                                    const struct remote_grant *grant, unsigned attempt,
                                    struct remote_request *request, struct remote_error *err)
{
    (void)attempt;
    return build((const struct vault *)conn, "GET", op->name, grant, request, err);
}

enum remote_rc vault_build_write_document(struct remote_conn *conn, const struct remote_op *op,
                                          const struct remote_grant *grant, unsigned attempt,
                                          struct remote_request *request, struct remote_error *err)
{
    (void)attempt;
    REMOTE_TRY(build((const struct vault *)conn, op->method, op->name, grant, request, err));
    remote_buf_append(&request->body, op->material.data, op->material.len);
    return REMOTE_OK;
}

/* A version of a K/V entry that was deleted is a 404, too, but one that tells of it. It may come
 * back: https://developer.hashicorp.com/vault/docs/secrets/kv/kv-v2#key-value-data */
static bool is_deleted_version(const struct remote_reply *reply)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;
    struct remote_error ignored = { 0 };

    if (reply->status == 404)
        json = remote_json_read(reply->body, &ignored);
    return remote_json_at(json, "data.metadata") != NULL;
}

enum remote_rc vault_parse_document(struct remote_conn *conn, struct remote_op *op,
                                    const struct remote_reply *reply, struct remote_error *err)
{
    CLEANUP(remote_json_free) remote_json *json = NULL;

    (void)conn;
    if (is_deleted_version(reply))
        return REMOTE_FAIL(err, REMOTE_E_DATA, "this version of the entry was deleted");
    REMOTE_TRY(vault_reply(op, reply, &json, err));
    remote_buf_append(&op->answer, reply->body.data, reply->body.len);
    return remote_buf_check(&op->answer, err);
}
