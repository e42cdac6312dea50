/* SPDX-License-Identifier: Apache-2.0 */
/* How a key of a slot seals what a daemon keeps, in the best way that its service has. */
#ifndef DAEMON_FORM_H
#define DAEMON_FORM_H

#include "remote.h"

enum daemon_form {                           /* stored with what was sealed: the values stay */
                   DAEMON_FORM_AEAD = 1,     /* the service's own sealed bytes */
                   DAEMON_FORM_AES_GCM = 2,  /* nonce || ciphertext || tag */
                   DAEMON_FORM_OAEP_256 = 3, /* RSA, which has no room for associated data */
                   DAEMON_FORM_OAEP_1 = 4,   /* with SHA-1 */
                   DAEMON_FORM_COUNT
};

/* Static. */
const struct remote_params *daemon_form_params(enum daemon_form form);

/* The best form that the service both makes and opens with this key; err has what was wrong with
 * the last one that was tried. */
enum remote_rc daemon_form_choose(const struct remote_key *key, enum daemon_form *ret,
                                  struct remote_error *err) REMOTE_MUST_CHECK;

#endif
