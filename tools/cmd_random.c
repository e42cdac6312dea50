/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"
#include "fail.h"
#include "io.h"
#include "output.h"
#include "target.h"

static int print_json(const struct tools_args *args, const struct tools_target *target,
                      struct remote_slice bytes)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    TOOLS_TRY(tools_output_encode(args, bytes, &text));
    return tools_json_print(args, json_pack("{s:s,s:s}", "slot", remote_slot_name(target->slot),
                                            "random", text.data));
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf bytes = { 0 };
    struct remote_error err = { 0 };
    unsigned char *room;

    TOOLS_TRY(tools_target_slot(args, &target));
    if (!remote_slot_has_random(target.slot))
        return tools_fail(TOOLS_FAILED, "slot '%s' gives no random bytes",
                          remote_slot_name(target.slot));
    room = remote_buf_reserve(&bytes, args->bytes);
    if (!room)
        return tools_fail(TOOLS_FAILED, "out of memory");
    if (remote_slot_random(target.slot, room, args->bytes, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    bytes.len = args->bytes;
    if (args->json)
        return print_json(args, &target, remote_buf_slice(&bytes));
    return tools_io_write_result(args, remote_buf_slice(&bytes), true);
}

const struct tools_command tools_cmd_random = {
    .name = "random",
    .purpose = "Writes random bytes made by the service",
    .options = "slot pin-file bytes out base64 hex",
    .example = "hsmbridge random --slot web --bytes 32 --hex",
    .run = run,
};
