/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sealed form of a text that is kept in a store: "hsmbridge-kes:v1:" and base64 of
 *
 *     1 byte   how the slot sealed the record's key: enum daemon_form
 *     4 bytes  version of the sealing key, as the slot counts them
 *     2 bytes  length, and so many bytes: name of the sealing key
 *     2 bytes  length, and so many bytes: the record's key (32 bytes), sealed by the slot
 *     12 bytes nonce
 *     the text under AES-256-GCM with the record's key, and its tag of 16 bytes
 *
 * Numbers are big-endian. Associated data: all that stands before the nonce, from "hsmbridge-kes"
 * on and not in base64, and behind it the name that the text is kept under. So a record opens
 * under its own name only, whatever the slot's service can bind itself.
 *
 * The sealing key is the one that is configured; what a record says of it serves to find the
 * version, and for messages. Any thread; inside the guard; blocks for the slot's service.
 */
#ifndef KESD_SEAL_H
#define KESD_SEAL_H

#include "slot_ref.h"

struct kesd_sealer {
    struct kesd_slot_ref slot;
    char *key; /* its name */
};

/* text: to be kept under name. ret: replaced, in locked memory. */
enum remote_rc kesd_seal(const struct kesd_sealer *sealer, const char *name,
                         struct remote_slice text, struct remote_secret *ret,
                         struct remote_error *err) REMOTE_MUST_CHECK;
/* REMOTE_E_DATA: not such a record, or not of this name, or not of this key. */
enum remote_rc kesd_unseal(const struct kesd_sealer *sealer, const char *name,
                           struct remote_slice sealed, struct remote_secret *ret,
                           struct remote_error *err) REMOTE_MUST_CHECK;
/* Whether it says that it is one. */
bool kesd_is_sealed(struct remote_slice text);

struct kesd_sealed { /* a record taken apart; borrowed from it */
    unsigned form;   /* one of enum daemon_form */
    unsigned version;
    struct remote_slice key_name, record_key, nonce, body;
    struct remote_slice head; /* all that stands before the nonce */
};
/* bytes: without "hsmbridge-kes:v1:", decoded. False: not well formed. */
bool kesd_sealed_read(struct remote_slice bytes, struct kesd_sealed *ret);

#endif
