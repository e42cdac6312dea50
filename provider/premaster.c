/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The premaster secret of TLS 1.2's RSA key exchange. Whoever can tell a well-formed one from
 * another decrypts recorded sessions (Bleichenbacher): what follows decryption must not tell.
 */
#include "premaster.h"

#include <string.h>

/* 0xff when they are equal, else 0; without a branch. */
static unsigned char mask_equal(size_t a, size_t b)
{
    size_t diff = a ^ b;

    return (unsigned char)(((diff | (0 - diff)) >> (sizeof(size_t) * 8 - 1)) - 1);
}

static unsigned char mask_version(const unsigned char *premaster, unsigned version)
{
    return mask_equal((size_t)premaster[0] << 8 | premaster[1], version & 0xffff);
}

void provider_premaster_choose(unsigned char out[PROVIDER_PREMASTER_BYTES],
                               struct remote_slice plain, unsigned client, unsigned negotiated)
{
    unsigned char full[PROVIDER_PREMASTER_BYTES] = { 0 };
    unsigned char good = mask_equal(plain.len, sizeof(full));
    unsigned char old = (unsigned char)~mask_equal(negotiated, 0);
    volatile unsigned char mask; /* lest a compiler makes a branch of it */

    for (size_t i = 0; i < sizeof(full); i++)
        if (i < plain.len)
            full[i] = plain.data[i];
    good &= (unsigned char)(mask_version(full, client) | (old & mask_version(full, negotiated)));
    mask = good;
    for (size_t i = 0; i < sizeof(full); i++)
        out[i] = (unsigned char)((full[i] & mask) | (out[i] & (unsigned char)~mask));
    explicit_bzero(full, sizeof(full));
}
