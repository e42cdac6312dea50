/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator does with a BigDL KMS, and no application: never called by a front end but the
 * command line tool. In every build; a slot of another backend is REMOTE_E_UNSUPPORTED.
 */
#ifndef REMOTE_BIGDL_ADMIN_H
#define REMOTE_BIGDL_ADMIN_H

#include "remote/slot.h"

/*
 * Makes the slot's user with its token, which the service lets anybody do who reaches it. pin: the
 * token of a slot that takes it as its PIN, else empty. REMOTE_E_EXISTS: there is such a user with
 * another token; it stays as it is. One with this token is REMOTE_OK.
 */
enum remote_rc remote_bigdl_enroll(struct remote_slot *slot, struct remote_slice pin,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
/* Whose keys they are; NULL: not a usable slot of this backend. */
const char *remote_bigdl_user(const struct remote_slot *slot);

#endif
