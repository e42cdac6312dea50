/* SPDX-License-Identifier: Apache-2.0 */
/* How answers are written, whatever they say. */
#include <stdio.h>
#include <string.h>

#include "api_private.h"
#include "go_json.h"
#include "name.h"
#include "route.h"

bool kesd_refuse_text(struct kesd_call *call, int status, const char *before,
                      struct remote_slice fault, const char *after)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };
    struct kesd_response *response = call->response;

    remote_buf_append_str(&text, before);
    remote_buf_append(&text, fault.data, fault.len);
    remote_buf_append_str(&text, after);
    remote_buf_truncate(&response->body, 0);
    remote_buf_append_str(&response->body, "{\"message\":");
    kesd_json_string(&response->body, remote_buf_slice(&text));
    remote_buf_append_str(&response->body, "\n}"); /* as KES has it */
    response->body.failed = response->body.failed || text.failed;
    response->status = status;
    response->type = "application/json";
    return true;
}

bool kesd_refuse(struct kesd_call *call, int status, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return kesd_refuse_text(call, status, text, remote_slice("", 0), "");
}

bool kesd_answer_json(struct kesd_call *call)
{
    remote_buf_append_char(&call->response->body, '\n');
    call->response->status = 200;
    call->response->type = "application/json";
    return true;
}

bool kesd_refuse_store(struct kesd_call *call, const struct remote_error *err, const char *message)
{
    bool away = err->rc == REMOTE_E_UNAVAILABLE || err->rc == REMOTE_E_TIMEOUT;
    char text[REMOTE_ERROR_TEXT_MAX + 128];

    snprintf(text, sizeof(text), "%.*s: %s", (int)(call->path.len < 120 ? call->path.len : 120),
             (const char *)call->path.data, err->text);
    kesd_audit_fault(&call->api->audit, call->state->settings->log_error, text);
    return kesd_refuse(call, away ? 504 : 502, "%s", away ? "key store is not reachable" : message);
}

struct kesd_keys *kesd_call_keys(const struct kesd_call *call)
{
    return call->state->keys->keys;
}

bool kesd_call_pattern(struct kesd_call *call, char ret[KESD_NAME_MAX + 1])
{
    if (kesd_pattern_read(call->rest, ret))
        return true;
    (void)kesd_refuse_text(call, 400, "listing pattern '", call->rest,
                           "' is empty, too long or is invalid");
    return false;
}
