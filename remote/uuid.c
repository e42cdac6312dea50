/* SPDX-License-Identifier: Apache-2.0 */
#include "uuid.h"

#include <stdio.h>

#include "remote/local/local.h"

#define BYTES 16

enum remote_rc remote_uuid_make(char ret[REMOTE_UUID_SIZE], struct remote_error *err)
{
    static const char dash_before[BYTES] = { [4] = 1, [6] = 1, [8] = 1, [10] = 1 };
    unsigned char bytes[BYTES];
    char *at = ret;

    REMOTE_TRY(remote_local_random(bytes, sizeof(bytes), err));
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); /* version: random */
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80); /* variant */
    for (size_t i = 0; i < BYTES; i++) {
        if (dash_before[i])
            *at++ = '-';
        snprintf(at, 3, "%02x", bytes[i]);
        at += 2;
    }
    return REMOTE_OK;
}
