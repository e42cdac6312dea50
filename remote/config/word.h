/* SPDX-License-Identifier: Apache-2.0 */
/* How far apart two words are, for "did you mean". */
#ifndef REMOTE_WORD_H
#define REMOTE_WORD_H

#define REMOTE_WORD_MAX 64 /* bytes that are compared; longer words differ enough by then */

/*
 * Edits that turn a into b, whatever their case: insert, delete, replace, or swap neighbours (what
 * hands do).
 */
unsigned remote_word_distance(const char *a, const char *b);

#endif
