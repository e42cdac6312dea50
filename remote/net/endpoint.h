/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot's endpoints: the order they are tried in, the circuit of each (one that failed is left
 * alone for a growing while, then probed by one request), the addresses it was last reached at,
 * and the bucket that keeps retries a small part of the load. Everything here locks for itself
 * (REMOTE_LOCK_POOL).
 */
#ifndef REMOTE_ENDPOINT_H
#define REMOTE_ENDPOINT_H

#include <stdint.h>

#include "remote/config/config.h"
#include "remote/fork.h"

#define REMOTE_ENDPOINTS_MAX 16
#define REMOTE_ORIGINS_MAX 4 /* beside `url` */
#define REMOTE_ADDRESSES_MAX 8

struct remote_endpoint {
    char *url;         /* as configured, without a trailing slash: for messages */
    char *request_url; /* what libcurl is given: `server_name` instead of the host */
    char *host;        /* of request_url; brackets kept around IPv6 */
    char *unix_path;   /* unix: socket, else NULL */
    unsigned port;
    bool tls;
    bool near;               /* a metadata service: no proxy, no connect_to */
    bool named;              /* the host is a name: it needs resolving */
    unsigned failures;       /* in a row */
    int64_t closed_until_ms; /* left alone until then */
    bool probing;            /* one request is finding out */
    unsigned probe_generation;
    char addresses[REMOTE_ADDRESSES_MAX][46];
    size_t address_count;
    int64_t resolved_ms;
};

struct remote_endpoints {
    struct remote_lock lock;
    struct remote_endpoint list[REMOTE_ENDPOINTS_MAX + REMOTE_ORIGINS_MAX];
    size_t count; /* of `url`; the other origins stand behind them */
    size_t total;
    double tokens; /* retry budget */
};

/*
 * Reads `url` (and server_name, insecure_transport) of a section. Plain HTTP only to loopback,
 * a unix: socket or the fixed metadata address, and only with insecure_transport = yes.
 */
enum remote_rc remote_endpoints_open(struct remote_endpoints *endpoints,
                                     const struct remote_section *section, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* The same without any endpoint, and the next one: for backends that have an option of their own.
 */
void remote_endpoints_begin(struct remote_endpoints *endpoints);
enum remote_rc remote_endpoints_append(struct remote_endpoints *endpoints,
                                       const struct remote_section *section, const char *option,
                                       const char *url, struct remote_error *err) REMOTE_MUST_CHECK;
void remote_endpoints_close(struct remote_endpoints *endpoints);
/*
 * Another origin, see remote_slot_add_origin(); its index in the list, which is never 0. Before
 * the first request only.
 */
enum remote_rc remote_endpoints_add(struct remote_endpoints *endpoints,
                                    const struct remote_section *section, const char *option,
                                    const char *url, bool near, unsigned *ret,
                                    struct remote_error *err) REMOTE_MUST_CHECK;

/*
 * The endpoint of `url` for the next attempt: the first healthy one in order that is not in `avoid`
 * (bits by index), else one that is due for a probe, else the one that will be soonest. Never
 * refuses: with nothing healthy, trying beats giving up.
 */
size_t remote_endpoints_choose(struct remote_endpoints *endpoints, unsigned avoid);
void remote_endpoints_succeeded(struct remote_endpoints *endpoints, size_t index);
void remote_endpoints_failed(struct remote_endpoints *endpoints, size_t index);
/* The attempt ended without saying anything about the endpoint's health. */
void remote_endpoints_undecided(struct remote_endpoints *endpoints, size_t index);

/* Every request pays in; a repeat that the service had to look at takes out. */
void remote_endpoints_credit(struct remote_endpoints *endpoints);
bool remote_endpoints_may_retry(struct remote_endpoints *endpoints);

/* The address a connection was made to; kept for when names cannot be resolved. */
void remote_endpoints_learn(struct remote_endpoints *endpoints, size_t index, const char *address);
/*
 * "host:port:addr,addr" for CURLOPT_RESOLVE, or "" to let the resolver look: addresses serve
 * for a minute, and again whenever `fallback` says that resolving failed.
 */
void remote_endpoints_resolve(struct remote_endpoints *endpoints, size_t index, bool fallback,
                              char *ret, size_t size);

/*
 * Appends a line for each entry of CURLOPT_CONNECT_TO: where `connect_to`, or an url beside
 * server_name, says that connections go. None: where the endpoint's URL does. Those of `connect_to`
 * that name no host are for `url` alone.
 */
void remote_endpoints_connect_to(const struct remote_endpoints *endpoints, size_t index,
                                 const struct remote_section *section, struct remote_buf *ret);

#endif
