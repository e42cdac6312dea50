/* SPDX-License-Identifier: Apache-2.0 */
/* An open store: a URI, what the host wants of it, and what has been found so far. */
#ifndef PROVIDER_STORE_H
#define PROVIDER_STORE_H

#include "key.h"

struct provider_store_object {      /* one of both */
    struct remote_key *key;         /* owned */
    const struct remote_cert *cert; /* borrowed from its slot */
};

struct provider_store_search {         /* OSSL_STORE_find(3); of certificates alone. Empty: any */
    struct remote_buf subject, issuer; /* DER names */
    struct remote_buf serial;          /* big-endian */
};

struct provider_store {
    struct provider *provider;
    struct remote_uri uri;
    int expect; /* OSSL_STORE_INFO_*; 0: anything */
    struct provider_store_search search;
    /*
     * Certificates come first, without a PIN where that is possible: a program that wants nothing
     * else need not be asked for one.
     */
    enum { PROVIDER_STORE_CERTS, PROVIDER_STORE_KEYS, PROVIDER_STORE_END } phase;
    bool certs_later; /* the PIN is needed to tell which are meant, and will be asked for */
    bool found;       /* anything so far */
    bool failed;      /* load() has said why, and ends the store at its next call */
    struct provider_store_object *objects;
    size_t count, next;
};

/* What the host wants, by expect, type= and search. */
bool provider_store_wants_certs(const struct provider_store *store);
bool provider_store_wants_keys(const struct provider_store *store); /* of either half */
bool provider_store_wants_private(const struct provider_store *store);

/* Whether finding the certificates of a slot takes its service. Inside the guard. */
bool provider_store_certs_need_keys(const struct provider_store *store,
                                    const struct remote_slot *slot);

/* Appends what this phase finds, and begins the next one. Inside the guard. */
enum remote_rc provider_store_find(struct provider_store *store, struct remote_core *core,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
void provider_store_forget(struct provider_store *store); /* all objects; inside the guard */

#endif
