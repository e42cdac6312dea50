/* SPDX-License-Identifier: Apache-2.0 */
/* What the files keymgmt*.c share. See provider-keymgmt(7). */
#ifndef PROVIDER_KEYMGMT_H
#define PROVIDER_KEYMGMT_H

#include <openssl/evp.h>

#include "key.h"

/* ---- keymgmt_data.c: keys as parameters, between us and other providers ---- */
int provider_keymgmt_import(void *data, int selection, const OSSL_PARAM params[]);
int provider_keymgmt_export(void *data, int selection, OSSL_CALLBACK *callback, void *arg);
void *provider_keymgmt_dup(const void *data, int selection);

/* ---- keymgmt_gen.c: software keys are made by libcrypto ---- */
void *provider_keymgmt_gen_init(struct provider *provider, enum provider_key_type type,
                                int selection, const OSSL_PARAM params[]);
int provider_keymgmt_gen_set_template(void *data, void *template);
int provider_keymgmt_gen_set_params(void *data, const OSSL_PARAM params[]);
void *provider_keymgmt_gen(void *data, OSSL_CALLBACK *callback, void *arg);
void provider_keymgmt_gen_cleanup(void *data);

/*
 * ---- inner.c ----
 * How a key of the private context is made: by EVP_PKEY_fromdata() with a struct
 * provider_reference in this parameter, as octets. No other provider instance takes it.
 */
#define PROVIDER_PARAM_REFERENCE "hsmbridge-reference"

/* For CLEANUP() */
static inline void provider_free_ctx(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

#endif
