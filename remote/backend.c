/* SPDX-License-Identifier: Apache-2.0 */
#include "backend.h"

#include <stdlib.h>
#include <string.h>

#include "build-config.h"
#include "remote/local/local.h"

#define X(name) extern const struct remote_backend_ops remote_backend_##name;
REMOTE_FOREACH_BACKEND(X)
#undef X

static const struct remote_backend_ops *const backends[] = {
#define X(name) &remote_backend_##name,
    REMOTE_FOREACH_BACKEND(X)
#undef X
};

#define X(name) " " #name
static const char names[] = REMOTE_FOREACH_BACKEND(X);
#undef X

const struct remote_backend_ops *remote_backend_at(size_t index)
{
    return index < ARRAY_SIZE(backends) ? backends[index] : NULL;
}

const struct remote_backend_ops *remote_backend_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}

const char *remote_backend_names(void)
{
    return names + 1;
}

bool remote_backend_supports(const struct remote_backend_ops *ops, enum remote_alg alg,
                             enum remote_hash hash)
{
    for (const struct remote_backend_alg *a = ops->algs; a->alg != REMOTE_ALG_NONE; a++)
        if (a->alg == alg)
            return (a->hashes >> hash & 1u) != 0;
    return false;
}

bool remote_backend_has_op(const struct remote_backend_ops *ops, enum remote_op_kind kind)
{
    return ops->ops[kind].build != NULL || (ops->performs >> kind & 1u) != 0;
}

bool remote_backend_can(const struct remote_backend_ops *ops, const struct remote_mechanism *row)
{
    bool any_hash = row->read != NULL && row->hash == REMOTE_HASH_NONE;

    if (ops->sizes[row->key].max == 0 || (row->served & REMOTE_SERVED_THERE) == 0)
        return false;
    if (row->alg == REMOTE_ALG_KEY_GEN)
        return remote_backend_has_op(ops, REMOTE_OP_GENERATE);
    if (row->alg == REMOTE_ALG_DATA_KEY)
        return remote_backend_has_op(ops, REMOTE_OP_DATA_KEY);
    if (remote_backend_supports(ops, row->alg, row->hash))
        return true;
    for (int h = 0; any_hash && h < REMOTE_HASH_COUNT; h++)
        if (remote_backend_supports(ops, row->alg, (enum remote_hash)h))
            return true;
    /* a raw PKCS#1 block that is a DigestInfo: see key.c */
    return row->alg == REMOTE_ALG_RSA_PKCS1 && row->hash == REMOTE_HASH_NONE &&
           remote_backend_supports(ops, row->alg, REMOTE_HASH_SHA256);
}

void remote_op_clear(struct remote_op *op)
{
    remote_key_list_clear(&op->keys);
    for (size_t i = 0; i < op->cert_count; i++)
        remote_cert_free(op->certs[i]);
    free(op->certs);
    op->certs = NULL;
    op->cert_count = 0;
    remote_names_clear(&op->names);
    remote_secret_clear(&op->grant.token);
    memset(&op->grant, 0, sizeof(op->grant));
    remote_buf_clear(&op->answer);
}

void remote_request_clear(struct remote_request *request)
{
    remote_buf_clear(&request->path);
    remote_buf_clear(&request->body);
    remote_buf_clear(&request->headers);
    memset(request, 0, sizeof(*request));
}

enum remote_rc remote_names_add(struct remote_names *list, const char *name,
                                struct remote_error *err)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 64;
        char **longer = reallocarray(list->names, cap, sizeof(char *));

        if (longer == NULL)
            return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        list->names = longer;
        list->cap = cap;
    }
    list->names[list->count] = strdup(name);
    if (list->names[list->count] == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    list->count++;
    return REMOTE_OK;
}

void remote_names_clear(struct remote_names *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    free(list->next_page);
    memset(list, 0, sizeof(*list));
}
