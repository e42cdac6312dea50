/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoders; provider-encoder(7). encoder.c makes the bytes, encoder_table.c tells libcrypto which
 * there are: one for each kind of key, form and structure.
 */
#ifndef PROVIDER_ENCODER_H
#define PROVIDER_ENCODER_H

#include "key.h"

struct provider_encoder {
    struct provider *provider;
    const char *output;    /* "DER", "PEM", "TEXT" */
    const char *structure; /* "PrivateKeyInfo", ...; NULL: of text */
    char *cipher;          /* for the private half of a software key; NULL: not encrypted */
};

int provider_encoder_set_params(void *ctx, const OSSL_PARAM params[]);
int provider_encoder_encode(void *ctx, OSSL_CORE_BIO *out, const void *object,
                            const OSSL_PARAM abstract[], int selection,
                            OSSL_PASSPHRASE_CALLBACK *pw_cb, void *pw_arg);

#endif
