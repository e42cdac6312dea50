/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server is told: a [kes] section and its [kes-policy NAME] sections in our configuration,
 * or the kes.yml of a KES, as far as it maps. Immutable once read; a reload makes a new one.
 */
#ifndef KESD_SETTINGS_H
#define KESD_SETTINGS_H

#include "remote.h"

#define KESD_IDENTITY_LEN 64 /* hex digits: SHA-256 of a certificate's SubjectPublicKeyInfo */
#define KESD_NAME_MAX 80     /* of keys, policies and identities */

/* One rule of a policy: a path of the API, exact, or a prefix where '*' stood behind it. */
struct kesd_rule {
    char *path;
    bool prefix;
};
struct kesd_rules {
    struct kesd_rule *rules;
    size_t count;
};
struct kesd_policy {
    char *name;
    struct kesd_rules allow, deny; /* deny wins; no rule is a no */
    char (*identities)[KESD_IDENTITY_LEN + 1];
    size_t identity_count;
};

enum kesd_store_kind { KESD_STORE_SLOT, KESD_STORE_DIRECTORY, KESD_STORE_VAULT };
enum kesd_format { KESD_FORMAT_SEALED, KESD_FORMAT_KES };

struct kesd_settings { /* owned */
    char *address;     /* "0.0.0.0:7373" */
    char *cert_file, *key_file,
        *ca_file;                      /* ca_file: client certificates must chain to it; or NULL */
    bool client_cert_expiry;           /* an expired client certificate is refused */
    char admin[KESD_IDENTITY_LEN + 1]; /* "": nobody */
    struct kesd_policy *policies;
    size_t policy_count;
    struct kesd_rules skip_auth; /* paths that need no client certificate */
    /* keys */
    enum kesd_store_kind store;
    enum kesd_format format;
    char *slot;        /* of the sealing key, or of the keys themselves; NULL: none */
    char *sealing_key; /* its name */
    char *directory;   /* KESD_STORE_DIRECTORY */
    char *vault_slot;  /* KESD_STORE_VAULT: the slot whose login reads and writes */
    char *vault_mount, *vault_prefix; /* "secret", "kes/dev" */
    unsigned vault_version;           /* 1 or 2, of the K/V engine */
    char *vault_transit;              /* format kes: the transit key that wraps; NULL: clear */
    int64_t cache_any_ms, cache_unused_ms, cache_offline_ms;
    char **create; /* keys that are made at the start when they are not there */
    size_t create_count;
    bool log_audit, log_error; /* to standard output */
    bool audit_all;            /* every request, not only keys made and deleted as KES does */
};

/* Options of [kes] and of [kes-policy NAME]; NULL-ended. */
extern const struct remote_option kesd_options[], kesd_options_policy[];

/*
 * From the configuration that the core was opened with, as it is on disk now. REMOTE_E_CONFIG:
 * among others, there is no [kes].
 */
enum remote_rc kesd_settings_read(struct remote_core *core, struct kesd_settings **ret,
                                  struct remote_error *err) REMOTE_MUST_CHECK;
/*
 * From a kes.yml; what has no meaning here is named in the log, once. Slots that it implies (the
 * Vault of its key store) must stand in the core's configuration; the message says which.
 */
enum remote_rc kesd_settings_read_yaml(const char *path, struct remote_core *core,
                                       struct kesd_settings **ret, struct remote_error *err)
    REMOTE_MUST_CHECK;
void kesd_settings_free(struct kesd_settings *settings); /* NULL is fine */

#endif
