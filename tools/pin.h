/* SPDX-License-Identifier: Apache-2.0 */
/* A slot's PIN: from a file, or asked for on the terminal; never from the command line. */
#ifndef TOOLS_PIN_H
#define TOOLS_PIN_H

#include "args.h"
#include "buf.h"

int tools_pin(const struct tools_args *args, const char *slot, struct remote_secret *ret);

#endif
