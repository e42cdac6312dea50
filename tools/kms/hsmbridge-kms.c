/* SPDX-License-Identifier: Apache-2.0 */
/* The Kubernetes KMS plugin: reads its options, opens the core, serves. */
#include <limits.h>
#include <stdio.h>

#include "azure_config.h"
#include "build-config.h"
#include "privacy.h"
#include "remote.h"
#include "server.h"

enum { OK, FAILED, USAGE, CONFIG }; /* exit codes, as hsmbridge(1) has them */

static int fail(const struct remote_error *err)
{
    fprintf(stderr, "hsmbridge-kms: %s\n", err->text);
    if (err->rc == REMOTE_E_USAGE)
        return USAGE;
    return err->rc == REMOTE_E_CONFIG ? CONFIG : FAILED;
}

static enum remote_rc set_log(const struct kms_options *options, struct remote_error *err)
{
    if (options->log_format_json)
        remote_log_json();
    if (options->verbosity == 0)
        return REMOTE_OK;
    return remote_log_setup(NULL, options->verbosity >= 4 ? "debug" : "info", err);
}

static enum remote_rc open_core(struct kms_options *options, struct remote_core **ret,
                                struct remote_error *err)
{
    static char path[PATH_MAX];

    remote_log_default("stderr");
    REMOTE_TRY(set_log(options, err));
    if (options->keyvault_name != NULL) {
        REMOTE_TRY(kms_azure_config(options, path, sizeof(path), err));
        options->config = path;
        options->slot = (struct daemon_list){ { KMS_AZURE_SLOT }, 1 };
    }
    REMOTE_TRY(remote_core_open(options->config, ret, err));
    return set_log(options, err); /* over what the configuration said */
}

static enum remote_rc serve(struct kms_options *options, struct remote_error *err)
{
    struct remote_core *core = NULL;
    struct kms_server *server = NULL;
    enum remote_rc rc = open_core(options, &core, err);

    if (rc == REMOTE_OK)
        rc = kms_server_new(options, core, &server, err);
    if (rc == REMOTE_OK)
        kms_server_run(server);
    kms_server_free(server);
    remote_core_close(core);
    return rc;
}

int main(int argc, char **argv)
{
    CLEANUP(remote_guard_leave) struct remote_guard guard = { 0 };
    struct remote_error err = { 0 };
    struct kms_options options;

    daemon_forbid_dumps();
    if (kms_options_parse(argc, argv, &options, &err) != REMOTE_OK)
        return fail(&err);
    if (options.help) {
        kms_options_help();
        return OK;
    }
    if (options.version) {
        puts("hsmbridge-kms " HSMBRIDGE_VERSION);
        return OK;
    }
    if (remote_guard_enter(&guard, &err) != REMOTE_OK || serve(&options, &err) != REMOTE_OK)
        return fail(&err);
    return OK;
}
