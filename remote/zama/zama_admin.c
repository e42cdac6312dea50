/* SPDX-License-Identifier: Apache-2.0 */
#include "zama_admin.h"

#include <string.h>

#include "remote/slot_private.h"
#include "zama_slot.h"

static const struct zama *zama_of(const struct remote_slot *slot)
{
    return (const struct zama *)slot->conn;
}

enum remote_rc zama_admin_check(const struct remote_slot *slot, struct remote_error *err)
{
    REMOTE_TRY(remote_slot_status(slot, err));
    if (strcmp(remote_slot_backend(slot), "zama") == 0)
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_USAGE, "slot '%s' has backend = %s; this is for zama",
                       slot->name, remote_slot_backend(slot));
}

size_t zama_admin_parties(const struct remote_slot *slot)
{
    return zama_of(slot)->count;
}

unsigned zama_admin_party_id(const struct remote_slot *slot, size_t index)
{
    return zama_of(slot)->parties[index].id;
}

unsigned zama_admin_needed(const struct remote_slot *slot)
{
    return zama_of(slot)->needed;
}

size_t zama_admin_proof_max(const struct remote_slot *slot)
{
    return zama_proof_max(zama_of(slot));
}

enum remote_rc zama_admin_keys(struct remote_slot *slot, size_t index, struct zama_ids *ret,
                               struct remote_error *err)
{
    struct remote_call call;
    enum remote_rc rc;

    remote_call_init(&call, slot, REMOTE_OP_DOCUMENT);
    call.op.name = ZAMA_AVAILABILITY;
    call.endpoint = (int)index;
    rc = remote_exchange_one(&call, err);
    if (rc == REMOTE_OK)
        rc = zama_availability_read(remote_buf_slice(&call.op.answer), ret, err);
    remote_call_clear(&call);
    return rc;
}

static bool same_domain(const struct zama_domain *a, const struct zama_domain *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->version, b->version) == 0 &&
           memcmp(a->chain_id, b->chain_id, sizeof(a->chain_id)) == 0 &&
           memcmp(a->verifying_contract, b->verifying_contract, sizeof(a->verifying_contract)) ==
               0 &&
           a->has_salt == b->has_salt && memcmp(a->salt, b->salt, sizeof(a->salt)) == 0;
}

enum remote_rc zama_admin_verify(const struct remote_slot *slot, size_t index,
                                 const struct zama_stored *request, struct remote_slice response,
                                 struct zama_answer *ret, struct remote_error *err)
{
    const struct zama *zama = zama_of(slot);
    const struct zama_party *party = &zama->parties[index];
    enum remote_rc rc;

    if (!same_domain(&request->domain, &zama->domain))
        return REMOTE_FAIL(err, REMOTE_E_DATA,
                           "the request is for another EIP-712 domain than slot '%s' has",
                           slot->name);
    rc = zama_answer_read(&request->question, party->id, &party->pin, response, ret, err);
    return rc == REMOTE_E_PROTOCOL && err != NULL ? (err->rc = REMOTE_E_DATA) : rc;
}
