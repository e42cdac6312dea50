/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"
#include "fail.h"
#include "io.h"
#include "key_kind.h"
#include "lifecycle.h"
#include "local.h"
#include "output.h"
#include "target.h"

/* A file with a key pair says itself what it is; the bytes of a secret need --type. */
static int read_material(const struct tools_args *args, struct remote_secret *ret,
                         struct remote_key_spec *ret_spec)
{
    CLEANUP(remote_buf_clear) struct remote_buf file = { 0 };
    struct remote_error err = { 0 };

    if (args->type != NULL)
        TOOLS_TRY(tools_key_kind(args->type, ret_spec));
    TOOLS_TRY(tools_io_read_decoded(args, args->in, &file));
    if (args->type != NULL && remote_key_type_symmetric(ret_spec->type)) {
        if (ret_spec->type == REMOTE_KEY_GENERIC)
            ret_spec->bits = (unsigned)file.len * 8;
        if (file.len * 8 != ret_spec->bits)
            return tools_fail(TOOLS_FAILED, "%s: %zu bytes, where a key of type %s has %u",
                              args->in ? args->in : "stdin", file.len, args->type,
                              ret_spec->bits / 8);
        if (remote_secret_set(ret, file.data, file.len, &err) != REMOTE_OK)
            return tools_fail_core(&err);
        return TOOLS_OK;
    }
    if (remote_local_read_private(remote_buf_slice(&file), ret, ret_spec, &err) != REMOTE_OK)
        return tools_fail(TOOLS_FAILED, "%s: %s", args->in ? args->in : "stdin", err.text);
    return TOOLS_OK;
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret material = { 0 };
    struct remote_key_spec spec = { 0 };
    struct remote_error err = { 0 };

    TOOLS_TRY(tools_key_new_name(args));
    TOOLS_TRY(tools_target_slot(args, &target));
    TOOLS_TRY(read_material(args, &material, &spec));
    if (remote_slot_import(target.slot, args->key, &spec, remote_secret_slice(&material),
                           &target.key, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return tools_output_key(args, target.slot, target.key, "imported");
}

const struct tools_command tools_cmd_import = {
    .name = "import",
    .purpose = "Brings a key into the service",
    .text = "The input is a private key in PEM or DER without a passphrase, or, with --type, the\n"
            "bytes of a secret key. It leaves this machine only wrapped for the service. The\n"
            "slot's 'allow' must name import. A name that is taken is refused.\n",
    .options = "slot key type pin-file in decode ",
    .example = "hsmbridge import --slot web --key tls-old --in tls-old.pem",
    .run = run,
};
