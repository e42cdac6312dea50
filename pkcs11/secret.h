/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session key as PKCS#11 sees it, secret or half of a pair: the key and its attributes. Read-only
 * once it has become an object, and counted, so that whoever works with it needs no lock: changing
 * an attribute makes another one with the same key. One table says of each attribute who may set it
 * and to what.
 */
#ifndef PKCS11_SECRET_H
#define PKCS11_SECRET_H

#include "remote/remote.h"

struct pkcs11_call;
struct pkcs11_slot;

/* what a template is for; bits of the table's rows */
enum pkcs11_making {
    PKCS11_GENERATING = 1u << 0,
    PKCS11_CREATING = 1u << 1,
    PKCS11_UNWRAPPING = 1u << 2,
    PKCS11_COPYING = 1u << 3,
    PKCS11_SETTING = 1u << 4
};

struct pkcs11_template {
    const CK_ATTRIBUTE *attributes;
    CK_ULONG count;
};

#define PKCS11_SECRET_ATTRIBUTES 60 /* rows of the table at most; secret_rows.c checks it */

struct pkcs11_secret {
    atomic_uint refs;
    CK_OBJECT_CLASS class;
    struct remote_secret_key *key;    /* of a secret key, else NULL */
    struct remote_session_pair *pair; /* of a half of a pair, else NULL; pair.h */
    unsigned long serial;             /* for CKA_UNIQUE_ID */
    uint64_t flags; /* a bit for each value that is CK_TRUE: asked at every use of the key */
    struct remote_buf values[PKCS11_SECRET_ATTRIBUTES];
};

/*
 * Reads a template by the rules of PKCS#11 3.0 sections 4.1 and 4.9: attributes only, the key
 * comes with pkcs11_secret_complete(). from: what is copied or changed; else NULL.
 * CKR_ATTRIBUTE_TYPE_INVALID, _VALUE_INVALID, _READ_ONLY; CKR_TEMPLATE_INCOMPLETE, _INCONSISTENT
 */
CK_RV pkcs11_secret_read(const struct pkcs11_slot *slot, const struct pkcs11_template *template,
                         enum pkcs11_making making, const struct pkcs11_secret *from,
                         struct pkcs11_secret **ret);
/* The same for a class that is not CKO_SECRET_KEY; from: of this class. */
CK_RV pkcs11_secret_read_class(const struct pkcs11_slot *slot, CK_OBJECT_CLASS class,
                               const struct pkcs11_template *template, enum pkcs11_making making,
                               const struct pkcs11_secret *from, struct pkcs11_secret **ret);
/* For generation: the mechanism says the type; a CKA_KEY_TYPE must agree. */
CK_RV pkcs11_secret_set_type(struct pkcs11_secret *secret, CK_KEY_TYPE type);
/*
 * Takes over key and settles what follows from how it was made. CKR_ATTRIBUTE_VALUE_INVALID:
 * CKA_CHECK_VALUE is another's.
 */
CK_RV pkcs11_secret_complete(struct pkcs11_call *call, struct pkcs11_secret *secret,
                             struct remote_secret_key *key, enum pkcs11_making making,
                             CK_MECHANISM_TYPE generated_by);

/* The same of a half of a pair; pair.h is what makes them. */
CK_RV pkcs11_secret_complete_pair(struct pkcs11_secret *secret, struct remote_session_pair *pair,
                                  enum pkcs11_making making, CK_MECHANISM_TYPE generated_by);

struct pkcs11_secret *pkcs11_secret_ref(struct pkcs11_secret *secret);
void pkcs11_secret_unref(struct pkcs11_secret *secret); /* NULL is fine */

void pkcs11_secret_drop(struct pkcs11_secret **secret); /* for CLEANUP() */
/*
 * Makes it an object of the call's session; *secret is taken over and NULL then.
 * CKR_USER_NOT_LOGGED_IN: a private one; and as pkcs11_session_object_add().
 */
CK_RV pkcs11_secret_store(struct pkcs11_call *call, struct pkcs11_secret **secret,
                          CK_OBJECT_HANDLE *ret);

bool pkcs11_secret_flag(const struct pkcs11_secret *secret, CK_ATTRIBUTE_TYPE type);
CK_KEY_TYPE pkcs11_secret_type(const struct pkcs11_secret *secret);
/* The same in the core's words. */
enum remote_key_type pkcs11_secret_key_type(const struct pkcs11_secret *secret);
/* What is secret of it, to be wrapped: a value, or PKCS#8. Not of a public key. Borrowed. */
struct remote_slice pkcs11_secret_material(const struct pkcs11_secret *secret);
/* Whether what is secret of it may be read: extractable, and not sensitive. */
bool pkcs11_secret_readable(const struct pkcs11_secret *secret);
/* For C_GetObjectSize: of what it is made of. */
size_t pkcs11_secret_size(const struct pkcs11_secret *secret);
/* The core's word for a CKK; false: not a type of secret keys. */
bool pkcs11_secret_core_type(CK_KEY_TYPE type, enum remote_key_type *ret);
/* Whether CKA_ALLOWED_MECHANISMS leaves it possible. */
bool pkcs11_secret_allows(const struct pkcs11_secret *secret, CK_MECHANISM_TYPE ckm);
/* As pkcs11_attribute_value(). */
CK_RV pkcs11_secret_value(const struct pkcs11_secret *secret, CK_ATTRIBUTE_TYPE type,
                          struct remote_buf *ret);

/* ---- templates ---- */
const CK_ATTRIBUTE *pkcs11_template_find(const struct pkcs11_template *template,
                                         CK_ATTRIBUTE_TYPE type);
/* CKR_ARGUMENTS_BAD: cannot be read. CKR_TEMPLATE_INCONSISTENT: names an attribute twice. */
CK_RV pkcs11_template_check(const struct pkcs11_template *template);
/*
 * The same for a template that makes an object, with what decides how: CKA_CLASS, which must be
 * there (CKR_TEMPLATE_INCOMPLETE), and CKA_TOKEN, which leaves *ret_token alone when it is not.
 */
CK_RV pkcs11_template_begin(const struct pkcs11_template *template, CK_ULONG *ret_class,
                            bool *ret_token);
/* An attribute that is absent leaves *ret alone. CKR_ATTRIBUTE_VALUE_INVALID. */
CK_RV pkcs11_template_bool(const struct pkcs11_template *template, CK_ATTRIBUTE_TYPE type,
                           bool *ret);
CK_RV pkcs11_template_ulong(const struct pkcs11_template *template, CK_ATTRIBUTE_TYPE type,
                            CK_ULONG *ret);

#endif
