/* SPDX-License-Identifier: Apache-2.0 */
/* The command line; the manifests of the plugin for Azure work here. */
#ifndef KMS_OPTIONS_H
#define KMS_OPTIONS_H

#include "../daemon/options.h"

#define KMS_SERVICES_MAX DAEMON_LIST_MAX

struct kms_options {
    bool help, version, managed_hsm, log_format_json, take_over;
    const char *config, *pin_file;
    /* The n-th of each belongs together; a slot that is named once is that of all. */
    struct daemon_list listen, slot, key, key_version;
    struct daemon_list allow_uid;
    const char *socket_mode, *socket_owner;
    const char *healthz_address, *healthz_path, *metrics_address;
    uint64_t healthz_port, metrics_port, healthz_timeout_ms; /* ports: 0 is none */
    bool local_kek;
    uint64_t local_kek_uses, local_kek_age_ms;
    uint64_t timeout_ms, rotation_check_ms, proof_ms, drain_timeout_ms;
    uint64_t workers, verbosity;
    const char *keyvault_name, *azure_json; /* of the plugin for Azure */
    struct daemon_list slot_option;         /* NAME=VALUE, of the slot that these stand for */
    const char *ignored;
};

/* REMOTE_E_USAGE: one line that says what is wrong and what would be right. */
enum remote_rc kms_options_parse(int argc, char *const *argv, struct kms_options *ret,
                                 struct remote_error *err) REMOTE_MUST_CHECK;
void kms_options_help(void);

/* One of the keys that are served. */
struct kms_serving {
    const char *listen; /* NULL: a socket that is passed on */
    const char *slot;   /* NULL: the only one */
    const char *key, *key_version;
};
size_t kms_options_count(const struct kms_options *options);
struct kms_serving kms_options_at(const struct kms_options *options, size_t index);

#endif
