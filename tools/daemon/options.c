/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "../../remote/config/options.h"
#include "../suggest.h"

static enum remote_rc unknown(const struct daemon_option *table, const char *name,
                              struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    const char *names[DAEMON_OPTION_MAX];
    size_t count = 0;

    for (const struct daemon_option *o = table; o->name != NULL; o++)
        if (o->help != NULL)
            names[count++] = o->name;
    remote_buf_printf(&text, "unknown option '--%.40s'", name);
    tools_suggest(&text, name, names, count, "the options are");
    return REMOTE_FAIL(err, REMOTE_E_USAGE, "%s", text.failed ? "" : (const char *)text.data);
}

/* len: of the name, which may be followed by '='. */
static const struct daemon_option *find(const struct daemon_option *table, const char *name,
                                        size_t len)
{
    for (const struct daemon_option *o = table; o->name != NULL; o++)
        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static enum remote_rc set_flag(const struct daemon_option *option, const char *value, bool *field,
                               struct remote_error *err)
{
    if (value == NULL || strcmp(value, "true") == 0)
        *field = true;
    else if (strcmp(value, "false") == 0)
        *field = false;
    else
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "option --%s takes true or false, not '%.40s'",
                           option->name, value);
    return REMOTE_OK;
}

static enum remote_rc add_item(const struct daemon_option *option, const char *value,
                               struct daemon_list *list, struct remote_error *err)
{
    if (list->count == DAEMON_LIST_MAX)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "option --%s is given more than %d times",
                           option->name, DAEMON_LIST_MAX);
    list->items[list->count++] = value;
    return REMOTE_OK;
}

/* A port may have the colon of an address that it is left of: Azure's plugin has ":8095". */
static const char *without_colon(const char *value)
{
    return value[0] == ':' ? value + 1 : value;
}

static enum remote_rc set_number(const struct daemon_option *option, const char *value,
                                 uint64_t *field, struct remote_error *err)
{
    const struct remote_option rule = {
        .name = option->name,
        .type = option->kind == DAEMON_DURATION ? REMOTE_OPTION_DURATION : REMOTE_OPTION_NUMBER,
        .min = option->min,
        .max = option->max,
    };
    const struct remote_option_use use = { &rule, REMOTE_FORM_VALUE };
    uint64_t number;
    enum remote_rc rc = remote_option_check(use, without_colon(value), &number, err);

    if (rc != REMOTE_OK) {
        remote_error_prefix(err, "option --%s", option->name);
        err->rc = REMOTE_E_USAGE;
        return REMOTE_E_USAGE;
    }
    *field = number;
    return REMOTE_OK;
}

static enum remote_rc set(const struct daemon_option *option, const char *value, void *options,
                          struct remote_error *err)
{
    void *field = (char *)options + option->field;

    switch (option->kind) {
    case DAEMON_FLAG:
        return set_flag(option, value, field, err);
    case DAEMON_LIST:
        return add_item(option, value, field, err);
    case DAEMON_NUMBER:
    case DAEMON_DURATION:
        return set_number(option, value, field, err);
    case DAEMON_REFUSED:
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "option --%s is not served: %s", option->name,
                           option->value);
    default:
        *(const char **)field = value;
        return REMOTE_OK;
    }
}

static enum remote_rc take(const struct daemon_option *table, int argc, char *const *argv, int *at,
                           void *options, struct remote_error *err)
{
    const char *name = argv[*at], *value;
    const struct daemon_option *option;

    if (name[0] != '-' || name[1] == '\0')
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "'%.60s' is no option; --help lists them", name);
    name += name[1] == '-' ? 2 : 1;
    value = strchr(name, '=');
    option = find(table, name, value != NULL ? (size_t)(value - name) : strlen(name));
    if (option == NULL)
        return unknown(table, name, err);
    if (value != NULL)
        value++;
    else if (option->kind != DAEMON_FLAG && option->kind != DAEMON_REFUSED && ++*at < argc)
        value = argv[*at];
    if (option->kind != DAEMON_FLAG && option->kind != DAEMON_REFUSED &&
        (value == NULL || value[0] == '\0'))
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "option --%s needs a value: %s", option->name,
                           option->value);
    return set(option, value, options, err);
}

enum remote_rc daemon_options_parse(const struct daemon_option *table, int argc, char *const *argv,
                                    void *options, struct remote_error *err)
{
    for (int i = 1; i < argc; i++)
        REMOTE_TRY(take(table, argc, argv, &i, options, err));
    return REMOTE_OK;
}

static void print_option(const struct daemon_option *option)
{
    char left[48];

    if (option->help == NULL)
        return;
    snprintf(left, sizeof(left), "--%s%s%s", option->name, option->value ? " " : "",
             option->value ? option->value : "");
    printf("  %-28s  %s\n", left, option->help);
}

void daemon_options_print(const struct daemon_option *table)
{
    for (const struct daemon_option *o = table; o->name != NULL; o++)
        print_option(o);
}
