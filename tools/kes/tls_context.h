/* SPDX-License-Identifier: Apache-2.0 */
/* An SSL_CTX out of files as they were read: see tls.h. */
#ifndef KESD_TLS_CONTEXT_H
#define KESD_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "remote.h"

struct kesd_tls_files {
    struct remote_kept_file cert, key, ca; /* ca.path NULL: none */
    bool refuses_expired, asks_only;
};

/* *ret_expiry: of the certificate, seconds since 1970. REMOTE_E_CONFIG names the file. */
enum remote_rc kesd_tls_context(const struct kesd_tls_files *files, SSL_CTX **ret,
                                int64_t *ret_expiry, struct remote_error *err) REMOTE_MUST_CHECK;

#endif
