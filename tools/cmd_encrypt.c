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
    CLEANUP(remote_buf_clear) struct remote_buf plain = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf sealed = { 0 };
    struct remote_error err = { 0 };

    TOOLS_TRY(tools_target_key_for(args, REMOTE_USE_ENCRYPT, &target));
    TOOLS_TRY(tools_choose(args, target.key, REMOTE_USE_ENCRYPT, &choice));
    TOOLS_TRY(tools_io_read(args->in, &plain));
    if (remote_key_encrypt(target.key, &choice.params, remote_buf_slice(&plain), &sealed, &err) !=
        REMOTE_OK)
        return tools_fail_core(&err);
    return tools_output_result(args, target.key, choice.row->name, "ciphertext",
                               remote_buf_slice(&sealed), false);
}

const struct tools_command tools_cmd_encrypt = {
    .name = "encrypt",
    .purpose = "Encrypts a file or standard input",
    .text = "RSA keys encrypt on this machine: RSA-PKCS-OAEP with SHA-256, or RSA-PKCS. Symmetric\n"
            "keys ask the service: HSMBRIDGE-AEAD gives the service's own form, AES-GCM gives\n"
            "nonce (12 bytes), ciphertext and tag (16 bytes).",
    .options = TOOLS_KEY_OPTIONS TOOLS_IO_OPTIONS "mechanism aad aad-file",
    .example = "hsmbridge encrypt --key backup --aad 2026-11 --in data --out data.sealed",
    .run = run,
};
