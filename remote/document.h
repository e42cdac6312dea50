/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What else a service keeps beside keys, for commands that move keys from it and for a server that
 * keeps its own there: an answer of its API as it is. Never on behalf of an application: nothing
 * in pkcs11/ or provider/ may come here.
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

enum remote_write { REMOTE_WRITE_PUT, REMOTE_WRITE_DELETE };

/*
 * Changes a document, likewise; body: JSON, or empty. It is not sent again once it may have
 * arrived: when no answer came, nobody knows whether it was done. REMOTE_E_EXISTS: it was to be a
 * new one, and is there.
 */
enum remote_rc remote_slot_write_document(struct remote_slot *slot, enum remote_write what,
                                          const char *path, struct remote_slice body,
                                          struct remote_error *err) REMOTE_MUST_CHECK;

#endif
