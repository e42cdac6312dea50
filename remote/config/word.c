/* SPDX-License-Identifier: Apache-2.0 */
#include "word.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;

    return ab < c ? ab : c;
}

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

unsigned remote_word_distance(const char *a, const char *b)
{
    unsigned rows[3][REMOTE_WORD_MAX + 1];
    unsigned *previous = rows[0], *current = rows[1], *oldest = rows[2];
    size_t a_len = strnlen(a, REMOTE_WORD_MAX), b_len = strnlen(b, REMOTE_WORD_MAX);

    for (size_t j = 0; j <= b_len; j++)
        previous[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *recycled = oldest;

        current[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            current[j] = least(previous[j] + 1, current[j - 1] + 1,
                               previous[j - 1] + !same(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]) &&
                oldest[j - 2] + 1 < current[j])
                current[j] = oldest[j - 2] + 1;
        }
        oldest = previous;
        previous = current;
        current = recycled;
    }
    return previous[b_len];
}
