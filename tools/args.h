/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: one table of options, of which each command names those it takes. */
#ifndef TOOLS_ARGS_H
#define TOOLS_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"

#define TOOLS_LIST_MAX 32             /* values of an option that may be repeated */
#define TOOLS_SALT_AS_HASH UINT64_MAX /* --salt-length was not given */

struct tools_args {
    const char *action; /* of a command that has some: which */
    bool help, json;
    unsigned verbose;
    const char *config, *slot, *key, *id, *pin_file;
    const char *in, *out, *decode;
    bool base64, hex;
    const char *type, *label, *use;
    const char *mechanism, *signature, *aad, *aad_file;
    bool digest, der, raw;
    uint64_t salt_length;
    uint64_t bytes;
    const char *subject;
    const char *san[TOOLS_LIST_MAX + 1]; /* NULL-ended */
    const char *module;
    const char *dir, *from, *path, *transit_key; /* kes import */
    bool with_hmac, dry_run;
    const char *files[TOOLS_LIST_MAX + 1];              /* quorum rewrap; NULL-ended */
    const char *format, *handle, *signatures, *request; /* zama */
    uint64_t party;                                     /* the same; 0: any */
    uint64_t threads, pairs, block_ms;
    bool no_loop, markdown;
};
extern const struct tools_args tools_args_default;

enum tools_option_kind {
    TOOLS_FLAG,
    TOOLS_COUNT, /* may be repeated: -vv */
    TOOLS_TEXT,
    TOOLS_LIST, /* may be repeated, each time with a value */
    TOOLS_NUMBER,
    TOOLS_DURATION /* 500ms, 2s; in milliseconds */
};

struct tools_option {
    const char *name;
    char letter; /* 0: none */
    enum tools_option_kind kind;
    const char *value; /* what stands for the value in help; NULL: takes none */
    size_t field;      /* offset in struct tools_args */
    uint64_t min, max;
    const char *help;
};
extern const struct tools_option tools_options[]; /* ends with a NULL name */

/* Whether the command takes the option: it names it, or every command takes it. */
bool tools_args_takes(const struct tools_command *command, const struct tools_option *option);

/*
 * Reads the options in front of a command's name (command NULL), or those behind it. argv[0] is
 * skipped. Returns TOOLS_OK or, after one line on stderr, TOOLS_USAGE. *ret_next: index of the
 * first argument that is not an option; a command takes none, which is checked here.
 */
int tools_args_parse(const struct tools_command *command, int argc, char **argv,
                     struct tools_args *args, int *ret_next);

#endif
