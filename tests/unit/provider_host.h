/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for tests of the OpenSSL provider: a library context of its own with the real default
 * provider and ours, which has the slots of fake_core.h behind it.
 */
#ifndef TESTS_PROVIDER_HOST_H
#define TESTS_PROVIDER_HOST_H

#include "fake_core.h"

#include <openssl/core.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

struct host {
    OSSL_LIB_CTX *ctx;
    OSSL_PROVIDER *libcrypto, *ours;
    const char *properties; /* that using our keys takes; NULL: none */
};
extern struct host host;

/* Test fixtures. What the test leaves on the error queue is dropped. */
int host_start(void **state);      /* without default properties */
int host_start_ours(void **state); /* ?provider=hsmbridge */
/* ?provider=default; and provider=default, where a host has to name us to get anything of ours. */
int host_start_default(void **state);
int host_start_strict(void **state);
int host_stop(void **state);

#define HOST_GROUP(tests) cmocka_run_group_tests(tests, fake_core_make, fake_core_free)
#define HOST_TEST(name) cmocka_unit_test_setup_teardown(name, host_start, host_stop)
#define HOST_TEST_WITH(name, start) cmocka_unit_test_setup_teardown(name, start, host_stop)

/* OSSL_provider_init() */
int host_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
              void **provctx);

/* A private key by its URI; NULL, and errors on the queue, when there is none. */
EVP_PKEY *host_key_of(OSSL_LIB_CTX *ctx, const char *uri);
/* A key of slot "web" by its label. */
EVP_PKEY *host_key(const char *label);
EVP_PKEY *host_public_key(const char *label);
/* Its public half as the default provider has it, as from a certificate. */
EVP_PKEY *host_default_half(EVP_PKEY *pkey);
bool host_is_ours(const EVP_PKEY *pkey);
/* The newest error is ours and says this; empties the queue. */
void host_assert_error(const char *part);
/* Some error of the queue is ours and says this; empties the queue. */
void host_assert_said(const char *part);
/* Nothing was raised. */
void host_assert_quiet(void);

/* Signs with a digest and any RSA padding, in parts; and verifies. */
struct host_signing {
    const char *digest;
    int padding;      /* 0: not set */
    int salt;         /* of PSS; 0: not set */
    const char *mgf1; /* NULL: not set */
};
/* Padding, salt and MGF1. */
void host_set_up(EVP_PKEY_CTX *ctx, const struct host_signing *how);
size_t host_sign(EVP_PKEY *pkey, const struct host_signing *how, unsigned char sig[512]);
bool host_verify(EVP_PKEY *pkey, const struct host_signing *how, const unsigned char *sig,
                 size_t len);

#endif
