/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include <stdlib.h>
#include <string.h>

bool kesd_rules_match(const struct kesd_rules *rules, struct remote_slice path)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct kesd_rule *rule = &rules->rules[i];
        size_t len = strlen(rule->path);

        if ((path.len == len || (rule->prefix && path.len > len)) &&
            memcmp(path.data, rule->path, len) == 0)
            return true;
    }
    return false;
}

static int by_identity(const void *a, const void *b)
{
    const struct kesd_holder *one = a, *other = b;
    int order = strcmp(one->identity, other->identity);

    /* The admin first: a policy of the same identity has no say. */
    return order != 0 ? order : (one->policy != NULL) - (other->policy != NULL);
}

static void drop_repeated(struct kesd_rights *rights)
{
    size_t kept = 0;

    for (size_t i = 0; i < rights->count; i++)
        if (kept == 0 ||
            strcmp(rights->holders[kept - 1].identity, rights->holders[i].identity) != 0)
            rights->holders[kept++] = rights->holders[i];
    rights->count = kept;
}

enum remote_rc kesd_rights_init(const struct kesd_settings *settings, struct kesd_rights *ret,
                                struct remote_error *err)
{
    struct kesd_rights rights = { .settings = settings };
    size_t room = 1;

    for (size_t p = 0; p < settings->policy_count; p++)
        room += settings->policies[p].identity_count;
    rights.holders = calloc(room, sizeof(*rights.holders));
    if (!rights.holders)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    if (settings->admin[0])
        rights.holders[rights.count++].identity = settings->admin;
    for (size_t p = 0; p < settings->policy_count; p++)
        for (size_t i = 0; i < settings->policies[p].identity_count; i++)
            rights.holders[rights.count++] =
                (struct kesd_holder){ settings->policies[p].identities[i], &settings->policies[p] };
    qsort(rights.holders, rights.count, sizeof(*rights.holders), by_identity);
    drop_repeated(&rights);
    *ret = rights;
    return REMOTE_OK;
}

void kesd_rights_clear(struct kesd_rights *rights)
{
    free(rights->holders);
    *rights = (struct kesd_rights){ 0 };
}

static int compare(const void *identity, const void *holder)
{
    return strcmp(identity, ((const struct kesd_holder *)holder)->identity);
}

const struct kesd_holder *kesd_rights_find(const struct kesd_rights *rights, const char *identity)
{
    if (rights->count == 0)
        return NULL;
    return bsearch(identity, rights->holders, rights->count, sizeof(*rights->holders), compare);
}

bool kesd_rights_allow(const struct kesd_rights *rights, const char *identity,
                       struct remote_slice path)
{
    const struct kesd_holder *holder = kesd_rights_find(rights, identity);

    if (!holder)
        return false;
    if (!holder->policy)
        return true;
    return !kesd_rules_match(&holder->policy->deny, path) &&
           kesd_rules_match(&holder->policy->allow, path);
}

const struct kesd_policy *kesd_rights_policy(const struct kesd_rights *rights, const char *name)
{
    for (size_t i = 0; i < rights->settings->policy_count; i++)
        if (strcmp(rights->settings->policies[i].name, name) == 0)
            return &rights->settings->policies[i];
    return NULL;
}
