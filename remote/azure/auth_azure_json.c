/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/kubernetes/azure.json, as AKS and cluster tools write it for the cloud provider, read in the
 * order in which the Key Vault plugin of Kubernetes reads it. Most of what it has is not for us. */
#include <string.h>
#include <strings.h>

#include "azure.h"

#define PLACEHOLDER "msi"

/* Absent, or empty, which some tools write instead. */
static const char *text_of(const remote_json *json, const char *member)
{
    const char *text = remote_json_text(json, member);

    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* Some tools write truth in quotes. */
static bool is_true(const remote_json *json, const char *member)
{
    const char *text = remote_json_text(json, member);

    return remote_json_bool(json, member, text != NULL && strcasecmp(text, "true") == 0);
}

/* Clusters with a managed identity have these where others have a client. They are no client. */
static bool has_placeholder(const struct azure_json *json)
{
    return (json->client_id != NULL && strcasecmp(json->client_id, PLACEHOLDER) == 0) ||
           (json->secret != NULL && strcasecmp(json->secret, PLACEHOLDER) == 0);
}

static enum remote_rc choose_client(const remote_json *file, struct azure_json *ret,
                                    struct remote_error *err)
{
    ret->tenant = text_of(file, "tenantId");
    ret->client_id = text_of(file, "aadClientId");
    ret->secret = text_of(file, "aadClientSecret");
    ret->cert_path = text_of(file, "aadClientCertPath");
    ret->cert_password = text_of(file, "aadClientCertPassword");
    if (has_placeholder(ret))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "aadClientId or aadClientSecret is the placeholder '" PLACEHOLDER
                           "' of a cluster with a managed identity, but "
                           "useManagedIdentityExtension is not true; set it to true, or put a "
                           "client there");
    if (ret->client_id != NULL && ret->secret != NULL)
        ret->proof = AZURE_PROOF_SECRET;
    else if (ret->client_id != NULL && ret->cert_path != NULL && ret->cert_password != NULL)
        ret->proof = AZURE_PROOF_CERT;
    else
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "no credentials in it: it needs useManagedIdentityExtension, or "
                           "aadClientId with aadClientSecret, or with aadClientCertPath and "
                           "aadClientCertPassword");
    if (ret->tenant == NULL)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "tenantId is missing");
    if (ret->proof == AZURE_PROOF_CERT && ret->cert_path[0] != '/')
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "aadClientCertPath is not an absolute path");
    return REMOTE_OK;
}

static enum remote_rc choose(const remote_json *file, struct azure_json *ret,
                             struct remote_error *err)
{
    const char *cloud = text_of(file, "cloud");

    ret->cloud = azure_cloud_by_json_name(cloud ? cloud : "");
    if (ret->cloud == NULL)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "cloud '%.40s' is not served; use AzurePublicCloud, "
                           "AzureUSGovernmentCloud or AzureChinaCloud, or set cloud = private",
                           cloud);
    if (!is_true(file, "useManagedIdentityExtension"))
        return choose_client(file, ret, err);
    ret->proof = AZURE_PROOF_MANAGED;
    ret->client_id = text_of(file, "userAssignedIdentityID"); /* whose value is a client id */
    return REMOTE_OK;
}

enum remote_rc azure_json_read(struct remote_slice text, struct azure_json *ret,
                               struct remote_error *err)
{
    struct remote_error ignored = { 0 };
    struct azure_json json = { .json = remote_json_read(text, &ignored) };
    enum remote_rc rc;

    if (!remote_json_is_object(json.json)) {
        azure_json_clear(&json);
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "is not a JSON object");
    }
    rc = choose(json.json, &json, err);
    if (rc != REMOTE_OK) {
        azure_json_clear(&json);
        return rc;
    }
    *ret = json;
    return REMOTE_OK;
}

void azure_json_clear(struct azure_json *json)
{
    remote_json_free(&json->json);
    memset(json, 0, sizeof(*json));
}
