/* SPDX-License-Identifier: Apache-2.0 */
#include "suggest.h"

#include <stdint.h>
#include <string.h>

#include "word.h"

#define NEAR_MAX 3   /* words offered as a guess */
#define SHOWN_MAX 16 /* words shown when there is no guess */

/* How far apart two words are; SIZE_MAX when no one would mistake one for the other. */
static size_t farness(const char *word, const char *candidate)
{
    size_t len = strlen(word), far = remote_word_distance(word, candidate);

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

    for (size_t i = 0; i < count; i++) {
        size_t far = farness(word, words[i]);

        best = far < best ? far : best;
    }
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
