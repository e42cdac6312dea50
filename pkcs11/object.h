/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects and their handles. The same object keeps its handle while it is known, in every
 * session of the process; it is known by slot, class, and name and version of the key (or index
 * of the certificate). The table holds no attributes: attribute.c makes them when asked. Session
 * keys are in a table of their own (session_object.h), but are looked up and used through here.
 */
#ifndef PKCS11_OBJECT_H
#define PKCS11_OBJECT_H

#include "secret.h"

struct pkcs11_call;
struct pkcs11_module;
struct pkcs11_slot;

struct pkcs11_object {
    CK_OBJECT_CLASS class;
    struct pkcs11_slot *slot;
    struct remote_key *key; /* counted; of a certificate: the key it belongs to, NULL unknown */
    const struct remote_cert *cert; /* borrowed from the slot; NULL unless a certificate */
    size_t cert_index;
    struct pkcs11_secret *secret; /* counted; NULL unless a session key */
};

enum pkcs11_object_state { PKCS11_OBJECT_LIVE, PKCS11_OBJECT_GONE, PKCS11_OBJECT_LOGGED_OUT };

struct pkcs11_object_entry {
    struct pkcs11_object object;
    enum pkcs11_object_state state;
    size_t next; /* in its bucket; index + 1 */
};
struct pkcs11_object_table { /* a handle is an index + 1 and is never given out again */
    struct pkcs11_object_entry *entries;
    size_t count, cap;
    size_t *buckets; /* index + 1 of the first entry; 0: empty */
    size_t bucket_count;
};

/* Seen only after login: of keys, those of a slot that wants a PIN (design section 4). */
bool pkcs11_object_private(const struct pkcs11_object *object);

/* Views that own their reference to the key; pkcs11_object_clear() them. */
void pkcs11_object_of_key(struct pkcs11_slot *slot, CK_OBJECT_CLASS class, struct remote_key *key,
                          struct pkcs11_object *ret);
void pkcs11_object_of_cert(struct pkcs11_slot *slot, size_t index, struct pkcs11_object *ret);
void pkcs11_object_of_secret(struct pkcs11_slot *slot, struct pkcs11_secret *secret,
                             struct pkcs11_object *ret);
void pkcs11_object_clear(struct pkcs11_object *object);
/* Of a key. */
enum remote_key_type pkcs11_object_key_type(const struct pkcs11_object *object);

/* The object's handle, a new one when it was not known. CKR_HOST_MEMORY. */
CK_RV pkcs11_object_handle(struct pkcs11_call *call, const struct pkcs11_object *object,
                           CK_OBJECT_HANDLE *ret);
/* Remembers which certificates belong to this key, for their labels. */
void pkcs11_object_learn(struct pkcs11_slot *slot, struct remote_key *key);

/* CKR_OBJECT_HANDLE_INVALID: unknown, of another slot, gone, or private and not logged in. */
CK_RV pkcs11_object_get(struct pkcs11_call *call, struct pkcs11_slot *slot, CK_OBJECT_HANDLE handle,
                        struct pkcs11_object *ret);
/* For Init calls. CKR_KEY_HANDLE_INVALID; CKR_USER_NOT_LOGGED_IN: private and not logged in. */
CK_RV pkcs11_object_get_key(struct pkcs11_call *call, struct pkcs11_slot *slot,
                            CK_OBJECT_HANDLE handle, struct pkcs11_object *ret);

/* The service no longer has the key: its handles die. */
void pkcs11_object_forget(struct pkcs11_call *call, struct pkcs11_slot *slot,
                          const struct remote_key *key);
/* The same for all versions. */
void pkcs11_object_forget_name(struct pkcs11_call *call, struct pkcs11_slot *slot,
                               const char *name);
/* The key is called otherwise now: handles of this version stay, those of others die. */
void pkcs11_object_rename(struct pkcs11_call *call, struct pkcs11_slot *slot, const char *name,
                          struct remote_key *key);
/* The slot's token is gone: all its handles die. Lock held. */
void pkcs11_object_forget_slot(struct pkcs11_module *module, const struct pkcs11_slot *slot);
/* PKCS#11 3.0 section 5.6.9: logging out ends all handles of private objects. Lock held. */
void pkcs11_object_logout(struct pkcs11_module *module, struct pkcs11_slot *slot);
void pkcs11_object_table_clear(struct pkcs11_object_table *table);

#endif
