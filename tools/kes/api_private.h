/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the API share: a request on its way to its answer. */
#ifndef KESD_API_PRIVATE_H
#define KESD_API_PRIVATE_H

#include <stdatomic.h>

#include "api.h"
#include "audit.h"
#include "metrics.h"
#include "policy.h"

struct kesd_route;

/* Keys, for as long as a state, or more than one of them, serves them. */
struct kesd_shared_keys {
    atomic_uint refs;
    struct kesd_keys *keys;
};

/* What a reload replaces as a whole. */
struct kesd_state {
    atomic_uint refs;
    struct kesd_settings *settings;
    struct kesd_rights rights;
    struct kesd_shared_keys *keys;
    int64_t since_s; /* when its policies and identities came to be */
    int32_t since_ns;
};

#define KESD_SPARES 16

struct kesd_api {
    struct remote_core *core;
    struct remote_lock lock; /* of state and spares */
    struct kesd_state *state;
    struct remote_secret spares[KESD_SPARES]; /* locked pages are dear: they are used again */
    size_t spare_count;
    int64_t started_ms;
    struct kesd_audit audit;
    struct kesd_counters counters;
};

struct kesd_call {
    struct kesd_api *api;
    struct kesd_state *state;
    const struct kesd_request *request;
    const struct kesd_route *route; /* NULL: none was found */
    struct remote_slice path;       /* decoded */
    struct remote_slice rest;       /* of it, behind the route's */
    const char *identity;           /* "": none */
    char name[KESD_NAME_MAX + 1];   /* from rest, where the route has a name, once it is checked */
    bool may_block;
    struct kesd_response *response;
};

/* False: it would block, and nothing has happened yet. */
typedef bool kesd_answer(struct kesd_call *call);
kesd_answer kesd_answer_generate, kesd_answer_decrypt, kesd_answer_encrypt, kesd_answer_hmac,
    kesd_answer_describe, kesd_answer_list, kesd_answer_create, kesd_answer_import,
    kesd_answer_delete;
kesd_answer kesd_answer_policy_describe, kesd_answer_policy_read, kesd_answer_policy_list,
    kesd_answer_identity_describe, kesd_answer_identity_list, kesd_answer_identity_self;
kesd_answer kesd_answer_version, kesd_answer_ready, kesd_answer_status, kesd_answer_metrics,
    kesd_answer_api, kesd_answer_log_audit, kesd_answer_log_error;

/* ---- how an answer is written ---- */
/* A message; always true, so that it may end a kesd_answer. */
bool kesd_refuse(struct kesd_call *call, int status, const char *fmt, ...) REMOTE_PRINTF(3, 4);
/* The message says `before`, what of the request is at fault, and `after`. */
bool kesd_refuse_text(struct kesd_call *call, int status, const char *before,
                      struct remote_slice fault, const char *after);
/* 200 with the JSON that is in the response's body, and a newline. */
bool kesd_answer_json(struct kesd_call *call);
/* What went wrong inside: 504 when the store is not there, else 502 with this message. Logged. */
bool kesd_refuse_store(struct kesd_call *call, const struct remote_error *err, const char *message);

/* ---- what answers need ---- */
struct kesd_keys *kesd_call_keys(const struct kesd_call *call);
/* The pattern of a listing, without its star; false: refused already. */
bool kesd_call_pattern(struct kesd_call *call, char ret[KESD_NAME_MAX + 1]);
struct kesd_state *kesd_api_take_state(struct kesd_api *api);
void kesd_api_drop_state(struct kesd_state *state);
struct remote_secret kesd_api_take_spare(struct kesd_api *api);
void kesd_api_give_spare(struct kesd_api *api, struct remote_secret *spare);

#endif
