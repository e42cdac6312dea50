/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What else a service keeps beside keys, for commands that move keys from it: an answer of its API
 * as it is. Never on behalf of an application.
 */
#ifndef REMOTE_DOCUMENT_H
#define REMOTE_DOCUMENT_H

#include "slot.h"

/*
 * Reads a document with the slot's credentials; blocks for one request. path: behind the API's
 * root, percent-encoded, perhaps with a query. ret: in locked memory. Inside the guard, no lock.
 * REMOTE_E_UNSUPPORTED: no such service. REMOTE_E_NOT_FOUND, _RIGHTS, _AUTH, _BUSY, _TIMEOUT,
 * _UNAVAILABLE, _PROTOCOL as for every request.
 */
enum remote_rc remote_slot_document(struct remote_slot *slot, const char *path,
                                    struct remote_secret *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
