/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask of a zama slot, party by party: for commands, in any build. Inside the guard.
 */
#ifndef REMOTE_ZAMA_ADMIN_H
#define REMOTE_ZAMA_ADMIN_H

#include "remote/slot.h"
#include "zama_stored.h"

/* REMOTE_E_USAGE: a slot of another backend. */
enum remote_rc zama_admin_check(const struct remote_slot *slot, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* ---- of slots that zama_admin_check() takes; indexes are those of remote_slot_health() ---- */
size_t zama_admin_parties(const struct remote_slot *slot);
unsigned zama_admin_party_id(const struct remote_slot *slot, size_t index);
unsigned zama_admin_needed(const struct remote_slot *slot); /* equal answers */
size_t zama_admin_proof_max(const struct remote_slot *slot);
/* The FHE keys that one party reports; one request. */
enum remote_rc zama_admin_keys(struct remote_slot *slot, size_t index, struct zama_ids *ret,
                               struct remote_error *err) REMOTE_MUST_CHECK;
/*
 * Whether a stored answer to a stored request is the party's, by what the slot pins; no request.
 * REMOTE_E_DATA: it is not, or the request is for another domain than the slot's answers are.
 */
enum remote_rc zama_admin_verify(const struct remote_slot *slot, size_t index,
                                 const struct zama_stored *request, struct remote_slice response,
                                 struct zama_answer *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
