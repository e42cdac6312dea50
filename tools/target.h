/* SPDX-License-Identifier: Apache-2.0 */
/* What a command works on: the configuration, one slot of it, one key of that slot. */
#ifndef TOOLS_TARGET_H
#define TOOLS_TARGET_H

#include "args.h"
#include "key.h"
#include "slot.h"

struct tools_target {
    struct remote_core *core;
    struct remote_slot *slot; /* borrowed */
    struct remote_key *key;
};

/* Each does what the one before it does as well. One line on stderr when it fails. */
int tools_target_core(const struct tools_args *args, struct tools_target *ret);
int tools_target_slot(const struct tools_args *args, struct tools_target *ret); /* logged in */
int tools_target_key(const struct tools_args *args, struct tools_target *ret);
/* The same; of a name that stands for several keys, the one that has this use. */
int tools_target_key_for(const struct tools_args *args, enum remote_use use,
                         struct tools_target *ret);
void tools_target_close(struct tools_target *target);

/* --slot where a command can do with all of them: *ret NULL when the option is absent. */
int tools_target_named_slot(const struct tools_args *args, const struct remote_core *core,
                            struct remote_slot **ret);
/* Gives a slot that takes a PIN the one of --pin-file, or what the terminal answers. */
int tools_target_login(const struct tools_args *args, struct remote_slot *slot);
/* Shows on a terminal's stderr how far a listing is. */
extern const struct remote_progress tools_target_progress;
void tools_target_progress_end(void);

#endif
