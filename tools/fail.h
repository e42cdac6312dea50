/* SPDX-License-Identifier: Apache-2.0 */
/* How a command ends: one line on stderr and an exit code that a script can act on. */
#ifndef TOOLS_FAIL_H
#define TOOLS_FAIL_H

#include "error.h"

enum tools_exit {
    TOOLS_OK,
    TOOLS_FAILED,     /* the operation failed: a wrong signature, a refusal, no such key */
    TOOLS_USAGE,      /* the command line */
    TOOLS_CONFIG,     /* the configuration, or a file that it names */
    TOOLS_UNREACHABLE /* the service did not answer; trying again later may help */
};

/* Writes "hsmbridge: TEXT" to stderr and returns `code`. */
int tools_fail(enum tools_exit code, const char *fmt, ...) REMOTE_PRINTF(2, 3);
/* The same with the core's own sentence, and the exit code that belongs to it. */
int tools_fail_core(const struct remote_error *err);
enum tools_exit tools_exit_of(enum remote_rc rc);

#define TOOLS_TRY(call)                                                                            \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_ != TOOLS_OK)                                                                     \
            return code_;                                                                          \
    } while (0)

#endif
