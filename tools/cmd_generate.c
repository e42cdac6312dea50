/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "command.h"
#include "fail.h"
#include "key_kind.h"
#include "lifecycle.h"
#include "output.h"
#include "target.h"

static int read_use(const char *word, unsigned *ret)
{
    if (word == NULL)
        return TOOLS_OK;
    if (strcmp(word, "sign") != 0 && strcmp(word, "decrypt") != 0)
        return tools_fail(TOOLS_USAGE, "--use '%s' is neither sign nor decrypt", word);
    *ret = strcmp(word, "sign") == 0 ? REMOTE_USE_SIGN : REMOTE_USE_DECRYPT;
    return TOOLS_OK;
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    struct remote_key_spec spec = { 0 };
    struct remote_error err = { 0 };

    TOOLS_TRY(tools_key_new_name(args));
    TOOLS_TRY(tools_key_kind(args->type, &spec));
    TOOLS_TRY(read_use(args->use, &spec.uses));
    TOOLS_TRY(tools_target_slot(args, &target));
    if (remote_slot_generate(target.slot, args->key, &spec, &target.key, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return tools_output_key(args, target.slot, target.key, "made");
}

const struct tools_command tools_cmd_generate = {
    .name = "generate",
    .purpose = "Makes a key in the service",
    .text = "The slot's 'allow' must name generate. A name that is taken is refused.\n",
    .options = "slot key type use pin-file ",
    .example = "hsmbridge generate --slot web --key tls-www --type ecdsa-p256",
    .run = run,
};
