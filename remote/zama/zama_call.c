/* SPDX-License-Identifier: Apache-2.0 */
/* One gRPC call to one party: whatever a fan asks, and its health. */
#include <stdio.h>
#include <string.h>

#include "remote/slot_private.h"
#include "zama_slot.h"

/* ---- what a status means ---- */

/* kms-core's messages carry no reason, so the code alone counts. */
enum remote_rc zama_status_meaning(int grpc_status)
{
    switch (grpc_status) {
    case REMOTE_GRPC_OK:
        return REMOTE_OK;
    case REMOTE_GRPC_NOT_FOUND: /* key, context or epoch, or nothing is set up yet */
        return REMOTE_E_NOT_FOUND;
    case REMOTE_GRPC_ALREADY_EXISTS:
        return REMOTE_E_EXISTS;
    case REMOTE_GRPC_INVALID_ARGUMENT:
        return REMOTE_E_PARAM;
    case REMOTE_GRPC_INTERNAL: /* the ciphertext, its type or its format */
        return REMOTE_E_DATA;
    case REMOTE_GRPC_OUT_OF_RANGE: /* the message is too long */
        return REMOTE_E_LENGTH;
    case REMOTE_GRPC_PERMISSION_DENIED: /* these two are a proxy's */
    case REMOTE_GRPC_UNAUTHENTICATED:
        return REMOTE_E_RIGHTS;
    case REMOTE_GRPC_UNIMPLEMENTED:
        return REMOTE_E_UNSUPPORTED;
    case REMOTE_GRPC_RESOURCE_EXHAUSTED:
        return REMOTE_E_BUSY;
    case REMOTE_GRPC_UNAVAILABLE: /* there is no result yet */
        return REMOTE_E_UNAVAILABLE;
    case REMOTE_GRPC_CANCELLED: /* what it says when grpc-timeout has run out */
    case REMOTE_GRPC_DEADLINE_EXCEEDED:
        return REMOTE_E_TIMEOUT;
    default:
        return REMOTE_E_PROTOCOL;
    }
}

static enum remote_rc take_message(const struct remote_reply *reply, struct remote_slice *ret,
                                   struct remote_error *err)
{
    enum remote_rc rc = zama_status_meaning(reply->grpc_status);
    bool said = reply->header != NULL && reply->header[0] != '\0';

    if (rc == REMOTE_OK)
        return remote_grpc_message(reply, ret, err);
    if (reply->status != 200)
        return REMOTE_FAIL(err, rc, "HTTP %d, which is no answer of gRPC", reply->status);
    return REMOTE_FAIL(err, rc, "gRPC status %s%s%s", remote_grpc_status_name(reply->grpc_status),
                       said ? ": " : "", said ? reply->header : "");
}

/* ---- what a fan asks ---- */

enum remote_rc zama_build_call(struct remote_conn *conn, const struct remote_op *op,
                               const struct remote_grant *grant, unsigned attempt,
                               struct remote_request *request, struct remote_error *err)
{
    (void)conn, (void)grant, (void)attempt;
    return remote_grpc_call(request, op->name, op->material, err);
}

enum remote_rc zama_parse_call(struct remote_conn *conn, struct remote_op *op,
                               const struct remote_reply *reply, struct remote_error *err)
{
    struct remote_slice message = { 0 };

    (void)conn;
    REMOTE_TRY(take_message(reply, &message, err));
    remote_buf_clear(&op->answer);
    remote_buf_append(&op->answer, message.data, message.len);
    return remote_buf_check(&op->answer, err);
}

/* ---- health: GetHealthStatus, for grpc.health says SERVING whatever is wrong ---- */

enum remote_rc zama_build_health(struct remote_conn *conn, const struct remote_op *op,
                                 const struct remote_grant *grant, unsigned attempt,
                                 struct remote_request *request, struct remote_error *err)
{
    (void)conn, (void)op, (void)grant, (void)attempt;
    REMOTE_TRY(remote_grpc_call(request, ZAMA_HEALTH, remote_slice("", 0), err));
    request->want_date = true;
    return REMOTE_OK;
}

static const char *status_word(enum zama_status status)
{
    static const char *const words[] = {
        [ZAMA_UNKNOWN] = "no status in this context",
        [ZAMA_OPTIMAL] = "optimal",
        [ZAMA_HEALTHY] = "healthy",
        [ZAMA_DEGRADED] = "degraded",
        [ZAMA_UNHEALTHY] = "unhealthy",
    };

    return words[status];
}

static void describe(const struct zama_health *health, char *ret, size_t size)
{
    if (health->centralized)
        snprintf(ret, size, "centralized KMS, FHE keys: %zu", health->keys);
    else
        snprintf(ret, size, "party %u, %s, parties reachable: %u, FHE keys: %zu", health->party_id,
                 status_word(health->status), health->reachable, health->keys);
}

/* The order of `parties` in the configuration is that of endpoints, but ids are what counts. */
static enum remote_rc check_health(const struct zama *zama, const struct zama_health *health,
                                   struct remote_error *err)
{
    if (health->centralized != (zama->count == 1))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s, but slot '%s' has %zu parties",
                           health->centralized ? "a centralized KMS" : "a party of a threshold KMS",
                           zama->base.slot->name, zama->count);
    return REMOTE_OK;
}

enum remote_rc zama_parse_health(struct remote_conn *conn, struct remote_op *op,
                                 const struct remote_reply *reply, struct remote_error *err)
{
    const struct zama *zama = (const struct zama *)conn;
    struct zama_health health = { 0 };
    struct remote_slice message = { 0 };

    REMOTE_TRY(take_message(reply, &message, err));
    REMOTE_TRY(zama_health_read(message, zama->context_id, &health, err));
    REMOTE_TRY(check_health(zama, &health, err));
    describe(&health, op->detail, sizeof(op->detail));
    if (health.status != ZAMA_DEGRADED && health.status != ZAMA_UNHEALTHY)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "%s", op->detail);
}
