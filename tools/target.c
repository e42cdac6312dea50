/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "encode.h"
#include "fail.h"
#include "fork.h"
#include "log.h"
#include "pin.h"
#include "suggest.h"

static int set_log(const struct tools_args *args)
{
    struct remote_error err = { 0 };

    if (args->verbose == 0 ||
        remote_log_setup("stderr", args->verbose > 1 ? "debug" : "info", &err) == REMOTE_OK)
        return TOOLS_OK;
    return tools_fail_core(&err);
}

int tools_target_core(const struct tools_args *args, struct tools_target *ret)
{
    struct remote_error err = { 0 };

    TOOLS_TRY(set_log(args));
    if (remote_core_open(args->config, &ret->core, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return set_log(args); /* over what the configuration said */
}

static int no_such_slot(const struct remote_core *core, const char *name)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    const char *names[REMOTE_SLOTS_MAX];
    size_t count = remote_core_slot_count(core);

    for (size_t i = 0; i < count; i++)
        names[i] = remote_slot_name(remote_core_slot(core, i));
    if (name)
        remote_buf_printf(&text, "no slot '%s' in %s", name, remote_core_source(core));
    else
        remote_buf_append_str(&text, "several slots are configured: name one with --slot");
    tools_suggest(&text, name ? name : "", names, count, "the slots are");
    return tools_fail(TOOLS_USAGE, "%s", text.failed ? "out of memory" : (char *)text.data);
}

int tools_target_named_slot(const struct tools_args *args, const struct remote_core *core,
                            struct remote_slot **ret)
{
    *ret = args->slot ? remote_core_find_slot(core, args->slot) : NULL;
    if (args->slot && !*ret)
        return no_such_slot(core, args->slot);
    if (remote_core_slot_count(core) == 0)
        return tools_fail(TOOLS_CONFIG, "%s configures no slot: add a [slot NAME] section",
                          remote_core_source(core));
    return TOOLS_OK;
}

int tools_target_login(const struct tools_args *args, struct remote_slot *slot)
{
    CLEANUP(remote_secret_clear) struct remote_secret pin = { 0 };
    struct remote_error err = { 0 };

    if (remote_slot_logged_in(slot))
        return TOOLS_OK;
    TOOLS_TRY(tools_pin(args, remote_slot_name(slot), &pin));
    if (remote_slot_login(slot, remote_secret_slice(&pin), &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return TOOLS_OK;
}

int tools_target_slot(const struct tools_args *args, struct tools_target *ret)
{
    struct remote_error err = { 0 };

    TOOLS_TRY(tools_target_core(args, ret));
    TOOLS_TRY(tools_target_named_slot(args, ret->core, &ret->slot));
    if (!ret->slot && remote_core_slot_count(ret->core) > 1)
        return no_such_slot(ret->core, NULL);
    if (!ret->slot)
        ret->slot = remote_core_slot(ret->core, 0);
    if (remote_slot_status(ret->slot, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return tools_target_login(args, ret->slot);
}

/* The names that would have been right, as far as they are to be had; a fault there is no news. */
static void suggest_keys(struct remote_slot *slot, const char *label, struct remote_buf *text)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list list = { 0 };
    const char *names[256];
    size_t count = 0;
    enum remote_rc rc = remote_slot_list(slot, &tools_target_progress, &list, NULL);

    tools_target_progress_end();
    for (size_t i = 0; rc == REMOTE_OK && i < list.count && count < ARRAY_SIZE(names); i++)
        if (list.keys[i]->latest)
            names[count++] = list.keys[i]->name;
    tools_suggest(text, label, names, count, "its keys are");
}

static int no_such_key(const struct tools_args *args, struct remote_slot *slot)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    remote_buf_printf(&text, "no key '%s' in slot '%s'", args->key ? args->key : args->id,
                      remote_slot_name(slot));
    if (args->key)
        suggest_keys(slot, args->key, &text);
    else
        remote_buf_append_str(&text, "; 'hsmbridge list' shows what there is");
    return tools_fail(TOOLS_FAILED, "%s", text.failed ? "out of memory" : (char *)text.data);
}

/* Hex digits as --json has them, or with what a URI ('%') or openssl (':') puts between. */
static bool parse_id(const char *id, struct remote_buf *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf digits = { 0 };

    for (; *id; id++)
        if (*id != '%' && *id != ':')
            remote_buf_append_char(&digits, *id);
    return digits.len > 0 && remote_hex_decode(remote_buf_slice(&digits), ret);
}

static int find_by_id(const char *id, struct remote_slot *slot, struct remote_key_list *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf bytes = { 0 };
    struct remote_error err = { 0 };

    if (!parse_id(id, &bytes))
        return tools_fail(TOOLS_USAGE, "option --id takes hex digits, two for each byte, not '%s'",
                          id);
    if (remote_slot_find_id(slot, remote_buf_slice(&bytes), ret, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return TOOLS_OK;
}

static int find_key(const struct tools_args *args, struct remote_slot *slot,
                    struct remote_key_list *ret)
{
    struct remote_error err = { 0 };

    if (args->key && args->id)
        return tools_fail(TOOLS_USAGE, "--key and --id both name a key: give one of them");
    if (!args->key && !args->id)
        return tools_fail(TOOLS_USAGE, "name a key with --key LABEL or --id HEX; "
                                       "'hsmbridge list' shows what there is");
    if (args->id)
        return find_by_id(args->id, slot, ret);
    if (remote_slot_find_label(slot, args->key, ret, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    return TOOLS_OK;
}

/* The pinned version comes first; that of another type only where the use asks for it. */
static struct remote_key *pick(const struct remote_key_list *list, unsigned use)
{
    for (size_t i = 0; i < list->count; i++)
        if ((list->keys[i]->uses & use) == use)
            return list->keys[i];
    return list->keys[0];
}

static int target_key(const struct tools_args *args, unsigned use, struct tools_target *ret)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list list = { 0 };

    TOOLS_TRY(tools_target_slot(args, ret));
    TOOLS_TRY(find_key(args, ret->slot, &list));
    if (list.count == 0)
        return no_such_key(args, ret->slot);
    ret->key = remote_key_ref(pick(&list, use));
    return TOOLS_OK;
}

int tools_target_key(const struct tools_args *args, struct tools_target *ret)
{
    return target_key(args, 0, ret);
}

int tools_target_key_for(const struct tools_args *args, enum remote_use use,
                         struct tools_target *ret)
{
    return target_key(args, use, ret);
}

void tools_target_close(struct tools_target *target)
{
    remote_key_unref(target->key);
    remote_core_close(target->core);
    *target = (struct tools_target){ 0 };
}

#define PROGRESS_MS 100 /* between two lines, which come in the same place */

static void show_progress(void *arg, size_t done, size_t total)
{
    static int64_t shown_ms;
    int64_t now_ms = remote_now_ms();

    (void)arg;
    if (now_ms - shown_ms < PROGRESS_MS || !isatty(STDERR_FILENO))
        return;
    shown_ms = now_ms;
    fprintf(stderr, "\rreading keys: %zu of %zu ", done, total);
}

const struct remote_progress tools_target_progress = { .step = show_progress };

void tools_target_progress_end(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr); /* back to the left, and clear the line */
}
