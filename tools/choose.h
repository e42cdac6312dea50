/* SPDX-License-Identifier: Apache-2.0 */
/* Which mechanism a command uses with a key, and with which parameters. */
#ifndef TOOLS_CHOOSE_H
#define TOOLS_CHOOSE_H

#include "args.h"
#include "key.h"

struct tools_choice {
    const struct remote_mechanism *row;
    struct remote_params params;
    struct remote_buf aad; /* what params.aad borrows */
};

/*
 * The mechanism of --mechanism, or the one for the key's type. Checked against key, slot and
 * service: what cannot be done is said before any input is read.
 */
int tools_choose(const struct tools_args *args, const struct remote_key *key, enum remote_use use,
                 struct tools_choice *ret);
/* Whether a signature is a pair of numbers, and so may be DER. */
bool tools_choice_is_pair(const struct remote_mechanism *row);
void tools_choice_clear(struct tools_choice *choice);

/* The input of a signature as the core wants it: the message, or its digest made here. */
int tools_choose_input(const struct tools_args *args, const struct tools_choice *choice,
                       struct remote_buf *ret);

#endif
