/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines of daemons: each has one table. Options have one dash or two, and the value behind
 * '=' or a blank. */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include "buf.h"

enum daemon_option_kind {
    DAEMON_FLAG, /* alone, or =true, =false; a bool */
    DAEMON_TEXT, /* a const char * */
    DAEMON_LIST,
    DAEMON_NUMBER,   /* a uint64_t; so is a duration */
    DAEMON_DURATION, /* in milliseconds */
    DAEMON_REFUSED   /* known, and not served; `value` says why */
};

struct daemon_option {
    const char *name;
    enum daemon_option_kind kind;
    const char *value; /* what stands for it in help */
    size_t field;      /* offset in the program's struct of options */
    uint64_t min, max;
    const char *help; /* NULL: another name of one that is listed, or of no matter */
};
#define DAEMON_OPTION_MAX 64 /* rows of a table, which ends with a NULL name */

#define DAEMON_LIST_MAX 16
struct daemon_list { /* an option that may be repeated */
    const char *items[DAEMON_LIST_MAX];
    size_t count;
};

/*
 * Sets fields of *options, which hold the defaults; values are borrowed from argv.
 * REMOTE_E_USAGE: one line that says what is wrong and what would be right.
 */
enum remote_rc daemon_options_parse(const struct daemon_option *table, int argc, char *const *argv,
                                    void *options, struct remote_error *err) REMOTE_MUST_CHECK;
/* A line for each option, to standard output. */
void daemon_options_print(const struct daemon_option *table);

#endif
