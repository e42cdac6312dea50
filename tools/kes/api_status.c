/* SPDX-License-Identifier: Apache-2.0 */
/* /version, and what /v1/ tells of the server itself. */
#include <string.h>

#include "api_private.h"
#include "build-config.h"
#include "go_json.h"
#include "route.h"

/* As Go calls them, whose clients read this. */
#if defined(__x86_64__)
#define ARCH "amd64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#elif defined(__powerpc64__)
#define ARCH "ppc64le"
#elif defined(__s390x__)
#define ARCH "s390x"
#elif defined(__riscv)
#define ARCH "riscv64"
#else
#define ARCH "unknown"
#endif
#define VERSION "hsmbridge " HSMBRIDGE_VERSION

bool kesd_answer_version(struct kesd_call *call)
{
    remote_buf_append_str(&call->response->body, "{\"version\":\"" VERSION "\",\"commit\":\"\"}");
    return kesd_answer_json(call);
}

bool kesd_answer_ready(struct kesd_call *call)
{
    struct remote_error err = { 0 };
    int64_t took_ms;

    if (!call->may_block)
        return false;
    if (kesd_keys_probe(kesd_call_keys(call), &took_ms, &err) != REMOTE_OK)
        return kesd_refuse_store(call, &err, "key store is unavailable");
    call->response->status = 200;
    return true;
}

bool kesd_answer_status(struct kesd_call *call)
{
    struct remote_buf *body = &call->response->body;
    struct kesd_process process;
    int64_t took_ms = 0;
    bool reached;

    if (!call->may_block)
        return false;
    reached = kesd_keys_probe(kesd_call_keys(call), &took_ms, NULL) == REMOTE_OK;
    kesd_process_read(call->api, &process);
    remote_buf_printf(body,
                      "{\"version\":\"" VERSION "\",\"os\":\"linux\",\"arch\":\"" ARCH
                      "\",\"uptime\":%lld,\"num_cpu\":%d,\"num_cpu_used\":%d,"
                      "\"mem_heap_used\":%llu,\"mem_stack_used\":%llu",
                      (long long)process.up_s, process.cpus, process.cpus_used,
                      (unsigned long long)process.heap_bytes,
                      (unsigned long long)process.stack_bytes);
    if (reached)
        remote_buf_printf(body, ",\"keystore_latency\":%lld}",
                          (long long)(took_ms > 0 ? took_ms : 1));
    else /* KES sends the first alone, which its own SDK then calls a contradiction */
        remote_buf_append_str(body,
                              ",\"keystore_unreachable\":true,\"keystore_unavailable\":true}");
    return kesd_answer_json(call);
}

bool kesd_answer_metrics(struct kesd_call *call)
{
    kesd_metrics_write(call->api, &call->response->body);
    call->response->status = 200;
    call->response->type = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    return true;
}

bool kesd_answer_api(struct kesd_call *call)
{
    struct remote_buf *body = &call->response->body;

    for (size_t i = 0; i < kesd_route_count; i++)
        remote_buf_printf(body,
                          "%c{\"method\":\"%s\",\"path\":\"%s\",\"max_body\":%u,\"timeout\":%u}",
                          i > 0 ? ',' : '[', kesd_routes[i].method, kesd_routes[i].path,
                          kesd_routes[i].max_body, kesd_routes[i].timeout_s);
    remote_buf_append_char(body, ']');
    return kesd_answer_json(call);
}

static bool stream(struct kesd_call *call, enum kesd_stream which)
{
    call->response->status = 200;
    call->response->type = "application/x-ndjson";
    call->response->stream = which;
    return true;
}

bool kesd_answer_log_audit(struct kesd_call *call)
{
    return stream(call, KESD_STREAM_AUDIT);
}

bool kesd_answer_log_error(struct kesd_call *call)
{
    return stream(call, KESD_STREAM_ERROR);
}
