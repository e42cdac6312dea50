/* SPDX-License-Identifier: Apache-2.0 */
#include "suggest.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define NEAR_MAX 3   /* words offered as a guess */
#define SHOWN_MAX 16 /* words shown when there is no guess */
#define WORD_MAX 64  /* bytes compared; longer words differ enough by then */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein distance without regard to case: insertions, deletions, replacements. */
static size_t distance(const char *a, const char *b)
{
    size_t a_len = smaller(strlen(a), WORD_MAX), b_len = smaller(strlen(b), WORD_MAX);
    size_t row[WORD_MAX + 1];

    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            size_t replaced = diagonal + !same;

            diagonal = row[j];
            row[j] = smaller(replaced, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
}

/* How far apart two words are; SIZE_MAX when no one would mistake one for the other. */
static size_t farness(const char *word, const char *candidate)
{
    size_t len = strlen(word), far = distance(word, candidate);

    if (far <= 1 + len / 4)
        return far;
    if (len >= 3 && (strcasestr(candidate, word) || strcasestr(word, candidate)))
        return 1 + len / 4;
    return SIZE_MAX;
}

static void append_all(struct remote_buf *text, const char *const *words, size_t count,
                       const char *what)
{
    remote_buf_printf(text, "; %s ", what);
    for (size_t i = 0; i < count && i < SHOWN_MAX; i++)
        remote_buf_printf(text, "%s%s", i ? ", " : "", words[i]);
    if (count > SHOWN_MAX)
        remote_buf_append_str(text, ", ...");
}

static size_t nearest(const char *word, const char *const *words, size_t count)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < count; i++)
        best = smaller(best, farness(word, words[i]));
    return best;
}

void tools_suggest(struct remote_buf *text, const char *word, const char *const *words,
                   size_t count, const char *what)
{
    size_t best = nearest(word, words, count), found = 0;

    if (best == SIZE_MAX) {
        if (count)
            append_all(text, words, count, what);
        return;
    }
    for (size_t i = 0; i < count && found < NEAR_MAX; i++) {
        if (farness(word, words[i]) != best)
            continue;
        remote_buf_printf(text, "%s'%s'", found ? " or " : "; did you mean ", words[i]);
        found++;
    }
    remote_buf_append_char(text, '?');
}
