/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The yardstick: what a program reaches that does nothing but this. It shares no code with the
 * core's transport, and runs outside the guard as any program would.
 */
#include <curl/curl.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "bench_job.h"
#include "bench_request.h"
#include "encode.h"
#include "fail.h"

struct loop {
    struct tools_bench_job *job;
    struct remote_buf url, body;
    struct curl_slist *headers;
    atomic_ullong requests, connections;
};

struct worker {
    struct loop *loop;
    CURL *curl;
    struct remote_buf reply;
};

static size_t collect(char *data, size_t size, size_t count, void *arg)
{
    struct worker *worker = arg;

    remote_buf_append(&worker->reply, data, size * count);
    return worker->reply.failed ? 0 : size * count;
}

static void close_worker(void *arg)
{
    struct worker *worker = arg;

    if (worker)
        curl_easy_cleanup(worker->curl);
    if (worker)
        remote_buf_clear(&worker->reply);
    free(worker);
}

/* Where the slot's own connections find trust, client certificate and way. */
static void set_tls(CURL *curl, const struct remote_section *section)
{
    const char *ca = remote_section_text(section, "ca_file", NULL);
    const char *cert = remote_section_text(section, "client_cert_file", NULL);
    const char *key = remote_section_text(section, "client_key_file", NULL);
    const char *proxy = remote_section_text(section, "proxy", "");

    if (ca)
        curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
    if (cert)
        curl_easy_setopt(curl, CURLOPT_SSLCERT, cert);
    if (key)
        curl_easy_setopt(curl, CURLOPT_SSLKEY, key);
    curl_easy_setopt(curl, CURLOPT_PROXY, proxy);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
}

static void *open_worker(void *context, struct remote_error *err)
{
    struct loop *loop = context;
    struct worker *worker = calloc(1, sizeof(*worker));
    CURL *curl = worker ? curl_easy_init() : NULL;

    if (!curl) {
        free(worker);
        (void)REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
        return NULL;
    }
    *worker = (struct worker){ .loop = loop, .curl = curl };
    set_tls(curl, remote_slot_section(loop->job->target.slot));
    curl_easy_setopt(curl, CURLOPT_URL, (char *)loop->url.data);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, loop->headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (char *)loop->body.data);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)loop->body.len);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     (long)remote_slot_timeout_ms(loop->job->target.slot));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, worker);
    return worker;
}

/* "vault:v1:BASE64", or base64url where r||s was asked for. */
static bool decode_signature(const char *text, bool url_form)
{
    CLEANUP(remote_buf_clear) struct remote_buf sig = { 0 };
    const char *bytes = strrchr(text, ':');
    struct remote_slice slice = remote_slice_str(bytes ? bytes + 1 : text);

    return (url_form ? remote_base64url_decode(slice, &sig) : remote_base64_decode(slice, &sig)) &&
           sig.len > 0;
}

static bool decode_reply(const struct worker *worker)
{
    json_t *root = json_loadb((char *)worker->reply.data, worker->reply.len, 0, NULL);
    const json_t *data = json_object_get(root, "data");
    const char *text = json_string_value(json_object_get(data, "signature"));
    bool good;

    if (!text)
        text = json_string_value(json_object_get(data, "hmac"));
    good = text && decode_signature(text, worker->loop->job->choice.row->alg == REMOTE_ALG_ECDSA);
    json_decref(root);
    return good;
}

static enum remote_rc post_once(void *arg, struct remote_error *err)
{
    struct worker *worker = arg;
    long status = 0, connects = 0;
    CURLcode code;

    remote_buf_truncate(&worker->reply, 0);
    code = curl_easy_perform(worker->curl);
    if (code != CURLE_OK)
        return REMOTE_FAIL(err, REMOTE_E_UNAVAILABLE, "the bare loop: %s",
                           curl_easy_strerror(code));
    curl_easy_getinfo(worker->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(worker->curl, CURLINFO_NUM_CONNECTS, &connects);
    atomic_fetch_add_explicit(&worker->loop->requests, 1, memory_order_relaxed);
    if (connects > 0)
        atomic_fetch_add_explicit(&worker->loop->connections, (unsigned long long)connects,
                                  memory_order_relaxed);
    if (status != 200 || !decode_reply(worker))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "the bare loop: HTTP status %ld, or no signature in the answer", status);
    return REMOTE_OK;
}

static void get_counts(void *context, struct tools_bench_counts *ret)
{
    struct loop *loop = context;

    *ret = (struct tools_bench_counts){ atomic_load(&loop->requests),
                                        atomic_load(&loop->connections) };
}

static void close_loop(void *context)
{
    struct loop *loop = context;

    curl_slist_free_all(loop->headers);
    remote_buf_clear(&loop->url);
    remote_buf_clear(&loop->body);
    free(loop);
    curl_global_cleanup();
}

static int add_headers(struct loop *loop)
{
    CLEANUP(remote_secret_clear) struct remote_secret token = { 0 };
    CLEANUP(remote_buf_clear) struct remote_buf line = { 0 };
    const char *namespace =
        remote_section_text(remote_slot_section(loop->job->target.slot), "namespace", NULL);

    TOOLS_TRY(tools_bench_token(loop->job, &token));
    remote_buf_printf(&line, "X-Vault-Token: %s", (char *)token.data);
    loop->headers = curl_slist_append(NULL, (char *)line.data);
    loop->headers = curl_slist_append(loop->headers, "Content-Type: application/json");
    loop->headers = curl_slist_append(loop->headers, "X-Vault-Request: true");
    if (namespace) {
        remote_buf_truncate(&line, 0);
        remote_buf_printf(&line, "X-Vault-Namespace: %s", namespace);
        loop->headers = curl_slist_append(loop->headers, (char *)line.data);
    }
    return line.failed ? tools_fail(TOOLS_FAILED, "out of memory") : TOOLS_OK;
}

int tools_bench_loop(struct tools_bench_job *job, struct tools_bench_side *ret)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    int code;

    if (!loop || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(loop);
        return tools_fail(TOOLS_FAILED, "libcurl does not start");
    }
    loop->job = job;
    code = tools_bench_request(job, &loop->url, &loop->body);
    if (code == TOOLS_OK)
        code = add_headers(loop);
    if (code != TOOLS_OK) {
        close_loop(loop);
        return code;
    }
    *ret = (struct tools_bench_side){
        .name = "bare loop",
        .context = loop,
        .worker_open = open_worker,
        .once = post_once,
        .worker_close = close_worker,
        .counts = get_counts,
        .close = close_loop,
    };
    return TOOLS_OK;
}
