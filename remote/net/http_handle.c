/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's easy handles: the options that are the same for every request, and a request's own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "build-config.h"
#include "grpc.h"
#include "http_private.h"

/* ---- callbacks ---- */

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct remote_handle *handle = arg;
    int fd;

    (void)purpose;
    if (handle->reuse_only)
        return CURL_SOCKET_BAD;
    fd = remote_unit_open_socket(handle->unit, address->family, address->socktype,
                                 address->protocol);
    handle->connecting_ms = remote_now_ms();
    handle->tls_begun = false;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int on_close_socket(void *arg, curl_socket_t fd)
{
    return remote_unit_close_socket(arg, fd);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct remote_handle *handle = arg;
    struct remote_transfer *transfer = handle->transfer;
    size_t len = size * count;
    size_t max;

    if (transfer == NULL)
        return remote_late_take(handle, len) ? len : 0;
    max = transfer->request->reply_max ? transfer->request->reply_max : REMOTE_REPLY_MAX;
    if (len > max - transfer->body.len) {
        handle->too_large = true;
        return 0;
    }
    transfer->grpc_status = REMOTE_GRPC_NONE; /* one that comes before the message is none */
    remote_buf_append(&transfer->body, data, len);
    return transfer->body.failed ? 0 : len;
}

static bool header_is(const char *line, size_t len, const char *name, char *value, size_t size)
{
    size_t name_len = strlen(name);

    if (len <= name_len || strncasecmp(line, name, name_len) != 0)
        return false;
    while (name_len < len && line[name_len] == ' ')
        name_len++;
    snprintf(value, size, "%.*s", (int)(len - name_len), line + name_len);
    value[strcspn(value, "\r\n")] = '\0';
    return true;
}

/* RFC 9110 10.2.3: seconds, or a date. */
static unsigned retry_after(const char *value)
{
    char *tail;
    unsigned long seconds = strtoul(value, &tail, 10);
    time_t date;

    if (tail != value && *tail == '\0')
        return seconds < 86400 ? (unsigned)seconds : 86400;
    date = curl_getdate(value, NULL);
    if (date <= time(NULL))
        return 0;
    return date - time(NULL) < 86400 ? (unsigned)(date - time(NULL)) : 86400;
}

/* In a header that is all there is, or in the trailers behind the message. */
static void on_grpc_header(struct remote_handle *handle, const char *line, size_t len)
{
    struct remote_transfer *transfer = handle->transfer;
    char value[64];

    if (header_is(line, len, "grpc-status:", value, sizeof(value))) {
        int status = remote_grpc_status_parse(value);
        bool first = transfer->grpc_status == REMOTE_GRPC_NONE;

        transfer->grpc_status =
            first || transfer->grpc_status == status ? status : REMOTE_GRPC_UNKNOWN;
    } else if (header_is(line, len, "content-type:", value, sizeof(value))) {
        handle->grpc_type = remote_grpc_is_content_type(value);
    }
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct remote_handle *handle = arg;
    struct remote_transfer *transfer = handle->transfer;
    size_t len = size * count;
    char value[64];

    if (transfer == NULL)
        return len;
    if (len > 0 && (line[0] == '\r' || line[0] == '\n'))
        handle->head_read = true;
    else if (len > 5 && memcmp(line, "HTTP/", 5) == 0) /* another one begins: the last was 1xx */
        handle->head_read = false;
    if (transfer->request->grpc)
        on_grpc_header(handle, line, len);
    if ((line[0] | 0x20) == 'r' && header_is(line, len, "Retry-After:", value, sizeof(value)))
        transfer->retry_after_s = retry_after(value);
    else if (transfer->request->want_date && (line[0] | 0x20) == 'd' &&
             header_is(line, len, "Date:", value, sizeof(value)))
        transfer->date = (int64_t)curl_getdate(value, NULL);
    else if (transfer->request->want_header != NULL && transfer->header[0] == '\0')
        (void)header_is(line, len, transfer->request->want_header, transfer->header,
                        sizeof(transfer->header));
    return len;
}

static CURLcode on_ssl_ctx(CURL *easy, void *ssl_ctx, void *arg)
{
    struct remote_handle *handle = arg;

    (void)easy;
    handle->tls_begun = true;
    return remote_tls_apply(&handle->slot->tls, ssl_ctx) ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

/* ---- an easy handle ---- */

/* The service's; another origin has names and keys of its own. */
static bool is_service(const struct remote_handle *handle)
{
    return handle->endpoint < handle->slot->endpoints.count;
}

/* Each line becomes an entry. Copies are wiped: a header may carry a token. */
static bool add_lines(struct curl_slist **list, const char *line)
{
    while (line != NULL && *line != '\0') {
        size_t len = strcspn(line, "\n");
        char *copy = strndup(line, len);
        struct curl_slist *longer = copy ? curl_slist_append(*list, copy) : NULL;

        if (copy != NULL)
            explicit_bzero(copy, len);
        free(copy);
        if (longer == NULL)
            return false;
        *list = longer;
        line += len + (line[len] == '\n');
    }
    return true;
}

static bool set_connect_to(struct remote_handle *handle, const struct remote_section *section)
{
    CLEANUP(remote_buf_clear) struct remote_buf lines = { 0 };

    remote_endpoints_connect_to(&handle->slot->endpoints, handle->endpoint, section, &lines);
    return !lines.failed && add_lines(&handle->connect_to, (const char *)lines.data) &&
           (handle->connect_to == NULL ||
            curl_easy_setopt(handle->easy, CURLOPT_CONNECT_TO, handle->connect_to) == CURLE_OK);
}

/* Several pins, so that a server's key can be changed without a gap. */
static bool set_pins(CURL *easy, const struct remote_section *section)
{
    CLEANUP(remote_buf_clear) struct remote_buf pins = { 0 };

    for (const char *const *pin = remote_section_words(section, "pin_sha256"); *pin; pin++) {
        remote_buf_append_str(&pins, pins.len > 0 ? ";sha256//" : "sha256//");
        remote_buf_append_str(&pins, *pin);
    }
    return pins.len == 0 ||
           (!pins.failed && curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, pins.data) == CURLE_OK);
}

/*
 * A unit may carry requests of several slots, each with its own trust and client certificate. Those
 * are in the SSL_CTX by on_ssl_ctx() alone, where libcurl does not see them: it would take another
 * slot's connection to the same host as good for this one. Cipher lists it compares; OpenSSL skips
 * words that it does not know (ciphers(1)), and on_ssl_ctx() sets the ciphers anyway. Nor may it
 * hand the trust store of the first connection to all others (CURLOPT_CA_CACHE_TIMEOUT(3)).
 */
static bool set_apart(struct remote_handle *handle)
{
    char list[64];

    snprintf(list, sizeof(list), "DEFAULT:slot-%p", (void *)handle->slot);
    return curl_easy_setopt(handle->easy, CURLOPT_SSL_CIPHER_LIST, list) == CURLE_OK &&
           curl_easy_setopt(handle->easy, CURLOPT_CA_CACHE_TIMEOUT, 0L) == CURLE_OK;
}

static bool set_tls(struct remote_handle *handle, const struct remote_section *section)
{
    CURL *easy = handle->easy;
    CURLcode rc = CURLE_OK;

    rc |= curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    rc |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    rc |= curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    rc |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    rc |= curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
    rc |= curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, handle);
    return rc == CURLE_OK && set_apart(handle) && (!is_service(handle) || set_pins(easy, section));
}

static bool set_common(struct remote_handle *handle, const struct remote_section *section)
{
    CURL *easy = handle->easy;
    const struct remote_endpoint *endpoint = &handle->slot->endpoints.list[handle->endpoint];
    CURLcode rc = CURLE_OK;

    rc |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* never join a hung look-up */
    rc |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, endpoint->tls ? "https" : "http");
    rc |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    rc |= curl_easy_setopt(easy, CURLOPT_PROXY,
                           endpoint->near ? "" : remote_section_text(section, "proxy", ""));
    rc |= curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    rc |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    rc |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "hsmbridge/" HSMBRIDGE_VERSION);
    rc |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 20L);
    rc |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 10L);
    rc |= curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)REMOTE_IDLE_LIMIT_S);
    rc |= curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 60L);
    rc |= curl_easy_setopt(easy, CURLOPT_DNS_SHUFFLE_ADDRESSES, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, handle->error);
    rc |= curl_easy_setopt(easy, CURLOPT_PRIVATE, handle);
    rc |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    rc |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, handle);
    rc |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    rc |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, handle->unit);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, handle);
    rc |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    rc |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, handle);
    if (endpoint->unix_path != NULL)
        rc |= curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, endpoint->unix_path);
    return rc == CURLE_OK;
}

void remote_handle_free(struct remote_handle *handle)
{
    curl_easy_cleanup(handle->easy);
    curl_slist_free_all(handle->headers);
    curl_slist_free_all(handle->resolve);
    curl_slist_free_all(handle->connect_to);
    remote_buf_clear(&handle->headers_text);
    remote_buf_clear(&handle->url);
    remote_buf_clear(&handle->late_body); /* libcurl is through with it */
    free(handle);
}

struct remote_handle *remote_handle_new(struct remote_unit *unit, struct remote_slot *slot,
                                        size_t endpoint)
{
    struct remote_handle *handle = calloc(1, sizeof(*handle));

    if (handle == NULL)
        return NULL;
    handle->unit = unit;
    handle->slot = slot;
    handle->endpoint = endpoint;
    handle->client_serial = remote_tls_client_serial(&slot->tls);
    handle->easy = curl_easy_init();
    if (handle->easy == NULL || !set_common(handle, slot->section) ||
        (slot->endpoints.list[endpoint].tls && !set_tls(handle, slot->section)) ||
        !set_connect_to(handle, slot->section)) {
        remote_handle_free(handle);
        return NULL;
    }
    handle->next = unit->handles;
    unit->handles = handle;
    return handle;
}

bool remote_handle_is_stale(const struct remote_handle *handle)
{
    return handle->client_serial != remote_tls_client_serial(&handle->slot->tls);
}

/*
 * libcurl closes the connection of a request of HTTP/1.1 that it gives up; of HTTP/2, versions from
 * 8.0 on end the stream alone. But a connection that a firewall has forgotten would be found again
 * by every request until TCP gives up on it.
 */
void remote_handle_close_behind(struct remote_handle *handle)
{
    curl_easy_setopt(handle->easy, CURLOPT_FORBID_REUSE, 1L);
}

/* ---- one transfer ---- */

/* gRPC needs HTTP/2: without TLS there is nothing to agree on it with (RFC 9113 3.3). */
static bool set_version(struct remote_handle *handle, bool grpc)
{
    bool agreed = handle->slot->endpoints.list[handle->endpoint].tls || handle->reuse_only;
    long version = CURL_HTTP_VERSION_1_1;

    if (grpc)
        version = agreed ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    if (handle->version == version)
        return true;
    handle->version = version;
    return curl_easy_setopt(handle->easy, CURLOPT_HTTP_VERSION, version) == CURLE_OK;
}

static bool set_headers(struct remote_handle *handle, const struct remote_transfer *transfer)
{
    const struct remote_request *request = transfer->request;
    CLEANUP(remote_buf_clear) struct remote_buf lines = { 0 };
    struct remote_slice wanted;
    struct curl_slist *list;

    remote_buf_append(&lines, request->headers.data, request->headers.len);
    if (request->grpc)
        remote_grpc_headers(&lines, transfer->deadline_ms - remote_now_ms());
    if (lines.failed)
        return false;
    wanted = remote_buf_slice(&lines);
    if (handle->headers != NULL &&
        remote_slice_equal(remote_buf_slice(&handle->headers_text), wanted))
        return true; /* the same token as last time */
    curl_easy_setopt(handle->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(handle->headers);
    handle->headers = NULL;
    remote_buf_clear(&handle->headers_text);
    list = curl_slist_append(NULL, "Expect:");
    if (list == NULL || !add_lines(&list, (const char *)wanted.data)) {
        curl_slist_free_all(list);
        return false;
    }
    handle->headers = list;
    remote_buf_append(&handle->headers_text, wanted.data, wanted.len);
    return curl_easy_setopt(handle->easy, CURLOPT_HTTPHEADER, list) == CURLE_OK;
}

static bool set_resolve(struct remote_handle *handle, bool fallback)
{
    char text[REMOTE_RESOLVE_TEXT_MAX];

    remote_endpoints_resolve(&handle->slot->endpoints, handle->endpoint, fallback, text,
                             sizeof(text));
    if (strcmp(text, handle->resolve_text) == 0)
        return true;
    curl_slist_free_all(handle->resolve);
    if (text[0] != '\0') {
        handle->resolve = curl_slist_append(NULL, text);
    } else { /* "-HOST:PORT" takes an earlier entry out of the cache */
        const struct remote_endpoint *endpoint = &handle->slot->endpoints.list[handle->endpoint];
        char drop[REMOTE_RESOLVE_TEXT_MAX];

        snprintf(drop, sizeof(drop), "-%s:%u", endpoint->host, endpoint->port);
        handle->resolve = curl_slist_append(NULL, drop);
    }
    memcpy(handle->resolve_text, text, sizeof(text));
    return handle->resolve != NULL &&
           curl_easy_setopt(handle->easy, CURLOPT_RESOLVE, handle->resolve) == CURLE_OK;
}

static bool set_request(struct remote_handle *handle, const struct remote_transfer *transfer)
{
    const struct remote_request *request = transfer->request;
    CLEANUP(remote_buf_clear) struct remote_buf url = { 0 };
    CURL *easy = handle->easy;
    CURLcode rc = CURLE_OK;
    bool body = request->body.len > 0 || strcmp(request->method, "POST") == 0 ||
                strcmp(request->method, "PUT") == 0;

    remote_buf_append_str(&url, handle->slot->endpoints.list[handle->endpoint].request_url);
    remote_buf_append(&url, request->path.data, request->path.len);
    if (url.failed)
        return false;
    if (strcmp((const char *)url.data, handle->url.data ? (const char *)handle->url.data : "") !=
        0) {
        rc |= curl_easy_setopt(easy, CURLOPT_URL, (const char *)url.data);
        remote_buf_clear(&handle->url);
        handle->url = url;
        memset(&url, 0, sizeof(url));
    }
    if (body) {
        rc |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        rc |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                               request->body.len ? (const char *)request->body.data : "");
    } else {
        rc |= curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    if (handle->method != request->method) { /* both are static texts */
        rc |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
        handle->method = request->method;
    }
    return rc == CURLE_OK && set_version(handle, request->grpc) && set_headers(handle, transfer);
}

/* Whether libcurl might find a connection for this handle that somebody used before. */
static bool may_find_connection(const struct remote_handle *handle)
{
    const struct remote_handle *h = handle->unit->handles;

    while (h != NULL && !(h->used && h->slot == handle->slot && h->endpoint == handle->endpoint))
        h = h->next;
    return h != NULL;
}

/*
 * Before 8.0, libcurl greets anew on a connection that it uses again with prior knowledge of
 * HTTP/2, which ends it (https://github.com/curl/curl/pull/10643). Asked for HTTP/2 over TLS it
 * takes the connection as it is, but would open one of HTTP/1.1 where it finds none: such a request
 * opens none, and begins anew with REMOTE_BEGIN_ANEW.
 */
static bool reuses_prior_knowledge(void)
{
    return curl_version_info(CURLVERSION_NOW)->version_num >= 0x080000;
}

/*
 * libcurl repeats by itself, POST or not, what a reused connection did not answer. What must not
 * be sent twice gets a connection of its own, which is closed behind it: the one that waits is good
 * for the next request. The very first connection is nobody's second.
 */
static CURLcode choose_connection(struct remote_handle *handle,
                                  const struct remote_request *request, bool anew)
{
    bool known = may_find_connection(handle);
    bool own = request->once && known;
    bool fresh = own || anew || remote_handle_is_stale(handle);
    CURLcode rc = curl_easy_setopt(handle->easy, CURLOPT_FRESH_CONNECT, (long)fresh);

    handle->reuse_only = request->grpc && known && !fresh && !reuses_prior_knowledge() &&
                         !handle->slot->endpoints.list[handle->endpoint].tls;
    handle->used = handle->used || !own;
    return rc != CURLE_OK ? rc : curl_easy_setopt(handle->easy, CURLOPT_FORBID_REUSE, (long)own);
}

enum remote_rc remote_handle_begin(struct remote_handle *handle, struct remote_transfer *transfer,
                                   unsigned how)
{
    bool fallback = (how & REMOTE_BEGIN_FALLBACK) != 0;
    int64_t left = transfer->deadline_ms - remote_now_ms();
    CURLcode rc;

    handle->error[0] = '\0';
    handle->connecting_ms = 0;
    handle->tls_begun = false;
    handle->too_large = false;
    handle->head_read = false;
    handle->grpc_type = false;
    transfer->grpc_status = REMOTE_GRPC_NONE;
    handle->started_us = remote_now_us();
    /* A gRPC call's deadline is http.c's own timer; 0: none of libcurl's. */
    rc = curl_easy_setopt(handle->easy, CURLOPT_TIMEOUT_MS,
                          transfer->request->grpc ? 0L : (long)(left > 0 ? left : 1));
    if (rc == CURLE_OK)
        rc = choose_connection(handle, transfer->request, (how & REMOTE_BEGIN_ANEW) != 0);
    if (rc != CURLE_OK || !set_resolve(handle, fallback) || !set_request(handle, transfer))
        return REMOTE_E_NOMEM;
    handle->transfer = transfer;
    transfer->handle = handle;
    if (curl_multi_add_handle(handle->unit->multi, handle->easy) != CURLM_OK) {
        handle->transfer = NULL;
        return REMOTE_E_NOMEM;
    }
    return REMOTE_OK;
}
