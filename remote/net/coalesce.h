/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joins concurrent operations on one key into batches, where the service takes batches and
 * gains by them. Leader and followers, no thread of ours, no added wait when idle: the first
 * operations go out alone; what arrives while those are in flight is collected and sent by one
 * of the waiting callers as soon as one of them ends.
 */
#ifndef REMOTE_COALESCE_H
#define REMOTE_COALESCE_H

#include "remote/backend.h"
#include "remote/fork.h"

struct remote_group;

struct remote_coalesce { /* guarded by the slot's lock */
    struct remote_group *groups;
    unsigned generation;
};

void remote_coalesce_init(struct remote_coalesce *coalesce);
void remote_coalesce_clear(struct remote_coalesce *coalesce);

/*
 * One operation (SIGN, DECRYPT, ENCRYPT, MAC), alone or in company. batch_max: how many the
 * service takes in one request; 1: always alone. deadline_ms: monotonic.
 */
enum remote_rc remote_coalesce_run(struct remote_slot *slot, enum remote_op_kind kind,
                                   struct remote_key *key, const struct remote_params *params,
                                   struct remote_slice in, size_t batch_max, int64_t deadline_ms,
                                   struct remote_buf *ret_out, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
