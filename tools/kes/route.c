/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#include <string.h>

#define OPEN KESD_ROUTE_OPEN
#define COUNTED KESD_ROUTE_COUNTED
#define CHANGES (KESD_ROUTE_COUNTED | KESD_ROUTE_CHANGES)
#define BODY KESD_BODY_MAX

/* clang-format off */
const struct kesd_route kesd_routes[] = {
    /* the busiest first:         method    flags    s   body  what        */
    { "/v1/key/generate/",        "PUT",    COUNTED, 15, BODY, "key name", kesd_answer_generate },
    { "/v1/key/decrypt/",         "PUT",    COUNTED, 15, BODY, "key name", kesd_answer_decrypt },
    { "/v1/key/encrypt/",         "PUT",    COUNTED, 15, BODY, "key name", kesd_answer_encrypt },
    { "/v1/key/hmac/",            "PUT",    COUNTED, 15, BODY, "key name", kesd_answer_hmac },
    { "/v1/key/describe/",        "GET",    COUNTED, 15, 0,    "key name", kesd_answer_describe },
    { "/v1/key/list/",            "GET",    COUNTED, 15, 0,    NULL,       kesd_answer_list },
    { "/v1/key/create/",          "PUT",    CHANGES, 15, 0,    "key name", kesd_answer_create },
    { "/v1/key/import/",          "PUT",    CHANGES, 15, BODY, "key name", kesd_answer_import },
    { "/v1/key/delete/",          "DELETE", CHANGES, 15, 0,    "key name", kesd_answer_delete },
    { "/v1/policy/describe/",     "GET",    COUNTED, 15, 0,    "policy name",
      kesd_answer_policy_describe },
    { "/v1/policy/read/",         "GET",    COUNTED, 15, 0,    "policy name",
      kesd_answer_policy_read },
    { "/v1/policy/list/",         "GET",    COUNTED, 15, 0,    NULL, kesd_answer_policy_list },
    { "/v1/identity/describe/",   "GET",    COUNTED, 15, 0,    "identity",
      kesd_answer_identity_describe },
    { "/v1/identity/list/",       "GET",    COUNTED, 15, 0,    NULL, kesd_answer_identity_list },
    { "/v1/identity/self/describe", "GET",  OPEN | COUNTED, 15, 0, NULL,
      kesd_answer_identity_self },
    { "/version",                 "GET",    OPEN,    10, 0,    NULL, kesd_answer_version },
    { "/v1/ready",                "GET",    0,       15, 0,    NULL, kesd_answer_ready },
    { "/v1/status",               "GET",    0,       15, 0,    NULL, kesd_answer_status },
    { "/v1/metrics",              "GET",    0,       15, 0,    NULL, kesd_answer_metrics },
    { "/v1/api",                  "GET",    0,       10, 0,    NULL, kesd_answer_api },
    { "/v1/log/audit",            "GET",    0,       0,  0,    NULL, kesd_answer_log_audit },
    { "/v1/log/error",            "GET",    0,       0,  0,    NULL, kesd_answer_log_error },
};
/* clang-format on */
const size_t kesd_route_count = ARRAY_SIZE(kesd_routes);

static bool begins(struct remote_slice path, const char *with, size_t len)
{
    return path.len >= len && memcmp(path.data, with, len) == 0;
}

const struct kesd_route *kesd_route_find(struct remote_slice path)
{
    for (size_t i = 0; i < kesd_route_count; i++) {
        const struct kesd_route *route = &kesd_routes[i];
        size_t len = strlen(route->path);

        if (begins(path, route->path, len) && (path.len == len || route->path[len - 1] == '/'))
            return route;
    }
    return NULL;
}

bool kesd_route_wants_slash(struct remote_slice path)
{
    for (size_t i = 0; i < kesd_route_count; i++) {
        size_t len = strlen(kesd_routes[i].path);

        if (path.len + 1 == len && kesd_routes[i].path[len - 1] == '/' &&
            begins(path, kesd_routes[i].path, len - 1))
            return true;
    }
    return false;
}

bool kesd_route_takes(const struct kesd_route *route, struct remote_slice method)
{
    if (remote_slice_equal(method, remote_slice_str(route->method)))
        return true;
    return strcmp(route->method, "PUT") == 0 &&
           remote_slice_equal(method, remote_slice_str("POST"));
}
