/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoders of key files that hold a URI. libcrypto chains them as it does its own: decoder_pem.c
 * makes DER of a PEM block with one of our labels, and decoder.c makes a key of such DER. Whatever
 * else a file holds is none of our business: it is read past without a word, so that libcrypto
 * offers it to the others.
 */
#ifndef PROVIDER_DECODER_H
#define PROVIDER_DECODER_H

#include "provider.h"

/* Names the DER between the two: nobody else's decoders are offered it. */
#define PROVIDER_URI_STRUCTURE "hsmbridge-uri"

/* Bytes of the DER, with room for its headers. */
#define PROVIDER_URI_DER_MAX (REMOTE_URI_MAX + 64)

extern const OSSL_DISPATCH provider_decoder_pem[];

/*
 * Where a decoder of DER puts why it failed, when a PEM decoder of ours called it in this thread,
 * which then tells; NULL: it tells itself. Between the two libcrypto's file: store drops errors.
 */
extern _Thread_local struct remote_error *provider_decoder_failure;

#endif
