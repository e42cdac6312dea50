/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "fail.h"
#include "key_kind.h"
#include "lifecycle.h"
#include "output.h"
#include "target.h"

/* Typed, from wherever stdin comes: a script that means it can send the name. */
static int confirm(const struct remote_slot *slot, const char *name)
{
    char line[REMOTE_KEY_NAME_MAX + 2] = "";

    fprintf(stderr,
            "This destroys key '%s' of slot '%s' with all its versions. What was sealed with it is "
            "lost.\nType the key's name to go on: ",
            name, remote_slot_name(slot));
    fflush(stderr);
    if (fgets(line, sizeof(line), stdin) != NULL)
        line[strcspn(line, "\r\n")] = '\0';
    if (strcmp(line, name) == 0)
        return TOOLS_OK;
    return tools_fail(TOOLS_FAILED, "what was typed is not '%s'; nothing was destroyed", name);
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    struct remote_error err = { 0 };

    TOOLS_TRY(tools_key_new_name(args));
    TOOLS_TRY(tools_target_key(args, &target));
    if (!remote_slot_allows(target.slot, REMOTE_ALLOW_DESTROY))
        return tools_fail(TOOLS_FAILED,
                          "slot '%s' does not allow this; add 'allow = destroy' to its section",
                          remote_slot_name(target.slot));
    TOOLS_TRY(confirm(target.slot, args->key));
    if (remote_slot_destroy(target.slot, args->key, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return tools_output_key(args, target.slot, target.key, "destroyed");
}

const struct tools_command tools_cmd_destroy = {
    .name = "destroy",
    .purpose = "Destroys a key with all its versions",
    .text = "Asks for the key's name to be typed; there is no way back. The slot's 'allow' must\n"
            "name destroy.\n",
    .options = "slot key pin-file ",
    .example = "hsmbridge destroy --slot web --key tls-old",
    .run = run,
};
