/* SPDX-License-Identifier: Apache-2.0 */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>

int tools_fail(enum tools_exit code, const char *fmt, ...)
{
    va_list args;

    fflush(stdout); /* what was found so far stands before the line that says why it ends */
    fputs("hsmbridge: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return (int)code;
}

enum tools_exit tools_exit_of(enum remote_rc rc)
{
    switch (rc) {
    case REMOTE_OK:
        return TOOLS_OK;
    case REMOTE_E_USAGE:
        return TOOLS_USAGE;
    case REMOTE_E_CONFIG:
        return TOOLS_CONFIG;
    case REMOTE_E_BUSY:
    case REMOTE_E_TIMEOUT:
    case REMOTE_E_UNAVAILABLE:
        return TOOLS_UNREACHABLE;
    default:
        return TOOLS_FAILED;
    }
}

int tools_fail_core(const struct remote_error *err)
{
    return tools_fail(tools_exit_of(err->rc), "%s", err->text);
}
