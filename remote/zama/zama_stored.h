/* SPDX-License-Identifier: Apache-2.0 */
/* A kms.v1.PublicDecryptionRequest that was stored as it was sent, by whomever, to check answers.
 */
#ifndef REMOTE_ZAMA_STORED_H
#define REMOTE_ZAMA_STORED_H

#include "zama.h"

struct zama_stored {
    struct zama_question question; /* points into this struct and the message */
    struct zama_domain domain;
    struct Kms__V1__PublicDecryptionRequest *message;
};
/* REMOTE_E_DATA: no such request, or one that no answer could be about. */
enum remote_rc zama_stored_read(struct remote_slice bytes, struct zama_stored *ret,
                                struct remote_error *err) REMOTE_MUST_CHECK;
void zama_stored_clear(struct zama_stored *stored);

#endif
