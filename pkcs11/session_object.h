/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of session objects. Their handles have a bit that no other object's has, and carry a
 * serial number: programs that make a key for each message would otherwise make the table of
 * handles grow for ever.
 */
#ifndef PKCS11_SESSION_OBJECT_H
#define PKCS11_SESSION_OBJECT_H

#include "secret.h"

struct pkcs11_call;
struct pkcs11_module;
struct pkcs11_object;
struct pkcs11_session;
struct pkcs11_slot;

struct pkcs11_session_object {
    struct pkcs11_secret *secret; /* NULL: the place is free */
    struct pkcs11_slot *slot;
    const struct pkcs11_session *owner; /* it ends with this one */
    unsigned serial;                    /* of the next handle given out for this place */
    size_t next_free;                   /* index + 1 */
};
struct pkcs11_session_object_table {
    struct pkcs11_session_object *places;
    size_t cap;
    size_t first_free, last_free; /* index + 1; 0: none. A place rests as long as possible */
};

bool pkcs11_session_object_is(CK_OBJECT_HANDLE handle);

/*
 * Takes over secret, also on failure. CKR_DEVICE_MEMORY: too many.
 * CKR_SESSION_CLOSED: another thread has closed the session meanwhile.
 */
CK_RV pkcs11_session_object_add(struct pkcs11_call *call, struct pkcs11_secret *secret,
                                CK_OBJECT_HANDLE *ret);
/* Lock held. NULL: no such object in this slot. Borrowed until the lock is given back. */
struct pkcs11_session_object *pkcs11_session_object_get(struct pkcs11_module *module,
                                                        const struct pkcs11_slot *slot,
                                                        CK_OBJECT_HANDLE handle);
/* Puts another in the place of `from`. False: it is gone, or not `from` any more. */
bool pkcs11_session_object_replace(struct pkcs11_call *call, CK_OBJECT_HANDLE handle,
                                   const struct pkcs11_secret *from, struct pkcs11_secret *to);
/* False: it was gone already. */
bool pkcs11_session_object_remove(struct pkcs11_call *call, CK_OBJECT_HANDLE handle);
/* The first at or behind *at in this slot, which moves on; 0: no more. Views as object.h's. */
CK_OBJECT_HANDLE pkcs11_session_object_next(struct pkcs11_call *call, struct pkcs11_slot *slot,
                                            size_t *at, struct pkcs11_object *ret);

/* Lock held: all of this session; the private ones of this slot (sections 5.6.2 and 5.6.9). */
void pkcs11_session_object_end(struct pkcs11_module *module, const struct pkcs11_session *owner);
void pkcs11_session_object_logout(struct pkcs11_module *module, const struct pkcs11_slot *slot);
void pkcs11_session_object_table_clear(struct pkcs11_session_object_table *table);

#endif
