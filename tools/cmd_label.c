/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

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
    if (args->label == NULL)
        return tools_fail(TOOLS_USAGE, "--label is missing; it says what the key will be called");
    if (strchr(args->label, '@') != NULL)
        return tools_fail(TOOLS_USAGE, "--label '%s': '@' is what versions are named with",
                          args->label);
    TOOLS_TRY(tools_target_slot(args, &target));
    if (remote_slot_rename(target.slot, args->key, args->label, &target.key, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return tools_output_key(args, target.slot, target.key, "renamed");
}

const struct tools_command tools_cmd_label = {
    .name = "label",
    .purpose = "Calls a key otherwise",
    .text =
        "Its public key and certificates in the token are renamed with it. Only other PKCS#11\n"
        "modules can do this; services keep a key's name for good. The slot's 'allow' must name\n"
        "label. A name that is taken is refused.\n",
    .options = "slot key label pin-file ",
    .example = "hsmbridge label --slot hsm --key tls-www --label tls-old",
    .run = run,
};
