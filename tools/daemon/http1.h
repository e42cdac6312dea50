/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of HTTP/1.1 as a probe and a scraper need: GET, one answer, and the connection closes.
 * It belongs to the loop's thread; answers are made in a worker, because health may block.
 */
#ifndef DAEMON_HTTP1_H
#define DAEMON_HTTP1_H

#include "inherit.h"
#include "pool.h"

struct daemon_http1; /* all such connections of the process */

struct daemon_http1_answer {
    int status; /* 200, 503 */
    struct remote_buf body;
};
/* In a worker, inside the guard. False: no such path. */
typedef bool daemon_http1_handler(void *arg, const char *path, struct daemon_http1_answer *ret);

struct daemon_http1 *daemon_http1_new(struct daemon_loop *loop, struct daemon_pool *pool,
                                      daemon_http1_handler *handler, void *arg,
                                      struct remote_error *err);
void daemon_http1_free(struct daemon_http1 *http1); /* NULL is fine; the pool has ended */
/* The same address and port twice is one listener. "::" listens on every address. */
enum remote_rc daemon_http1_listen(struct daemon_http1 *http1, const char *address, unsigned port,
                                   struct daemon_inherited *inherited, struct remote_error *err)
    REMOTE_MUST_CHECK;
/* Copies of its listening descriptors, for a successor. */
void daemon_http1_offer(const struct daemon_http1 *http1, struct daemon_inherited *ret);
void daemon_http1_tick(struct daemon_http1 *http1); /* ends connections that say nothing */

/* The path of a request that is whole, without its query. status 0: more is to come. */
struct daemon_http1_request {
    int status; /* 200: a GET or HEAD; else what is to be answered */
    bool head;
    char path[128];
};
void daemon_http1_parse(struct remote_slice bytes, struct daemon_http1_request *ret);

#endif
