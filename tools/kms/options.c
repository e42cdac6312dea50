/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "../suggest.h"
#include "options_table.h"

/* As inside Azure's plugin. */
#define AZURE_SOCKET "unix:///opt/azurekms.socket"
#define AZURE_JSON "/etc/kubernetes/azure.json"

static const struct kms_options defaults = {
    .socket_mode = "0600",
    .healthz_path = "/healthz",
    .healthz_timeout_ms = 20000,
    .timeout_ms = 10000,
    .rotation_check_ms = 60000,
    .proof_ms = 600000,
    .drain_timeout_ms = 10000,
    .workers = 8,
};

/* ---- one option ---- */

static enum remote_rc unknown(const char *name, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    const char *names[KMS_OPTION_MAX];
    size_t count = 0;

    for (const struct kms_option *o = kms_option_table; o->name != NULL; o++)
        if (o->help != NULL)
            names[count++] = o->name;
    remote_buf_printf(&text, "unknown option '--%.40s'", name);
    tools_suggest(&text, name, names, count, "the options are");
    return REMOTE_FAIL(err, REMOTE_E_USAGE, "%s", text.failed ? "" : (const char *)text.data);
}

/* len: of the name, which may be followed by '='. */
static const struct kms_option *find(const char *name, size_t len)
{
    for (const struct kms_option *o = kms_option_table; o->name != NULL; o++)
        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static enum remote_rc set_flag(const struct kms_option *option, const char *value, bool *field,
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

static enum remote_rc add_item(const struct kms_option *option, const char *value,
                               struct kms_list *list, struct remote_error *err)
{
    if (list->count == KMS_SERVICES_MAX)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "option --%s is given more than %d times",
                           option->name, KMS_SERVICES_MAX);
    list->items[list->count++] = value;
    return REMOTE_OK;
}

/* Azure's metrics address may be a port alone, or a colon and a port. */
static const char *without_colon(const char *value)
{
    return value[0] == ':' ? value + 1 : value;
}

static enum remote_rc set_number(const struct kms_option *option, const char *value,
                                 uint64_t *field, struct remote_error *err)
{
    const struct remote_option rule = {
        .name = option->name,
        .type = option->kind == KMS_DURATION ? REMOTE_OPTION_DURATION : REMOTE_OPTION_NUMBER,
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

static enum remote_rc set(const struct kms_option *option, const char *value,
                          struct kms_options *options, struct remote_error *err)
{
    void *field = (char *)options + option->field;

    switch (option->kind) {
    case KMS_FLAG:
        return set_flag(option, value, field, err);
    case KMS_LIST:
        return add_item(option, value, field, err);
    case KMS_NUMBER:
    case KMS_DURATION:
        return set_number(option, value, field, err);
    case KMS_REFUSED:
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "option --%s is not served: %s", option->name,
                           option->value);
    default:
        *(const char **)field = value;
        return REMOTE_OK;
    }
}

static enum remote_rc take(int argc, char *const *argv, int *at, struct kms_options *options,
                           struct remote_error *err)
{
    const char *name = argv[*at], *value;
    const struct kms_option *option;

    if (name[0] != '-' || name[1] == '\0')
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "'%.60s' is no option; --help lists them", name);
    name += name[1] == '-' ? 2 : 1;
    value = strchr(name, '=');
    option = find(name, value != NULL ? (size_t)(value - name) : strlen(name));
    if (option == NULL)
        return unknown(name, err);
    if (value != NULL)
        value++;
    else if (option->kind != KMS_FLAG && option->kind != KMS_REFUSED && ++*at < argc)
        value = argv[*at];
    if (option->kind != KMS_FLAG && option->kind != KMS_REFUSED &&
        (value == NULL || value[0] == '\0'))
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "option --%s needs a value: %s", option->name,
                           option->value);
    return set(option, value, options, err);
}

/* ---- all of them ---- */

static void set_azure_defaults(struct kms_options *options)
{
    if (options->listen.count == 0)
        options->listen.items[options->listen.count++] = AZURE_SOCKET;
    if (options->azure_json == NULL)
        options->azure_json = AZURE_JSON;
    if (options->healthz_port == 0)
        options->healthz_port = 8787;
    if (options->metrics_port == 0)
        options->metrics_port = 8095;
    if (options->healthz_address == NULL)
        options->healthz_address = "::"; /* kubelet asks the node's own address */
    if (options->metrics_address == NULL)
        options->metrics_address = "::";
}

static enum remote_rc check_azure(const struct kms_options *options, struct remote_error *err)
{
    if (options->config != NULL || options->slot.count > 0)
        return REMOTE_FAIL(err, REMOTE_E_USAGE,
                           "--keyvault-name makes a slot of its own: take either it, or --config "
                           "and --slot");
    if (options->key.count != 1 || options->key_version.count > 1 || options->listen.count != 1)
        return REMOTE_FAIL(err, REMOTE_E_USAGE,
                           "--keyvault-name serves one key: name it with --key-name");
    return REMOTE_OK;
}

static enum remote_rc check(const struct kms_options *options, struct remote_error *err)
{
    size_t count = options->key.count;

    if (count == 0)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "name the key to encrypt with: --key NAME");
    if (options->keyvault_name != NULL)
        return check_azure(options, err);
    if (options->managed_hsm || options->azure_json != NULL || options->slot_option.count > 0)
        return REMOTE_FAIL(err, REMOTE_E_USAGE,
                           "--managed-hsm, --config-file-path and --slot-option go with "
                           "--keyvault-name");
    if (options->listen.count > count || options->slot.count > count ||
        (options->slot.count > 1 && options->slot.count != count))
        return REMOTE_FAIL(err, REMOTE_E_USAGE,
                           "%zu keys with %zu sockets and %zu slots: each --key has its --listen, "
                           "and its --slot unless one is for all",
                           count, options->listen.count, options->slot.count);
    if (options->key_version.count > 0 && options->key_version.count != count)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "--key-version is given for some keys only");
    return REMOTE_OK;
}

enum remote_rc kms_options_parse(int argc, char *const *argv, struct kms_options *ret,
                                 struct remote_error *err)
{
    struct kms_options options = defaults;

    for (int i = 1; i < argc; i++)
        REMOTE_TRY(take(argc, argv, &i, &options, err));
    if (!options.help && !options.version) {
        if (options.keyvault_name != NULL)
            set_azure_defaults(&options);
        REMOTE_TRY(check(&options, err));
    }
    if (options.healthz_address == NULL)
        options.healthz_address = "127.0.0.1";
    if (options.metrics_address == NULL)
        options.metrics_address = "127.0.0.1";
    *ret = options;
    return REMOTE_OK;
}

static void print_option(const struct kms_option *option)
{
    char left[48];

    if (option->help == NULL)
        return;
    snprintf(left, sizeof(left), "--%s%s%s", option->name, option->value ? " " : "",
             option->value ? option->value : "");
    printf("  %-28s  %s\n", left, option->help);
}

void kms_options_help(void)
{
    puts(
        "Usage: hsmbridge-kms --slot SLOT --key KEY --listen unix:///run/hsmbridge/kms.sock\n\n"
        "Encrypts what a Kubernetes API server keeps in etcd with a key of a slot that is\n"
        "configured in /etc/hsmbridge/hsmbridge.conf: a KMS plugin, versions 2 and 1.\n\nOptions:");
    for (const struct kms_option *o = kms_option_table; o->name != NULL; o++)
        print_option(o);
    puts("\nManual: hsmbridge-kms(8), hsmbridge.conf(5).");
}

size_t kms_options_count(const struct kms_options *options)
{
    return options->key.count;
}

static const char *item(const struct kms_list *list, size_t index)
{
    return index < list->count ? list->items[index] : NULL;
}

struct kms_serving kms_options_at(const struct kms_options *options, size_t index)
{
    return (struct kms_serving){
        .listen = item(&options->listen, index),
        .slot = item(&options->slot, options->slot.count == 1 ? 0 : index),
        .key = item(&options->key, index),
        .key_version = item(&options->key_version, index),
    };
}
