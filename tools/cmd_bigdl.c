/* SPDX-License-Identifier: Apache-2.0 */
/* What the REST API of a BigDL KMS makes: users, primary keys, data keys. */
#include <string.h>

#include "bigdl_admin.h"
#include "command.h"
#include "fail.h"
#include "io.h"
#include "key_kind.h"
#include "lifecycle.h"
#include "output.h"
#include "pin.h"
#include "target.h"

#define PRIMARY_BITS 256
#define DATA_KEY_LEN 16

/* ---- user ---- */

static int print_user(const struct tools_args *args, const struct remote_slot *slot)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    const char *user = remote_bigdl_user(slot);

    if (args->json)
        return tools_json_print(args, json_pack("{s:s, s:s?}", "slot", remote_slot_name(slot),
                                                "user", user));
    remote_buf_printf(&text, "user '%s' is enrolled\n", user ? user : "");
    if (text.failed)
        return tools_fail(TOOLS_FAILED, "out of memory");
    return tools_io_write(args, remote_buf_slice(&text), false);
}

static int make_user(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret token = { 0 };
    struct remote_error err = { 0 };

    if (args->slot == NULL)
        return tools_fail(TOOLS_USAGE, "--slot is missing; its section names the user");
    TOOLS_TRY(tools_target_core(args, &target));
    TOOLS_TRY(tools_target_named_slot(args, target.core, &target.slot));
    if (remote_slot_needs_login(target.slot))
        TOOLS_TRY(tools_pin(args, args->slot, &token));
    if (remote_bigdl_enroll(target.slot, remote_secret_slice(&token), &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return print_user(args, target.slot);
}

/* ---- keys ---- */

static int need_bigdl(const struct tools_target *target)
{
    if (remote_bigdl_user(target->slot) == NULL)
        return tools_fail(TOOLS_USAGE, "slot '%s': its backend is %s, not bigdl",
                          remote_slot_name(target->slot), remote_slot_backend(target->slot));
    return TOOLS_OK;
}

static int make_primary(const struct tools_args *args)
{
    static const struct remote_key_spec spec = { .type = REMOTE_KEY_AES, .bits = PRIMARY_BITS };
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    struct remote_error err = { 0 };

    TOOLS_TRY(tools_key_new_name(args));
    TOOLS_TRY(tools_target_slot(args, &target));
    TOOLS_TRY(need_bigdl(&target));
    if (remote_slot_generate(target.slot, args->key, &spec, &target.key, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return tools_output_key(args, target.slot, target.key, "made");
}

/* The name only: the bytes are for who uses the key. */
static int print_data_key(const struct tools_args *args, const struct remote_key *primary,
                          const struct remote_buf *name)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    if (args->json)
        return tools_json_print(args, json_pack("{s:s, s:s, s:s}", "slot",
                                                remote_slot_name(primary->slot), "primary",
                                                primary->name, "name", (const char *)name->data));
    remote_buf_append(&text, name->data, name->len);
    remote_buf_append_char(&text, '\n');
    if (text.failed)
        return tools_fail(TOOLS_FAILED, "out of memory");
    return tools_io_write(args, remote_buf_slice(&text), false);
}

static int make_data_key(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(remote_secret_clear) struct remote_secret bytes = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf name = { 0 };
    struct remote_error err = { 0 };

    TOOLS_TRY(tools_target_key(args, &target));
    TOOLS_TRY(need_bigdl(&target));
    if (remote_key_data_key(target.key, args->label, DATA_KEY_LEN, &bytes, &name, &err) !=
        REMOTE_OK)
        return tools_fail_core(&err);
    return print_data_key(args, target.key, &name);
}

static int run(const struct tools_args *args)
{
    if (args->action == NULL)
        return tools_fail(TOOLS_USAGE, "what to make? 'hsmbridge bigdl user', 'hsmbridge bigdl "
                                       "primary' or 'hsmbridge bigdl data'");
    if (strcmp(args->action, "user") == 0)
        return make_user(args);
    return strcmp(args->action, "primary") == 0 ? make_primary(args) : make_data_key(args);
}

const struct tools_command tools_cmd_bigdl = {
    .name = "bigdl",
    .purpose = "Makes users, primary keys and data keys in a BigDL KMS",
    .text =
        "user enrols the slot's user with its token, which the service lets anybody do who\n"
        "reaches it. primary makes the primary key --key, data a data key --label (or a random\n"
        "name, which is printed) under the primary key --key; both need 'allow = generate'. The\n"
        "service says 'successfully' of names that are taken, too; here they are refused. What\n"
        "was made goes into the slot's primary_keys and data_keys, to be seen in listings.\n",
    .actions = "user primary data",
    .options = "slot key label pin-file out ",
    .example = "hsmbridge bigdl data --slot ppml --key primary-1 --label orders",
    .run = run,
};
