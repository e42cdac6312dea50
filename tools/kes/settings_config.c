/* SPDX-License-Identifier: Apache-2.0 */
/* From [kes] and [kes-policy NAME] of our configuration. */
#include <string.h>

#include "settings_private.h"

#define MINUTE_MS (60u * 1000)
#define DAY_MS (24 * 60 * MINUTE_MS)

/* clang-format off */
const struct remote_option kesd_options[] = {
    /* name, type, choices, min, max, what would be right */
    { "address", REMOTE_OPTION_TEXT, NULL, 0, 0, "HOST:PORT to listen on" },
    { "cert_file", REMOTE_OPTION_PATH, NULL, 0, 0,
      "a PEM file with the server's certificate and its issuers" },
    { "key_file", REMOTE_OPTION_PATH, NULL, 0, 0,
      "a PEM file with the private key of cert_file" },
    { "ca_file", REMOTE_OPTION_PATH, NULL, 0, 0,
      "a PEM file with the CAs that vouch for clients; without it any certificate is an identity" },
    { "client_cert_expiry", REMOTE_OPTION_CHOICE, "enforce ignore", 0, 0,
      "whether a client's certificate that has expired is refused" },
    { "admin", REMOTE_OPTION_TEXT, NULL, 0, 0,
      "the identity that may do everything, or disabled" },
    { "skip_auth", REMOTE_OPTION_WORDS, NULL, 0, 0,
      "paths of the API that need no certificate, such as /v1/ready" },
    { "store", REMOTE_OPTION_CHOICE, "slot directory vault", 0, 0, "where keys are kept" },
    { "store_format", REMOTE_OPTION_CHOICE, "sealed kes", 0, 0,
      "how keys are kept in a directory or in Vault" },
    { "slot", REMOTE_OPTION_TEXT, NULL, 0, 0,
      "the slot of the keys, or of the key that seals them" },
    { "sealing_key", REMOTE_OPTION_TEXT, NULL, 0, 0,
      "the key of that slot which seals what is kept" },
    { "directory", REMOTE_OPTION_PATH, NULL, 0, 0, "where keys are kept, one file for each" },
    { "vault_slot", REMOTE_OPTION_TEXT, NULL, 0, 0,
      "the slot whose login reads and writes the keys in Vault" },
    { "vault_mount", REMOTE_OPTION_TEXT, NULL, 0, 0, "the mount of Vault's K/V engine" },
    { "vault_prefix", REMOTE_OPTION_TEXT, NULL, 0, 0, "the path of the keys in that engine" },
    { "vault_version", REMOTE_OPTION_NUMBER, NULL, 1, 2, "the version of that engine" },
    { "vault_transit", REMOTE_OPTION_TEXT, NULL, 0, 0,
      "the transit key that wraps what is kept in KES's own form" },
    { "cache_any", REMOTE_OPTION_DURATION, NULL, 0, DAY_MS,
      "how long a key is used before it is read anew" },
    { "cache_unused", REMOTE_OPTION_DURATION, NULL, 0, DAY_MS,
      "how long a key that nobody uses stays in memory" },
    { "cache_offline", REMOTE_OPTION_DURATION, NULL, 0, DAY_MS,
      "how long keys in memory are used while the store is away" },
    { "create", REMOTE_OPTION_WORDS, NULL, 0, 0, "keys that are made when they are not there" },
    { "audit", REMOTE_OPTION_CHOICE, "off changes all", 0, 0,
      "which requests are written to standard output" },
    { "error_log", REMOTE_OPTION_BOOL, NULL, 0, 0,
      "no keeps faults of key store and slots from standard output" },
    { NULL },
};

const struct remote_option kesd_options_policy[] = {
    { "allow", REMOTE_OPTION_WORDS, NULL, 0, 0,
      "paths of the API such as /v1/key/generate/app-*" },
    { "deny", REMOTE_OPTION_WORDS, NULL, 0, 0, "paths that stay forbidden, allow or not" },
    { "identities", REMOTE_OPTION_WORDS, NULL, 0, 0,
      "who has this policy: SHA-256 of their certificates' public keys" },
    { NULL },
};
/* clang-format on */

struct reading {
    struct remote_core *core;
    struct remote_section *section;
    struct kesd_settings *settings;
    struct remote_error *err;
};

/* ---- single options ---- */

/* Names the option before what is wrong with its value. */
static enum remote_rc fault(const struct reading *r, const char *option, enum remote_rc rc,
                            const struct remote_error *why)
{
    if (rc == REMOTE_E_CONFIG)
        return remote_section_fail(r->section, option, r->err, "%s", why->text);
    if (rc != REMOTE_OK && r->err)
        *r->err = *why;
    return rc;
}

static enum remote_rc take_text(const struct reading *r, const char *option, const char *otherwise,
                                char **field)
{
    return kesd_text_set(field, remote_section_text(r->section, option, otherwise), r->err);
}

static void take_duration(const struct reading *r, const char *option, int64_t *field)
{
    *field = (int64_t)remote_section_number(r->section, option, (uint64_t)*field);
}

static bool is_word(const struct reading *r, const char *option, const char *word)
{
    return strcmp(remote_section_text(r->section, option, ""), word) == 0;
}

static enum remote_rc take_slot(const struct reading *r, const char *option, char **field)
{
    const char *name = remote_section_text(r->section, option, NULL);

    if (name && !remote_core_find_slot(r->core, name))
        return remote_section_fail(r->section, option, r->err, "there is no [slot %.40s]", name);
    return kesd_text_set(field, name, r->err);
}

static enum remote_rc need(const struct reading *r, const char *option, const char *why)
{
    if (remote_section_has(r->section, option))
        return REMOTE_OK;
    return remote_section_fail(r->section, option, r->err, "is missing; %s", why);
}

/* ---- [kes] ---- */

static enum remote_rc read_server(const struct reading *r)
{
    struct kesd_settings *settings = r->settings;
    struct remote_error why = { 0 };

    REMOTE_TRY(need(r, "cert_file", "a PEM file with the server's certificate"));
    REMOTE_TRY(need(r, "key_file", "a PEM file with the private key of cert_file"));
    REMOTE_TRY(take_text(r, "address", "0.0.0.0:7373", &settings->address));
    REMOTE_TRY(fault(r, "address", kesd_settings_check_address(settings->address, &why), &why));
    REMOTE_TRY(take_text(r, "cert_file", NULL, &settings->cert_file));
    REMOTE_TRY(take_text(r, "key_file", NULL, &settings->key_file));
    REMOTE_TRY(take_text(r, "ca_file", NULL, &settings->ca_file));
    settings->client_cert_expiry = is_word(r, "client_cert_expiry", "enforce");
    settings->audit_all = is_word(r, "audit", "all");
    settings->log_audit = settings->audit_all || is_word(r, "audit", "changes");
    settings->log_error = remote_section_bool(r->section, "error_log", true);
    return fault(r, "admin",
                 kesd_settings_set_admin(settings,
                                         remote_section_text(r->section, "admin", "disabled"),
                                         &why),
                 &why);
}

static enum remote_rc read_lists(const struct reading *r)
{
    struct remote_error why = { 0 };

    for (const char *const *w = remote_section_words(r->section, "skip_auth"); *w; w++)
        REMOTE_TRY(fault(r, "skip_auth", kesd_rules_add(&r->settings->skip_auth, *w, &why), &why));
    for (const char *const *w = remote_section_words(r->section, "create"); *w; w++)
        REMOTE_TRY(fault(r, "create", kesd_settings_add_key(r->settings, *w, &why), &why));
    return REMOTE_OK;
}

/* ---- where keys are ---- */

static enum kesd_store_kind store_of(const struct reading *r)
{
    if (is_word(r, "store", "directory"))
        return KESD_STORE_DIRECTORY;
    if (is_word(r, "store", "vault"))
        return KESD_STORE_VAULT;
    if (is_word(r, "store", "slot"))
        return KESD_STORE_SLOT;
    return remote_section_has(r->section, "directory")    ? KESD_STORE_DIRECTORY
           : remote_section_has(r->section, "vault_slot") ? KESD_STORE_VAULT
                                                          : KESD_STORE_SLOT;
}

#define DIRECTORY (1u << KESD_STORE_DIRECTORY)
#define VAULT (1u << KESD_STORE_VAULT)

/* clang-format off */
static const struct {
    const char *option;
    unsigned stores; /* that it has a meaning for */
    const char *goes_with;
} store_options[] = {
    { "store_format",  DIRECTORY | VAULT, "store = directory or vault" },
    { "sealing_key",   DIRECTORY | VAULT, "store = directory or vault" },
    { "directory",     DIRECTORY,         "store = directory" },
    { "vault_slot",    VAULT,             "store = vault" },
    { "vault_mount",   VAULT,             "store = vault" },
    { "vault_prefix",  VAULT,             "store = vault" },
    { "vault_version", VAULT,             "store = vault" },
    { "vault_transit", VAULT,             "store = vault" },
};
/* clang-format on */

static enum remote_rc check_store_options(const struct reading *r)
{
    for (size_t i = 0; i < ARRAY_SIZE(store_options); i++)
        if (remote_section_has(r->section, store_options[i].option) &&
            !(store_options[i].stores & 1u << r->settings->store))
            return remote_section_fail(r->section, store_options[i].option, r->err,
                                       "is of no use here: it goes with %s",
                                       store_options[i].goes_with);
    return REMOTE_OK;
}

static enum remote_rc check_format(const struct reading *r)
{
    if (r->settings->store == KESD_STORE_SLOT)
        return need(r, "slot", "the slot whose keys are served");
    if (r->settings->format == KESD_FORMAT_SEALED) {
        REMOTE_TRY(need(r, "slot",
                        "the slot of the key that seals what is kept; or take "
                        "store_format = kes"));
        REMOTE_TRY(need(r, "sealing_key", "the key of that slot which seals what is kept"));
    }
    if (r->settings->format == KESD_FORMAT_SEALED && r->settings->vault_transit)
        return remote_section_fail(r->section, "vault_transit", r->err,
                                   "goes with store_format = kes; sealed keys need no wrapping");
    if (r->settings->format == KESD_FORMAT_KES && r->settings->sealing_key)
        return remote_section_fail(r->section, "sealing_key", r->err,
                                   "goes with store_format = sealed; KES's form has no seal");
    return REMOTE_OK;
}

static enum remote_rc read_store(const struct reading *r)
{
    struct kesd_settings *settings = r->settings;

    settings->store = store_of(r);
    settings->format = is_word(r, "store_format", "kes") ? KESD_FORMAT_KES : KESD_FORMAT_SEALED;
    REMOTE_TRY(check_store_options(r));
    REMOTE_TRY(take_slot(r, "slot", &settings->slot));
    REMOTE_TRY(take_text(r, "sealing_key", NULL, &settings->sealing_key));
    REMOTE_TRY(take_text(r, "directory", NULL, &settings->directory));
    REMOTE_TRY(take_slot(r, "vault_slot", &settings->vault_slot));
    REMOTE_TRY(take_text(r, "vault_mount", "secret", &settings->vault_mount));
    REMOTE_TRY(take_text(r, "vault_prefix", "kes", &settings->vault_prefix));
    REMOTE_TRY(take_text(r, "vault_transit", NULL, &settings->vault_transit));
    settings->vault_version =
        (unsigned)remote_section_number(r->section, "vault_version", settings->vault_version);
    take_duration(r, "cache_any", &settings->cache_any_ms);
    take_duration(r, "cache_unused", &settings->cache_unused_ms);
    take_duration(r, "cache_offline", &settings->cache_offline_ms);
    if (settings->store == KESD_STORE_DIRECTORY)
        REMOTE_TRY(need(r, "directory", "where keys are kept"));
    if (settings->store == KESD_STORE_VAULT)
        REMOTE_TRY(need(r, "vault_slot", "the slot whose login reads and writes the keys"));
    return check_format(r);
}

/* ---- [kes-policy NAME] ---- */

static enum remote_rc read_rules(const struct reading *r, const char *option,
                                 struct kesd_rules *rules)
{
    struct remote_error why = { 0 };

    for (const char *const *w = remote_section_words(r->section, option); *w; w++)
        REMOTE_TRY(fault(r, option, kesd_rules_add(rules, *w, &why), &why));
    return REMOTE_OK;
}

static enum remote_rc read_policy(const struct reading *r)
{
    const struct remote_option *const tables[] = { kesd_options_policy, NULL };
    struct remote_error why = { 0 };
    struct kesd_policy *policy;

    REMOTE_TRY(remote_section_check(r->section, tables, r->err));
    REMOTE_TRY(
        fault(r, "name",
              kesd_settings_add_policy(r->settings, remote_section_name(r->section), &policy, &why),
              &why));
    REMOTE_TRY(read_rules(r, "allow", &policy->allow));
    REMOTE_TRY(read_rules(r, "deny", &policy->deny));
    for (const char *const *w = remote_section_words(r->section, "identities"); *w; w++)
        REMOTE_TRY(fault(r, "identities", kesd_settings_add_identity(r->settings, policy, *w, &why),
                         &why));
    return REMOTE_OK;
}

/* ---- the whole ---- */

static enum remote_rc read_sections(const struct remote_config *config, struct remote_core *core,
                                    struct kesd_settings *settings, struct remote_error *err)
{
    const struct remote_option *const tables[] = { kesd_options, NULL };
    struct reading r = { core, NULL, settings, err };

    for (size_t i = 0; i < config->front_count; i++)
        if (strcmp(remote_section_kind(config->fronts[i]), "kes") == 0)
            r.section = config->fronts[i];
    if (!r.section)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "%s has no section [kes]; hsmbridge.conf(5) says what it holds",
                           config->source);
    REMOTE_TRY(remote_section_check(r.section, tables, err));
    REMOTE_TRY(read_server(&r));
    REMOTE_TRY(read_store(&r));
    REMOTE_TRY(read_lists(&r));
    for (size_t i = 0; i < config->front_count; i++) {
        r.section = config->fronts[i];
        if (strcmp(remote_section_kind(r.section), "kes-policy") == 0)
            REMOTE_TRY(read_policy(&r));
    }
    return REMOTE_OK;
}

static void settings_clear(struct kesd_settings **settings)
{
    kesd_settings_free(*settings);
}

enum remote_rc kesd_settings_read(struct remote_core *core, struct kesd_settings **ret,
                                  struct remote_error *err)
{
    CLEANUP(remote_config_clear) struct remote_config config = { 0 };
    CLEANUP(settings_clear) struct kesd_settings *settings = NULL;

    /* Read anew: the core keeps only what its slots need. */
    REMOTE_TRY(remote_config_load(remote_core_source(core), &config, err));
    REMOTE_TRY(kesd_settings_new(&settings, err));
    REMOTE_TRY(read_sections(&config, core, settings, err));
    *ret = settings;
    settings = NULL;
    return REMOTE_OK;
}
