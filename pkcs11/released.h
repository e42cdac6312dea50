/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys that their service gives out: token objects by their names, used here like session keys.
 */
#ifndef PKCS11_RELEASED_H
#define PKCS11_RELEASED_H

#include "object.h"

/*
 * Gives such a key what a session key has, and leaves every other object alone. One request when
 * the key is used for the first time. CKR_KEY_HANDLE_INVALID: the service has no such key, and its
 * handles are gone; else as for any request.
 */
CK_RV pkcs11_released_open(struct pkcs11_call *call, struct pkcs11_object *object);
/* Appends its bytes. */
CK_RV pkcs11_released_value(const struct pkcs11_object *object, struct remote_buf *ret,
                            struct remote_error *err);

#endif
