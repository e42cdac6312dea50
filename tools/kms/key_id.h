/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API server knows a version of a key by. It is public (etcd keeps it in clear), so it is
 * a hash; and it must never come again for another key, so everything that tells one made anew
 * under an old name goes into it: the number and the service's own word for the version, when it
 * was made, the public key, the members of a quorum, and, for a secret key in an HSM, which has
 * none of these, a check value that the HSM computes with it.
 */
#ifndef KMS_KEY_ID_H
#define KMS_KEY_ID_H

#include "remote.h"

#define KMS_KEY_ID 64 /* hex digits */

/* One request at most, of HSMs only. Inside the guard. */
enum remote_rc kms_key_id(struct remote_key *key, char ret[KMS_KEY_ID + 1],
                          struct remote_error *err) REMOTE_MUST_CHECK;

/* The key_id that Azure's own plugin gives this version; "" where the slot is not Azure's. */
enum remote_rc kms_key_id_azure(const struct remote_key *key, char ret[KMS_KEY_ID + 1],
                                struct remote_error *err) REMOTE_MUST_CHECK;

#endif
