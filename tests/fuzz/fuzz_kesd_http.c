/* SPDX-License-Identifier: Apache-2.0 */
/* What a client of the KES-compatible server sends as HTTP: however its bytes are cut, it is the
 * same requests. The first byte says where they are cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "http.h"

#define REQUESTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen { /* a digest of all requests, by their bytes */
    unsigned long sum;
    unsigned count;
    enum kesd_http_state last;
};

static void mix(struct seen *seen, struct remote_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        seen->sum = seen->sum * 31 + bytes.data[i];
    seen->sum = seen->sum * 31 + bytes.len;
}

static void check(const struct kesd_http *http)
{
    if (http->body.slice.len > KESD_BODY_MAX || (http->body_too_long && http->body.slice.len > 0))
        abort();
    if (http->state == KESD_HTTP_BAD && (http->status < 400 || http->text == NULL))
        abort();
    if (http->state == KESD_HTTP_WHOLE && !http->body_too_long && http->target.slice.len == 0)
        abort();
}

/* Bytes in allocations of their own, which are gone by the next feed. */
static size_t feed(struct kesd_http *http, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size);
    size_t used;

    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    used = kesd_http_feed(http, remote_slice(copy, size));
    if (used > size || !kesd_http_hold(http))
        abort();
    free(copy);
    return used;
}

static struct seen read_all(const uint8_t *data, size_t size, size_t part)
{
    struct kesd_http http;
    struct seen seen = { 0 };

    kesd_http_init(&http);
    while (size > 0 && seen.count < REQUESTS_MAX) {
        size_t used = feed(&http, data, size < part ? size : part);

        check(&http);
        data += used;
        size -= used;
        if (http.state == KESD_HTTP_BAD || http.body_too_long)
            break;
        if (http.state != KESD_HTTP_WHOLE)
            continue;
        mix(&seen, kesd_http_method(&http));
        mix(&seen, http.target.slice);
        mix(&seen, http.body.slice);
        seen.count++;
        kesd_http_next(&http);
    }
    seen.last = http.state;
    kesd_http_clear(&http);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole, cut;

    if (size < 2)
        return 0;
    whole = read_all(data + 1, size - 1, size);
    cut = read_all(data + 1, size - 1, 1u + data[0] % 32);
    if (whole.sum != cut.sum || whole.count != cut.count ||
        (whole.last == KESD_HTTP_BAD) != (cut.last == KESD_HTTP_BAD))
        abort();
    return 0;
}
