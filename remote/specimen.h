/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as the backend would send it for one operation, which nobody sends: so that `hsmbridge
 * bench` can repeat it with nothing but libcurl. No operation is done by way of this.
 */
#ifndef REMOTE_SPECIMEN_H
#define REMOTE_SPECIMEN_H

#include "key.h"

struct remote_specimen {
    const char *method;                   /* static */
    struct remote_buf url, headers, body; /* headers: "Name: value\n" lines; both with secrets */
    struct remote_buf connect_to;         /* lines of CURLOPT_CONNECT_TO */
    const char *unix_path; /* CURLOPT_UNIX_SOCKET_PATH; borrowed from the slot, or NULL */
    bool fresh; /* the service takes it once: whoever repeats it makes another one for each time */
};

/*
 * Of signing (MACs too), encrypting or decrypting `in` with the key, with the grant that the slot
 * has by now: an operation comes first. Makes no request. Called inside the guard, by any thread.
 * REMOTE_E_UNSUPPORTED  this is done without a request, or without HTTPS
 * REMOTE_E_AUTH         no grant yet             and what build() says
 * ret: zeroed, or an earlier one, which is reused; clear it in any case.
 */
enum remote_rc remote_specimen_make(struct remote_key *key, enum remote_use use,
                                    const struct remote_params *params, struct remote_slice in,
                                    struct remote_specimen *ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void remote_specimen_clear(struct remote_specimen *specimen); /* wipes */

/*
 * Whether another program can show the slot's client certificate, having its files only: one made
 * of an API key, and a key that is another slot's, are not to be had that way.
 */
bool remote_specimen_client_in_files(const struct remote_slot *slot);

#endif
