/* SPDX-License-Identifier: Apache-2.0 */
/* From a request's target to the path that routes and policies see. */
#ifndef KESD_PATH_H
#define KESD_PATH_H

#include "remote.h"

enum kesd_path {
    KESD_PATH_OK,
    KESD_PATH_MOVED, /* it is spelled with "//", "." or ".." segments */
    KESD_PATH_BAD    /* a '%' without two hex digits, or no path at all */
};

/*
 * ret_path: KESD_PATH_OK, decoded; KESD_PATH_MOVED, the clean spelling, still encoded. It points
 * into target or into room. ret_query: from '?' on, may be empty.
 */
enum kesd_path kesd_path_read(struct remote_slice target, struct remote_buf *room,
                              struct remote_slice *ret_path, struct remote_slice *ret_query);

#endif
