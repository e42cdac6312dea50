/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the HTTPS transport share: http.c drives units, http_handle.c sets up
 * libcurl's easy handles and requests, http_outcome.c says what a CURLcode means, http_late.c looks
 * after answers that nobody waits for.
 */
#ifndef REMOTE_HTTP_PRIVATE_H
#define REMOTE_HTTP_PRIVATE_H

#include <curl/curl.h>

#include "remote/slot_private.h"

#define REMOTE_UNIT_SOCKETS 64
#define REMOTE_RESOLVE_TEXT_MAX 600
/* A firewall forgets quiet connections without telling; one this old is not used again. */
#define REMOTE_IDLE_LIMIT_S 55

struct remote_handle { /* an easy handle, set up for one endpoint of one slot */
    CURL *easy;
    struct remote_unit *unit;
    struct remote_slot *slot;
    size_t endpoint;
    unsigned client_serial;           /* which client certificate its connections may have */
    struct remote_transfer *transfer; /* NULL: idle */
    struct curl_slist *headers, *resolve, *connect_to;
    struct remote_buf headers_text; /* what `headers` was made from */
    struct remote_buf url;          /* what CURLOPT_URL has */
    const char *method;             /* what CURLOPT_CUSTOMREQUEST has */
    char resolve_text[REMOTE_RESOLVE_TEXT_MAX];
    char error[CURL_ERROR_SIZE];
    int64_t started_us;
    int64_t connecting_ms; /* when the last socket was opened; 0: none, the connection is warm */
    bool tls_begun;  /* TCP stands; libcurl 7.88 counts CONNECT_TIME to the end of the handshake */
    long version;    /* what CURLOPT_HTTP_VERSION has */
    bool reuse_only; /* opens no connection: see reuses_prior_knowledge() */
    bool grpc_type;  /* the answer's content-type is gRPC's */
    bool used;       /* a transfer was begun: there may be a connection to use again */
    bool too_large;
    bool head_read; /* the blank line behind the header was seen */
    bool late;      /* nobody waits for what is under way: http_late.c */
    int64_t late_until_ms;
    size_t late_left; /* bytes that it may still have */
    struct remote_buf late_body;
    struct remote_handle *next;
};

struct remote_unit {
    const struct remote_transport *transport;
    struct remote_slot *owner;
    CURLM *multi;
    struct remote_handle *handles;
    struct remote_transfer *done, **done_tail;
    /* So that a forked child can close them without talking to libcurl. -1: free. */
    int sockets[REMOTE_UNIT_SOCKETS]; /* under the lock of the owner's pool */
    int64_t idle_since_ms;
    struct remote_unit *next_all, *next_idle;
};

/* socket(2) and close(2) that keep the unit's record. -1: no socket, or no room for it. */
int remote_unit_open_socket(struct remote_unit *unit, int family, int type, int protocol);
int remote_unit_close_socket(struct remote_unit *unit, int fd);

/* NULL: out of memory, or libcurl lacks an option. */
struct remote_handle *remote_handle_new(struct remote_unit *unit, struct remote_slot *slot,
                                        size_t endpoint);
void remote_handle_free(struct remote_handle *handle);
/* Its connections may have been made with an earlier client certificate. */
bool remote_handle_is_stale(const struct remote_handle *handle);

#define REMOTE_BEGIN_FALLBACK 1u /* use the last good addresses instead of the resolver */
#define REMOTE_BEGIN_ANEW 2u     /* on a new connection */
/*
 * Puts the transfer's request on the unit's multi handle. how: REMOTE_BEGIN_*. REMOTE_E_NOMEM:
 * libcurl refused; the handle is idle then.
 */
enum remote_rc remote_handle_begin(struct remote_handle *handle, struct remote_transfer *transfer,
                                   unsigned how);

/* What is under way ends with its connection; choose_connection() resets it. */
void remote_handle_close_behind(struct remote_handle *handle);

/* ---- answers that nobody waits for any more ---- */
/* Takes the handle away from its transfer, and the body from its request. False: it is to be given
 * up, for it has not been sent, or is not to be sent twice. */
bool remote_late_begin(struct remote_handle *handle);
bool remote_late_take(struct remote_handle *handle, size_t len); /* false: too much of it */
void remote_late_end(struct remote_handle *handle);              /* libcurl has ended it */
void remote_late_give_up(struct remote_handle *handle);          /* and closes its connection */
bool remote_late_is_any(const struct remote_unit *unit);
void remote_late_check(struct remote_unit *unit); /* gives up those whose time is over */

/* What came of a transfer that ended with this code: fills rc; err and lasting where it failed. */
void remote_http_judge(struct remote_handle *handle, CURLcode code,
                       struct remote_transfer *transfer);

#endif
