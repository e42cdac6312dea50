/* SPDX-License-Identifier: Apache-2.0 */
#include "hchacha20.h"

#include <stdint.h>
#include <string.h>

#define DOUBLE_ROUNDS 10

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

static uint32_t load(const unsigned char *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

static void store(unsigned char *to, uint32_t word)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (unsigned char)(word >> 8 * i);
}

/* RFC 8439, 2.1 */
static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *a += *b;
    *d = rotate(*d ^ *a, 16);
    *c += *d;
    *b = rotate(*b ^ *c, 12);
    *a += *b;
    *d = rotate(*d ^ *a, 8);
    *c += *d;
    *b = rotate(*b ^ *c, 7);
}

void kesd_hchacha20(const unsigned char key[32], const unsigned char iv[16], unsigned char ret[32])
{
    uint32_t x[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

    for (unsigned i = 0; i < 8; i++)
        x[4 + i] = load(key + 4 * i);
    for (unsigned i = 0; i < 4; i++)
        x[12 + i] = load(iv + 4 * i);
    for (unsigned i = 0; i < DOUBLE_ROUNDS; i++) {
        for (unsigned j = 0; j < 4; j++)
            quarter_round(&x[j], &x[4 + j], &x[8 + j], &x[12 + j]);
        for (unsigned j = 0; j < 4; j++)
            quarter_round(&x[j], &x[4 + (j + 1) % 4], &x[8 + (j + 2) % 4], &x[12 + (j + 3) % 4]);
    }
    for (unsigned i = 0; i < 4; i++) {
        store(ret + 4 * i, x[i]);
        store(ret + 16 + 4 * i, x[12 + i]);
    }
    explicit_bzero(x, sizeof(x));
}
