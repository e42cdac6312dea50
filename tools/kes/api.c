/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which KES looks at a request, whoever asks: path, method, certificate, policy,
 * name; then its own answer.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "name.h"
#include "path.h"
#include "route.h"

/* ---- state ---- */

static void shared_keys_drop(struct kesd_shared_keys *shared)
{
    if (shared && atomic_fetch_sub(&shared->refs, 1) == 1) {
        kesd_keys_free(shared->keys);
        free(shared);
    }
}

void kesd_api_drop_state(struct kesd_state *state)
{
    if (!state || atomic_fetch_sub(&state->refs, 1) != 1)
        return;
    shared_keys_drop(state->keys);
    kesd_rights_clear(&state->rights);
    kesd_settings_free(state->settings);
    free(state);
}

static struct kesd_shared_keys *share(struct kesd_keys *keys)
{
    struct kesd_shared_keys *shared = calloc(1, sizeof(*shared));

    if (!shared) {
        kesd_keys_free(keys);
        return NULL;
    }
    shared->refs = 1;
    shared->keys = keys;
    return shared;
}

/* Takes settings and keys, also on failure. */
static enum remote_rc state_new(struct kesd_settings *settings, struct kesd_shared_keys *keys,
                                struct kesd_state **ret, struct remote_error *err)
{
    struct kesd_state *state = calloc(1, sizeof(*state));
    struct timespec now;
    enum remote_rc rc;

    if (!state) {
        shared_keys_drop(keys);
        kesd_settings_free(settings);
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    clock_gettime(CLOCK_REALTIME, &now);
    state->refs = 1;
    state->settings = settings;
    state->keys = keys;
    state->since_s = now.tv_sec;
    state->since_ns = (int32_t)now.tv_nsec;
    rc = keys ? kesd_rights_init(settings, &state->rights, err)
              : REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    if (rc != REMOTE_OK) {
        kesd_api_drop_state(state);
        return rc;
    }
    *ret = state;
    return REMOTE_OK;
}

struct kesd_state *kesd_api_take_state(struct kesd_api *api)
{
    struct kesd_state *state;

    remote_lock_acquire(&api->lock);
    state = api->state;
    atomic_fetch_add(&state->refs, 1);
    remote_lock_release(&api->lock);
    return state;
}

enum remote_rc kesd_api_set(struct kesd_api *api, struct kesd_settings *settings,
                            struct kesd_keys *keys, struct remote_error *err)
{
    struct kesd_state *before = kesd_api_take_state(api), *after;
    struct kesd_shared_keys *shared = keys ? share(keys) : before->keys;
    enum remote_rc rc;

    if (!keys)
        atomic_fetch_add(&shared->refs, 1);
    rc = state_new(settings, shared, &after, err);
    if (rc == REMOTE_OK) {
        remote_lock_acquire(&api->lock);
        api->state = after;
        remote_lock_release(&api->lock);
        kesd_api_drop_state(before); /* what the api held */
    }
    kesd_api_drop_state(before);
    return rc;
}

enum remote_rc kesd_api_new(struct remote_core *core, struct kesd_settings *settings,
                            struct kesd_keys *keys, struct kesd_api **ret, struct remote_error *err)
{
    struct kesd_state *state;
    struct kesd_api *api;

    REMOTE_TRY(state_new(settings, share(keys), &state, err));
    api = calloc(1, sizeof(*api));
    if (!api) {
        kesd_api_drop_state(state);
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    }
    api->core = core;
    api->state = state;
    api->started_ms = remote_now_ms();
    remote_lock_init(&api->lock, REMOTE_LOCK_FRONT);
    kesd_audit_init(&api->audit);
    *ret = api;
    return REMOTE_OK;
}

void kesd_api_free(struct kesd_api *api)
{
    if (!api)
        return;
    kesd_api_drop_state(api->state);
    while (api->spare_count > 0)
        remote_secret_clear(&api->spares[--api->spare_count]);
    kesd_audit_clear(&api->audit);
    remote_lock_destroy(&api->lock);
    free(api);
}

void kesd_api_listen(struct kesd_api *api, enum kesd_stream stream, struct kesd_listener *listener)
{
    kesd_audit_listen(&api->audit, stream, listener);
}

void kesd_api_unlisten(struct kesd_api *api, enum kesd_stream stream,
                       struct kesd_listener *listener)
{
    kesd_audit_unlisten(&api->audit, stream, listener);
}

struct remote_secret kesd_api_take_spare(struct kesd_api *api)
{
    struct remote_secret spare = { 0 };

    remote_lock_acquire(&api->lock);
    if (api->spare_count > 0)
        spare = api->spares[--api->spare_count];
    remote_lock_release(&api->lock);
    return spare;
}

void kesd_api_give_spare(struct kesd_api *api, struct remote_secret *spare)
{
    bool kept = false;

    if (spare->data)
        explicit_bzero(spare->data, spare->len);
    spare->len = 0;
    remote_lock_acquire(&api->lock);
    /* A large one is not worth its pages. */
    if (spare->data && spare->cap <= 4096 && api->spare_count < KESD_SPARES) {
        api->spares[api->spare_count++] = *spare;
        kept = true;
    }
    remote_lock_release(&api->lock);
    if (!kept)
        remote_secret_clear(spare);
    *spare = (struct remote_secret){ 0 };
}

/* ---- the way to an answer ---- */

/* What http.Error() of Go writes. */
static bool refuse_plain(struct kesd_call *call, int status, const char *text)
{
    call->response->status = status;
    call->response->type = "text/plain; charset=utf-8";
    remote_buf_append_str(&call->response->body, text);
    return true;
}

static bool not_found(struct kesd_call *call)
{
    call->response->extra = "X-Content-Type-Options: nosniff\r\n";
    return refuse_plain(call, 404, "404 page not found\n");
}

/* A location is a part of a header, and of a page. */
static bool append_location(struct remote_buf *ret, struct remote_slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = path.data[i];

        if (c <= 0x20 || c >= 0x7f || strchr("\"<>&'", c))
            remote_percent_append(ret, remote_slice(&c, 1));
        else
            remote_buf_append_char(ret, (char)c);
    }
    return !ret->failed && ret->len < sizeof(((struct kesd_response *)NULL)->location);
}

static bool move(struct kesd_call *call, struct remote_slice path, struct remote_slice query)
{
    CLEANUP(remote_buf_clear) struct remote_buf whole = { 0 }, location = { 0 };
    struct kesd_response *response = call->response;

    remote_buf_append(&whole, path.data, path.len);
    if (kesd_route_wants_slash(path))
        remote_buf_append_char(&whole, '/');
    remote_buf_append(&whole, query.data, query.len);
    if (whole.failed || !append_location(&location, remote_buf_slice(&whole)))
        return not_found(call); /* longer than any path of ours */
    memcpy(response->location, location.data, location.len + 1);
    response->status = 307;
    if (remote_slice_equal(call->request->method, remote_slice_str("GET"))) {
        response->type = "text/html; charset=utf-8";
        remote_buf_printf(&response->body, "<a href=\"%s\">Temporary Redirect</a>.\n\n",
                          response->location);
    }
    return true;
}

static bool refuse_method(struct kesd_call *call)
{
    static const struct {
        const char *expected, *header, *message;
    } methods[] = {
        { "GET", "Accept: GET\r\n", "' expected 'GET'" },
        { "PUT", "Accept: PUT\r\n", "' expected 'PUT'" },
        { "DELETE", "Accept: DELETE\r\n", "' expected 'DELETE'" },
    };
    size_t i = 0;

    while (i + 1 < ARRAY_SIZE(methods) && strcmp(methods[i].expected, call->route->method) != 0)
        i++;
    call->response->extra = methods[i].header; /* sic, not Allow */
    return kesd_refuse_text(call, 405, "received method '", call->request->method,
                            methods[i].message);
}

static bool is_expired(const struct kesd_call *call)
{
    const struct kesd_request *request = call->request;

    return call->state->settings->client_cert_expiry && request->expires_s != 0 &&
           time(NULL) > request->expires_s;
}

/* True: answered, because it may not. */
static bool keep_out(struct kesd_call *call)
{
    if ((call->route->flags & KESD_ROUTE_OPEN) ||
        kesd_rules_match(&call->state->settings->skip_auth, call->path))
        return false;
    if (call->request->certificate == KESD_CERT_NONE)
        return kesd_refuse(call, 400, "tls: client certificate is required");
    if (call->request->certificate == KESD_CERT_MANY)
        return kesd_refuse(call, 400, "tls: received more than one client certificate");
    if (is_expired(call))
        return kesd_refuse(call, 403, "not authorized: client certificate has expired");
    if (!kesd_rights_allow(&call->state->rights, call->identity, call->path))
        return kesd_refuse(call, 403, "not authorized: insufficient permissions");
    return false;
}

/* True: answered, because the name is none. */
static bool refuse_name(struct kesd_call *call)
{
    CLEANUP(remote_buf_clear) struct remote_buf before = { 0 };

    if (kesd_name_is_fit(call->rest)) {
        memcpy(call->name, call->rest.data, call->rest.len);
        call->name[call->rest.len] = '\0';
        return false;
    }
    remote_buf_printf(&before, "%s '", call->route->what);
    return kesd_refuse_text(call, 400, before.failed ? "'" : (const char *)before.data, call->rest,
                            "' is empty, too long or contains invalid characters");
}

static bool answer(struct kesd_call *call)
{
    int counted = (call->route->flags & KESD_ROUTE_COUNTED) != 0;
    bool done;

    atomic_fetch_add_explicit(&call->api->counters.active, counted, memory_order_relaxed);
    done = call->route->answer(call);
    atomic_fetch_sub_explicit(&call->api->counters.active, counted, memory_order_relaxed);
    return done;
}

/* False: it would block. room: where the path may be. */
static bool respond(struct kesd_call *call, struct remote_buf *room)
{
    struct remote_slice query;
    size_t len;

    switch (kesd_path_read(call->request->target, room, &call->path, &query)) {
    case KESD_PATH_BAD:
        call->path = call->request->target;
        call->response->close = true;
        return refuse_plain(call, 400, "400 Bad Request");
    case KESD_PATH_MOVED:
        return move(call, call->path, query);
    case KESD_PATH_OK:
        break;
    }
    call->route = kesd_route_find(call->path);
    if (!call->route)
        return kesd_route_wants_slash(call->path) ? move(call, call->path, query) : not_found(call);
    if (!kesd_route_takes(call->route, call->request->method))
        return refuse_method(call);
    if (keep_out(call))
        return true;
    len = strlen(call->route->path);
    call->rest = remote_slice(call->path.data + len, call->path.len - len);
    if (call->route->what && refuse_name(call))
        return true;
    return answer(call);
}

/* ---- what is told of it ---- */

/* KES tells of keys that were made and ended; who asks for it hears of every request. */
static bool is_audited(const struct kesd_call *call)
{
    if (!call->route)
        return false;
    if (call->state->settings->audit_all)
        return true;
    return (call->route->flags & KESD_ROUTE_CHANGES) && call->response->status == 200;
}

static void account(struct kesd_call *call, int64_t took_us)
{
    if (call->route && (call->route->flags & KESD_ROUTE_COUNTED))
        kesd_counters_request(&call->api->counters, call->response->status, call->may_block,
                              took_us);
    if (is_audited(call))
        kesd_audit_event(&call->api->audit, call->state->settings->log_audit,
                         &(struct kesd_event){ .request = call->request,
                                               .path = call->path,
                                               .identity = call->identity,
                                               .status = call->response->status,
                                               .took_us = took_us });
}

/* An answer that memory did not suffice for. */
static void check_room(struct kesd_call *call)
{
    struct kesd_response *response = call->response;

    if (!response->body.failed)
        return;
    kesd_response_clear(response);
    *response = (struct kesd_response){ .status = 500, .close = true };
}

bool kesd_api_answer(struct kesd_api *api, const struct kesd_request *request, bool may_block,
                     struct kesd_response *ret)
{
    CLEANUP(remote_buf_clear) struct remote_buf room = { 0 };
    int64_t started_us = remote_now_us();
    struct kesd_call call = { .api = api,
                              .state = kesd_api_take_state(api),
                              .request = request,
                              .identity = "",
                              .may_block = may_block,
                              .response = ret };
    bool done;

    if (request->certificate == KESD_CERT_ONE)
        call.identity = request->identity;
    *ret = (struct kesd_response){ 0 };
    done = respond(&call, &room);
    if (done) {
        check_room(&call);
        account(&call, remote_now_us() - started_us);
    } else {
        kesd_response_clear(ret);
    }
    kesd_api_drop_state(call.state);
    return done;
}

void kesd_response_clear(struct kesd_response *response)
{
    if (!response)
        return;
    remote_buf_clear(&response->body);
    *response = (struct kesd_response){ 0 };
}
