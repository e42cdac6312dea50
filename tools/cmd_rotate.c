/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"
#include "fail.h"
#include "key_kind.h"
#include "lifecycle.h"
#include "output.h"
#include "target.h"

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    struct remote_error err = { 0 };

    TOOLS_TRY(tools_key_new_name(args));
    TOOLS_TRY(tools_target_slot(args, &target));
    if (remote_slot_rotate(target.slot, args->key, &target.key, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return tools_output_key(args, target.slot, target.key, "rotated");
}

const struct tools_command tools_cmd_rotate = {
    .name = "rotate",
    .purpose = "Gives a key a new version",
    .text = "Older versions go on opening what they sealed, and programs go on signing with the\n"
            "version that their certificate carries. The slot's 'allow' must name rotate.\n",
    .options = "slot key pin-file ",
    .example = "hsmbridge rotate --slot web --key tls-www",
    .run = run,
};
