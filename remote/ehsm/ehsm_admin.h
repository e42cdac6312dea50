/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator does with an eHSM-KMS, and no application: never called by a front end but the
 * command line tool. In every build; a slot of another backend is REMOTE_E_UNSUPPORTED.
 */
#ifndef REMOTE_EHSM_ADMIN_H
#define REMOTE_EHSM_ADMIN_H

#include "remote/slot.h"

/*
 * Makes a new appid with its API key. The service lets anybody do this who reaches it, and keeps
 * the appid for ever. One request, never repeated. *ret_appid: free() it.
 */
enum remote_rc remote_ehsm_enroll(struct remote_slot *slot, char **ret_appid,
                                  struct remote_secret *ret_apikey, struct remote_error *err)
    REMOTE_MUST_CHECK;

#define REMOTE_EHSM_CHALLENGE_MAX 3072 /* bytes */
/*
 * A quote (SGX DCAP version 3) of the enclave. The service echoes the challenge, which is checked,
 * but does not bind it into the quote.
 */
enum remote_rc remote_ehsm_quote(struct remote_slot *slot, struct remote_slice challenge,
                                 struct remote_buf *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
