/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as provider-object(7) has them, handed to the host's callback; outside the guard. */
#ifndef PROVIDER_OBJECT_H
#define PROVIDER_OBJECT_H

#include "key.h"

/* Takes over the caller's count of the key. Returns what the callback returned. */
int provider_object_give_key(struct provider_key *key, OSSL_CALLBACK *callback, void *arg);
int provider_object_give_cert(const struct remote_cert *cert, OSSL_CALLBACK *callback, void *arg);

#endif
