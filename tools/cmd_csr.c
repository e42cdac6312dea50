/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"
#include "encode.h"
#include "fail.h"
#include "io.h"
#include "local.h"
#include "output.h"
#include "target.h"

static enum remote_rc sign(void *arg, const struct remote_params *params, struct remote_slice input,
                           struct remote_buf *ret_sig, struct remote_error *err)
{
    return remote_key_sign(arg, params, input, ret_sig, err);
}

static int print(const struct tools_args *args, const struct remote_key *key,
                 const struct remote_buf *pem)
{
    if (pem->failed)
        return tools_fail(TOOLS_FAILED, "out of memory");
    if (!args->json)
        return tools_io_write(args, remote_buf_slice(pem), false);
    return tools_json_print(args, json_pack("{s:s,s:s,s:i,s:s}", "slot",
                                            remote_slot_name(key->slot), "key", key->name,
                                            "version", (int)key->version, "csr", pem->data));
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf der = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf pem = { 0 };
    struct remote_csr csr = { .subject = args->subject, .sans = args->san, .sign = sign };
    struct remote_error err = { 0 };
    enum remote_rc rc;

    if (!args->subject)
        return tools_fail(TOOLS_USAGE, "name the subject, e.g. --subject /O=Example/CN=www");
    TOOLS_TRY(tools_target_key(args, &target));
    csr.arg = target.key;
    rc = remote_local_csr(target.key, &csr, &der, &err);
    if (rc == REMOTE_E_PARAM) /* the text says what of the command line is wrong */
        return tools_fail(TOOLS_USAGE, "%s", err.text);
    if (rc != REMOTE_OK)
        return tools_fail_core(&err);
    remote_pem_append(&pem, "CERTIFICATE REQUEST", remote_buf_slice(&der));
    return print(args, target.key, &pem);
}

const struct tools_command tools_cmd_csr = {
    .name = "csr",
    .purpose = "Writes a certificate request (PKCS#10, PEM) signed by the key",
    .text = "Put the certificate that comes back where the slot's certificates option finds it.",
    .options = TOOLS_KEY_OPTIONS "subject san out",
    .example = "hsmbridge csr --key tls-www --subject /O=Example/CN=www --san DNS:www.example.org",
    .run = run,
};
