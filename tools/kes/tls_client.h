/* SPDX-License-Identifier: Apache-2.0 */
/* Who a client is, by its certificate. Inside the guard. */
#ifndef KESD_TLS_CLIENT_H
#define KESD_TLS_CLIENT_H

#include <openssl/ssl.h>

#include "api.h"

/* Certificates of authorities do not count: they are there for the chain. */
bool kesd_tls_is_client(const X509 *cert);

/* After the handshake: fills in certificate, identity and expires_s. */
void kesd_tls_identify(const SSL *ssl, struct kesd_request *ret);
/* It wants to speak HTTP/2. */
bool kesd_tls_has_h2(const SSL *ssl);

#endif
