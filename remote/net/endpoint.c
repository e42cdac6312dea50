/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/urlapi.h>

#include "remote/config/options.h"

#define CIRCUIT_FIRST_MS 500
#define CIRCUIT_MAX_MS 30000
#define ADDRESSES_FRESH_MS 60000
/* Retries stay under a fifth of the requests, after a first reserve. */
#define TOKEN_SHARE 0.2
#define TOKENS_MAX 20.0
/* Cloud metadata services answer plain HTTP on these by design. */
#define METADATA_V4 "169.254.169.254"

/* ---- reading `url` ---- */

static bool loopback(const char *host)
{
    struct in_addr v4;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return strcmp(host, "[::1]") == 0 || strcmp(host, "localhost") == 0;
}

static enum remote_rc check_plain(const struct remote_section *section, const char *option,
                                  const char *url, const char *host, struct remote_error *err)
{
    bool near = loopback(host) || strcmp(host, METADATA_V4) == 0;

    if (near && remote_section_bool(section, "insecure_transport", false))
        return REMOTE_OK;
    if (near)
        return remote_section_fail(section, option, err,
                                   "'%s' is plain HTTP; use https://, or set insecure_transport = "
                                   "yes for a service on this host",
                                   url);
    return remote_section_fail(section, option, err,
                               "'%s' is plain HTTP to another host, which is never allowed; use "
                               "https://",
                               url);
}

static enum remote_rc open_unix(struct remote_endpoint *endpoint,
                                const struct remote_section *section, const char *option,
                                const char *url, struct remote_error *err)
{
    const char *path = url + strlen("unix:");

    if (path[0] != '/')
        return remote_section_fail(section, option, err, "'%s': use unix:/absolute/path", url);
    if (!remote_section_bool(section, "insecure_transport", false))
        return remote_section_fail(section, option, err,
                                   "'%s' is plain HTTP over a socket; set insecure_transport = yes "
                                   "to allow it",
                                   url);
    endpoint->unix_path = strdup(path);
    endpoint->url = strdup(url);
    endpoint->host = strdup("localhost");
    endpoint->request_url = strdup("http://localhost");
    return endpoint->unix_path && endpoint->url && endpoint->host && endpoint->request_url
               ? REMOTE_OK
               : REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
}

static char *url_part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL, *copy = NULL;

    if (curl_url_get(url, part, &text, flags) == CURLUE_OK && text != NULL)
        copy = strdup(text);
    curl_free(text);
    return copy;
}

static bool is_address(const char *host)
{
    unsigned char scratch[sizeof(struct in6_addr)];

    return host[0] == '[' || inet_pton(AF_INET, host, scratch) == 1;
}

static void trim_slash(char *url)
{
    size_t len = strlen(url);

    while (len > 0 && url[len - 1] == '/')
        url[--len] = '\0';
}

/* Fills host, port and both URLs; `server_name` takes the host's place in what libcurl sees, so
 * that SNI, the name check and the Host header agree, and CONNECT_TO leads to the real host. */
static bool take_parts(struct remote_endpoint *endpoint, CURLU *parsed, const char *server_name)
{
    CLEANUP(remote_str_free) char *port = url_part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT);

    endpoint->url = url_part(parsed, CURLUPART_URL, 0);
    if (server_name != NULL && curl_url_set(parsed, CURLUPART_HOST, server_name, 0) != CURLUE_OK)
        return false;
    endpoint->request_url = url_part(parsed, CURLUPART_URL, 0);
    endpoint->host = url_part(parsed, CURLUPART_HOST, 0);
    if (!port || !endpoint->url || !endpoint->request_url || !endpoint->host)
        return false;
    trim_slash(endpoint->url);
    trim_slash(endpoint->request_url);
    endpoint->port = (unsigned)strtoul(port, NULL, 10);
    endpoint->named = !is_address(endpoint->host);
    return true;
}

static enum remote_rc open_parsed(struct remote_endpoint *endpoint, CURLU *parsed,
                                  const struct remote_section *section, const char *option,
                                  const char *url, struct remote_error *err)
{
    CLEANUP(remote_str_free) char *scheme = url_part(parsed, CURLUPART_SCHEME, 0);
    CLEANUP(remote_str_free) char *host = url_part(parsed, CURLUPART_HOST, 0);
    CLEANUP(remote_str_free) char *user = url_part(parsed, CURLUPART_USER, 0);
    CLEANUP(remote_str_free) char *query = url_part(parsed, CURLUPART_QUERY, 0);

    if (scheme == NULL || host == NULL ||
        (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0))
        return remote_section_fail(section, option, err, "'%s' is not https://HOST[:PORT]", url);
    if (user != NULL || query != NULL)
        return remote_section_fail(section, option, err,
                                   "a URL with a user or a query; give https://HOST[:PORT] alone");
    endpoint->tls = strcmp(scheme, "https") == 0;
    if (!endpoint->tls)
        REMOTE_TRY(check_plain(section, option, url, host, err));
    if (!take_parts(endpoint, parsed, remote_section_text(section, "server_name", NULL)))
        return remote_section_fail(section, "server_name", err, "not a host name, or no memory");
    return REMOTE_OK;
}

static enum remote_rc open_one(struct remote_endpoint *endpoint,
                               const struct remote_section *section, const char *option,
                               const char *url, struct remote_error *err)
{
    CURLU *parsed;
    enum remote_rc rc;

    if (strncmp(url, "unix:", 5) == 0)
        return open_unix(endpoint, section, option, url, err);
    parsed = curl_url();
    if (parsed == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    if (curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK)
        rc = remote_section_fail(section, option, err, "'%s' is not https://HOST[:PORT]", url);
    else
        rc = open_parsed(endpoint, parsed, section, option, url, err);
    curl_url_cleanup(parsed);
    return rc;
}

void remote_endpoints_begin(struct remote_endpoints *endpoints)
{
    memset(endpoints, 0, sizeof(*endpoints));
    remote_lock_init(&endpoints->lock, REMOTE_LOCK_POOL);
    endpoints->tokens = TOKENS_MAX;
}

enum remote_rc remote_endpoints_append(struct remote_endpoints *endpoints,
                                       const struct remote_section *section, const char *option,
                                       const char *url, struct remote_error *err)
{
    if (endpoints->count == REMOTE_ENDPOINTS_MAX)
        return remote_section_fail(section, option, err, "more than %d endpoints",
                                   REMOTE_ENDPOINTS_MAX);
    endpoints->total = endpoints->count + 1; /* what was filled is freed by close */
    REMOTE_TRY(open_one(&endpoints->list[endpoints->count], section, option, url, err));
    endpoints->count++;
    return REMOTE_OK;
}

enum remote_rc remote_endpoints_open(struct remote_endpoints *endpoints,
                                     const struct remote_section *section, struct remote_error *err)
{
    const char *const *urls = remote_section_words(section, "url");

    remote_endpoints_begin(endpoints);
    if (urls[0] == NULL)
        return remote_section_fail(section, "url", err, "missing; say where the service is");
    for (; *urls != NULL; urls++)
        REMOTE_TRY(remote_endpoints_append(endpoints, section, "url", *urls, err));
    return REMOTE_OK;
}

/* ---- other origins ---- */

/* 169.254.0.0/16 (RFC 3927) is where clouds put what a machine asks about itself: IMDS, and the
 * identity endpoint that App Service names. A router does not forward it. */
static bool link_local(const char *host)
{
    struct in_addr v4;

    return inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 16) == 0xa9fe;
}

/* A URL that is an origin and nothing else. */
static bool is_origin(CURLU *parsed)
{
    static const CURLUPart others[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                        CURLUPART_FRAGMENT };
    CLEANUP(remote_str_free) char *path = url_part(parsed, CURLUPART_PATH, 0);

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        CLEANUP(remote_str_free) char *part = url_part(parsed, others[i], 0);

        if (part != NULL)
            return false;
    }
    return path == NULL || strcmp(path, "/") == 0;
}

static enum remote_rc open_origin(struct remote_endpoint *endpoint, CURLU *parsed,
                                  const struct remote_section *section, const char *option,
                                  const char *url, struct remote_error *err)
{
    CLEANUP(remote_str_free) char *scheme = url_part(parsed, CURLUPART_SCHEME, 0);
    CLEANUP(remote_str_free) char *host = url_part(parsed, CURLUPART_HOST, 0);

    if (scheme == NULL || host == NULL || !is_origin(parsed) ||
        (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0))
        return remote_section_fail(section, option, err,
                                   "'%s' is not https://HOST[:PORT] and nothing else", url);
    endpoint->tls = strcmp(scheme, "https") == 0;
    if (!endpoint->tls && !(endpoint->near && (loopback(host) || link_local(host))))
        return remote_section_fail(section, option, err,
                                   endpoint->near ? "'%s' is plain HTTP to another host, which is "
                                                    "never allowed"
                                                  : "'%s' is plain HTTP; use https://",
                                   url);
    if (!take_parts(endpoint, parsed, NULL))
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    return REMOTE_OK;
}

enum remote_rc remote_endpoints_add(struct remote_endpoints *endpoints,
                                    const struct remote_section *section, const char *option,
                                    const char *url, bool near, unsigned *ret,
                                    struct remote_error *err)
{
    struct remote_endpoint *endpoint = &endpoints->list[endpoints->total];
    CURLU *parsed;
    enum remote_rc rc;

    if (endpoints->total == ARRAY_SIZE(endpoints->list) ||
        endpoints->total - endpoints->count == REMOTE_ORIGINS_MAX)
        return REMOTE_FAIL(err, REMOTE_E_USAGE, "more than %d origins", REMOTE_ORIGINS_MAX);
    parsed = curl_url();
    if (parsed == NULL)
        return REMOTE_FAIL(err, REMOTE_E_NOMEM, "out of memory");
    endpoint->near = near;
    endpoints->total++;
    if (curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK)
        rc = remote_section_fail(section, option, err, "'%s' is not https://HOST[:PORT]", url);
    else
        rc = open_origin(endpoint, parsed, section, option, url, err);
    curl_url_cleanup(parsed);
    if (rc == REMOTE_OK)
        *ret = (unsigned)endpoints->total - 1;
    return rc;
}

void remote_endpoints_close(struct remote_endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints->total; i++) {
        free(endpoints->list[i].url);
        free(endpoints->list[i].request_url);
        free(endpoints->list[i].host);
        free(endpoints->list[i].unix_path);
    }
    if (endpoints->tokens > 0.0 || endpoints->total > 0)
        remote_lock_destroy(&endpoints->lock);
    memset(endpoints, 0, sizeof(*endpoints));
}

/* ---- which one next ---- */

static bool being_probed(const struct remote_endpoint *endpoint)
{
    return endpoint->probing && endpoint->probe_generation == remote_fork_generation();
}

static size_t choose_locked(struct remote_endpoints *endpoints, unsigned avoid, int64_t now)
{
    size_t soonest = 0;
    int64_t soonest_ms = INT64_MAX;

    for (size_t i = 0; i < endpoints->count; i++) {
        struct remote_endpoint *endpoint = &endpoints->list[i];

        if (avoid >> i & 1u)
            continue;
        if (endpoint->failures == 0)
            return i;
        if (now >= endpoint->closed_until_ms && !being_probed(endpoint)) {
            endpoint->probing = true;
            endpoint->probe_generation = remote_fork_generation();
            return i;
        }
        if (endpoint->closed_until_ms < soonest_ms) {
            soonest_ms = endpoint->closed_until_ms;
            soonest = i;
        }
    }
    return soonest;
}

size_t remote_endpoints_choose(struct remote_endpoints *endpoints, unsigned avoid)
{
    size_t index;

    if (endpoints->count <= 1)
        return 0;
    remote_lock_acquire(&endpoints->lock);
    index = choose_locked(endpoints, avoid, remote_now_ms());
    remote_lock_release(&endpoints->lock);
    return index;
}

void remote_endpoints_succeeded(struct remote_endpoints *endpoints, size_t index)
{
    struct remote_endpoint *endpoint = &endpoints->list[index];

    remote_lock_acquire(&endpoints->lock);
    endpoint->failures = 0;
    endpoint->probing = false;
    remote_lock_release(&endpoints->lock);
}

void remote_endpoints_failed(struct remote_endpoints *endpoints, size_t index)
{
    struct remote_endpoint *endpoint = &endpoints->list[index];
    int64_t pause = CIRCUIT_FIRST_MS;

    remote_lock_acquire(&endpoints->lock);
    for (unsigned i = 0; i < endpoint->failures && pause < CIRCUIT_MAX_MS; i++)
        pause *= 2;
    endpoint->failures++;
    endpoint->probing = false;
    endpoint->resolved_ms = 0; /* it may have moved: ask the resolver next time */
    endpoint->closed_until_ms = remote_now_ms() + (pause < CIRCUIT_MAX_MS ? pause : CIRCUIT_MAX_MS);
    remote_lock_release(&endpoints->lock);
}

void remote_endpoints_undecided(struct remote_endpoints *endpoints, size_t index)
{
    remote_lock_acquire(&endpoints->lock);
    endpoints->list[index].probing = false;
    remote_lock_release(&endpoints->lock);
}

/* ---- the retry budget ---- */

void remote_endpoints_credit(struct remote_endpoints *endpoints)
{
    remote_lock_acquire(&endpoints->lock);
    endpoints->tokens += TOKEN_SHARE;
    if (endpoints->tokens > TOKENS_MAX)
        endpoints->tokens = TOKENS_MAX;
    remote_lock_release(&endpoints->lock);
}

bool remote_endpoints_may_retry(struct remote_endpoints *endpoints)
{
    bool may;

    remote_lock_acquire(&endpoints->lock);
    may = endpoints->tokens >= 1.0;
    if (may)
        endpoints->tokens -= 1.0;
    remote_lock_release(&endpoints->lock);
    return may;
}

/* ---- addresses ---- */

static void learn_locked(struct remote_endpoint *endpoint, const char *address)
{
    size_t i = 0;

    while (i < endpoint->address_count && strcmp(endpoint->addresses[i], address) != 0)
        i++;
    if (i == endpoint->address_count) { /* a full list drops its last */
        if (i == REMOTE_ADDRESSES_MAX)
            i--;
        else
            endpoint->address_count++;
    }
    memmove(endpoint->addresses[1], endpoint->addresses[0], i * sizeof(endpoint->addresses[0]));
    snprintf(endpoint->addresses[0], sizeof(endpoint->addresses[0]), "%s", address);
}

void remote_endpoints_learn(struct remote_endpoints *endpoints, size_t index, const char *address)
{
    struct remote_endpoint *endpoint = &endpoints->list[index];

    if (!endpoint->named || strlen(address) >= sizeof(endpoint->addresses[0]) ||
        strchr(address, '/') != NULL)
        return;
    remote_lock_acquire(&endpoints->lock);
    learn_locked(endpoint, address);
    if (endpoint->resolved_ms == 0 || remote_now_ms() - endpoint->resolved_ms >= ADDRESSES_FRESH_MS)
        endpoint->resolved_ms = remote_now_ms();
    remote_lock_release(&endpoints->lock);
}

void remote_endpoints_resolve(struct remote_endpoints *endpoints, size_t index, bool fallback,
                              char *ret, size_t size)
{
    struct remote_endpoint *endpoint = &endpoints->list[index];
    int used;

    ret[0] = '\0';
    if (!endpoint->named)
        return;
    remote_lock_acquire(&endpoints->lock);
    if (endpoint->address_count > 0 &&
        (fallback || (endpoint->resolved_ms != 0 &&
                      remote_now_ms() - endpoint->resolved_ms < ADDRESSES_FRESH_MS))) {
        used = snprintf(ret, size, "%s:%u:", endpoint->host, endpoint->port);
        for (size_t i = 0; i < endpoint->address_count && used > 0 && (size_t)used < size; i++)
            used += snprintf(ret + used, size - (size_t)used, "%s%s", i ? "," : "",
                             endpoint->addresses[i]);
    }
    remote_lock_release(&endpoints->lock);
}

/* ---- where connections go ---- */

/* HOST:PORT is where the service is; HOST:PORT:ADDRESS:PORT is libcurl's own form. */
static bool is_map_entry(const char *text, size_t len)
{
    size_t colons = 0;
    bool bracketed = false;

    for (size_t i = 0; i < len; i++) {
        bracketed = text[i] == '[' || (bracketed && text[i] != ']');
        colons += text[i] == ':' && !bracketed;
    }
    return colons > 1;
}

static void append_line(struct remote_buf *lines, const char *prefix, const char *text, size_t len)
{
    remote_buf_append_str(lines, prefix);
    remote_buf_append(lines, text, len);
    remote_buf_append_char(lines, '\n');
}

void remote_endpoints_connect_to(const struct remote_endpoints *endpoints, size_t index,
                                 const struct remote_section *section, struct remote_buf *ret)
{
    const struct remote_endpoint *endpoint = &endpoints->list[index];
    const char *words = remote_section_text(section, "connect_to", NULL);
    const char *authority = strstr(endpoint->url, "://");
    const char *word;
    size_t len;

    if (endpoint->near)
        return;
    if (words == NULL && strcmp(endpoint->url, endpoint->request_url) != 0 && authority != NULL)
        append_line(ret, "::", authority + 3, strcspn(authority + 3, "/"));
    while (words != NULL && (len = remote_word_next(&words, &word)) > 0) {
        bool map = is_map_entry(word, len);

        if (map || index < endpoints->count)
            append_line(ret, map ? "" : "::", word, len);
    }
}
