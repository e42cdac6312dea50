/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include <stdio.h>

#include "args.h"
#include "fail.h"

static void print_option(const struct tools_option *option)
{
    char left[40];

    snprintf(left, sizeof(left), "%s%c%s--%s%s%s", option->letter ? "-" : " ",
             option->letter ? option->letter : ' ', option->letter ? ", " : "  ", option->name,
             option->value ? " " : "", option->value ? option->value : "");
    printf("  %-24s  %s\n", left, option->help);
}

static void print_options(const struct tools_command *command)
{
    puts("\nOptions:");
    for (const struct tools_option *option = tools_options; option->name; option++)
        if (tools_args_takes(command, option))
            print_option(option);
}

int tools_help(void)
{
    puts("Usage: hsmbridge COMMAND [OPTION]...\n\n"
         "Works with keys that live in remote key services, as configured in\n"
         "/etc/hsmbridge/hsmbridge.conf.\n\nCommands:");
    for (size_t i = 0; tools_commands[i]; i++)
        printf("  %-12s  %s\n", tools_commands[i]->name, tools_commands[i]->purpose);
    print_options(NULL);
    puts("\n'hsmbridge COMMAND --help' tells more of each. Manual: hsmbridge(1),\n"
         "hsmbridge.conf(5), hsmbridge(7).\n\n"
         "Exit status: 0 all is well, 1 the operation failed, 2 usage, 3 configuration,\n"
         "4 the service could not be reached.");
    return TOOLS_OK;
}

int tools_help_command(const struct tools_command *command)
{
    printf("Usage: hsmbridge %s %s%s[OPTION]...\n\n%s.\n", command->name,
           command->actions ? command->actions : "", command->actions ? " " : "", command->purpose);
    if (command->text)
        printf("\n%s\n", command->text);
    print_options(command);
    printf("\nExample:\n  %s\n", command->example);
    return TOOLS_OK;
}
