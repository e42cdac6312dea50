/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module's edge for errors: one table from the core's codes to PKCS#11's, one log line for
 * each call that failed. The sentence comes from the core or from the file that refused.
 */
#ifndef PKCS11_ERROR_H
#define PKCS11_ERROR_H

#include "remote/remote.h"

/* What a code of the core means depends on what was asked. */
enum pkcs11_doing {
    PKCS11_DOING_OTHER,
    PKCS11_DOING_VERIFY,
    PKCS11_DOING_DECRYPT,
    PKCS11_DOING_MESSAGE, /* decrypting one */
    PKCS11_DOING_WRAP,
    PKCS11_DOING_UNWRAP,
    PKCS11_DOING_OBJECT, /* making, changing or destroying a key in the service */
    PKCS11_DOING_COUNT
};

/*
 * slot: whose service answered; NULL when none did. Dead credentials are the user's business
 * only where the user gave them, with a PIN.
 */
CK_RV pkcs11_rv(const struct remote_slot *slot, enum remote_rc rc, enum pkcs11_doing doing);

/* Whether a service, or the way to it, is what failed. */
bool pkcs11_rv_of_service(enum remote_rc rc);

/* "CKR_DEVICE_ERROR"; static storage. */
const char *pkcs11_rv_name(CK_RV rv);

/*
 * Writes the call's one log line, unless rv is CKR_OK or CKR_BUFFER_TOO_SMALL, and returns rv.
 * Without a sentence there is nothing that an operator could act on (a probe for an attribute,
 * a wrong handle): such lines are for debugging.
 */
CK_RV pkcs11_done(const char *func, CK_RV rv, const struct remote_error *err);

#endif
