/* SPDX-License-Identifier: Apache-2.0 */
#include "check_kes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kes/settings.h"
#include "output.h"

#define WHO "[kes]"

static void settings_clear(struct kesd_settings **settings)
{
    kesd_settings_free(*settings);
}

static void add(struct tools_check_report *report, const char *what, const struct remote_error *err,
                const char *detail, const char *advice)
{
    tools_check_report_add(report, &(struct tools_check_finding){
                                       .slot = WHO,
                                       .what = what,
                                       .rc = err->rc,
                                       .detail = err->rc == REMOTE_OK ? detail : err->text,
                                       .advice = advice,
                                       .latency_us = TOOLS_CHECK_UNKNOWN,
                                       .clock_skew_ms = TOOLS_CHECK_UNKNOWN });
}

bool tools_check_kes_is_served(const struct remote_core *core)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };

    return remote_config_load(remote_core_source(core), &config, NULL) != REMOTE_OK ||
           config.front_count > 0;
}

/* ---- files ---- */

struct certs {
    struct remote_cert **list;
    size_t count;
};

static void certs_clear(struct certs *certs)
{
    for (size_t i = 0; i < certs->count; i++)
        remote_cert_free(certs->list[i]);
    free(certs->list);
}

static enum remote_rc read_certs(const char *path, struct certs *ret, struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret text = { 0 };

    REMOTE_TRY(remote_file_read(path, REMOTE_FILE_PUBLIC, &text, err));
    REMOTE_TRY(remote_local_certs(path, remote_secret_slice(&text), &ret->list, &ret->count, err));
    if (ret->count == 0)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "%s has no certificate", path);
    return REMOTE_OK;
}

static void check_certs(struct tools_check_report *report, const char *option, const char *path,
                        bool all)
{
    CLEANUP(certs_clear) struct certs certs = { 0 };
    struct remote_error err = { 0 };

    err.rc = read_certs(path, &certs, &err);
    if (err.rc != REMOTE_OK)
        add(report, option, &err, NULL, "give a PEM file with certificates that can be read");
    for (size_t i = 0; i < certs.count && (all || i == 0); i++)
        tools_check_report_certificate(report, WHO, certs.list[i]);
}

static void check_key_file(struct tools_check_report *report, const char *path)
{
    CLEANUP(remote_secret_clear) struct remote_secret key = { 0 };
    struct remote_error err = { 0 };

    err.rc = remote_file_read(path, REMOTE_FILE_SECRET, &key, &err);
    add(report, "key_file", &err, path, "make the file readable for the server, and only for it");
}

static void check_directory(struct tools_check_report *report, const char *path)
{
    struct remote_error err = { 0 };

    if (access(path, R_OK | W_OK | X_OK) != 0)
        err.rc = REMOTE_FAIL(&err, REMOTE_E_CONFIG, "%s: %s", path, strerrordesc_np(errno));
    add(report, "directory", &err, path, "make the directory, for the server's user");
}

/* ---- keys and policies ---- */

static enum remote_rc find_key(struct remote_slot *slot, const char *name, struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list list = { 0 };

    REMOTE_TRY(remote_slot_find_label(slot, name, &list, err));
    if (list.count == 0)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND, "slot %s has no key '%s'",
                           remote_slot_name(slot), name);
    return REMOTE_OK;
}

static void check_sealing_key(struct tools_check_report *report, struct remote_core *core,
                              const struct kesd_settings *settings)
{
    struct remote_slot *slot = remote_core_find_slot(core, settings->slot);
    struct remote_error err = { 0 };

    if (!slot || !remote_slot_logged_in(slot))
        return; /* the slot's own lines say what it lacks */
    err.rc = find_key(slot, settings->sealing_key, &err);
    add(report, "sealing_key", &err, settings->sealing_key,
        "make the key, e.g. with 'hsmbridge generate', or correct the name");
}

static void check_policies(struct tools_check_report *report, const struct kesd_settings *settings)
{
    size_t identities = settings->admin[0] != '\0';
    char detail[80];

    for (size_t i = 0; i < settings->policy_count; i++)
        identities += settings->policies[i].identity_count;
    snprintf(detail, sizeof(detail), "%zu, for %zu identities", settings->policy_count, identities);
    tools_check_report_add(report, &(struct tools_check_finding){
                                       .slot = WHO,
                                       .what = "policies",
                                       .warning = identities == 0,
                                       .detail = identities > 0 ? detail : "nobody may do anything",
                                       .advice = "name an admin, or identities in a [kes-policy]",
                                       .latency_us = TOOLS_CHECK_UNKNOWN,
                                       .clock_skew_ms = TOOLS_CHECK_UNKNOWN });
}

void tools_check_kes(struct tools_check_report *report, struct remote_core *core)
{
    CLEANUP(settings_clear) struct kesd_settings *settings = NULL;
    struct remote_error err = { 0 };

    err.rc = kesd_settings_read(core, &settings, &err);
    add(report, "configuration", &err, remote_core_source(core),
        "correct the configuration as said; 'hsmbridge options' lists every option");
    if (err.rc != REMOTE_OK)
        return;
    check_certs(report, "cert_file", settings->cert_file, false);
    check_key_file(report, settings->key_file);
    if (settings->ca_file)
        check_certs(report, "ca_file", settings->ca_file, true);
    if (settings->directory)
        check_directory(report, settings->directory);
    if (settings->sealing_key)
        check_sealing_key(report, core, settings);
    check_policies(report, settings);
}
