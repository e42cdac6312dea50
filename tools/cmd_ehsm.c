/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator does with an eHSM-KMS: enrol, and fetch quotes of its enclave. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "ehsm_admin.h"
#include "fail.h"
#include "io.h"
#include "local.h"
#include "output.h"
#include "target.h"

#define CHALLENGE 32 /* bytes, when none is given */

/* ---- enroll ---- */

/* The key goes into a file of its own; what is printed may go into a ticket. */
static int print_enrolled(const struct tools_args *args, const char *appid)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    struct tools_args to_stdout = *args;

    if (args->json)
        return tools_json_print(args,
                                json_pack("{s:s, s:s}", "appid", appid, "apikey_file", args->out));
    remote_buf_printf(&text, "appid = %s\napikey_file = %s\n", appid, args->out);
    if (text.failed)
        return tools_fail(TOOLS_FAILED, "out of memory");
    to_stdout.out = NULL;
    return tools_io_write(&to_stdout, remote_buf_slice(&text), false);
}

static int enroll(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret apikey = { 0 };
    CLEANUP(remote_str_free) char *appid = NULL;
    struct remote_error err = { 0 };

    if (args->out == NULL)
        return tools_fail(TOOLS_USAGE, "--out is missing; it names the file for the API key");
    if (args->slot == NULL)
        return tools_fail(TOOLS_USAGE, "--slot is missing; its section says where the service is");
    TOOLS_TRY(tools_target_core(args, &target));
    TOOLS_TRY(tools_target_named_slot(args, target.core, &target.slot));
    if (remote_ehsm_enroll(target.slot, &appid, &apikey, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    TOOLS_TRY(tools_io_write(args, remote_secret_slice(&apikey), true));
    return print_enrolled(args, appid);
}

/* ---- quote ---- */

static int read_challenge(const struct tools_args *args, struct remote_buf *ret)
{
    struct remote_error err = { 0 };
    unsigned char fresh[CHALLENGE];

    if (args->in != NULL)
        return tools_io_read_decoded(args, args->in, ret);
    if (remote_local_random(fresh, sizeof(fresh), &err) != REMOTE_OK)
        return tools_fail_core(&err);
    remote_buf_append(ret, fresh, sizeof(fresh));
    return TOOLS_OK;
}

static int quote(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf challenge = { 0 }, bytes = { 0 };
    struct remote_error err = { 0 };

    TOOLS_TRY(read_challenge(args, &challenge));
    TOOLS_TRY(tools_target_slot(args, &target));
    if (remote_ehsm_quote(target.slot, remote_buf_slice(&challenge), &bytes, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return tools_io_write_result(args, remote_buf_slice(&bytes), false);
}

static int run(const struct tools_args *args)
{
    if (args->action == NULL)
        return tools_fail(TOOLS_USAGE,
                          "what to do? 'hsmbridge ehsm enroll' or 'hsmbridge ehsm quote'");
    return strcmp(args->action, "enroll") == 0 ? enroll(args) : quote(args);
}

const struct tools_command tools_cmd_ehsm = {
    .name = "ehsm",
    .purpose = "Enrols with an eHSM-KMS, or fetches a quote of its enclave",
    .text =
        "enroll makes a new appid: the API key goes to --out, and what the slot's section needs\n"
        "is printed. Until then that section says 'appid = enroll'. The service lets anybody do\n"
        "this who reaches it.\n"
        "quote writes a DCAP quote (version 3), for a challenge from --in or a random one. The\n"
        "service only echoes the challenge: neither it nor the server's TLS key is bound into\n"
        "the quote, which so says that there is such an enclave, not that you speak to it.\n",
    .actions = "enroll quote",
    .options = "slot pin-file in out base64 hex decode ",
    .example = "hsmbridge ehsm enroll --slot sgx --out /etc/hsmbridge/ehsm-apikey",
    .run = run,
};
