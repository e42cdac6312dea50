/* SPDX-License-Identifier: Apache-2.0 */
#include "settings_private.h"

#include <stdlib.h>
#include <string.h>

#include "name.h"

/* ---- the whole ---- */

enum remote_rc kesd_settings_new(struct kesd_settings **ret, struct remote_error *err)
{
    struct kesd_settings *settings = calloc(1, sizeof(*settings));

    if (!settings)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    settings->vault_version = 1;
    settings->cache_any_ms = 5 * 60 * 1000;
    settings->cache_unused_ms = 30 * 1000;
    settings->log_error = true;
    *ret = settings;
    return REMOTE_OK;
}

static void rules_clear(struct kesd_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        free(rules->rules[i].path);
    free(rules->rules);
}

static void policy_clear(struct kesd_policy *policy)
{
    rules_clear(&policy->allow);
    rules_clear(&policy->deny);
    free(policy->identities);
    free(policy->name);
}

void kesd_settings_free(struct kesd_settings *settings)
{
    if (!settings)
        return;
    for (size_t i = 0; i < settings->policy_count; i++)
        policy_clear(&settings->policies[i]);
    free(settings->policies);
    rules_clear(&settings->skip_auth);
    for (size_t i = 0; i < settings->create_count; i++)
        free(settings->create[i]);
    free(settings->create);
    free(settings->address);
    free(settings->cert_file);
    free(settings->key_file);
    free(settings->ca_file);
    free(settings->slot);
    free(settings->sealing_key);
    free(settings->directory);
    free(settings->vault_slot);
    free(settings->vault_mount);
    free(settings->vault_prefix);
    free(settings->vault_transit);
    free(settings);
}

/* ---- parts ---- */

enum remote_rc kesd_text_set(char **field, const char *text, struct remote_error *err)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    free(*field);
    *field = copy;
    return REMOTE_OK;
}

/* *items has room for one more, zeroed, behind count. */
static enum remote_rc grow(void **items, size_t count, size_t size, struct remote_error *err)
{
    char *grown = reallocarray(*items, count + 1, size);

    if (!grown)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    memset(grown + count * size, 0, size);
    *items = grown;
    return REMOTE_OK;
}

enum remote_rc kesd_settings_check_address(const char *address, struct remote_error *err)
{
    const char *colon = strrchr(address, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;

    if (!colon || digits == 0 || digits > 5 || colon[1 + digits] != '\0' ||
        strtoul(colon + 1, NULL, 10) > 65535)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "'%.60s' is not HOST:PORT, such as 0.0.0.0:7373 or [::]:7373", address);
    return REMOTE_OK;
}

enum remote_rc kesd_rules_add(struct kesd_rules *rules, const char *path, struct remote_error *err)
{
    size_t len = strlen(path);
    bool prefix = len > 0 && path[len - 1] == '*';
    const char *star = strchr(path, '*');
    void *items = rules->rules;
    struct kesd_rule *rule;

    if (path[0] != '/' || (star && star != path + len - 1))
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "'%.80s' is not a path of the API, such as /v1/key/create/app-*; a '*' "
                           "stands at its end only",
                           path);
    REMOTE_TRY(grow(&items, rules->count, sizeof(*rule), err));
    rules->rules = items;
    rule = &rules->rules[rules->count];
    rule->prefix = prefix;
    rule->path = strndup(path, len - prefix);
    if (!rule->path)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    rules->count++;
    return REMOTE_OK;
}

static enum remote_rc check_name(const char *name, const char *what, struct remote_error *err)
{
    if (kesd_name_is_fit(remote_slice_str(name)))
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                       "'%.90s' is no name for a %s: 1 to %d of 0-9, A-Z, a-z, '_' and '-', which "
                       "stands at neither end",
                       name, what, KESD_NAME_MAX);
}

enum remote_rc kesd_settings_add_policy(struct kesd_settings *settings, const char *name,
                                        struct kesd_policy **ret, struct remote_error *err)
{
    void *items = settings->policies;
    struct kesd_policy *policy;

    REMOTE_TRY(check_name(name, "policy", err));
    REMOTE_TRY(grow(&items, settings->policy_count, sizeof(*policy), err));
    settings->policies = items;
    policy = &settings->policies[settings->policy_count];
    REMOTE_TRY(kesd_text_set(&policy->name, name, err));
    settings->policy_count++;
    *ret = policy;
    return REMOTE_OK;
}

static const struct kesd_policy *holder_of(const struct kesd_settings *settings,
                                           const char *identity)
{
    for (size_t p = 0; p < settings->policy_count; p++)
        for (size_t i = 0; i < settings->policies[p].identity_count; i++)
            if (strcmp(settings->policies[p].identities[i], identity) == 0)
                return &settings->policies[p];
    return NULL;
}

static enum remote_rc read_identity(const char *text, char ret[KESD_IDENTITY_LEN + 1],
                                    struct remote_error *err)
{
    if (kesd_identity_read(text, ret))
        return REMOTE_OK;
    return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                       "'%.70s' is no identity: it has %d hex digits, the SHA-256 of a "
                       "certificate's public key",
                       text, KESD_IDENTITY_LEN);
}

enum remote_rc kesd_settings_add_identity(struct kesd_settings *settings,
                                          struct kesd_policy *policy, const char *identity,
                                          struct remote_error *err)
{
    char lower[KESD_IDENTITY_LEN + 1];
    const struct kesd_policy *other;
    void *items = policy->identities;

    REMOTE_TRY(read_identity(identity, lower, err));
    other = holder_of(settings, lower);
    if (other == policy)
        return REMOTE_OK;
    if (other)
        return REMOTE_FAIL(err, REMOTE_E_CONFIG,
                           "%s is in policy %s already; an identity has one policy", lower,
                           other->name);
    REMOTE_TRY(grow(&items, policy->identity_count, sizeof(*policy->identities), err));
    policy->identities = items;
    memcpy(policy->identities[policy->identity_count++], lower, sizeof(lower));
    return REMOTE_OK;
}

enum remote_rc kesd_settings_add_key(struct kesd_settings *settings, const char *name,
                                     struct remote_error *err)
{
    void *items = settings->create;

    REMOTE_TRY(check_name(name, "key", err));
    REMOTE_TRY(grow(&items, settings->create_count, sizeof(*settings->create), err));
    settings->create = items;
    REMOTE_TRY(kesd_text_set(&settings->create[settings->create_count], name, err));
    settings->create_count++;
    return REMOTE_OK;
}

enum remote_rc kesd_settings_set_admin(struct kesd_settings *settings, const char *identity,
                                       struct remote_error *err)
{
    if (strcmp(identity, "disabled") == 0) {
        settings->admin[0] = '\0';
        return REMOTE_OK;
    }
    return read_identity(identity, settings->admin, err);
}
