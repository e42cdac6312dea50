/* SPDX-License-Identifier: Apache-2.0 */
/* The KES-compatible server: reads its options, opens the core, serves. */
#include <stdio.h>

#include "build-config.h"
#include "privacy.h"
#include "remote.h"
#include "server.h"

enum { OK, FAILED, USAGE, CONFIG }; /* exit codes, as hsmbridge(1) has them */

static int fail(const struct remote_error *err)
{
    fprintf(stderr, "hsmbridge-kes: %s\n", err->text);
    if (err->rc == REMOTE_E_USAGE)
        return USAGE;
    return err->rc == REMOTE_E_CONFIG ? CONFIG : FAILED;
}

static enum remote_rc set_log(const struct kesd_options *options, struct remote_error *err)
{
    if (options->log_format_json)
        remote_log_json();
    if (options->verbosity == 0)
        return REMOTE_OK;
    return remote_log_setup(NULL, options->verbosity >= 4 ? "debug" : "info", err);
}

static enum remote_rc serve(const struct kesd_options *options, struct remote_error *err)
{
    struct remote_core *core = NULL;
    struct kesd_server *server = NULL;
    enum remote_rc rc;

    remote_log_default("stderr");
    REMOTE_TRY(set_log(options, err));
    REMOTE_TRY(remote_core_open(options->config, &core, err));
    rc = set_log(options, err); /* over what the configuration said */
    if (rc == REMOTE_OK)
        rc = kesd_server_new(options, core, &server, err);
    if (rc == REMOTE_OK)
        rc = kesd_server_run(server, err);
    kesd_server_free(server);
    remote_core_close(core);
    return rc;
}

int main(int argc, char **argv)
{
    CLEANUP(remote_guard_leave) struct remote_guard guard = { 0 };
    struct remote_error err = { 0 };
    struct kesd_options options;

    daemon_forbid_dumps();
    if (kesd_options_parse(argc, argv, &options, &err) != REMOTE_OK)
        return fail(&err);
    if (options.help) {
        kesd_options_help();
        return OK;
    }
    if (options.version) {
        puts("hsmbridge-kes " HSMBRIDGE_VERSION);
        return OK;
    }
    if (remote_guard_enter(&guard, &err) != REMOTE_OK || serve(&options, &err) != REMOTE_OK)
        return fail(&err);
    return OK;
}
