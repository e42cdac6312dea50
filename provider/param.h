/* SPDX-License-Identifier: Apache-2.0 */
/* What libcrypto's own context behind one of ours has been told. Inside the guard. */
#ifndef PROVIDER_PARAM_H
#define PROVIDER_PARAM_H

#include <openssl/evp.h>

#include "key.h"

/*
 * The hash that a parameter names. NONE: it names none. REMOTE_E_UNSUPPORTED: one that no key
 * service works with, such as MD5-SHA1; the sentence names it and the key.
 */
enum remote_rc provider_param_hash(EVP_PKEY_CTX *ctx, const char *param,
                                   const struct remote_key *key, enum remote_hash *ret,
                                   struct remote_error *err) REMOTE_MUST_CHECK;
/* A number, such as the padding. */
enum remote_rc provider_param_int(EVP_PKEY_CTX *ctx, const char *param, int *ret,
                                  struct remote_error *err) REMOTE_MUST_CHECK;

#endif
