/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of the service made, imported and destroyed by PKCS#11 calls. What the slot's `allow` does
 * not name is refused before any request; CKA_LABEL is the key's name in the service.
 */
#ifndef PKCS11_TOKEN_KEY_H
#define PKCS11_TOKEN_KEY_H

#include "object.h"

struct pkcs11_call;

struct pkcs11_token_key {
    char name[REMOTE_KEY_NAME_MAX + 1];
    struct remote_key_spec spec;
};

/*
 * Beside what the session forbids (pkcs11_session_writable()): CKR_ACTION_PROHIBITED, `allow` does
 * not name it.
 */
CK_RV pkcs11_token_key_allowed(struct pkcs11_call *call, enum remote_allow what);

/*
 * Reads what a template says of a new key: nothing that the service could not hold to, and its
 * label into *name, unless another template has set one. CKR_ATTRIBUTE_*, CKR_TEMPLATE_*.
 */
CK_RV pkcs11_token_key_read(const struct pkcs11_template *template, CK_OBJECT_CLASS class,
                            enum remote_key_type type, char name[REMOTE_KEY_NAME_MAX + 1]);

/* Makes it in the service. ret: handle of the secret or private key; ret_public may be NULL. */
CK_RV pkcs11_token_key_generate(struct pkcs11_call *call, const struct pkcs11_token_key *wish,
                                CK_OBJECT_HANDLE *ret, CK_OBJECT_HANDLE *ret_public);
/* Brings its material there. */
CK_RV pkcs11_token_key_import(struct pkcs11_call *call, const struct pkcs11_token_key *wish,
                              struct remote_slice material, CK_OBJECT_HANDLE *ret);
/* C_CreateObject with CKA_TOKEN: the material is in the template. */
CK_RV pkcs11_token_key_create(struct pkcs11_call *call, const struct pkcs11_template *template,
                              CK_OBJECT_CLASS class, CK_OBJECT_HANDLE *ret);
/*
 * C_UnwrapKey with CKA_TOKEN, in two steps: before the request that unwraps, and after it with
 * the secret's bytes or PKCS#8.
 */
CK_RV pkcs11_token_key_expect(struct pkcs11_call *call, const struct pkcs11_template *template,
                              CK_OBJECT_CLASS class, struct pkcs11_token_key *ret);
CK_RV pkcs11_token_key_unwrapped(struct pkcs11_call *call, struct pkcs11_token_key *wish,
                                 struct remote_slice material, CK_OBJECT_HANDLE *ret);
/* With all its versions, and all its handles. */
CK_RV pkcs11_token_key_destroy(struct pkcs11_call *call, const struct pkcs11_object *object);
/* C_SetAttributeValue of CKA_LABEL; the key's handles stay. */
CK_RV pkcs11_token_key_rename(struct pkcs11_call *call, const struct pkcs11_object *object,
                              const struct pkcs11_template *template);

#endif
