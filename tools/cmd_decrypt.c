/* SPDX-License-Identifier: Apache-2.0 */
#include "choose.h"
#include "command.h"
#include "fail.h"
#include "io.h"
#include "output.h"
#include "target.h"

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(tools_choice_clear) struct tools_choice choice = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    struct remote_error err = { 0 };

    TOOLS_TRY(tools_target_key_for(args, REMOTE_USE_DECRYPT, &target));
    TOOLS_TRY(tools_choose(args, target.key, REMOTE_USE_DECRYPT, &choice));
    TOOLS_TRY(tools_io_read_decoded(args, args->in, &sealed));
    if (remote_key_decrypt(target.key, &choice.params, remote_buf_slice(&sealed), &plain, &err) !=
        REMOTE_OK)
        return tools_fail_core(&err);
    return tools_output_result(args, target.key, choice.row->name, "plaintext",
                               remote_buf_slice(&plain), true);
}

const struct tools_command tools_cmd_decrypt = {
    .name = "decrypt",
    .purpose = "Decrypts a file or standard input",
    .text = "The mechanism must be the one it was encrypted with, and so must --aad. A file made\n"
            "with --out can be read by its owner only.",
    .options = TOOLS_KEY_OPTIONS TOOLS_IO_OPTIONS "decode mechanism aad aad-file",
    .example = "hsmbridge decrypt --key backup --aad 2026-11 --in data.sealed --out data",
    .run = run,
};
