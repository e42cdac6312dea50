/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Managed identities: a machine, a container or a function is known to its platform, which gives
 * it tokens ("How to use managed identities", IMDS, App Service, Azure Arc). Where to ask follows
 * from the environment, in the order of Microsoft's own libraries.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "azure.h"
#include "remote/encode.h"
#include "remote/slot_private.h"

#define IMDS_URL "http://169.254.169.254"
#define IMDS_PATH "/metadata/identity/oauth2/token"
#define ARC_URL "http://127.0.0.1:40342"
#define ARC_AGENT "/opt/azcmagent/bin/himds"
#define ARC_TOKENS "/var/opt/azcmagent/tokens"
#define ARC_KEY_MAX 4096 /* bytes */

static const char *const api_versions[] = {
    [AZURE_SOURCE_IMDS] = "2018-02-01",
    [AZURE_SOURCE_APP_SERVICE] = "2019-08-01",
    [AZURE_SOURCE_ARC] = "2020-06-01",
};

/* ---- where ---- */

/* NULL: not set, or not for us to read. */
static const char *env(const char *name)
{
    const char *text = secure_getenv(name);

    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* endpoint: a URL with a path. */
static enum remote_rc open_endpoint(struct azure *azure, const struct remote_section *section,
                                    const char *option, const char *endpoint,
                                    struct remote_error *err)
{
    CLEANUP(remote_str_free) char *origin = NULL;
    const char *host = strstr(endpoint, "://");
    size_t len = host != NULL ? (size_t)(host - endpoint) + 3 : 0;

    len += strcspn(endpoint + len, "/?#");
    origin = strndup(endpoint, len);
    azure->managed.path = strdup(endpoint[len] == '/' ? endpoint + len : IMDS_PATH);
    if (origin == NULL || azure->managed.path == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    if (azure->managed.path[strcspn(azure->managed.path, "?# \r\n")] != '\0')
        return remote_section_fail(section, option, err, "'%s' is not a URL without a query",
                                   endpoint);
    return remote_slot_add_origin(azure->base.slot, section, option, origin, true,
                                  &azure->managed.origin, err);
}

/* A stand-in, or a proxy for pods. On this host it may be anybody's: that must be wanted. */
static enum remote_rc open_configured(struct azure *azure, const struct remote_section *section,
                                      const char *url, struct remote_error *err)
{
    if (strncmp(url, "http://", 7) == 0 && strncmp(url, IMDS_URL, sizeof(IMDS_URL) - 1) != 0 &&
        !remote_section_bool(section, "insecure_transport", false))
        return remote_section_fail(section, "imds_url", err,
                                   "'%s' is plain HTTP; set insecure_transport = yes to allow it",
                                   url);
    return open_endpoint(azure, section, "imds_url", url, err);
}

static enum remote_rc open_app_service(struct azure *azure, const struct remote_section *section,
                                       const char *endpoint, const char *header,
                                       struct remote_error *err)
{
    if (strpbrk(header, "\r\n") != NULL)
        return remote_section_fail(section, "auth", err,
                                   "IDENTITY_HEADER in the environment is not one line");
    azure->managed.source = AZURE_SOURCE_APP_SERVICE;
    REMOTE_TRY(remote_secret_set(&azure->managed.header, header, strlen(header), err));
    return open_endpoint(azure, section, "auth", endpoint, err);
}

enum remote_rc azure_managed_open(struct azure *azure, const struct remote_section *section,
                                  struct remote_error *err)
{
    const char *configured = remote_section_text(section, "imds_url", NULL);
    const char *endpoint = env("IDENTITY_ENDPOINT"), *header = env("IDENTITY_HEADER");

    azure->managed.source = AZURE_SOURCE_IMDS;
    if (configured != NULL)
        return open_configured(azure, section, configured, err);
    if (azure->auth == AZURE_AUTH_JSON) /* a cluster's node: IMDS is what it has */
        return open_endpoint(azure, section, "auth", IMDS_URL, err);
    if (endpoint != NULL && header != NULL && env("IDENTITY_SERVER_THUMBPRINT") != NULL)
        return remote_section_fail(section, "auth", err,
                                   "Service Fabric's managed identities are not served");
    if (endpoint != NULL && header != NULL)
        return open_app_service(azure, section, endpoint, header, err);
    if (env("MSI_ENDPOINT") != NULL)
        return remote_section_fail(section, "auth", err,
                                   "MSI_ENDPOINT in the environment: the managed identities of "
                                   "Cloud Shell and Azure ML are not served");
    if ((endpoint != NULL && env("IMDS_ENDPOINT") != NULL) || access(ARC_AGENT, F_OK) == 0) {
        azure->managed.source = AZURE_SOURCE_ARC;
        return open_endpoint(azure, section, "auth", endpoint ? endpoint : ARC_URL, err);
    }
    return open_endpoint(azure, section, "auth", IMDS_URL, err);
}

void azure_managed_close(struct azure *azure)
{
    free(azure->managed.path);
    remote_secret_clear(&azure->managed.header);
}

/* ---- Arc's challenge: whoever can read this file is who it says ---- */

enum remote_rc azure_arc_read_key(const char *dir, const char *path, struct remote_secret *ret,
                                  struct remote_error *err)
{
    const char *name = strrchr(path, '/');
    size_t len = strlen(path);
    struct stat found;

    if (name == NULL || (size_t)(name - path) != strlen(dir) ||
        strncmp(path, dir, strlen(dir)) != 0 || len < 5 || strcmp(path + len - 4, ".key") != 0)
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "Azure Arc's challenge names a file that is not %s/NAME.key", dir);
    if (lstat(path, &found) != 0 || !S_ISREG(found.st_mode) || found.st_size > ARC_KEY_MAX)
        return REMOTE_FAIL(err, REMOTE_E_AUTH,
                           "%.100s of Azure Arc's challenge is no file of at most %d bytes", path,
                           ARC_KEY_MAX);
    REMOTE_TRY(remote_file_read(path, REMOTE_FILE_SECRET, ret, err));
    for (size_t i = 0; i < ret->len; i++)
        if (ret->data[i] <= 0x20 || ret->data[i] >= 0x7f)
            return REMOTE_FAIL(err, REMOTE_E_AUTH,
                               "%.100s of Azure Arc's challenge is not one "
                               "word",
                               path);
    return REMOTE_OK;
}

bool azure_arc_challenged(const struct azure *azure, struct remote_op *op,
                          const struct remote_reply *reply)
{
    static const char scheme[] = "Basic realm=";

    if (azure->managed.source != AZURE_SOURCE_ARC || op->step != 0 || reply->status != 401 ||
        strncasecmp(reply->header, scheme, sizeof(scheme) - 1) != 0)
        return false;
    remote_buf_append_str(&op->answer, reply->header + sizeof(scheme) - 1);
    return true;
}

static enum remote_rc add_arc_key(const struct remote_op *op, struct remote_request *request,
                                  struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret key = { 0 };

    REMOTE_TRY(azure_arc_read_key(ARC_TOKENS, (const char *)op->answer.data, &key, err));
    remote_buf_append_str(&request->headers, "Authorization: Basic ");
    remote_buf_append(&request->headers, key.data, key.len);
    remote_buf_append_char(&request->headers, '\n');
    return REMOTE_OK;
}

/* ---- the request ---- */

static void add_query(struct remote_buf *path, const char *name, const char *value)
{
    remote_buf_printf(path, "&%s=", name);
    remote_percent_append(path, remote_slice_str(value));
}

enum remote_rc azure_managed_build(const struct azure *azure, const struct remote_op *op,
                                   const char *client_id, struct remote_request *request,
                                   struct remote_error *err)
{
    const struct azure_managed *managed = &azure->managed;

    request->method = "GET";
    request->origin = managed->origin;
    request->want_header = "WWW-Authenticate:";
    remote_buf_printf(&request->path, "%s?api-version=%s", managed->path,
                      api_versions[managed->source]);
    add_query(&request->path, "resource", azure->place.resource);
    if (client_id != NULL)
        add_query(&request->path, "client_id", client_id);
    if (managed->source == AZURE_SOURCE_APP_SERVICE) {
        remote_buf_append_str(&request->headers, "X-IDENTITY-HEADER: ");
        remote_buf_append(&request->headers, managed->header.data, managed->header.len);
        remote_buf_append_char(&request->headers, '\n');
    } else { /* keeps what a web page could forward from being taken for ours */
        remote_buf_append_str(&request->headers, "Metadata: true\n");
    }
    return op->step > 0 ? add_arc_key(op, request, err) : REMOTE_OK;
}
