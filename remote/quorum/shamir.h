/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shamir's secret sharing over GF(2^8) (A. Shamir, "How to share a secret", 1979), byte by byte,
 * with the polynomial x^8+x^4+x^3+x+1 of AES (FIPS 197 4.2). Any k shares give the secret, k-1 of
 * them tell nothing: each is uniformly distributed, whatever the secret is.
 *
 * No branch and no address depends on a secret or a share.
 */
#ifndef REMOTE_SHAMIR_H
#define REMOTE_SHAMIR_H

#include <stddef.h>

#include "remote/error.h"

#define REMOTE_SHAMIR_SECRET 32 /* bytes of a secret, and of each share */
#define REMOTE_SHAMIR_SHARES_MAX 255

struct remote_share {
    unsigned char x; /* where the polynomials were evaluated; never 0, pairwise different */
    unsigned char y[REMOTE_SHAMIR_SECRET];
};

/*
 * Splits: shares[i].x must be set. Takes threshold-1 random coefficients for each byte from
 * `random` (threshold-1 times REMOTE_SHAMIR_SECRET bytes), which the caller draws and wipes.
 * 1 <= threshold <= count.
 */
void remote_shamir_split(const unsigned char secret[REMOTE_SHAMIR_SECRET], unsigned threshold,
                         const unsigned char *random, struct remote_share *shares, size_t count);

/* The secret from exactly as many shares as the threshold was. */
void remote_shamir_combine(const struct remote_share *shares, size_t count,
                           unsigned char ret_secret[REMOTE_SHAMIR_SECRET]);

#endif
