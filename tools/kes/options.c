/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <stdio.h>

#define FIELD(member) offsetof(struct kesd_options, member)

/* clang-format off */
static const struct daemon_option table[] = {
    { "config",          DAEMON_TEXT,     "FILE",    FIELD(config), 0, 0,
      "the configuration, instead of /etc/hsmbridge/hsmbridge.conf" },
    { "kes-config",      DAEMON_TEXT,     "FILE",    FIELD(kes_config), 0, 0,
      "the kes.yml of a KES, instead of [kes] in the configuration" },
    { "address",         DAEMON_TEXT,     "ADDRESS", FIELD(address), 0, 0,
      "where to listen, instead of what is configured: 127.0.0.1:7373, [::]:7373" },
    { "threads",         DAEMON_NUMBER,   "N",       FIELD(threads), 1, 64,
      "that serve connections (default: one for each CPU)" },
    { "workers",         DAEMON_NUMBER,   "N",       FIELD(workers), 1, 128,
      "requests that wait for a store or a key service at once (default: 8)" },
    { "spin",            DAEMON_NUMBER,   "MICROSECONDS", FIELD(spin_us), 0, 10000,
      "how long a thread looks for requests before it sleeps (default: 0)" },
    { "drain-timeout",   DAEMON_DURATION, "TIME",    FIELD(drain_timeout_ms), 0, 600000,
      "how long the end may take (default: 10s)" },
    { "log-format-json", DAEMON_FLAG,     NULL,      FIELD(log_format_json), 0, 0,
      "log lines are JSON" },
    { "v",               DAEMON_NUMBER,   "N",       FIELD(verbosity), 0, 10,
      "log more: 1 what is done, 4 in detail" },
    { "version",         DAEMON_FLAG,     NULL,      FIELD(version), 0, 0,
      "this program's version" },
    { "help",            DAEMON_FLAG,     NULL,      FIELD(help), 0, 0, "this text" },
    { "h",               DAEMON_FLAG,     NULL,      FIELD(help), 0, 0, NULL },
    { NULL }
};
/* clang-format on */

enum remote_rc kesd_options_parse(int argc, char *const *argv, struct kesd_options *ret,
                                  struct remote_error *err)
{
    struct kesd_options options = { .workers = 8, .drain_timeout_ms = 10000 };

    REMOTE_TRY(daemon_options_parse(table, argc, argv, &options, err));
    *ret = options;
    return REMOTE_OK;
}

void kesd_options_help(void)
{
    puts("Usage: hsmbridge-kes [OPTION]...\n\n"
         "Serves the API of KES, MinIO's key server, with the keys of slots that are configured\n"
         "in /etc/hsmbridge/hsmbridge.conf.\n\nOptions:");
    daemon_options_print(table);
    puts("\nManual: hsmbridge-kes(8), hsmbridge.conf(5).");
}
