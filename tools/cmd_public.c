/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"
#include "fail.h"
#include "io.h"
#include "local.h"
#include "output.h"
#include "target.h"

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf pem = { 0 };
    struct remote_error err = { 0 };

    TOOLS_TRY(tools_target_key(args, &target));
    if (remote_key_type_symmetric(target.key->type))
        return tools_fail(TOOLS_FAILED, "key '%s' (%s) is a secret key: it has no public half",
                          target.key->name, remote_key_type_name(target.key->type));
    if (remote_local_public_pem(target.key, &pem, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    if (args->json)
        return tools_json_print(args, json_pack("{s:s,s:s,s:i,s:s}", "slot",
                                                remote_slot_name(target.slot), "key",
                                                target.key->name, "version",
                                                (int)target.key->version, "public_key", pem.data));
    return tools_io_write(args, remote_buf_slice(&pem), false);
}

const struct tools_command tools_cmd_public = {
    .name = "public",
    .purpose = "Writes the public half of a key as PEM",
    .options = TOOLS_KEY_OPTIONS "out",
    .example = "hsmbridge public --key tls-www --out tls-www.pub",
    .run = run,
};
