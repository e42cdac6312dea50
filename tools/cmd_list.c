/* SPDX-License-Identifier: Apache-2.0 */
/* What the slots show: keys with their versions, certificates, and the URI of each. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "encode.h"
#include "fail.h"
#include "output.h"
#include "target.h"
#include "uri.h"

struct listing {
    const struct tools_args *args;
    struct tools_table table;
    json_t *slots; /* with --json; else NULL */
    int code;      /* of the first slot that could not be listed */
};

static const char *text_of(const struct remote_buf *buf)
{
    return buf->data ? (const char *)buf->data : "";
}

/* ---- keys ---- */

struct key_text {
    struct remote_buf label, kind, uses, uri, id;
};

static void key_text_clear(struct key_text *text)
{
    remote_buf_clear(&text->label);
    remote_buf_clear(&text->kind);
    remote_buf_clear(&text->uses);
    remote_buf_clear(&text->uri);
    remote_buf_clear(&text->id);
}

static int key_text(struct remote_slot *slot, const struct remote_key *key, struct key_text *ret)
{
    remote_slot_label(slot, key, &ret->label);
    tools_output_key_kind(key, &ret->kind);
    tools_output_uses(key->uses, &ret->uses);
    if (!key->enabled)
        remote_buf_append_str(&ret->uses, " (disabled)");
    remote_uri_write(key, &ret->uri);
    remote_hex_append(&ret->id, remote_slice(key->id, key->id_len));
    if (ret->label.failed || ret->kind.failed || ret->uses.failed || ret->uri.failed ||
        ret->id.failed)
        return tools_fail(TOOLS_FAILED, "out of memory");
    return TOOLS_OK;
}

static json_t *key_json(const struct remote_key *key, const struct key_text *text)
{
    return json_pack("{s:s,s:s,s:i,s:b,s:b,s:s,s:i,s:s,s:o,s:I,s:s,s:s}", "label",
                     text_of(&text->label), "name", key->name, "version", (int)key->version,
                     "latest", key->latest, "enabled", key->enabled, "type",
                     remote_key_type_name(key->type), "bits", (int)key->bits, "kind",
                     text_of(&text->kind), "uses", tools_output_uses_json(key->uses), "created",
                     (json_int_t)key->created, "id", text_of(&text->id), "uri",
                     text_of(&text->uri));
}

static int add_key(struct listing *listing, struct remote_slot *slot, const struct remote_key *key,
                   json_t *keys)
{
    CLEANUP(key_text_clear) struct key_text text = { 0 };
    char version[16], created[16];

    TOOLS_TRY(key_text(slot, key, &text));
    if (keys) {
        json_array_append_new(keys, key_json(key, &text));
        return TOOLS_OK;
    }
    snprintf(version, sizeof(version), "%u", key->version);
    tools_output_date(key->created, created);
    TOOLS_TABLE_ROW(&listing->table, remote_slot_name(slot), text_of(&text.label), version,
                    text_of(&text.kind), text_of(&text.uses), created, text_of(&text.uri));
    return TOOLS_OK;
}

/* ---- certificates ---- */

static const struct remote_key *key_of(const struct remote_cert *cert,
                                       const struct remote_key_list *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        if (remote_cert_matches(cert, keys->keys[i]))
            return keys->keys[i];
    return NULL;
}

/* As the module labels them: like their key, so that clients pair them; issuers by their name. */
static void cert_label(struct remote_slot *slot, const struct remote_cert *cert,
                       const struct remote_key *key, struct remote_buf *ret)
{
    if (key)
        remote_slot_label(slot, key, ret);
    else
        remote_buf_append_str(ret, cert->common_name);
}

static json_t *cert_json(const struct remote_cert *cert, const struct remote_key *key,
                         const char *label, const char *uri)
{
    CLEANUP(remote_buf_clear) struct remote_buf id = { 0 };

    remote_hex_append(&id, remote_slice(cert->id, sizeof(cert->id)));
    return json_pack("{s:s,s:s,s:s?,s:b,s:I,s:I,s:s,s:s}", "label", label, "common_name",
                     cert->common_name, "key", key ? key->name : NULL, "ca", cert->ca, "not_before",
                     (json_int_t)cert->not_before, "not_after", (json_int_t)cert->not_after, "id",
                     text_of(&id), "uri", uri);
}

static void add_cert_row(struct listing *listing, struct remote_slot *slot,
                         const struct remote_cert *cert, const char *label, const char *uri)
{
    char from[16], until[16], detail[128];

    tools_output_date(cert->not_before, from);
    tools_output_date(cert->not_after, until);
    snprintf(detail, sizeof(detail), "until %s, %.90s", until, cert->common_name);
    TOOLS_TABLE_ROW(&listing->table, remote_slot_name(slot), label, NULL,
                    cert->ca ? "issuer" : "certificate", detail, from, uri);
}

static int add_cert(struct listing *listing, struct remote_slot *slot,
                    const struct remote_cert *cert, const struct remote_key_list *keys,
                    json_t *certs)
{
    CLEANUP(remote_buf_clear) struct remote_buf label = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf uri = { 0 };
    const struct remote_key *key = key_of(cert, keys);

    cert_label(slot, cert, key, &label);
    remote_uri_write_cert(slot, cert, text_of(&label), &uri);
    if (label.failed || uri.failed)
        return tools_fail(TOOLS_FAILED, "out of memory");
    if (certs)
        json_array_append_new(certs, cert_json(cert, key, text_of(&label), text_of(&uri)));
    else
        add_cert_row(listing, slot, cert, text_of(&label), text_of(&uri));
    return TOOLS_OK;
}

/* ---- slots ---- */

static json_t *slot_json(const struct remote_slot *slot, const char *error, json_t *keys,
                         json_t *certs)
{
    return json_pack("{s:s,s:s,s:b,s:s?,s:o,s:o}", "name", remote_slot_name(slot), "backend",
                     remote_slot_backend(slot), "pin", remote_slot_needs_login(slot), "error",
                     error, "keys", keys, "certificates", certs);
}

/* A slot that cannot be listed has its place in the list all the same. */
static void add_empty(struct listing *listing, const struct remote_slot *slot, const char *why)
{
    if (listing->slots)
        json_array_append_new(listing->slots, slot_json(slot, why, json_array(), json_array()));
    else
        TOOLS_TABLE_ROW(&listing->table, remote_slot_name(slot), NULL, NULL, NULL, why, NULL, NULL);
}

static int add_objects(struct listing *listing, struct remote_slot *slot,
                       const struct remote_key_list *list)
{
    json_t *keys = listing->slots ? json_array() : NULL;
    json_t *certs = listing->slots ? json_array() : NULL;
    int code = TOOLS_OK;

    for (size_t i = 0; code == TOOLS_OK && i < list->count; i++)
        code = add_key(listing, slot, list->keys[i], keys);
    for (size_t i = 0; code == TOOLS_OK && i < remote_slot_cert_count(slot); i++)
        code = add_cert(listing, slot, remote_slot_cert(slot, i), list, certs);
    if (listing->slots)
        json_array_append_new(listing->slots, slot_json(slot, NULL, keys, certs));
    return code;
}

/* A PIN is asked for one slot at a time: it must not reach another company's service. */
static bool may_login(const struct tools_args *args, struct remote_slot *slot,
                      const struct remote_core *core)
{
    return remote_slot_logged_in(slot) || args->slot || remote_core_slot_count(core) == 1;
}

static int add_slot(struct listing *listing, struct remote_slot *slot, struct remote_core *core)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list list = { 0 };
    struct remote_error err = { 0 };
    enum remote_rc rc = remote_slot_status(slot, &err);

    if (rc == REMOTE_OK && !may_login(listing->args, slot, core)) {
        add_empty(listing, slot, "takes a PIN: list it with --slot");
        return TOOLS_OK;
    }
    if (rc == REMOTE_OK)
        TOOLS_TRY(tools_target_login(listing->args, slot));
    if (rc == REMOTE_OK) {
        rc = remote_slot_list(slot, &tools_target_progress, &list, &err);
        tools_target_progress_end();
    }
    if (rc != REMOTE_OK) {
        add_empty(listing, slot, listing->slots ? err.text : "cannot be listed");
        return tools_fail_core(&err);
    }
    if (list.count == 0 && !listing->slots)
        add_empty(listing, slot, "no keys");
    return add_objects(listing, slot, &list);
}

static int print(struct listing *listing)
{
    if (listing->slots)
        return tools_json_print(listing->args, json_pack("{s:O}", "slots", listing->slots));
    if (listing->table.rows == 1) /* the heading alone says nothing */
        return TOOLS_OK;
    return tools_table_print(&listing->table);
}

static int list(struct listing *listing, struct tools_target *target)
{
    size_t count;

    TOOLS_TRY(tools_target_named_slot(listing->args, target->core, &target->slot));
    count = target->slot ? 1 : remote_core_slot_count(target->core);
    TOOLS_TABLE_ROW(&listing->table, "SLOT", "LABEL", "VERSION", "TYPE", "DETAIL", "SINCE", "URI");
    for (size_t i = 0; i < count; i++) {
        struct remote_slot *slot = target->slot ? target->slot : remote_core_slot(target->core, i);
        int code = add_slot(listing, slot, target->core);

        if (listing->code == TOOLS_OK)
            listing->code = code;
    }
    TOOLS_TRY(print(listing));
    return listing->code;
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    struct listing listing = { .args = args, .slots = args->json ? json_array() : NULL };
    int code = tools_target_core(args, &target);

    if (code == TOOLS_OK)
        code = list(&listing, &target);
    tools_table_clear(&listing.table);
    json_decref(listing.slots);
    return code;
}

const struct tools_command tools_cmd_list = {
    .name = "list",
    .purpose = "Lists slots, their keys and certificates, with PKCS#11 URIs",
    .text =
        "All slots, or the one of --slot. The URIs are what 'pkcs11-tool', 'p11tool' and other\n"
        "programs take (RFC 7512).",
    .options = "slot pin-file",
    .example = "hsmbridge list --slot web --json",
    .run = run,
};
