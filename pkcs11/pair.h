/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key pairs and public keys of the session as objects: each half is a struct pkcs11_secret, with
 * attributes of its own. The public one holds nothing of the private one, which is wiped when its
 * own object goes.
 */
#ifndef PKCS11_PAIR_H
#define PKCS11_PAIR_H

#include "object.h"

/* The core's word for a CKK; false: not a type of key pairs. */
bool pkcs11_pair_core_type(CK_KEY_TYPE type, enum remote_key_type *ret);

/* C_CreateObject of a private or public key; class: which of them. */
CK_RV pkcs11_pair_create(struct pkcs11_call *call, const struct pkcs11_template *template,
                         CK_OBJECT_CLASS class, CK_OBJECT_HANDLE *ret);
/* C_GenerateKeyPair. CKR_MECHANISM_INVALID: the slot's policy; CKR_KEY_SIZE_RANGE. */
CK_RV pkcs11_pair_generate(struct pkcs11_call *call, const struct remote_mechanism *row,
                           const struct remote_key_spec *spec, const struct pkcs11_template *public,
                           const struct pkcs11_template *private, CK_OBJECT_HANDLE *ret_public,
                           CK_OBJECT_HANDLE *ret_private);
/* C_UnwrapKey: secret has been read from the template; pkcs8: what came out. */
CK_RV pkcs11_pair_unwrapped(struct pkcs11_call *call, struct pkcs11_secret *secret,
                            const struct pkcs11_template *template, struct remote_slice pkcs8);
/* C_CopyObject of a service's public key. */
CK_RV pkcs11_pair_copy(struct pkcs11_call *call, const struct pkcs11_object *object,
                       const struct pkcs11_template *template, CK_OBJECT_HANDLE *ret);

/* Of the attributes that are made of the key. As pkcs11_attribute_value(). */
CK_RV pkcs11_pair_value(const struct pkcs11_secret *secret, CK_ATTRIBUTE_TYPE type,
                        struct remote_buf *ret);

#endif
