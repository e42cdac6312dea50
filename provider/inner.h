/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our own algorithms in the private context, for client_key_file = pkcs11:... of a slot: a TLS
 * client key that is a key of another slot, used by libcurl's handshake inside the guard.
 */
#ifndef PROVIDER_INNER_H
#define PROVIDER_INNER_H

#include "key.h"

/*
 * An EVP_PKEY of the private context that signs with this key. Inside the guard, as is all that is
 * done with it, EVP_PKEY_free() too; by any thread. ret: the caller's; it takes its own reference
 * of key. REMOTE_E_UNSUPPORTED: a symmetric key.
 */
enum remote_rc provider_inner_pkey(struct remote_key *key, struct evp_pkey_st **ret,
                                   struct remote_error *err) REMOTE_MUST_CHECK;

#endif
