/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
const struct tools_command *const tools_commands[] = { /* in the order in which one needs them */
    &tools_cmd_check,
    &tools_cmd_list,
    &tools_cmd_sign,
    &tools_cmd_verify,
    &tools_cmd_encrypt,
    &tools_cmd_decrypt,
    &tools_cmd_public,
    &tools_cmd_pem,
    &tools_cmd_csr,
    &tools_cmd_random,
    &tools_cmd_generate,
    &tools_cmd_import,
    &tools_cmd_rotate,
    &tools_cmd_label,
    &tools_cmd_destroy,
    &tools_cmd_kes,
    &tools_cmd_ehsm,
    &tools_cmd_bigdl,
    &tools_cmd_quorum,
    &tools_cmd_zama,
    &tools_cmd_bench,
    &tools_cmd_mechanisms,
    &tools_cmd_options,
    &tools_cmd_version,
    NULL,
};
/* clang-format on */

const struct tools_command *tools_command_find(const char *name)
{
    for (size_t i = 0; tools_commands[i]; i++)
        if (strcmp(tools_commands[i]->name, name) == 0)
            return tools_commands[i];
    return NULL;
}
