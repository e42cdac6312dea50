/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#11 URIs (RFC 7512) of what a slot shows. */
#ifndef TOOLS_URI_H
#define TOOLS_URI_H

#include "buf.h"

/*
 * Appends "pkcs11:token=...;object=...;id=%..;type=TYPE". type: "private", "public",
 * "secret-key" or "cert" (RFC 7512 section 2.3).
 */
void tools_uri(struct remote_buf *ret, const char *token, const char *object,
               struct remote_slice id, const char *type);

#endif
