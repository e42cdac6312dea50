/* SPDX-License-Identifier: Apache-2.0 */
/* Names of keys, policies and identities, and patterns of listings. */
#ifndef KESD_NAME_H
#define KESD_NAME_H

#include "settings.h"

/* 1 to KESD_NAME_MAX of [0-9A-Za-z_-], no '-' at either end, not "_" alone. */
bool kesd_name_is_fit(struct remote_slice name);
/* Nothing, a '*', or a name, perhaps with a '*' behind it. ret: without that, NUL-terminated. */
bool kesd_pattern_read(struct remote_slice pattern, char ret[KESD_NAME_MAX + 1]);
/* KESD_IDENTITY_LEN hex digits, in letters of either case; ret: in lower case. */
bool kesd_identity_read(const char *text, char ret[KESD_IDENTITY_LEN + 1]);

#endif
