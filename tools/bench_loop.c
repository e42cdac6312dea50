/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The yardstick: what a program reaches that does nothing but this. It repeats a request that the
 * core has made, but shares no code with the core's transport, and runs outside the guard as any
 * program would; save where each request has to be made anew.
 */
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_job.h"
#include "bench_reply.h"
#include "fail.h"
#include "specimen.h"

struct loop {
    struct tools_bench_job *job;
    const struct tools_bench_reply_form *form;
    struct remote_specimen specimen;
    struct curl_slist *headers, *connect_to;
    atomic_ullong requests, connections;
};

struct worker {
    struct loop *loop;
    CURL *curl;
    struct remote_specimen own; /* where the service takes each request once */
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

    if (!worker)
        return;
    curl_easy_cleanup(worker->curl);
    remote_specimen_clear(&worker->own);
    remote_buf_clear(&worker->reply);
    free(worker);
}

/* ---- set-up ---- */

/* Where the slot's own connections find trust, client certificate and way. */
static void set_way(CURL *curl, const struct loop *loop)
{
    const struct remote_section *section = remote_slot_section(loop->job->target.slot);
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
    if (loop->connect_to)
        curl_easy_setopt(curl, CURLOPT_CONNECT_TO, loop->connect_to);
    if (loop->specimen.unix_path)
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, loop->specimen.unix_path);
    curl_easy_setopt(curl, CURLOPT_PROXY, proxy);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
}

static void set_body(CURL *curl, const struct remote_specimen *specimen)
{
    if (strcmp(specimen->method, "GET") == 0)
        return;
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                     specimen->body.data ? (char *)specimen->body.data : "");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)specimen->body.len);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, specimen->method);
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
    set_way(curl, loop);
    curl_easy_setopt(curl, CURLOPT_URL, (char *)loop->specimen.url.data);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, loop->headers);
    set_body(curl, &loop->specimen);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     (long)remote_slot_timeout_ms(loop->job->target.slot));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, worker);
    return worker;
}

/* ---- the loop ---- */

static enum remote_rc make_specimen(const struct tools_bench_job *job, struct remote_specimen *ret,
                                    struct remote_error *err)
{
    return remote_specimen_make(job->target.key, job->use, &job->choice.params,
                                remote_buf_slice(&job->input), ret, err);
}

static void count_request(struct worker *worker)
{
    long connects = 0;

    curl_easy_getinfo(worker->curl, CURLINFO_NUM_CONNECTS, &connects);
    atomic_fetch_add_explicit(&worker->loop->requests, 1, memory_order_relaxed);
    if (connects > 0)
        atomic_fetch_add_explicit(&worker->loop->connections, (unsigned long long)connects,
                                  memory_order_relaxed);
}

static enum remote_rc post_once(void *arg, struct remote_error *err)
{
    struct worker *worker = arg;
    struct loop *loop = worker->loop;
    long status = 0;
    CURLcode code;

    if (loop->specimen.fresh) {
        REMOTE_TRY(make_specimen(loop->job, &worker->own, err));
        set_body(worker->curl, &worker->own);
    }
    remote_buf_truncate(&worker->reply, 0);
    code = curl_easy_perform(worker->curl);
    if (code != CURLE_OK)
        return REMOTE_FAIL(err, REMOTE_E_UNAVAILABLE, "the bare loop: %s",
                           curl_easy_strerror(code));
    curl_easy_getinfo(worker->curl, CURLINFO_RESPONSE_CODE, &status);
    count_request(worker);
    if (status != 200 || !tools_bench_reply_decode(loop->form, loop->job->choice.row->alg,
                                                   remote_buf_slice(&worker->reply)))
        return REMOTE_FAIL(err, REMOTE_E_PROTOCOL,
                           "the bare loop: HTTP status %ld, or no result in the answer", status);
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
    curl_slist_free_all(loop->connect_to);
    remote_specimen_clear(&loop->specimen);
    free(loop);
    curl_global_cleanup();
}

/* ---- opening ---- */

/* Cuts the text into its lines. */
static int add_lines(struct remote_buf *text, struct curl_slist **list)
{
    char *rest = NULL;

    for (char *line = text->len ? strtok_r((char *)text->data, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest)) {
        struct curl_slist *longer = curl_slist_append(*list, line);

        if (!longer)
            return tools_fail(TOOLS_FAILED, "out of memory");
        *list = longer;
    }
    return TOOLS_OK;
}

static int check_slot(const struct loop *loop)
{
    const struct remote_slot *slot = loop->job->target.slot;

    if (!loop->form)
        return tools_fail(TOOLS_USAGE,
                          "the bare loop does not speak to '%s' services: give --no-loop",
                          remote_slot_backend(slot));
    if (!remote_specimen_client_in_files(slot))
        return tools_fail(TOOLS_USAGE,
                          "the bare loop takes a client certificate and its key from files, and "
                          "slot '%s' has none such: give --no-loop",
                          remote_slot_name(slot));
    return TOOLS_OK;
}

static int prepare(struct loop *loop)
{
    struct remote_error err = { 0 };

    loop->form = tools_bench_reply_form(remote_slot_backend(loop->job->target.slot));
    TOOLS_TRY(check_slot(loop));
    if (make_specimen(loop->job, &loop->specimen, &err) != REMOTE_OK)
        return tools_fail_core(&err);
    if (loop->specimen.fresh && !loop->job->args->json)
        puts("the service takes each request once: those of the bare loop are signed as they go");
    TOOLS_TRY(add_lines(&loop->specimen.headers, &loop->headers));
    return add_lines(&loop->specimen.connect_to, &loop->connect_to);
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
    code = prepare(loop);
    if (code != TOOLS_OK) {
        close_loop(loop);
        return code;
    }
    *ret = (struct tools_bench_side){
        .name = "bare loop",
        .guarded = loop->specimen.fresh, /* the core makes its requests */
        .context = loop,
        .worker_open = open_worker,
        .once = post_once,
        .worker_close = close_worker,
        .counts = get_counts,
        .close = close_loop,
    };
    return TOOLS_OK;
}
