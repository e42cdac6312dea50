/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of TLS 1.2 and 1.3: its certificate, read again when the files change, and what
 * it asks of clients. Inside the guard.
 */
#ifndef KESD_TLS_H
#define KESD_TLS_H

#include <openssl/ssl.h>

#include "remote.h"

struct kesd_tls_rules {
    const char *cert_file, *key_file;
    const char *ca_file;  /* client certificates must chain to it; NULL: any will do */
    bool refuses_expired; /* client certificates; with ca_file they are refused anyway */
    bool asks_only;       /* a client may come without one */
};

struct kesd_tls;
/* rules: copied. The message names the file. */
enum remote_rc kesd_tls_new(const struct kesd_tls_rules *rules, struct kesd_tls **ret,
                            struct remote_error *err) REMOTE_MUST_CHECK;
void kesd_tls_free(struct kesd_tls *tls); /* NULL is fine */
/* New rules, from a reload; on failure the old ones stay. One thread at a time calls this and the
 * next two. */
enum remote_rc kesd_tls_set(struct kesd_tls *tls, const struct kesd_tls_rules *rules,
                            struct remote_error *err) REMOTE_MUST_CHECK;
/* Reads files that have changed. What cannot be used is told once in the log, and the old serve. */
void kesd_tls_refresh(struct kesd_tls *tls);
/* When the certificate ends that is served now; seconds since 1970. */
int64_t kesd_tls_expiry(const struct kesd_tls *tls);

/* For one connection; any thread. NULL: no memory. */
SSL *kesd_tls_accept(struct kesd_tls *tls, int fd);

#endif
