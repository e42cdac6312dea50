/* SPDX-License-Identifier: Apache-2.0 */
/* How keyring.c makes a snapshot. */
#ifndef KMS_SNAPSHOT_H
#define KMS_SNAPSHOT_H

#include "keyring.h"

/* One metadata read. REMOTE_E_NOT_FOUND: no such key or version; _FORBIDDEN_USE: not for this. */
enum remote_rc kms_snapshot_make(struct remote_slot *slot,
                                 const struct kms_keyring_options *options,
                                 struct kms_snapshot **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
