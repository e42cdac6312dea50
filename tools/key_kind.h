/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of keys that --type names. */
#ifndef TOOLS_KEY_KIND_H
#define TOOLS_KEY_KIND_H

#include "args.h"
#include "key.h"

/* One line on stderr when the word is none, with those that are. */
int tools_key_kind(const char *word, struct remote_key_spec *ret);
/* Whether --key names a key that can be made; says why not. */
int tools_key_new_name(const struct tools_args *args);

#endif
