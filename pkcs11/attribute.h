/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of objects: a table of rows, made on demand. None needs the network but CKA_VALUE of a
 * key that its service gives out. */
#ifndef PKCS11_ATTRIBUTE_H
#define PKCS11_ATTRIBUTE_H

#include "object.h"

/*
 * Appends the attribute's value.
 * CKR_ATTRIBUTE_TYPE_INVALID: not of this class   CKR_ATTRIBUTE_SENSITIVE: never leaves
 */
CK_RV pkcs11_attribute_value(const struct pkcs11_object *object, CK_ATTRIBUTE_TYPE type,
                             struct remote_buf *ret, struct remote_error *err);
/* Whether the object has an attribute of exactly this value. */
bool pkcs11_attribute_matches(const struct pkcs11_object *object, const CK_ATTRIBUTE *wanted);

/* Whether keys of this class and type have it. */
bool pkcs11_attribute_known(CK_OBJECT_CLASS class, enum remote_key_type key,
                            CK_ATTRIBUTE_TYPE type);

/* CKR_ARGUMENTS_BAD: a template, or a value in it, that cannot be read. */
CK_RV pkcs11_attribute_check_template(const CK_ATTRIBUTE *attributes, CK_ULONG count);
/* The first attribute of this type; NULL: none. */
const CK_ATTRIBUTE *pkcs11_attribute_find(const CK_ATTRIBUTE *attributes, CK_ULONG count,
                                          CK_ATTRIBUTE_TYPE type);

#endif
