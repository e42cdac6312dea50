/* SPDX-License-Identifier: Apache-2.0 */
#include "meaning.h"

#include <string.h>

static bool text_fits(const char *wanted, const char *text)
{
    if (wanted == NULL)
        return true;
    if (wanted[0] == '\0')
        return text == NULL;
    return text != NULL && strstr(text, wanted) != NULL;
}

const struct remote_meaning *remote_meaning_find(const struct remote_meaning *table, int64_t status,
                                                 enum remote_op_kind kind, const char *text)
{
    const struct remote_meaning *m = table;

    while ((m->status != 0 && m->status != status) ||
           (m->kinds != 0 && (m->kinds >> kind & 1u) == 0) || !text_fits(m->text, text))
        m++;
    return m;
}

enum remote_rc remote_meaning_fail(const struct remote_meaning *meaning, int status,
                                   const char *words, size_t quote_max, struct remote_error *err)
{
    const char *advice = meaning->advice;
    size_t len = strcspn(words, "\n");

    if (len == 0)
        return REMOTE_FAIL(err, meaning->rc, "%s (HTTP %d)", advice ? advice : "refused", status);
    if (len > quote_max)
        len = quote_max;
    return REMOTE_FAIL(err, meaning->rc, "%s%s%.*s (HTTP %d)", advice ? advice : "",
                       advice ? ": " : "", (int)len, words, status);
}
