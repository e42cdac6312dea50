/* SPDX-License-Identifier: Apache-2.0 */
#include "choose.h"
#include "command.h"
#include "fail.h"
#include "io.h"
#include "local.h"
#include "output.h"
#include "target.h"

static int read_signature(const struct tools_args *args, const struct remote_key *key,
                          const struct tools_choice *choice, struct remote_buf *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf read = { 0 };
    struct remote_error err = { 0 };

    if (!tools_choice_is_pair(choice->row) || args->raw)
        return tools_io_read_decoded(args, args->signature, ret);
    TOOLS_TRY(tools_io_read_decoded(args, args->signature, &read));
    if (remote_local_ecdsa_from_der(remote_buf_slice(&read), (key->bits + 7) / 8, ret, &err) !=
        REMOTE_OK)
        return tools_fail(TOOLS_FAILED, "the signature is not DER (--raw takes r||s): %s",
                          err.text);
    return TOOLS_OK;
}

static int print_verdict(const struct tools_args *args, const struct tools_target *target,
                         const struct tools_choice *choice, const struct remote_error *err)
{
    bool valid = err->rc == REMOTE_OK;

    if (args->json)
        TOOLS_TRY(tools_json_print(args, json_pack("{s:s,s:s,s:i,s:s,s:b}", "slot",
                                                   remote_slot_name(target->slot), "key",
                                                   target->key->name, "version",
                                                   (int)target->key->version, "mechanism",
                                                   choice->row->name, "valid", valid)));
    else if (valid)
        puts("the signature is good");
    return valid ? TOOLS_OK
                 : tools_fail(TOOLS_FAILED, "the signature is WRONG: key '%s' version %u, %s",
                              target->key->name, target->key->version, choice->row->name);
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(tools_choice_clear) struct tools_choice choice = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf input = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf sig = { 0 };
    struct remote_error err = { 0 };

    if (!args->signature)
        return tools_fail(TOOLS_USAGE, "name the signature with --signature FILE");
    TOOLS_TRY(tools_target_key_for(args, REMOTE_USE_VERIFY, &target));
    TOOLS_TRY(tools_choose(args, target.key, REMOTE_USE_VERIFY, &choice));
    TOOLS_TRY(read_signature(args, target.key, &choice, &sig));
    TOOLS_TRY(tools_choose_input(args, &choice, &input));
    err.rc = remote_key_verify(target.key, &choice.params, remote_buf_slice(&input),
                               remote_buf_slice(&sig), &err);
    if (err.rc != REMOTE_OK && err.rc != REMOTE_E_DATA && err.rc != REMOTE_E_LENGTH)
        return tools_fail_core(&err);
    return print_verdict(args, &target, &choice, &err);
}

const struct tools_command tools_cmd_verify = {
    .name = "verify",
    .purpose = "Verifies a signature with the key's public half",
    .text = "Done on this machine; only the public key is fetched (an HMAC asks the service).\n"
            "Exit status 0: the signature is good; 1: it is not.",
    .options = TOOLS_KEY_OPTIONS "in signature decode mechanism digest salt-length der raw",
    .example = "hsmbridge verify --key tls-www --in page.html --signature page.sig",
    .run = run,
};
