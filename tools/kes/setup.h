/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is served, made out of the configuration at the start and again at a reload. One thread at a
 * time calls these functions; they read files, and all but the first may wait for a store.
 */
#ifndef KESD_SETUP_H
#define KESD_SETUP_H

#include "api.h"
#include "options.h"
#include "tls.h"

struct kesd_setup {
    const struct kesd_options *options;
    struct remote_core *core;
    struct kesd_api *api;
    struct kesd_tls *tls;
    /* Of the api, which frees them when others take their place. */
    const struct kesd_settings *settings;
    struct kesd_keys *keys;
    struct remote_buf keys_text; /* the settings that the keys were made from, to compare */
};

/* No request to a store or a key service is made. */
enum remote_rc kesd_setup_init(struct kesd_setup *setup, const struct kesd_options *options,
                               struct remote_core *core, struct remote_error *err)
    REMOTE_MUST_CHECK;
void kesd_setup_clear(struct kesd_setup *setup);
/* The configuration as it is now; what cannot be used changes nothing and is logged. */
void kesd_setup_reload(struct kesd_setup *setup);
/* Makes the keys that shall be there from the start; failures are logged. */
void kesd_setup_create_keys(const struct kesd_setup *setup);

#endif
