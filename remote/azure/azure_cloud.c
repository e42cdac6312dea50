/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Azure's clouds: which host is a vault of which cloud, and what its tokens are for. A token's
 * audience follows from the configuration alone. The challenge in a 401 and the links in a listing
 * come from the service and are believed only where they agree: else a server that is no vault
 * could draw a token, or a client secret, that opens others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "azure.h"
#include "remote/slot_private.h"

/* clang-format off */
static const struct azure_cloud clouds[] = {
    /* word         azure.json                authority                              vaults                      managed HSMs */
    { "public",     "AzurePublicCloud",       "https://login.microsoftonline.com",   "vault.azure.net",          "managedhsm.azure.net" },
    { "usgov",      "AzureUSGovernmentCloud", "https://login.microsoftonline.us",    "vault.usgovcloudapi.net",  "managedhsm.usgovcloudapi.net" },
    { "china",      "AzureChinaCloud",        "https://login.chinacloudapi.cn",      "vault.azure.cn",           "managedhsm.azure.cn" },
    { "private",    NULL,                     NULL,                                  NULL,                       NULL },
};
/* clang-format on */

const struct azure_cloud *azure_cloud_by_word(const char *word)
{
    const struct azure_cloud *cloud = clouds;

    while (strcmp(cloud->word, word) != 0) /* the option is one of them */
        cloud++;
    return cloud;
}

const struct azure_cloud *azure_cloud_by_json_name(const char *name)
{
    if (name[0] == '\0')
        return &clouds[0];
    for (size_t i = 0; i < ARRAY_SIZE(clouds); i++)
        if (clouds[i].json_name != NULL && strcasecmp(clouds[i].json_name, name) == 0)
            return &clouds[i];
    return NULL;
}

/* ---- what a host is ---- */

static bool is_below(const char *host, const char *suffix)
{
    size_t len = strlen(host), suffix_len = strlen(suffix);

    return len > suffix_len + 1 && host[len - suffix_len - 1] == '.' &&
           strcasecmp(host + len - suffix_len, suffix) == 0;
}

/* One slot has one kind of token, so its endpoints are of one kind, too. */
static bool all_below(const struct remote_slot *slot, const char *suffix)
{
    for (size_t i = 0; i < slot->endpoints.count; i++)
        if (!is_below(slot->endpoints.list[i].host, suffix))
            return false;
    return true;
}

static enum remote_rc set_resource(struct azure_place *ret, const char *url,
                                   struct remote_error *err)
{
    size_t len = strlen(url);

    while (len > 0 && url[len - 1] == '/') /* Entra ID compares audiences to the letter */
        len--;
    ret->resource = strndup(url, len);
    return ret->resource != NULL ? REMOTE_OK : REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
}

/* An own cloud names its vaults as it likes: what the tokens are for must be told. */
static enum remote_rc find_private(const struct remote_section *section, struct azure_place *ret,
                                   struct remote_error *err)
{
    static const char scheme[] = "https://";
    const char *resource = remote_section_text(section, "resource", NULL);

    if (resource == NULL)
        return remote_section_fail(section, "resource", err,
                                   "missing; cloud = private needs what the tokens are for, such "
                                   "as https://vault.example");
    if (strncmp(resource, scheme, sizeof(scheme) - 1) != 0)
        return remote_section_fail(section, "resource", err, "'%s' is not https://...", resource);
    ret->hsm = strncmp(resource + sizeof(scheme) - 1, "managedhsm.", 11) == 0;
    return set_resource(ret, resource, err);
}

enum remote_rc azure_place_find(const struct remote_slot *slot, const struct azure_cloud *cloud,
                                const struct remote_section *section, struct azure_place *ret,
                                struct remote_error *err)
{
    char url[128];

    if (cloud->vaults == NULL)
        return find_private(section, ret, err);
    if (remote_section_has(section, "resource"))
        return remote_section_fail(section, "resource", err, "is for cloud = private only");
    ret->hsm = all_below(slot, cloud->hsms);
    if (!ret->hsm && !all_below(slot, cloud->vaults))
        return remote_section_fail(section, "url", err,
                                   "'%s' is not in the cloud '%s', whose services are NAME.%s and "
                                   "NAME.%s; set cloud",
                                   slot->endpoints.list[0].host, cloud->word, cloud->vaults,
                                   cloud->hsms);
    snprintf(url, sizeof(url), "https://%s", ret->hsm ? cloud->hsms : cloud->vaults);
    return set_resource(ret, url, err);
}

/* ---- links ---- */

/* Takes "https://HOST[:PORT]" off the front of *link when that is this endpoint. The service
 * writes ":443" where the request had no port. */
static bool take_origin(const struct remote_endpoint *endpoint, const char **link)
{
    const char *scheme = endpoint->tls ? "https://" : "http://";
    const char *host = *link + strlen(scheme);
    size_t len = strlen(endpoint->host);
    unsigned long port = endpoint->tls ? 443 : 80;
    char *tail;

    if (strncasecmp(*link, scheme, strlen(scheme)) != 0 ||
        strncasecmp(host, endpoint->host, len) != 0)
        return false;
    tail = (char *)(uintptr_t)host + len;
    if (*tail == ':' && tail[1] >= '0' && tail[1] <= '9')
        port = strtoul(tail + 1, &tail, 10);
    if (*tail != '/' || port != endpoint->port)
        return false;
    *link = tail;
    return true;
}

/* It becomes the target of a request line. */
static bool is_keys_path(const char *path)
{
    if (strncmp(path, "/keys", 5) != 0 || (path[5] != '/' && path[5] != '?'))
        return false;
    for (; *path != '\0'; path++)
        if (*path <= 0x20 || *path >= 0x7f || *path == '\\' || *path == '#')
            return false;
    return true;
}

enum remote_rc azure_next_page(const struct remote_slot *slot, const char *link,
                               const char *current, char **ret, struct remote_error *err)
{
    const char *path = link;
    size_t i = 0;

    while (i < slot->endpoints.count && !take_origin(&slot->endpoints.list[i], &path))
        i++;
    if (i == slot->endpoints.count || !is_keys_path(path))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "a listing goes on at '%.120s', which is not this service", link);
    if (current != NULL && strcmp(path, current) == 0)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL, "a page of a listing leads to itself");
    *ret = strdup(path);
    return *ret != NULL ? REMOTE_OK : REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
}
