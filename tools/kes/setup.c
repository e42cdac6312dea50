/* SPDX-License-Identifier: Apache-2.0 */
#include "setup.h"

static enum remote_rc read_settings(const struct kesd_setup *setup, struct kesd_settings **ret,
                                    struct remote_error *err)
{
    if (setup->options->kes_config != NULL)
        return kesd_settings_read_yaml(setup->options->kes_config, setup->core, ret, err);
    return kesd_settings_read(setup->core, ret, err);
}

static struct kesd_tls_rules tls_rules(const struct kesd_settings *settings)
{
    return (struct kesd_tls_rules){
        .cert_file = settings->cert_file,
        .key_file = settings->key_file,
        .ca_file = settings->ca_file,
        .refuses_expired = settings->client_cert_expiry,
        .asks_only = settings->skip_auth.count > 0,
    };
}

static void append_field(struct remote_buf *ret, const char *text)
{
    remote_buf_append_str(ret, text != NULL ? text : "");
    remote_buf_append_char(ret, '\n');
}

/* All that kesd_keys_new() reads. */
static void describe_keys(const struct kesd_settings *settings, struct remote_buf *ret)
{
    const char *const texts[] = { settings->slot,         settings->sealing_key,
                                  settings->directory,    settings->vault_slot,
                                  settings->vault_mount,  settings->vault_prefix,
                                  settings->vault_transit };

    remote_buf_printf(ret, "%d %d %u %lld %lld %lld\n", (int)settings->store, (int)settings->format,
                      settings->vault_version, (long long)settings->cache_any_ms,
                      (long long)settings->cache_unused_ms, (long long)settings->cache_offline_ms);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        append_field(ret, texts[i]);
}

enum remote_rc kesd_setup_init(struct kesd_setup *setup, const struct kesd_options *options,
                               struct remote_core *core, struct remote_error *err)
{
    struct kesd_settings *settings = NULL;
    struct kesd_tls_rules rules;
    enum remote_rc rc;

    setup->options = options;
    setup->core = core;
    REMOTE_TRY(read_settings(setup, &settings, err));
    rules = tls_rules(settings);
    rc = kesd_tls_new(&rules, &setup->tls, err);
    if (rc == REMOTE_OK)
        rc = kesd_keys_new(core, settings, &setup->keys, err);
    if (rc != REMOTE_OK) {
        kesd_settings_free(settings);
        return rc;
    }
    describe_keys(settings, &setup->keys_text);
    setup->settings = settings;
    REMOTE_TRY(kesd_api_new(core, settings, setup->keys, &setup->api, err));
    kesd_metrics_certificate(setup->api, kesd_tls_expiry(setup->tls));
    return REMOTE_OK;
}

void kesd_setup_clear(struct kesd_setup *setup)
{
    kesd_api_free(setup->api);
    kesd_tls_free(setup->tls);
    remote_buf_clear(&setup->keys_text);
}

/* *ret NULL: those that are there serve on, with what they have in their cache. */
static enum remote_rc new_keys(struct kesd_setup *setup, const struct kesd_settings *settings,
                               struct kesd_keys **ret, struct remote_error *err)
{
    CLEANUP(remote_buf_clear) struct remote_buf text = { 0 };

    describe_keys(settings, &text);
    REMOTE_TRY(remote_buf_check(&text, err));
    *ret = NULL;
    if (remote_slice_equal(remote_buf_slice(&text), remote_buf_slice(&setup->keys_text)))
        return REMOTE_OK;
    REMOTE_TRY(kesd_keys_new(setup->core, settings, ret, err));
    remote_buf_clear(&setup->keys_text);
    setup->keys_text = text;
    text = (struct remote_buf){ 0 };
    return REMOTE_OK;
}

/* Takes settings. */
static enum remote_rc use_settings(struct kesd_setup *setup, struct kesd_settings *settings,
                                   struct remote_error *err)
{
    const struct kesd_tls_rules rules = tls_rules(settings);
    struct kesd_keys *keys = NULL;
    enum remote_rc rc = kesd_tls_set(setup->tls, &rules, err);

    if (rc == REMOTE_OK)
        rc = new_keys(setup, settings, &keys, err);
    if (rc != REMOTE_OK) {
        kesd_settings_free(settings);
        return rc;
    }
    REMOTE_TRY(kesd_api_set(setup->api, settings, keys, err));
    setup->settings = settings;
    if (keys != NULL)
        setup->keys = keys;
    return REMOTE_OK;
}

static enum remote_rc reload(struct kesd_setup *setup, struct remote_error *err)
{
    struct kesd_settings *settings = NULL;

    REMOTE_TRY(remote_core_reload(setup->core, true, err));
    REMOTE_TRY(read_settings(setup, &settings, err));
    return use_settings(setup, settings, err);
}

void kesd_setup_reload(struct kesd_setup *setup)
{
    const char *source = setup->options->kes_config;
    struct remote_error err = { 0 };

    if (source == NULL)
        source = remote_core_source(setup->core);
    if (reload(setup, &err) != REMOTE_OK) {
        remote_log(REMOTE_LOG_ERROR, "the configuration stays as it was: %s", err.text);
        return;
    }
    remote_log(REMOTE_LOG_INFO, "%s has been read again", source);
    kesd_setup_create_keys(setup);
}

void kesd_setup_create_keys(const struct kesd_setup *setup)
{
    for (size_t i = 0; i < setup->settings->create_count; i++) {
        const char *name = setup->settings->create[i];
        struct remote_error err = { 0 };
        enum remote_rc rc = kesd_keys_create(setup->keys, name, setup->settings->admin, &err);

        if (rc == REMOTE_OK)
            remote_log(REMOTE_LOG_INFO, "key '%s' has been made", name);
        else if (rc != REMOTE_E_EXISTS)
            remote_log(REMOTE_LOG_ERROR, "key '%s' cannot be made: %s", name, err.text);
    }
}
