/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands behind an EVP_PKEY of this provider. Either a key of a slot, whose private half is
 * used by asking its service and whose public half is worked with here; or a software key, which
 * came to us because the host prefers our algorithms (default_properties = ?provider=hsmbridge)
 * and is worked with by libcrypto in the private context, so that such a host goes on as before.
 *
 * Read-only once made, counted, good in a child of fork, used by any thread. (A software key that
 * keymgmt's new() made is filled by import(), and changed by set_params(), by its only owner.)
 */
#ifndef PROVIDER_KEY_H
#define PROVIDER_KEY_H

#include "provider.h"

/* What is ours to do in the private context is done by libcrypto's own algorithms, never by us. */
#define PROVIDER_LIBCRYPTO "provider=default"

/* One for each of our keymgmts. */
enum provider_key_type {
    PROVIDER_RSA,
    PROVIDER_RSA_PSS,
    PROVIDER_EC,
    PROVIDER_ED25519,
    PROVIDER_KEY_TYPE_COUNT
};
const char *provider_key_type_name(enum provider_key_type type); /* "RSA", "RSA-PSS", ... */
/* For EVP_PKEY_CTX_new_from_name(), past engines: see struct kind in remote/local/local_key.c. */
const char *provider_key_type_oid(enum provider_key_type type);

/*
 * What libcrypto knows them by, in every table of algorithms: all the names that the default
 * provider has for them, since keys move between providers by name.
 */
#define PROVIDER_NAMES_RSA "RSA:rsaEncryption:1.2.840.113549.1.1.1"
#define PROVIDER_NAMES_RSA_PSS "RSA-PSS:RSASSA-PSS:1.2.840.113549.1.1.10"
#define PROVIDER_NAMES_EC "EC:id-ecPublicKey:1.2.840.10045.2.1"
#define PROVIDER_NAMES_ED25519 "ED25519:1.3.101.112"

struct provider_key {
    atomic_uint refs;
    struct provider *provider; /* borrowed: libcrypto keeps it while we have keys */
    enum provider_key_type type;
    struct remote_key *remote; /* owned; NULL: a software key */
    bool is_private;           /* may sign and decrypt */
    bool is_public;            /* false: EC parameters alone, of a software key */
    /*
     * In the private context: the public half of a remote key, which others share, all of a
     * software key; owned. NULL: a software key that has not been imported yet.
     */
    struct evp_pkey_st *pkey;
};

/*
 * Inside the guard. remote: takes its own reference. as_private: false for a URI with type=public.
 * REMOTE_E_UNSUPPORTED: a symmetric key, of which OpenSSL 3.0 knows no objects.
 */
enum remote_rc provider_key_new(struct provider *provider, struct remote_key *remote,
                                bool as_private, struct provider_key **ret,
                                struct remote_error *err) REMOTE_MUST_CHECK;
/* A software key without content. NULL: out of memory. No guard is needed. */
struct provider_key *provider_key_empty(struct provider *provider, enum provider_key_type type);
struct provider_key *provider_key_ref(struct provider_key *key);
void provider_key_unref(struct provider_key *key); /* inside the guard; NULL is fine */

/*
 * How keymgmt's load() gets a key from our own store and decoders: the reference is the pointer
 * itself, and whoever loads it takes over one count. What nobody loaded is unref'd by its maker:
 * load() sets the pointer behind the reference to NULL. (provider-object(7), provider-keymgmt(7))
 */
struct provider_reference {
    struct provider_key *key;
};

#endif
