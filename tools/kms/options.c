/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <stdio.h>
#include <string.h>

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
    .local_kek_uses = 1u << 21,
    .local_kek_age_ms = 7ull * 86400000,
    .drain_timeout_ms = 10000,
    .workers = 8,
};

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

    REMOTE_TRY(daemon_options_parse(kms_option_table, argc, argv, &options, err));
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

void kms_options_help(void)
{
    puts(
        "Usage: hsmbridge-kms --slot SLOT --key KEY --listen unix:///run/hsmbridge/kms.sock\n\n"
        "Encrypts what a Kubernetes API server keeps in etcd with a key of a slot that is\n"
        "configured in /etc/hsmbridge/hsmbridge.conf: a KMS plugin, versions 2 and 1.\n\nOptions:");
    daemon_options_print(kms_option_table);
    puts("\nManual: hsmbridge-kms(8), hsmbridge.conf(5).");
}

size_t kms_options_count(const struct kms_options *options)
{
    return options->key.count;
}

static const char *item(const struct daemon_list *list, size_t index)
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
