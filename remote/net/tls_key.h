/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TLS client key that is a key of another slot: client_key_file = pkcs11:token=SLOT;object=KEY.
 * Which of its versions it is, the client certificate says. It is looked up when a handshake first
 * wants it, since that takes a request to the other slot; graph.c keeps slots from going round in
 * circles. Inside the guard, under no lock.
 */
#ifndef REMOTE_TLS_KEY_H
#define REMOTE_TLS_KEY_H

#include "remote/slot.h"

struct evp_pkey_st;
struct x509_st;

/*
 * The key that `uri` names, in the version that this certificate belongs to, as an EVP_PKEY of the
 * private context that signs by asking its service. REMOTE_E_NOT_FOUND: the slot has no such key,
 * or none of its versions belongs to the certificate. REMOTE_E_UNSUPPORTED: this program was built
 * without the OpenSSL provider.
 */
enum remote_rc remote_tls_key_find(struct remote_core *core, const char *uri, struct x509_st *cert,
                                   struct evp_pkey_st **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

/*
 * Who turns keys into such EVP_PKEYs: provider/ does, and says so as it is loaded, for the core
 * knows no front end. Called before anything else of ours runs.
 */
typedef enum remote_rc remote_tls_key_maker(struct remote_key *key, struct evp_pkey_st **ret,
                                            struct remote_error *err);
void remote_tls_key_made_by(remote_tls_key_maker *maker);

#endif
