/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the library, its slots and their tokens are called: C_GetInfo, C_GetSlotInfo and
 * C_GetTokenInfo show it, and URIs (RFC 7512) are matched against it.
 */
#ifndef REMOTE_IDENTITY_H
#define REMOTE_IDENTITY_H

#include "slot.h"

#define REMOTE_IDENTITY_MANUFACTURER "hsmbridge"
#define REMOTE_IDENTITY_LIBRARY "Remote key services as HSM slots"

#define REMOTE_IDENTITY_SERIAL_LEN 16

/* The same after a restart and on every machine. Inside the guard. */
enum remote_rc remote_identity_serial(const struct remote_slot *slot,
                                      char ret[REMOTE_IDENTITY_SERIAL_LEN + 1],
                                      struct remote_error *err) REMOTE_MUST_CHECK;
/* "web (vault)" */
void remote_identity_describe(const struct remote_slot *slot, struct remote_buf *ret);

#endif
