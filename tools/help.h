/* SPDX-License-Identifier: Apache-2.0 */
/* --help, written from the tables of commands and options. */
#ifndef TOOLS_HELP_H
#define TOOLS_HELP_H

#include "command.h"

int tools_help(void);
int tools_help_command(const struct tools_command *command);

#endif
