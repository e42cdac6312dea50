/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kes.yml of a KES. What it says of keys is KES's own form of them, so that one server can
 * take the other's place, or stand beside it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "settings_private.h"
#include "yaml_tree.h"

struct reading {
    struct kesd_yaml *yaml;
    struct remote_core *core;
    struct kesd_settings *settings;
    struct remote_error *err;
};

/* ---- what is known ---- */

struct level {           /* of the file: a mapping, by its place */
    const char *place;   /* "tls", "keystore.vault"; "": the top */
    const char *members; /* blank-separated; what is not among them is named in the log */
};

/* clang-format off */
static const struct level levels[] = {
    { "", "version address admin tls policy cache log keys api keystore" },
    { "admin", "identity" },
    { "tls", "key cert auth ca password" },
    { "cache", "expiry" },
    { "cache.expiry", "any unused offline" },
    { "log", "error audit" },
    { "keystore.fs", "path" },
    /* The second line's are told of with the slot that stands for them. */
    { "keystore.vault", "endpoint engine version prefix transit "
                        "namespace approle kubernetes tls status" },
    { "keystore.vault.transit", "engine key" },
};
/* clang-format on */

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = words; (at = strstr(at, word)) != NULL; at += len)
        if (len > 0 && (at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

static void warn_of_strangers(const struct reading *r, const struct level *level,
                              const kesd_yaml_node *node)
{
    const char *dot = level->place[0] ? "." : "", *name;
    const kesd_yaml_node *value;

    for (size_t i = 0; kesd_yaml_nth(r->yaml, node, i, &name, &value); i++)
        if (!has_word(level->members, name))
            kesd_yaml_warn(r->yaml, value, "%s%s%.60s has no meaning for hsmbridge-kes",
                           level->place, dot, name);
}

/* The node at a place such as "cache.expiry"; NULL: not there. */
static const kesd_yaml_node *find(const struct reading *r, const char *place)
{
    const kesd_yaml_node *node = kesd_yaml_root(r->yaml);
    char name[64];

    while (node && *place) {
        size_t len = strcspn(place, ".");

        if (len >= sizeof(name))
            return NULL;
        memcpy(name, place, len);
        name[len] = '\0';
        node = kesd_yaml_at(r->yaml, node, name);
        place += len + (place[len] == '.');
    }
    return node;
}

static enum remote_rc check_levels(const struct reading *r)
{
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        const kesd_yaml_node *node = find(r, levels[i].place);

        if (!node)
            continue;
        if (!kesd_yaml_is_map(node))
            return kesd_yaml_fail(r->yaml, node, r->err, "%s holds names with values",
                                  levels[i].place[0] ? levels[i].place : "this file");
        warn_of_strangers(r, &levels[i], node);
    }
    return REMOTE_OK;
}

/* ---- values ---- */

/* Names the place before what is wrong with its value. */
static enum remote_rc fault(const struct reading *r, const kesd_yaml_node *node, const char *place,
                            enum remote_rc rc, const struct remote_error *why)
{
    if (rc == REMOTE_E_CONFIG)
        return kesd_yaml_fail(r->yaml, node, r->err, "%s: %s", place, why->text);
    if (rc != REMOTE_OK && r->err)
        *r->err = *why;
    return rc;
}

/* otherwise: when it is not there, or empty. */
static enum remote_rc take_text(const struct reading *r, const char *place, const char *otherwise,
                                char **field)
{
    const kesd_yaml_node *node = find(r, place);

    if (node)
        REMOTE_TRY(kesd_yaml_text(r->yaml, node, field, r->err));
    if (!*field || !**field)
        return kesd_text_set(field, otherwise, r->err);
    return REMOTE_OK;
}

/* Paths of KES begin where it was started. */
static enum remote_rc take_path(const struct reading *r, const char *place, char **field)
{
    CLEANUP(remote_str_free) char *here = NULL;
    CLEANUP(remote_buf_clear) struct remote_buf whole = { 0 };

    REMOTE_TRY(take_text(r, place, NULL, field));
    if (!*field || (*field)[0] == '/')
        return REMOTE_OK;
    here = get_current_dir_name();
    if (!here)
        return kesd_yaml_fail(r->yaml, find(r, place), r->err, "%s: '%s' is not an absolute path",
                              place, *field);
    remote_buf_printf(&whole, "%s/%s", here, *field);
    REMOTE_TRY(remote_buf_check(&whole, r->err));
    return kesd_text_set(field, (const char *)whole.data, r->err);
}

static enum remote_rc need(const struct reading *r, const char *place, const char *value,
                           const char *why)
{
    if (value)
        return REMOTE_OK;
    return kesd_yaml_fail(r->yaml, find(r, place), r->err, "%s is missing: %s", place, why);
}

static enum remote_rc take_switch(const struct reading *r, const char *place, bool *field)
{
    CLEANUP(remote_str_free) char *text = NULL;

    REMOTE_TRY(take_text(r, place, *field ? "on" : "off", &text));
    *field = strcmp(text, "on") == 0 || strcmp(text, "true") == 0;
    if (!*field && strcmp(text, "off") != 0 && strcmp(text, "false") != 0)
        return kesd_yaml_fail(r->yaml, find(r, place), r->err, "%s: '%.40s' is neither on nor off",
                              place, text);
    return REMOTE_OK;
}

/* "1h30m", "1.5s", "0": time.ParseDuration() of Go. */
static bool read_duration(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = { { "ms", 1 },     { "us", 1e-3 }, { "ns", 1e-6 },
                  { "h", 3600e3 }, { "m", 60e3 },  { "s", 1e3 } };
    double sum = 0;

    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return true;
    }
    while (*text) {
        size_t digits = strspn(text, "0123456789."), i = 0;
        double number = strtod(text, NULL);

        if (digits == 0 || digits > 15)
            return false;
        text += digits;
        while (i < ARRAY_SIZE(units) && strncmp(text, units[i].unit, strlen(units[i].unit)) != 0)
            i++;
        if (i == ARRAY_SIZE(units))
            return false;
        text += strlen(units[i].unit);
        sum += number * units[i].ms;
    }
    if (sum > 366.0 * 24 * 3600e3)
        return false;
    *ret_ms = (int64_t)sum;
    return true;
}

static enum remote_rc take_duration(const struct reading *r, const char *place, int64_t *field)
{
    CLEANUP(remote_str_free) char *text = NULL;

    REMOTE_TRY(take_text(r, place, NULL, &text));
    if (!text || read_duration(text, field))
        return REMOTE_OK;
    return kesd_yaml_fail(r->yaml, find(r, place), r->err,
                          "%s: '%.40s' is no duration such as 5m0s, 30s or 1h", place, text);
}

/* ---- server ---- */

static enum remote_rc read_version(const struct reading *r)
{
    CLEANUP(remote_str_free) char *version = NULL;

    REMOTE_TRY(take_text(r, "version", "v1", &version));
    if (strcmp(version, "v1") != 0)
        return kesd_yaml_fail(r->yaml, find(r, "version"), r->err,
                              "version: '%.40s' is not known; there is v1", version);
    return REMOTE_OK;
}

static enum remote_rc read_tls(const struct reading *r)
{
    struct kesd_settings *settings = r->settings;
    bool verified = false;

    REMOTE_TRY(take_path(r, "tls.cert", &settings->cert_file));
    REMOTE_TRY(take_path(r, "tls.key", &settings->key_file));
    REMOTE_TRY(need(r, "tls.cert", settings->cert_file, "a PEM file with the certificate"));
    REMOTE_TRY(need(r, "tls.key", settings->key_file, "a PEM file with the private key"));
    if (find(r, "tls.password"))
        return kesd_yaml_fail(r->yaml, find(r, "tls.password"), r->err,
                              "tls.password: a key with a password is not read; write it without "
                              "one (openssl pkey -in KEY -out NEW) and take this line away");
    REMOTE_TRY(take_switch(r, "tls.auth", &verified));
    if (!verified)
        return REMOTE_OK;                /* KES reads no tls.ca then */
    settings->client_cert_expiry = true; /* as it is part of the check */
    REMOTE_TRY(take_path(r, "tls.ca", &settings->ca_file));
    return need(r, "tls.ca", settings->ca_file,
                "with tls.auth = on clients are checked against the CAs of a PEM file");
}

static enum remote_rc read_admin(const struct reading *r)
{
    CLEANUP(remote_str_free) char *identity = NULL;
    struct remote_error why = { 0 };

    REMOTE_TRY(take_text(r, "admin.identity", "disabled", &identity));
    if (kesd_settings_set_admin(r->settings, identity, &why) != REMOTE_OK)
        kesd_yaml_warn(r->yaml, find(r, "admin.identity"),
                       "admin.identity: '%.40s' is no identity, so nobody is the admin", identity);
    return REMOTE_OK;
}

static enum remote_rc read_server(const struct reading *r)
{
    struct kesd_settings *settings = r->settings;
    struct remote_error why = { 0 };

    REMOTE_TRY(read_version(r));
    REMOTE_TRY(take_text(r, "address", "0.0.0.0:7373", &settings->address));
    REMOTE_TRY(fault(r, find(r, "address"), "address",
                     kesd_settings_check_address(settings->address, &why), &why));
    REMOTE_TRY(read_tls(r));
    REMOTE_TRY(read_admin(r));
    REMOTE_TRY(take_switch(r, "log.error", &settings->log_error));
    REMOTE_TRY(take_switch(r, "log.audit", &settings->log_audit));
    REMOTE_TRY(take_duration(r, "cache.expiry.any", &settings->cache_any_ms));
    REMOTE_TRY(take_duration(r, "cache.expiry.unused", &settings->cache_unused_ms));
    return take_duration(r, "cache.expiry.offline", &settings->cache_offline_ms);
}

/* ---- policies ---- */

static enum remote_rc add_rule(const struct reading *r, struct kesd_policy *policy,
                               struct kesd_rules *rules, const kesd_yaml_node *node,
                               struct remote_error *ret_why)
{
    CLEANUP(remote_str_free) char *path = NULL;

    (void)policy;
    REMOTE_TRY(kesd_yaml_text(r->yaml, node, &path, ret_why));
    return kesd_rules_add(rules, path, ret_why);
}

static enum remote_rc add_identity(const struct reading *r, struct kesd_policy *policy,
                                   struct kesd_rules *rules, const kesd_yaml_node *node,
                                   struct remote_error *ret_why)
{
    CLEANUP(remote_str_free) char *identity = NULL;

    (void)rules;
    REMOTE_TRY(kesd_yaml_text(r->yaml, node, &identity, ret_why));
    if (!*identity)
        return REMOTE_OK; /* of a variable that is not set: said already */
    return kesd_settings_add_identity(r->settings, policy, identity, ret_why);
}

typedef enum remote_rc add_fn(const struct reading *r, struct kesd_policy *policy,
                              struct kesd_rules *rules, const kesd_yaml_node *node,
                              struct remote_error *ret_why);

/* Each item of a list, or what is wrong with it. */
static enum remote_rc read_list(const struct reading *r, struct kesd_policy *policy,
                                const kesd_yaml_node *list, const char *member, add_fn *add,
                                struct kesd_rules *rules)
{
    const kesd_yaml_node *item;
    const char *none;

    if (!list)
        return REMOTE_OK;
    if (!kesd_yaml_is_list(list))
        return kesd_yaml_fail(r->yaml, list, r->err, "policy.%s.%s: a list is expected",
                              policy->name, member);
    for (size_t i = 0; kesd_yaml_nth(r->yaml, list, i, &none, &item); i++) {
        struct remote_error why = { 0 };

        if (add(r, policy, rules, item, &why) != REMOTE_OK)
            return kesd_yaml_fail(r->yaml, item, r->err, "policy.%s.%s: %s", policy->name, member,
                                  why.text);
    }
    return REMOTE_OK;
}

static enum remote_rc read_policy(const struct reading *r, const char *name,
                                  const kesd_yaml_node *node)
{
    static const struct level members = { "policy", "allow deny identities" };
    const kesd_yaml_node *paths = kesd_yaml_at(r->yaml, node, "paths");
    struct remote_error why = { 0 };
    struct kesd_policy *policy;

    REMOTE_TRY(
        fault(r, node, "policy", kesd_settings_add_policy(r->settings, name, &policy, &why), &why));
    if (paths)
        return kesd_yaml_fail(r->yaml, paths, r->err,
                              "policy.%s.paths is of a form that KES no longer reads, so that the "
                              "policy allows nothing; write allow: in its place",
                              name);
    if (!kesd_yaml_is_map(node))
        return kesd_yaml_fail(r->yaml, node, r->err, "policy.%s holds allow, deny and identities",
                              name);
    warn_of_strangers(r, &members, node);
    REMOTE_TRY(read_list(r, policy, kesd_yaml_at(r->yaml, node, "allow"), "allow", add_rule,
                         &policy->allow));
    REMOTE_TRY(
        read_list(r, policy, kesd_yaml_at(r->yaml, node, "deny"), "deny", add_rule, &policy->deny));
    return read_list(r, policy, kesd_yaml_at(r->yaml, node, "identities"), "identities",
                     add_identity, NULL);
}

static enum remote_rc read_policies(const struct reading *r)
{
    const kesd_yaml_node *policies = find(r, "policy"), *policy;
    const char *name;

    for (size_t i = 0; policies && kesd_yaml_nth(r->yaml, policies, i, &name, &policy); i++)
        REMOTE_TRY(read_policy(r, name, policy));
    return REMOTE_OK;
}

/* ---- keys and paths ---- */

static enum remote_rc read_keys(const struct reading *r)
{
    const kesd_yaml_node *keys = find(r, "keys"), *key;
    const char *none;

    for (size_t i = 0; keys && kesd_yaml_nth(r->yaml, keys, i, &none, &key); i++) {
        CLEANUP(remote_str_free) char *name = NULL;
        const kesd_yaml_node *named = kesd_yaml_at(r->yaml, key, "name");
        struct remote_error why = { 0 };

        if (!named)
            return kesd_yaml_fail(r->yaml, key, r->err, "keys: each item is a name: of a key");
        REMOTE_TRY(kesd_yaml_text(r->yaml, named, &name, r->err));
        REMOTE_TRY(fault(r, named, "keys", kesd_settings_add_key(r->settings, name, &why), &why));
    }
    return REMOTE_OK;
}

static enum remote_rc read_api(const struct reading *r)
{
    static const struct level members = { "api", "skip_auth" };
    const kesd_yaml_node *api = find(r, "api"), *entry, *skip;
    const char *path;

    for (size_t i = 0; api && kesd_yaml_nth(r->yaml, api, i, &path, &entry); i++) {
        CLEANUP(remote_str_free) char *text = NULL;
        CLEANUP(remote_buf_clear) struct remote_buf rule = { 0 };
        struct remote_error why = { 0 };

        if (!kesd_yaml_is_map(entry))
            return kesd_yaml_fail(r->yaml, entry, r->err, "api.%.60s holds skip_auth", path);
        warn_of_strangers(r, &members, entry);
        skip = kesd_yaml_at(r->yaml, entry, "skip_auth");
        if (skip)
            REMOTE_TRY(kesd_yaml_text(r->yaml, skip, &text, r->err));
        if (!text || strcmp(text, "true") != 0)
            continue;
        /* An entry of the API that ends in a slash is that of all its names. */
        remote_buf_printf(&rule, "%s%s", path, path[0] && path[strlen(path) - 1] == '/' ? "*" : "");
        REMOTE_TRY(remote_buf_check(&rule, r->err));
        REMOTE_TRY(fault(r, entry, "api",
                         kesd_rules_add(&r->settings->skip_auth, (const char *)rule.data, &why),
                         &why));
    }
    return REMOTE_OK;
}

/* ---- key stores ---- */

static bool same_url(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);

    while (a_len > 0 && a[a_len - 1] == '/')
        a_len--;
    while (b_len > 0 && b[b_len - 1] == '/')
        b_len--;
    return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

/* The slot that talks to this Vault. */
static const struct remote_slot *find_vault(const struct reading *r, const char *endpoint)
{
    for (size_t i = 0; i < remote_core_slot_count(r->core); i++) {
        const struct remote_slot *slot = remote_core_slot(r->core, i);

        if (strcmp(remote_slot_backend(slot), "vault") != 0 ||
            !remote_core_find_slot(r->core, remote_slot_name(slot)))
            continue;
        for (const char *const *url = remote_section_words(remote_slot_section(slot), "url"); *url;
             url++)
            if (same_url(*url, endpoint))
                return slot;
    }
    return NULL;
}

static enum remote_rc read_transit(const struct reading *r, const struct remote_slot *slot)
{
    CLEANUP(remote_str_free) char *engine = NULL;
    const char *mount = remote_section_text(remote_slot_section(slot), "mount", "transit");

    if (!find(r, "keystore.vault.transit"))
        return REMOTE_OK;
    REMOTE_TRY(take_text(r, "keystore.vault.transit.engine", "transit", &engine));
    REMOTE_TRY(take_text(r, "keystore.vault.transit.key", NULL, &r->settings->vault_transit));
    REMOTE_TRY(need(r, "keystore.vault.transit.key", r->settings->vault_transit,
                    "the key that wraps those of KES"));
    if (strcmp(engine, mount) != 0)
        return kesd_yaml_fail(r->yaml, find(r, "keystore.vault.transit"), r->err,
                              "keystore.vault.transit.engine is %.40s, and [slot %s] has mount = "
                              "%.40s; write the same in both",
                              engine, remote_slot_name(slot), mount);
    return REMOTE_OK;
}

static enum remote_rc read_vault(const struct reading *r)
{
    CLEANUP(remote_str_free) char *endpoint = NULL, *version = NULL;
    struct kesd_settings *settings = r->settings;
    const struct remote_slot *slot;

    settings->store = KESD_STORE_VAULT;
    REMOTE_TRY(take_text(r, "keystore.vault.endpoint", NULL, &endpoint));
    REMOTE_TRY(need(r, "keystore.vault.endpoint", endpoint, "the URL of Vault"));
    REMOTE_TRY(take_text(r, "keystore.vault.engine", "kv", &settings->vault_mount));
    REMOTE_TRY(take_text(r, "keystore.vault.prefix", "", &settings->vault_prefix));
    REMOTE_TRY(take_text(r, "keystore.vault.version", "v1", &version));
    settings->vault_version = strcmp(version, "v2") == 0 ? 2 : 1;
    if (settings->vault_version == 1 && strcmp(version, "v1") != 0)
        return kesd_yaml_fail(r->yaml, find(r, "keystore.vault.version"), r->err,
                              "keystore.vault.version: '%.40s' is neither v1 nor v2", version);
    slot = find_vault(r, endpoint);
    if (!slot)
        return kesd_yaml_fail(r->yaml, find(r, "keystore.vault"), r->err,
                              "keystore.vault: the login is that of a slot, and %.80s has none "
                              "with backend = vault and url = %.80s",
                              remote_core_source(r->core), endpoint);
    remote_log(REMOTE_LOG_INFO,
               "keystore.vault: [slot %s] logs in; namespace, login and tls of "
               "this file are not read",
               remote_slot_name(slot));
    REMOTE_TRY(kesd_text_set(&settings->vault_slot, remote_slot_name(slot), r->err));
    return read_transit(r, slot);
}

static enum remote_rc read_store(const struct reading *r)
{
    const kesd_yaml_node *store = find(r, "keystore"), *value;
    const char *name = "";

    r->settings->format = KESD_FORMAT_KES;
    if (find(r, "keystore.vault"))
        return read_vault(r);
    if (find(r, "keystore.fs")) {
        r->settings->store = KESD_STORE_DIRECTORY;
        REMOTE_TRY(take_path(r, "keystore.fs.path", &r->settings->directory));
        return need(r, "keystore.fs.path", r->settings->directory, "the directory of the keys");
    }
    if (!store || !kesd_yaml_nth(r->yaml, store, 0, &name, &value))
        return kesd_yaml_fail(r->yaml, store, r->err,
                              "keystore is missing: keystore.fs or keystore.vault");
    return kesd_yaml_fail(r->yaml, store, r->err,
                          "keystore.%.40s is not served; copy the keys to a directory or to Vault, "
                          "or into a slot (hsmbridge import)",
                          name);
}

/* ---- the whole ---- */

static enum remote_rc read_all(const struct reading *r)
{
    REMOTE_TRY(check_levels(r));
    REMOTE_TRY(read_server(r));
    REMOTE_TRY(read_policies(r));
    REMOTE_TRY(read_keys(r));
    REMOTE_TRY(read_api(r));
    return read_store(r);
}

enum remote_rc kesd_settings_read_yaml(const char *path, struct remote_core *core,
                                       struct kesd_settings **ret, struct remote_error *err)
{
    struct reading r = { .core = core, .err = err };
    enum remote_rc rc;

    REMOTE_TRY(kesd_yaml_read(path, &r.yaml, err));
    rc = kesd_settings_new(&r.settings, err);
    if (rc == REMOTE_OK)
        rc = read_all(&r);
    kesd_yaml_free(r.yaml);
    if (rc != REMOTE_OK) {
        kesd_settings_free(r.settings);
        return rc;
    }
    *ret = r.settings;
    return REMOTE_OK;
}
