/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KES API as a function from requests to answers; no transport has a part in it. Any thread;
 * inside the guard.
 */
#ifndef KESD_API_H
#define KESD_API_H

#include "keys.h"

#define KESD_BODY_MAX 1000000 /* bytes of a request, exactly: the real server's limit */

enum kesd_certificate { /* what the client showed */
                        KESD_CERT_NONE,
                        KESD_CERT_ONE,
                        KESD_CERT_MANY, /* more than one that is no CA's */
};

struct kesd_request {           /* borrowed */
    struct remote_slice method; /* "PUT" */
    struct remote_slice target; /* as it came: encoded, perhaps with a query or an authority */
    struct remote_slice body;
    bool body_too_long; /* more than KESD_BODY_MAX; body is empty */
    bool empty;         /* Content-Length: 0, or no body at all */
    enum kesd_certificate certificate;
    char identity[KESD_IDENTITY_LEN + 1]; /* with KESD_CERT_ONE */
    int64_t expires_s;                    /* of that certificate; 0: not known */
    char peer[64];                        /* "127.0.0.1", for the audit log */
};

enum kesd_stream { KESD_NO_STREAM, KESD_STREAM_AUDIT, KESD_STREAM_ERROR };

struct kesd_response { /* owned */
    int status;
    const char *type;                  /* static; NULL: no Content-Type */
    struct remote_buf body;            /* may hold secrets: it is wiped; not sent after HEAD */
    const char *extra;                 /* static header line, "Accept: PUT\r\n"; NULL: none */
    char location[KESD_NAME_MAX + 64]; /* 307; "": none */
    bool close;                        /* the connection ends behind it */
    enum kesd_stream stream; /* status 200 and headers, then lines as they come, until the end */
};

struct kesd_api;
/* Takes settings and keys, also on failure: both are freed when the last request with them ends. */
enum remote_rc kesd_api_new(struct remote_core *core, struct kesd_settings *settings,
                            struct kesd_keys *keys, struct kesd_api **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void kesd_api_free(struct kesd_api *api); /* no request is under way; NULL is fine */
/*
 * New settings, from a reload, and with them new keys, or NULL to go on with those that are there.
 * Takes both, also on failure. Requests under way end with the old ones.
 */
enum remote_rc kesd_api_set(struct kesd_api *api, struct kesd_settings *settings,
                            struct kesd_keys *keys, struct remote_error *err) REMOTE_MUST_CHECK;

/*
 * Answers. may_block false: *nothing* has happened when false is returned, and the request is to be
 * brought again by a thread that may wait. Logs, counts and audits.
 */
bool kesd_api_answer(struct kesd_api *api, const struct kesd_request *request, bool may_block,
                     struct kesd_response *ret);
void kesd_response_clear(struct kesd_response *response);

/* ---- log streams ---- */
/* Called with each line ("{...}\n") of a stream, by the thread that made it, under no lock. */
struct kesd_listener {
    void (*line)(struct kesd_listener *listener, struct remote_slice line);
    struct kesd_listener *prev, *next; /* the api's, as are the others */
    unsigned busy;
    bool leaving;
};
void kesd_api_listen(struct kesd_api *api, enum kesd_stream stream, struct kesd_listener *listener);
void kesd_api_unlisten(struct kesd_api *api, enum kesd_stream stream,
                       struct kesd_listener *listener); /* no call of line() is under way after;
                                                           not to be called by line() */

/* ---- metrics.c ---- */
/* Prometheus' text format 0.0.4, with the names that KES has, and ours. */
void kesd_metrics_write(struct kesd_api *api, struct remote_buf *ret);
/* Told by the transport: when the certificate that it shows now expires, and how many are here. */
void kesd_metrics_certificate(struct kesd_api *api, int64_t not_after_s);
void kesd_metrics_connections(struct kesd_api *api, int change);

#endif
