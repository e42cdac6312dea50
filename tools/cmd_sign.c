/* SPDX-License-Identifier: Apache-2.0 */
#include "choose.h"
#include "command.h"
#include "fail.h"
#include "local.h"
#include "output.h"
#include "target.h"

static int to_der(const struct remote_buf *raw, struct remote_buf *ret)
{
    struct remote_error err = { 0 };

    if (remote_local_ecdsa_to_der(remote_buf_slice(raw), ret, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return TOOLS_OK;
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(tools_choice_clear) struct tools_choice choice = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf input = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf raw = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    struct remote_error err = { 0 };
    bool as_der;

    TOOLS_TRY(tools_target_key_for(args, REMOTE_USE_SIGN, &target));
    TOOLS_TRY(tools_choose(args, target.key, REMOTE_USE_SIGN, &choice));
    TOOLS_TRY(tools_choose_input(args, &choice, &input));
    if (remote_key_sign(target.key, &choice.params, remote_buf_slice(&input), &raw, &err) !=
        REMOTE_OK)
        return tools_fail_core(&err);
    as_der = tools_choice_is_pair(choice.row) && !args->raw;
    if (as_der)
        TOOLS_TRY(to_der(&raw, &der));
    return tools_output_result(args, target.key, choice.row->name, "signature",
                               remote_buf_slice(as_der ? &der : &raw), false);
}

const struct tools_command tools_cmd_sign = {
    .name = "sign",
    .purpose = "Signs a file or standard input with a remote key",
    .text = "The mechanism follows the key unless named: ECDSA with the hash of the curve,\n"
            "SHA256-RSA-PKCS, EDDSA, SHA256-HMAC. ECDSA signatures are DER, which is what\n"
            "'openssl dgst -verify' wants; --raw gives r||s.",
    .options = TOOLS_KEY_OPTIONS TOOLS_IO_OPTIONS "mechanism digest salt-length der raw",
    .example = "hsmbridge sign --slot web --key tls-www --in page.html --out page.sig",
    .run = run,
};
