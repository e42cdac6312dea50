/* SPDX-License-Identifier: Apache-2.0 */
/* Moves keys out of a KES's store, past KES: it never gives its keys out itself. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "fail.h"
#include "kes_source.h"
#include "lifecycle.h"
#include "output.h"

#define HMAC_SUFFIX "-hmac"

struct import { /* one run */
    const struct tools_args *args;
    struct remote_slot *to; /* NULL: --dry-run */
    struct tools_table table;
    json_t *list; /* --json */
    bool failed;
};

static void report(struct import *import, const char *name, const struct kes_stored *stored,
                   const char *result)
{
    const char *cipher = stored->cipher.len > 0 ? remote_key_type_name(stored->type) : NULL;
    const char *mac = stored->cipher.len == 0 ? NULL : stored->mac.len > 0 ? "yes" : "no";
    char created[16];

    tools_output_date(stored->created, created);
    if (!import->args->json) {
        TOOLS_TABLE_ROW(&import->table, name, cipher, mac, created, result);
        return;
    }
    json_array_append_new(import->list,
                          json_pack("{s:s, s:s?, s:s?, s:s, s:s}", "name", name, "cipher", cipher,
                                    "hmac", mac, "since", created, "result", result));
}

static enum remote_rc bring(struct import *import, const char *name, enum remote_key_type type,
                            const struct remote_secret *secret, struct remote_error *err)
{
    struct remote_key_spec spec = { .type = type, .bits = 8 * (unsigned)secret->len };
    struct remote_key *key = NULL;
    enum remote_rc rc =
        remote_slot_import(import->to, name, &spec, remote_secret_slice(secret), &key, err);

    remote_key_unref(key);
    return rc;
}

static enum remote_rc bring_both(struct import *import, const char *name,
                                 const struct kes_stored *stored, struct remote_error *err)
{
    char beside[KES_NAME_MAX + sizeof(HMAC_SUFFIX)];

    REMOTE_TRY(bring(import, name, stored->type, &stored->cipher, err));
    if (!import->args->with_hmac || stored->mac.len == 0)
        return REMOTE_OK;
    snprintf(beside, sizeof(beside), "%s" HMAC_SUFFIX, name);
    return bring(import, beside, REMOTE_KEY_GENERIC, &stored->mac, err);
}

static void move(struct import *import, const struct tools_kes_source *source, const char *name)
{
    CLEANUP(remote_secret_clear) struct remote_secret text = { 0 };
    CLEANUP(kes_stored_clear) struct kes_stored stored = { 0 };
    struct remote_error err = { 0 };
    enum remote_rc rc = tools_kes_source_read(source, name, &text, &err);

    if (rc == REMOTE_OK)
        rc = kes_stored_read(remote_secret_slice(&text), &stored, &err);
    if (rc == REMOTE_OK && import->to != NULL)
        rc = bring_both(import, name, &stored, &err);
    if (rc != REMOTE_OK) {
        import->failed = true;
        report(import, name, &stored, err.text);
        return;
    }
    report(import, name, &stored, import->to != NULL ? "imported" : "can be imported");
}

static int print(struct import *import)
{
    return import->args->json ? tools_json_print(import->args, json_incref(import->list))
                              : tools_table_print(&import->table);
}

static int move_all(struct import *import, const struct tools_kes_source *source)
{
    int code;

    if (!import->args->json)
        TOOLS_TABLE_ROW(&import->table, "NAME", "CIPHER", "HMAC", "SINCE", "RESULT");
    for (size_t i = 0; i < source->count; i++)
        move(import, source, source->names[i]);
    code = print(import);
    tools_table_clear(&import->table);
    if (code == TOOLS_OK && import->failed)
        return tools_fail(TOOLS_FAILED, "not every key could be imported; see RESULT");
    return code;
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(tools_kes_source_close) struct tools_kes_source source = { 0 };
    CLEANUP(tools_json_free) json_t *list = json_array();
    struct import import = { .args = args, .list = list };

    if (args->action == NULL)
        return tools_fail(TOOLS_USAGE, "what to do? 'hsmbridge kes import'");
    if (list == NULL)
        return tools_fail(TOOLS_FAILED, "out of memory");
    TOOLS_TRY(args->dry_run ? tools_target_core(args, &target) : tools_target_slot(args, &target));
    import.to = target.slot;
    TOOLS_TRY(tools_kes_source_open(args, target.core, &source));
    return move_all(&import, &source);
}

const struct tools_command tools_cmd_kes = {
    .name = "kes",
    .purpose = "Moves keys out of the store of a KES",
    .text = "import reads KES's keys where KES keeps them: in files, or in the K/V engine of a\n"
            "Vault, and brings them into a slot whose 'allow' names import: another KES, say,\n"
            "which then opens what the first one sealed. Nothing is changed in the store. A name\n"
            "that is taken in the slot is left alone, and told. --dry-run needs no slot.\n",
    .actions = "import",
    .options = "slot key pin-file dir from path transit-key hmac dry-run ",
    .example = "hsmbridge kes import --from vault --path secret/kes/prod --slot kes-new --dry-run",
    .run = run,
};
