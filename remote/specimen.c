/* SPDX-License-Identifier: Apache-2.0 */
#include "specimen.h"

#include <string.h>

#include "slot_private.h"

void remote_specimen_clear(struct remote_specimen *specimen)
{
    remote_buf_clear(&specimen->url);
    remote_buf_clear(&specimen->headers);
    remote_buf_clear(&specimen->body);
    remote_buf_clear(&specimen->connect_to);
    memset(specimen, 0, sizeof(*specimen));
}

static enum remote_op_kind kind_of(enum remote_use use, const struct remote_params *params)
{
    if (use & (REMOTE_USE_ENCRYPT | REMOTE_USE_WRAP))
        return REMOTE_OP_ENCRYPT;
    if (use & (REMOTE_USE_DECRYPT | REMOTE_USE_UNWRAP))
        return REMOTE_OP_DECRYPT;
    return params->alg == REMOTE_ALG_HMAC ? REMOTE_OP_MAC : REMOTE_OP_SIGN;
}

/* As key.c does: with a public key, or with the bytes of a key that the service gave out. */
static bool done_here(const struct remote_key *key, enum remote_op_kind kind)
{
    return key->released || (kind == REMOTE_OP_ENCRYPT && !remote_key_type_symmetric(key->type));
}

static enum remote_rc check(const struct remote_key *key, enum remote_op_kind kind,
                            struct remote_error *err)
{
    const struct remote_slot *slot = key->slot;

    REMOTE_TRY(remote_slot_status(slot, err));
    if (slot->ops->perform != NULL || slot->ops->ops[kind].build == NULL)
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED, "slot '%s': %s takes no such request",
                           slot->name, slot->ops->title);
    if (done_here(key, kind))
        return REMOTE_FAIL(err, REMOTE_E_UNSUPPORTED,
                           "slot '%s': key '%s': this is done here, without a request", slot->name,
                           key->name);
    return REMOTE_OK;
}

static enum remote_rc build(struct remote_key *key, const struct remote_op *op,
                            struct remote_request *request, struct remote_error *err)
{
    struct remote_slot *slot = key->slot;
    struct remote_grant_ref *grant = remote_login_current(slot);
    enum remote_rc rc;

    if (grant == NULL &&
        (slot->ops->grant != NULL || slot->ops->ops[REMOTE_OP_LOGIN].build != NULL))
        return REMOTE_FAIL(err, REMOTE_E_AUTH, "slot '%s': not logged in by now", slot->name);
    rc = slot->ops->ops[op->kind].build(slot->conn, op, grant ? &grant->grant : NULL, 0, request,
                                        err);
    remote_grant_unref(grant);
    if (rc != REMOTE_OK && err != NULL)
        remote_error_prefix(err, "slot '%s'", slot->name);
    return rc;
}

static enum remote_rc finish(const struct remote_slot *slot, const struct remote_request *request,
                             struct remote_specimen *ret, struct remote_error *err)
{
    size_t index = request->origin; /* 0: the first `url` */
    const struct remote_endpoint *endpoint = &slot->endpoints.list[index];

    remote_buf_append_str(&ret->url, endpoint->request_url);
    remote_buf_append(&ret->url, request->path.data, request->path.len);
    remote_buf_append(&ret->headers, request->headers.data, request->headers.len);
    remote_buf_append(&ret->body, request->body.data, request->body.len);
    remote_endpoints_connect_to(&slot->endpoints, index, slot->section, &ret->connect_to);
    REMOTE_TRY(remote_buf_check(&ret->url, err));
    REMOTE_TRY(remote_buf_check(&ret->headers, err));
    REMOTE_TRY(remote_buf_check(&ret->body, err));
    REMOTE_TRY(remote_buf_check(&ret->connect_to, err));
    ret->method = request->method;
    ret->unix_path = endpoint->unix_path;
    ret->fresh = request->fresh;
    return REMOTE_OK;
}

enum remote_rc remote_specimen_make(struct remote_key *key, enum remote_use use,
                                    const struct remote_params *params, struct remote_slice in,
                                    struct remote_specimen *ret, struct remote_error *err)
{
    CLEANUP(remote_request_clear) struct remote_request request = { 0 };
    struct remote_item item = { .in = in };
    const struct remote_op op = {
        .kind = kind_of(use, params), .key = key, .params = *params, .items = &item, .item_count = 1
    };

    REMOTE_TRY(check(key, op.kind, err));
    REMOTE_TRY(build(key, &op, &request, err));
    remote_buf_truncate(&ret->url, 0);
    remote_buf_truncate(&ret->headers, 0);
    remote_buf_truncate(&ret->body, 0);
    remote_buf_truncate(&ret->connect_to, 0);
    return finish(key->slot, &request, ret, err);
}

bool remote_specimen_client_in_files(const struct remote_slot *slot)
{
    return !remote_tls_has_client(&slot->tls) ||
           (remote_section_text(slot->section, "client_cert_file", NULL) != NULL &&
            slot->tls.key_uri == NULL);
}
