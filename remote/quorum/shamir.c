/* SPDX-License-Identifier: Apache-2.0 */
#include "shamir.h"

#include <string.h>

/* Carry-less, reduced as it goes; eight steps whatever the operands are. */
static unsigned char gf_mul(unsigned char a, unsigned char b)
{
    unsigned product = 0, left = a, right = b;

    for (unsigned bit = 0; bit < 8; bit++) {
        product ^= left & (0u - (right & 1u));
        right >>= 1;
        left = (left << 1) ^ (0x11bu & (0u - (left >> 7)));
    }
    return (unsigned char)product;
}

/* a^254, which is 1/a for all but 0 (Fermat: a^255 = 1). */
static unsigned char gf_invert(unsigned char a)
{
    unsigned char power = a, inverse = 1;

    for (unsigned bit = 1; bit < 8; bit++) { /* 254 = 2 + 4 + ... + 128 */
        power = gf_mul(power, power);
        inverse = gf_mul(inverse, power);
    }
    return inverse;
}

void remote_shamir_split(const unsigned char secret[REMOTE_SHAMIR_SECRET], unsigned threshold,
                         const unsigned char *random, struct remote_share *shares, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct remote_share *share = &shares[i];

        memset(share->y, 0, sizeof(share->y));
        for (unsigned degree = threshold - 1; degree > 0; degree--) { /* Horner's scheme */
            const unsigned char *row = random + (size_t)(degree - 1) * REMOTE_SHAMIR_SECRET;

            for (size_t byte = 0; byte < REMOTE_SHAMIR_SECRET; byte++)
                share->y[byte] = gf_mul((unsigned char)(share->y[byte] ^ row[byte]), share->x);
        }
        for (size_t byte = 0; byte < REMOTE_SHAMIR_SECRET; byte++)
            share->y[byte] ^= secret[byte];
    }
}

/* Lagrange's basis polynomial of share i at 0: the product of x_j / (x_j - x_i) over the others. */
static unsigned char weight_of(const struct remote_share *shares, size_t count, size_t i)
{
    unsigned char above = 1, below = 1;

    for (size_t j = 0; j < count; j++) {
        if (j == i)
            continue;
        above = gf_mul(above, shares[j].x);
        below = gf_mul(below, (unsigned char)(shares[j].x ^ shares[i].x));
    }
    return gf_mul(above, gf_invert(below));
}

void remote_shamir_combine(const struct remote_share *shares, size_t count,
                           unsigned char ret_secret[REMOTE_SHAMIR_SECRET])
{
    memset(ret_secret, 0, REMOTE_SHAMIR_SECRET);
    for (size_t i = 0; i < count; i++) {
        unsigned char weight = weight_of(shares, count, i);

        for (size_t byte = 0; byte < REMOTE_SHAMIR_SECRET; byte++)
            ret_secret[byte] ^= gf_mul(weight, shares[i].y[byte]);
    }
}
