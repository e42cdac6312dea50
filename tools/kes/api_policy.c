/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/policy/ and /v1/identity/ */
#include <stdlib.h>
#include <string.h>

#include "api_private.h"
#include "go_json.h"

/* ---- parts of answers ---- */

static void append_string(struct remote_buf *body, const char *before, const char *text)
{
    remote_buf_append_str(body, before);
    kesd_json_string(body, remote_slice_str(text));
}

/* Policies and identities came with the configuration, so the admin made them. */
static void append_made(struct kesd_call *call, const char *before, bool by_admin)
{
    struct remote_buf *body = &call->response->body;

    remote_buf_append_str(body, before);
    kesd_json_time(body, call->state->since_s, call->state->since_ns);
    if (by_admin && call->state->settings->admin[0])
        append_string(body, ",\"created_by\":", call->state->settings->admin);
}

static bool finish(struct kesd_call *call, const char *end)
{
    remote_buf_append_str(&call->response->body, end);
    return kesd_answer_json(call);
}

static int by_path(const void *a, const void *b)
{
    const struct kesd_rule *const *one = a, *const *other = b;
    int order = strcmp((*one)->path, (*other)->path);

    return order != 0 ? order : (int)(*one)->prefix - (int)(*other)->prefix;
}

/* {"PATH":{},...}, sorted, as Go writes a map */
static void append_rules(struct remote_buf *body, const struct kesd_rules *rules)
{
    const struct kesd_rule **sorted = calloc(rules->count, sizeof(*sorted));

    if (!sorted) {
        body->failed = true;
        return;
    }
    for (size_t i = 0; i < rules->count; i++)
        sorted[i] = &rules->rules[i];
    qsort(sorted, rules->count, sizeof(*sorted), by_path);
    for (size_t i = 0; i < rules->count; i++) {
        CLEANUP(remote_buf_clear) struct remote_buf path = { 0 };

        if (i > 0 && by_path(&sorted[i - 1], &sorted[i]) == 0)
            continue;
        remote_buf_printf(&path, "%s%s", sorted[i]->path, sorted[i]->prefix ? "*" : "");
        remote_buf_append_char(body, i > 0 ? ',' : '{');
        kesd_json_string(body, remote_buf_slice(&path));
        remote_buf_append_str(body, ":{}");
    }
    remote_buf_append_char(body, '}');
    free(sorted);
}

static void append_policy(struct remote_buf *body, const struct kesd_policy *policy)
{
    if (policy->allow.count > 0) {
        remote_buf_append_str(body, ",\"allow\":");
        append_rules(body, &policy->allow);
    }
    if (policy->deny.count > 0) {
        remote_buf_append_str(body, ",\"deny\":");
        append_rules(body, &policy->deny);
    }
}

/* ---- policies ---- */

static bool tell_policy(struct kesd_call *call, bool with_rules)
{
    const struct kesd_policy *policy = kesd_rights_policy(&call->state->rights, call->name);
    struct remote_buf *body = &call->response->body;

    if (!policy)
        return kesd_refuse(call, 404, "policy does not exist");
    append_string(body, "{\"name\":", policy->name);
    if (with_rules)
        append_policy(body, policy);
    append_made(call, ",\"created_at\":", true);
    return finish(call, "}");
}

bool kesd_answer_policy_describe(struct kesd_call *call)
{
    return tell_policy(call, false);
}

bool kesd_answer_policy_read(struct kesd_call *call)
{
    return tell_policy(call, true);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those of names, which get sorted, that begin with the pattern. */
static bool tell_names(struct kesd_call *call, const char *member, const char **names, size_t count)
{
    struct remote_buf *body = &call->response->body;
    char prefix[KESD_NAME_MAX + 1];
    bool first = true;

    if (!kesd_call_pattern(call, prefix))
        return true;
    if (count > 0)
        qsort(names, count, sizeof(*names), by_text);
    remote_buf_printf(body, "{\"%s\":[", member);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(names[i], prefix, strlen(prefix)) != 0)
            continue;
        append_string(body, first ? "" : ",", names[i]);
        first = false;
    }
    return finish(call, "],\"continue_at\":\"\"}");
}

bool kesd_answer_policy_list(struct kesd_call *call)
{
    const struct kesd_settings *settings = call->state->settings;
    const char **names = calloc(settings->policy_count + 1, sizeof(*names));

    if (!names) {
        call->response->body.failed = true;
        return true;
    }
    for (size_t i = 0; i < settings->policy_count; i++)
        names[i] = settings->policies[i].name;
    (void)tell_names(call, "names", names, settings->policy_count);
    free(names);
    return true;
}

/* ---- identities ---- */

bool kesd_answer_identity_list(struct kesd_call *call)
{
    const struct kesd_rights *rights = &call->state->rights;
    const char **names = calloc(rights->count + 1, sizeof(*names));

    if (!names) {
        call->response->body.failed = true;
        return true;
    }
    for (size_t i = 0; i < rights->count; i++)
        names[i] = rights->holders[i].identity;
    (void)tell_names(call, "identities", names, rights->count);
    free(names);
    return true;
}

bool kesd_answer_identity_describe(struct kesd_call *call)
{
    const struct kesd_holder *holder = kesd_rights_find(&call->state->rights, call->name);
    struct remote_buf *body = &call->response->body;

    if (!holder)
        return kesd_refuse(call, 404, "identity does not exist");
    if (holder->policy)
        append_string(body, "{\"policy\":", holder->policy->name);
    else
        remote_buf_append_str(body, "{\"admin\":true");
    append_made(call, ",\"created_at\":", holder->policy != NULL);
    return finish(call, "}");
}

/* KES answers its admin alone; here whoever has a policy learns it, as the SDK expects. */
bool kesd_answer_identity_self(struct kesd_call *call)
{
    const struct kesd_holder *holder = kesd_rights_find(&call->state->rights, call->identity);
    struct remote_buf *body = &call->response->body;

    if (!holder)
        return kesd_refuse(call, 404, "identity does not exist");
    append_string(body, "{\"identity\":", holder->identity);
    if (!holder->policy)
        remote_buf_append_str(body, ",\"admin\":true");
    append_made(call, ",\"created_at\":", holder->policy != NULL);
    if (holder->policy) {
        append_string(body, ",\"policy\":", holder->policy->name);
        append_policy(body, holder->policy);
    }
    return finish(call, "}");
}
