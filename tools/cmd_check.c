/* SPDX-License-Identifier: Apache-2.0 */
/* Whether everything is as an application will need it, and what to do where it is not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend.h"
#include "check_kes.h"
#include "check_report.h"
#include "command.h"
#include "fail.h"
#include "pin.h"
#include "target.h"

#define ENDPOINTS_MAX 16
#define SKEW_MAX_MS 30000 /* certificates and JWTs go wrong behind it */

static const char *advice_of(enum remote_rc rc)
{
    switch (rc) {
    case REMOTE_E_CONFIG:
        return "correct the configuration as said; 'hsmbridge options' lists every option";
    case REMOTE_E_UNAVAILABLE:
    case REMOTE_E_TIMEOUT:
        return "see that the service runs and is unsealed, and that this machine reaches it: "
               "url, connect_to, proxy, ca_file, firewalls";
    case REMOTE_E_BUSY:
        return "the service throttles: wait, or have its limits raised";
    case REMOTE_E_AUTH:
    case REMOTE_E_PIN:
        return "give the slot a credential that is valid: see its auth options";
    case REMOTE_E_RIGHTS:
        return "give the credential's policy the right to do this";
    case REMOTE_E_NOT_FOUND:
        return "correct the slot's keys option, or make the key in the service";
    case REMOTE_E_PROTOCOL:
        return "see that url and mount lead to the service that backend names";
    default:
        return "see the detail; -vv shows each request";
    }
}

static void add(struct tools_check_report *report, const struct remote_slot *slot, const char *what,
                const struct remote_error *err, const char *detail)
{
    tools_check_report_add(report, &(struct tools_check_finding){
                                       .slot = remote_slot_name(slot),
                                       .what = what,
                                       .rc = err->rc,
                                       .detail = err->rc == REMOTE_OK ? detail : err->text,
                                       .advice = advice_of(err->rc),
                                       .latency_us = TOOLS_CHECK_UNKNOWN,
                                       .clock_skew_ms = TOOLS_CHECK_UNKNOWN });
}

static void add_skipped(struct tools_check_report *report, const struct remote_slot *slot,
                        const char *what, const char *why)
{
    tools_check_report_add(report,
                           &(struct tools_check_finding){ .slot = remote_slot_name(slot),
                                                          .what = what,
                                                          .skipped = true,
                                                          .detail = why,
                                                          .latency_us = TOOLS_CHECK_UNKNOWN,
                                                          .clock_skew_ms = TOOLS_CHECK_UNKNOWN });
}

/* ---- files with secrets ---- */

/* Kubernetes mounts 0644 and nginx wants 0640: it works, and the core says it once in its log. */
static void check_secret_file(struct tools_check_report *report, const struct remote_slot *slot,
                              const char *option)
{
    const char *path = remote_section_text(remote_slot_section(slot), option, NULL);
    struct stat found;

    if (!path || stat(path, &found) != 0 || !(found.st_mode & S_IROTH))
        return;
    tools_check_report_add(report, &(struct tools_check_finding){
                                       .slot = remote_slot_name(slot),
                                       .what = option,
                                       .warning = true,
                                       .detail = "any user of this machine can read this secret",
                                       .advice = "chmod o-r the file",
                                       .latency_us = TOOLS_CHECK_UNKNOWN,
                                       .clock_skew_ms = TOOLS_CHECK_UNKNOWN });
}

static void check_secret_files(struct tools_check_report *report, const struct remote_slot *slot)
{
    const struct remote_backend_ops *backend = remote_backend_find(remote_slot_backend(slot));
    char name[64];

    for (const struct remote_option *option = backend->options; option && option->name; option++) {
        if (option->type != REMOTE_OPTION_SECRET)
            continue;
        snprintf(name, sizeof(name), "%s_file", option->name);
        check_secret_file(report, slot, name);
    }
}

/* ---- endpoints ---- */

/* What is wrong with an endpoint that answers: it answers late, or in another time. */
static void judge(const struct remote_slot *slot, const struct remote_health *health,
                  struct tools_check_finding *finding)
{
    if (health->clock_known && llabs(health->clock_skew_ms) > SKEW_MAX_MS) {
        finding->rc = REMOTE_E_PROTOCOL;
        finding->advice = "set the clocks, e.g. with 'timedatectl set-ntp true'";
    } else if (health->latency_us / 1000 > remote_slot_timeout_ms(slot) / 2) {
        finding->rc = REMOTE_E_TIMEOUT;
        finding->advice = "raise the slot's timeout, or find out what makes the service slow";
    }
}

static void describe(const struct remote_health *health, struct remote_buf *ret)
{
    remote_buf_printf(ret, "%s%s%.1f ms", health->detail, health->detail[0] ? ", " : "",
                      (double)health->latency_us / 1000);
    if (health->clock_known && llabs(health->clock_skew_ms) >= 2000)
        remote_buf_printf(ret, ", its clock is %lld s %s ours", llabs(health->clock_skew_ms) / 1000,
                          health->clock_skew_ms > 0 ? "ahead of" : "behind");
}

static void add_endpoint(struct tools_check_report *report, const struct remote_slot *slot,
                         const struct remote_health *health)
{
    CLEANUP(remote_buf_clear) struct remote_buf detail = { 0 };
    struct tools_check_finding finding = { .slot = remote_slot_name(slot),
                                           .what = health->endpoint,
                                           .rc = health->rc,
                                           .advice = advice_of(health->rc),
                                           .latency_us = TOOLS_CHECK_UNKNOWN,
                                           .clock_skew_ms = TOOLS_CHECK_UNKNOWN };

    if (health->rc == REMOTE_OK) {
        finding.latency_us = health->latency_us;
        describe(health, &detail);
        judge(slot, health, &finding);
    }
    if (health->clock_known)
        finding.clock_skew_ms = health->clock_skew_ms;
    finding.detail = health->rc != REMOTE_OK ? health->err.text
                     : detail.failed         ? "answers"
                                             : (const char *)detail.data;
    tools_check_report_add(report, &finding);
}

/* True when one of them answers, so that it makes sense to try more. */
static bool check_endpoints(struct tools_check_report *report, struct remote_slot *slot)
{
    struct remote_health health[ENDPOINTS_MAX] = { 0 };
    struct remote_error err = { 0 };
    size_t count = 0;
    bool reached = false;

    err.rc = remote_slot_health(slot, health, ENDPOINTS_MAX, &count, &err);
    for (size_t i = 0; i < count; i++) {
        add_endpoint(report, slot, &health[i]);
        reached = reached || health[i].rc == REMOTE_OK;
    }
    if (count == 0 && err.rc != REMOTE_OK)
        add(report, slot, "service", &err, NULL);
    return reached;
}

/* ---- credentials, keys, certificates ---- */

static enum remote_rc login(const struct tools_args *args, struct remote_slot *slot,
                            struct remote_error *err)
{
    CLEANUP(remote_secret_clear) struct remote_secret pin = { 0 };

    if (tools_pin(args, remote_slot_name(slot), &pin) != TOOLS_OK)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG, "the file of --pin-file cannot be read");
    return remote_slot_login(slot, remote_secret_slice(&pin), err);
}

/* True when they are good. Nobody is asked for a PIN here: that it takes one is no fault. */
static bool check_credentials(struct tools_check_report *report, const struct tools_args *args,
                              struct remote_slot *slot)
{
    struct remote_error err = { 0 };
    bool has_pin = args->slot && args->pin_file;

    if (!remote_slot_logged_in(slot) && !has_pin) {
        add_skipped(report, slot, "credentials",
                    "takes a PIN: check it with --slot NAME --pin-file FILE");
        return false;
    }
    if (!remote_slot_logged_in(slot))
        err.rc = login(args, slot, &err);
    if (err.rc == REMOTE_OK)
        err.rc = remote_slot_prove(slot, &err);
    add(report, slot, "credentials", &err, "valid");
    return err.rc == REMOTE_OK;
}

static bool is_glob(const char *word)
{
    return word[strcspn(word, "*?[")] != '\0';
}

static enum remote_rc find_key(struct remote_slot *slot, const char *name,
                               struct remote_buf *ret_kind, struct remote_error *err)
{
    CLEANUP(remote_key_list_clear) struct remote_key_list list = { 0 };

    REMOTE_TRY(remote_slot_find_label(slot, name, &list, err));
    if (list.count == 0)
        return REMOTE_FAIL(err, REMOTE_E_NOT_FOUND,
                           "the service has no key '%s', or key_types hides it", name);
    tools_output_key_kind(list.keys[0], ret_kind);
    remote_buf_printf(ret_kind, ", version %u", list.keys[0]->version);
    return REMOTE_OK;
}

static void check_key(struct tools_check_report *report, struct remote_slot *slot, const char *name)
{
    CLEANUP(remote_buf_clear) struct remote_buf what = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf kind = { 0 };
    struct remote_error err = { 0 };

    err.rc = find_key(slot, name, &kind, &err);
    remote_buf_printf(&what, "key %s", name);
    if (what.failed || kind.failed)
        return;
    add(report, slot, (const char *)what.data, &err, (const char *)kind.data);
}

/* The keys that are named in full: one request each. What globs match is for `list`. */
static void check_keys(struct tools_check_report *report, struct remote_slot *slot)
{
    const char *const *words = remote_section_words(remote_slot_section(slot), "keys");

    for (; *words; words++)
        if (!is_glob(*words))
            check_key(report, slot, *words);
}

/* ---- members of a quorum: keys of other slots ---- */

static void check_member(struct tools_check_report *report, const struct tools_target *target,
                         const struct remote_slot *slot, const char *option, const char *word)
{
    CLEANUP(remote_buf_clear) struct remote_buf what = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf kind = { 0 };
    CLEANUP(remote_str_free) char *name = strndup(word, strcspn(word, "/"));
    struct remote_slot *other = name ? remote_core_find_slot(target->core, name) : NULL;
    struct remote_error err = { 0 };

    if (!other)
        return; /* said already: the slot's configuration is broken */
    remote_buf_printf(&what, "%s %s", strcmp(option, "retired") == 0 ? "retired" : "member", word);
    err.rc = find_key(other, word + strlen(name) + 1, &kind, &err);
    if (!what.failed && !kind.failed)
        add(report, slot, (const char *)what.data, &err, (const char *)kind.data);
}

static void check_members(struct tools_check_report *report, const struct tools_target *target,
                          const struct remote_slot *slot)
{
    static const char *const options[] = { "members", "retired" };

    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        const char *const *words = remote_section_words(remote_slot_section(slot), options[i]);

        for (; *words; words++)
            check_member(report, target, slot, options[i], *words);
    }
}

static void check_slot(struct tools_check_report *report, const struct tools_args *args,
                       const struct tools_target *target, struct remote_slot *slot)
{
    struct remote_error err = { 0 };

    err.rc = remote_slot_status(slot, &err);
    add(report, slot, "configuration", &err, remote_section_where(remote_slot_section(slot)));
    if (err.rc != REMOTE_OK)
        return;
    check_secret_files(report, slot);
    for (size_t i = 0; i < remote_slot_cert_count(slot); i++)
        tools_check_report_certificate(report, remote_slot_name(slot), remote_slot_cert(slot, i));
    check_members(report, target, slot);
    if (!check_endpoints(report, slot))
        add_skipped(report, slot, "credentials", "not tried: no endpoint is of use");
    else if (check_credentials(report, args, slot))
        check_keys(report, slot);
}

static int check(const struct tools_args *args, struct tools_target *target,
                 struct tools_check_report *report)
{
    bool served;

    TOOLS_TRY(tools_target_core(args, target));
    served = !args->slot && tools_check_kes_is_served(target->core);
    if (!served) /* a server may have no slot */
        TOOLS_TRY(tools_target_named_slot(args, target->core, &target->slot));
    if (target->slot)
        check_slot(report, args, target, target->slot);
    for (size_t i = 0; !target->slot && i < remote_core_slot_count(target->core); i++)
        check_slot(report, args, target, remote_core_slot(target->core, i));
    if (served)
        tools_check_kes(report, target->core);
    return tools_check_report_print(args, remote_core_source(target->core), report);
}

static int run(const struct tools_args *args)
{
    CLEANUP(tools_target_close) struct tools_target target = { 0 };
    CLEANUP(tools_check_report_clear) struct tools_check_report report;

    tools_check_report_init(&report);
    return check(args, &target, &report);
}

const struct tools_command tools_cmd_check = {
    .name = "check",
    .purpose = "Checks configuration, endpoints, credentials and clocks",
    .text = "For every slot, or the one of --slot: its options and files, whether each endpoint\n"
            "answers and how fast, whether the clocks agree, whether the credential is good,\n"
            "whether the keys that are named in full, and a quorum's members, are there and the\n"
            "certificates still valid.\n"
            "For [kes], hsmbridge-kes's section: its options, files, policies and sealing key.\n"
            "Says what to do about each fault. Exit status 0: all is well.",
    .options = "slot pin-file",
    .example = "hsmbridge check --slot web",
    .run = run,
};
