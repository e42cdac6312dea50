/* SPDX-License-Identifier: Apache-2.0 */
/* Random UUIDs (RFC 9562 5.4), in small letters. */
#ifndef REMOTE_UUID_H
#define REMOTE_UUID_H

#include "error.h"

#define REMOTE_UUID_SIZE 37 /* with the NUL */

enum remote_rc remote_uuid_make(char ret[REMOTE_UUID_SIZE], struct remote_error *err)
    REMOTE_MUST_CHECK;

#endif
