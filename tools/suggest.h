/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the words nearest to one that does not exist. */
#ifndef TOOLS_SUGGEST_H
#define TOOLS_SUGGEST_H

#include "buf.h"

/*
 * Appends "; did you mean 'a' or 'b'?" with the nearest of `words`, at most three, or, when
 * none is near, "; WHAT a, b, c" with the first few; what: "the slots are". Nothing when there
 * are no words.
 */
void tools_suggest(struct remote_buf *text, const char *word, const char *const *words,
                   size_t count, const char *what);

#endif
