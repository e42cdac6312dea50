/* SPDX-License-Identifier: Apache-2.0 */
/* What a subcommand is: a row of a table, and a function. */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

struct tools_args;

struct tools_command {
    const char *name;
    const char *purpose; /* one line for the list of commands */
    const char *text;    /* what else --help has to say; lines of its own; NULL: nothing */
    const char *actions; /* words of which one comes behind the name; NULL: none */
    const char *options; /* those it takes beside the ones that all take; blank-separated */
    const char *example; /* one command line */
    /* Returns an enum tools_exit; has said why on stderr when it is not TOOLS_OK. */
    int (*run)(const struct tools_args *args);
};

/* What nearly every command takes to name a key. */
#define TOOLS_KEY_OPTIONS "slot key id pin-file "
#define TOOLS_IO_OPTIONS "in out base64 hex "

extern const struct tools_command tools_cmd_bench, tools_cmd_bigdl, tools_cmd_check, tools_cmd_csr,
    tools_cmd_decrypt, tools_cmd_destroy, tools_cmd_ehsm, tools_cmd_encrypt, tools_cmd_generate,
    tools_cmd_import, tools_cmd_kes, tools_cmd_label, tools_cmd_list, tools_cmd_mechanisms,
    tools_cmd_options, tools_cmd_pem, tools_cmd_public, tools_cmd_quorum, tools_cmd_random,
    tools_cmd_rotate, tools_cmd_sign, tools_cmd_verify, tools_cmd_version, tools_cmd_zama;
extern const struct tools_command *const tools_commands[];        /* NULL-ended */
const struct tools_command *tools_command_find(const char *name); /* NULL: none */

#endif
