/* SPDX-License-Identifier: Apache-2.0 */
#include "azure_config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "json.h"

#define NAME_MIN 3
#define NAME_MAX_LEN 24

/* clang-format off */
static const struct cloud { /* as azure.json names them, and as the slot's option does */
    const char *json, *word, *vaults, *hsms;
} clouds[] = {
    { "AzurePublicCloud",       "public", "vault.azure.net",          "managedhsm.azure.net" },
    { "AzureUSGovernmentCloud", "usgov",  "vault.usgovcloudapi.net",  "managedhsm.usgovcloudapi.net" },
    { "AzureChinaCloud",        "china",  "vault.azure.cn",           "managedhsm.azure.cn" },
};
/* clang-format on */

static enum remote_rc find_cloud(const char *path, const struct cloud **ret,
                                 struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret file = { 0 };
    CLEANUP(remote_json_free) remote_json *json = NULL;
    const char *name;

    REMOTE_TRY(remote_file_read(path, REMOTE_FILE_SECRET, &file, err));
    json = remote_json_read(remote_secret_slice(&file), NULL);
    if (json == NULL)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s is not JSON", path);
    name = remote_json_text(json, "cloud");
    if (name == NULL || name[0] == '\0')
        name = clouds[0].json;
    for (size_t i = 0; i < sizeof(clouds) / sizeof(clouds[0]); i++) {
        if (strcasecmp(clouds[i].json, name) == 0) {
            *ret = &clouds[i];
            return REMOTE_OK;
        }
    }
    return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                       "%s: cloud '%.40s' is not known here; write a configuration with cloud = "
                       "private instead, see hsmbridge.conf(5)",
                       path, name);
}

/* What comes from a manifest goes into a configuration: nothing but such a name may. */
static enum remote_rc check_name(const char *name, struct remote_error *err)
{
    size_t len = strlen(name);
    bool good = len >= NAME_MIN && len <= NAME_MAX_LEN;

    for (size_t i = 0; i < len; i++)
        good = good && (isalnum((unsigned char)name[i]) || name[i] == '-');
    return good
               ? REMOTE_OK
               : REMOTE_FAIL(err, REMOTE_E_USAGE,
                             "--keyvault-name '%.40s': a vault's name has %d to %d letters, digits "
                             "and dashes",
                             name, NAME_MIN, NAME_MAX_LEN);
}

static enum remote_rc write_memory(const struct remote_buf *text, char *ret_path, size_t size,
                                   struct remote_error *err)
{
    int fd = memfd_create("hsmbridge.conf", 0);

    if (fd < 0 || fchmod(fd, 0600) < 0 || write(fd, text->data, text->len) != (ssize_t)text->len)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "no memory for a configuration: %s",
                           strerrordesc_np(errno));
    snprintf(ret_path, size, "/proc/self/fd/%d", fd);
    return REMOTE_OK;
}

static enum remote_rc add_options(const struct daemon_list *list, struct remote_buf *text,
                                  struct remote_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *option = list->items[i], *equals = strchr(option, '=');

        if (equals == NULL || equals == option || strpbrk(option, "\r\n[") != NULL)
            return REMOTE_FAIL(err, REMOTE_E_USAGE,
                               "--slot-option '%.60s': proxy=http://proxy:3128 would be one",
                               option);
        remote_buf_printf(text, "%.*s = %s\n", (int)(equals - option), option, equals + 1);
    }
    return REMOTE_OK;
}

enum remote_rc kms_azure_config(const struct kms_options *options, char *ret_path, size_t size,
                                struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    const struct cloud *cloud = NULL;

    REMOTE_TRY(check_name(options->keyvault_name, err));
    REMOTE_TRY(find_cloud(options->azure_json, &cloud, err));
    remote_buf_printf(&text,
                      "[slot " KMS_AZURE_SLOT "]\n"
                      "backend = azure\n"
                      "url = https://%s.%s\n"
                      "cloud = %s\n"
                      "auth = azure_json\n"
                      "azure_json_file = %s\n"
                      "vault_certificates = no\n",
                      options->keyvault_name, options->managed_hsm ? cloud->hsms : cloud->vaults,
                      cloud->word, options->azure_json);
    REMOTE_TRY(add_options(&options->slot_option, &text, err));
    REMOTE_TRY(remote_buf_check(&text, err));
    return write_memory(&text, ret_path, size, err);
}
