/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines of the process, around a call that would register them all. curl_global_init() does:
 * OPENSSL_init_ssl() with OPENSSL_INIT_ENGINE_ALL_BUILTIN ends in ENGINE_register_all_complete(),
 * which makes each engine that the host has loaded the default for whatever it can do. libp11's,
 * which may be what loaded us, would take every RSA and EC key of the process over from then on,
 * those of our provider and of our own TLS too.
 */
#ifndef REMOTE_ENGINES_H
#define REMOTE_ENGINES_H

#include <stddef.h>

#define REMOTE_ENGINES_MAX 32

struct remote_engines {
    void *hidden[REMOTE_ENGINES_MAX]; /* ENGINE, each with a reference */
    size_t count;
};

/* They come in pairs. Engines that the host itself has registered stay registered. */
void remote_engines_hide(struct remote_engines *engines);
void remote_engines_show(struct remote_engines *engines);

#endif
