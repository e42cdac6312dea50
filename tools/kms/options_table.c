/* SPDX-License-Identifier: Apache-2.0 */
#include "options_table.h"

#include <stddef.h>

#include "options.h"

#define FIELD(member) offsetof(struct kms_options, member)
#define DAY (24u * 3600 * 1000)

/* clang-format off */
const struct kms_option kms_option_table[] = {
    { "config",          KMS_TEXT,     "FILE",     FIELD(config), 0, 0,
      "the configuration, instead of /etc/hsmbridge/hsmbridge.conf" },
    { "listen",          KMS_LIST,     "ADDRESS",  FIELD(listen), 0, 0,
      "unix:///PATH or unix:///@NAME; may be repeated, one for each key" },
    { "slot",            KMS_LIST,     "SLOT",     FIELD(slot), 0, 0,
      "the slot of the key; may be repeated" },
    { "key",             KMS_LIST,     "NAME",     FIELD(key), 0, 0,
      "the key; may be repeated" },
    { "key-version",     KMS_LIST,     "VERSION",  FIELD(key_version), 0, 0,
      "encrypt with this version, whatever newer ones there are" },
    { "pin-file",        KMS_TEXT,     "FILE",     FIELD(pin_file), 0, 0,
      "the PIN, where a slot wants one" },
    { "socket-mode",     KMS_TEXT,     "MODE",     FIELD(socket_mode), 0, 0,
      "of the sockets (default: 0600)" },
    { "socket-owner",    KMS_TEXT,     "USER:GROUP", FIELD(socket_owner), 0, 0,
      "of the sockets" },
    { "allow-uid",       KMS_LIST,     "UID",      FIELD(allow_uid), 0, 0,
      "only users with this number may call; may be repeated" },
    { "take-over",       KMS_FLAG,     NULL,       FIELD(take_over), 0, 0,
      "take the sockets from a process that serves them, which then ends" },
    { "timeout",         KMS_DURATION, "TIME",     FIELD(timeout_ms), 100, 120000,
      "of a call, besides the slot's and the caller's own (default: 10s)" },
    { "rotation-check",  KMS_DURATION, "TIME",     FIELD(rotation_check_ms), 1000, DAY,
      "how old what Status tells may be (default: 60s)" },
    { "proof-interval",  KMS_DURATION, "TIME",     FIELD(proof_ms), 1000, DAY,
      "how long without a success before one is tried (default: 10m)" },
    { "drain-timeout",   KMS_DURATION, "TIME",     FIELD(drain_timeout_ms), 0, 600000,
      "how long the end may take (default: 10s)" },
    { "workers",         KMS_NUMBER,   "N",        FIELD(workers), 1, 128,
      "calls to the key service at once (default: 8)" },
    { "healthz-address", KMS_TEXT,     "ADDRESS",  FIELD(healthz_address), 0, 0,
      "where health is told (default: 127.0.0.1)" },
    { "healthz-port",    KMS_NUMBER,   "PORT",     FIELD(healthz_port), 0, 65535,
      "its port (default: none)" },
    { "healthz-path",    KMS_TEXT,     "PATH",     FIELD(healthz_path), 0, 0,
      "its path (default: /healthz); /livez is there too" },
    { "healthz-timeout", KMS_DURATION, "TIME",     FIELD(healthz_timeout_ms), 100, 600000,
      "how long an answer may take (default: 20s)" },
    { "metrics-address", KMS_TEXT,     "ADDRESS",  FIELD(metrics_address), 0, 0,
      "where /metrics is (default: 127.0.0.1)" },
    { "metrics-port",    KMS_NUMBER,   "PORT",     FIELD(metrics_port), 0, 65535,
      "its port (default: none)" },
    { "log-format-json", KMS_FLAG,     NULL,       FIELD(log_format_json), 0, 0,
      "log lines are JSON" },
    { "v",               KMS_NUMBER,   "N",        FIELD(verbosity), 0, 10,
      "log more: 1 what is done, 4 in detail" },
    { "keyvault-name",   KMS_TEXT,     "NAME",     FIELD(keyvault_name), 0, 0,
      "as Azure's own plugin: an Azure vault, without a configuration" },
    { "managed-hsm",     KMS_FLAG,     NULL,       FIELD(managed_hsm), 0, 0,
      "with --keyvault-name: it is a Managed HSM" },
    { "config-file-path", KMS_TEXT,    "FILE",     FIELD(azure_json), 0, 0,
      "with --keyvault-name (default: /etc/kubernetes/azure.json)" },
    { "slot-option",     KMS_LIST,     "NAME=VALUE", FIELD(slot_option), 0, 0,
      "with --keyvault-name: an option of hsmbridge.conf(5); may be repeated" },
    { "version",         KMS_FLAG,     NULL,       FIELD(version), 0, 0, "this program's version" },
    { "help",            KMS_FLAG,     NULL,       FIELD(help), 0, 0, "this text" },
    { "h",               KMS_FLAG,     NULL,       FIELD(help), 0, 0, NULL },
    /* Azure's plugin has these names for the same, and klog's that do not matter here. */
    { "listen-addr",     KMS_LIST,     "ADDRESS",  FIELD(listen), 0, 0, NULL },
    { "key-name",        KMS_LIST,     "NAME",     FIELD(key), 0, 0, NULL },
    { "configFilePath",  KMS_TEXT,     "FILE",     FIELD(azure_json), 0, 0, NULL },
    { "metrics-addr",    KMS_NUMBER,   "PORT",     FIELD(metrics_port), 1, 65535, NULL },
    { "metrics-backend", KMS_TEXT,     "prometheus", FIELD(ignored), 0, 0, NULL },
    { "logtostderr",     KMS_TEXT,     "true",     FIELD(ignored), 0, 0, NULL },
    { "proxy-mode",      KMS_REFUSED,
      "--slot-option proxy=URL is for that; see hsmbridge.conf(5)", 0, 0, 0, NULL },
    { NULL }
};
/* clang-format on */
