/* SPDX-License-Identifier: Apache-2.0 */
/* What one option of the configuration may hold. Sections (config.h) are made of these. */
#ifndef REMOTE_OPTIONS_H
#define REMOTE_OPTIONS_H

#include "config.h"

/* How a SECRET is given; every other option is always a VALUE. */
enum remote_option_form { REMOTE_FORM_VALUE, REMOTE_FORM_FILE, REMOTE_FORM_ENV, REMOTE_FORM_COUNT };
extern const char *const remote_option_suffixes[REMOTE_FORM_COUNT]; /* "", "_file", "_env" */

struct remote_option_use { /* an option as a line of the configuration names it */
    const struct remote_option *option;
    enum remote_option_form form;
};

/* False: no table (NULL-ended list of tables) has an option that may be spelled so. */
bool remote_option_find(const struct remote_option *const *tables, const char *name,
                        struct remote_option_use *ret);
/* The spelling nearest to a wrong one, "" when none is near. */
void remote_option_suggest(const struct remote_option *const *tables, const char *name, char *ret,
                           size_t size);
bool remote_option_is_list(const struct remote_option *option);

/*
 * Checks a value. ret_number: of NUMBER, DURATION (ms) and BOOL, else 0. Error text: the value
 * (never a secret's), and what would be right.
 */
enum remote_rc remote_option_check(struct remote_option_use use, const char *value,
                                   uint64_t *ret_number, struct remote_error *err)
    REMOTE_MUST_CHECK;

/* Length of the blank-separated word that *cursor comes to; moves behind it. 0: no more. */
size_t remote_word_next(const char **cursor, const char **ret_word);

#endif
