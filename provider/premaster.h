/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_PREMASTER_H
#define PROVIDER_PREMASTER_H

#include "buf.h"

#define PROVIDER_PREMASTER_BYTES 48 /* RFC 5246 7.4.7.1 */

/*
 * Replaces the random premaster in `out` by what was decrypted, if that is one: of this length, and
 * beginning with the version that the client offered (or, where negotiated is not 0, with that:
 * some old clients do so). Takes the same time and path whatever was decrypted.
 */
void provider_premaster_choose(unsigned char out[PROVIDER_PREMASTER_BYTES],
                               struct remote_slice plain, unsigned client, unsigned negotiated);

#endif
