/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"
#include "encode.h"
#include "fail.h"
#include "io.h"
#include "output.h"
#include "target.h"
#include "uri.h"

/*
 * A program finds the key through the URI and gives the slot its PIN from a file: written into the
 * key file by its path, because the PIN itself has no place there (RFC 7512 section 2.4).
 */
static int write_uri(const struct tools_args *args, const struct tools_target *target,
                     struct remote_buf *ret)
{
    remote_uri_write(target->key, ret);
    if (remote_slot_needs_login(target->slot) && args->pin_file) {
        if (args->pin_file[0] != '/')
            return tools_fail(TOOLS_USAGE,
                              "the key file will name the PIN's file: give --pin-file as an "
                              "absolute path, not '%s'",
                              args->pin_file);
        remote_buf_append_str(ret, "?pin-source=file:");
        remote_percent_append(ret, remote_slice_str(args->pin_file));
    }
    return ret->failed ? tools_fail(TOOLS_FAILED, "out of memory") : TOOLS_OK;
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf uri = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf pem = { 0 };
    struct remote_error err = { 0 };

    TOOLS_TRY(tools_target_key(args, &target));
    if (remote_key_type_symmetric(target.key->type))
        return tools_fail(TOOLS_FAILED,
                          "key '%s' (%s) is a secret key: no program takes a key file for it",
                          target.key->name, remote_key_type_name(target.key->type));
    TOOLS_TRY(write_uri(args, &target, &uri));
    if (remote_uri_pem_write((char *)uri.data, &pem, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    if (args->json)
        return tools_json_print(args,
                                json_pack("{s:s,s:s,s:i,s:s,s:s}", "slot",
                                          remote_slot_name(target.slot), "key", target.key->name,
                                          "version", (int)target.key->version, "uri", uri.data,
                                          "pem", pem.data));
    return tools_io_write(args, remote_buf_slice(&pem), false);
}

const struct tools_command tools_cmd_pem = {
    .name = "pem",
    .purpose = "Writes a key file that names the key, for programs that use OpenSSL",
    .text =
        "nginx, haproxy and others take it in place of a private key, alone or behind the\n"
        "certificates of a bundle. It holds the key's URI and no secret; the OpenSSL provider\n"
        "has to be loaded where it is used. It names this version of the key: after a rotation\n"
        "it goes on doing so.",
    .options = TOOLS_KEY_OPTIONS "out",
    .example = "hsmbridge pem --slot web --key tls-www --out tls-www.key",
    .run = run,
};
