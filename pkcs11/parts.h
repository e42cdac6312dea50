/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs as templates bring them: in parts. */
#ifndef PKCS11_PARTS_H
#define PKCS11_PARTS_H

#include "secret.h"

/* Empty when the template does not have it. */
struct remote_slice pkcs11_parts_find(const struct pkcs11_template *template,
                                      CK_ATTRIBUTE_TYPE type);
/*
 * The private key of a template as PKCS#8; spec->type is set before, the rest by this.
 * CKR_TEMPLATE_INCOMPLETE, CKR_ATTRIBUTE_VALUE_INVALID.
 */
CK_RV pkcs11_parts_private(struct pkcs11_call *call, const struct pkcs11_template *template,
                           struct remote_key_spec *spec, struct remote_buf *ret);
/* The public key of a template as SubjectPublicKeyInfo, likewise. */
CK_RV pkcs11_parts_public(struct pkcs11_call *call, const struct pkcs11_template *template,
                          enum remote_key_type type, struct remote_buf *ret);

#endif
