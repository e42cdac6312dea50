/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_SUPPRESS_DEPRECATED /* in 3.0, but there as long as hosts load them */
#include "engines.h"

#include <openssl/opensslconf.h>

#ifndef OPENSSL_NO_ENGINE
#include <openssl/engine.h>

static void hide(struct remote_engines *engines, ENGINE *engine)
{
    int flags = ENGINE_get_flags(engine);

    if ((flags & ENGINE_FLAGS_NO_REGISTER_ALL) != 0 || engines->count == REMOTE_ENGINES_MAX ||
        ENGINE_up_ref(engine) != 1)
        return;
    ENGINE_set_flags(engine, flags | ENGINE_FLAGS_NO_REGISTER_ALL);
    engines->hidden[engines->count++] = engine;
}

void remote_engines_hide(struct remote_engines *engines)
{
    engines->count = 0;
    for (ENGINE *engine = ENGINE_get_first(); engine != NULL; engine = ENGINE_get_next(engine))
        hide(engines, engine);
}

void remote_engines_show(struct remote_engines *engines)
{
    for (size_t i = 0; i < engines->count; i++) {
        ENGINE *engine = engines->hidden[i];

        ENGINE_set_flags(engine, ENGINE_get_flags(engine) & ~ENGINE_FLAGS_NO_REGISTER_ALL);
        ENGINE_free(engine);
    }
    engines->count = 0;
}
#else
void remote_engines_hide(struct remote_engines *engines)
{
    engines->count = 0;
}

void remote_engines_show(struct remote_engines *engines)
{
    (void)engines;
}
#endif
