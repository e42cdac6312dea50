/* SPDX-License-Identifier: Apache-2.0 */
/* The command line tool: finds the subcommand, reads its options, enters the guard, runs it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "command.h"
#include "fail.h"
#include "help.h"
#include "libctx.h"
#include "suggest.h"

static int unknown_command(const char *name)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    const char *names[32];
    size_t count = 0;

    for (; tools_commands[count]; count++)
        names[count] = tools_commands[count]->name;
    remote_buf_printf(&text, "unknown command '%s'", name);
    tools_suggest(&text, name, names, count, "the commands are");
    return tools_fail(TOOLS_USAGE, "%s", text.failed ? "out of memory" : (char *)text.data);
}

/* Output that did not arrive is a failure too, and shows only now. */
static int finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    return tools_fail(TOOLS_FAILED, "cannot write the output: %s", strerror(errno));
}

static int run(const struct tools_command *command, const struct tools_args *args)
{
    CLEANUP(remote_guard_leave) struct remote_guard guard = { 0 };
    struct remote_error err = { 0 };

    if (remote_guard_enter(&guard, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return finish(command->run(args));
}

int main(int argc, char **argv)
{
    static char version[] = "version";
    struct tools_args args = tools_args_default;
    const struct tools_command *command;
    int next = 1;

    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        argv[1] = version; /* as people type it */
    TOOLS_TRY(tools_args_parse(NULL, argc, argv, &args, &next));
    if (next < argc && strcmp(argv[next], "help") == 0) {
        args.help = true; /* "help sign" is "sign --help" */
        next++;
    }
    if (next == argc)
        return args.help ? finish(tools_help())
                         : tools_fail(TOOLS_USAGE, "no command; 'hsmbridge --help' lists them");
    command = tools_command_find(argv[next]);
    if (!command)
        return unknown_command(argv[next]);
    TOOLS_TRY(tools_args_parse(command, argc - next, argv + next, &args, &next));
    return args.help ? finish(tools_help_command(command)) : run(command, &args);
}
